"""A worker beside a log that records what it is asked, can be held back, and can fail."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from agents.runtime import base_worker
from agents.runtime.consumer import RecordBatch
from agents.runtime.faults import FaultPoints
from agents.runtime.metrics import WorkerMetrics
from agents.runtime.steps import Step, decode_step
from agents.runtime.worker import TopicPartition, Worker
from agents.spread.app import SPREAD
from models.errors import InvariantError
from models.records.closes import decode_closes
from models.records.dead_letters import DeadLetter
from models.topics import CLOSES
from tests.in_memory import (
    SECOND,
    START,
    QuoteTick,
    publish,
    quote_burst,
    trade_burst,
)

CHANGELOG = "spread-panes-changelog"
QUOTES, TRADES = "kraken_quotes", "kraken_trades"


class Sent(msgspec.Struct, frozen=True):
    """A record that was handed to the producer."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes


class FakeLog:
    """Kafka, as far as a worker knows it.

    `told` holds everything in order: ("sent", topic), ("acknowledged", topic), ("committed", …).
    Topics in `held` are acknowledged by `release` only. The copies of `closes` are kept apart.
    """

    def __init__(self, held: Iterable[str] = ()) -> None:
        self.told: list[tuple[str, Any]] = []
        self.sent: list[Sent] = []
        self.closes: list[Sent] = []
        self.held = set(held)
        self.failing: str | None = None
        self.at_commit: Callable[[], Awaitable[None]] | None = None
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []

    async def send(
        self, topic: str, partition: int, key: bytes | None, value: bytes
    ) -> Awaitable[object]:
        """Take a record."""
        if topic == CLOSES.name:
            self.closes.append(Sent(topic, partition, key, value))
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return done
        self.sent.append(Sent(topic, partition, key, value))
        self.told.append(("sent", topic))
        delivery: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if topic == self.failing:
            delivery.set_exception(OSError("no broker"))
        elif topic in self.held:
            self._waiting.append((topic, delivery))
        else:
            self._acknowledge(topic, delivery)
        return delivery

    async def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """Take positions."""
        self.told.append(("committed", dict(positions)))
        if self.at_commit is not None:
            await self.at_commit()

    async def beginnings(
        self, partitions: Iterable[TopicPartition]
    ) -> Mapping[TopicPartition, int]:
        """Hold everything from the start."""
        return dict.fromkeys(partitions, 0)

    async def seek(self, topic: str, partition: int, offset: int) -> None:
        """Take note of where reading is to go on."""
        self.told.append(("sought", (topic, partition, offset)))

    def release(self, topic: str) -> None:
        """Acknowledge what was held back of a topic, and hold nothing more of it."""
        self.held.discard(topic)
        for name, delivery in self._waiting:
            if name == topic:
                self._acknowledge(topic, delivery)
        self._waiting = [each for each in self._waiting if each[0] != topic]

    def values(self, topic: str) -> list[bytes]:
        """Return the values that were sent to a topic."""
        return [sent.value for sent in self.sent if sent.topic == topic]

    def count(self, what: str, about: str) -> int:
        """Return how often something was told of a topic."""
        return self.told.count((what, about))

    def _acknowledge(self, topic: str, delivery: asyncio.Future[None]) -> None:
        self.told.append(("acknowledged", topic))
        delivery.set_result(None)


