"""A pair's Pearson correlation further back than memory reaches, from the archived returns.

By the same rules and with the same code as what is in memory; read in parts of so many steps.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
import pyarrow as pa

from services.gateway.correlations.history import computed_points, published_points
from services.gateway.gateway import Gateway
from services.gateway.history.places import GatewayHistory
from services.gateway.history.rows import HistoryRows, Place, batch_of, place_by, plain_objects
from services.gateway.items import Figures
from services.gateway.memory.returns import WITH_HISTORY, PairReturns
from services.gateway.memory.table_ids import TableId
from services.history.merging import times_of
from services.history.source import Series, Span

_SECOND = 1_000_000_000
_STEPS = 8_640
_LATEST = 1 << 40

_TIME = pa.timestamp("us", "UTC")
SCHEMA = pa.schema(
    [
        ("as_of", _TIME),
        ("window", pa.string()),
        ("correlation", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n", pa.int64()),
        ("n_effective", pa.float64()),
        ("stale", pa.bool_()),
        ("reasons", pa.map_(pa.string(), pa.string())),
    ]
)


def pair_series(
    gateway: Gateway,
    table: TableId,
    pair: tuple[str, str],
    numbers: tuple[int, int],
    length_s: int,
) -> PairSeries:
    """Return a pair's series as it stands now; what is in memory is copied."""
    memory = gateway.memory
    held = held_from = None
    if table.method == WITH_HISTORY:
        nothing = np.zeros(0)
        held = memory.returns.pair(table.name, *pair, 0, _LATEST) or PairReturns(
            nothing.astype(np.int64), nothing, nothing, nothing.astype(np.bool_)
        )
        held_from = memory.returns.complete_from(table.name)
    published = dict(published_points(memory, table, pair, (0, _LATEST), length_s))
    return PairSeries(gateway.history, table, pair, length_s, *numbers, held, held_from, published)


class PairSeries(msgspec.Struct, frozen=True):
    """A pair's points at multiples of `length_s` with numbers in `[first, last)`.

    `held` are the returns in memory, which begin at `held_from` (seconds, None: there are none);
    `published` are points that were published, by `as_of` in seconds: they are shown as they are.
    """

    history: GatewayHistory | None
    table: TableId
    pair: tuple[str, str]
    length_s: int
    first: int
    last: int
    held: PairReturns | None
    held_from: int | None
    published: dict[int, Figures]

    def is_in_memory(self) -> bool:
        """Return whether the archive has nothing to add to the first window and what follows."""
        if self.history is None or self.held is None:
            return True
        begin = self.first * self.length_s - self.table.window_s
        return self.held_from is not None and self.held_from <= begin

    def open(self, after: Place | None) -> HistoryRows:
        """Return the rows behind a place."""
        first = self.first
        if after is not None:
            first = max(first, after[0] // _SECOND // self.length_s + 1)
        begins, gaps = self._reach(first)
        known = [time for time in (begins, self.held_from) if time is not None]
        begin = min(known, default=None)
        if begin is None and self.published:
            begin = min(self.published)
        return HistoryRows(
            SCHEMA,
            self._batches(first, begin),
            place_by("as_of"),
            plain_objects,
            gaps,
            None if begin is None else begin * _SECOND,
        )

    def _reach(self, first: int) -> tuple[int | None, list[Span]]:
        """Return where the archive begins (seconds), and what is missing within the range."""
        if self.history is None or self.held is None:
            return None, []
        until = self._held_until()
        found = self.history.series.read(self._series(), until * _SECOND, until * _SECOND)
        start = (first * self.length_s - self.table.window_s) * _SECOND
        lost = self.history.series.lost(self._series(), start, until * _SECOND)
        begins = found.complete_from
        return None if begins is None else begins // _SECOND, lost

    def _series(self) -> Series:
        return Series("returns", self.table.name, coins=self.pair)

    def _held_until(self) -> int:
        return self.last * self.length_s if self.held_from is None else self.held_from

    def _batches(self, first: int, begin: int | None) -> Iterator[pa.RecordBatch]:
        if begin is None:
            return
        in_memory = self.held.as_of if self.held is not None else np.zeros(0, np.int64)
        newest = max((*in_memory[-1:].tolist(), *self.published, self._archived_until()))
        last = min(self.last, newest // self.length_s + 1)
        number = max(first, begin // self.length_s)
        together = max(_STEPS * self.table.step_s // self.length_s, 1)
        while number < last:
            until = min(number + together, last)
            points = dict(self._computed(number * self.length_s, until * self.length_s, begin))
            points |= {
                as_of: figures
                for as_of, figures in self.published.items()
                if number * self.length_s <= as_of < until * self.length_s
            }
            if points:
                yield batch_of([figures for _, figures in sorted(points.items())], SCHEMA)
            number = until

    def _archived_until(self) -> int:
        """Return the newest second of the archive; 0 where memory has later ones."""
        if self.history is None or self.held is None or self.held_from is not None:
            return 0
        span = self.history.series.archived(self._series())
        return 0 if span is None else span.end // _SECOND

    def _computed(self, start: int, end: int, begin: int) -> Iterator[tuple[int, Figures]]:
        if self.held is None:
            return
        found = self._returns(max(start - self.table.window_s, 0), end, self.held)
        yield from computed_points(self.table, found, (start, end), self.length_s, begin)

    def _returns(self, start: int, end: int, held: PairReturns) -> PairReturns:
        """Return the returns with `as_of` in `[start, end)`, from the archive and from memory."""
        step = self.table.step_s
        steps = np.arange(-(-start // step), -(-end // step))
        first = np.full(len(steps), np.nan)
        second = np.full(len(steps), np.nan)
        is_rest = np.zeros(len(steps), np.bool_)
        until = min(end, self._held_until())
        if self.history is not None and start < until:
            read = self.history.series.read(self._series(), start * _SECOND, until * _SECOND)
            for batch in read.rows:
                places = times_of(batch, "as_of") // 1_000_000 // step - steps[0]
                coins = batch.column("coin").to_numpy(zero_copy_only=False)
                values = batch.column("log_return").to_numpy(zero_copy_only=False)
                for coin, column in zip(self.pair, (first, second), strict=True):
                    mine = coins == coin
                    column[places[mine]] = values[mine]
        mine = (held.as_of >= max(start, until)) & (held.as_of < end)
        if mine.any():
            places = held.as_of[mine] // step - steps[0]
            first[places], second[places] = held.first[mine], held.second[mine]
            is_rest[places] = held.is_rest[mine]
        return PairReturns(steps * step, first, second, is_rest)
