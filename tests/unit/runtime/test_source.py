"""A source goes on where it was, whatever is left of its changelog and of its log."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest

from agents.runtime.source import ClosedStep, Source
from agents.runtime.source_log import Position
from agents.runtime.steps import (
    STEP_VERSION,
    Needs,
    Step,
    decode_step,
    encode_step,
    restore,
    step_key,
)
from agents.spread.app import SPREAD
from models.errors import InvariantError
from models.records.bursts import Unseen
from models.topics import SPREADS
from tests.burst_log import KINDS, Log
from tests.in_memory import SourceWorker, publish, rows_in
from tests.made_bursts import SECOND, START, QuoteTick, TradeTick, quote_burst, trade_burst

FIRST = START // SECOND
USD, EUR = "kraken:BTC-USD", "kraken:BTC-EUR"


def seconds_of(worker: SourceWorker) -> list[int]:
    """Return the seconds of the published spreads, counted from the start."""
    return [int(key.rpartition(b"|")[2]) - FIRST for key in worker.series()]


def steady(seconds: int) -> Log:
    """Return a log of one quote a second, each with a spread of its own, a burst each."""
    quotes = [
        quote_burst(
            START + (n + 1) * SECOND, [QuoteTick(USD, START + n * SECOND, 100.0, 101.0 + n)]
        )
        for n in range(seconds)
    ]
    trades = [trade_burst(START + (n + 1) * SECOND) for n in range(seconds)]
    return {("kraken_quotes", 2): quotes, ("kraken_trades", 2): trades}


def read_all(worker: SourceWorker, count: int = 1_000_000) -> SourceWorker:
    """Let a worker read both topics."""
    for kind in KINDS:
        worker.read(kind, count)
    return worker


def written(steps: Iterable[ClosedStep]) -> list[tuple[bytes, bytes]]:
    """Return the changelog records of steps."""
    return [(each.key, each.value) for step in steps for each in step.changelog]


def steps_in(worker: SourceWorker) -> int:
    """Return how many seconds are in the changelog."""
    return sum(decode_step(value).seconds == 1 for _, value in worker.changelog)


def bare_step(index: int, since: int = 0) -> Step:
    """Return a step of which only the place in the ring matters."""
    positions = {f"kraken_{kind}": Position(index, 0) for kind in KINDS}
    return Step(STEP_VERSION, "kraken", index, since, [], positions, {}, b"")


def test_ticks_of_a_burst_that_reaches_over_the_boundary_are_counted_once() -> None:
    """The burst is read again, for its clock or for later ticks; its earlier ones are skipped."""
    ticks = [QuoteTick(USD, START, 100.0, 101.0), QuoteTick(USD, START + SECOND, 100.0, 103.0)]
    log: Log = {
        ("kraken_quotes", 2): [quote_burst(START + 3 * SECOND, ticks)],
        ("kraken_trades", 2): [trade_burst(START + 3 * SECOND, [TradeTick(USD, START)])],
    }
    worker = read_all(SourceWorker(log, "kraken", 2))
    worker.close(1)
    worker.kill()
    assert worker.source.positions() == {"kraken_quotes": 0, "kraken_trades": 0}
    worker.finish()
    windows = [row["windows"]["15s"] for row in rows_in(worker.values())]
    assert [window["n"] for window in windows] == [1, 2, 2]
    assert [window["tick_mean"] for window in windows] == [1.0, 2.0, 2.0]
    assert [window["mean"] for window in windows] == pytest.approx([1.0, 2.0, 7 / 3])


def test_panes_of_workers_that_met_the_markets_in_another_order_are_not_mixed_up() -> None:
    """One read the trades first; its late step stands among the other's steps."""
    ticks = [QuoteTick(EUR, START, 100.0, 101.0), QuoteTick(USD, START, 100.0, 104.0)]
    log: Log = {
        ("kraken_quotes", 2): [quote_burst(START), quote_burst(START + 3 * SECOND, ticks)],
        ("kraken_trades", 2): [trade_burst(START + 3 * SECOND, [TradeTick(USD, START)])],
    }
    zombie = SourceWorker(log, "kraken", 2)
    zombie.read("quotes", 1)
    zombie.read("trades", 1)
    zombie.close()
    worker = read_all(SourceWorker(log, "kraken", 2))
    worker.close(2)
    zombie.read("quotes", 1)
    (late,) = zombie.close(1)
    orders = [decode_step(value).markets for _, value in worker.changelog]
    assert late.step.markets == orders[0][::-1], "the workers did not differ"
    worker.changelog += written([late])
    worker.kill()
    worker.finish()
    means = {
        (row["as_of"][-3:-1], row["market"]): row["windows"]["15s"]["mean"]
        for row in rows_in(worker.values())
    }
    assert means == {
        (second, market): mean
        for second in ("01", "02", "03")
        for market, mean in ((EUR, 1.0), (USD, 4.0))
    }


