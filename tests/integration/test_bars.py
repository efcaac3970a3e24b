"""The bars agent on real Kafka: kills, joins and leaves change nothing of what it publishes."""

from __future__ import annotations

import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from models.partition import partition_of
from models.records.bursts import EVERY_MARKET, Unseen
from models.settings import Settings
from models.topics import BARS, BARS_CHANGELOG, CANDLES, INDICATORS
from tests.bars_in_memory import (
    Trade,
    at,
    candles_value,
    decisions_in,
    differences,
    frames_of,
    rows_of,
    trade_value,
)
from tests.integration.agent_worker import AgentWorker
from tests.integration.feed import Feed
from tests.integration.line import Line
from tests.integration.test_rebalance import wait_until_shared
from tests.integration.topic_records import read_topic
from tests.oracle.bars import expected

COINS = ("BTC", "ETH", "SOL", "XRP", "DOGE", "ADA", "LTC", "DOT")
MINUTES = 63
BURSTS_A_MINUTE = 4


@dataclass
class SourceStory:
    """What one source says, burst by burst."""

    values: list[bytes] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    unseen: list[Unseen] = field(default_factory=list)


def story_of(exchange: str, partition: int, partitions: int) -> SourceStory:
    """Make 63 minutes of a source: trades, quiet minutes, late trades, holes."""
    rng = random.Random(f"{exchange}{partition}")
    markets = [f"{exchange}:{c}-USD" for c in COINS if partition_of(c, partitions) == partition]
    prices = dict.fromkeys(markets, 100.0)
    story = SourceStory()
    for number in range(MINUTES * BURSTS_A_MINUTE + 1):
        clock = number * 60 / BURSTS_A_MINUTE
        trades: list[Trade] = []
        unseen: list[Unseen] = []
        last = number == MINUTES * BURSTS_A_MINUTE
        for market in [] if last else markets:
            if rng.random() < 0.3:
                prices[market] += rng.choice((-0.5, 0.25, 0.5))
                late = rng.random() < 0.05
                time = clock if late else clock + rng.random() * 14
                trades.append(Trade(market, time, prices[market], rng.random(), late))
        if not last and rng.random() < 0.03:
            length = rng.choice((5, 70, 200))
            end = min(clock + length, MINUTES * 60)
            market = rng.choice([EVERY_MARKET, *markets])
            unseen.append(Unseen(market, at(clock), at(end), rng.choice(("gap", "stale", "down"))))
        trades.sort(key=lambda trade: trade.time)
        story.values.append(trade_value(clock, trades, unseen, exchange, partition))
        story.trades += trades
        story.unseen += unseen
    return story


class BarsFeed:
    """Stories of all sources and candles on their way into a namespace."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stories = {
            (exchange, partition): story_of(exchange, partition, settings.partitions)
            for exchange in settings.exchanges
            for partition in range(settings.partitions)
        }
        self._feed = Feed(settings, [])
        self._sent = 0
        self._bursts = MINUTES * BURSTS_A_MINUTE + 1

    def __len__(self) -> int:
        return self._bursts * len(self.stories)

    def send(self, share: float) -> None:
        """Send what is missing to this share of all bursts, of every source alike."""
        until = round(self._bursts * share)
        for number in range(self._sent, until):
            for (exchange, partition), story in self.stories.items():
                self._feed.produce(f"{exchange}_trades", partition, None, story.values[number])
        self._sent = max(self._sent, until)
        self._feed.flush()

    def send_candles(self, minute: int) -> None:
        """Send candles of the half hour before `minute` of every market, to every partition."""
        for number, coin in enumerate(COINS):
            for exchange in self.settings.exchanges:
                minutes = {
                    m: (99.0 + number, 103.0, 98.0, 100.0 + m % 5)
                    for m in range(minute - 30, minute)
                    if m % (3 + number)
                }
                value = candles_value(f"{exchange}:{coin}-USD", minutes, told=number % 2 == 0)
                for partition in range(self.settings.partitions):
                    self._feed.produce(CANDLES.name, partition, None, value)
        self._feed.flush()


def drive(line: Line, feed: BarsFeed, share: float, ahead: float = 0.1) -> None:
    """Feed until the group has committed this share of the bursts, staying `ahead` of it."""

    def has_come() -> bool:
        done = line.committed() / len(feed)
        feed.send(min(1.0, done + ahead))
        return done >= share

    alive = [worker for worker in line.workers if worker.is_alive()]
    line.until(has_come, f"{share:.0%} committed", alive=alive)


def assert_series(line: Line, feed: BarsFeed) -> int:
    """See that what was published is the oracle's; return how many records were sent twice."""
    changelog = read_topic(line.settings, BARS_CHANGELOG.name)
    found: list[str] = []
    repeats = 0
    series: dict[int, dict[tuple[str, bytes], bytes]] = {}
    for topic in (BARS.name, INDICATORS.name):
        for record in read_topic(line.settings, topic):
            assert record.key is not None
            assert record.value is not None
            of_partition = series.setdefault(record.partition, {})
            before = of_partition.setdefault((topic, record.key), record.value)
            assert before == record.value, f"published twice, not the same bytes: {record.key!r}"
            repeats += 1
    repeats -= sum(map(len, series.values()))
    used = 0
    for (exchange, partition), story in feed.stories.items():
        own = {
            place: value
            for place, value in series[partition].items()
            if place[1].startswith(f"{exchange}|".encode())
        }
        decisions = decisions_in(
            exchange,
            [(r.key or b"", r.value or b"") for r in changelog if r.partition == partition],
        )
        used += sum(len(decision.records) for decision in decisions)
        trades, unseen = frames_of(story.trades, story.unseen)
        wanted = expected(trades, unseen, at(MINUTES * 60), decisions)
        found += differences(rows_of(own), wanted, every=29)
    assert not found, f"{len(found)} differences from the oracle:\n" + "\n".join(found[:20])
    # A batch is a decision, whatever was repeated; every record is used once by its source.
    assert used == 2 * len(COINS) * len(line.settings.exchanges)
    return repeats


