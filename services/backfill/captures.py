"""Bars of captures: the line from frames to bars in memory, with the live agents' own code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from agents.bars.candle_log import CandleLog
from agents.bars.source import BarsSource
from agents.bars.tables import BarRings
from agents.ingestion.captures.merge import merge_captures
from agents.ingestion.line import ExchangeLine
from agents.ingestion.replay import Replay
from models.archive.backfill import DAY_MINUTES, BackfilledDay
from models.records.bars import Bars, decode_bars
from models.settings import Settings
from models.statistics.bars import BAR_COLUMNS, CAPTURE, Columns, absent_bars
from models.times import seconds_of
from models.topics import BARS, exchange_topics
from services.backfill.store import BackfillStore

_FIGURES = [name for name in BAR_COLUMNS if name not in ("origin", "reason")]


class Kept(msgspec.Struct):
    """What came of captures: frames read, and minutes kept by market."""

    frames: int
    minutes: dict[str, int]


class CaptureBars:
    """The minutes in which captures have seen a market's trades, by market and day."""

    def __init__(self, settings: Settings) -> None:
        self.days: defaultdict[tuple[str, int], Columns] = defaultdict(
            lambda: absent_bars(DAY_MINUTES)
        )
        self._replay = Replay(settings, lambda _exchange: {})
        self._partitions = settings.partitions
        self._sources: dict[tuple[str, int], BarsSource] = {}

    def run(self, paths: Sequence[Path]) -> int:
        """Take captures as a live line would take their frames; return how many there were.

        Raises:
            CaptureError: one of them cannot be replayed.
        """
        for frame in merge_captures(paths):
            self._take(self._replay.step(frame))
        self._replay.finish()
        for line in self._replay.lines.values():
            self._take(line)
        return self._replay.frames

    def _take(self, line: ExchangeLine) -> None:
        line.dead.drain()
        for burst in line.drain():
            exchange = burst.topic.partition("_")[0]
            if burst.topic != exchange_topics(exchange)[1].name:
                continue
            source = self._source(exchange, burst.partition, burst.topic)
            source.take(source.next_offset, burst.value)
            while (group := source.group()) is not None:
                for output in group.outputs:
                    if output.topic == BARS.name:
                        self._put(decode_bars(output.value))

    def _source(self, exchange: str, partition: int, topic: str) -> BarsSource:
        source = self._sources.get((exchange, partition))
        if source is None:
            candles = CandleLog(partition, self._partitions, {exchange: 0})
            rings = BarRings()
            source = BarsSource(exchange, partition, topic, None, rings, candles, 0)
            self._sources[exchange, partition] = source
        return source

    def _put(self, bars: Bars) -> None:
        if bars.interval != "1m":
            return
        day, place = divmod(seconds_of(bars.start) // 60, DAY_MINUTES)
        for i, market in enumerate(bars.markets):
            # Where nothing was seen a capture tells nothing.
            if bars.volume[i] is None:
                continue
            columns = self.days[market, day]
            for name in _FIGURES:
                value = getattr(bars, name)[i]
                columns[name][place] = BAR_COLUMNS[name][1] if value is None else value
            columns["origin"][place] = CAPTURE


def backfill_captures(
    settings: Settings,
    store: BackfillStore | None,
    paths: Sequence[Path],
    tell: Callable[[str], None],
) -> Kept:
    """Keep the bars of captures; `tell` hears of every day. Without a store nothing is kept.

    Raises:
        CaptureError: one of the captures cannot be replayed.
        OSError: the store cannot be read or written; what was written stands.
    """
    bars = CaptureBars(settings)
    kept = Kept(bars.run(paths), {})
    for (market, day), minutes in sorted(bars.days.items()):
        place = BackfilledDay("capture", market, day)
        found = int((minutes["origin"] == CAPTURE).sum())
        put = found if store is None else store.put(place, minutes)
        kept.minutes[market] = kept.minutes.get(market, 0) + put
        coverage = float(np.mean(minutes["coverage"][minutes["origin"] == CAPTURE]))
        tell(f"{market} {place.date}: {put} of {found} minutes, coverage {coverage:.3f}")
    return kept
