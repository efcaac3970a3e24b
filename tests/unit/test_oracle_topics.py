"""The oracle from the raw tick topics says what the oracle from the frames says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.burst_log import MADE_CAPTURES, append, bursts_of, captured, settings_of
from tests.oracle import compare, oracle_rows
from tests.oracle.topics import Values, rows_from_bursts

PARTITIONS = 4


@pytest.mark.parametrize("path", MADE_CAPTURES, ids=lambda path: path.name)
def test_rows_from_bursts_are_the_rows_from_frames(path: Path) -> None:
    """Both topics of every source, sizes, trades and all unseen intervals included."""
    log = append({}, bursts_of(captured([path]), settings_of(partitions=PARTITIONS)))
    values: Values = {
        (topic.partition("_")[0], topic.partition("_")[2], partition): records
        for (topic, partition), records in log.items()
    }
    rows, _ = rows_from_bursts(values)
    found = compare(rows, oracle_rows([path], PARTITIONS))
    assert not found.differences, str(found)
    assert found.compared > 500
