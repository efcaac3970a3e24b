"""Files of prices, read in batches of rows: CSV and Parquet, a column of timestamps, one a coin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet
from numpy.typing import NDArray

from models.errors import InputError
from services.correlate.timestamps import Times, TimestampReader

TIMESTAMP = "timestamp"

_BLOCK_BYTES = 16 * 1024 * 1024
_BATCH_ROWS = 65_536
_PARQUET_MAGIC = b"PAR1"
_NULLS = ["", "null", "NULL", "None", "nan", "NaN", "NA", "N/A"]


class PriceFile:
    """One file. `coins` are its columns but for the timestamp, in their order.

    Every call reads the file anew and holds one batch at a time.
    """

    def __init__(self, path: Path) -> None:
        """Read the names of the columns.

        Raises:
            InputError: the file cannot be read, or has no column of timestamps or of a coin.
        """
        self._path = path
        try:
            with path.open("rb") as file:
                self._is_parquet = file.read(4) == _PARQUET_MAGIC
            names = self._names()
        except (OSError, pa.ArrowException) as error:
            raise InputError(
                "unreadable_file", f"expected CSV or Parquet with prices in {path}: {error}"
            ) from error
        found = [name for name in names if name.strip().lower() == TIMESTAMP]
        if len(found) != 1:
            raise InputError(
                "no_timestamp",
                f"expected one column named {TIMESTAMP}, was {', '.join(map(repr, names))}",
            )
        self._timestamp = found[0]
        self.coins = [name for name in names if name != self._timestamp]
        if not self.coins or len(set(self.coins)) != len(self.coins):
            raise InputError(
                "no_coins", f"expected a column for each coin, was {', '.join(map(repr, names))}"
            )

    def times(self) -> Times:
        """Return the timestamps of all rows in nanoseconds, in the order of the file."""
        reader = TimestampReader()
        found = [reader.read(batch.column(self._timestamp)) for batch in self._batches([])]
        return np.concatenate([np.empty(0, np.int64), *found])

    def batches(self, coins: Sequence[str]) -> Iterator[tuple[Times, NDArray[np.float64]]]:
        """Yield timestamps (n,) and prices of these coins (n, N), NaN where a cell is empty.

        Raises:
            InputError: a timestamp or price cannot be read, or a price is not above 0.
        """
        reader = TimestampReader()
        for batch in self._batches(coins):
            times = reader.read(batch.column(self._timestamp))
            prices = np.empty((batch.num_rows, len(coins)))
            for number, coin in enumerate(coins):
                prices[:, number] = _floats(batch.column(coin), coin)
            _check(times, prices, coins)
            yield times, prices

    def _names(self) -> list[str]:
        if self._is_parquet:
            return list(pa_parquet.read_schema(self._path).names)
        with pa_csv.open_csv(self._path) as reader:
            return list(reader.schema.names)

    def _batches(self, coins: Sequence[str]) -> Iterator[pa.RecordBatch]:
        columns = [self._timestamp, *coins]
        try:
            if self._is_parquet:
                with pa_parquet.ParquetFile(self._path) as file:
                    yield from file.iter_batches(_BATCH_ROWS, columns=columns)
                return
            types = {self._timestamp: pa.string(), **dict.fromkeys(coins, pa.float64())}
            with pa_csv.open_csv(
                self._path,
                pa_csv.ReadOptions(block_size=_BLOCK_BYTES),
                convert_options=pa_csv.ConvertOptions(
                    column_types=types, include_columns=columns, null_values=_NULLS
                ),
            ) as reader:
                yield from reader
        except (OSError, pa.ArrowException) as error:
            raise InputError(
                "unreadable_file", f"expected numbers or empty cells in {self._path}: {error}"
            ) from error


def _floats(column: pa.Array, coin: str) -> NDArray[np.float64]:
    try:
        found: NDArray[np.float64] = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowException as error:
        raise InputError(
            "malformed_price", f"expected numbers in column {coin!r}, was {column.type}: {error}"
        ) from error
    return found


def _check(times: Times, prices: NDArray[np.float64], coins: Sequence[str]) -> None:
    wrong = (prices <= 0.0) | np.isinf(prices)
    if wrong.any():
        row, coin = np.argwhere(wrong)[0]
        raise InputError(
            "malformed_price",
            f"expected prices above 0, was {prices[row, coin]} for {coins[coin]} at "
            f"{np.datetime64(int(times[row]), 'ns')}Z",
        )
