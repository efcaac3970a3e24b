"""A source that is killed anywhere goes on as if nothing had happened."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.runtime.steps import decode_step, step_key
from models.records.bursts import Unseen, decode_quotes, decode_trades
from tests.in_memory import (
    EVERY_MARKET,
    KINDS,
    SECOND,
    SLOTS,
    WHOLE,
    Log,
    SourceWorker,
    append,
    bursts_of,
    captured,
    cut,
    cuts_of,
    publish,
    settings_of,
    stories,
)

READS = st.tuples(st.just("read"), st.sampled_from(KINDS), st.integers(1, 6))
CLOSES = st.tuples(st.just("close"), st.integers(1, 6))
KILLS_AMID = st.tuples(
    st.just("die"), st.integers(1, 20), st.none() | st.integers(0, 8), st.integers(0, 8)
)
KILLS = st.just(("kill",))
ACTIONS = st.lists(st.one_of(READS, READS, CLOSES, KILLS_AMID, KILLS), max_size=30)


def _act(worker: SourceWorker, action: tuple) -> None:
    match action:
        case ("read", kind, count):
            worker.read(kind, count)
        case ("close", limit):
            worker.close(limit)
        case ("die", limit, outputs, steps):
            worker.close_and_die(limit, outputs, steps)
        case _:
            worker.kill()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_kills_anywhere_leave_the_series_as_it_was_and_repeat_only_the_same_bytes(
    data: st.DataObject,
) -> None:
    story = data.draw(stories())
    expected = publish(cut(story, WHOLE), "kraken", 2)
    worker = SourceWorker(cut(story, data.draw(cuts_of(story))), "kraken", 2)
    for action in data.draw(ACTIONS):
        _act(worker, action)
        _check_positions(worker, cut_log=worker.log)
    worker.finish()
    series = worker.series()
    assert sorted(series, key=_second) == list(series), "a second was first sent after a later one"
    assert list(series.values()) == expected


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_old_steps_of_a_worker_taken_for_dead_change_nothing(data: st.DataObject) -> None:
    """A zombie writes steps of its own long after others passed it; compaction keeps the last."""
    story = data.draw(stories())
    expected = publish(cut(story, WHOLE), "kraken", 2)
    log = cut(story, data.draw(cuts_of(story)))
    zombie = SourceWorker(log, "kraken", 2)
    for action in data.draw(st.lists(st.one_of(READS, CLOSES), max_size=6)):
        _act(zombie, action)
    worker = SourceWorker(log, "kraken", 2, zombie.changelog)
    worker.published += zombie.published
    for action in data.draw(ACTIONS):
        _act(worker, action)
    # It reads on from where it stood, in an order of its own, and writes where it is too late.
    for action in data.draw(st.lists(READS, max_size=4)):
        _act(zombie, action)
    late = zombie.close(data.draw(st.integers(0, 4)))
    worker.changelog += [(step.changelog_key, step.changelog_value) for step in late]
    worker.published += [output for step in late for output in step.outputs]
    worker.kill()
    for action in data.draw(ACTIONS):
        _act(worker, action)
    worker.finish()
    series = worker.series()
    assert [series[key] for key in sorted(series, key=_second)] == expected


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_panes_lost_from_the_ring_are_made_again(data: st.DataObject) -> None:
    """Old steps take the slots of newer ones: an older step is taken, if there is one."""
    story = data.draw(stories(jumps=False))
    expected = publish(cut(story, WHOLE), "kraken", 2)
    log = cut(story, data.draw(cuts_of(story)))
    worker = SourceWorker(log, "kraken", 2)
    for action in data.draw(st.lists(st.one_of(READS, CLOSES), min_size=2, max_size=20)):
        _act(worker, action)
    steps = [decode_step(value) for _, value in worker.changelog]
    if steps:
        first = min(step.index for step in steps)
        lost = data.draw(st.sets(st.sampled_from([step.index for step in steps])))
        # A step of its slot one round of the ring before, long passed.
        worker.changelog += [
            (step_key("kraken", step.index, SLOTS), value)
            for step, (_, value) in zip(steps, list(worker.changelog), strict=True)
            if step.index in lost and step.index != first
        ]
    worker.kill()
    worker.finish()
    assert list(worker.series().values()) == expected


def _second(key: bytes) -> int:
    return int(key.rpartition(b"|")[2])
