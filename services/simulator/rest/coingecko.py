"""CoinGecko's `/coins/markets`: market values, by which coins are ranked.

Source: https://docs.coingecko.com/reference/coins-markets; about 30 requests a minute without a
paid key. Stablecoins and wrapped coins stand among the others, as they do there, and one small coin
has the symbol of a large one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from services.simulator.exchanges.session import iso_time
from services.simulator.market.coins import PEGGED
from services.simulator.market.history import History
from services.simulator.market.model import MarketModel
from services.simulator.rest.answer import Answer, Bucket, answer, whole_number

_MOST_A_PAGE = 250
# Trading in a day over market value, roughly.
_TURNOVER = 0.05
_NAMESAKE = {"id": "simulated-bitcoin-two", "symbol": "btc", "name": "Simulated Bitcoin Two"}


class CoinGeckoRest:
    """See `Rest`."""

    def __init__(self, model: MarketModel, history: History) -> None:
        self._model = model
        self._history = history
        self._bucket = Bucket(30.0, 0.5)

    def answer(self, path: str, query: Mapping[str, str], now: int) -> Answer:
        """Answer a GET request."""
        if not self._bucket.take(now):
            status = {"error_code": 429, "error_message": "You've exceeded the Rate Limit."}
            return answer({"status": status}, 429, {"Retry-After": "60"})
        if path == "api/v3/ping":
            return answer({"gecko_says": "(V3) To the Moon!"})
        if path != "api/v3/coins/markets":
            return answer({"error": "Incorrect path."}, 404)
        if query.get("vs_currency") != "usd":
            return answer({"error": "Missing parameter vs_currency, or not usd"}, 422)
        size = min(max(whole_number(query.get("per_page"), 100), 1), _MOST_A_PAGE)
        page = max(whole_number(query.get("page"), 1), 1)
        ranked = sorted(self._rows(now), key=lambda row: -row["market_cap"])
        for rank, row in enumerate(ranked, 1):
            row["market_cap_rank"] = rank
        return answer(ranked[(page - 1) * size : page * size])

    def _rows(self, now: int) -> list[dict[str, Any]]:
        model = self._model
        prices = np.exp(model.asset_log_prices(model.log_prices)).tolist()
        rows = []
        for number, coin in enumerate(model.coins):
            change = self._history.change_24h(number)
            row = {"id": coin.id, "symbol": coin.symbol.lower(), "name": coin.name}
            value = coin.market_value * prices[number] / coin.price
            rows.append(row | _figures(prices[number], value, change, now))
        for number, pegged in enumerate(PEGGED, len(model.coins)):
            row = {"id": pegged.id, "symbol": pegged.symbol.lower(), "name": pegged.name}
            rows.append(row | _figures(prices[number], pegged.market_value, 0.0, now))
        rows.append(_NAMESAKE | _figures(0.02, 1e6, 0.0, now))
        return rows


def _figures(price: float, value: float, change: float, now: int) -> dict[str, Any]:
    return {
        "current_price": price,
        "market_cap": value,
        "market_cap_rank": None,
        "total_volume": value * _TURNOVER,
        "price_change_percentage_24h": 100.0 * change,
        "circulating_supply": value / price,
        "last_updated": iso_time(now),
    }
