"""The state of the archive agent: what was archived, counted by hour.

The authority is the manifest: where the two differ, a worker has died between them, and the hour
is counted anew from the manifest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from agents.runtime.panes import PaneColumns
from agents.runtime.source_log import Position
from agents.runtime.steps import STEP_VERSION, Step
from agents.runtime.tables import TumblingTable
from models.archive.manifest import Entry

HOUR = 3600
HOURS = TumblingTable(
    "hours",
    seconds=HOUR,
    columns=PaneColumns(
        sums=("chunks", "records", "rows", "bytes"),
        minima=("first_offset",),
        maxima=("last_offset",),
    ),
    slots=48,
)


def hour_of(entry: Entry) -> int:
    """Return the number of the hour in which an entry's slot begins."""
    return entry.start // HOUR


def counted(entries: Iterable[Entry]) -> dict[str, float]:
    """Return the pane of these entries."""
    pane = HOURS.columns.neutral()
    for entry in entries:
        pane = _merged(
            pane,
            {
                "chunks": 1,
                "records": entry.records,
                "rows": entry.rows,
                "bytes": sum(file.bytes for file in entry.files),
                "first_offset": entry.first_offset,
                "last_offset": entry.last_offset,
            },
        )
    return pane


def step_with(before: Step | None, entry: Entry) -> Step:
    """Return the step of the entry's hour once the entry is archived."""
    pane = counted([entry])
    if before is not None and before.index == hour_of(entry):
        pane = _merged(pane_of(before), pane)
    return hour_step(entry.topic, hour_of(entry), entry.last_offset + 1, pane)


def hour_step(topic: str, hour: int, offset: int, pane: Mapping[str, float]) -> Step:
    """Return the step of an hour of a topic that is archived up to `offset`."""
    return Step(
        STEP_VERSION,
        topic,
        hour,
        0,
        [topic],
        {topic: Position(offset, 0)},
        {name: np.array([value], "<f8").tobytes() for name, value in pane.items()},
        b"",
        seconds=HOUR,
    )


def pane_of(step: Step) -> dict[str, float]:
    """Return the pane of a step."""
    return {name: float(np.frombuffer(step.pane[name], "<f8")[0]) for name in step.pane}


def _merged(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    columns = HOURS.columns
    return {
        **{name: one[name] + other[name] for name in columns.sums},
        **{name: min(one[name], other[name]) for name in columns.minima},
        **{name: max(one[name], other[name]) for name in columns.maxima},
    }
