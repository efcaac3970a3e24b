"""A source that is killed anywhere goes on as if nothing had happened."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from agents.runtime.source import AgentDefinition
from agents.runtime.steps import Step, decode_step
from agents.spread.app import SPREAD
from models.records.bursts import EVERY_MARKET, Unseen, decode_quotes, decode_trades
from models.records.closes import decode_closes
from models.topics import CLOSES as CLOSES_TOPIC
from tests.burst_log import (
    KINDS,
    MADE_CAPTURES,
    Log,
    append,
    bursts_of,
    captured,
    settings_of,
    sources_in,
)
from tests.in_memory import SHORT, SourceWorker, records_of, short_agent
from tests.made_bursts import SECOND, START, QuoteTick, TradeTick
from tests.stories import WHOLE, Moment, Story, cut, cuts_of, stories

READS = st.tuples(st.just("read"), st.sampled_from(KINDS), st.integers(1, 12))
READS_OF_BOTH = st.tuples(st.just("both"), st.integers(1, 12))
CLOSES = st.tuples(st.just("close"), st.integers(1, 40))
DEATHS_AMID_OUTPUTS = st.tuples(st.just("outputs"), st.integers(1, 40), st.integers(0, 40))
DEATHS_AMID_STEPS = st.tuples(st.just("steps"), st.integers(1, 40), st.integers(0, 40))
KILLS = st.just(("kill",))
LIVES = st.lists(
    st.one_of(
        READS, READS_OF_BOTH, READS_OF_BOTH, CLOSES, DEATHS_AMID_OUTPUTS, DEATHS_AMID_STEPS, KILLS
    ),
    max_size=25,
)
NEVER_PASSING = short_agent(forget_after=10**9)
AGENTS = st.sampled_from((SHORT, SHORT, SPREAD))
"""With short windows everything comes round within a story, slots too."""


def act(worker: SourceWorker, action: tuple[Any, ...]) -> None:
    """Let a worker do what was drawn."""
    match action:
        case ("read", kind, count):
            worker.read(kind, count)
        case ("both", count):
            for kind in KINDS:
                worker.read(kind, count)
        case ("close", limit):
            worker.close(limit)
        case ("outputs", limit, outputs):
            worker.close_and_die(limit, outputs, None)
        case ("steps", limit, steps):
            worker.close_and_die(limit, None, steps)
        case _:
            worker.kill()


def check_position(step: Step, log: Log) -> None:
    """Check that nothing a step needs lies before where it goes on to read.

    That is a tick or any part of an unseen interval at or after its boundary, and the clock that
    closes its next second.
    """
    boundary = (step.index + 1) * SECOND
    for topic, position in step.positions.items():
        decode = decode_quotes if topic.endswith("quotes") else decode_trades
        for value in log[topic, 2][: position.offset]:
            burst = decode(value)
            times = memoryview(burst.time).cast("q").tolist()
            assert all(time < boundary for time in times)
            assert all(row.start < boundary >= row.end for row in burst.unseen)
            assert burst.clock < boundary + SECOND


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_kills_anywhere_leave_the_series_as_it_was_and_repeat_only_the_same_bytes(
    data: st.DataObject,
) -> None:
    story = data.draw(stories())
    agent = data.draw(AGENTS)
    expected = records_of(cut(story, WHOLE), "kraken", 2, agent)
    log = cut(story, data.draw(cuts_of(story)))
    worker = SourceWorker(log, "kraken", 2, definition=agent)
    for action in data.draw(LIVES):
        act(worker, action)
    worker.finish()
    assert worker.records() == expected
    event("repeats" if len(worker.published) > len(expected) else "no repeats")


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_positions_never_pass_what_the_next_seconds_need(data: st.DataObject) -> None:
    story = data.draw(stories())
    log = cut(story, data.draw(cuts_of(story)))
    worker = SourceWorker(log, "kraken", 2)
    for action in data.draw(LIVES):
        act(worker, action)
    worker.finish()
    for _, value in worker.changelog:
        step = decode_step(value)
        if step.seconds == 1:
            check_position(step, log)
    event(f"{len(worker.changelog) > 3} that more than three steps were checked")


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_old_steps_of_a_worker_taken_for_dead_change_nothing(data: st.DataObject) -> None:
    """It writes what it closes long after others passed it, and compaction may keep just that."""
    story = data.draw(stories())
    expected = records_of(cut(story, WHOLE), "kraken", 2, SHORT)
    log = cut(story, data.draw(cuts_of(story)))
    zombie = SourceWorker(log, "kraken", 2, definition=SHORT)
    for action in data.draw(st.lists(st.one_of(READS_OF_BOTH, CLOSES), max_size=6)):
        act(zombie, action)
    compacted = data.draw(st.booleans())
    worker = SourceWorker(log, "kraken", 2, zombie.changelog, definition=SHORT, compacted=compacted)
    worker.published += zombie.published
    for action in data.draw(LIVES):
        act(worker, action)
    for kind in KINDS:
        zombie.read(kind, data.draw(st.integers(0, 30)))
    late = zombie.close(data.draw(st.integers(0, 8)))
    worker.changelog += [(each.key, each.value) for step in late for each in step.changelog]
    worker.published += [output for step in late for output in step.outputs]
    event("old steps were written" if late else "no old steps")
    worker.kill()
    for action in data.draw(LIVES):
        act(worker, action)
    worker.finish()
    assert worker.records() == expected


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_any_steps_lost_but_the_first_are_made_again(data: st.DataObject) -> None:
    """Whichever panes are missing, long ones too, an older step is taken to make them again."""
    story = data.draw(stories(jumps=False))
    agent = data.draw(AGENTS)
    expected = records_of(cut(story, WHOLE), "kraken", 2, agent)
    log = cut(story, data.draw(cuts_of(story)))
    worker = SourceWorker(log, "kraken", 2, definition=agent, slots=1_000)
    for kind in KINDS:
        worker.read(kind, data.draw(st.integers(1, 30)))
    worker.close(data.draw(st.integers(1, 60)))
    kept = data.draw(st.sets(st.integers(0, 60)))
    # A longer pane that the first step finishes comes before it.
    first = sum(b"baseline" in key for key, _ in worker.changelog[:1])
    worker.changelog = [
        write for place, write in enumerate(worker.changelog) if place <= first or place in kept
    ]
    worker.kill()
    worker.finish()
    assert worker.records() == expected


@settings(max_examples=60, deadline=None)
@given(stories(), st.sampled_from((30, 60, 120)))
def test_what_is_passed_over_changes_no_figure(story: Story, away: int) -> None:
    """Compared with an agent that closes every second, before and after a time of nothing."""
    last = story[-1].clock
    back = last + away * SECOND
    story = [
        *story,
        Moment(last, "quotes", Unseen(EVERY_MARKET, last, back, "down")),
        Moment(back),
        *(
            Moment(moment.clock - START + back, moment.kind, shifted(moment.item, back - START))
            for moment in story
        ),
    ]
    log = cut(story, WHOLE)
    worker = SourceWorker(log, "kraken", 2, definition=SHORT)
    worker.finish()
    patient = SourceWorker(log, "kraken", 2, definition=NEVER_PASSING)
    patient.finish()
    assert worker.series() == patient.series()
    mine, theirs = worker.series(CLOSES_TOPIC.name), patient.series(CLOSES_TOPIC.name)
    assert mine.items() <= theirs.items()
    left_out = [decode_closes(theirs[key]) for key in theirs.keys() - mine.keys()]
    assert not any(closes.markets for closes in left_out)
    passed = len(patient.changelog) - len(worker.changelog)
    event(f"passed over: {passed > 0}")
    assert passed > 60 or away < 120


@pytest.mark.parametrize("path", MADE_CAPTURES[:2], ids=lambda path: path.name)
@pytest.mark.parametrize(("seed", "definition"), [(0, SPREAD), (1, SPREAD), (2, SHORT)])
def test_a_capture_survives_kills_of_every_sort(
    path: Path, seed: int, definition: AgentDefinition
) -> None:
    """Some thirty a source, with the bursts of a replay as they really are."""
    chance = random.Random(seed)
    log = append({}, bursts_of(captured([path]), settings_of()))
    for source in sources_in(log):
        expected = records_of(log, *source, definition)
        worker = SourceWorker(log, *source, definition=definition)
        for _ in range(90):
            worker.read(chance.choice(KINDS), chance.randint(1, 60))
            limit = chance.randint(1, 12)
            match chance.randrange(4):
                case 0:
                    worker.close_and_die(limit, chance.randint(0, limit), None)
                case 1:
                    worker.close_and_die(limit, None, chance.randint(0, limit))
                case 2:
                    worker.kill()
                case _:
                    worker.close(limit)
        worker.finish()
        assert worker.records() == expected


def shifted(item: QuoteTick | TradeTick | Unseen | None, by: int) -> Any:
    """Return what was said, said later."""
    match item:
        case QuoteTick() | TradeTick():
            return msgspec.structs.replace(item, time=item.time + by)
        case Unseen():
            return Unseen(item.market, item.start + by, item.end + by, item.reason)
        case _:
            return None
