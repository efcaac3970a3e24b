"""A suggestion for a limit order, out of a market's newest spread and its last hour."""

from __future__ import annotations

from typing import Any

import msgspec

from models.fees import fees_of
from models.markets import exchange_of
from models.orders.fill_rate import FillRate, fill_rate
from models.orders.limit_price import (
    Side,
    break_even_probability,
    limit_price,
    maker_cost_bps,
    taker_cost_bps,
)
from services.gateway.items import Figures
from services.gateway.orders.past import STEP_S, WINDOW_S, SourcePast

ASSUMPTION = (
    "filled when a trade goes through the price within the horizon; the queue at the price itself "
    "is not known, so this is the cautious end"
)


class Wanted(msgspec.Struct, frozen=True):
    """What is asked: fees and chase in bps, None for the venue's and for what was seen."""

    market: str
    side: Side
    horizon_s: int
    maker_bps: float | None = None
    taker_bps: float | None = None
    chase_bps: float | None = None


def suggestion(wanted: Wanted, spread: Figures, tick: float, past: SourcePast) -> dict[str, Any]:
    """Return the answer; `spread` are the market's newest figures, with a mid."""
    side, market = wanted.side, wanted.market
    fees = fees_of(exchange_of(market), wanted.maker_bps, wanted.taker_bps)
    reasons: dict[str, str] = {}
    bid, ask, mid = spread["bid"], spread["ask"], spread["mid"]
    baseline = spread["baseline_bps"]
    price = None
    if baseline is None:
        why = spread["reasons"].get("baseline_bps", "warming")
        reasons["price"] = reasons["reference_spread_bps"] = why
    else:
        price = limit_price(side, bid, ask, mid, baseline, tick)
    impact = past.impact(market)
    adverse = None if impact.bps is None else 0.5 * impact.bps
    if adverse is None:
        reasons["adverse_selection_bps"] = "no_trades"
    taker = taker_cost_bps(spread["spread_bps"], fees.taker_bps)
    maker = None
    if price is not None and adverse is not None:
        maker = maker_cost_bps(side, price, mid, fees.maker_bps, adverse)
    missing = reasons.get("price") or reasons.get("adverse_selection_bps")
    filled = fill_rate(
        side, past.steps(market, side, tick, wanted.horizon_s), wanted.horizon_s // STEP_S
    )
    chase = wanted.chase_bps if wanted.chase_bps is not None else filled.miss_drift_bps
    if chase is None:
        reasons["chase_bps"] = "thin"
    break_even = None
    if maker is not None and chase is not None:
        break_even = break_even_probability(taker, maker, chase)
    if break_even is None:
        reasons["break_even_fill_probability"] = str(missing or "thin")
    if maker is None and missing is not None:
        reasons["maker_cost_bps"] = reasons["saving_bps"] = missing
    return {
        "market": market,
        "side": side,
        "as_of": spread["as_of"],
        "price": price,
        "tick_size": tick,
        "bid": bid,
        "ask": ask,
        "mid": mid,
        "reference_spread_bps": baseline,
        "saving_bps": None if maker is None else taker - maker,
        "taker_cost_bps": taker,
        "maker_cost_bps": maker,
        "adverse_selection_bps": adverse,
        "impact_n": impact.n,
        "chase_bps": chase,
        "break_even_fill_probability": break_even,
        "fill_rate": _fill_figures(filled, wanted.horizon_s, reasons),
        "maker_bps": fees.maker_bps,
        "taker_bps": fees.taker_bps,
        "indicative": True,
        "stale": spread["stale"],
        "reasons": reasons,
    }


def _fill_figures(found: FillRate, horizon_s: int, reasons: dict[str, str]) -> dict[str, Any]:
    if found.rate is None:
        reasons.update(dict.fromkeys(("fill_rate.rate", "fill_rate.low", "fill_rate.high"), "thin"))
    if found.miss_drift_bps is None:
        reasons["fill_rate.miss_drift_bps"] = "thin"
    return {
        "horizon_s": horizon_s,
        "window_s": WINDOW_S,
        "rate": found.rate,
        "n": found.n,
        "coverage": found.n / (WINDOW_S // STEP_S),
        "low": found.low,
        "high": found.high,
        "miss_drift_bps": found.miss_drift_bps,
        "misses": found.misses,
        "assumption": ASSUMPTION,
    }
