"""The spread agent's composition root."""

from __future__ import annotations

from functools import partial

from agents.runtime.app import build_app, run_worker
from agents.runtime.source import AgentDefinition, Input
from agents.spread.figures import SpreadFigures
from agents.spread.tables import TABLES, SpreadTables
from models.records.bursts import decode_quotes, decode_trades
from models.settings import Settings

_QUOTE_COLUMNS = {"bid": "<f8", "ask": "<f8", "bid_size": "<f8", "ask_size": "<f8"}
_TRADE_COLUMNS = {"price": "<f8", "side": "i1", "flags": "u1"}


def spread_agent(tables: SpreadTables) -> AgentDefinition:
    """Return the spread agent with these tables."""
    return AgentDefinition(
        name="spread",
        inputs=(
            Input("quotes", decode_quotes, _QUOTE_COLUMNS),
            Input("trades", decode_trades, _TRADE_COLUMNS),
        ),
        columns=tables.panes.columns,
        window=tables.window,
        slots=tables.panes.slots,
        figures=partial(SpreadFigures, tables=tables),
        overlap=tables.overlap,
        longer=tables.baseline,
        longer_window=tables.baseline_window,
    )


SPREAD = spread_agent(TABLES)


def main(settings: Settings, brokers: str) -> None:
    """Run one worker of the spread agent; returns only by exiting the process."""
    run_worker(build_app(settings, SPREAD, brokers), settings)
