"""Features as one Parquet file, hour by hour."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.features.block import HOUR, Block, Choice, is_in
from services.features.columns import TYPES, all_columns, schema
from services.features.reading import FeatureReader


def feature_tables(
    reader: FeatureReader, choice: Choice, start: int, end: int
) -> Iterator[pa.Table]:
    """Yield the rows of `[start, end)` (microseconds since the epoch), by time and coin.

    Memory is bounded by an hour of the chosen coins.

    Raises:
        StoreError: the archive cannot be read.
        InvariantError: the archive holds what none does.
    """
    kept = schema(choice.exchanges, {"cointide.features": msgspec.json.encode(choice).decode()})
    for begin in range(start // HOUR * HOUR, end, HOUR):
        block = Block(reader, choice, begin)
        wanted = is_in(block.times, start, end)
        if wanted.any():
            yield _table(block, choice, wanted, kept)


class Written(msgspec.Struct):
    """How many rows a file has, and what a reader should know of them.

    `unseen` are coins of which no market was seen in any row, `empty` columns without a value.
    `first` and `last` are the times (µs) of the rows in which a market was seen, None without one.
    """

    rows: int
    unseen: list[str]
    empty: list[str]
    first: int | None
    last: int | None


def write_features(
    reader: FeatureReader, choice: Choice, start: int, end: int, file: Path
) -> Written:
    """Write the rows to a file, which is there as a whole or not at all.

    Raises:
        StoreError: the archive cannot be read.
        OSError: the file cannot be written.
        InvariantError: the archive holds what none does.
    """
    aside = file.with_name(f".{file.name}.{os.getpid()}.aside")
    rows = 0
    seen: set[str] = set()
    filled: set[str] = set()
    times: list[int] = []
    kept = schema(choice.exchanges, {"cointide.features": msgspec.json.encode(choice).decode()})
    try:
        with pq.ParquetWriter(aside, kept, compression="zstd") as writer:
            for table in feature_tables(reader, choice, start, end):
                writer.write_table(table)
                rows += table.num_rows
                filled.update(n for n in table.schema.names if table[n].null_count < len(table))
                in_sight = table.filter(pc.field("venues") > 0)
                seen.update(in_sight["coin"].unique().to_pylist())
                if len(in_sight):
                    at = in_sight["time"].cast(pa.int64())
                    times += [at[0].as_py(), at[-1].as_py()]
        aside.replace(file)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    return Written(
        rows,
        [coin for coin in choice.coins if coin not in seen],
        [name for name in kept.names if rows and name not in filled],
        *(min(times, default=None), max(times, default=None)),
    )


def _table(block: Block, choice: Choice, wanted: np.ndarray, kept: pa.Schema) -> pa.Table:
    times = block.times[wanted]
    coins = choice.coins
    by_coin = [block.rows(coin) for coin in coins]
    arrays: list[pa.Array] = [
        pa.array(np.repeat(times, len(coins)), pa.timestamp("us", "UTC")),
        pa.array(list(coins) * len(times), pa.string()),
    ]
    for column in all_columns(choice.exchanges):
        # Of shape (times, coins), so that a time's coins stand together.
        values = np.column_stack([rows[column.name][wanted] for rows in by_coin]).ravel()
        numbers = pa.array(values, pa.float64(), from_pandas=True)
        arrays.append(numbers.cast(TYPES[column.kind]))
    return pa.Table.from_arrays(arrays, schema=kept)
