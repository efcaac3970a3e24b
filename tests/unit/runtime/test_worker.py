"""A worker beside a log that records what it is asked, can be held back, and can fail."""

from __future__ import annotations

import base64

import msgspec
import pytest

from agents.runtime.steps import decode_step
from models.records.closes import decode_closes
from models.records.dead_letters import DeadLetter
from tests.in_memory import publish
from tests.made_bursts import SECOND, START
from tests.unit.runtime.bench import (
    CHANGELOG,
    QUOTES,
    TRADES,
    Bench,
    quotes,
    run,
    trades,
)


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
