"""One exchange's line: its clock, late ticks, unseen time and bursts.

What is expected follows from section 4 of docs/from-frames-to-figures.md.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.ingestion.source_state import KINDS
from models.partition import partition_of
from models.records.bursts import TickFlag
from tests.unit.ingestion_line.scripted import (
    BTC,
    ETH,
    EUR,
    PARTITIONS,
    ScriptedLine,
    both,
)

LATE = TickFlag.LATE.value


def test_the_clock_is_the_newest_frame_time_less_the_lateness_and_never_goes_back() -> None:
    line = ScriptedLine()
    assert line.clock() is None
    line.frame(1_000, serves=both())
    line.advance(1_050)
    assert line.clock() == 800
    line.frame(1_500, time=1_400)
    line.frame(1_600, time=1_300)
    line.advance(1_700)
    assert line.clock() == 1_200


def test_a_frame_without_a_time_of_its_own_counts_less_the_skew() -> None:
    """So does one that cannot be read: the transport lives."""
    line = ScriptedLine(skew=300)
    line.frame(2_000, time=None, serves=both())
    line.advance(2_100)
    assert line.clock() == 1_500
    line.frame(3_000, dead="malformed_frame")
    line.advance(3_100)
    assert line.clock() == 2_500


def test_a_tick_behind_the_clock_as_it_stood_before_its_frame_is_late_and_placed_there() -> None:
    """Sent or not; its own time is kept beside it. One at the clock is not late."""
    line = ScriptedLine()
    line.frame(1_000, quotes=[(BTC, 400)])
    line.frame(2_000, quotes=[(BTC, 799), (BTC, 800)], trades=[(BTC, 2_000)])
    line.frame(2_010, quotes=[(EUR, 1_500)], trades=[(BTC, 1_799)])
    line.finish(2_020)
    assert line.ticks("quotes") == [
        (BTC, 400, 400, 0),
        (BTC, 800, 799, LATE),
        (BTC, 800, 800, 0),
        (EUR, 1_800, 1_500, LATE),
    ]
    assert line.ticks("trades") == [(BTC, 2_000, 2_000, 0), (BTC, 1_800, 1_799, LATE)]


def test_a_clock_that_no_burst_has_told_yet_makes_late_too() -> None:
    """Whether something was sent in between changes nothing."""
    line = ScriptedLine()
    line.frame(1_000, serves=both())
    line.frame(2_300)
    line.frame(2_310, quotes=[(BTC, 2_050), (BTC, 2_100)])
    line.finish(2_400)
    assert [tick[1:] for tick in line.ticks("quotes")] == [(2_100, 2_050, LATE), (2_100, 2_100, 0)]


def test_of_a_source_first_named_late_is_what_lies_before_its_connections_clock() -> None:
    """Its connection has been heard before, of other coins."""
    line = ScriptedLine()
    line.frame(2_000, quotes=[(ETH, 2_000)])
    line.frame(2_500, quotes=[(BTC, 1_700), (EUR, 1_800)])
    line.finish(2_500)
    assert line.ticks("quotes") == [(BTC, 1_800, 1_700, LATE), (EUR, 1_800, 1_800, 0)]


def test_a_silent_connection_is_stale_from_its_newest_frame_until_its_next() -> None:
    """At the limit the clock moves on with the time, a little behind it."""
    line = ScriptedLine()
    line.frame(1_000, serves=both())
    line.advance(3_000, 5_900)
    assert line.clock() == 800
    line.advance(6_000)
    assert line.clock() == 5_800
    line.advance(7_500)
    assert line.clock() == 7_300
    line.frame(9_000, time=8_990)
    line.finish(9_050)
    for kind in KINDS:
        assert line.unseen(kind)[0] == (BTC, 1_000, 8_990, "stale")


def test_a_stale_clock_is_behind_by_the_skew_too_and_the_recovery_is_not_before_it() -> None:
    """The frame that ends the silence says 7.2 s, but the clock stands at 7.5 s already."""
    line = ScriptedLine(skew=300)
    line.frame(1_000, time=700, serves=both())
    line.advance(8_000)
    assert line.clock() == 7_500
    line.frame(8_000, time=7_200)
    line.advance(8_300)
    assert line.clock() == 7_500
    line.finish(8_400)
    assert line.unseen("quotes")[0] == (BTC, 700, 7_500, "stale")


def test_an_unseen_interval_never_begins_before_the_clock() -> None:
    """A source that two connections serve has its clock from both; one is far ahead, then gone."""
    line = ScriptedLine()
    line.frame(1_000, "a", serves=both())
    line.frame(6_500, "b", serves=both(EUR))
    line.advance(6_600)
    # `a` is stale, so it counts as 6.6 s, and `b` as 6.5 s.
    assert line.clock() == 6_300
    line.frame(6_700, "a", time=3_000)
    line.close(6_800, "a")
    line.frame(7_000, "b")
    line.finish(7_100)
    assert line.unseen("quotes")[1] == (BTC, 1_000, 6_300, "stale")
    assert line.unseen("quotes")[2][:2] == (BTC, 6_300)


def test_a_closed_connection_is_down_until_the_next_quote_or_frame_that_serves_the_trades() -> None:
    line = ScriptedLine()
    line.frame(2_000, serves=both())
    line.close(3_000)
    line.open(4_000, "b")
    line.frame(4_500, "b", serves=both())
    line.frame(5_250, "b", quotes=[(BTC, 5_200)])
    line.frame(5_500, "b", quotes=[(BTC, 5_500)], trades=[(BTC, 5_500)])
    line.finish(5_600)
    assert line.unseen("trades")[0] == (BTC, 2_000, 4_500, "down")
    assert line.unseen("quotes")[0] == (BTC, 2_000, 5_200, "down")
    # The end of the replay closes `b` too.
    assert [piece[1:] for piece in line.unseen("quotes")[1:]] == [(5_500, 6_000, "down")]
    assert [piece[1:] for piece in line.unseen("trades")[1:]] == [(5_500, 6_000, "down")]


def test_a_source_that_no_connection_serves_moves_on_with_the_time() -> None:
    line = ScriptedLine(skew=300)
    line.frame(2_000, time=1_700, serves=both())
    line.close(3_000)
    assert line.clock() == 2_500
    line.advance(8_000)
    assert line.clock() == 7_500


def test_opening_an_open_connection_closes_it_first() -> None:
    """Of its name there is one."""
    line = ScriptedLine()
    line.frame(2_000, serves=both())
    line.open(2_500)
    line.frame(3_000, quotes=[(BTC, 3_000)])
    line.frame(4_000)
    assert line.unseen("quotes") == [(BTC, 2_000, 3_000, "down")]


def test_a_silence_that_ends_with_the_connection_is_stale_first_and_then_down() -> None:
    """Down from where the silent connection counts when it closes."""
    line = ScriptedLine()
    line.frame(1_000, serves=both())
    line.close(8_000)
    line.frame(9_300, "b", quotes=[(BTC, 9_300)])
    line.frame(10_500, "b")
    assert line.unseen("quotes") == [
        (BTC, 1_000, 8_000, "stale"),
        (BTC, 8_000, 9_300, "down"),
    ]


def test_a_gap_lasts_from_its_frame_until_the_markets_next_quote() -> None:
    """Other markets and the trades are not concerned; a second gap within it changes nothing."""
    line = ScriptedLine()
    line.frame(1_000, quotes=[(BTC, 1_000), (EUR, 1_000)], serves=both())
    line.frame(2_000, gaps=[BTC])
    line.frame(2_500, gaps=[BTC])
    line.frame(3_000, quotes=[(EUR, 3_000)], trades=[(BTC, 3_000)])
    line.frame(4_100, quotes=[(BTC, 4_050)])
    line.frame(5_500)
    assert line.unseen("quotes") == [(BTC, 2_000, 4_050, "gap")]
    assert line.unseen("trades") == []
    assert line.line.counts["gaps"] == 2


def test_a_gap_stays_one_through_silence_and_the_end_of_the_connection() -> None:
    """The first interval to begin stays until it ends."""
    line = ScriptedLine()
    line.frame(1_000, quotes=[(BTC, 1_000)], serves=both())
    line.frame(2_000, gaps=[BTC])
    line.advance(7_500)
    line.frame(8_000)
    line.close(8_500)
    line.frame(9_000, "b", quotes=[(BTC, 9_000)], serves=both())
    line.frame(10_500, "b")
    assert line.unseen("quotes") == [(BTC, 2_000, 9_000, "gap")]
    assert line.unseen("trades") == [(BTC, 2_000, 8_000, "stale"), (BTC, 8_000, 9_000, "down")]


def test_lost_trades_are_a_gap_from_the_clock_before_to_the_next_trade() -> None:
    line = ScriptedLine()
    line.frame(1_000, trades=[(BTC, 1_000)])
    line.frame(3_000, trades=[(BTC, 3_000)])
    line.frame(3_500, lost=[(BTC, 3_400, 7)], trades=[(BTC, 3_400)])
    line.frame(4_500)
    assert line.unseen("trades") == [(BTC, 2_800, 3_400, "gap")]
    assert line.unseen("quotes") == []
    assert line.line.counts["trades_lost"] == 7


def test_of_two_connections_the_clock_is_that_of_the_one_behind() -> None:
    """A connection that begins to serve a source cannot take its clock back."""
    line = ScriptedLine()
    line.frame(3_000, "a", serves=both())
    line.advance(3_100)
    line.frame(3_200, "b", time=1_000, serves=both(EUR))
    line.advance(3_300)
    assert line.clock() == 2_800
    line.frame(5_000, "a")
    line.advance(5_050)
    assert line.clock() == 2_800
    line.frame(5_100, "b", time=4_000)
    line.advance(5_150)
    assert line.clock() == 3_800
    line.close(5_200, "b")
    assert line.clock() == 4_800


def test_a_connection_that_serves_another_source_holds_no_clock_back() -> None:
    line = ScriptedLine()
    line.frame(1_000, "b", quotes=[(ETH, 1_000)])
    line.frame(5_000, "a", quotes=[(BTC, 5_000)])
    line.advance(5_100)
    assert line.clock() == 4_800


@pytest.mark.parametrize("how", ["silence", "close"])
def test_a_pair_that_another_heard_connection_serves_stays_seen(how: str) -> None:
    """What only the lost one served is unseen."""
    line = ScriptedLine()
    line.frame(1_000, "a", serves=[*both(BTC), *both(EUR)])
    line.frame(1_000, "b", serves=both(BTC))
    for t in range(2_000, 8_001, 500):
        line.frame(t, "b")
    if how == "close":
        line.close(8_100, "a")
    line.frame(9_500, "b")
    for kind in KINDS:
        assert {piece[0] for piece in line.unseen(kind)} == {EUR}
        reasons = [piece[3] for piece in line.unseen(kind)]
        assert reasons == (["stale", "down"] if how == "close" else ["stale"])


def test_an_open_interval_is_sent_piece_by_piece_as_seconds_pass() -> None:
    """So that a second can close while it lasts; pieces meet each other."""
    line = ScriptedLine()
    line.frame(1_000, serves=both())
    line.close(1_100)
    line.advance(*range(1_200, 5_201, 100))
    pieces = [(start, end) for _, start, end, _ in line.pieces("quotes")]
    assert [end for _, end in pieces] == [2_000, 3_000, 4_000, 5_000]
    assert pieces[0][0] == 1_000
    assert all(one[1] == other[0] for one, other in pairwise(pieces))
    for sent in line.of("quotes"):
        for row in sent.burst.unseen:
            assert row.end <= sent.burst.clock


def test_while_frames_flow_both_topics_have_a_burst_at_least_every_quarter_of_a_second() -> None:
    """Empty if need be: it carries the clock. A burst can only leave when a frame comes."""
    spacing = 10
    line = ScriptedLine()
    for t in range(1_000, 6_000, spacing):
        line.frame(t, quotes=[(BTC, t)] if t == 1_040 else [], serves=both())
    for kind in KINDS:
        sent = line.of(kind)
        assert len(sent) >= 5_000 // 250
        assert all(other.left - one.left < 250 + spacing for one, other in pairwise(sent))
        assert [len(one.burst) for one in sent if len(one.burst)] == [1] * (kind == "quotes")
        assert len(sent) <= 5_000 // 250 + 5 + 2, "more than the interval and the seconds ask for"


def test_a_tick_waits_no_longer_than_the_linger() -> None:
    spacing = 10
    line = ScriptedLine()
    for t in range(1_000, 3_200, spacing):
        ticks = [(BTC, t)] if t % 330 == 0 else []
        line.frame(t, quotes=ticks, serves=both())
    left = {
        tick: sent.left
        for sent in line.of("quotes")
        for tick in memoryview(sent.burst.receive_time).cast("q").tolist()
    }
    waits = [left_at - (time // 1_000_000 - 1_800_000_000_000) for time, left_at in left.items()]
    assert len(waits) == 6
    assert max(waits) < 100 + spacing


def test_both_topics_have_a_burst_as_soon_as_the_clock_passes_a_second() -> None:
    """However short ago the last one was; it is cut there, so a second has all its ticks."""
    line = ScriptedLine()
    for t in range(1_000, 4_500, 7):
        line.frame(t, quotes=[(BTC, t)], serves=both())
    for second in (1_000, 2_000, 3_000, 4_000):
        passed = next(t for t in range(1_000, 4_500, 7) if t - 200 >= second)
        for kind in KINDS:
            first = next(sent for sent in line.of(kind) if sent.clock >= second)
            assert (first.left, first.clock) == (passed, passed - 200)


def test_a_replay_ends_on_the_next_whole_second_above_everything_seen() -> None:
    """Above the newest tick too, which may lie ahead of the clock; never on it."""
    for newest, end in ((2_999, 3_000), (3_000, 4_000)):
        line = ScriptedLine()
        line.frame(1_000, quotes=[(BTC, newest)], serves=both())
        line.finish(1_100)
        assert {line.of(kind)[-1].clock for kind in KINDS} == {end}


def test_every_source_has_bursts_of_its_own_partition() -> None:
    line = ScriptedLine()
    line.frame(1_000, quotes=[(BTC, 1_000), (ETH, 1_000)], trades=[(ETH, 1_000)])
    line.finish(1_100)
    ether = partition_of("ETH", PARTITIONS)
    assert {sent.burst.partition for sent in line.sent} == {2, ether} == {2, 1}
    assert [tick[0] for tick in line.ticks("quotes")] == [BTC]
    assert [tick[0] for tick in line.ticks("quotes", ether)] == [ETH]
    assert [tick[0] for tick in line.ticks("trades", ether)] == [ETH]


def test_replies_notices_and_rest_answers_pass_through() -> None:
    line = ScriptedLine()
    assert line.frame(1_000, notice="hello") == ("heard hello",)
    assert [(notice.kind, notice.detail) for notice in line.line.notices] == [("status", "hello")]
    line.rest(1_100, quotes=[(BTC, 1_100)])
    line.finish(1_200)
    assert [tick[0] for tick in line.ticks("quotes")] == [BTC]
    assert line.line.counts["frames"] == 2


def test_of_dead_frames_all_are_counted_and_few_are_kept() -> None:
    line = ScriptedLine()
    for t in range(1_000, 1_500, 100):
        line.frame(t, dead="malformed_frame")
    line.frame(1_600, dead="unknown_message")
    assert line.line.dead.counts == {"malformed_frame": 5, "unknown_message": 1}
    assert line.line.counts["frames"] == 6
    assert len(line.line.dead.drain()) == 3


STEPS = st.lists(
    st.tuples(
        st.sampled_from((0, 10, 60, 300, 1_000, 6_000)),
        st.sampled_from(("a", "b")),
        st.sampled_from(("frame", "frame", "quote", "trade", "gap", "close", "advance")),
        st.sampled_from((BTC, EUR)),
        st.integers(-1_000, 500),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_whatever_happens_no_burst_goes_behind_its_clock(
    steps: list[tuple[int, str, str, str, int]],
) -> None:
    """What a reader needs so that a closed second never changes, in every topic partition.

    The clock never goes back; no tick lies before the clock of an earlier burst, and no unseen
    interval reaches back into a second that this clock has closed.
    """
    line, now = ScriptedLine(), 2_000
    for ahead, connection, what, market, offset in steps:
        now += ahead
        match what:
            case "frame":
                line.frame(now, connection, time=now + offset, serves=both(market))
            case "quote":
                line.frame(now, connection, time=now + offset, quotes=[(market, now + offset)])
            case "trade":
                line.frame(now, connection, time=now + offset, trades=[(market, now + offset)])
            case "gap":
                line.frame(now, connection, time=now + offset, gaps=[market])
            case "close":
                line.close(now, connection)
            case _:
                line.advance(now)
    line.finish(now)
    for kind in KINDS:
        clock = None
        for sent in line.of(kind):
            times = memoryview(sent.burst.time).cast("q").tolist()
            starts = [row.start for row in sent.burst.unseen]
            if clock is not None:
                assert sent.burst.clock >= clock
                assert all(time >= clock for time in times)
                assert all(start >= clock // 10**9 * 10**9 for start in starts)
            clock = sent.burst.clock
        assert all(start < end for _, start, end, _ in line.pieces(kind))
