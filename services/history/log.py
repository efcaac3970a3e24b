"""History in the log: what the archive does not hold yet, from Kafka, or from memory if it has it.

Rows are made from records as the archive makes them, so they have the same columns and values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from agents.runtime.topic_reader import ReadFrom, TopicReader, TopicRecord
from models.archive.derived_tables import DerivedRows, derived_rows, derived_table, rows_of_key
from models.archive.tick_tables import ArchivedBurst, Kind, tick_table
from models.errors import RecordError, StoreError, TransportError
from models.markets import exchange_of
from models.records.bursts import decode_quotes, decode_trades
from models.settings import Settings
from models.topics import RETURNS, topic_name
from services.history.merging import Stream, times_of
from services.history.source import Series, Span

NEWEST = 1 << 62
"""Later than everything; nanoseconds."""

MOST_TICKS = 1_000_000
"""How many ticks of a market may wait for the archive before their history is refused."""

_RECORDS_AT_ONCE = 500
_ANEW = ("bars", "indicators", "returns")
"""What is published anew, or behind what is later: with candles."""


class LogTail(msgspec.Struct, frozen=True):
    """What Kafka holds of a series behind the archive.

    `first_held` is the first offset that Kafka holds, `first_read` that of the first record that
    was read and `begins` the first time of these records (ns), both None where there were none.
    """

    rows: pa.Table
    first_held: int
    first_read: int | None
    begins: int | None

    def streams(self, time: str) -> list[Stream]:
        """Return the rows, which are sorted, as a stream."""
        rows = self.rows
        if not rows.num_rows:
            return []
        return [Stream(int(times_of(rows, time)[0]), lambda: iter(rows.to_batches()))]


class KafkaLog:
    """Reads the end of a topic partition, from where the archive ends. Any thread may ask.

    Methods raise StoreError where Kafka does not answer.
    """

    def __init__(self, brokers: str, settings: Settings) -> None:
        """Read what lies below the settings' namespace."""
        self._brokers = brokers
        self._settings = settings

    def tail(self, series: Series, partition: int, after: int, start: int, end: int) -> LogTail:
        """Return the rows from offset `after` on with an `as_of` in `[start, end)`, in order."""
        picked: list[DerivedRows] = []
        tables: list[pa.Table] = []
        begins: int | None = None
        first: int | None = None
        try:
            with self.held(series.topic, partition, after, start) as (low, records):
                for record in records:
                    first = record.offset if first is None else first
                    rows = rows_of_series(series, record.offset, record.key, record.value)
                    if rows is None:
                        continue
                    begins = rows.as_of if begins is None else min(begins, rows.as_of)
                    if rows.as_of >= end and series.topic not in _ANEW:
                        break  # a source publishes in time order
                    if rows.count and start <= rows.as_of < end:
                        picked.append(rows)
                    if len(picked) == _RECORDS_AT_ONCE:
                        tables.append(derived_table(series.topic, picked))
                        picked = []
        except TransportError as error:
            raise StoreError(f"expected the log of {series.topic}, but {error}") from error
        tables.append(derived_table(series.topic, picked))
        table = pa.concat_tables(tables, promote_options="default")
        order = [(name, "ascending") for name in ("as_of", "offset")]
        return LogTail(table.sort_by(order), low, first, begins)

    def ticks(
        self, kind: Kind, market: str, partition: int, after: int, start: int, end: int
    ) -> LogTail:
        """Return a market's ticks from offset `after` on with a time in `[start, end)`, in order.

        Raises:
            StoreError: also where there are more than a million.
        """
        topic = f"{exchange_of(market)}_{kind}"
        decode = decode_quotes if kind == "quotes" else decode_trades
        bursts: list[ArchivedBurst] = []
        tables: list[pa.Table] = []
        begins: int | None = None
        first: int | None = None
        try:
            with self.held(topic, partition, after, start) as (low, records):
                for record in records:
                    first = record.offset if first is None else first
                    try:
                        burst = decode(record.value)
                    except RecordError:
                        continue  # the archive tells it
                    begins = burst.clock if begins is None else min(begins, burst.clock)
                    if market in burst.markets:
                        bursts.append(ArchivedBurst(record.offset, record.timestamp, burst))
                    if len(bursts) == _RECORDS_AT_ONCE:
                        tables.append(_ticks_of(kind, bursts, market, start, end))
                        bursts = []
                        _expect_few(topic, tables)
        except TransportError as error:
            raise StoreError(f"expected the log of {topic}, but {error}") from error
        tables.append(_ticks_of(kind, bursts, market, start, end))
        table = pa.concat_tables(tables)
        order = [(name, "ascending") for name in ("time", "offset", "row")]
        return LogTail(table.sort_by(order), low, first, begins)

    @contextmanager
    def held(
        self, topic: str, partition: int, after: int, start: int
    ) -> Iterator[tuple[int, Iterator[TopicRecord]]]:
        """Give the first offset that Kafka holds, and the records from `after` on.

        Those that cannot be as of `start` (ns) or later may be left out.

        Raises:
            TransportError: Kafka does not answer.
        """
        # Nothing is as of later than its production; but a replay puts days into a minute.
        since = None if self._settings.source == "none" else max(start, 0) // 1_000_000
        name = topic_name(topic, self._settings.namespace)
        with TopicReader(self._brokers, self._settings) as reader:
            low, _ = reader.bounds(name, partition)
            yield low, reader.read([ReadFrom(name, partition, after, since)])


