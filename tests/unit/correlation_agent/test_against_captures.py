"""Captures through ingestion, the spread agent and the correlation tables, all in memory.

The closes arrive in the order in which a replay closes the seconds of all sources. Every step of
every table is the oracle's, though the worker is killed again and again.

`make test` takes 72 minutes of the long capture, `make day` all of its 26.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest

from agents.ingestion.captures.captured import CapturedFrame
from agents.ingestion.captures.merge import merge_captures
from agents.ingestion.replay import Replay
from models.topics import CLOSES
from tests.burst_log import KINDS, MADE_CAPTURES, REAL_CAPTURES, Log, append, found_in, settings_of
from tests.captures import day
from tests.conftest import LONG_CAPTURE_HOURS
from tests.correlation_made import Tables, fed
from tests.in_memory import SourceWorker
from tests.oracle_correlation import seconds

METHODS = ("10s.pearson", "10s.spearman", "10s.ewma", "1s.hayashi_yoshida")
HOURS = LONG_CAPTURE_HOURS if LONG_CAPTURE_HOURS > 3 else 1.2
# A reading of the topics every so many frames, and a comparison every so many steps of the method
# whose oracle is dear.
FRAMES_AT_ONCE = 40
EVERY = 10


def closes_of(frames: Iterable[CapturedFrame], partitions: int = 1) -> list[bytes]:
    """Return the records of closes of all sources in the order in which they come to be."""
    return [value for piece in _closes(frames, partitions) for value in piece]


def _closes(frames: Iterable[CapturedFrame], partitions: int) -> Iterator[list[bytes]]:
    settings, log = settings_of(partitions=partitions), Log()
    replay = Replay(settings, lambda exchange: found_in(log, exchange))
    workers: dict[tuple[str, int], SourceWorker] = {}

    def closed() -> Iterator[list[bytes]]:
        for line in replay.lines.values():
            append(log, line.drain())
        for topic, partition in log:
            source = topic.partition("_")[0], partition
            worker = workers.setdefault(source, SourceWorker(log, *source))
            if sum(worker.read(kind, 1_000_000) for kind in KINDS):
                worker.close()
                yield [each.value for each in worker.published if each.topic == CLOSES.name]
                worker.published.clear()
                worker.changelog.clear()

    for number, frame in enumerate(frames):
        replay.step(frame)
        if number % FRAMES_AT_ONCE == 0:
            yield from closed()
    replay.finish()
    yield from closed()


def compared(names: Sequence[str], log: list[bytes], kills: float) -> Tables:
    """Feed the closes to tables that are killed now and then; every step is the oracle's."""
    tables = fed(Tables(names, log), seed=1, kills=kills)
    for name in names:
        found = tables.differences(name, EVERY)
        assert not found, f"{name}\n" + "\n".join(found[:20])
        decisions = tables.decisions(name)
        for decision, coins in zip(decisions, coins_priced(tables, name), strict=True):
            assert list(decision.coins) == coins, f"{name} {decision.time}"
    return tables


def coins_priced(tables: Tables, name: str) -> Iterator[list[str]]:
    """Yield for every step the coins that have a price in its window."""
    window = seconds(name.partition(".")[0])
    newest: dict[str, int] = {}
    for decision in tables.decisions(name):
        time, used = decision.time, decision.sources - decision.masked
        rows = range(time - 9, time + 1) if ".1s." in name else (time,)
        for second in rows:
            newest |= dict.fromkeys(tables.mids.reference(second, used), second)
        yield sorted(coin for coin, at in newest.items() if at > time - window)


def share_defined(tables: Tables, name: str) -> float:
    """Return the share of a table's cells, over all steps, that are not null."""
    blocks = [block for step in tables.steps[name].values() for block in step.blocks]
    return float(np.mean(np.concatenate([block.column("why").ravel() for block in blocks]) == 0))


def most_rows(tables: Tables, name: str) -> int:
    """Return the most rows that a cell of a table rests on."""
    blocks = [block for step in tables.steps[name].values() for block in step.blocks]
    return max(int(block.column("n").max(initial=0)) for block in blocks)


def test_made_captures_give_the_oracles_correlations() -> None:
    """Twenty minutes of what goes wrong, on three exchanges of two partitions each.

    No coin is priced for long enough to fill rows of 10 s, seconds it does fill.
    """
    names = [f"10m.{method}" for method in METHODS]
    tables = compared(names, closes_of(merge_captures(MADE_CAPTURES), 2), kills=0.1)
    for name in names:
        assert len(tables.steps[name]) > 120
        assert most_rows(tables, name) > 10, name
    assert share_defined(tables, names[-1]) > 0.0


def test_real_captures_give_the_oracles_correlations(test_data: Path) -> None:
    """Minutes of days that lie years apart: what lies between is passed over."""
    names = [f"10m.{method}" for method in METHODS]
    frames = merge_captures([test_data / name for name in REAL_CAPTURES])
    tables = compared(names, closes_of(frames), kills=0.1)
    for name in names:
        assert len(tables.steps[name]) > 100
        assert most_rows(tables, name) > 10, name
    assert share_defined(tables, names[-1]) > 0.0


@pytest.mark.timeout(3_600)
def test_hours_give_the_oracles_correlations(long_capture: Path) -> None:
    """Sources are closed, silent and lose their books, for up to minutes; tables fill and go on."""
    end = (day.START + HOURS * day.HOUR) * day.SECOND
    frames = takewhile(lambda frame: frame.t < end, merge_captures([long_capture]))
    names = [
        *("1h.60s.pearson", "30m.60s.spearman", "1h.10s.ewma", "30m.1s.hayashi_yoshida"),
        "24h.5m.pearson",
    ]
    tables = compared(names, closes_of(frames), kills=0.03 * 1.2 / HOURS)
    for name in names[:4]:
        assert len(tables.steps[name]) > 0.99 * HOURS * 360
        assert share_defined(tables, name) > 0.5, name
        assert any(each.masked for each in tables.decisions(name))
