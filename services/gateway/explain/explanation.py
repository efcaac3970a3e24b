"""One published row of spreads beside what its ticks say it should be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.markets import coin_of
from models.times import iso_seconds
from services.audit.baseline import FLAT
from services.audit.found import TOLERANCE, differences
from services.audit.pieces import SECOND
from services.audit.quotes import WINDOWS
from services.audit.spreads import OF_BASELINE, MarketPast
from services.gateway.documentation.explain_schemas import ExplainedFigure, SpreadExplanation
from services.gateway.explain.formulas import (
    Worked,
    worked_baseline,
    worked_costs,
    worked_points,
    worked_window,
)
from services.gateway.explain.listing import (
    Costs,
    WindowQuotes,
    listed_panes,
    listed_quotes,
    listed_trades,
    listed_unseen,
)
from services.gateway.explain.past import HeldPast

_SHARPEST = 1e-6
_COSTS = ("effective", "realised_5s", "realised_60s")


def explanation(
    held: HeldPast, past: MarketPast, row: Mapping[str, Any], as_of: int, window: str, limit: int
) -> SpreadExplanation:
    """Return what stands behind a row: columns of the archived `spreads`, `as_of` in ns.

    Of `windows` the one with this label is written out; `limit` ticks of a kind are listed.
    """
    length = WINDOWS[window]
    begin = as_of - length
    quotes = WindowQuotes(past.quotes, begin, as_of)
    shortest = WindowQuotes(past.quotes, as_of - WINDOWS["15s"], as_of)
    costs = Costs(past, as_of)
    first = int(past.quotes.time[0]) if past.first is None else past.first
    panes = listed_panes(past, as_of, first)
    total, seconds = shortest.weighted("spread_bps")
    worked = {
        **worked_points(past, as_of),
        **worked_window(past, window, quotes, costs),
        **worked_costs(past, as_of, costs, first),
        **worked_baseline(panes, total / seconds if seconds else None),
    }
    at = np.array([as_of], np.int64)
    not_held = [name for name in OF_BASELINE if not past.is_known(at, name)[0]]
    reasons = dict(row["reasons"] or [])
    sigma = worked["baseline_sigma"].value
    figures = {
        name: _figure(name, each, row, reasons, name in not_held, sigma)
        for name, each in worked.items()
    }
    counts_in = {f"{name}_bps": costs.counting(name) for name in _COSTS}
    counts_in[f"windows.{window}.trades_n"] = costs.counting("trades", length)
    trades, trades_total = listed_trades(held, costs, counts_in, limit)
    return SpreadExplanation(
        market=held.market,
        exchange=held.exchange,
        coin=coin_of(held.market),
        quote_currency=held.market.rpartition("-")[2],
        as_of=iso_seconds(as_of // SECOND),
        window=window,
        window_start=iso_seconds(begin // SECOND),
        held_in=held.places,
        agrees=all(
            each.difference is not None and each.difference <= TOLERANCE
            for name, each in figures.items()
            if name not in not_held
        ),
        not_held=not_held,
        figures=figures,
        quotes=listed_quotes(held, quotes, limit),
        quotes_total=len(quotes.places),
        unseen=listed_unseen(held, begin, as_of),
        trades=trades,
        trades_total=trades_total,
        panes=[] if not_held else panes,
        reasons=reasons,
    )


def _figure(
    name: str,
    worked: Worked,
    row: Mapping[str, Any],
    reasons: Mapping[str, Any],
    is_unknown: bool,
    sigma: float | None,
) -> ExplainedFigure:
    value = row[name.replace(".", "_")]
    published = None if value is None else float(value)
    recomputed = None if is_unknown else worked.value
    difference: float | None = None
    if published is None and recomputed is None and not is_unknown:
        difference = 0.0
    elif published is not None and recomputed is not None:
        # What is divided by a tiny sigma is rounded as well.
        is_sharp = name in ("z", "half_life_s") and sigma is not None and sigma > FLAT
        scale = max(1.0, _SHARPEST / sigma) if is_sharp and sigma else 1.0
        difference = float(differences(np.array([published]), np.array([recomputed]), scale)[0])
    return ExplainedFigure(
        published, recomputed, difference, worked.formula, worked.inputs, reasons.get(name)
    )