def wait_for_own_kill(line: Line, feed: BarsFeed, worker: AgentWorker) -> None:
    """Feed a little at a time until the worker has killed itself."""

    def has_ended() -> bool:
        feed.send(min(0.9, line.committed() / len(feed) + 0.1))
        return not worker.is_alive()

    line.until(has_ended, f"{worker.name} to kill itself")
    assert worker.process.returncode == -signal.SIGKILL, line.tell()


@pytest.fixture
def few(namespaced: Settings) -> Settings:
    """Return settings with as many partitions as there are workers at most."""
    return namespaced.model_copy(update={"partitions": 3})


# The very first group of the first worker uses candles: it dies within that.
KILLS: Sequence[tuple[float, str]] = (
    (0.0, "changelog_acknowledged:1"),
    (0.3, ""),
    (0.0, "changelog_acknowledged:4"),
    (0.0, "outputs_acknowledged:3"),
)


def test_kills_change_nothing(few: Settings) -> None:
    """Killed from outside, and between two acknowledgements of a group."""
    with Line(few, "bars") as line:
        feed = BarsFeed(few)
        feed.send_candles(0)
        for share, fault_point in KILLS:
            worker = line.start_worker(instance="bars-0", fault_point=fault_point)
            if fault_point:
                wait_for_own_kill(line, feed, worker)
            else:
                line.wait_until_ready(worker)
                drive(line, feed, share)
                feed.send(line.committed() / len(feed) + 0.15)
                worker.kill()
                feed.send_candles(15)
        line.start_worker(instance="bars-0")
        feed.send(1.0)
        line.wait_until_done()
        assert assert_series(line, feed) > 0, "expected outputs that were cut off to be sent twice"


def test_workers_that_join_and_leave_change_nothing(few: Settings) -> None:
    """One worker, then three, then one again."""
    with Line(few, "bars") as line:
        feed = BarsFeed(few)
        feed.send_candles(0)
        first = line.start_worker()
        line.wait_until_ready(first)
        drive(line, feed, 0.15)
        more = [line.start_worker(), line.start_worker()]
        feed.send(0.4)  # Records come while the group stands still.
        wait_until_shared(line, first, *more)
        drive(line, feed, 0.5)
        feed.send_candles(25)
        assert more[0].stop() == 0, line.tell()
        drive(line, feed, 0.7)
        more[1].kill()
        wait_until_shared(line, first)
        feed.send(1.0)
        line.wait_until_done()
        assert_series(line, feed)


def test_a_worker_that_stands_still_beyond_its_session_sends_nothing_afterwards(
    few: Settings,
) -> None:
    """It has minutes in hand, and its successor uses candles that it has never seen."""
    with Line(few, "bars") as line:
        feed = BarsFeed(few)
        feed.send_candles(0)
        first, second = line.start_worker(), line.start_worker()
        line.wait_until_ready(first, second)
        wait_until_shared(line, first, second)
        drive(line, feed, 0.3)
        feed.send(0.6)
        second.signal(signal.SIGSTOP)
        feed.send_candles(15)
        wait_until_shared(line, first)
        drive(line, feed, 0.7)
        second.signal(signal.SIGCONT)
        wait_until_shared(line, first, second)
        feed.send(1.0)
        line.wait_until_done()
        assert_series(line, feed)
