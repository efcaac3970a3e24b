"""Captures through ingestion and the spread agent's mathematics, in memory and without Kafka."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from agents.ingestion.captures.merge import merge_captures
from agents.ingestion.line import ExchangeLine
from agents.ingestion.replay import Replay
from agents.runtime.source import Source
from agents.spread.app import SPREAD
from models.records.bursts import TradeBurst, decode_trades
from models.records.spreads import Spreads, decode_spreads
from models.settings import Settings
from models.topics import SPREADS, exchange_topics

_SECONDS_AT_ONCE = 256


class Told(msgspec.Struct, frozen=True):
    """What a moment brought: spreads of a second or a burst of trades, the other one is None."""

    spreads: Spreads | None = None
    trades: TradeBurst | None = None


class MemoryLine:
    """The line from frames to spreads for one replay."""

    def __init__(self, settings: Settings) -> None:
        self._replay = Replay(settings, lambda _exchange: {})
        self._sources: dict[tuple[str, int], Source] = {}
        self._offsets: Counter[tuple[str, int]] = Counter()

    def run(self, paths: Sequence[Path]) -> Iterator[Told]:
        """Yield what the captures bring, in the order in which a live line would have it.

        Raises:
            CaptureError: one of them cannot be replayed.
        """
        for frame in merge_captures(paths):
            yield from self._drained(self._replay.step(frame))
        self._replay.finish()
        for line in self._replay.lines.values():
            yield from self._drained(line)

    def _drained(self, line: ExchangeLine) -> Iterator[Told]:
        line.dead.drain()
        for burst in line.drain():
            exchange = burst.topic.partition("_")[0]
            source = self._source(exchange, burst.partition)
            place = burst.topic, burst.partition
            source.logs[burst.topic].take(self._offsets[place], burst.value)
            self._offsets[place] += 1
            if burst.topic == exchange_topics(exchange)[1].name:
                yield Told(trades=decode_trades(burst.value))
            while source.closable():
                for step in source.close(_SECONDS_AT_ONCE):
                    for output in step.outputs:
                        if output.topic == SPREADS.name:
                            yield Told(spreads=decode_spreads(output.value))

    def _source(self, exchange: str, partition: int) -> Source:
        source = self._sources.get((exchange, partition))
        if source is None:
            beginnings = {topic.name: 0 for topic in exchange_topics(exchange)}
            source = Source(exchange, partition, SPREAD, None, beginnings)
            self._sources[exchange, partition] = source
        return source
