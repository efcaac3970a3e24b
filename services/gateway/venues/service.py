"""One coin over the exchanges, as the public interface shows it."""

from __future__ import annotations

from typing import Any

import msgspec

from models.fees import FEES
from models.markets import exchange_of
from services.gateway.bars.series import markets_of
from services.gateway.items import Figures
from services.gateway.memory.memory import Memory
from services.gateway.times import nanoseconds_of
from services.gateway.venues.crossings import VenueQuote, crossings

_SIDES = ("bid", "bid_size", "ask", "ask_size", "mid")
_SECOND = 1_000_000_000


def venue_figures(memory: Memory, coin: str, quote: str, taker_bps: float | None) -> Figures:
    """Return every venue's quote, the best of them, and where they cross.

    A venue that is stale, unseen, crossed or one-sided is in neither: `left_out` names it and says
    why. `taker_bps` takes the place of every venue's own fee.
    """
    markets = markets_of(memory, coin, quote)
    found = {market: memory.quotes.figures(market) for market in markets}
    now = _now(memory, found)
    venues, usable, left_out = [], [], []
    for market, figures in found.items():
        fee = FEES[exchange_of(market)].taker_bps if taker_bps is None else taker_bps
        venue = _venue(market, figures, fee, now)
        venues.append(venue)
        reason = _reason(venue)
        if reason is None:
            usable.append(venue)
        else:
            left_out.append({"market": market, "reason": reason})
    bid, ask = _best(usable, "bid"), _best(usable, "ask")
    undefined = [name for name, best in (("best_bid", bid), ("best_ask", ask)) if best is None]
    spread_bps = None
    if bid is not None and ask is not None:
        spread_bps = 20_000 * (ask["price"] - bid["price"]) / (ask["price"] + bid["price"])
    else:
        undefined.append("spread_bps")
    times = [each["as_of"] for each in usable if each["as_of"] is not None]
    why = left_out[0]["reason"] if left_out else "warming"
    if not times:
        undefined.append("as_of")
    return {
        "coin": coin,
        "quote_currency": quote,
        "as_of": min(times, key=nanoseconds_of, default=None),
        "best_bid": bid,
        "best_ask": ask,
        "spread_bps": spread_bps,
        "venues": venues,
        "crossings": [msgspec.structs.asdict(each) for each in crossings(_quotes(usable))],
        "left_out": left_out,
        "stale": not usable,
        "reasons": dict.fromkeys(undefined, why),
    }


def _now(memory: Memory, found: dict[str, Figures | None]) -> int:
    """Return the time ages are counted from: now; in a replay how far the newest venue is."""
    if memory.delay.is_live:
        return memory.delay.now()
    times = [nanoseconds_of(figures["as_of"]) for figures in found.values() if figures is not None]
    return max(times, default=0)


def _venue(market: str, figures: Figures | None, fee: float, now: int) -> dict[str, Any]:
    numbers: dict[str, float | None] = dict.fromkeys(_SIDES)
    if figures is None:
        numbers_reasons = dict.fromkeys((*_SIDES, "as_of", "time", "age_s"), "warming")
        return {
            "market": market, "exchange": exchange_of(market), "as_of": None, "time": None,
            "age_s": None, **numbers, "taker_bps": fee, "stale": True, "reasons": numbers_reasons,
        }  # fmt: skip
    time, reasons = figures["time"], dict(figures["reasons"])
    if time is None:
        reasons |= dict.fromkeys(("time", "age_s"), "warming")
    return {
        "market": market,
        "exchange": exchange_of(market),
        "as_of": figures["as_of"],
        "time": time,
        "age_s": None if time is None else max(now - nanoseconds_of(time), 0) / _SECOND,
        **{name: figures[name] for name in _SIDES},
        "taker_bps": fee,
        "stale": figures["stale"],
        "reasons": reasons,
    }


def _reason(venue: dict[str, Any]) -> str | None:
    """Return why a venue's quote cannot be traded on, None if it can."""
    reasons: dict[str, str] = venue["reasons"]
    if venue["mid"] is not None and not venue["stale"]:
        return None
    return reasons.get("mid") or reasons.get("as_of") or "stale"


def _best(venues: list[dict[str, Any]], side: str) -> dict[str, Any] | None:
    """Return the best price of a side, the markets that have it, and how old the oldest is."""
    if not venues:
        return None
    price = (max if side == "bid" else min)(venue[side] for venue in venues)
    there = [venue for venue in venues if venue[side] == price]
    return {
        "price": price,
        "size": sum(venue[f"{side}_size"] for venue in there),
        "markets": [venue["market"] for venue in there],
        "age_s": max(venue["age_s"] for venue in there),
    }


def _quotes(venues: list[dict[str, Any]]) -> list[VenueQuote]:
    names = ("market", "bid", "bid_size", "ask", "ask_size", "taker_bps")
    return [VenueQuote(*(venue[name] for name in names)) for venue in venues]
