"""The state of ingestion: what came of every market, counted by second."""

from __future__ import annotations

from agents.runtime.panes import PaneColumns
from agents.runtime.tables import TumblingTable

COUNTED = ("quotes", "trades", "late", "crossed", "gaps", "trades_lost")
COUNTERS = TumblingTable("panes", seconds=1, columns=PaneColumns(sums=COUNTED), slots=64)
