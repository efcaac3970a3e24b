"""Derived topics as the line writes them on a bad day, and what is in them by another way.

Sources of one partition go on at their own pace, one of them falls silent for a while, killed
agents have sent records twice, bars are published anew, feeds tell what they told before.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import pyarrow as pa

from models.archive.chunks import ArchivedRecord
from models.partition import partition_of
from models.records.bars import BarInterval, decode_bars, decode_indicators, encode_bars
from models.records.correlations import CorrelationBlock, decode_block
from models.records.reference import Feed, FeedStatus, encode_reference
from models.records.spreads import decode_spreads, encode_spreads
from models.records.unpacked import unpack
from models.times import iso_microseconds, iso_nanoseconds, iso_seconds
from tests.unit.archive.made import START_MS
from tests.unit.gateway.made import START, feed, spreads
from tests.unit.gateway.made_derived import TABLE, bars, blocks, indicators, returns, value_of

PARTITIONS = 4
EXCHANGES = ("coinbase", "kraken")
COINS = ("BTC", "ETH")
SILENT = range(200, 330)
"""Seconds in which one source gives nothing; it goes on where it was."""
UNREADABLE = b'{"v": 1, "as_of": "2026-03-01T12:00:00Z"'

Log = dict[tuple[str, int], list[ArchivedRecord]]
Rows = dict[tuple[Any, ...], dict[str, Any]]


def made_series(seconds: int = 400, seed: int = 7, start_ms: int = START_MS) -> Log:
    """Return by topic and partition what so many seconds have brought."""
    made = _Made(random.Random(seed), start_ms)
    for coin in COINS:
        partition = partition_of(coin, PARTITIONS)
        _spreads(made, partition, coin, seconds)
        _feeds(made, partition, coin, seconds)
        _bars(made, partition, coin, seconds // 60)
    _correlations(made, partition_of(TABLE, PARTITIONS), seconds)
    for topic, partition in list(made.log):
        made.add(topic, partition, seconds, UNREADABLE)
    return made.log


class _Made:
    """Records on their way into a log; the last ones may be sent twice."""

    def __init__(self, chance: random.Random, start_ms: int) -> None:
        self.chance = chance
        self.log: Log = {}
        self._start_ms = start_ms
        self._sent: dict[tuple[str, int, str], list[bytes]] = {}

    def add(self, topic: str, partition: int, second: int, value: bytes) -> None:
        """Append a record, `second` after the start by Kafka's clock."""
        log = self.log.setdefault((topic, partition), [])
        # A key of its own, so that compaction leaves everything there to compare with.
        key = str(len(log)).encode()
        log.append(ArchivedRecord(len(log), self._start_ms + second * 1_000, key, value))

    def add_all(
        self, topic: str, partition: int, second: int, values: list[bytes], source: str = ""
    ) -> None:
        """Append records of a source; now and then its last ones are sent again, as by a kill."""
        sent = self._sent.setdefault((topic, partition, source), [])
        sent += values
        for value in values:
            self.add(topic, partition, second, value)
        if self.chance.random() < 0.05:
            for value in sent[-self.chance.randrange(1, 40) :]:
                self.add(topic, partition, second, value)


def _spreads(made: _Made, partition: int, coin: str, seconds: int) -> None:
    sent: dict[str, int] = dict.fromkeys(EXCHANGES, 0)
    for now in range(1, seconds):
        for exchange in EXCHANGES:
            if exchange == "coinbase" and now in SILENT:
                continue
            values = [
                _spread(exchange, partition, coin, second, made.chance.uniform(0.5, 2.0))
                for second in range(sent[exchange] + 1, now + 1)
            ]
            if values and made.chance.random() < 0.7:
                made.add_all("spreads", partition, now, values, exchange)
                sent[exchange] = now


def _spread(exchange: str, partition: int, coin: str, second: int, spread: float) -> bytes:
    currencies = ["USD", "USDT", *(["EUR"] if second > 90 else [])]
    value = spreads(second, [f"{exchange}:{coin}-{each}" for each in currencies], spread).value
    record = decode_spreads(value)
    return encode_spreads(
        msgspec.structs.replace(record, exchange=exchange, partition=partition, z=[None, 0.1, -0.0])
        if second > 90
        else msgspec.structs.replace(record, exchange=exchange, partition=partition)
    )


def _bars(made: _Made, partition: int, coin: str, minutes: int) -> None:
    for minute in range(minutes):
        for exchange in EXCHANGES:
            market = f"{exchange}:{coin}-USD"
            intervals: list[BarInterval] = ["1m", *(["5m"] if minute % 5 == 4 else [])]  # type: ignore[list-item]
            for interval in intervals:
                index = minute if interval == "1m" else minute // 5
                value = value_of(bars(index, {market: 100.0 + minute}, interval))
                made.add_all("bars", partition, minute * 60 + 61, [value])
            record = decode_indicators(value_of(indicators(minute, 99.5 + minute, market)))
            anew = msgspec.structs.replace(record, exchange=exchange, partition=partition)
            made.add_all("indicators", partition, minute * 60 + 61, [encode_bars(anew)])
            if minute % 3 == 2:
                # Candles came that say more of a minute which was published long ago.
                older = decode_bars(value_of(bars(minute - 2, {market: 50.0 + minute}, "1m")))
                late = msgspec.structs.replace(older, source=["mixed"])
                made.add("bars", partition, minute * 60 + 62, encode_bars(late))


