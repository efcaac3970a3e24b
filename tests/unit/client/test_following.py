"""What a client makes of a stream's messages: each value once, in order, and every gap told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cointide_client import (
    Conflated,
    Event,
    Gap,
    NoValue,
    Status,
    StreamRefusedError,
    Subscription,
    Value,
)
from cointide_client.following import Following

KEY = "kraken:BTC-USD"
TIME = "2026-11-21T10:00:15Z"


def message(kind: str, seq: int | None, prev_seq: int | None = None, **rest: Any) -> dict[str, Any]:
    """Return an update or a snapshot."""
    data = None if seq is None else {"n": seq}
    common = {"key": KEY, "ts_event": TIME, "ts_publish": TIME, "channel": "spreads"}
    return {"type": kind, "seq": seq, "prev_seq": prev_seq, "data": data, **common, **rest}


def told(following: Following, *messages: dict[str, Any]) -> list[Event]:
    """Return all that these messages tell."""
    return [event for each in messages for event in following.take(each)]


def seqs(events: list[Event]) -> list[int | tuple[int, int]]:
    """Return values as their `seq`, gaps as their ends."""
    found: list[int | tuple[int, int]] = []
    for event in events:
        assert isinstance(event, Value | Gap)
        found.append(event.seq if isinstance(event, Value) else (event.after, event.before))
    return found


def of_spreads(*keys: str) -> Following:
    return Following([Subscription("spreads", keys or (KEY,))])


def test_values_come_in_order_and_what_comes_again_is_dropped() -> None:
    following = of_spreads()
    first = told(following, message("snapshot", 5, 4))
    assert isinstance(first[0], Value)
    assert first[0].is_snapshot
    assert first[0].time is not None
    assert first[0].time.isoformat() == "2026-11-21T10:00:15+00:00"
    again = [message("update", seq, seq - 1) for seq in (4, 5, 6, 6, 7)]
    assert seqs(told(following, *again)) == [6, 7]


def test_a_value_that_does_not_follow_the_last_one_tells_the_gap() -> None:
    following = of_spreads()
    told(following, message("snapshot", 5, 4))
    assert seqs(told(following, message("snapshot", 9, 8))) == [(5, 9), 9]
    # A market that had no row for a while has missed nothing.
    assert seqs(told(following, message("update", 20, 9))) == [20]
    # A gateway that does not know what was before cannot say that nothing is missing.
    assert seqs(told(following, message("snapshot", None), message("update", 30))) == [(20, 30), 30]


def test_a_snapshot_that_follows_the_last_value_is_no_gap() -> None:
    following = of_spreads()
    told(following, message("snapshot", 5, 4))
    assert seqs(told(following, message("snapshot", 9, 5))) == [9]


def test_a_new_connection_asks_for_what_follows_the_last_value() -> None:
    following = of_spreads(KEY, "kraken:ETH-USD")
    (first,) = following.requests()
    assert "resume" not in first
    told(following, message("snapshot", 5, 4))
    (request,) = following.requests()
    assert request["keys"] == [KEY, "kraken:ETH-USD"]
    assert request["resume"] == {KEY: 5}


def test_all_spreads_go_on_at_the_least_second_that_can_still_be_had() -> None:
    following = of_spreads("*")
    told(following, message("snapshot", 1_000), message("snapshot", 990, key="kraken:ETH-USD"))
    assert [request["resume"] for request in following.requests()] == [{"*": 990}]
    told(following, message("update", 5_000, 1_000))
    assert [request["resume"] for request in following.requests()] == [{"*": 4_160}]


def test_all_of_another_channel_go_on_key_by_key_before_the_rest() -> None:
    following = Following([Subscription("bars", ["*"])])
    told(following, *(message("snapshot", 7, channel="bars", key=f"m{i}") for i in range(250)))
    requests = list(following.requests())
    assert [len(request["keys"]) for request in requests] == [200, 50, 1]
    assert len(requests[1]["resume"]) == 50
    assert requests[2]["keys"] == ["*"]
    assert "resume" not in requests[2]


def test_a_snapshot_of_trades_is_told_trade_by_trade() -> None:
    following = Following([Subscription("trades", [KEY])])

    def snapshot(*numbers: int) -> dict[str, Any]:
        trades = [{"price": 1.0, "time": TIME, "seq": seq} for seq in numbers]
        rest = {"channel": "trades", "data": {"trades": trades}}
        return message("snapshot", numbers[-1], numbers[-2]) | rest

    assert seqs(told(following, snapshot(3, 5, 8))) == [3, 5, 8]
    assert seqs(told(following, snapshot(5, 8, 9, 12))) == [9, 12]
    assert seqs(told(following, snapshot(20, 21))) == [(12, 20), 20, 21]


def test_a_revised_bar_comes_once_and_breaks_no_chain() -> None:
    following = Following([Subscription("bars", [KEY])])
    bars = {"channel": "bars"}
    told(following, message("snapshot", 5, 4) | bars, message("update", 6, 5) | bars)
    revised = message("update", 5, None, revised=True) | bars
    (event,) = told(following, revised, revised)
    assert isinstance(event, Value)
    assert event.is_revised
    later = revised | {"ts_publish": "2026-11-21T10:00:16Z"}
    assert len(told(following, later)) == 1
    assert seqs(told(following, message("update", 7, 6) | bars)) == [7]


def test_what_is_no_value_is_told_too() -> None:
    following = of_spreads()
    events = told(
        following,
        message("snapshot", None, reasons={"data": "warming"}),
        {"type": "subscribed", "id": 0, "channel": "spreads", "keys": [KEY]},
        {"type": "heartbeat", "ts": TIME},
        {"type": "conflated", "dropped": 3},
        {"type": "status", "channel": "feeds", "key": KEY, "status": "stale", "reason": "gap",
         "ts_event": TIME},
    )  # fmt: skip
    assert events[0] == NoValue("spreads", KEY, {"data": "warming"})
    assert events[1] == Conflated(3)
    assert isinstance(events[2], Status)
    assert (events[2].status, events[2].reason) == ("stale", "gap")
    with pytest.raises(StreamRefusedError, match="unknown_key"):
        told(following, {"type": "error", "id": 0, "code": "unknown_key", "detail": "expected"})


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=40),
    st.lists(st.tuples(st.integers(0, 39), st.integers(0, 8)), max_size=6),
)
def test_cut_anywhere_each_value_comes_once_and_only_what_is_lost_is_a_gap(
    steps: list[int], cuts: list[tuple[int, int]]
) -> None:
    """A gateway that remembers so many values, connections that are cut after any of them."""
    log = [sum(steps[: i + 1]) for i in range(len(steps))]
    following = of_spreads()
    events: list[Event] = []
    at = 0
    had: int | None = None
    for cut, remembered in [*sorted(cuts), (len(log) - 1, 40)]:
        (request,) = following.requests()
        resume = request.get("resume", {}).get(KEY)
        assert resume == had
        # The connection begins when `cut` values are there, and what was missed follows.
        there = log[: max(cut, at) + 1]
        missed = [seq for seq in there if resume is not None and seq > resume]
        before = dict(zip(log[1:], log, strict=False))
        if resume is None or len(missed) > remembered:
            events += told(following, message("snapshot", there[-1], before.get(there[-1])))
        else:
            events += told(following, *(message("update", seq, before.get(seq)) for seq in missed))
        had, at = there[-1], len(there) - 1
    values = [event.seq for event in events if isinstance(event, Value)]
    assert values == sorted(set(values))
    assert values[-1] == log[-1]
    gaps = [(event.after, event.before) for event in events if isinstance(event, Gap)]
    lost = [seq for seq in log if seq > values[0] and seq not in values]
    assert all(any(a < seq < b for a, b in gaps) for seq in lost)
    assert all(any(a < seq < b for seq in lost) for a, b in gaps)
