"""A line of an exchange whose frames say outright what a parser would make of them.

All times are milliseconds after START. The lateness is 200 ms, the linger 100 ms, the interval
250 ms and the silence limit 5 s, as the settings have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from agents.ingestion.exchanges.events import (
    Event,
    GapBegins,
    Kind,
    Notice,
    Pair,
    ParsedFrame,
    Quote,
    Trade,
    TradesLost,
)
from agents.ingestion.line import ExchangeLine, LineSettings
from agents.ingestion.source_state import Found
from models.errors import FrameError
from models.partition import partition_of
from models.records.bursts import QuoteBurst, TradeBurst, decode_quotes, decode_trades

MS = 1_000_000
START = 1_800_000_000_000 * MS
BTC, EUR, ETH = "kraken:BTC-USD", "kraken:BTC-EUR", "kraken:ETH-USD"
PARTITIONS = 8
SOURCE = partition_of("BTC", PARTITIONS)


class Script(msgspec.Struct, omit_defaults=True):
    """What is in a frame: its time (None: none of its own), pairs, ticks and events."""

    time: int | None = None
    quotes: list[tuple[str, int]] = []
    trades: list[tuple[str, int]] = []
    serves: list[Pair] = []
    gaps: list[str] = []
    lost: list[tuple[str, int, int]] = []
    notice: str | None = None
    dead: str | None = None


class ScriptedConnection:
    """A parser of scripts; `skew` is what frames without a time of their own lie behind."""

    def __init__(self, skew: int) -> None:
        self._skew = skew * MS
        self._served: set[Pair] = set()
        self._ids = 0

    def receive(self, receive_time: int, frame: str) -> ParsedFrame:
        """Read a script."""
        script = msgspec.json.decode(frame, type=Script)
        if script.dead is not None:
            raise FrameError(script.dead, "scripted")
        named: list[Pair] = [*script.serves]
        events: list[Event] = []
        for market, until, count in script.lost:
            named.append(("trades", market))
            events.append(TradesLost(market, count, START + until * MS))
        for market, time in script.quotes:
            named.append(("quotes", market))
            placed = START + time * MS
            events.append(Quote(market, placed, placed, 100.0, 1.0, 101.0, 1.0, 0))
        for market, time in script.trades:
            named.append(("trades", market))
            placed, self._ids = START + time * MS, self._ids + 1
            events.append(Trade(market, placed, placed, 100.0, 1.0, 1, self._ids, 0))
        for market in script.gaps:
            named.append(("quotes", market))
            events.append(GapBegins(market, "scripted"))
        if script.notice is not None:
            events.append(Notice("status", None, script.notice))
        fresh = tuple(pair for pair in dict.fromkeys(named) if pair not in self._served)
        self._served.update(fresh)
        frame_time = (
            self.frame_time_without_own(receive_time)
            if script.time is None
            else START + script.time * MS
        )
        replies = () if script.notice is None else (f"heard {script.notice}",)
        return ParsedFrame(frame_time, fresh, tuple(events), replies)

    def receive_rest(self, receive_time: int, body: str, url: str | None) -> ParsedFrame:
        """Read a script that a REST request was answered with."""
        assert url == "https://kraken.test/depth"
        return self.receive(receive_time, body)

    def frame_time_without_own(self, receive_time: int) -> int:
        """Return the receive time less the skew."""
        return receive_time - self._skew


class Sent(msgspec.Struct, frozen=True):
    """A burst, and when it left (ms)."""

    left: int
    burst: QuoteBurst | TradeBurst

    @property
    def kind(self) -> Kind:
        """Return whether it holds quotes or trades."""
        return "quotes" if isinstance(self.burst, QuoteBurst) else "trades"

    @property
    def clock(self) -> float:
        """Return its clock (ms)."""
        return millis(self.burst.clock)


Piece = tuple[str, float, float, str]


class ScriptedLine:
    """An `ExchangeLine` that reads scripts, and everything it has sent."""

    def __init__(
        self, *, skew: int = 0, found: dict[int, Found] | None = None, generation: int = 0
    ) -> None:
        self.line = ExchangeLine(
            "kraken",
            lambda: ScriptedConnection(skew),
            LineSettings(
                partitions=PARTITIONS,
                lateness=200 * MS,
                linger=100 * MS,
                interval=250 * MS,
                silence_limit=5_000 * MS,
                generation=generation,
                found=found or {},
            ),
        )
        self.sent: list[Sent] = []

    def frame(self, t: int, connection: str = "a", **script: Any) -> tuple[str, ...]:
        """Receive a frame; without `time` it was sent when it is received, None is without one."""
        body = Script(**({"time": t} | script))
        replies = self.line.frame(connection, START + t * MS, msgspec.json.encode(body).decode())
        self._drain(t)
        return replies

    def rest(self, t: int, connection: str = "a", **script: Any) -> None:
        """Receive the answer to a REST request."""
        body = msgspec.json.encode(Script(**({"time": t} | script))).decode()
        self.line.rest(connection, START + t * MS, body, "https://kraken.test/depth")
        self._drain(t)

    def open(self, t: int, connection: str = "a") -> None:
        """A connection is opened."""
        self.line.open(connection, START + t * MS)
        self._drain(t)

    def close(self, t: int, connection: str = "a") -> None:
        """A connection is closed."""
        self.line.close(connection, START + t * MS)
        self._drain(t)

    def advance(self, *times: int) -> None:
        """Time passes."""
        for t in times:
            self.line.advance(START + t * MS)
            self._drain(t)

    def finish(self, t: int) -> None:
        """The replay ends."""
        self.line.finish(START + t * MS)
        self._drain(t)

    def clock(self) -> float | None:
        """Return the clock of the source of BTC (ms)."""
        source = self.line.source(SOURCE)
        return None if source is None or source.clock is None else millis(source.clock)

    def of(self, kind: Kind, partition: int = SOURCE) -> list[Sent]:
        """Return what was sent to a topic partition."""
        return [s for s in self.sent if s.kind == kind and s.burst.partition == partition]

    def ticks(self, kind: Kind, partition: int = SOURCE) -> list[tuple[str, float, float, int]]:
        """Return market, time, own time and flags of every tick sent."""
        return [
            (burst.markets[code], millis(time), millis(own), flags)
            for burst in (sent.burst for sent in self.of(kind, partition))
            for code, time, own, flags in zip(
                burst.market_codes().tolist(),
                memoryview(burst.time).cast("q").tolist(),
                memoryview(burst.own_time).cast("q").tolist(),
                burst.flags,
                strict=True,
            )
        ]

    def pieces(self, kind: Kind, partition: int = SOURCE) -> list[Piece]:
        """Return the unseen intervals as they were sent."""
        return [
            (row.market, millis(row.start), millis(row.end), row.reason)
            for sent in self.of(kind, partition)
            for row in sent.burst.unseen
        ]

    def unseen(self, kind: Kind, partition: int = SOURCE) -> list[Piece]:
        """Return the same, pieces of one interval joined, in the order of their starts."""
        joined: list[Piece] = []
        for market, start, end, reason in sorted(self.pieces(kind, partition)):
            if joined and (joined[-1][0], joined[-1][2], joined[-1][3]) == (market, start, reason):
                start = joined.pop()[1]
            joined.append((market, start, end, reason))
        return joined

    def _drain(self, t: int) -> None:
        for out in self.line.drain():
            assert out.key == f"kraken|{out.partition}".encode()
            assert out.topic in ("kraken_quotes", "kraken_trades")
            decode = decode_quotes if out.topic == "kraken_quotes" else decode_trades
            burst: QuoteBurst | TradeBurst = decode(out.value)
            assert burst.partition == out.partition
            self.sent.append(Sent(t, burst))


def millis(time: int) -> float:
    """Return milliseconds after START."""
    return (time - START) / MS


def both(market: str = BTC) -> Sequence[Pair]:
    """Return the pairs of a market."""
    return [("quotes", market), ("trades", market)]
