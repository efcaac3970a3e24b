"""Coinbase Exchange's public REST interface.

Source: https://docs.cdp.coinbase.com/exchange/reference: 10 requests a second, candles newest
first, at most 300, minutes without a trade omitted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from services.simulator.exchanges.session import iso_time, taker
from services.simulator.market.history import MINUTE_NS, History
from services.simulator.market.state import Market
from services.simulator.rest.answer import Answer, Bucket, answer

_GRANULARITIES = (60, 300, 900, 3_600, 21_600, 86_400)
_MOST_CANDLES = 300
_SECOND = 1_000_000_000


class CoinbaseRest:
    """See `Rest`."""

    def __init__(self, markets: Iterable[Market], history: History) -> None:
        self._products = {f"{m.listing.base}-{m.listing.quote}": m for m in markets}
        self._history = history
        self._bucket = Bucket(15.0, 10.0)

    def answer(self, path: str, query: Mapping[str, str], now: int) -> Answer:
        """Answer a GET request."""
        if not self._bucket.take(now):
            return answer({"message": "Public rate limit exceeded"}, 429)
        match path.split("/"):
            case ["time"]:
                return answer({"iso": iso_time(now), "epoch": now / _SECOND})
            case ["currencies"]:
                return answer(self._currencies())
            case ["products"]:
                return answer([_product(name, m) for name, m in self._products.items()])
            case ["products", name, *rest] if name in self._products:
                return self._of_product(name, rest, query, now)
        return answer({"message": "NotFound"}, 404)

    def _of_product(self, name: str, rest: list[str], query: Mapping[str, str], now: int) -> Answer:
        market = self._products[name]
        match rest:
            case []:
                return answer(_product(name, market))
            case ["ticker"]:
                return answer(self._ticker(market))
            case ["trades"]:
                return answer(_trades(market))
            case ["stats"]:
                day = self._history.day(market)
                last = market.price_text(market.last_trades[-1].tick)
                return answer({"open": market.value_text(day.open), "last": last,
                               "high": market.value_text(day.high),
                               "low": market.value_text(day.low),
                               "volume": f"{day.volume:.8f}"})  # fmt: skip
            case ["book"]:
                return answer(_book(market, 1 if query.get("level") == "1" else 50, now))
            case ["candles"]:
                return self._candles(market, query, now)
        return answer({"message": "NotFound"}, 404)

    def _ticker(self, market: Market) -> dict[str, Any]:
        last, day = market.last_trades[-1], self._history.day(market)
        bid, _, ask, _ = market.best
        return {
            "trade_id": last.first_id + len(last.pieces) - 1,
            "price": market.price_text(last.tick),
            "size": market.size_text(last.pieces[-1]),
            "time": iso_time(last.time),
            "bid": market.price_text(bid),
            "ask": market.price_text(ask),
            "volume": f"{day.volume:.8f}",
        }

    def _candles(self, market: Market, query: Mapping[str, str], now: int) -> Answer:
        try:
            granularity = int(query.get("granularity", "60"))
            end = _time_of(query["end"]) if "end" in query else now
            start = (
                _time_of(query["start"])
                if "start" in query
                else end - _MOST_CANDLES * granularity * _SECOND
            )
        except (ValueError, OverflowError):
            return answer({"message": "Invalid start, end or granularity"}, 400)
        if granularity not in _GRANULARITIES:
            return answer({"message": "Unsupported granularity"}, 400)
        if (end - start) // (granularity * _SECOND) > _MOST_CANDLES:
            message = (
                f"granularity too small for the requested time range, more than {_MOST_CANDLES}"
            )
            return answer({"message": message}, 400)
        minutes = granularity * _SECOND // MINUTE_NS
        bars = self._history.bars(market, start, end + 1, minutes)
        rows = [
            [bar.start // _SECOND, *(round(value, market.listing.price_digits) for value in
             (bar.low, bar.high, bar.open, bar.close)), round(bar.volume, 8)]
            for bar in reversed(bars)
        ]  # fmt: skip
        return answer(rows)

    def _currencies(self) -> list[dict[str, Any]]:
        listings = [market.listing for market in self._products.values()]
        coins = sorted({each.base for each in listings} | {each.quote for each in listings})
        return [
            {"id": coin, "name": coin, "min_size": "0.00000001", "status": "online",
             "max_precision": "0.00000001", "details": {"type": "crypto"},
             "supported_networks": []}
            for coin in coins
        ]  # fmt: skip


def _product(name: str, market: Market) -> dict[str, Any]:
    listing = market.listing
    return {
        "id": name,
        "base_currency": listing.base,
        "quote_currency": listing.quote,
        "quote_increment": f"{0.1**listing.price_digits:.{listing.price_digits}f}",
        "base_increment": f"{0.1**listing.size_digits:.{listing.size_digits}f}",
        "display_name": f"{listing.base}/{listing.quote}",
        "min_market_funds": "1",
        "margin_enabled": False,
        "post_only": False,
        "limit_only": False,
        "cancel_only": False,
        "status": "online",
        "status_message": "",
        "trading_disabled": False,
        "fx_stablecoin": False,
        "auction_mode": False,
    }


def _trades(market: Market) -> list[dict[str, Any]]:
    """Return the last trades, newest first; the side is the maker's."""
    return [
        {
            "time": iso_time(fill.time),
            "trade_id": fill.first_id + piece,
            "price": market.price_text(fill.tick),
            "size": market.size_text(lots),
            "side": taker(-fill.side),
        }
        for fill in reversed(market.last_trades)
        for piece, lots in reversed(list(enumerate(fill.pieces)))
    ]


def _book(market: Market, levels: int, now: int) -> dict[str, Any]:
    sides = (
        [[market.price_text(tick), market.size_text(lots), 1] for tick, lots in side.top(levels)]
        for side in (market.book.bids, market.book.asks)
    )
    bids, asks = sides
    return {"bids": bids, "asks": asks, "sequence": market.sequence, "time": iso_time(now)}


def _time_of(text: str) -> int:
    """Return a time given as ISO-8601 or in seconds since the epoch, in nanoseconds."""
    try:
        return int(float(text) * _SECOND)
    except ValueError:
        pass
    time = datetime.fromisoformat(text)
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * _SECOND)
