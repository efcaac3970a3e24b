"""One source in an agent: what was read of it, what is closed, and how the next second closes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from agents.runtime.panes import Pane, PaneColumns, PaneRing
from agents.runtime.source_log import SECOND, Decoder, Position, SourceLog
from agents.runtime.steps import STEP_VERSION, Needs, Restored, Step, encode_step, step_key

if TYPE_CHECKING:
    from agents.runtime.tables import TumblingTable


class Output(msgspec.Struct, frozen=True):
    """A record to publish; `topic` without its namespace.

    It goes to the partition of its source, or a copy to every one.
    """

    topic: str
    key: bytes
    value: bytes
    every_partition: bool = False


class Input(msgspec.Struct, frozen=True):
    """A topic of a source that an agent reads: its kind, decoder and the columns it needs."""

    kind: str
    decode: Decoder
    columns: Mapping[str, str]

    def topic(self, exchange: str) -> str:
        """Return the topic's name without its namespace."""
        return f"{exchange}_{self.kind}"


class Rings(msgspec.Struct, frozen=True):
    """The panes of one source: those of a second, and the longer ones if there are any."""

    panes: PaneRing
    longer: PaneRing


class ClosedSecond(msgspec.Struct, frozen=True):
    """What an agent makes of a second.

    `kept` is what it needs of this second for some time, in its own encoding; `longer` the longer
    pane that ends with it, None where none does.
    """

    pane: Pane
    outputs: list[Output]
    kept: bytes = b""
    longer: Pane | None = None


class Kept(msgspec.Struct, frozen=True):
    """What was kept of a closed second; its market `i` is now `codes[i]`."""

    index: int
    value: bytes
    codes: list[int]


class Figures(Protocol):
    """What an agent makes of a source's seconds. `markets` are the names behind market codes."""

    markets: list[str]

    def close(
        self, index: int, logs: Mapping[str, SourceLog], rings: Rings, publish: bool
    ) -> ClosedSecond:
        """Close second number `index`: return its pane, and its outputs if they are wanted.

        The pane is in the ring of seconds already when this returns.
        """
        ...

    def idle(self, index: int, logs: Mapping[str, SourceLog]) -> bool:
        """Return whether closing seconds from `index` on would publish and keep nothing.

        As long as no tick comes and no unseen interval begins or ends, and but for the last
        `overlap` of them.
        """
        ...

    def carried(self) -> bytes:
        """Return what the next second needs besides the panes and what was kept."""
        ...

    def restore(self, carried: bytes, next_index: int, rings: Rings, kept: Sequence[Kept]) -> None:
        """Take back what `carried` gave; all else is of seconds before `next_index`."""
        ...


class AgentDefinition(msgspec.Struct, frozen=True):
    """What tells one agent from another.

    `window` is how many panes a published second reaches back, through whatever: its longest
    window, and what was kept. `overlap` is how many the state at a boundary itself depends on,
    a whole longer pane at least. `longer` are its longer panes, if any, of which a published
    second reaches `longer_window` back.
    """

    name: str
    inputs: tuple[Input, ...]
    columns: PaneColumns
    window: int
    slots: int
    figures: Callable[[str, int], Figures]
    overlap: int = 0
    longer: TumblingTable | None = None
    longer_window: int = 0

    @property
    def needs(self) -> Needs:
        """Return what a source needs of its changelog."""
        seconds = 0 if self.longer is None else self.longer.seconds
        return Needs(self.window, self.overlap, seconds, self.longer_window)


class ChangelogRecord(msgspec.Struct, frozen=True):
    """A record of the changelog, and what it holds."""

    key: bytes
    value: bytes
    step: Step


