"""Bars of one series from several places: which of those that begin alike counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from services.history.merging import Stream, last_of_each, merged

_BEFORE_ALL = -(2**63)
_PLACES = 100

Place = Callable[[], Iterator[pa.RecordBatch]]
"""Gives the bars of one market and interval by `as_of`."""


def merged_bars(places: Sequence[Place]) -> Iterator[pa.RecordBatch]:
    """Yield the bars of all places, once each, by `as_of`; the place that goes before is first.

    Of bars with one `as_of` the first counts that has a price or was wholly seen, else the first
    of which anything was seen, else the first. What a place has no column for is null.
    """
    streams = [
        Stream(_BEFORE_ALL, partial(_ranked, place, -number)) for number, place in enumerate(places)
    ]
    for table in merged(streams, "as_of", ["as_of", "rank"]):
        chosen = last_of_each(table, ["as_of"]).drop_columns(["rank"])
        yield from chosen.combine_chunks().to_batches()


def weight(
    priced: NDArray[np.bool_], told: NDArray[np.bool_], coverage: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return how much each bar has to say: 2 with a price or wholly seen, 1 with a volume, 0.

    Shapes are (n,); `told` is where the volume is known.
    """
    return np.where(priced | (coverage >= 1), 2, np.where(told, 1, 0))


def _ranked(place: Place, number: int) -> Iterator[pa.RecordBatch]:
    """Yield bars with how much each has to say against others."""
    for batch in place():
        if batch.num_rows:
            told = pc.is_valid(batch["volume"]).to_numpy(zero_copy_only=False)
            priced = pc.is_valid(batch["open"]).to_numpy(zero_copy_only=False)
            rank = weight(priced, told, batch["coverage"].to_numpy()) * _PLACES + number
            yield batch.append_column("rank", pa.array(rank, pa.int32()))
