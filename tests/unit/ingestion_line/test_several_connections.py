"""Connections that serve the same pairs: who was the last to see one, and who sees it again.

All times are seconds after START. The lateness is 0.2 s, the silence limit 5 s (Binance 25 s).
Frames are received when they were sent, so the skew is 0 and a frame without a time of its own
has its receive time.
"""

from __future__ import annotations

from agents.ingestion.captures.captured import CapturedFrame
from agents.ingestion.replay import Replay
from models.records.bursts import decode_quotes, decode_trades
from tests.burst_log import append, settings_of
from tests.in_memory import publish_all, rows_in
from tests.unit.ingestion.frames import (
    SECOND,
    START,
    at,
    binance_trade,
    coinbase_heartbeat,
    coinbase_ticker,
    combined,
    iso,
)

BTC = "coinbase:BTC-USD"
Piece = tuple[str, float, float, str]


def frame(connection: str, t: float, text: str, exchange: str = "coinbase") -> CapturedFrame:
    return CapturedFrame(at(t), exchange, connection, "frame", text)


def quote(connection: str, t: float) -> CapturedFrame:
    return frame(connection, t, coinbase_ticker("100", "101", iso(t)))


def beat(connection: str, t: float) -> CapturedFrame:
    return frame(connection, t, coinbase_heartbeat(iso(t)))


def close(connection: str, t: float) -> CapturedFrame:
    return CapturedFrame(at(t), "coinbase", connection, "close", "")


class Played:
    """What a replay of frames gave."""

    def __init__(self, *frames: CapturedFrame) -> None:
        replay = Replay(settings_of(), lambda _: {})
        bursts = [burst for each in frames for burst in replay.step(each).drain()]
        replay.finish()
        for line in replay.lines.values():
            bursts += line.drain()
        self.log = append({}, bursts)
        self.end = frames[-1].t

    def unseen(self, kind: str, exchange: str = "coinbase") -> list[Piece]:
        """Return the unseen intervals of BTC before the last frame, their pieces joined."""
        decode = decode_quotes if kind == "quotes" else decode_trades
        joined: list[Piece] = []
        for value in self.log[f"{exchange}_{kind}", 2]:
            for row in decode(value).unseen:
                start, end = _seconds(row.start), _seconds(min(row.end, self.end))
                if joined and joined[-1][2:] == (start, row.reason):
                    start = joined.pop()[1]
                if start < end:
                    joined.append((row.market, start, end, row.reason))
        return joined

    def stale_at(self) -> dict[str, bool]:
        """Return by `as_of` whether BTC was told as stale."""
        rows = [row for values in publish_all(self.log).values() for row in rows_in(values)]
        return {row["as_of"][-4:-1]: row["stale"] for row in rows if row["market"] == BTC}


def _seconds(time: int) -> float:
    return round((time - START) / SECOND, 6)


def test_the_one_that_falls_silent_last_was_the_last_to_see_a_pair() -> None:
    """Though both limits have passed when it is looked at, as in a replay of a silent line.

    `b` is silent from 7 s on, `a`, which was opened first, from 10 s on: till 4 s + 5 s nothing
    is unseen, and then what `a` served is, from its newest frame time, 5 s.
    """
    played = Played(quote("a", 1), quote("b", 2), beat("a", 5), beat("a", 20), beat("b", 20))
    assert played.unseen("quotes") == [(BTC, 5, 20, "stale")]
    opened_the_other_way = Played(
        quote("b", 1), quote("a", 2), beat("a", 5), beat("b", 20), beat("a", 20)
    )
    assert opened_the_other_way.unseen("quotes") == [(BTC, 5, 20, "stale")]


def test_a_pair_is_seen_again_once_another_connection_serves_it() -> None:
    """`a` fell silent; `b` takes over while `a` is still open, and `a` closes without a word."""
    quotes = [quote("b", t) for t in range(10, 20)]
    played = Played(quote("a", 1), beat("b", 9), *quotes[:3], close("a", 12.5), *quotes[3:])
    assert played.unseen("quotes") == [(BTC, 1, 10, "stale")]
    stale = played.stale_at()
    assert stale[":11"] is False
    assert stale[":19"] is False


def test_stale_becomes_down_where_the_silent_connection_had_come_to_when_it_closed() -> None:
    """Its N counts as the time of a frame without one of its own: 12 s, not the clock's 11.8 s."""
    played = Played(quote("a", 1), beat("b", 11.9), close("a", 12), beat("b", 12.5), beat("b", 14))
    assert played.unseen("quotes") == [(BTC, 1, 12, "stale"), (BTC, 12, 14, "down")]


def test_lost_trades_are_a_gap_until_the_next_trade_and_no_longer() -> None:
    """On Binance the frame came at 3.5 s but the trade, by T and the skew of 0.1 s, at 3.4 s.

    The clock before its frame is 3 s − 0.2 s.
    """
    own = START // 1_000_000
    frames = [
        frame("a", t, combined("trade", binance_trade(number, own + ms)), "binance")
        for t, number, ms in ((1.0, 1, 900), (3.0, 2, 2_900), (3.5, 5, 3_300))
    ]
    played = Played(*frames, frame("a", 9, combined("what", {}), "binance"))
    assert played.unseen("trades", "binance") == [("binance:BTC-USDT", 2.8, 3.4, "gap")]


def test_a_silent_connections_stale_outlives_the_end_of_another_silent_one() -> None:
    """`b` was the last to see the pair and is still open: with its next frame the pair is seen."""
    played = Played(
        quote("a", 1), quote("b", 2), beat("c", 8), close("a", 8.5), beat("b", 9), beat("b", 11)
    )
    assert played.unseen("quotes") == [(BTC, 2, 9, "stale")]
