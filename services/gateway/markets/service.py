"""Markets as the public interface shows them: the instrument, and its newest quote."""

from __future__ import annotations

import msgspec

from models.markets import coin_of, exchange_of
from services.gateway.filters import quote_of
from services.gateway.items import Figures
from services.gateway.memory.memory import Memory

_FIELDS = (
    "symbol",
    "tick_size",
    "lot_size",
    "least_size",
    "status",
    "source",
    "source_time",
)


def market_figures(memory: Memory, market: str) -> Figures:
    """Return a market. What nobody has said yet is null, `warming`."""
    record = memory.instruments.get(market)
    known = {} if record is None else msgspec.structs.asdict(record)
    quote = memory.quotes.figures(market)
    fields = {name: known.get(name) for name in _FIELDS}
    fields |= {"as_of": None if quote is None else quote["as_of"], "quote": quote}
    return {
        "market": market,
        "exchange": exchange_of(market),
        "coin": coin_of(market),
        "quote_currency": quote_of(market),
        **fields,
        "stale": quote is None or quote["stale"],
        "reasons": {name: "warming" for name, value in fields.items() if value is None},
    }
