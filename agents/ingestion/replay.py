"""Captures through the same parsers and bursts as live frames; time is the frames' own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from agents.ingestion.captures.captured import CapturedFrame
from agents.ingestion.exchanges.binance_symbols import instruments_of
from agents.ingestion.exchanges.memory import ExchangeMemory
from agents.ingestion.exchanges.registry import open_connection
from agents.ingestion.line import ExchangeLine, LineSettings
from agents.ingestion.source_state import Found
from models.errors import CaptureError, FrameError
from models.settings import Settings

_MILLISECOND = 1_000_000
_SECOND = 1_000_000_000

FindFound = Callable[[str], Mapping[int, Found]]
"""Given an exchange: what a former owner left, by partition."""


class Replay:
    """Captured frames on their way into bursts.

    `step` takes frames in rising order of `t`; `lines` holds an exchange's state from its first
    frame on.
    """

    def __init__(self, settings: Settings, find: FindFound) -> None:
        """`find` is asked once an exchange."""
        self.lines: dict[str, ExchangeLine] = {}
        self.memories: dict[str, ExchangeMemory] = {}
        self.frames = 0
        self._settings = settings
        self._find = find
        self._instruments: dict[str, tuple[str, str]] = {}
        self._last = 0

    def step(self, captured: CapturedFrame) -> ExchangeLine:
        """Take one frame, opening or close; return the line that has something to drain.

        Raises:
            CaptureError: the frame is older than what the namespace holds of its exchange.
        """
        line = self.lines.get(captured.exchange)
        if line is None:
            line = self._begin(captured)
        self._last = captured.t
        match captured.kind:
            case "open":
                line.open(captured.connection, captured.t)
            case "close":
                line.close(captured.connection, captured.t)
            case "rest" if captured.url is not None and "exchangeInfo" in captured.url:
                self._learn_instruments(line, captured)
            case "rest":
                self.frames += 1
                line.rest(captured.connection, captured.t, captured.frame, captured.url)
            case _:
                self.frames += 1
                line.frame(captured.connection, captured.t, captured.frame)
        return line

    def _learn_instruments(self, line: ExchangeLine, captured: CapturedFrame) -> None:
        try:
            self._instruments.update(instruments_of(captured.frame))
        except FrameError as error:
            line.dead.add(error, captured.t, captured.frame)

    def finish(self) -> None:
        """Move every clock past the next whole second, so that the last panes close."""
        for line in self.lines.values():
            line.finish(self._last)

    def _begin(self, captured: CapturedFrame) -> ExchangeLine:
        exchange = captured.exchange
        found = self._find(exchange)
        newest = max((each.clock for each in found.values()), default=0)
        if captured.t < newest:
            raise CaptureError(
                "capture_goes_back",
                f"expected frames of {exchange} after {newest} ns, which the namespace already "
                f"holds, was {captured.t} ns; replay into a fresh namespace",
            )
        memory = self.memories[exchange] = ExchangeMemory()
        line = self.lines[exchange] = ExchangeLine(
            exchange,
            lambda: open_connection(exchange, memory, self._instruments),
            line_settings(self._settings, exchange, found),
        )
        return line


def line_settings(
    settings: Settings, exchange: str, found: Mapping[int, Found], generation: int = 0
) -> LineSettings:
    """Return how time is kept for an exchange."""
    silence = (
        settings.silence_limit_binance_s if exchange == "binance" else settings.silence_limit_s
    )
    return LineSettings(
        partitions=settings.partitions,
        lateness=settings.lateness_ms * _MILLISECOND,
        linger=settings.linger_ms * _MILLISECOND,
        interval=settings.burst_interval_ms * _MILLISECOND,
        silence_limit=int(silence * _SECOND),
        generation=generation,
        found=found,
    )


class Pace(msgspec.Struct):
    """How fast captured time runs: `speed` times the clock that `now` reads (ns); None is at once.

    `wait` sleeps for nanoseconds.
    """

    speed: float | None
    now: Callable[[], int]
    wait: Callable[[int], None]
    tick: int = 20 * _MILLISECOND


def paced(frames: Iterable[CapturedFrame], pace: Pace) -> Iterator[CapturedFrame | int]:
    """Yield frames when they are due; between them, the captured time it has become (ns)."""
    begun: tuple[int, int] | None = None
    for captured in frames:
        if pace.speed is not None:
            begun = begun or (pace.now(), captured.t)
            while (time := begun[1] + int((pace.now() - begun[0]) * pace.speed)) < captured.t:
                yield time
                pace.wait(min(pace.tick, int((captured.t - time) / pace.speed)))
        yield captured
