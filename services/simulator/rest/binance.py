"""Binance's spot REST interface.

Source: https://developers.binance.com/docs/binance-spot-api-docs/rest-api: 6,000 of weight a
minute, told in `X-MBX-USED-WEIGHT-1M`; beyond it 429 with `Retry-After`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from services.simulator.exchanges.binance_frames import depth_snapshot
from services.simulator.market.history import MINUTE_NS, History
from services.simulator.market.state import Market, MinuteBar
from services.simulator.rest.answer import Answer, answer, whole_number

_MOST_WEIGHT = 6_000
_MILLISECOND = 1_000_000
_MOST_BARS = 1_000
_MINUTES = {"1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "4h": 240, "1d": 1_440}
# Weight of a depth by its limit, of everything else by its path.
_DEPTH_WEIGHTS = ((100, 5), (500, 25), (1_000, 50), (5_000, 250))
_WEIGHTS = {"exchangeInfo": 20, "klines": 2, "ticker/bookTicker": 4, "ticker/24hr": 80,
            "trades": 25, "aggTrades": 4}  # fmt: skip


class BinanceRest:
    """See `Rest`."""

    def __init__(self, markets: Iterable[Market], history: History) -> None:
        self._symbols = {f"{m.listing.base}{m.listing.quote}": m for m in markets}
        self._history = history
        self._minute = 0
        self._weight = 0

    def answer(self, path: str, query: Mapping[str, str], now: int) -> Answer:
        """Answer a GET request."""
        method = path.removeprefix("api/v3/")
        if now // MINUTE_NS != self._minute:
            self._minute, self._weight = now // MINUTE_NS, 0
        self._weight += _weight(method, query)
        headers = {
            "X-MBX-USED-WEIGHT": f"{self._weight}",
            "X-MBX-USED-WEIGHT-1M": f"{self._weight}",
        }
        if self._weight > _MOST_WEIGHT:
            wait = 60 - now // 1_000_000_000 % 60
            problem = {"code": -1003, "msg": f"Too much request weight used; limit {_MOST_WEIGHT}"}
            return answer(problem, 429, headers | {"Retry-After": f"{wait}"})
        found = self._found(method, query, now)
        return Answer(found.body, found.status, headers)

    def _found(self, method: str, query: Mapping[str, str], now: int) -> Answer:
        match method:
            case "ping":
                return answer({})
            case "time":
                return answer({"serverTime": now // _MILLISECOND})
            case "exchangeInfo":
                return self._exchange_info(query, now)
        symbol = query.get("symbol")
        if symbol is not None and symbol not in self._symbols:
            return answer({"code": -1121, "msg": "Invalid symbol."}, 400)
        wanted = self._symbols if symbol is None else {symbol: self._symbols[symbol]}
        if method == "ticker/bookTicker":
            rows = [_book_ticker(name, market) for name, market in wanted.items()]
            return answer(rows if symbol is None else rows[0])
        if method == "ticker/24hr":
            rows = [self._day(name, market, now) for name, market in wanted.items()]
            return answer(rows if symbol is None else rows[0])
        if method not in {"depth", "klines", "trades", "aggTrades"}:
            return answer({"code": -1000, "msg": f"No such path: {method}"}, 404)
        if symbol is None:
            problem = "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."
            return answer({"code": -1102, "msg": problem}, 400)
        market = wanted[symbol]
        if method == "depth":
            limit = min(whole_number(query.get("limit"), 100), 5_000)
            return Answer(depth_snapshot(market, limit).encode())
        if method == "klines":
            return self._bars(market, query, now)
        return answer(_trades(market) if method == "trades" else _aggregate_trades(market))

    def _exchange_info(self, query: Mapping[str, str], now: int) -> Answer:
        names = list(self._symbols)
        if "symbols" in query or "symbol" in query:
            one = f'["{query.get("symbol", "")}"]'
            try:
                names = msgspec.json.decode(query.get("symbols", one), type=list[str])
            except msgspec.DecodeError:
                return answer({"code": -1100, "msg": "Illegal characters in 'symbols'."}, 400)
        if any(name not in self._symbols for name in names):
            return answer({"code": -1121, "msg": "Invalid symbol."}, 400)
        limit = {
            "rateLimitType": "REQUEST_WEIGHT",
            "interval": "MINUTE",
            "intervalNum": 1,
            "limit": _MOST_WEIGHT,
        }
        return answer(
            {
                "timezone": "UTC",
                "serverTime": now // _MILLISECOND,
                "rateLimits": [limit],
                "exchangeFilters": [],
                "symbols": [_symbol(name, self._symbols[name]) for name in names],
            }
        )

    def _bars(self, market: Market, query: Mapping[str, str], now: int) -> Answer:
        minutes = _MINUTES.get(query.get("interval", ""))
        if minutes is None:
            return answer({"code": -1120, "msg": "Invalid interval."}, 400)
        limit = min(max(whole_number(query.get("limit"), 500), 1), _MOST_BARS)
        length = minutes * MINUTE_NS
        end = whole_number(query.get("endTime"), now // _MILLISECOND) * _MILLISECOND
        first = end // length * length - (limit - 1) * length
        start = whole_number(query.get("startTime"), first // _MILLISECOND) * _MILLISECOND
        bars = self._history.unbroken_bars(market, start, min(end, now) + 1, minutes)
        # Counted from the start where one is given, as Binance does.
        chosen = bars[:limit] if "startTime" in query else bars[-limit:]
        return answer([_row(market, bar, length) for bar in chosen])

    def _day(self, name: str, market: Market, now: int) -> dict[str, Any]:
        day = self._history.day(market)
        last = market.last_trades[-1]
        price = market.price(last.tick)
        mean = day.value / day.volume if day.volume else day.open
        value = market.value_text
        book = _book_ticker(name, market)
        return book | {
            "priceChange": value(price - day.open),
            "priceChangePercent": f"{100.0 * (price / day.open - 1.0):.3f}",
            "weightedAvgPrice": value(mean),
            "prevClosePrice": value(day.open),
            "lastPrice": value(price),
            "lastQty": market.size_text(last.pieces[-1]),
            "openPrice": value(day.open),
            "highPrice": value(day.high),
            "lowPrice": value(day.low),
            "volume": f"{day.volume:.8f}",
            "quoteVolume": f"{day.value:.8f}",
            "openTime": now // _MILLISECOND - 86_400_000,
            "closeTime": now // _MILLISECOND,
            "firstId": market.trade_id - day.trades,
            "lastId": market.trade_id,
            "count": day.trades,
        }


def _weight(method: str, query: Mapping[str, str]) -> int:
    if method != "depth":
        return _WEIGHTS.get(method, 1)
    limit = whole_number(query.get("limit"), 100)
    return next((weight for most, weight in _DEPTH_WEIGHTS if limit <= most), 250)


def _symbol(name: str, market: Market) -> dict[str, Any]:
    listing = market.listing
    tick = f"{0.1**listing.price_digits:.{max(8, listing.price_digits)}f}"
    step = f"{0.1**listing.size_digits:.8f}"
    return {
        "symbol": name,
        "status": "TRADING",
        "baseAsset": listing.base,
        "baseAssetPrecision": 8,
        "quoteAsset": listing.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "10000000.00000000",
             "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "900000000000.00000000",
             "stepSize": step},
            {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True},
        ],
        "permissions": ["SPOT"],
        "permissionSets": [["SPOT"]],
    }  # fmt: skip


def _book_ticker(name: str, market: Market) -> dict[str, Any]:
    bid, bid_lots, ask, ask_lots = market.best
    return {
        "symbol": name,
        "bidPrice": market.price_text(bid),
        "bidQty": market.size_text(bid_lots),
        "askPrice": market.price_text(ask),
        "askQty": market.size_text(ask_lots),
    }


def _trades(market: Market) -> list[dict[str, Any]]:
    return [
        {
            "id": fill.first_id + piece,
            "price": market.price_text(fill.tick),
            "qty": market.size_text(lots),
            "quoteQty": f"{market.price(fill.tick) * market.size(lots):.8f}",
            "time": fill.time // _MILLISECOND,
            "isBuyerMaker": fill.side < 0,
            "isBestMatch": True,
        }
        for fill in market.last_trades
        for piece, lots in enumerate(fill.pieces)
    ]


def _aggregate_trades(market: Market) -> list[dict[str, Any]]:
    return [
        {
            "a": fill.aggregate_id,
            "p": market.price_text(fill.tick),
            "q": market.size_text(sum(fill.pieces)),
            "f": fill.first_id,
            "l": fill.first_id + len(fill.pieces) - 1,
            "T": fill.time // _MILLISECOND,
            "m": fill.side < 0,
            "M": True,
        }
        for fill in market.last_trades
    ]


def _row(market: Market, bar: MinuteBar, length: int) -> list[Any]:
    prices = [market.value_text(price) for price in (bar.open, bar.high, bar.low, bar.close)]
    volume, value = f"{bar.volume:.8f}", f"{bar.value:.8f}"
    end = (bar.start + length) // _MILLISECOND - 1
    return [bar.start // _MILLISECOND, *prices, volume, end, value, bar.trades, volume, value, "0"]