@pytest.mark.parametrize(("limit", "jump"), [(1, 200), (7, 400), (1_000_000, 3 * 3600)])
@pytest.mark.parametrize("whole", [True, False])
def test_a_jump_writes_every_row_up_to_the_null_row_and_none_beyond(
    limit: int, jump: int, whole: bool
) -> None:
    """Half a second was seen: 15 rows hold it, the 16th says why there is nothing.

    Whether the market was unseen for all the time or, after a second of it, has had no quote.
    """
    back = START + jump * SECOND
    unseen = Unseen(USD, START + SECOND, back if whole else START + 2 * SECOND, "down")
    log: Log = {
        ("kraken_quotes", 2): [
            quote_burst(START, [QuoteTick(USD, START + SECOND // 2, 100.0, 101.0)]),
            quote_burst(back, unseen=[unseen]),
            quote_burst(back + SECOND, [QuoteTick(USD, back + SECOND // 4, 100.0, 102.0)]),
        ],
        ("kraken_trades", 2): [trade_burst(START), trade_burst(back + SECOND)],
    }
    worker = read_all(SourceWorker(log, "kraken", 2))
    while worker.close(limit):
        worker.kill()
        read_all(worker)
    assert seconds_of(worker) == [*range(1, 17), jump + 1]
    rows = rows_in(worker.values())
    coverage = [row["windows"]["15s"]["coverage"] for row in rows]
    assert coverage == pytest.approx([0.5 / 15] * 15 + [0.0, 0.75 / 15])
    assert rows[15]["reasons"]["windows.15s.mean"] == "down"
    # Nothing is left in any window half an hour later, and then seconds are passed over.
    assert steps_in(worker) < 1_900, "a second without anything was closed by itself"


def test_trades_before_the_first_quote_outlive_a_quiet_time_and_a_kill() -> None:
    """Nothing is seen or published yet, but they are in the windows of the first row."""
    quoted = START + 250 * SECOND
    log: Log = {
        ("kraken_quotes", 2): [
            quote_burst(quoted),
            quote_burst(quoted + SECOND, [QuoteTick(USD, quoted, 100.0, 101.0)]),
        ],
        ("kraken_trades", 2): [
            trade_burst(quoted, [TradeTick(USD, START, 99.0)]),
            trade_burst(quoted + SECOND),
        ],
    }
    worker = read_all(SourceWorker(log, "kraken", 2), 1)
    worker.close()
    assert worker.published == []
    worker.kill()
    worker.finish()
    (row,) = rows_in(worker.values())
    windows = {label: window["trades_n"] for label, window in row["windows"].items()}
    assert windows == {"15s": 0, "1m": 0, "5m": 1}
    assert row["windows"]["5m"]["trade_low"] == 99.0


def test_a_jump_of_hours_writes_a_row_a_second_of_a_quote_in_force() -> None:
    """Also across a restart, and closed in parts."""
    seconds = 2 * 3600
    quotes = [quote_burst(START + seconds * SECOND, [QuoteTick(USD, START, 100.0, 101.0)])]
    trades = [trade_burst(START + seconds * SECOND)]
    worker = SourceWorker({("kraken_quotes", 2): quotes, ("kraken_trades", 2): trades}, "kraken", 2)
    read_all(worker)
    worker.close(5000)
    worker.kill()
    worker.finish()
    assert seconds_of(worker) == list(range(1, seconds + 1))
    assert {row["windows"]["15s"]["mean"] for row in rows_in(worker.values())} == {1.0}


@pytest.mark.parametrize("lost", [[10], [3], [25], [21, 29], [32], list(range(1, 33))])
def test_lost_panes_are_made_again_and_no_second_is_published_twice(lost: list[int]) -> None:
    """An older step is taken; what was acknowledged stays as it is.

    Records 9, 20 and 31 are longer panes, written before the step that ends with them.
    """
    log = steady(40)
    worker = read_all(SourceWorker(log, "kraken", 2), 30)
    worker.close()
    seconds = [decode_step(value).seconds for _, value in worker.changelog]
    assert [n for n, length in enumerate(seconds) if length == 10] == [9, 20, 31]
    worker.changelog = [write for n, write in enumerate(worker.changelog) if n not in lost]
    left = [decode_step(value) for _, value in worker.changelog]
    newest = max(step.index for step in left if step.seconds == 1) - FIRST
    worker.kill()
    worker.finish()
    assert list(worker.series().values()) == publish(log, "kraken", 2)
    # Only what the changelog does not know to be out is sent again.
    assert len(worker.values()) == 40 + (29 - newest)


def test_a_step_written_late_by_an_old_worker_is_passed_over() -> None:
    """It takes the slot of a pane that is needed, one round of the ring later, and is kept."""
    log = steady(430)
    old = read_all(SourceWorker(log, "kraken", 2), 40)
    late = old.source.close(40)
    worker = read_all(SourceWorker(log, "kraken", 2), 425)
    worker.close()
    worker.changelog += written(late[20:25])
    worker.kill()
    restored = worker.restored()
    assert restored is not None
    # Seconds 404 to 408 gave way to 20 to 24; windows from that of 424 on need panes from 125 on.
    assert (restored.step.index - FIRST, restored.published - FIRST) == (403, 424)
    assert [step.index - FIRST for step in restored.panes] == list(range(125, 404))
    assert [step.index - FIRST // 10 for step in restored.longer] == list(range(40))
    worker.finish()
    assert list(worker.series().values()) == publish(log, "kraken", 2)


def test_before_compaction_a_late_step_does_not_take_the_place_of_a_newer_one() -> None:
    log = steady(430)
    old = read_all(SourceWorker(log, "kraken", 2), 40)
    late = old.source.close(40)
    worker = read_all(SourceWorker(log, "kraken", 2, compacted=False), 425)
    worker.close()
    worker.changelog += written(late)
    restored = worker.restored()
    assert restored is not None
    assert restored.step.index - FIRST == 424
    assert restored.published == restored.step.index


def test_restoring_takes_the_step_furthest_on_with_all_its_panes() -> None:
    """Panes are needed for the window of the last published second and later ones."""
    whole = restore([bare_step(index) for index in range(40, 101)], Needs(15))
    assert whole is not None
    assert (whole.step.index, whole.published) == (100, 100)
    assert [step.index for step in whole.panes] == list(range(86, 101))
    holed = restore([bare_step(index) for index in range(40, 101) if index != 95], Needs(15))
    assert holed is not None
    assert (holed.step.index, holed.published) == (94, 100)
    assert [step.index for step in holed.panes] == list(range(86, 95))
    fresh = restore([bare_step(index, since=98) for index in (98, 99, 100)], Needs(15))
    assert fresh is not None
    assert [step.index for step in fresh.panes] == [98, 99, 100]


def test_longer_panes_are_needed_as_far_as_a_step_implies_them() -> None:
    """Those that end with it or before; one that is missing is made again from an older step."""
    needs = Needs(15, overlap=4, longer_seconds=3, longer=5)
    seconds = [bare_step(index) for index in range(60, 101)]

    def longer(*missing: int) -> list[Step]:
        found = [n for n in range(20, 34) if n not in missing]
        return [msgspec.structs.replace(bare_step(n), seconds=3) for n in found]

    whole = restore([*seconds, *longer()], needs)
    assert whole is not None
    assert whole.step.index == 100
    # 101 // 3 less 5 panes, up to the one that ends with second 98.
    assert [step.index for step in whole.longer] == [28, 29, 30, 31, 32]
    holed = restore([*seconds, *longer(32)], needs)
    assert holed is not None
    assert (holed.step.index, holed.published) == (97, 100)
    assert [step.index for step in holed.longer] == [28, 29, 30, 31]
    old = restore([*seconds, *longer(20)], needs)
    assert old is not None
    assert old.step.index == 100, "a pane that no window reaches is not missed"
    with pytest.raises(InvariantError, match="longer panes"):
        restore([*seconds[-16:], *longer(28)], needs)


def test_a_state_needs_the_panes_that_it_was_made_from_however_old_it_is() -> None:
    """Also where no window of what is published next reaches back to it."""
    late = [bare_step(index) for index in range(36, 41)]
    steps = [bare_step(100), *late]
    found = restore(steps, Needs(15, overlap=3))
    assert found is not None
    assert (found.step.index, found.published) == (40, 100)
    assert [step.index for step in found.panes] == [38, 39, 40]
    with pytest.raises(InvariantError):
        restore(steps, Needs(15, overlap=6))


def test_nothing_to_restore_is_nothing_and_nothing_usable_breaks_an_invariant() -> None:
    assert restore([], Needs(15)) is None
    with pytest.raises(InvariantError, match="all the panes"):
        restore([bare_step(index) for index in (99, 100)], Needs(15))
    with pytest.raises(InvariantError):
        restore([bare_step(100), bare_step(98, since=97)], Needs(15))


def test_a_step_of_another_version_or_none_at_all_breaks_an_invariant() -> None:
    """The changelog is our own."""
    step = bare_step(7)
    assert decode_step(encode_step(step)) == step
    with pytest.raises(InvariantError, match=r"expected step version 2.*another namespace"):
        decode_step(encode_step(msgspec.structs.replace(step, version=1)))
    for value in (
        b"",
        b"\xc1",
        encode_step(step)[:-1],
        encode_step(msgspec.structs.replace(step, version=STEP_VERSION + 1)),
    ):
        with pytest.raises(InvariantError):
            decode_step(value)


def test_steps_lie_in_a_ring_by_source() -> None:
    keys = {step_key(exchange, n, 64) for n in range(200) for exchange in ("kraken", "binance")}
    assert len(keys) == 128
    assert step_key("kraken", 64 + 5, 64) == step_key("kraken", 5, 64)


def test_bursts_of_a_former_owner_are_ignored_from_the_new_ones_first_on() -> None:
    """In each topic by itself; what came before counts."""
    log: Log = {
        ("kraken_quotes", 2): [
            quote_burst(START, [QuoteTick(USD, START, 100.0, 101.0)], epoch=4),
            quote_burst(START + SECOND, epoch=6),
            quote_burst(
                START + 9 * SECOND, [QuoteTick(USD, START + SECOND, 100.0, 150.0)], epoch=5
            ),
            quote_burst(START + 2 * SECOND, epoch=6),
        ],
        ("kraken_trades", 2): [trade_burst(START + 9 * SECOND, epoch=4)],
    }
    worker = SourceWorker(log, "kraken", 2)
    worker.finish()
    assert seconds_of(worker)[:2] == [1, 2]
    assert [row["spread"] for row in rows_in(worker.values())] == [1.0, 1.0]
    worker.kill()
    assert worker.source.logs["kraken_quotes"].epoch == 6


def test_a_log_that_retention_has_shortened_is_a_gap_up_to_the_next_quote() -> None:
    """What lies between the state and the oldest record that is left was not seen."""
    log = steady(20)
    worker = read_all(SourceWorker(log, "kraken", 2), 5)
    worker.close()
    restored = worker.restored()
    assert restored is not None
    shortened = Source("kraken", 2, SPREAD, restored, dict.fromkeys(worker.source.logs, 8))
    assert shortened.positions() == {"kraken_quotes": 8, "kraken_trades": 8}
    for topic, source_log in shortened.logs.items():
        for offset in range(8, 20):
            source_log.take(offset, log[topic, 2][offset])
    outputs = [output for step in shortened.close(100) for output in step.outputs]
    rows = rows_in(output.value for output in outputs if output.topic == SPREADS.name)
    assert [row["trades_coverage"] * 15 for row in rows[:5]] == pytest.approx([5, 5, 5, 5, 6])
    # Seconds 5 to 7 are lost with their quotes; that of second 8 is the next one.
    assert [row["stale"] for row in rows] == [True] * 3 + [False] * 12
    assert {row["reasons"]["bid"] for row in rows[:3]} == {"gap"}
    coverage = [row["windows"]["15s"]["coverage"] * 15 for row in rows]
    assert coverage == pytest.approx([5, 5, 5, 6, 7, 8, 9, 10, 11, 12, 12, 12, 12, 12, 12])
