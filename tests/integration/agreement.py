"""What the topics hold, held against what Parquet and Cassandra hold of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from agents.archive.store import open_store
from models.records.bars import INTERVAL_SECONDS, decode_bars, decode_indicators
from models.records.bursts import decode_quotes, decode_trades
from models.records.spreads import decode_spreads
from models.settings import Settings
from models.times import seconds_of
from models.topics import topic_name
from services.archive.reader import ArchiveReader
from services.history.cassandra import CassandraHistory
from services.history.source import Series, Topic
from services.local.lag import group_lags
from tests.integration.followed_bursts import followed_bursts
from tests.integration.topic_records import read_topic

_SECOND = 1_000_000_000
_ALL_TIME = 2**62

Rows = Counter[tuple[str, int]]
"""By market (bars and indicators: market and interval) and `as_of` in seconds."""

RowsOf = Callable[[bytes], Iterable[tuple[str, int]]]


class Seen(NamedTuple):
    """From which to which second both tick topics of a source have a clock."""

    first: int
    last: int


def clocks_of(settings: Settings) -> dict[tuple[str, int], Seen]:
    """Return by exchange and partition what its clocks have passed."""
    clocks: dict[tuple[str, int], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for exchange, kind, partition, burst in followed_bursts(settings):
        clocks[exchange, partition][kind].append(burst.clock // _SECOND)
    return {
        source: Seen(
            max(min(each) for each in of_kinds.values()),
            min(max(each) for each in of_kinds.values()),
        )
        for source, of_kinds in clocks.items()
    }


def figures_to_come(settings: Settings, clocks: dict[tuple[str, int], Seen]) -> list[str]:
    """Return what of the seconds and minutes that these clocks have closed is not published."""
    missing = []
    for topic, decode, step in (("spreads", decode_spreads, 1), ("bars", decode_bars, 60)):
        reached: dict[tuple[str, int], int] = {}
        for record in read_topic(settings, topic):
            assert record.value is not None
            figures: Any = decode(record.value)
            source = figures.exchange, figures.partition
            if getattr(figures, "interval", "1m") == "1m":
                reached[source] = max(reached.get(source, 0), seconds_of(figures.as_of))
        wanted = {source: seen.last // step * step for source, seen in clocks.items()}
        missing += [
            f"{topic} of {source}: {reached.get(source)} of {as_of}"
            for source, as_of in wanted.items()
            if as_of > clocks[source].first and reached.get(source, 0) < as_of
        ]
    return missing


def are_archived(settings: Settings, groups: Iterable[str]) -> bool:
    """Return whether these groups have committed every record of what they read."""
    lags = group_lags(settings.kafka_brokers, settings)
    for group in groups:
        own = [lag for lag in lags if lag.group == topic_name(group, settings.namespace)]
        if not own or any(lag.lag for lag in own):
            return False
    return True


def ticks_agree(settings: Settings) -> int:
    """See that Parquet gives every burst back as it lies in Kafka; return how many ticks."""
    reader = ArchiveReader(open_store(settings))
    total = 0
    for exchange in settings.exchanges:
        for kind, decode in (("quotes", decode_quotes), ("trades", decode_trades)):
            topic = f"{exchange}_{kind}"
            by_partition: dict[int, dict[int, Any]] = defaultdict(dict)
            for record in read_topic(settings, topic):
                by_partition[record.partition][record.offset] = record.value
            for partition, records in by_partition.items():
                archived = 0
                for each in reader.bursts(topic, partition):
                    burst = decode(records.pop(each.offset))
                    assert each.burst == burst, f"{topic} {partition} {each.offset} differs"
                    archived += len(burst)
                assert not records, f"{len(records)} bursts of {topic} {partition} not archived"
                total += archived
    return total


def rows_agree(settings: Settings) -> dict[str, int]:
    """See that Kafka, Parquet and Cassandra hold the same rows; return how many by topic."""
    reader = ArchiveReader(open_store(settings))
    counts: dict[str, int] = {}
    history = CassandraHistory(settings)
    of_topics: dict[Topic, RowsOf] = {
        "spreads": _spread_rows,
        "bars": _interval_rows(decode_bars),
        "indicators": _interval_rows(decode_indicators),
    }
    for topic, rows_of in of_topics.items():
        published = _published(settings, topic, rows_of)
        archived = _archived(reader, topic)
        stored = _stored(history, topic, published)
        assert set(archived) == set(published), _difference(topic, archived, published)
        assert stored == published, _difference(topic, stored, published)
        counts[topic] = len(published)
    return counts


def _published(settings: Settings, topic: str, rows_of: RowsOf) -> Rows:
    rows: Rows = Counter()
    for record in read_topic(settings, topic):
        assert record.value is not None
        for row in rows_of(record.value):
            # What a killed agent sent twice is one row.
            rows[row] = 1
    return rows


def _spread_rows(value: bytes) -> Iterable[tuple[str, int]]:
    spreads = decode_spreads(value)
    as_of = seconds_of(spreads.as_of)
    return [(market, as_of) for market in spreads.markets]


def _interval_rows(decode: Callable[[bytes], Any]) -> RowsOf:
    def rows(value: bytes) -> Iterable[tuple[str, int]]:
        record = decode(value)
        as_of = seconds_of(record.as_of)
        return [(f"{market}|{record.interval}", as_of) for market in record.markets]

    return rows


def _archived(reader: ArchiveReader, topic: str) -> Rows:
    rows: Rows = Counter()
    for batch in reader.rows(topic, 0, _ALL_TIME):
        names = batch["market"].to_pylist()
        if topic != "spreads":
            pairs = zip(names, batch["interval"].to_pylist(), strict=True)
            names = [f"{market}|{interval}" for market, interval in pairs]
        times = [int(time.timestamp()) for time in batch["as_of"].to_pylist()]
        rows.update(zip(names, times, strict=True))
    return rows


def _stored(history: CassandraHistory, topic: Topic, published: Rows) -> Rows:
    rows: Rows = Counter()
    by_key: dict[str, list[int]] = defaultdict(list)
    for key, as_of in published:
        by_key[key].append(as_of)
    for key, times in by_key.items():
        market, _, interval = key.partition("|")
        series = Series(topic, market, interval or None)
        # A day more on both sides: what is stored and was not published is a difference too.
        start = (min(times) - max(INTERVAL_SECONDS.values())) * _SECOND
        end = (max(times) + max(INTERVAL_SECONDS.values())) * _SECOND
        for batch in history.rows(series, start, end):
            rows.update((key, int(time.timestamp())) for time in batch["as_of"].to_pylist())
    return rows


def _difference(topic: str, found: Rows, wanted: Rows) -> str:
    missing, more = wanted - found, found - wanted
    return (
        f"{topic}: {len(missing)} missing, {len(more)} more than published of {len(wanted)}; "
        f"{list(missing)[:5]} {list(more)[:5]}"
    )
