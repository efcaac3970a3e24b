"""Which member of a group owns which partitions: even shares, as few moves as those allow.

A pure function of who is there and who held what, so every leader comes to the same plan. Faust's
own plan gives each member at most ⌈partitions / members⌉ and lets the last ones go without: 2, 2, 0
of 4. A pod that the autoscaler adds is to take over work, so here shares differ by one at most.
"""

from __future__ import annotations

from collections.abc import Mapping, Set


def even_shares(held: Mapping[str, Set[int]], partitions: int) -> dict[str, list[int]]:
    """Return the partitions of each member, ascending; each of `range(partitions)` is in one share.

    `held` says what each member owned so far as it knows, nothing for one that is new. A member
    that missed a rebalance may still count what another one has taken over: the member that counts
    most partitions holds what is counted twice. Members are alike but for that; where nothing
    else decides, their names do.

    Moves are least: a plan of even shares leaves a member at most min(held, its share) partitions,
    and the larger shares go to those that hold most.

    >>> even_shares({"a": {0, 1}, "b": {2, 3}, "c": set()}, 4)
    {'a': [0, 1], 'b': [2], 'c': [3]}
    """
    if not held:
        return {}
    kept = _held_once(held, partitions)
    by_size = sorted(kept, key=lambda member: (-len(kept[member]), member))
    floor, larger = divmod(partitions, len(by_size))
    sizes = {member: floor + (rank < larger) for rank, member in enumerate(by_size)}
    shares = {member: kept[member][: sizes[member]] for member in sorted(kept)}
    free = sorted(set(range(partitions)).difference(*shares.values()))
    for member, share in shares.items():
        missing = sizes[member] - len(share)
        shares[member] = sorted(share + free[:missing])
        free = free[missing:]
    return shares


def _held_once(held: Mapping[str, Set[int]], partitions: int) -> dict[str, list[int]]:
    """Return what each member held, ascending, without what counts as another one's."""
    kept: dict[str, list[int]] = {member: [] for member in held}
    for partition in range(partitions):
        holders = [member for member in held if partition in held[member]]
        if holders:
            kept[min(holders, key=lambda member: (-len(held[member]), member))].append(partition)
    return kept
