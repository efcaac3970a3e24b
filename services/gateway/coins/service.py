"""Coins as the public interface shows them."""

from __future__ import annotations

import msgspec

from models.times import iso_seconds
from services.gateway.items import Figures
from services.gateway.memory.matrix_figures import DELAYED_STEPS, SECOND
from services.gateway.memory.memory import Memory
from services.gateway.problems import UnknownThingError

_FIELDS = (
    "id",
    "name",
    "rank",
    "market_value",
    "volume_24h",
    "change_24h",
    "source",
    "source_time",
)


def coin_figures(memory: Memory, coin: str) -> Figures:
    """Return a coin. What nobody has said yet is null, `warming`.

    Raises:
        UnknownThingError: there is no such coin.
    """
    record = memory.coins.get(coin)
    if record is None and coin not in memory.all_coins():
        raise UnknownThingError("unknown_coin", f"expected a coin, was {coin!r}")
    known = {} if record is None else msgspec.structs.asdict(record)
    fields = {name: known.get(name) for name in _FIELDS}
    fields["as_of"] = fields["source_time"]
    reasons = {name: "warming" for name, value in fields.items() if value is None}
    price, price_reasons = _reference_price(memory, coin)
    return {
        "coin": coin,
        **fields,
        **price,
        "flags": known.get("flags", []),
        "stale": bool(price_reasons),
        "reasons": reasons | price_reasons,
    }


def _reference_price(memory: Memory, coin: str) -> tuple[Figures, dict[str, str]]:
    """Return the newest reference price, and why it is none or late."""
    price = memory.returns.price(coin)
    names = ("reference_price", "reference_quote_currency", "reference_as_of")
    if price is None:
        return dict.fromkeys(names), dict.fromkeys(names, "warming")
    values = (price.price, price.quote_currency, iso_seconds(price.as_of))
    reasons: dict[str, str] = {}
    if price.price is None:
        # No market of the coin showed a mid at this step.
        reasons = dict.fromkeys(names[:2], "stale")
    limit = DELAYED_STEPS * price.step_s * SECOND
    if memory.delay.is_delayed(price.as_of * SECOND, limit):
        reasons["reference_as_of"] = "line_delayed"
    return dict(zip(names, values, strict=True)), reasons
