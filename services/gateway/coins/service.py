"""Coins as the public interface shows them."""

from __future__ import annotations

import msgspec

from services.gateway.items import Figures
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
    fields |= {"reference_price": None, "as_of": fields["source_time"]}
    return {
        "coin": coin,
        **fields,
        "flags": known.get("flags", []),
        "stale": False,
        "reasons": {name: "warming" for name, value in fields.items() if value is None},
    }