class Bench:
    """A worker of the spread agent at work."""

    def __init__(self, held: Iterable[str] = (), plan: str = "") -> None:
        self.log = FakeLog(held)
        self.remembered: list[tuple[int, bytes, Step]] = []
        self.metrics = WorkerMetrics("spread")
        self.reached: list[int] = []
        self.worker = Worker(
            SPREAD,
            ["kraken"],
            CHANGELOG,
            self.log,
            lambda partition, key, step: self.remembered.append((partition, key, step)),
            self.metrics,
            FaultPoints(plan, kill=lambda: self.reached.append(len(self.log.told))),
            partitions=3,
        )
        self.stopped = False
        self.running: asyncio.Task[None] | None = None

    async def open(self, partitions: Sequence[int] = (2,), mirror: Any = None) -> None:
        """Own partitions and run."""
        await self.worker.open(partitions, mirror or {})
        self.log.told.clear()
        if self.running is None:
            self.running = asyncio.create_task(self.worker.run(lambda: self.stopped))

    def take(self, topic: str, *values: bytes | None, first: int = 0, partition: int = 2) -> None:
        """Hand the worker the records of a fetch."""
        records: list[Any] = [
            SimpleNamespace(offset=offset, key=b"key", value=value)
            for offset, value in enumerate(values, first)
        ]
        self.worker.take(topic, RecordBatch(f"trial.{topic}", partition, records))

    async def until(self, condition: Callable[[], object]) -> None:
        """Let the worker run until something is so."""
        async with asyncio.timeout(30):
            while not condition():
                assert self.running is not None
                if self.running.done():
                    self.running.result()
                await asyncio.sleep(0.001)

    def has_remembered(self, steps: int) -> bool:
        """Return whether so many steps were acknowledged."""
        return len(self.remembered) == steps

    async def settle(self) -> None:
        """Let the worker run as far as it can go."""
        for _ in range(50):
            await asyncio.sleep(0)

    async def stop(self) -> None:
        """Stop the worker."""
        self.stopped = True
        assert self.running is not None
        await self.running

    def counted(self, name: str, **labels: str) -> float | None:
        """Return a counter."""
        return self.metrics.registry.get_sample_value(name, {"agent": "spread", **labels})


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test, at most half a minute."""

    async def limited() -> None:
        async with asyncio.timeout(30):
            await test

    asyncio.run(limited())


def quotes(second: int, price: float = 100.0) -> bytes:
    """Return a burst with a quote of one second that closes it."""
    tick = QuoteTick("kraken:BTC-USD", START + second * SECOND, price, price + 1)
    return quote_burst(START + (second + 1) * SECOND, [tick])


def trades(second: int) -> bytes:
    """Return an empty burst of trades that closes a second."""
    return trade_burst(START + (second + 1) * SECOND)


def test_outputs_are_acknowledged_before_the_changelog_and_that_before_the_commit() -> None:
    """Each waits for all of the one before."""

    async def story() -> None:
        bench = Bench(held=("spreads", CHANGELOG))
        await bench.open()
        bench.take(TRADES, trades(0), trades(1))
        bench.take(QUOTES, quotes(0), quotes(1))
        await bench.until(lambda: len(bench.log.values("spreads")) == 2)
        await bench.settle()
        await bench.worker.commit()
        assert bench.log.told == [("sent", "spreads")] * 2
        assert bench.remembered == []
        bench.log.release("spreads")
        await bench.until(lambda: len(bench.log.values(CHANGELOG)) == 2)
        await bench.settle()
        await bench.worker.commit()
        assert bench.log.told[2:] == [("acknowledged", "spreads")] * 2 + [("sent", CHANGELOG)] * 2
        assert bench.remembered == []
        bench.log.release(CHANGELOG)
        await bench.until(lambda: len(bench.remembered) == 2)
        await bench.worker.commit()
        assert bench.log.told[6:] == [
            ("acknowledged", CHANGELOG),
            ("acknowledged", CHANGELOG),
            # Both are read to their ends, and nothing of them is needed again.
            ("committed", {(QUOTES, 2): 2, (TRADES, 2): 2}),
        ]
        await bench.worker.commit()
        assert len(bench.log.told) == 9, "the same was committed twice"
        log = {(QUOTES, 2): [quotes(0), quotes(1)], (TRADES, 2): [trades(0), trades(1)]}
        assert bench.log.values("spreads") == publish(log, "kraken", 2)
        steps = [decode_step(value) for value in bench.log.values(CHANGELOG)]
        assert [step.index * SECOND for step in steps] == [START, START + SECOND]
        assert bench.remembered == [(2, b"kraken|0", steps[0]), (2, b"kraken|1", steps[1])]
        assert {sent.partition for sent in bench.log.sent} == {2}
        assert bench.counted("cointide_records_total") == 4
        assert bench.counted("cointide_closed_seconds_total") == 2
        assert bench.counted("cointide_outputs_total") == 4
        await bench.stop()

    run(story())


def test_a_copy_of_the_closes_goes_to_every_partition() -> None:
    """The same bytes under the same key."""

    async def story() -> None:
        bench = Bench()
        await bench.open()
        bench.take(QUOTES, quotes(0))
        bench.take(TRADES, trades(0))
        await bench.until(lambda: bench.remembered)
        assert [sent.partition for sent in bench.log.closes] == [0, 1, 2]
        as_of = START // SECOND + 1
        assert {sent.key for sent in bench.log.closes} == {f"kraken|2|{as_of}".encode()}
        (value,) = {sent.value for sent in bench.log.closes}
        closes = decode_closes(value)
        assert (closes.markets, closes.mid, closes.n) == (["kraken:BTC-USD"], [100.5], [1])
        await bench.stop()

    run(story())


@pytest.mark.parametrize("failing", ["spreads", CHANGELOG, "dead_letters"])
def test_what_is_not_acknowledged_stops_the_worker_before_the_next_thing_is_sent(
    failing: str,
) -> None:
    """So nothing is in the changelog whose outputs are not out."""

    async def story() -> None:
        bench = Bench()
        bench.log.failing = failing
        await bench.open()
        bench.take(QUOTES, b"no burst", quotes(0))
        bench.take(TRADES, trades(0))
        assert bench.running is not None
        with pytest.raises(OSError, match="no broker"):
            await bench.running
        order = ["dead_letters", "spreads", CHANGELOG]
        told = [about for what, about in bench.log.told if what == "sent"]
        assert told == order[: order.index(failing) + 1]
        assert bench.remembered == []
        await bench.worker.commit()
        assert not any(what == "committed" for what, _ in bench.log.told)

    run(story())


def test_an_undecodable_record_is_a_dead_letter_whole_and_before_later_steps() -> None:
    """With reason, counter and origin; the line goes on behind it."""
    other_version = msgspec.msgpack.encode({"version": 2})

    async def story() -> None:
        bench = Bench(held=("dead_letters",))
        await bench.open()
        bench.take(QUOTES, quotes(0), b"\xff\x00no burst", None, other_version, quotes(1))
        bench.take(TRADES, trades(1))
        await bench.until(lambda: len(bench.log.values("dead_letters")) == 3)
        await bench.settle()
        assert bench.log.told == [("sent", "dead_letters")] * 3
        bench.log.release("dead_letters")
        await bench.until(lambda: len(bench.remembered) == 2)
        assert bench.log.told[3:6] == [("acknowledged", "dead_letters")] * 3
        assert len(bench.log.values("spreads")) == 2
        letters = [
            msgspec.json.decode(value, type=DeadLetter)
            for value in bench.log.values("dead_letters")
        ]
        assert [letter.reason for letter in letters] == [
            "undecodable_record",
            "undecodable_record",
            "unknown_schema_version",
        ]
        assert [letter.origin.offset for letter in letters] == [1, 2, 3]
        assert {(letter.origin.topic, letter.origin.partition) for letter in letters} == {
            (f"trial.{QUOTES}", 2)
        }
        kept = [None if one.value is None else base64.b64decode(one.value) for one in letters]
        assert kept == [b"\xff\x00no burst", None, other_version]
        assert {base64.b64decode(letter.key or "") for letter in letters} == {b"key"}
        dead = "cointide_dead_letters_total"
        assert bench.counted(dead, reason="undecodable_record") == 2
        assert bench.counted(dead, reason="unknown_schema_version") == 1
        await bench.stop()

    run(story())


def test_a_dead_letter_does_not_wait_for_a_second_to_close() -> None:
    async def story() -> None:
        bench = Bench()
        await bench.open()
        bench.take(QUOTES, b"no burst")
        await bench.until(lambda: bench.log.count("acknowledged", "dead_letters") == 1)
        assert bench.log.values("spreads") == []
        await bench.stop()

    run(story())


def test_close_finishes_and_commits_the_step_in_flight_and_takes_no_more() -> None:
    """It waits for the acknowledgements."""

    async def story() -> None:
        bench = Bench(held=("spreads",))
        await bench.open()
        bench.take(QUOTES, quotes(0))
        bench.take(TRADES, trades(0))
        await bench.until(lambda: bench.log.values("spreads"))
        closing = asyncio.create_task(bench.worker.close())
        await bench.settle()
        assert not closing.done()
        bench.take(QUOTES, quotes(1), first=1)
        bench.take(TRADES, trades(1), first=1)
        bench.log.release("spreads")
        await closing
        assert bench.log.told[-1] == ("committed", {(QUOTES, 2): 1, (TRADES, 2): 1})
        assert len(bench.remembered) == 1
        await bench.settle()
        assert len(bench.log.values("spreads")) == 1
        assert bench.counted("cointide_partitions") == 0
        await bench.stop()

    run(story())


def test_close_gives_up_a_step_that_is_never_acknowledged() -> None:
    """And when its outputs are at last, its changelog record is not written any more."""

    async def story() -> None:
        bench = Bench(held=("spreads",))
        await bench.open()
        bench.take(QUOTES, quotes(0))
        bench.take(TRADES, trades(0))
        await bench.until(lambda: bench.log.values("spreads"))
        await bench.worker.close(limit_seconds=0.05)
        bench.log.release("spreads")
        await bench.settle()
        assert bench.log.values(CHANGELOG) == []
        assert not any(what == "committed" for what, _ in bench.log.told)
        await bench.stop()

    run(story())


def test_nothing_is_taken_for_partitions_that_are_not_owned() -> None:
    """Neither before an assignment, nor of other partitions or topics, nor after a revoke."""

    async def story() -> None:
        bench = Bench()
        bench.take(QUOTES, b"no burst")
        await bench.open()
        bench.take(QUOTES, b"no burst", partition=3)
        bench.take("binance_quotes", b"no burst")
        await bench.worker.revoked()
        bench.take(QUOTES, b"no burst", quotes(0))
        bench.take(TRADES, trades(0))
        await bench.settle()
        assert bench.log.sent == []
        assert bench.counted("cointide_records_total") == 0
        await bench.open((3,))
        bench.take(QUOTES, quotes(0), partition=3)
        bench.take(TRADES, trades(0), partition=3)
        await bench.until(lambda: bench.remembered)
        assert {sent.partition for sent in bench.log.sent} == {3}
        await bench.stop()

    run(story())


def test_after_a_jump_ahead_reading_goes_back_to_what_was_left_out() -> None:
    """Faust may seek to a position of before; a record that was taken already changes nothing."""

    async def story() -> None:
        bench = Bench()
        await bench.open()
        bench.take(QUOTES, quotes(0), quotes(1))
        bench.take(QUOTES, quotes(0), quotes(1), quotes(2))
        bench.take(QUOTES, quotes(4), first=4)
        assert bench.log.told == []
        await bench.worker.room()
        assert bench.log.told == [("sought", (QUOTES, 2, 3))]
        bench.take(QUOTES, quotes(3), quotes(4), first=3)
        bench.take(TRADES, trades(4))
        await bench.until(lambda: len(bench.remembered) == 5)
        log = {(QUOTES, 2): [quotes(second) for second in range(5)], (TRADES, 2): [trades(4)]}
        assert bench.log.values("spreads") == publish(log, "kraken", 2)
        await bench.stop()

    run(story())


def test_records_that_no_seek_brings_break_an_invariant() -> None:
    async def story() -> None:
        bench = Bench()
        await bench.open()
        for _ in range(1_000):
            bench.take(QUOTES, quotes(4), first=4)
        with pytest.raises(InvariantError, match=r"expected offset 0 of .*kraken_quotes, was 4"):
            bench.take(QUOTES, quotes(4), first=4)
        await bench.stop()

    run(story())


def test_room_is_full_when_too_much_is_taken_and_free_when_it_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And a revoke frees whoever waits."""
    monkeypatch.setattr(base_worker, "_PENDING_LIMIT", 3 * len(quotes(0)))

    async def story() -> None:
        bench = Bench(held=("spreads",))
        await bench.open()
        bench.take(TRADES, trades(0))
        bench.take(QUOTES, quotes(0))
        await bench.until(lambda: bench.log.values("spreads"))
        await asyncio.wait_for(bench.worker.room(), 30)
        bench.take(QUOTES, *(quotes(second) for second in range(1, 5)), first=1)
        waiting = asyncio.create_task(bench.worker.room())
        await bench.settle()
        assert not waiting.done(), "four bursts are more than the limit"
        bench.log.release("spreads")
        await asyncio.wait_for(waiting, 30)
        bench.log.held.add("spreads")
        bench.take(TRADES, trades(1), first=1)
        await bench.until(lambda: len(bench.log.values("spreads")) == 2)
        bench.take(QUOTES, *(quotes(second) for second in range(5, 9)), first=5)
        waiting = asyncio.create_task(bench.worker.room())
        await bench.settle()
        assert not waiting.done()
        await bench.worker.close(limit_seconds=0.01)
        await asyncio.wait_for(waiting, 30)
        bench.log.release("spreads")
        await bench.stop()

    run(story())


