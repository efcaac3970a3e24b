"""Timestamps of files: ISO-8601 or epoch in seconds, milli-, micro- or nanoseconds."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.errors import InputError

Times = NDArray[np.int64]

# Below each bound, until the year 5138, an epoch is in the unit of so many nanoseconds.
_UNITS = ((1e11, 1_000_000_000), (1e14, 1_000_000), (1e17, 1_000), (np.inf, 1))
_DIGITS = r"^[+-]?\d+$"
_NUMBER = r"^[+-]?\d+(\.\d*)?([eE][+-]?\d+)?$"
_ZONE = r"(Z|z|[+-]\d\d(:?\d\d)?)$"
_TIME = r"\d\d:\d\d"


class TimestampReader:
    """Reads the timestamps of one file, batch by batch; the first one decides an epoch's unit."""

    def __init__(self) -> None:
        """Know no unit yet."""
        self._unit: int | None = None

    def read(self, column: pa.ChunkedArray | pa.Array) -> Times:
        """Return nanoseconds since the epoch, UTC where no zone is given.

        Raises:
            InputError: `malformed_timestamp`, the text has the value.
        """
        if column.null_count:
            raise InputError("malformed_timestamp", "expected one in every row, was an empty one")
        kind = column.type
        try:
            if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
                zone = getattr(kind, "tz", None)
                return _integers(column.cast(pa.timestamp("ns", zone)))
            if pa.types.is_integer(kind) or pa.types.is_floating(kind):
                return self._of_epoch(column.to_numpy())
            return self._of_text(column.cast(pa.string()))
        except pa.ArrowInvalid as error:
            raise InputError(
                "malformed_timestamp", f"expected ISO-8601 or an epoch: {error}"
            ) from error

    def _of_text(self, column: pa.ChunkedArray | pa.Array) -> Times:
        column = pc.utf8_trim_whitespace(column)
        if _all(column, _DIGITS):
            return self._of_epoch(column.cast(pa.int64()).to_numpy())
        if _all(column, _NUMBER):
            return self._of_epoch(column.cast(pa.float64()).to_numpy())
        # A day alone ends in what could be a zone.
        zoned = pc.and_(
            pc.match_substring_regex(column, _ZONE), pc.match_substring_regex(column, _TIME)
        )
        if not pc.any(zoned).as_py():
            return _integers(column.cast(pa.timestamp("ns")))
        return _integers(column.cast(pa.timestamp("ns", "UTC")))

    def _of_epoch(self, values: NDArray[np.int64] | NDArray[np.float64]) -> Times:
        if not len(values):
            return np.empty(0, np.int64)
        if not np.isfinite(values).all():
            raise InputError("malformed_timestamp", "expected one in every row, was no number")
        largest = float(np.abs(values).max())
        if self._unit is None:
            self._unit = next(unit for bound, unit in _UNITS if largest < bound)
        if largest * self._unit >= 2.0**63:
            raise InputError(
                "malformed_timestamp",
                f"expected all of them in the unit of the first ones, was {largest:.0f}",
            )
        if values.dtype.kind in "iu":
            return np.multiply(values, self._unit, dtype=np.int64, casting="unsafe")
        return np.rint(values * self._unit).astype(np.int64)


def _all(column: pa.ChunkedArray | pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(column, pattern), min_count=0).as_py())


def _integers(column: pa.ChunkedArray | pa.Array) -> Times:
    found: Times = column.cast(pa.int64()).to_numpy()
    return found
