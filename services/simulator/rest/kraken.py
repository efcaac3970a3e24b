"""Kraken's public REST interface.

Source: https://docs.kraken.com/api/docs/rest-api. Every answer has HTTP status 200 and tells
problems in `error`; pairs may be named by their key or their `altname`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from models.times import iso_seconds
from services.simulator.exchanges.kraken_instruments import asset_pair, rest_asset, rest_pair
from services.simulator.market.history import MINUTE_NS, History
from services.simulator.market.state import Market, MinuteBar
from services.simulator.rest.answer import Answer, Bucket, answer, whole_number

_INTERVALS = (1, 5, 15, 30, 60, 240, 1_440)
_MOST_BARS = 720
_SECOND = 1_000_000_000


class KrakenRest:
    """See `Rest`."""

    def __init__(self, markets: Iterable[Market], history: History) -> None:
        self._pairs: dict[str, Market] = {}
        self._named: dict[str, tuple[str, Market]] = {}
        for market in markets:
            key = rest_pair(market)
            self._pairs[key] = market
            names = asset_pair(market)
            for name in (key, names["altname"], names["wsname"]):
                self._named[name] = (key, market)
        self._history = history
        self._bucket = Bucket(40.0, 3.0)

    def answer(self, path: str, query: Mapping[str, str], now: int) -> Answer:
        """Answer a GET request."""
        method = path.removeprefix("0/public/")
        if method == path:
            return _failed("EGeneral:Unknown method")
        if not self._bucket.take(now):
            return _failed("EAPI:Rate limit exceeded")
        match method:
            case "Time":
                second = now // _SECOND
                return _result({"unixtime": second, "rfc1123": iso_seconds(second)})
            case "SystemStatus":
                status = {"status": "online", "timestamp": iso_seconds(now // _SECOND)}
                return _result(status)
            case "Assets":
                return _result(self._assets())
            case "AssetPairs" | "Ticker" | "OHLC" | "Depth" | "Trades":
                return self._of_pairs(method, query, now)
        return _failed("EGeneral:Unknown method")

    def _of_pairs(self, method: str, query: Mapping[str, str], now: int) -> Answer:
        wanted = self._pairs
        if "pair" in query:
            names = query["pair"].split(",")
            unknown = [name for name in names if name not in self._named]
            if unknown:
                return _failed("EQuery:Unknown asset pair")
            wanted = dict(self._named[name] for name in names)
        elif method not in {"AssetPairs", "Ticker"}:
            return _failed("EGeneral:Invalid arguments")
        if method == "AssetPairs":
            return _result({key: asset_pair(market) for key, market in wanted.items()})
        if method == "Ticker":
            return _result({key: self._ticker(market) for key, market in wanted.items()})
        key, market = next(iter(wanted.items()))
        if method == "Depth":
            count = min(whole_number(query.get("count"), 100), 500)
            return _result({key: _depth(market, count, now)})
        if method == "Trades":
            return _result({key: _trades(market), "last": str(now)})
        return self._bars(key, market, query, now)

    def _ticker(self, market: Market) -> dict[str, Any]:
        day = self._history.day(market)
        bid, bid_lots, ask, ask_lots = market.best
        price, size, value = market.price_text, market.size_text, market.value_text
        last = market.last_trades[-1]
        mean = value(day.value / day.volume if day.volume else day.open)
        volume = f"{day.volume:.8f}"
        return {
            "a": [price(ask), "1", size(ask_lots)],
            "b": [price(bid), "1", size(bid_lots)],
            "c": [price(last.tick), size(last.pieces[-1])],
            "v": [volume, volume],
            "p": [mean, mean],
            "t": [day.trades, day.trades],
            "l": [value(day.low), value(day.low)],
            "h": [value(day.high), value(day.high)],
            "o": value(day.open),
        }

    def _bars(self, key: str, market: Market, query: Mapping[str, str], now: int) -> Answer:
        minutes = whole_number(query.get("interval"), 1)
        if minutes not in _INTERVALS:
            return _failed("EGeneral:Invalid arguments")
        length = minutes * MINUTE_NS
        since = whole_number(query.get("since"), 0) * _SECOND
        start = max(since, now // length * length - (_MOST_BARS - 1) * length)
        bars = self._history.unbroken_bars(market, start, now + 1, minutes)
        rows = [_row(market, bar) for bar in bars]
        # The last one is not finished.
        last = rows[-2][0] if len(rows) > 1 else now // _SECOND
        return _result({key: rows, "last": last})

    def _assets(self) -> dict[str, Any]:
        listings = [market.listing for market in self._pairs.values()]
        coins = sorted({each.base for each in listings} | {each.quote for each in listings})
        return {
            rest_asset(coin): {"aclass": "currency", "altname": coin, "decimals": 10,
                               "display_decimals": 5, "status": "enabled"}
            for coin in coins
        }  # fmt: skip


def _row(market: Market, bar: MinuteBar) -> list[Any]:
    value = market.value_text
    mean = value(bar.value / bar.volume if bar.volume else 0.0)
    prices = [value(price) for price in (bar.open, bar.high, bar.low, bar.close)]
    return [bar.start // _SECOND, *prices, mean, f"{bar.volume:.8f}", bar.trades]


def _depth(market: Market, count: int, now: int) -> dict[str, Any]:
    second = now // _SECOND
    asks, bids = (
        [
            [market.price_text(tick), market.size_text(lots), second]
            for tick, lots in side.top(count)
        ]
        for side in (market.book.asks, market.book.bids)
    )
    return {"asks": asks, "bids": bids}


def _trades(market: Market) -> list[list[Any]]:
    return [
        [
            market.price_text(fill.tick),
            market.size_text(lots),
            fill.time / _SECOND,
            "b" if fill.side > 0 else "s",
            "m",
            "",
            fill.first_id + piece,
        ]
        for fill in market.last_trades
        for piece, lots in enumerate(fill.pieces)
    ]


def _result(result: Any) -> Answer:
    return answer({"error": [], "result": result})


def _failed(problem: str) -> Answer:
    return answer({"error": [problem]})
