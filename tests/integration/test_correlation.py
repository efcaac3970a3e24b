"""The correlation agent on real Kafka: killed and rebalanced, it publishes what the oracle says."""

from __future__ import annotations

import itertools
import math
import signal
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from agents.runtime.steps import Step, decode_step
from models.partition import partition_of
from models.records.correlations import decode_block, decode_returns
from models.records.reference import Coin, encode_reference
from models.settings import Settings
from models.times import iso_seconds
from models.topics import CANDLES, CLOSES, COINS, CORRELATION_CHANGELOG, CORRELATIONS, RETURNS
from tests.correlation_made import (
    COINS as NAMES,
)
from tests.correlation_made import (
    START,
    Published,
    candles,
    decisions_of,
    differences,
    encoded,
    encoded_candles,
    rest_differences,
    simulated_closes,
)
from tests.integration.agent_worker import AgentWorker
from tests.integration.feed import Feed, drive
from tests.integration.line import Line
from tests.integration.topic_records import read_topic
from tests.oracle_correlation import Mids, Oracle

_LENGTH_S = 900
_BY_ORACLE = ("10m.10s.pearson", "10m.10s.spearman", "10m.10s.ewma", "30m.60s.pearson")
_BY_SECOND = "10m.1s.hayashi_yoshida"
_MOST_COINS = 6


@dataclass(frozen=True)
class Outgoing:
    """A record on its way into a topic."""

    topic: str
    partition: int
    key: bytes
    value: bytes


