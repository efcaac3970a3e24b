"""Hours of six quiet markets through the line in memory: every second of them is the oracle's.

`make test` takes three hours of it, `make day` 26.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import groupby, pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest

from agents.runtime.source import Output
from tests.burst_log import KINDS, Log, append, bursts_of, captured, settings_of, sources_in
from tests.captures import day
from tests.conftest import LONG_CAPTURE_HOURS
from tests.in_memory import SourceWorker, close_in, rows_in
from tests.oracle import (
    Summary,
    Ticks,
    closes_of,
    compare,
    compare_closes,
    figures_of_ticks,
    ticks_of,
)
from tests.oracle.clocks import Source
from tests.oracle.figures import Figures
from tests.oracle.rows import rows_in as rows_of_figures

PARTITIONS = 1
_RECORDS_AT_ONCE = 2_000
_MOST_TOLD = 100

# The least share of a market's rows in which a figure is there. Rows end when nothing has been
# seen for 15 s, so a hole costs at most 16 rows; nine holes in three hours are 1.4 %.
SEEN = 0.97  # holes alone
GOOD = 0.94  # and 1 % of the requotes cross, until the next one
COVERED = 0.99  # a row without good time in W comes once a hole
MEASURED = 0.90  # the first 5.25 of 180 minutes (30 panes of 10 s, 15 s later), and the holes
REVERTING = 0.85  # and the slope may happen to be none of a half-life
SHARES = {
    **dict.fromkeys(("bid", "ask", "bid_size", "ask_size"), SEEN),
    **dict.fromkeys(("mid", "spread", "spread_bps", "imbalance"), GOOD),
    **{
        f"windows.{label}.{name}": COVERED
        for label in ("15s", "1m", "5m")
        for name in ("mean", "mean_bps", "min", "max", "imbalance", "depth")
    },
    **dict.fromkeys(("z", "baseline_bps", "baseline_sigma"), MEASURED),
    "half_life_s": REVERTING,
}
# What takes a quote or a trade in so many seconds is there as often as one comes, 1 − e^(−λW):
# λ follows from the market's share of the activity. A tenth is left to holes, late and lost ones,
# and to mids that are not defined.
WINDOWED = {
    "windows.15s.tick_mean": ("quotes", 15),
    "windows.1m.tick_mean": ("quotes", 60),
    "windows.5m.tick_mean": ("quotes", 300),
    **{
        f"windows.{label}.trade_{side}": ("trades", seconds)
        for label, seconds in (("15s", 15), ("1m", 60), ("5m", 300))
        for side in ("low", "high")
    },
    "effective_bps": ("trades", 15),
    **{
        f"{name}_{horizon}s_bps": ("trades", 15)
        for name in ("realised", "impact")
        for horizon in (5, 60)
    },
}
REASONS = {"gap", "stale", "down", "crossed", "quiet", "warming", "no_trades", "not_mean_reverting"}


@pytest.fixture(scope="module")
def ticks(long_capture: Path) -> Ticks:
    """Return what the oracle reads from the capture."""
    return ticks_of([long_capture], PARTITIONS)


@pytest.fixture(scope="module")
def figures(ticks: Ticks) -> list[tuple[Source, Figures]]:
    """Return what it makes of that, by market."""
    return list(figures_of_ticks(ticks))


@pytest.mark.timeout(3_600)
def test_every_figure_of_every_second_is_the_oracles(
    long_capture: Path, ticks: Ticks, figures: list[tuple[Source, Figures]]
) -> None:
    """Rows and closes of every source, a piece of the time after the other."""
    log = append({}, bursts_of(captured([long_capture]), settings_of(partitions=PARTITIONS)))
    closes = closes_of(figures, ticks.final)
    compared = 0
    told: list[str] = []
    for source in sources_in(log):
        mine = [each for of, each in figures if of == source]
        begin, records = 0, []
        for outputs in pieces(log, *source):
            values = [output.value for output in outputs if output.topic == "spreads"]
            records += [close_in(output.value) for output in outputs if output.topic == "closes"]
            end = second_of(values[-1]) + 1 if values else begin
            found = compared_between(values, mine, begin, end)
            begin = end
            compared += found.compared
            told += found.differences
            assert len(told) < _MOST_TOLD, "\n".join(told)
        told += compared_between([], mine, begin, 2**62).differences
        expected = {key: close for key, close in closes.items() if key[:2] == source}
        told += compare_closes(records, expected)
    assert not told, "\n".join(told[:_MOST_TOLD])
    assert compared == sum(len(each.seconds) for _, each in figures)
    assert compared > 0.9 * LONG_CAPTURE_HOURS * 3_600 * len(day.MARKETS)


def pieces(log: Log, exchange: str, partition: int) -> Iterator[list[Output]]:
    """Yield what a source publishes, as its topics are read piece by piece."""
    worker = SourceWorker(log, exchange, partition)
    while sum(worker.read(kind, _RECORDS_AT_ONCE) for kind in KINDS):
        worker.close()
        outputs, worker.published = worker.published, []
        worker.changelog.clear()
        yield outputs


def compared_between(values: list[bytes], figures: list[Figures], start: int, end: int) -> Summary:
    """Return the comparison of records with the oracle's rows of the seconds in `[start, end)`."""
    expected = (row for each in figures for row in rows_of_figures(each, start, end))
    return compare(rows_in(values), expected)


