"""Every topic of Cointide, as one declared table.

Names carry the namespace as a prefix: `topic_name("spreads", "trial")` is `trial.spreads`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

HOUR_MS = 3_600_000

Partitioning = Literal["coin", "table", "every", "none"]
Codec = Literal["quotes", "trades", "spreads", "bars", "indicators", "correlations", "json", "step"]


class Topic(msgspec.Struct, frozen=True):
    """One topic: what a record is, how it is partitioned and cleaned up.

    `partitioning` is by `coin`, by correlation `table`, a copy to `every` partition (all of these
    have as many partitions as the setting says), or `none` (one).
    `retention_ms` is None for Kafka's default. `codec` tells how values are read: `quotes`,
    `trades`, `correlations` and `step` are msgpack with raw columns, the others JSON.
    `read_anew_by` are the groups that read it from its beginning at every assignment: what they
    have committed there says nothing about how far they are.
    """

    name: str
    partitioning: Partitioning
    cleanup: Literal["delete", "compact", "compact,delete"]
    codec: Codec
    holds: str
    retention_ms: int | None = None
    read_anew_by: tuple[str, ...] = ()


def exchange_topics(exchange: str) -> tuple[Topic, Topic]:
    """Return the quote and the trade topic of an exchange."""
    return (
        Topic(
            f"{exchange}_quotes",
            "coin",
            "delete",
            "quotes",
            "one burst: columns over many markets, clock, owner epoch",
            retention_ms=26 * HOUR_MS,
        ),
        Topic(
            f"{exchange}_trades",
            "coin",
            "delete",
            "trades",
            "one burst: columns over many markets, clock, owner epoch",
            retention_ms=26 * HOUR_MS,
        ),
    )


SPREADS = Topic(
    "spreads",
    "coin",
    "delete",
    "spreads",
    "one source, one second: columns over its markets",
    retention_ms=24 * HOUR_MS,
)
CLOSES = Topic(
    "closes",
    "every",
    "delete",
    "json",
    "one source, one second: mids of its markets",
    retention_ms=26 * HOUR_MS,
)
CANDLES = Topic(
    "candles",
    "every",
    "delete",
    "json",
    "one-minute candles of a market, fetched from the exchange's REST interface",
    retention_ms=26 * HOUR_MS,
)
BARS = Topic(
    "bars", "coin", "delete", "bars", "one source, one interval end: columns over its markets"
)
INDICATORS = Topic(
    "indicators",
    "coin",
    "delete",
    "indicators",
    "one source, one interval end: columns over its markets",
)
RETURNS = Topic(
    "returns",
    "table",
    "delete",
    "json",
    "one step of a correlation table: coins, reference prices, returns",
    retention_ms=26 * HOUR_MS,
)
CORRELATIONS = Topic(
    "correlations",
    "table",
    "compact,delete",
    "correlations",
    "a block of rows of a matrix, at most 512 kB",
    retention_ms=26 * HOUR_MS,
)
BARS_CHANGELOG = Topic(
    "bars-panes-changelog", "coin", "compact", "step", "bars of one source after a closed minute"
)
CORRELATION_CHANGELOG = Topic(
    "correlation-panes-changelog", "table", "compact", "step", "the rows of a correlation table"
)
ARCHIVE_CHANGELOG = Topic(
    "archive-panes-changelog",
    "coin",
    "compact",
    "step",
    "what was archived of one topic partition in one hour",
)
# Nothing is in it: what the agent has written, Cassandra says. A worker is told by it what it owns.
ARCHIVE_CASSANDRA_CHANGELOG = Topic(
    "archive-cassandra-panes-changelog",
    "coin",
    "compact",
    "step",
    "nothing: how far it is the agent keeps in Cassandra",
)
COINS = Topic(
    "coins", "coin", "compact", "json", "id, rank, market value, 24 h volume and change, flags"
)
MARKETS = Topic(
    "markets",
    "coin",
    "compact",
    "json",
    "which market to follow, tick size, status",
    read_anew_by=("ingestion",),
)
FEEDS = Topic("feeds", "coin", "compact", "json", "a market's status and counters, for display")
INGESTION_CHANGELOG = Topic(
    "ingestion-panes-changelog", "coin", "compact", "step", "feed counters by second"
)
DEAD_LETTERS = Topic(
    "dead_letters", "none", "delete", "json", "the record as it came, reason, origin"
)
SPREAD_CHANGELOG = Topic(
    "spread-panes-changelog",
    "coin",
    "compact",
    "step",
    "the state of one source after one closed second",
)


def declared_topics(exchanges: list[str]) -> list[Topic]:
    """Return every topic that `cointide topics` creates for these exchanges."""
    ticks = [topic for exchange in exchanges for topic in exchange_topics(exchange)]
    return [
        COINS,
        MARKETS,
        *ticks,
        FEEDS,
        SPREADS,
        CLOSES,
        CANDLES,
        BARS,
        INDICATORS,
        RETURNS,
        CORRELATIONS,
        INGESTION_CHANGELOG,
        SPREAD_CHANGELOG,
        BARS_CHANGELOG,
        CORRELATION_CHANGELOG,
        ARCHIVE_CHANGELOG,
        ARCHIVE_CASSANDRA_CHANGELOG,
        DEAD_LETTERS,
    ]


def topic_name(name: str, namespace: str) -> str:
    """Return the name of a topic within a namespace.

    >>> topic_name("spreads", ""), topic_name("spreads", "trial")
    ('spreads', 'trial.spreads')
    """
    return f"{namespace}.{name}" if namespace else name
