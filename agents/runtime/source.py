"""One source in an agent: what was read of it, what is closed, and how the next second closes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from agents.runtime.panes import Pane, PaneColumns, PaneRing
from agents.runtime.source_log import SECOND, Decoder, Position, SourceLog
from agents.runtime.steps import STEP_VERSION, Restored, Step, encode_step, step_key


class Output(msgspec.Struct, frozen=True):
    """A record to publish; `topic` without its namespace."""

    topic: str
    key: bytes
    value: bytes


class Input(msgspec.Struct, frozen=True):
    """A topic of a source that an agent reads: its kind, decoder and the columns it needs."""

    kind: str
    decode: Decoder
    columns: Mapping[str, str]

    def topic(self, exchange: str) -> str:
        """Return the topic's name without its namespace."""
        return f"{exchange}_{self.kind}"


class Figures(Protocol):
    """What an agent makes of a source's seconds. `markets` are the names behind market codes."""

    markets: list[str]

    def close(
        self, index: int, logs: Mapping[str, SourceLog], ring: PaneRing, publish: bool
    ) -> tuple[Pane, list[Output]]:
        """Close second number `index`: return its pane, and its outputs if they are wanted.

        The pane is in `ring` already when the outputs are made.
        """
        ...

    def idle(self, index: int, logs: Mapping[str, SourceLog], ring: PaneRing) -> bool:
        """Return whether seconds from `index` on would publish nothing.

        As long as no tick comes and no unseen interval begins or ends.
        """
        ...

    def carried(self) -> bytes:
        """Return what the next second needs besides the panes."""
        ...

    def restore(self, carried: bytes, next_index: int, ring: PaneRing) -> None:
        """Take back what `carried` gave; `ring` holds the panes before `next_index`."""
        ...


class AgentDefinition(msgspec.Struct, frozen=True):
    """What tells one agent from another. `window` is its longest window in panes."""

    name: str
    inputs: tuple[Input, ...]
    columns: PaneColumns
    window: int
    slots: int
    figures: Callable[[str, int], Figures]


class ClosedStep(msgspec.Struct, frozen=True):
    """A closed second on its way out: first its outputs, then its changelog record."""

    step: Step
    outputs: list[Output]
    changelog_key: bytes
    changelog_value: bytes


class Source:
    """One exchange × one partition: reads records, closes seconds."""

    def __init__(
        self,
        exchange: str,
        partition: int,
        definition: AgentDefinition,
        restored: Restored | None,
        beginnings: Mapping[str, int],
    ) -> None:
        """Go on from `restored`, or from `beginnings`, the first offsets of the topics."""
        self.exchange = exchange
        self.partition = partition
        self._definition = definition
        self._ring = PaneRing(definition.columns, definition.slots)
        self._figures = definition.figures(exchange, partition)
        self._next: int | None = None
        self._since = 0
        self._published = -1
        positions = {topic: Position(offset, 0) for topic, offset in beginnings.items()}
        if restored is not None:
            positions |= {
                topic: Position(max(position.offset, beginnings[topic]), position.epoch)
                for topic, position in restored.step.positions.items()
            }
        self._codes: dict[str, int] = {}
        self.logs = {
            source_input.topic(exchange): SourceLog(
                source_input.decode,
                source_input.columns,
                self._market_code,
                positions[source_input.topic(exchange)],
                0 if restored is None else (restored.step.index + 1) * SECOND,
            )
            for source_input in definition.inputs
        }
        if restored is not None:
            self._restore(restored)
            for topic, position in restored.step.positions.items():
                if position.offset < beginnings[topic]:
                    # Retention has deleted what was still to be read.
                    self.logs[topic].records_lost((restored.step.index + 1) * SECOND)

    def positions(self) -> dict[str, int]:
        """Return by topic the offset from which this source reads."""
        return {topic: log.next_offset for topic, log in self.logs.items()}

    def closable(self) -> int:
        """Return how many seconds can be closed now."""
        target = self._target()
        if target is None:
            return 0
        if self._next is None:
            return 1
        return max(0, target - self._next)

    def close(self, limit: int) -> list[ClosedStep]:
        """Close at most `limit` seconds."""
        target = self._target()
        if target is None:
            return []
        closed: list[ClosedStep] = []
        if self._next is None:
            self._next = self._since = self._earliest(target)
        while self._next < target and len(closed) < limit:
            if self._figures.idle(self._next, self.logs, self._ring):
                earliest = self._earliest(target)
                if earliest > self._next:
                    closed.append(self._skip_to(earliest))
                    continue
            closed.append(self._close_one(self._next))
        return closed

    def _target(self) -> int | None:
        """Return the number of the first second that cannot be closed yet."""
        clocks = [log.clock for log in self.logs.values()]
        known = [clock for clock in clocks if clock is not None]
        return min(known) // SECOND if len(known) == len(clocks) else None

    def _earliest(self, target: int) -> int:
        since = 0 if self._next is None else self._next * SECOND
        times = [log.earliest_time(since) for log in self.logs.values()]
        return min([target, *(time // SECOND for time in times if time is not None)])

    def _close_one(self, index: int) -> ClosedStep:
        pane, outputs = self._figures.close(
            index, self.logs, self._ring, publish=index > self._published
        )
        self._next = index + 1
        return self._closed(index, pane, outputs)

    def _skip_to(self, index: int) -> ClosedStep:
        """Pass over seconds in which nothing was seen and nothing is published."""
        self._next = self._since = index
        width = len(self._figures.markets)
        neutral = self._definition.columns.neutral()
        pane = {name: np.full(width, value) for name, value in neutral.items()}
        return self._closed(index - 1, pane, [])

    def _closed(self, index: int, pane: Pane, outputs: list[Output]) -> ClosedStep:
        boundary = (index + 1) * SECOND
        step = Step(
            STEP_VERSION,
            self.exchange,
            index,
            self._since,
            list(self._figures.markets),
            {topic: log.position(boundary) for topic, log in self.logs.items()},
            {name: np.asarray(column, "<f8").tobytes() for name, column in pane.items()},
            self._figures.carried(),
        )
        key = step_key(self.exchange, index, self._definition.slots)
        return ClosedStep(step, outputs, key, encode_step(step))

    def _restore(self, restored: Restored) -> None:
        step = restored.step
        for name in step.markets:
            self._market_code(name)
        for kept in restored.panes:
            # A worker numbers markets as it meets them, so another one's step may order them
            # otherwise.
            codes = [self._market_code(name) for name in kept.markets]
            self._ring.put(kept.index, self._pane_of(kept, codes))
        self._next = step.index + 1
        self._since = step.since
        self._published = restored.published
        self._figures.restore(step.carried, self._next, self._ring)

    def _pane_of(self, step: Step, codes: list[int]) -> Pane:
        pane: dict[str, NDArray[np.float64]] = {}
        for name, neutral in self._definition.columns.neutral().items():
            column = np.full(max(codes, default=-1) + 1, neutral)
            column[codes] = np.frombuffer(step.pane[name], "<f8")
            pane[name] = column
        return pane

    def _market_code(self, name: str) -> int:
        code = self._codes.get(name)
        if code is None:
            code = self._codes[name] = len(self._figures.markets)
            self._figures.markets.append(name)
        return code
