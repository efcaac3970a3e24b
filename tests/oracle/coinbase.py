"""What Coinbase's frames say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.oracle import wire
from tests.oracle.facts import Lost, Quote, Reader, Reading, Serves, Shared, Trade

if TYPE_CHECKING:
    from tests.oracle.frames import Frame

TICKER, LEVEL2 = 1, 2
_RANKS = {
    "ticker": TICKER,
    "ticker_1000": TICKER,
    "ticker_batch": TICKER,
    "level2": LEVEL2,
    "level2_50": LEVEL2,
    "level2_batch": LEVEL2,
}
_SIDES = {"buy": -1, "sell": 1}  # the maker's side is named; the taker did the opposite


class CoinbaseReader(Reader):
    """Reads the frames of one Coinbase connection."""

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self.ticked: set[str] = set()
        self.books: dict[str, tuple[dict[float, float], dict[float, float]]] = {}
        self.bookless: set[str] = set()

    def read(self, frame: Frame) -> Reading:
        """Return what `frame` says."""
        message = wire.load(frame.text)
        kind = wire.field(message, "type", str)
        if kind == "subscriptions":
            return self._acknowledged(message)
        if kind == "error":
            return Reading()
        if kind == "heartbeat":
            return Reading(wire.optional_time(message, "time"))
        known = {
            "ticker": self._ticker,
            "snapshot": self._snapshot,
            "l2update": self._update,
            "match": self._match,
            "last_match": self._match,
        }
        if kind not in known:
            raise wire.UnknownError(kind)
        market = wire.coinbase_market(wire.field(message, "product_id", str))
        return known[kind](message, market, kind)

    def _acknowledged(self, message: dict[str, Any]) -> Reading:
        pairs = [
            (wire.field(channel, "name", str), wire.coinbase_market(product))
            for channel in wire.items(message, "channels")
            for product in wire.field(channel, "product_ids", list)
        ]
        reading = Reading()
        for name, market in pairs:
            if name in _RANKS:
                self.show(market, _RANKS[name])
                reading.facts.append(Serves("quotes", market))
            elif name == "matches":
                reading.facts.append(Serves("trades", market))
        return reading

    def _ticker(self, message: dict[str, Any], market: str, _kind: str) -> Reading:
        bid = wire.price(message, "best_bid", str), wire.size(message, "best_bid_size", str)
        ask = wire.price(message, "best_ask", str), wire.size(message, "best_ask_size", str)
        time = wire.optional_time(message, "time")
        snapshot = market not in self.ticked
        self.ticked.add(market)
        reading = Reading(None if snapshot else time, [Serves("quotes", market)])
        if self.show(market, TICKER):
            quote = Quote.of(market, reading.own_time, bid, ask, snapshot=snapshot)
            self.last_quote[market] = quote
            reading.facts.append(quote)
        return reading

    def _snapshot(self, message: dict[str, Any], market: str, _kind: str) -> Reading:
        bids, asks = wire.levels(message, "bids"), wire.levels(message, "asks")
        wire.optional_time(message, "time")
        self.books[market] = (
            {float(price): float(size) for price, size in bids if float(size) > 0},
            {float(price): float(size) for price, size in asks if float(size) > 0},
        )
        return self._book(market, None, snapshot=True)

    def _update(self, message: dict[str, Any], market: str, _kind: str) -> Reading:
        changes = []
        for change in wire.field(message, "changes", list):
            if not isinstance(change, list) or len(change) < 3 or change[0] not in _SIDES:
                raise wire.MalformedError(f"changes hold {change!r}")
            level = {"price": change[1], "size": change[2]}
            number = wire.price(level, "price", str), wire.size(level, "size", str)
            changes.append((0 if change[0] == "buy" else 1, *number))
        time = wire.optional_time(message, "time")
        if market not in self.books:
            reading = Reading(time, [Serves("quotes", market)])
            if self.show(market, LEVEL2) and market not in self.bookless:
                reading.facts.append(Lost(market))
            self.bookless.add(market)
            return reading
        for side, price, size in changes:
            self.books[market][side].pop(price, None)
            if size > 0:
                self.books[market][side][price] = size
        return self._book(market, time, snapshot=False)

    def _book(self, market: str, time: int | None, *, snapshot: bool) -> Reading:
        reading = Reading(time, [Serves("quotes", market)])
        self.show(market, LEVEL2)
        bids, asks = self.books[market]
        bid, ask = max(bids, default=None), min(asks, default=None)
        quote = Quote.of(
            market,
            time,
            None if bid is None else (bid, bids[bid]),
            None if ask is None else (ask, asks[ask]),
            snapshot=snapshot,
        )
        last = self.last_quote.get(market)
        if snapshot or last is None or not quote.same_best(last):
            self.last_quote[market] = quote
            reading.facts.append(quote)
        return reading

    def _match(self, message: dict[str, Any], market: str, kind: str) -> Reading:
        number = wire.integer(message, "trade_id")
        price, size = wire.price(message, "price", str), wire.size(message, "size", str)
        side = _SIDES.get(wire.field(message, "side", str))
        if side is None:
            raise wire.MalformedError("side is neither buy nor sell")
        time = wire.optional_time(message, "time")
        if kind == "last_match":
            time = None
        reading = Reading(time, [Serves("trades", market)])
        new, skips = self.is_new_trade(market, number)
        if new and kind == "match":
            reading.facts.append(Trade(market, time, number, price, size, side, skips))
        return reading