def _feeds(made: _Made, partition: int, coin: str, seconds: int) -> None:
    for exchange in EXCHANGES:
        since = 1
        status: FeedStatus = "connecting"
        states: list[FeedStatus] = ["live", "stale", "gap"]
        for now in range(1, seconds):
            if made.chance.random() < 0.02:
                since, status = now, made.chance.choice(states)
            if since == now or now % 5 == 0:
                value = _feed(f"{exchange}:{coin}-USD", since, now, status)
                made.add("feeds", partition, now, value)


def _feed(market: str, since: int, as_of: int, status: FeedStatus) -> bytes:
    record = feed(0, market, as_of).record
    assert isinstance(record, Feed)
    return encode_reference(
        msgspec.structs.replace(
            record,
            exchange=market.partition(":")[0],
            coin=market.partition(":")[2].partition("-")[0],
            since=iso_seconds(START + since),
            status=status,
            quotes=as_of,
        )
    )


def _correlations(made: _Made, partition: int, seconds: int) -> None:
    for second in range(10, seconds, 10):
        prices = {"BTC": 100.0 + second, "ETH": None if second % 30 else 7.5}
        made.add_all("returns", partition, second, [value_of(returns(second, prices))])
        # A coin joins: from then on a matrix has one block more.
        coins = ["BTC", "ETH", *(["XRP"] if second > 150 else [])]
        cell = second / 1_000
        matrix = [[1.0 if a == b else cell for b in coins] for a in coins]
        values = [value_of(block) for block in blocks(second, coins, matrix)]
        made.add_all("correlations", partition, second, values)


def rows_in_kafka(topic: str, records: Iterable[tuple[int, bytes | None]]) -> Rows:
    """Return the rows that history is to give of these records, offset and value, by their key.

    Of several with one key the last one counts, of a feed's change the first; names are flat.
    """
    rows: Rows = {}
    for _, value in sorted(records, key=lambda record: record[0]):
        if value is None or value == UNREADABLE:
            continue
        for key, row in _rows_of(topic, value):
            if topic != "feeds" or key not in rows:
                rows[key] = row
    return rows


def _rows_of(topic: str, value: bytes) -> Iterable[tuple[tuple[Any, ...], dict[str, Any]]]:
    if topic == "returns":
        for row in _coins_of(msgspec.json.decode(value)):
            yield (row["table"], row["as_of"], row["coin"]), row
    elif topic == "feeds":
        for row in unpack("json", value):
            row["quote_currency"] = row["market"].rpartition("-")[2]
            del row["v"]
            yield (row["market"], row["since"]), row
    else:
        for row in unpack(topic, value):  # type: ignore[arg-type]
            interval = row.get("interval")
            yield (row["market"], interval, row["as_of"]), _flat(row)


def _coins_of(record: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    columns = ("price", "quote_currency", "venues", "log_return")
    for i, coin in enumerate(record["coins"]):
        whole = {name: record[name] for name in ("table", "as_of", "masked", "source")}
        yield {"coin": coin, **whole, **{name: record[name][i] for name in columns}}


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    flat = {name: value for name, value in row.items() if name != "windows"}
    for label, window in row.get("windows", {}).items():
        flat |= {f"windows_{label}_{name}": value for name, value in window.items()}
    return flat


def last_matrices(records: Iterable[tuple[int, bytes | None]]) -> list[list[CorrelationBlock]]:
    """Return of every minute the blocks of its last matrix, one after the other."""
    matrices: dict[str, dict[int, CorrelationBlock]] = {}
    for _, value in records:
        if value is not None and value != UNREADABLE:
            block = decode_block(value)
            matrices.setdefault(block.as_of, {})[block.block] = block
    last = {as_of[:16]: matrices[as_of] for as_of in sorted(matrices)}
    return [[blocks[number] for number in sorted(blocks)] for blocks in last.values()]


def shown_rows(rows: pa.RecordBatch | pa.Table) -> list[dict[str, Any]]:
    """Return rows as the public interface shows them; `offset` and `row` go."""
    columns = {
        field.name: _shown(rows[field.name], field.type)
        for field in rows.schema
        if field.name not in ("offset", "row")
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _shown(column: Any, kept: pa.DataType) -> list[Any]:
    if pa.types.is_map(kept):
        return [dict(pairs) for pairs in column.to_pylist()]
    if not pa.types.is_timestamp(kept):
        return list(column.to_pylist())
    times = column.cast(pa.int64()).to_pylist()
    if kept.unit == "us":
        return [None if each is None else iso_microseconds(each * 1_000) for each in times]
    return [None if each is None else iso_nanoseconds(each) for each in times]


_KEYS = {"returns": ("table", "as_of", "coin"), "feeds": ("market", "since")}


def keyed(topic: str, rows: Iterable[Mapping[str, Any]]) -> Rows:
    """Return rows by their key, as `rows_in_kafka` does."""
    names = _KEYS.get(topic, ("market", "interval", "as_of"))
    return {tuple(row.get(name) for name in names): dict(row) for row in rows}
