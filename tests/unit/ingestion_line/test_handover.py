"""A new owner, and a second replay, go on where the log ends."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agents.ingestion.captures.captured import CapturedFrame
from agents.ingestion.source_state import Found
from models.errors import CaptureError
from models.records.bursts import decode_quotes, decode_trades
from models.times import iso_seconds
from tests.burst_log import MADE_CAPTURES, Log, Place, append, bursts_of, captured, settings_of
from tests.in_memory import publish_all, rows_in
from tests.unit.ingestion.frames import at, coinbase_ticker, iso
from tests.unit.ingestion_line.scripted import BTC, ETH, EUR, MS, SOURCE, START, ScriptedLine, both

EPOCH = 8


def found(quotes: int, trades: int) -> dict[int, Found]:
    """Return what a former owner of the source of BTC left (ms)."""
    clocks: Any = {"quotes": START + quotes * MS, "trades": START + trades * MS}
    return {SOURCE: Found(EPOCH, clocks)}


def test_a_new_owner_has_a_higher_epoch_than_any_it_finds_and_its_generation_at_least() -> None:
    for generation, epoch in ((0, EPOCH + 1), (EPOCH + 1, EPOCH + 1), (EPOCH + 9, EPOCH + 9)):
        line = ScriptedLine(found=found(1_000, 1_000), generation=generation)
        line.frame(2_000, serves=[*both(BTC), *both(ETH)])
        line.finish(2_100)
        assert {sent.burst.epoch for sent in line.of("quotes")} == {epoch}
        # Nobody owned the source of ETH.
        others = {sent.burst.epoch for sent in line.sent if sent.burst.partition != SOURCE}
        assert others == {max(generation, 1)}


def test_everything_is_down_on_both_topics_from_the_clocks_found_to_the_first_frame() -> None:
    """The clock goes on from the newer one; of a source that nobody owned nothing is told."""
    line = ScriptedLine(found=found(5_000, 4_700))
    line.frame(9_000, serves=[*both(BTC), *both(ETH)])
    line.frame(9_300)
    line.frame(10_400)
    assert line.unseen("quotes") == [("*", 5_000, 9_000, "down")]
    assert line.unseen("trades") == [("*", 4_700, 9_000, "down")]
    assert line.unseen("quotes", 1) == []
    clocks = [sent.clock for sent in line.of("quotes")]
    assert clocks == sorted(clocks)
    assert clocks[0] >= 5_000


def test_what_is_served_after_the_first_frame_is_down_until_then() -> None:
    """Quotes until the market's next quote, as after any time without a connection."""
    line = ScriptedLine()
    line.line.own(SOURCE, found(5_000, 5_000)[SOURCE], 0)
    line.line.expect(SOURCE, [BTC, EUR])
    line.frame(9_000, serves=both(BTC))
    line.frame(9_300, quotes=[(BTC, 9_300)])
    line.frame(10_600)
    line.frame(11_400, serves=both(EUR))
    line.frame(11_900, quotes=[(EUR, 11_900)])
    line.frame(13_300)
    assert line.unseen("trades") == [
        ("*", 5_000, 9_000, "down"),
        (EUR, 9_000, 11_400, "down"),
    ]
    assert line.unseen("quotes") == [
        ("*", 5_000, 9_000, "down"),
        (EUR, 9_000, 11_900, "down"),
        (BTC, 9_000, 9_300, "down"),
    ]


def test_a_market_known_after_the_take_over_is_down_from_the_clock_until_it_is_served() -> None:
    line = ScriptedLine()
    line.line.own(SOURCE, found(5_000, 5_000)[SOURCE], 0)
    line.line.expect(SOURCE, [BTC])
    line.frame(9_000, serves=both(BTC), quotes=[(BTC, 9_000)])
    assert line.clock() == 8_800
    line.line.expect(SOURCE, [BTC, EUR])
    line.frame(10_300)
    line.frame(11_400, serves=both(EUR))
    line.frame(12_700)
    assert line.unseen("trades") == [
        ("*", 5_000, 9_000, "down"),
        (EUR, 8_800, 11_400, "down"),
    ]


def test_of_a_source_that_nobody_owned_nothing_is_down_before_it_is_served() -> None:
    line = ScriptedLine()
    line.line.own(SOURCE, None, 0)
    line.line.expect(SOURCE, [BTC, EUR])
    line.frame(9_000, serves=both(BTC))
    line.frame(10_600, serves=both(EUR))
    line.frame(12_700)
    assert line.unseen("trades") == []


def test_a_first_frame_behind_the_clock_found_is_placed_there() -> None:
    """Its ticks are late; no interval runs backwards."""
    line = ScriptedLine(found=found(5_000, 5_000))
    line.frame(5_100, time=4_000, quotes=[(BTC, 4_000)])
    line.frame(6_300)
    assert [tick[1:3] for tick in line.ticks("quotes")] == [(5_000, 4_000)]
    assert all(start <= end for _, start, end, _ in line.pieces("quotes"))
    assert {sent.clock >= 5_000 for sent in line.of("quotes")} == {True}


