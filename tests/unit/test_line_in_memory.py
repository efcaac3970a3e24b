"""Whole captures through the line in memory, without Kafka, against the oracle."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.burst_log import (
    MADE_CAPTURES,
    REAL_CAPTURES,
    append,
    bursts_of,
    captured,
    settings_of,
    sources_in,
)
from tests.in_memory import SourceWorker, close_in, rows_in
from tests.oracle import (
    closes_of,
    compare,
    compare_closes,
    figures_of_ticks,
    rows_of_ticks,
    ticks_of,
)

PARTITIONS = 4
WITHOUT_ROWS = "flashbook_2026/binance_live-btc-eth.ndjson"
"""Its depth book never syncs and it has no `bookTicker`: trades alone give no spread."""


def check(paths: list[Path]) -> int:
    """Check that rows and closes are the oracle's, none missing, none more; return how many."""
    log = append({}, bursts_of(captured(paths), settings_of(partitions=PARTITIONS)))
    workers = [SourceWorker(log, *source) for source in sources_in(log)]
    published = [row for worker in workers for row in rows_in(worker.finish())]
    ticks = ticks_of(paths, PARTITIONS)
    found = compare(published, rows_of_ticks(ticks))
    assert not found.differences, str(found)
    assert found.published == found.compared == found.expected
    closes = [close_in(value) for worker in workers for value in worker.series("closes").values()]
    expected = closes_of(figures_of_ticks(ticks), ticks.final)
    assert not compare_closes(closes, expected)
    assert len(closes) == len(expected)
    return found.compared


@pytest.mark.parametrize("path", MADE_CAPTURES, ids=lambda path: path.name)
def test_every_row_of_a_made_capture_is_the_oracles(path: Path) -> None:
    """Each of the committed captures, which hold what real ones hold too rarely."""
    assert check([path]) > 500


@pytest.mark.parametrize("name", REAL_CAPTURES)
def test_every_row_of_a_real_capture_is_the_oracles(name: str, test_data: Path) -> None:
    """All but one give rows; that one must give none."""
    assert (check([test_data / name]) > 0) == (name != WITHOUT_ROWS)


def test_every_row_of_captures_replayed_together_is_the_oracles() -> None:
    """Exchanges do not touch each other, though one replay and one end is theirs."""
    apart = MADE_CAPTURES[0], MADE_CAPTURES[1], MADE_CAPTURES[3]
    assert check(list(apart)) > 1_500
