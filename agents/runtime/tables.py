"""The two kinds of table that an agent declares its state with.

A `TumblingTable` keeps one pane a market and window of fixed length; a `HoppingTable` is a longer
window over its panes, merged when it is read. They live in the changelog of one `StepTable`, a
Faust table that takes its recovery records as raw bytes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import faust
import msgspec
from faust.types import TP, EventT

from agents.runtime.panes import PaneColumns
from agents.runtime.steps import Step, decode_step

STEP_TABLE = "panes"


def changelog_topic(agent: str) -> str:
    """Return the topic in which an agent's steps are kept, as Faust names it."""
    return f"{agent}-{STEP_TABLE}-changelog"


class TumblingTable(msgspec.Struct, frozen=True):
    """Panes of `seconds` length with these columns, in a ring of `slots`."""

    name: str
    seconds: int
    columns: PaneColumns
    slots: int


class HoppingTable(msgspec.Struct, frozen=True):
    """A window of `seconds` over a tumbling table, hopping by `step` seconds."""

    over: TumblingTable
    seconds: int
    step: int

    @property
    def panes(self) -> int:
        """Return how many panes the window spans."""
        return self.seconds // self.over.seconds

    @property
    def label(self) -> str:
        """Return the window as the public interface writes it.

        >>> HoppingTable(TumblingTable("panes", 1, PaneColumns(), 64), 15, 1).label
        '15s'
        """
        minutes, seconds = divmod(self.seconds, 60)
        return f"{self.seconds}s" if seconds else f"{minutes}m"


OnRecovered = Callable[[set[TP]], Awaitable[None]]


class StepTable(faust.Table[bytes, bytes]):
    """A changelog of steps, mirrored in memory: partition → changelog key → step furthest on.

    Faust's own store is bypassed: a step is written by the worker itself, which needs to know
    when it was acknowledged.
    """

    def __init__(self, app: Any, *, on_recovered: OnRecovered, **options: Any) -> None:
        """Call `on_recovered` with the active changelog partitions after every rebalance."""
        super().__init__(app, key_type=bytes, value_type=bytes, **options)
        self.mirror: dict[int, dict[bytes, Step]] = {}
        self._on_recovered = on_recovered

    def remember(self, partition: int, key: bytes, step: Step) -> None:
        """Keep a step, unless one further on is kept for its slot."""
        steps = self.mirror.setdefault(partition, {})
        kept = steps.get(key)
        if kept is None or kept.index <= step.index:
            steps[key] = step

    def apply_changelog_batch(self, batch: Iterable[EventT[Any]]) -> None:
        """Take recovered changelog records."""
        for event in batch:
            message = event.message
            if message.key is not None and message.value is not None:
                self.remember(message.partition, message.key, decode_step(message.value))

    async def on_recovery_completed(
        self,
        active_tps: set[TP],
        standby_tps: set[TP],  # noqa: ARG002 - Faust's signature
    ) -> None:
        """Faust calls this after every rebalance, just before it seeks.

        Faust swallows what is raised here, so it is turned into a crash of the worker.
        """
        try:
            await self._on_recovered(active_tps)
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker must not go on
            await self.app.crash(error)
