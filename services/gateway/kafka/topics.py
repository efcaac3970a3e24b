"""Which topics are read, and from where: as one declared table."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from models.topics import COINS, FEEDS, MARKETS, SPREADS, Topic, exchange_topics, topic_name
from services.gateway.memory.spreads import HISTORY_S
from services.gateway.records import Codec

_TICKS_S = 300
_TICK_RECORDS = 20_000


_REFERENCE: tuple[tuple[Topic, Codec], ...] = (
    (COINS, "coins"),
    (MARKETS, "markets"),
    (FEEDS, "feeds"),
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


def read_topics(exchanges: Iterable[str], namespace: str) -> list[ReadTopic]:
    """Return everything that the gateway reads."""
    exchanges = list(exchanges)
    topics = [
        ReadTopic(topic.name, topic_name(topic.name, namespace), codec)
        for topic, codec in _REFERENCE
    ]
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