class _When(msgspec.Struct):
    as_of: str


def second_of(value: bytes) -> int:
    """Return the second of a record."""
    return int(np.datetime64(msgspec.json.decode(value, type=_When).as_of[:-1], "s").astype(int))


def test_every_figure_is_there_as_often_as_the_scenario_lets_it(
    figures: list[tuple[Source, Figures]],
) -> None:
    """So what was compared is no row of nulls: the least shares are those of the tables above."""
    takers = day.takers_a_second()
    quotes = day.quotes_a_second()
    assert {each.market for _, each in figures} == set(day.MARKETS)
    for _, each in figures:
        assert each.reasons.keys() == SHARES.keys() | WINDOWED.keys()
        rates = {"trades": takers[each.market], "quotes": quotes[each.market]}
        least = SHARES | {
            path: 0.9 * (1 - math.exp(-rates[kind] * seconds))
            for path, (kind, seconds) in WINDOWED.items()
        }
        for path, share in least.items():
            there = float(np.mean(each.reasons[path] == ""))
            assert there >= share, f"{each.market} {path}: {there:.3f}, expected {share:.3f}"


def test_every_reason_that_the_scenario_has_occurs(figures: list[tuple[Source, Figures]]) -> None:
    """A hole of more than 30 min, which leaves too few panes, is in the whole day alone."""
    found = {
        reason for _, each in figures for column in each.reasons.values() for reason in set(column)
    }
    is_whole = LONG_CAPTURE_HOURS > 15
    assert found - {""} == REASONS | ({"thin"} if is_whole else set())


def test_the_capture_is_the_same_every_time(long_capture: Path, tmp_path: Path) -> None:
    """The seed and event time decide; a shorter one has another end, so it is made twice."""
    first, second = tmp_path / "first", tmp_path / "second"
    day.write(first, 0.5)
    day.write(second, 0.5)
    assert first.read_bytes() == second.read_bytes()
    assert long_capture.stat().st_size > 5 * first.stat().st_size


def test_holes_do_not_overlap() -> None:
    """One at a time on an exchange: what is closed cannot be silent."""
    holes = day.holes_until(26 * day.HOUR)
    assert len(holes) > 60
    by_exchange = sorted(holes, key=lambda hole: (hole[1], hole[0]))
    for exchange, of in groupby(by_exchange, key=lambda hole: hole[1]):
        ends = [(second, second + length) for second, _, _, length in of]
        for (_, before), (after, _) in pairwise(ends):
            assert before + 60 < after, exchange
