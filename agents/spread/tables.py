"""The state of the spread agent."""

from __future__ import annotations

from agents.runtime.panes import PaneColumns
from agents.runtime.tables import HoppingTable, TumblingTable
from models.statistics.quoted_spread import MAXIMA, MINIMA, SUMS

PANES = TumblingTable("panes", seconds=1, columns=PaneColumns(SUMS, MINIMA, MAXIMA), slots=64)
MEAN_15S = HoppingTable(PANES, seconds=15, step=1)