class ClosedStep(msgspec.Struct, frozen=True):
    """A closed second on its way out: first its outputs, then its changelog records in order.

    The last one is the step; a longer pane that it finishes comes before it.
    """

    step: Step
    outputs: list[Output]
    changelog: list[ChangelogRecord]


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
        longer = PaneColumns() if definition.longer is None else definition.longer.columns
        self._rings = Rings(
            PaneRing(definition.columns, definition.window + definition.overlap),
            PaneRing(longer, definition.longer_window + 1),
        )
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
            if self._figures.idle(self._next, self.logs):
                # The state there depends on so many panes, which are not all neutral.
                onward = self._earliest(target) - self._definition.overlap
                if onward > self._next:
                    closed.append(self._skip_to(onward))
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
        second = self._figures.close(index, self.logs, self._rings, publish=index > self._published)
        self._next = index + 1
        changelog: list[ChangelogRecord] = []
        table = self._definition.longer
        if table is not None and second.longer is not None:
            number = index // table.seconds
            self._rings.longer.put(number, second.longer)
            changelog.append(
                self._record(
                    Step(
                        STEP_VERSION,
                        self.exchange,
                        number,
                        0,
                        list(self._figures.markets),
                        {},
                        _packed(second.longer, table.columns),
                        b"",
                        seconds=table.seconds,
                    ),
                    table.slots,
                    table.name,
                )
            )
        return self._closed(index, second, changelog)

    def _skip_to(self, index: int) -> ClosedStep:
        """Pass over seconds in which nothing was seen and nothing is published."""
        self._next = self._since = index
        return self._closed(index - 1, ClosedSecond({}, []), [])

    def _closed(
        self, index: int, second: ClosedSecond, changelog: list[ChangelogRecord]
    ) -> ClosedStep:
        boundary = (index + 1) * SECOND
        step = Step(
            STEP_VERSION,
            self.exchange,
            index,
            self._since,
            list(self._figures.markets),
            {topic: log.position(boundary) for topic, log in self.logs.items()},
            _packed(second.pane, self._definition.columns),
            self._figures.carried(),
            second.kept,
        )
        changelog.append(self._record(step, self._definition.slots))
        return ClosedStep(step, second.outputs, changelog)

    def _record(self, step: Step, slots: int, ring: str = "") -> ChangelogRecord:
        key = step_key(self.exchange, step.index, slots, ring)
        return ChangelogRecord(key, encode_step(step), step)

    def _restore(self, restored: Restored) -> None:
        step = restored.step
        for name in step.markets:
            self._market_code(name)
        self._next = step.index + 1
        self._since = step.since
        self._published = restored.published
        kept = [
            Kept(pane.index, pane.kept, self._put(pane, self._rings.panes))
            for pane in restored.panes
        ]
        for pane in restored.longer:
            self._put(pane, self._rings.longer)
        self._figures.restore(step.carried, self._next, self._rings, kept)

    def _put(self, kept: Step, ring: PaneRing) -> list[int]:
        """Put a pane back into its ring; return what its markets are numbered now.

        A worker numbers markets as it meets them, so another one's step may order them otherwise.
        """
        codes = [self._market_code(name) for name in kept.markets]
        pane: dict[str, NDArray[np.float64]] = {}
        for name, neutral in ring.columns.neutral().items():
            column = np.full(max(codes, default=-1) + 1, neutral)
            if name in kept.pane:
                column[codes] = np.frombuffer(kept.pane[name], "<f8")
            pane[name] = column
        ring.put(kept.index, pane)
        return codes

    def _market_code(self, name: str) -> int:
        code = self._codes.get(name)
        if code is None:
            code = self._codes[name] = len(self._figures.markets)
            self._figures.markets.append(name)
        return code


def _packed(pane: Pane, columns: PaneColumns) -> dict[str, bytes]:
    """Return the columns of a pane as they stand in a step; neutral ones are left out."""
    packed: dict[str, bytes] = {}
    for name, neutral in columns.neutral().items():
        if name in pane:
            column = pane[name]
            held = ~np.isnan(column) if neutral != neutral else column != neutral
            if held.any():
                packed[name] = np.asarray(column, "<f8").tobytes()
    return packed
