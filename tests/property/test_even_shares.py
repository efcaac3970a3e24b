"""Shares of a group: even, complete, and with as few moves as even shares allow."""

from __future__ import annotations

from collections.abc import Mapping, Set

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from agents.runtime.shares import even_shares

NAMES = st.integers(0, 9).map("member-{}".format)
GROUPS = st.sets(NAMES, min_size=1)
PARTITIONS = st.integers(0, 24)
Owners = dict[int, str]


def held_by(members: Set[str], owners: Mapping[int, str]) -> dict[str, set[int]]:
    """Return what each of these members held, nothing for the new ones."""
    return {
        member: {each for each, owner in owners.items() if owner == member} for member in members
    }


def owners_of(shares: Mapping[str, list[int]], partitions: int) -> Owners:
    """See that shares are even and name each partition once; return who owns which."""
    owners = {partition: member for member, share in shares.items() for partition in share}
    sizes = [len(share) for share in shares.values()]
    assert sum(sizes) == partitions
    assert sorted(owners) == list(range(partitions))
    assert max(sizes) - min(sizes) <= 1
    return owners


def fewest_moves(members: Set[str], owners: Mapping[int, str], partitions: int) -> int:
    """Return in how many partitions the nearest even assignment differs, by linear programming.

    A row for each partition; for each member as many columns as even shares have at least, which
    must be taken, and one more that may be.
    """
    names = sorted(members)
    floor = partitions // len(names)
    columns = [(name, is_due) for name in names for is_due in [True] * floor + [False]]
    cost = np.array(
        [
            [(owners.get(row) != name) - 1_000.0 * is_due for name, is_due in columns]
            for row in range(partitions)
        ]
    ).reshape(partitions, len(columns))
    chosen = zip(*linear_sum_assignment(cost), strict=True)
    return sum(owners.get(row) != columns[column][0] for row, column in chosen)


@given(members=GROUPS, partitions=PARTITIONS, data=st.data())
def test_shares_are_even_and_move_as_little_as_the_nearest_even_assignment(
    members: set[str], partitions: int, data: st.DataObject
) -> None:
    """From any state before: members that are new or gone, partitions that no one held."""
    numbers = st.integers(0, max(0, partitions - 1))
    owners = data.draw(st.dictionaries(numbers, NAMES) if partitions else st.just(Owners()))
    after = owners_of(even_shares(held_by(members, owners), partitions), partitions)
    moves = sum(owners.get(partition) != member for partition, member in after.items())
    assert moves == fewest_moves(members, owners, partitions)


@given(groups=st.lists(GROUPS, min_size=2, max_size=5), partitions=PARTITIONS)
def test_members_that_join_and_leave_move_no_more_than_their_own_shares(
    groups: list[set[str]], partitions: int
) -> None:
    """A group that stays as it is moves nothing; those that stay do not exchange partitions."""
    owners: Owners = {}
    for before, members in zip([set[str](), *groups], groups, strict=False):
        shares = even_shares(held_by(members, owners), partitions)
        after = owners_of(shares, partitions)
        moved = {each for each in after if after[each] != owners.get(each)}
        if members == before:
            assert not moved
        if members >= before:
            assert {after[each] for each in moved} <= members - before or not before
        if members <= before:
            assert {owners[each] for each in moved} <= before - members
        owners = after


@given(
    held=st.dictionaries(NAMES, st.sets(st.integers(0, 30)), min_size=1),
    partitions=PARTITIONS,
)
def test_what_several_members_believe_to_own_goes_to_one_whoever_plans(
    held: dict[str, set[int]], partitions: int
) -> None:
    """One that missed rebalances, or knows partitions that are no more, spoils nothing."""
    shares = even_shares(held, partitions)
    owners_of(shares, partitions)
    backwards = dict(reversed(held.items()))
    assert list(even_shares(backwards, partitions).items()) == list(shares.items())


def test_one_that_missed_its_removal_takes_no_more_than_what_is_due() -> None:
    """The one that owns all by now keeps the larger share."""
    assert even_shares({"late": {2, 3, 4}, "all": {0, 1, 2, 3, 4}}, 5) == {
        "all": [0, 1, 2],
        "late": [3, 4],
    }


def test_without_members_there_are_no_shares() -> None:
    """Kafka asks only a leader, which is a member; the plan is defined all the same."""
    assert even_shares({}, 4) == {}
