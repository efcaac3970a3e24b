"""The spread agent's composition root."""

from __future__ import annotations

from agents.runtime.app import build_app, run_worker
from agents.runtime.source import AgentDefinition, Input
from agents.spread.figures import SpreadFigures
from agents.spread.tables import MEAN_15S, PANES
from models.records.bursts import decode_quotes, decode_trades
from models.settings import Settings

SPREAD = AgentDefinition(
    name="spread",
    inputs=(
        Input("quotes", decode_quotes, {"bid": "<f8", "ask": "<f8"}),
        Input("trades", decode_trades, {}),
    ),
    columns=PANES.columns,
    window=MEAN_15S.panes,
    slots=PANES.slots,
    figures=SpreadFigures,
)


def main(settings: Settings, brokers: str) -> None:
    """Run one worker of the spread agent; returns only by exiting the process."""
    run_worker(build_app(settings, SPREAD, brokers), settings.log_level)
