"""The baseline of a source's spreads: 10 s panes of x = ln mean_bps, and what follows from them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.runtime.panes import Pane, PaneRing
from agents.runtime.source_log import SECOND
from agents.spread.tables import LOG_SPREAD, SpreadTables
from models.statistics.deviation import Deviation, deviation
from models.statistics.mean_reversion import MeanReversion, mean_reversion


class Baseline:
    """Of one source; μ, σ and φ change only when another pane comes in, and are kept till then."""

    def __init__(self, tables: SpreadTables) -> None:
        """Know nothing yet."""
        self._tables = tables
        self._end = -1
        self._found: tuple[Deviation, MeanReversion] | None = None

    def finished(self, as_of: int, panes: PaneRing, first: NDArray[np.int64]) -> Pane | None:
        """Return the pane that ends at `as_of`, None where none does.

        `first` are the times of the markets' first quotes (ns).
        """
        seconds = self._tables.baseline.seconds
        if as_of % seconds:
            return None
        merged = panes.merged(as_of, seconds, len(first))
        with np.errstate(divide="ignore", invalid="ignore"):
            x = np.log(merged["spread_bps_ns"] / merged["good_ns"])
        # A pane counts from the one on that begins at or after the second of the first quote.
        x[~np.isfinite(x) | (first >= (as_of - seconds + 1) * SECOND)] = np.nan
        return {LOG_SPREAD: x}

    def at(self, as_of: int, ring: PaneRing, width: int) -> tuple[Deviation, MeanReversion]:
        """Return what the panes say that end a first window before `as_of` or earlier."""
        end = (as_of - self._tables.windows[0].seconds) // self._tables.baseline.seconds
        found = self._found
        if found is None or end != self._end or len(found[0].n) != width:
            x = ring.column(LOG_SPREAD, end, self._tables.baseline_panes, width)
            found = deviation(x), mean_reversion(x)
            self._end, self._found = end, found
        return found
