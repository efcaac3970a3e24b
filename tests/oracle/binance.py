"""What Binance's frames say.

Whether a depth book is in sync changes nothing here: a market with depth alone is in gap while the
book is not in sync and after it as well, because depth gives no quotes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.oracle import wire
from tests.oracle.facts import Lost, Quote, Reader, Reading, Serves, Shared, Trade

if TYPE_CHECKING:
    from tests.oracle.frames import Frame

DEPTH, BOOK_TICKER = 1, 2


class BinanceReader(Reader):
    """Reads the frames of one Binance connection."""

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self.whole_trades: set[str] = set()
        self.with_depth: set[str] = set()

    def read(self, frame: Frame) -> Reading:
        """Return what `frame` says."""
        message = wire.load(frame.text)
        if frame.kind == "rest" or "lastUpdateId" in message:
            return _rest_book(message)
        data = wire.field(message, "data", dict) if "stream" in message else message
        kind = data.get("e")
        if kind == "trade":
            return self._trade(data, "t")
        if kind == "aggTrade":
            return self._trade(data, "l")
        if kind == "depthUpdate":
            return self._depth(data)
        stream = message.get("stream")
        is_quote = stream.endswith("@bookTicker") if isinstance(stream, str) else "u" in data
        if kind in (None, "bookTicker") and is_quote:
            return self._quote(data)
        if "result" in data or "error" in data:
            return Reading()
        raise wire.UnknownError(str(kind or stream))

    def _quote(self, data: dict[str, Any]) -> Reading:
        market = wire.binance_market(wire.field(data, "s", str))
        number = wire.integer(data, "u")
        bid = wire.price(data, "b", str), wire.size(data, "B", str)
        ask = wire.price(data, "a", str), wire.size(data, "A", str)
        self.show(market, BOOK_TICKER)
        reading = Reading(None, [Serves("quotes", market)])
        if number > self.shared.quote_ids.get(market, -1):
            self.shared.quote_ids[market] = number
            reading.facts.append(Quote.of(market, None, bid, ask))
        return reading

    def _depth(self, data: dict[str, Any]) -> Reading:
        market = wire.binance_market(wire.field(data, "s", str))
        wire.integer(data, "U")
        wire.integer(data, "u")
        wire.levels(data, "b")
        wire.levels(data, "a")
        reading = Reading(None, [Serves("quotes", market)])
        if self.show(market, DEPTH) and market not in self.with_depth:
            reading.facts.append(Lost(market))
        self.with_depth.add(market)
        return reading

    def _trade(self, data: dict[str, Any], id_field: str) -> Reading:
        market = wire.binance_market(wire.field(data, "s", str))
        number = wire.integer(data, id_field)
        price, size = wire.price(data, "p", str), wire.size(data, "q", str)
        side = -1 if wire.field(data, "m", bool) else 1
        time = wire.integer(data, "T") * wire.MILLISECOND
        reading = Reading(time, [Serves("trades", market)])
        if id_field == "t":
            self.whole_trades.add(market)
        elif market in self.whole_trades:
            return reading
        new, skips = self.is_new_trade(market, number)
        if new:
            skips = skips and id_field == "t"
            reading.facts.append(Trade(market, time, number, price, size, side, skips))
        return reading


def _rest_book(message: dict[str, Any]) -> Reading:
    wire.integer(message, "lastUpdateId")
    wire.levels(message, "bids")
    wire.levels(message, "asks")
    return Reading()
