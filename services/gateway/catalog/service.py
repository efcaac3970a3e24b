"""What there is, and where it comes from."""

from __future__ import annotations

from services.gateway.documentation.schemas import Catalog
from services.gateway.filters import quote_of
from services.gateway.gateway import Gateway
from services.gateway.memory.memory import CHANNELS

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def catalog_of(gateway: Gateway) -> Catalog:
    """Return the catalog as it stands."""
    memory = gateway.memory
    source = gateway.settings.source
    markets = memory.markets()
    return Catalog(
        source="replay" if source == "none" else source,
        is_simulated=source == "simulated",
        exchanges=sorted(memory.exchanges),
        coins=memory.all_coins(),
        markets=markets,
        quote_currencies=sorted({*map(quote_of, markets)}),
        windows=sorted(memory.spreads.windows() or {"15s"}, key=_length),
        methods=[],
        intervals=[],
        channels=list(CHANNELS),
    )


def _length(window: str) -> int:
    return int(window[:-1]) * _SECONDS[window[-1]]
