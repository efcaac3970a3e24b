"""The counters of a source by second, and their totals over restarts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import numpy as np

from agents.ingestion.source_state import MarketCounts, SourceState
from agents.ingestion.tables import COUNTED, COUNTERS
from agents.runtime.steps import STEP_VERSION, Step, encode_step, step_key

Totals = dict[str, list[int]]
"""By market: the totals of `COUNTED`, in that order."""


class SourceCounters:
    """Counts one source: a pane a second for the changelog, totals for display."""

    def __init__(self, exchange: str, steps: Iterable[Step]) -> None:
        """Go on from the newest of these steps."""
        self._exchange = exchange
        self._counted: Totals = {}
        newest = max(
            (step for step in steps if step.exchange == exchange),
            key=lambda step: step.index,
            default=None,
        )
        self._index = -1 if newest is None else newest.index
        self._before: Totals = (
            {} if newest is None else msgspec.msgpack.decode(newest.carried, type=Totals)
        )

    def total_of(self, market: str, counts: MarketCounts | None) -> dict[str, int]:
        """Return the totals of a market, also before anything came of it."""
        return self.total(market, counts or MarketCounts())

    def total(self, market: str, counts: MarketCounts) -> dict[str, int]:
        """Return the totals of a market, those before this worker took it included."""
        before = self._before.get(market, [0] * len(COUNTED))
        return {
            name: was + getattr(counts, name) for name, was in zip(COUNTED, before, strict=True)
        }

    def close_second(self, source: SourceState) -> tuple[bytes, bytes, Step] | None:
        """Return the changelog record of the newest whole second, None if it was returned before.

        Key, value and step.
        """
        index = (source.clock or 0) // 1_000_000_000 - 1
        if source.clock is None or index <= self._index:
            return None
        self._index = index
        now = {name: _values(counts) for name, counts in source.counts.items()}
        markets = sorted(now)
        nothing = [0] * len(COUNTED)
        since = np.array(
            [np.subtract(now[name], self._counted.get(name, nothing)) for name in markets], "<f8"
        ).reshape(-1, len(COUNTED))
        self._counted = now
        step = Step(
            STEP_VERSION,
            self._exchange,
            index,
            index,
            markets,
            {},
            {name: since[:, i].tobytes() for i, name in enumerate(COUNTED)},
            msgspec.msgpack.encode(self._totals(source.counts)),
        )
        return step_key(self._exchange, index, COUNTERS.slots), encode_step(step), step

    def _totals(self, counts: Mapping[str, MarketCounts]) -> Totals:
        kept = dict(self._before)
        kept.update({name: list(self.total(name, each).values()) for name, each in counts.items()})
        return kept


def _values(counts: MarketCounts) -> list[int]:
    return [getattr(counts, name) for name in COUNTED]