class MemoryHistory:
    """Records that the gateway has in memory: of one source, one of every `as_of`, in order."""

    def __init__(self, records: Sequence[tuple[int, bytes]], begins: int | None) -> None:
        """`records` are offsets and values; nothing since `begins` (ns) is missing, None: all."""
        self._records = records
        self._begins = begins

    def span(self, series: Series) -> Span | None:  # noqa: ARG002 - there is but one source
        """Return from the oldest record on; nothing is newer than the newest."""
        return None if self._begins is None else Span(self._begins, NEWEST)

    def rows(self, series: Series, start: int, end: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows with an `as_of` in `[start, end)`, by `as_of`."""
        picked: list[DerivedRows] = []
        for offset, value in self._records:
            rows = rows_of_series(series, offset, None, value)
            if rows is None or not rows.count or not start <= rows.as_of < end:
                continue
            picked.append(rows)
            if len(picked) == _RECORDS_AT_ONCE:
                yield from derived_table(series.topic, picked).to_batches()
                picked = []
        if picked:
            yield from derived_table(series.topic, picked).to_batches()


def rows_of_series(
    series: Series, offset: int, key: bytes | None, value: bytes | None
) -> DerivedRows | None:
    """Return the rows of a series in a record; None where it is of another source.

    A record of the source without a row of the series has none.
    """
    if not _may_be_of(series, key):
        return None
    try:
        rows = derived_rows(series.topic, offset, value)
    except RecordError:
        return None  # the archive tells it
    values = rows.values
    if not rows.count:
        return None
    if series.topic == RETURNS.name:
        if values["table"][0] != series.key:
            return None
        return rows_of_key(series.topic, rows, series.coins or values["coin"])
    if values["exchange"][0] != exchange_of(series.key):
        return None
    if series.interval is not None and values["interval"][0] != series.interval:
        return msgspec.structs.replace(rows, count=0)
    return rows_of_key(series.topic, rows, [series.key])


def _may_be_of(series: Series, key: bytes | None) -> bool:
    """Return whether a record's key, where it begins with the exchange, is of the series' one."""
    if series.topic == RETURNS.name or key is None or b"|" not in key:
        return True
    return key.startswith(exchange_of(series.key).encode() + b"|")


def _ticks_of(
    kind: Kind, bursts: Sequence[ArchivedBurst], market: str, start: int, end: int
) -> pa.Table:
    table = tick_table(kind, bursts)
    times = times_of(table, "time")
    is_within = pa.array((times >= start) & (times < end))
    return table.filter(pc.and_(is_within, pc.equal(table["market"], market)))


def _expect_few(topic: str, tables: Sequence[pa.Table]) -> None:
    rows = sum(table.num_rows for table in tables)
    if rows > MOST_TICKS:
        raise StoreError(
            f"expected the archive to be at most {MOST_TICKS} ticks behind {topic}, was {rows}"
        )