def ticker(t: float, bid: str, ask: str) -> CapturedFrame:
    """Return a ticker of Coinbase that was sent when it was received."""
    return CapturedFrame(at(t), "coinbase", "1", "frame", coinbase_ticker(bid, ask, iso(t)))


def replayed(log: Log, *frames: CapturedFrame) -> Log:
    """Replay frames into a log."""
    return append(log, bursts_of(frames, settings_of(), log))


FIRST = ticker(0.5, "100", "101"), ticker(1.0, "100", "101")
SECOND = ticker(5.0, "200", "202"), ticker(6.5, "200", "204")


def test_a_second_replay_into_the_same_log_gives_the_rows_worked_out_by_hand() -> None:
    """The first ends on 2 s, the second begins at 5 s; between them all is down.

    A replay closes its connection with its last frame: the quotes of 1.0 s and 6.5 s begin where
    the market goes down, so they enter nothing. Seen are [0.5, 1) with a spread of 1, and
    [5, 6.5) with one of 2.
    """
    log = replayed(replayed({}, *FIRST), *SECOND)
    rows = rows_in(value for values in publish_all(log).values() for value in values)
    windows = [row["windows"]["15s"] for row in rows]
    assert [row["as_of"][-3:] for row in rows] == [f"0{second}Z" for second in range(1, 8)]
    seen = [0.5, 0.5, 0.5, 0.5, 0.5, 1.5, 2.0]
    assert [window["coverage"] * 15 for window in windows] == pytest.approx(seen)
    assert [window["n"] for window in windows] == [1, 1, 1, 1, 1, 2, 2]
    means = [1, 1, 1, 1, 1, 2.5 / 1.5, 3.5 / 2]
    assert [window["mean"] for window in windows] == pytest.approx(means)
    assert [window["tick_mean"] for window in windows] == [1, 1, 1, 1, 1, 1.5, 1.5]
    assert [window["max"] for window in windows] == [1, 1, 1, 1, 1, 2, 2]
    # Just before 1 s it is seen, before 2 to 5 s it is down, before 6 s seen, before 7 s down.
    assert [row["reasons"].get("bid") for row in rows] == [
        None,
        *["down"] * 4,
        None,
        "down",
    ]
    assert [row["bid"] for row in rows] == [100.0, None, None, None, None, 200.0, None]


def test_a_second_replay_is_of_a_higher_epoch_and_its_clocks_go_on() -> None:
    log = replayed(replayed({}, *FIRST), *SECOND)
    for (topic, _), values in log.items():
        decode = decode_quotes if topic.endswith("quotes") else decode_trades
        bursts = [decode(value) for value in values]
        epochs = [burst.epoch for burst in bursts]
        assert sorted(epochs) == epochs
        assert set(epochs) == {1, 2}
        clocks = [burst.clock for burst in bursts]
        assert sorted(clocks) == clocks
        handed = [row for burst in bursts for row in burst.unseen if row.market == "*"]
        assert [(row.start, row.end, row.reason) for row in handed if row.end > row.start] == [
            (at(2.0), at(5.0), "down")
        ]


def test_a_replay_of_what_is_older_than_the_log_is_refused() -> None:
    """Its clock would have to go back; what begins just where the log ends may follow."""
    log = replayed({}, *SECOND)
    with pytest.raises(CaptureError, match="fresh namespace") as refused:
        replayed(log, *FIRST)
    assert refused.value.reason == "capture_goes_back"
    with pytest.raises(CaptureError):
        replayed(log, ticker(6.999, "1", "2"))
    assert len(replayed(log, ticker(7.0, "1", "2"))["coinbase_quotes", 2]) > 3


@pytest.mark.parametrize("first", [MADE_CAPTURES[1], MADE_CAPTURES[3]], ids=lambda path: path.name)
def test_a_capture_after_another_changes_no_row_of_it_and_is_soon_as_if_alone(first: Path) -> None:
    """`jump` begins ten minutes after the others; a window later nothing is left of them.

    But for the baseline, which reaches back half an hour, over both.
    """
    frames = captured([MADE_CAPTURES[2]])
    before = append({}, bursts_of(captured([first]), settings_of()))
    both_logs = {place: list(values) for place, values in before.items()}
    append(both_logs, bursts_of(frames, settings_of(), before))
    after = publish_all(both_logs)
    for source, values in publish_all(before).items():
        assert after[source][: len(values)] == values
    since = iso_seconds(frames[0].t // 1_000_000_000 + 17)
    alone = publish_all(append({}, bursts_of(frames, settings_of())))
    assert set(alone) <= set(after)
    expected = _rows_since(since, alone)
    assert len(expected) > 1_000
    assert _rows_since(since, after) == expected


_BASELINE = ("baseline_bps", "baseline_sigma", "z", "z_n", "half_life_s", "half_life_n")


def _rows_since(since: str, published: Mapping[Place, list[bytes]]) -> dict[tuple[str, str], Any]:
    rows = rows_in(value for values in published.values() for value in values)
    return {
        (row["market"], row["as_of"]): {
            **{name: figure for name, figure in row.items() if name not in _BASELINE},
            "reasons": {path: why for path, why in row["reasons"].items() if path not in _BASELINE},
        }
        for row in rows
        if row["as_of"] >= since
    }
