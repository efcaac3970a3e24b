"""What the scripts of the captures share: a stage of scheduled acts, lines with latency, a tape.

All times are seconds after the start of the capture; what is written is nanoseconds.
"""

from __future__ import annotations

import heapq
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

import zstandard

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

START = 1_772_366_400  # 2026-03-01T12:00:00Z


def nanoseconds(seconds: float) -> int:
    """Return nanoseconds since the epoch of `seconds` after START, exact to a microsecond."""
    return START * 1_000_000_000 + round(seconds * 1e6) * 1000


def iso(seconds: float) -> str:
    """Return the same as the exchanges write it, with microseconds."""
    whole, micros = divmod(round(seconds * 1e6), 1_000_000)
    return f"{datetime.fromtimestamp(START + whole, UTC):%Y-%m-%dT%H:%M:%S}.{micros:06d}Z"


class Tape:
    """The entries of one capture, written in the project's JSON lines."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, dict[str, object]]] = []

    def add(self, receive: int, **entry: str) -> None:
        """Put one entry on the tape; empty values are left out."""
        kept = {key: value for key, value in entry.items() if value or key == "frame"}
        self.entries.append((receive, {"t": receive, **kept}))

    def write(self, path: Path) -> None:
        """Write the tape by receive time, compressed."""
        ordered = sorted(self.entries, key=lambda entry: entry[0])
        lines = [json.dumps(entry, separators=(",", ":")) for _, entry in ordered]
        text = "\n".join(lines) + "\n"
        path.write_bytes(zstandard.ZstdCompressor(level=19).compress(text.encode()))


@dataclass
class Line:
    """One connection: frames leave the exchange at `now` and arrive `offset` + jitter later.

    It is silent within `silences`, and outside of [`opens`, `closes`).
    """

    tape: Tape
    random: Random
    exchange: str
    name: str = ""
    opens: float = 0.0
    closes: float = 1e9
    silences: tuple[tuple[float, float], ...] = ()
    offset: float = 0.030
    last: int = field(default=0, init=False)

    def up(self, now: float) -> bool:
        """Return whether frames pass at `now`."""
        quiet = any(start <= now < end for start, end in self.silences)
        return self.opens <= now < self.closes and not quiet

    def send(self, now: float, text: str, *, exactly: bool = False) -> None:
        """Send a frame; with `exactly` it is received at `now` itself."""
        if not self.up(now):
            return
        jitter = min(self.random.expovariate(100.0), 0.060)
        receive = nanoseconds(now) if exactly else nanoseconds(now + self.offset + jitter)
        self.last = max(receive, self.last + self.random.randrange(2_000, 40_000))
        self.tape.add(self.last, exchange=self.exchange, c=self.name, frame=text)

    def rest(self, now: float, url: str, text: str) -> None:
        """Write down what a REST request gave."""
        self.last = max(nanoseconds(now + self.offset), self.last + 5_000)
        entry = {"exchange": self.exchange, "c": self.name, "kind": "rest", "url": url}
        self.tape.add(self.last, **entry, frame=text)

    def mark(self, kind: str, now: float, url: str = "") -> None:
        """Write down that the connection opened or closed."""
        receive = max(nanoseconds(now), self.last + 1_000)
        self.last = receive
        self.tape.add(receive, exchange=self.exchange, c=self.name, kind=kind, url=url)


class Stage:
    """Runs acts in the order of their times; an act may come again at random intervals."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self._acts: list[tuple[float, int, Callable[[float], None]]] = []
        self._number = 0

    def at(self, now: float, act: Callable[[float], None]) -> None:
        """Let `act` happen once, at `now`."""
        self._number += 1
        heapq.heappush(self._acts, (round(now, 6), self._number, act))

    def often(self, start: float, mean: float, act: Callable[[float], None]) -> None:
        """Let `act` happen again and again from `start`, `mean` seconds apart on average."""

        def again(now: float) -> None:
            act(now)
            self.at(now + self.random.expovariate(1 / mean), again)

        self.at(start + self.random.uniform(0, mean), again)

    def every(self, start: float, step: float, act: Callable[[float], None]) -> None:
        """Let `act` happen every `step` seconds from `start`."""

        def again(now: float) -> None:
            act(now)
            self.at(now + step, again)

        self.at(start, again)

    def run(self, until: float) -> None:
        """Run every act before `until`."""
        while self._acts and self._acts[0][0] < until:
            now, _, act = heapq.heappop(self._acts)
            act(now)


@dataclass
class Walk:
    """A random walk of a market's best bid and ask, in ticks of its last decimal."""

    random: Random
    middle: int
    decimals: int
    width: int = 4
    trade_id: int = 1000
    bid: int = field(default=0, init=False)
    ask: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.step()

    def step(self) -> None:
        """Move the market."""
        self.middle += self.random.choice((-3, -1, 0, 0, 1, 3))
        self.bid = self.middle - self.random.randint(1, self.width)
        self.ask = self.middle + self.random.randint(0, self.width)

    def text(self, ticks: int) -> str:
        """Return a price as the exchange writes it."""
        return f"{ticks / 10**self.decimals:.{self.decimals}f}"

    def size(self, digits: int = 8) -> str:
        """Return a random size."""
        return f"{self.random.uniform(0.01, 5):.{digits}f}"

    def next_id(self, skipped: int = 0) -> int:
        """Return the next trade id, after `skipped` that nobody sees."""
        self.trade_id += 1 + skipped
        return self.trade_id