def test_an_assignment_that_is_overtaken_changes_nothing() -> None:
    """The next one came while its positions were being committed."""

    async def story() -> None:
        bench = Bench()

        async def overtake() -> None:
            bench.log.at_commit = None
            await bench.worker.open((3,), {})

        bench.log.at_commit = overtake
        await bench.open((2,))
        bench.take(QUOTES, b"no burst", partition=2)
        bench.take(QUOTES, b"no burst", partition=3)
        await bench.until(lambda: bench.log.values("dead_letters"))
        (letter,) = bench.log.values("dead_letters")
        assert msgspec.json.decode(letter, type=DeadLetter).origin.partition == 3
        assert bench.counted("cointide_partitions") == 1
        await bench.stop()

    run(story())


def test_a_new_assignment_goes_on_from_what_is_in_the_changelog() -> None:
    """Its position is committed before Faust seeks, and no second is published twice."""

    async def story() -> None:
        first = Bench()
        await first.open()
        first.take(QUOTES, quotes(0), quotes(1), quotes(2))
        first.take(TRADES, trades(0), trades(1))
        await first.until(lambda: len(first.remembered) == 2)
        await first.stop()
        mirror = {2: {key: step for _, key, step in first.remembered}}
        second = Bench()
        await second.worker.open((2,), mirror)
        # The quote of second 2 is not closed yet; of the trades nothing is needed again.
        assert second.log.told == [("committed", {(QUOTES, 2): 2, (TRADES, 2): 2})]
        await second.open((2,), mirror)
        second.take(QUOTES, quotes(2), first=2)
        second.take(TRADES, trades(2), first=2)
        await second.until(lambda: second.remembered)
        log = {
            (QUOTES, 2): [quotes(0), quotes(1), quotes(2)],
            (TRADES, 2): [trades(0), trades(1), trades(2)],
        }
        published = first.log.values("spreads") + second.log.values("spreads")
        assert published == publish(log, "kraken", 2)
        await second.stop()

    run(story())


def test_fault_points_lie_right_behind_the_acknowledgements() -> None:
    """So a test can kill a worker between its outputs and its changelog record."""

    async def story(point: str, last: tuple[str, str]) -> None:
        bench = Bench(plan=f"{point}:2")
        await bench.open()
        for second in range(3):
            bench.take(QUOTES, quotes(second), first=second)
            bench.take(TRADES, trades(second), first=second)
            await bench.until(partial(bench.has_remembered, second + 1))
        (place,) = bench.reached
        assert bench.log.told[place - 1] == last
        assert bench.log.told[:place].count(last) == 2
        await bench.stop()

    run(story("outputs_acknowledged", ("acknowledged", "spreads")))
    run(story("changelog_acknowledged", ("acknowledged", CHANGELOG)))