@dataclass
class Correlation:
    """The line of one test, and what it is fed."""

    line: Line
    feed: Feed

    def assert_series(self) -> None:
        """See that every step was published once or in the same bytes, and equals the oracle's."""
        settings = self.line.settings
        accepted = self._accepted()
        published = self._published()
        assert set(published) == set(accepted) == {*_BY_ORACLE, _BY_SECOND}
        assert {name for name, rows in self.rest.items() if rows} == {"30m.60s.pearson"}
        last = (START + _LENGTH_S - 1) // 10
        for name, steps in accepted.items():
            indexes = [step.index for step in steps]
            assert indexes == list(range(START // 10, last + 1)), f"steps of {name} are missing"
            times = {iso_seconds(index * 10) for index in indexes}
            assert set(published[name]) == times
        for name in _BY_ORACLE:
            oracle = Oracle(name, Mids(CLOSES_MADE, settings.reference_currencies), CANDLES_MADE)
            found = differences(oracle, decisions_of(10, accepted[name]), published[name])
            found += rest_differences(oracle, accepted[name], self.rest[name])
            assert not found, f"{name}: {len(found)} differences\n" + "\n".join(found[:20])

    def _accepted(self) -> dict[str, list[Step]]:
        found: dict[tuple[str, int], set[bytes]] = defaultdict(set)
        partitions = self.line.settings.partitions
        for record in read_topic(self.line.settings, CORRELATION_CHANGELOG.name):
            assert record.value is not None
            step = decode_step(record.value)
            assert record.partition == partition_of(step.exchange, partitions)
            found[step.exchange, step.index].add(record.value)
        assert all(len(values) == 1 for values in found.values()), "a step was decided twice"
        tables: dict[str, list[Step]] = defaultdict(list)
        for (name, _), values in sorted(found.items()):
            tables[name] += [decode_step(value) for value in values]
        return tables

    def _published(self) -> dict[str, dict[str, Published]]:
        found: dict[str, dict[str, Published]] = defaultdict(dict)
        values: dict[tuple[str, str, int], set[bytes]] = defaultdict(set)
        self.repeats = 0
        self.rest: dict[str, list[tuple[bytes, bytes]]] = defaultdict(list)
        for topic in (RETURNS, CORRELATIONS):
            for record in read_topic(self.line.settings, topic.name):
                assert record.value is not None
                row = decode_returns(record.value) if topic is RETURNS else None
                if row is not None and row.source == "rest":
                    assert record.key is not None
                    self.rest[row.table].append((record.key, record.value))
                    continue
                if row is not None:
                    key = row.table, row.as_of, -1
                    found[row.table].setdefault(row.as_of, Published(row, []))
                else:
                    block = decode_block(record.value)
                    key = block.table, block.as_of, block.block
                    if key not in values:
                        found[block.table][block.as_of].blocks.append(block)
                self.repeats += key in values
                values[key].add(record.value)
        different = [key for key, each in values.items() if len(each) > 1]
        assert not different, f"published twice with different bytes: {different[:9]}"
        return found


CLOSES_MADE = simulated_closes(_LENGTH_S, 11)
CANDLES_MADE = [
    candles(
        f"kraken:{coin}-USD",
        {end: 50.0 + math.sin(end * (i + 1)) for end in range(START - 3600, START + 60, 60)},
    )
    for i, coin in enumerate(NAMES[:4])
]


def records(settings: Settings) -> list[Outgoing]:
    """Return what is sent: closes in every partition, candles among them."""
    made: list[tuple[str, bytes]] = [(CLOSES.name, value) for value in encoded(CLOSES_MADE)]
    for i, value in enumerate(encoded_candles(CANDLES_MADE)):
        made.insert(i * len(made) // 20, (CANDLES.name, value))
    return [
        Outgoing(topic, partition, b"", value)
        for topic, value in made
        for partition in range(settings.partitions)
    ]


@pytest.fixture
def correlation(namespaced: Settings) -> Iterator[Correlation]:
    """Give a line with coins whose market values decide which take part."""
    settings = namespaced.model_copy(
        update={
            "correlation_tables": [*_BY_ORACLE, _BY_SECOND],
            "correlation_many_coins": _MOST_COINS,
        }
    )
    with Line(settings, "correlation", [CLOSES.name, CANDLES.name]) as line:
        feed = Feed(settings, records=records(settings))
        for i, name in enumerate(NAMES):
            coin = Coin(
                coin=name,
                id=name,
                name=name,
                rank=i,
                market_value=1e9 / (i + 1),
                volume_24h=None,
                change_24h=None,
                flags=[],
                source="made",
                source_time=None,
            )
            partition = partition_of(name, settings.partitions)
            feed.produce(COINS.name, partition, name.encode(), encode_reference(coin))
        feed.flush()
        yield Correlation(line, feed)


def wait_for_own_kill(line: Line, feed: Feed, worker: AgentWorker) -> None:
    """Feed a little at a time until the worker has killed itself."""
    shares = itertools.count(feed.sent, 40)

    def has_ended() -> bool:
        feed.send(min(0.95, next(shares) / len(feed)))
        return not worker.is_alive()

    line.until(has_ended, f"{worker.name} to kill itself")
    assert worker.process.returncode == -signal.SIGKILL, line.tell()


def wait_until_shared(line: Line, *workers: AgentWorker) -> None:
    """Wait until these workers own all partitions between them, each at least one."""

    def is_shared() -> bool:
        owned = [worker.partitions() for worker in workers]
        return min(owned) > 0 and sum(owned) == line.settings.partitions

    line.until(is_shared, f"{len(workers)} workers to own all partitions", alive=workers)


def test_kills_anywhere_leave_every_step_published_as_the_oracle_says(
    correlation: Correlation,
) -> None:
    """Killed at each point between two acknowledgements of a step, and in between."""
    line, feed = correlation.line, correlation.feed
    for share, fault_point in (
        (0.1, "changelog_acknowledged:2"),
        (0.2, ""),
        (0.4, "outputs_acknowledged:4"),
        (0.6, "changelog_acknowledged:6"),
        (0.8, ""),
    ):
        worker = line.start_worker(instance="correlation-0", fault_point=fault_point)
        line.wait_until_ready(worker)
        if fault_point:
            wait_for_own_kill(line, feed, worker)
        else:
            drive(line, feed, share)
            feed.send(line.committed() / len(feed) + 0.1)
            worker.kill()
    line.start_worker(instance="correlation-0")
    feed.send(1.0)
    line.wait_until_done()
    correlation.assert_series()
    assert correlation.repeats > 0, "expected the last step's outputs to be sent again"


def test_workers_that_join_and_leave_leave_every_step_published_as_the_oracle_says(
    correlation: Correlation,
) -> None:
    """One worker, then three, then one again: one of them leaves in order, one is killed."""
    line, feed = correlation.line, correlation.feed

    first = line.start_worker()
    line.wait_until_ready(first)
    drive(line, feed, 0.2)
    second, third = line.start_worker(), line.start_worker()
    feed.send(0.35)
    wait_until_shared(line, first, second, third)
    drive(line, feed, 0.5)
    feed.send(0.6)
    assert second.stop() == 0, line.tell()
    wait_until_shared(line, first, third)
    drive(line, feed, 0.7)
    feed.send(0.8)
    third.kill()
    wait_until_shared(line, first)
    feed.send(1.0)
    line.wait_until_done()
    correlation.assert_series()


def test_a_worker_that_stands_still_beyond_its_session_decides_nothing_afterwards(
    correlation: Correlation,
) -> None:
    """It has closes in hand, and its successor uses candles that it has never seen."""
    line, feed = correlation.line, correlation.feed
    first, second = line.start_worker(), line.start_worker()
    line.wait_until_ready(first, second)
    wait_until_shared(line, first, second)
    drive(line, feed, 0.01)
    feed.send(0.045)
    second.signal(signal.SIGSTOP)
    feed.send(0.3)
    wait_until_shared(line, first)
    drive(line, feed, 0.25)
    second.signal(signal.SIGCONT)
    wait_until_shared(line, first, second)
    feed.send(1.0)
    line.wait_until_done()
    correlation.assert_series()
