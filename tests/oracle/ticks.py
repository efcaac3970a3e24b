"""Frames to ticks: quotes, trades, unseen intervals and clocks of a whole replay, as tables."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from models.partition import partition_of
from tests.oracle import wire
from tests.oracle.binance import BinanceReader
from tests.oracle.clocks import LATENESS, Connection, Pair, Skew, Source, Timeline
from tests.oracle.coinbase import CoinbaseReader
from tests.oracle.facts import Lost, Quote, Reader, Reading, Serves, Shared, Trade
from tests.oracle.frames import Frame, merged
from tests.oracle.kraken import KrakenReader
from tests.oracle.wire import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable

AHEAD = 2 * SECOND
READERS: dict[str, type[Reader]] = {
    "binance": BinanceReader,
    "coinbase": CoinbaseReader,
    "kraken": KrakenReader,
}
_PLACE = ["market", "partition", "time", "own_time", "receive", "late", "clamped"]
_BESTS = ["bid", "bid_size", "ask", "ask_size"]
_QUOTES = [*_PLACE, "snapshot", *_BESTS, "crossed", "locked", "one_sided"]
_TRADES = [*_PLACE, "id", "price", "size", "side"]
_UNSEEN = ["market", "kind", "start", "end", "reason"]
_CLOCKS = ["exchange", "partition", "receive", "clock"]


@dataclass
class Ticks:
    """All that a replay gives, in the order of the log.

    `quotes`, `trades`: `time` is where the tick stands, `own_time` where it would without being
    late. `unseen`: half-open intervals, open ones end at 2**63 − 1. `clocks`: every move of a
    source's clock with the receive time of it. `final`: the clock of a source at the end.
    `problems`: frames that cannot be read or are not known, by exchange and reason.
    """

    quotes: pd.DataFrame
    trades: pd.DataFrame
    unseen: pd.DataFrame
    clocks: pd.DataFrame
    final: dict[Source, int]
    problems: Counter[tuple[str, str]] = field(default_factory=Counter)


def read_all(frames: list[Frame]) -> list[Reading]:
    """Return what every frame says, each read by the reader of its connection."""
    shared: dict[str, Shared] = {}
    readers: dict[object, Reader] = {}
    readings = []
    for frame in frames:
        reading = Reading()
        if frame.kind in ("open", "close", "end"):
            readers.pop(frame.connection, None)
        else:
            if frame.connection not in readers:
                of_exchange = shared.setdefault(frame.exchange, Shared())
                readers[frame.connection] = READERS[frame.exchange](of_exchange)
            try:
                reading = readers[frame.connection].read(frame)
            except wire.MalformedError:
                reading = Reading(problem="malformed_frame")
            except wire.UnknownError:
                reading = Reading(problem="unknown_message")
        readings.append(reading)
    return readings


class _Walk(Timeline):
    """Walks the frames of a replay and places what they say in time."""

    def __init__(self, skews: dict[str, Skew], partitions: int) -> None:
        super().__init__(skews)
        self.partitions = partitions
        self.quotes: list[dict[str, Any]] = []
        self.trades: list[dict[str, Any]] = []

    def source_of(self, market: str) -> Source:
        coin = wire.coin_of(market)
        return market.partition(":")[0], partition_of(coin, self.partitions)

    def step(self, frame: Frame, reading: Reading) -> None:
        """Take one frame."""
        self.advance(frame.receive)
        key, t = frame.connection, frame.receive
        if frame.kind in ("open", "close", "end"):
            if key in self.open:
                self.close(key, t)
            if frame.kind == "open":
                self.open[key] = Connection(frame.exchange)
            return
        connection = self.open.setdefault(key, Connection(frame.exchange))
        skew = self.skews[frame.exchange]
        own = reading.own_time
        if own is not None and own <= t + AHEAD:
            skew.seen += 1
        s = skew.at(t)
        frame_time = t if frame.exchange == "binance" else t - s
        if own is not None and frame.exchange != "binance":
            frame_time = min(own, t + AHEAD)
        for fact in reading.facts:
            if isinstance(fact, Serves):
                self._serve(connection, (fact.kind, fact.market))
        self.end_silence(key, frame_time)
        for fact in reading.facts:
            if isinstance(fact, Serves):
                self._seen_again((fact.kind, fact.market), frame_time)
            elif isinstance(fact, Lost):
                pair = ("quotes", fact.market)
                self.begin(pair, frame_time, "gap", self.source_clock(pair))
            else:
                self._tick(fact, t, s, frame_time)
        self.frame_came(key, t, frame_time)

    def _serve(self, connection: Connection, pair: Pair) -> None:
        source = self.source_of(pair[1])
        if source not in self.clocks:
            before = None if connection.newest is None else connection.reach
            self.clocks[source] = None if before is None else before - LATENESS
        connection.pairs.add(pair)
        connection.sources.add(source)

    def _seen_again(self, pair: Pair, frame_time: int) -> None:
        """A frame that serves a pair ends its `down`, for trades."""
        interval = self.running.get(pair)
        if pair[0] == "trades" and interval is not None and interval.reason == "down":
            clock = self.source_clock(pair)
            self.finish(pair, frame_time if clock is None else max(frame_time, clock))

    def _tick(self, fact: Quote | Trade, t: int, s: int, frame_time: int) -> None:
        source = self.source_of(fact.market)
        clock = self.clocks[source]
        clamped = fact.time is not None and fact.time > t + AHEAD
        own = frame_time if fact.time is None else min(fact.time, t + AHEAD)
        if isinstance(fact, Trade) and source[0] == "binance":
            own = min(t, own + s)
        late = clock is not None and own < clock
        time = own if clock is None else max(own, clock)
        self.note(source, time)
        row = {
            "market": fact.market,
            "partition": source[1],
            "time": time,
            "own_time": own,
            "receive": t,
            "late": late,
            "clamped": clamped,
        }
        if isinstance(fact, Trade):
            pair = ("trades", fact.market)
            if fact.skips and clock is not None:
                self.begin(pair, clock, "gap", clock)
                if self.running[pair].reason == "gap":
                    self.finish(pair, time)
            row |= {"id": fact.id, "price": fact.price, "size": fact.size, "side": fact.side}
            self.trades.append(row)
            return
        pair = ("quotes", fact.market)
        interval = self.running.get(pair)
        if interval is not None and interval.reason != "stale":
            self.finish(pair, time)
        row |= {
            "snapshot": fact.snapshot,
            "bid": fact.bid,
            "bid_size": fact.bid_size,
            "ask": fact.ask,
            "ask_size": fact.ask_size,
            "crossed": fact.bid > fact.ask,
            "locked": fact.bid == fact.ask,
            "one_sided": math.isnan(fact.bid) or math.isnan(fact.ask),
        }
        self.quotes.append(row)


def ticks_of_frames(frames: list[Frame], partitions: int = 8) -> Ticks:
    """Return the ticks of a replay of `frames`, which are in replay order."""
    readings = read_all(frames)
    skews = {}
    for exchange in READERS:
        timed = [
            (frame.receive, reading.own_time)
            for frame, reading in zip(frames, readings, strict=True)
            if frame.exchange == exchange
            and reading.own_time is not None
            and reading.own_time <= frame.receive + AHEAD
        ]
        skews[exchange] = Skew([t for t, _ in timed], [own for _, own in timed])
    walk = _Walk(skews, partitions)
    for frame, reading in zip(frames, readings, strict=True):
        walk.step(frame, reading)
    unseen = [(i.market, i.kind, i.start, i.end, i.reason) for i in walk.intervals]
    clocks = [(*source, t, clock) for t, source, clock in walk.history]
    problems = Counter(
        (frame.exchange, reading.problem)
        for frame, reading in zip(frames, readings, strict=True)
        if reading.problem
    )
    return Ticks(
        quotes=pd.DataFrame(walk.quotes, columns=_QUOTES),
        trades=pd.DataFrame(walk.trades, columns=_TRADES),
        unseen=pd.DataFrame(unseen, columns=_UNSEEN),
        clocks=pd.DataFrame(clocks, columns=_CLOCKS),
        final=walk.final_clocks(),
        problems=problems,
    )


def ticks_of(paths: Iterable[Path], partitions: int = 8) -> Ticks:
    """Return the ticks of a replay of these captures."""
    return ticks_of_frames(merged(paths), partitions)
