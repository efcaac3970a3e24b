"""What a live system has published against what follows from its raw topics.

The topics go on while they are read. What is published is therefore read before that from which it
follows, and compared as far as it went.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import msgspec

from agents.bars.changes import Head
from agents.runtime.steps import Step, decode_step
from models.partition import partition_of
from models.records.candles import decode_candles
from models.records.closes import decode_closes
from models.records.correlations import decode_block, decode_returns
from models.records.spreads import decode_spreads
from models.records.unpacked import spread_objects
from models.times import seconds_of
from models.topics import (
    BARS,
    BARS_CHANGELOG,
    CANDLES,
    CLOSES,
    CORRELATION_CHANGELOG,
    CORRELATIONS,
    INDICATORS,
    RETURNS,
    SPREADS,
)
from tests.bars_in_memory import decisions_in, rows_of
from tests.bars_in_memory import differences as bar_differences
from tests.correlation_made import Published, decisions_of, rest_differences
from tests.correlation_made import differences as step_differences
from tests.e2e.system import System
from tests.integration.topic_records import Record
from tests.oracle import compare_closes, differences
from tests.oracle.bars import MINUTE, Key, expected
from tests.oracle.rows import Close, closes_of, iso, rows_in
from tests.oracle.topics import Values, figures_from_bursts, trades_from_bursts
from tests.oracle_correlation import Mids, Oracle

TABLES = ("15m.10s.pearson", "1h.60s.pearson")


class Recomputed:
    """The topics of a system, read at once, and the differences by what they are about.

    `missing` bars may still be on their way when a minute has just ended: wait until one is over.
    """

    def __init__(self, system: System) -> None:
        """Read everything: outputs, then decisions, then inputs."""
        self._settings = system.settings
        self._returns, self._correlations = (
            system.topic(topic.name) for topic in (RETURNS, CORRELATIONS)
        )
        self._steps = system.topic(CORRELATION_CHANGELOG.name)
        self._spreads = _by_key(system.topic(SPREADS.name))
        # The inputs of correlations: read before them, the newest step would lack a venue's.
        self._closes = system.topic(CLOSES.name)
        self._changelog = system.topic(BARS_CHANGELOG.name)
        self._bars = {topic.name: _by_key(system.topic(topic.name)) for topic in (BARS, INDICATORS)}
        self._candles = system.topic(CANDLES.name)
        self._values: Values = {
            (exchange, kind, partition): [
                record.value for record in records if record.partition == partition and record.value
            ]
            for exchange in self._settings.exchanges
            for kind in ("quotes", "trades")
            for records in [system.topic(f"{exchange}_{kind}")]
            for partition in range(self._settings.partitions)
        }

    @cached_property
    def spreads(self) -> list[dict[str, Any]]:
        """The published rows, one a market and second."""
        return [
            row for value in self._spreads.values() for row in spread_objects(decode_spreads(value))
        ]

    @cached_property
    def last(self) -> str:
        """The newest second of which every market has its row."""
        newest: dict[str, str] = {}
        for row in self.spreads:
            newest[row["market"]] = max(row["as_of"], newest.get(row["market"], ""))
        return min(newest.values())

    def spread_differences(self) -> list[str]:
        """Return in what spreads differ, every field of every market and second."""
        ours = [row for row in self.spreads if row["as_of"] <= self.last]
        rows = (row for _, figures in self._figures[0] for row in rows_in(figures))
        return differences(ours, [row for row in rows if row["as_of"] <= self.last])

    def closes_differences(self) -> list[str]:
        """Return in what closes differ; every partition must hold the same."""
        wanted = closes_of(*self._figures)
        found: list[str] = []
        for partition in range(self._settings.partitions):
            ours = [
                (key, close)
                for key, close in map(_close, self._closes_of(partition))
                if key[2] <= self.last
            ]
            theirs = {key: close for key, close in wanted.items() if key[2] <= self.last}
            found += compare_closes(ours, theirs)
        return found

    def bar_differences(self) -> tuple[list[str], int]:
        """Return in what bars and indicators of every interval differ, and how many there were."""
        published = rows_of(
            {
                (topic, key): value
                for topic, values in self._bars.items()
                for key, value in values.items()
            }
        )
        found: list[str] = []
        for (exchange, kind, partition), values in self._values.items():
            if kind != "trades":
                continue
            changelog = [
                (record.key, record.value)
                for record in self._changelog
                if record.partition == partition and record.key and record.value
            ]
            boundary = _boundary(exchange, changelog)
            decisions = decisions_in(exchange, changelog)
            newest = max((decision.offset for decision in decisions), default=-1)
            trades, unseen = trades_from_bursts(values)
            wanted = expected(trades, unseen, boundary * MINUTE, decisions)
            ours = {
                key: row
                for key, row in published.items()
                if _is_of(key, exchange, partition, self._settings.partitions)
                and (key[3] <= boundary * 60 if key[4] is None else key[4] <= newest)
            }
            found += bar_differences(ours, wanted)
        return found, len(published)

    def correlation_differences(self, table: str) -> tuple[list[str], int]:
        """Return in what the steps of a table differ, and how many there were."""
        settings = self._settings
        partition = partition_of(table, settings.partitions)
        steps: dict[int, Step] = {}
        for record in self._steps:
            step = decode_step(record.value or b"")
            if step.exchange == table:
                assert steps.setdefault(step.index, step) == step, f"{table} decided twice"
        published = self._published(table)
        closes = [decode_closes(record.value or b"") for record in self._closes_of(partition)]
        candles = [
            decode_candles(record.value or b"")
            for record in self._candles
            if record.partition == partition
        ]
        oracle = Oracle(table, Mids(closes, settings.reference_currencies), candles)
        last = max(published)
        decisions = [
            decision
            for decision in decisions_of(oracle.step, steps.values())
            if iso(decision.time) <= last
        ]
        rest = [
            (record.key, record.value)
            for record in self._returns
            if (row := decode_returns(record.value or b"")).table == table and row.source == "rest"
            if record.key is not None and record.value is not None
        ]
        found = rest_differences(oracle, list(steps.values()), rest)
        return [*step_differences(oracle, decisions, published), *found], len(published)

    def past_of(self, market: str) -> tuple[dict[int, dict[str, Any]], list[tuple[int, float]]]:
        """Return a market's rows by second, and the times (ns) and prices of its good trades."""
        exchange, _, pair = market.partition(":")
        partition = partition_of(pair.rpartition("-")[0], self._settings.partitions)
        trades, _ = trades_from_bursts(self._values[exchange, "trades", partition])
        own = trades[(trades["market"] == market) & ~trades["late"].astype(bool)]
        rows = {seconds_of(row["as_of"]): row for row in self.spreads if row["market"] == market}
        return rows, list(zip(own["time"].tolist(), own["price"].tolist(), strict=True))

    def _published(self, table: str) -> dict[str, Published]:
        found: dict[str, Published] = {}
        for record in self._returns:
            returns = decode_returns(record.value or b"")
            if returns.table == table and returns.source == "live":
                found.setdefault(returns.as_of, Published(returns, []))
        blocks: dict[tuple[str, int], bytes] = {}
        for record in self._correlations:
            block = decode_block(record.value or b"")
            if block.table != table:
                continue
            value = blocks.setdefault((block.as_of, block.block), record.value or b"")
            assert value == record.value, f"{table} {block.as_of}: published twice, differently"
            step = found.get(block.as_of)
            if step is not None and block.block == len(step.blocks):
                step.blocks.append(block)
        # Returns were read first: the blocks of their last step are there.
        return found

    @cached_property
    def _figures(self) -> Any:
        return figures_from_bursts(self._values)

    def _closes_of(self, partition: int) -> Iterable[Record]:
        return (record for record in self._closes if record.partition == partition)


