"""What waits for a slow client: bounded, in order, and nobody is told less than happened."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from services.gateway.hub.backlog import Backlog, Step
from services.gateway.hub.messages import Pong
from services.gateway.items import Item

LIMIT = 4


def item(key: str, seq: int) -> Item:
    """Return a value whose follower has the next number."""
    return Item(key, seq, seq - 1 if seq else None, seq, seq, lambda: {"seq": seq})


def step(key: str, seq: int, is_snapshot: bool = False, channel: str = "spreads") -> Step:
    """Return a step of one value."""
    return Step(channel, [item(key, seq)], as_batch=False, is_snapshot=is_snapshot)


def test_up_to_the_limit_everything_waits_in_order() -> None:
    """Nothing is dropped before the bound."""
    backlog = Backlog(LIMIT)
    steps = [step("a", seq) for seq in range(LIMIT)]
    assert all(backlog.add(each) for each in steps)
    assert backlog.take() == (steps, [], 0)


def test_beyond_it_the_newest_of_each_key_waits() -> None:
    """The one that stays follows what the client had before those left out."""
    backlog = Backlog(LIMIT)
    for seq in range(1, 8):
        assert backlog.add(step("a", seq))
    assert backlog.add(step("b", 3))
    entries, waiting, dropped = backlog.take()
    assert (entries, dropped) == ([], 6)
    assert [(each.item.key, each.settled().seq, each.settled().prev_seq) for each in waiting] == [
        ("a", 7, 0),
        ("b", 3, 2),
    ]
    assert len(backlog) == 0


def test_a_snapshot_stays_one_when_values_follow() -> None:
    """What follows it becomes part of it; what came before it is gone."""
    backlog = Backlog(LIMIT)
    for entry in (step("a", 1), step("a", 2, is_snapshot=True), step("a", 3), step("a", 4)):
        backlog.add(entry)
    backlog.add(step("a", 5))
    _, waiting, dropped = backlog.take()
    assert [(each.item.seq, each.is_snapshot) for each in waiting] == [(5, True)]
    assert dropped == 4


def test_answers_are_kept_beside_folded_values() -> None:
    """An answer is no value: it is never left out."""
    backlog = Backlog(LIMIT)
    pong = Pong(1, "now")
    assert backlog.add(pong)
    assert all(backlog.add(step("a", seq)) for seq in range(9))
    entries, waiting, _ = backlog.take()
    assert entries == [pong]
    assert len(waiting) == 1


def test_trades_cannot_be_folded() -> None:
    """One trade too many is said; other channels make room first."""
    backlog = Backlog(LIMIT)
    for seq in range(LIMIT):
        assert backlog.add(step("a", seq, channel="trades"))
    assert not backlog.add(step("a", 9, channel="trades"))
    mixed = Backlog(LIMIT)
    for seq in range(LIMIT):
        assert mixed.add(step("a", seq))
    assert mixed.add(step("a", 9, channel="trades"))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60), st.integers(1, 8))
def test_every_value_is_sent_or_counted(sent: list[tuple[str, bool]], limit: int) -> None:
    """Sent and dropped together are all; each key ends with its newest, its chain unbroken."""
    backlog = Backlog(limit)
    numbers: dict[str, int] = {}
    for key, is_snapshot in sent:
        numbers[key] = numbers.get(key, 0) + 1
        assert backlog.add(step(key, numbers[key], is_snapshot))
        assert len(backlog) <= limit + 3
    entries, waiting, dropped = backlog.take()
    steps = [entry for entry in entries if isinstance(entry, Step)]
    values = [(each.items[0], each.is_snapshot) for each in steps]
    values += [(each.settled(), each.is_snapshot) for each in waiting]
    assert len(values) + dropped == len(sent)
    had: dict[str, int] = {}
    for value, is_snapshot in values:
        if not is_snapshot:
            assert value.prev_seq == had.get(value.key, 0)
        had[value.key] = value.seq
    assert had == numbers
