"""Which topics are read, and from where: as one declared table."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from models.records.bars import INTERVAL_SECONDS
from models.topics import (
    BARS,
    COINS,
    CORRELATIONS,
    FEEDS,
    INDICATORS,
    MARKETS,
    RETURNS,
    SPREADS,
    Topic,
    exchange_topics,
    topic_name,
)
from services.gateway.channels import BY_INTERVAL
from services.gateway.memory.correlations import HISTORY_S as MATRICES_S
from services.gateway.memory.intervals import HELD
from services.gateway.memory.returns import HISTORY_S as RETURNS_S
from services.gateway.memory.spreads import HISTORY_S
from services.gateway.records import Codec

_TICKS_S = 300
_TICK_RECORDS = 20_000
_WEEK_S = 7 * 86_400

# By interval, as it stands in a record's key (`exchange|partition|interval|end`).
_HELD_MS = {
    interval.encode(): (bars + 60) * INTERVAL_SECONDS[interval] * 1_000
    for interval, bars in HELD.items()
}


_REFERENCE: tuple[tuple[Topic, Codec], ...] = (
    (COINS, "coins"),
    (MARKETS, "markets"),
    (FEEDS, "feeds"),
)


class _Derived(msgspec.Struct, frozen=True):
    """A topic of an agent: how much of it is read, at most `records` of a partition and exchange.

    Of a partition of tables as many as 64 tables make.
    """

    topic: Topic
    codec: Codec
    look_back_s: int
    records: int
    is_of_tables: bool = False


# Of a source one record a minute, and one more for every fifth, every hour and every day.
_INTERVALS_A_DAY = 1_440 + 288 + 24 + 1
_TABLES = 64
_DERIVED = (
    _Derived(BARS, "bars", _WEEK_S, 7 * _INTERVALS_A_DAY),
    _Derived(INDICATORS, "indicators", _WEEK_S, 7 * _INTERVALS_A_DAY),
    _Derived(RETURNS, "returns", RETURNS_S, _TABLES * RETURNS_S // 10, is_of_tables=True),
    _Derived(
        CORRELATIONS, "correlations", MATRICES_S, _TABLES * MATRICES_S // 10, is_of_tables=True
    ),
)


class ReadTopic(msgspec.Struct, frozen=True):
    """One topic. `name` is without the namespace, `full_name` is Kafka's.

    `look_back_s` is how much of it is read before its newest record; None is all of it. At most
    `look_back_records` of a partition are read: a replay puts days into a minute.
    """

    name: str
    full_name: str
    codec: Codec
    look_back_s: int | None = None
    look_back_records: int = 0

    def is_too_old(self, key: bytes | None, age_ms: int) -> bool:
        """Return whether a record so much older than the newest need not be read at all.

        Bars of a minute are held for a day; a week of them would take most of a start.
        """
        if self.codec not in BY_INTERVAL or key is None:
            return False
        parts = key.split(b"|")
        limit_ms = _HELD_MS.get(parts[2]) if len(parts) > 2 else None
        return limit_ms is not None and age_ms > limit_ms


def read_topics(exchanges: Iterable[str], namespace: str) -> list[ReadTopic]:
    """Return everything that the gateway reads."""
    exchanges = list(exchanges)
    topics = [
        ReadTopic(topic.name, topic_name(topic.name, namespace), codec)
        for topic, codec in _REFERENCE
    ]
    for derived in _DERIVED:
        name = derived.topic.name
        full_name = topic_name(name, namespace)
        most = derived.records if derived.is_of_tables else derived.records * len(exchanges)
        topics.append(ReadTopic(name, full_name, derived.codec, derived.look_back_s, most))
    # Of a partition one record a second and exchange, and the repeats after a crash.
    enough = 2 * HISTORY_S * len(exchanges)
    topics.append(
        ReadTopic(SPREADS.name, topic_name(SPREADS.name, namespace), "spreads", HISTORY_S, enough)
    )
    for exchange in exchanges:
        quotes, trades = exchange_topics(exchange)
        ticks: tuple[tuple[Topic, Codec], ...] = ((quotes, "quotes"), (trades, "trades"))
        topics += [
            ReadTopic(topic.name, topic_name(topic.name, namespace), codec, _TICKS_S, _TICK_RECORDS)
            for topic, codec in ticks
        ]
    return topics
