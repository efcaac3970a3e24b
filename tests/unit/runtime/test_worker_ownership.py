"""What a worker makes of assignments, closes, jumps and too much at once."""

from __future__ import annotations

import asyncio
from functools import partial

import msgspec
import pytest

from agents.runtime import base_worker
from models.errors import InvariantError
from models.records.dead_letters import DeadLetter
from tests.in_memory import publish
from tests.unit.runtime.bench import (
    CHANGELOG,
    QUOTES,
    TRADES,
    Bench,
    quotes,
    run,
    trades,
)


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
