"""A pair's correlation of any method further back than memory: Cassandra has a matrix a minute."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import msgspec
import pyarrow as pa

from models.errors import InvariantError
from models.times import seconds_of
from services.gateway.correlations.history import matrix_point, published_points
from services.gateway.correlations.pair_series import SCHEMA
from services.gateway.gateway import Gateway
from services.gateway.history.places import KeptMatrices
from services.gateway.history.rows import HistoryRows, Place, batch_of, place_by, plain_objects
from services.gateway.items import Figures
from services.gateway.memory.matrix import matrix_of
from services.gateway.memory.table_ids import TableId

_SECOND = 1_000_000_000
_LATEST = 1 << 32
_AT_ONCE = 500

_Point = tuple[int, Figures]


class MatrixSeries(msgspec.Struct, frozen=True):
    """A pair's points with `as_of` in `[start, end)` (seconds), one an interval of `length_s`.

    Of what is kept it is the last of the interval, with its own `as_of`; `published` are points of
    the matrices in memory, at multiples of the interval, `newest` is the last of these matrices.
    """

    kept: KeptMatrices
    table: TableId
    pair: tuple[str, str]
    length_s: int
    start: int
    end: int
    published: list[_Point]
    newest: int | None

    def is_in_memory(self) -> bool:
        """Return whether memory reaches back to the start."""
        return bool(self.published) and self.published[0][0] <= self.start

    def open(self, after: Place | None) -> HistoryRows:
        """Return the rows behind a place."""
        start = self.start if after is None else max(self.start, after[0] // _SECOND + 1)
        oldest = next(self._matrices(0, _LATEST), None)
        known = [oldest[0]] if oldest else [point[0] for point in self.published[:1]]
        return HistoryRows(
            SCHEMA,
            self._batches(start),
            place_by("as_of"),
            plain_objects,
            [],
            known[0] * _SECOND if known else None,
        )

    def _batches(self, start: int) -> Iterator[pa.RecordBatch]:
        waiting: list[Figures] = []
        for _, figures in self._points(start):
            waiting.append(figures)
            if len(waiting) == _AT_ONCE:
                yield batch_of(waiting, SCHEMA)
                waiting = []
        if waiting:
            yield batch_of(waiting, SCHEMA)

    def _points(self, start: int) -> Iterator[_Point]:
        """Yield the last point of every interval, then those of memory."""
        # An interval of which memory has the begin is memory's.
        until = min(self.end, self.published[0][0]) if self.published else self.end
        last: _Point | None = None
        for point in self._matrices(start, until):
            if last is not None and point[0] // self.length_s != last[0] // self.length_s:
                yield last
            last = point
        if last is not None and not self._is_over(last[0] // self.length_s):
            last = None
        rest = (point for point in self.published if start <= point[0] < self.end)
        yield from chain([last] if last is not None else [], rest)

    def _is_over(self, number: int) -> bool:
        """Return whether no later matrix of an interval can come."""
        return (
            self.newest is None or self.newest + self.table.step_s >= (number + 1) * self.length_s
        )

    def _matrices(self, start: int, end: int) -> Iterator[_Point]:
        if start >= end:
            return
        # Minutes are kept by their begin.
        first = start - start % 60
        for blocks in self.kept(self.table.name, first * _SECOND, end * _SECOND):
            as_of = seconds_of(blocks[0].as_of)
            matrix = matrix_of(blocks, as_of)
            if matrix is None:
                raise InvariantError(f"expected the blocks of a matrix, was {len(blocks)} others")
            if start <= as_of < end:
                yield as_of, matrix_point(self.table, matrix, self.pair)


def matrix_series(
    gateway: Gateway,
    kept: KeptMatrices,
    table: TableId,
    pair: tuple[str, str],
    numbers: tuple[int, int],
    length_s: int,
) -> MatrixSeries:
    """Return a pair's series as it stands now; what is in memory is copied."""
    published = published_points(gateway.memory, table, pair, (0, _LATEST), length_s)
    start, end = (min(number * length_s, _LATEST) for number in numbers)
    matrix = gateway.memory.correlations.matrix(table.name)
    newest = None if matrix is None else matrix.as_of
    points = sorted(published, key=_as_of)
    return MatrixSeries(kept, table, pair, length_s, start, end, points, newest)


def _as_of(point: _Point) -> int:
    return point[0]