def _by_key(records: Iterable[Record]) -> dict[bytes, bytes]:
    """Return values by key; what is published twice must be the same bytes."""
    found: dict[bytes, bytes] = {}
    for record in records:
        key, value = record.key or b"", record.value or b""
        assert found.setdefault(key, value) == value, f"{key!r}: published twice, differently"
    return found


def _close(record: Record) -> tuple[tuple[str, int, str], Close]:
    closes = decode_closes(record.value or b"")
    key = closes.exchange, closes.partition, closes.as_of
    pairs = zip(closes.markets, closes.mid, closes.n, strict=True)
    return key, {market: (mid, n) for market, mid, n in pairs}


def _boundary(exchange: str, changelog: Iterable[tuple[bytes, bytes]]) -> int:
    """Return the minute before which a source has closed all, by its newest head."""
    heads: dict[int, Head] = {}
    for key, value in changelog:
        if key.startswith(f"{exchange}|head|".encode()):
            head = msgspec.msgpack.decode(decode_step(value).carried, type=Head)
            heads[head.number] = head
    return heads[max(heads)].boundary if heads else 0


def _is_of(key: Key, exchange: str, partition: int, partitions: int) -> bool:
    of, _, pair = key[1].partition(":")
    return of == exchange and partition_of(pair.rpartition("-")[0], partitions) == partition
