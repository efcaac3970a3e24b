"""The newest spreads of every market, and 15 minutes of every source to resume from."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence

import cramjam
import msgspec

from services.gateway.delay import LineDelay
from services.gateway.items import Figures, Item
from services.gateway.records import Place, SpreadRecord, spread_record

HISTORY_S = 900
SECOND = 1_000_000_000


class _Newest(msgspec.Struct):
    figures: Figures
    seq: int
    prev_seq: int | None
    ts_publish: int


class SpreadSecond(msgspec.Struct, frozen=True):
    """A record to resume from. A thousand markets for 15 minutes would fill 300 MB as they come."""

    place: Place
    as_of: int
    packed: bytes

    @property
    def value(self) -> bytes:
        """Return the record's value."""
        return bytes(cramjam.lz4.decompress_block(self.packed))


class Spreads:
    """Spread figures; `seq` is `as_of` in seconds. A repeat after a worker's crash is dropped."""

    def __init__(
        self, delay: LineDelay, unseen_until: Callable[[str], int | None] = lambda _: None
    ) -> None:
        """`unseen_until` says how far a market is known to be unseen (ns), None: it is seen."""
        self._delay = delay
        self._unseen_until = unseen_until
        self._newest: dict[str, _Newest] = {}
        self._histories: dict[tuple[str, int], deque[SpreadSecond]] = {}
        self._source_of: dict[str, tuple[str, int]] = {}
        self.repeated = 0

    def take(self, record: SpreadRecord) -> list[Item]:
        """Take one source's second; return its markets."""
        source = record.exchange, record.partition
        history = self._histories.setdefault(source, deque())
        if history and record.as_of <= history[-1].as_of:
            self.repeated += 1
            return []
        packed = bytes(cramjam.lz4.compress_block(record.value))
        history.append(SpreadSecond(record.place, record.as_of, packed))
        while history[0].as_of < record.as_of - HISTORY_S:
            history.popleft()
        items = []
        for market, figures in record.figures.items():
            before = self._newest.get(market)
            prev_seq = None if before is None else before.seq
            newest = _Newest(figures, record.as_of, prev_seq, record.place.timestamp)
            self._newest[market] = newest
            self._source_of[market] = source
            items.append(self._item(market, newest))
        return items

    def markets(self) -> Iterator[str]:
        """Yield the markets that have figures."""
        yield from self._newest

    def windows(self) -> set[str]:
        """Return the names of the windows that the newest figures have."""
        return {name for newest in self._newest.values() for name in newest.figures["windows"]}

    def newest(self, market: str) -> Item | None:
        """Return the newest figures of a market, None if there are none."""
        newest = self._newest.get(market)
        return None if newest is None else self._item(market, newest)

    def figures(self, market: str) -> Figures | None:
        """Return the newest figures of a market as they stand now, None if there are none."""
        newest = self._newest.get(market)
        if newest is None:
            return None
        return self._delay.marked(newest.figures, self._valid_until(market, newest))

    def valid_until(self, market: str) -> int | None:
        """Return up to when nothing newer than what is held can be expected of a market (ns)."""
        progress, newest = self.progress(market), self._newest.get(market)
        if progress is None or newest is None:
            return progress
        return max(progress, self._valid_until(market, newest))

    def progress(self, market: str) -> int | None:
        """Return how far the figures of a market's source have come (ns)."""
        source = self._source_of.get(market)
        return None if source is None else self._histories[source][-1].as_of * SECOND

    def records(self, market: str) -> tuple[Sequence[SpreadSecond], int | None]:
        """Return the seconds of a market's source that are held, and when the first was (ns)."""
        source = self._source_of.get(market)
        history = [] if source is None else list(self._histories[source])
        return history, history[0].as_of * SECOND if history else None

    def missed(self, market: str, seq: int) -> list[Item] | None:
        """Return a market's figures after `seq`, None where it is too long ago."""
        steps = self._missed(self._source_of.get(market, ("", -1)), seq, {market})
        return None if steps is None else [item for step in steps for item in step]

    def all_missed(self, seq: int) -> list[list[Item]] | None:
        """Return the figures of all markets after `seq`, a list a step; None if too long ago."""
        by_source = [self._missed(source, seq, None) for source in self._histories]
        found = [steps for steps in by_source if steps is not None]
        if len(found) < len(by_source):
            return None
        return sorted((step for steps in found for step in steps), key=lambda step: step[0].seq)

    def _missed(
        self, source: tuple[str, int], seq: int, only: set[str] | None
    ) -> list[list[Item]] | None:
        history = self._histories.get(source)
        if not history or history[0].as_of > seq:
            return None
        older = [kept for kept in history if kept.as_of <= seq]
        last: dict[str, int | None] = {}
        steps = []
        for kept in history:
            if kept.as_of <= seq:
                continue
            figures = _figures_of(kept)
            step = []
            for market in figures if only is None else only & figures.keys():
                if market not in last:
                    last[market] = _last_second(market, older)
                newest = _Newest(figures[market], kept.as_of, last[market], kept.place.timestamp)
                step.append(_past(market, newest))
                last[market] = kept.as_of
            if step:
                steps.append(step)
        return steps

    def _valid_until(self, market: str, newest: _Newest) -> int:
        """The last figures of a market stand for as long as it stays unseen: none follow them."""
        as_of = newest.seq * SECOND
        unseen_until = self._unseen_until(market) if _is_last(newest.figures) else None
        return max(as_of, unseen_until or as_of)

    def _item(self, market: str, newest: _Newest) -> Item:
        def render() -> Figures:
            return self._delay.marked(newest.figures, self._valid_until(market, newest))

        return _item(market, newest, render)


def _is_last(figures: Figures) -> bool:
    """Return whether these are the last figures of a market until it is seen again."""
    return bool(figures["stale"] and figures["windows"].get("15s", {}).get("coverage") == 0)


def _item(market: str, newest: _Newest, render: Callable[[], Figures]) -> Item:
    as_of = newest.seq * SECOND
    return Item(market, newest.seq, newest.prev_seq, as_of, newest.ts_publish, render)


def _past(market: str, newest: _Newest) -> Item:
    """Return figures that were missed: they were in time when they were published."""
    return _item(market, newest, lambda: newest.figures)


def _figures_of(kept: SpreadSecond) -> dict[str, Figures]:
    return dict(spread_record(kept.place, kept.value).figures)


def _last_second(market: str, older: Sequence[SpreadSecond]) -> int | None:
    """Return the newest of these seconds in which a market had figures; mostly the last one."""
    for kept in reversed(older):
        if market in _figures_of(kept):
            return kept.as_of
    return None
