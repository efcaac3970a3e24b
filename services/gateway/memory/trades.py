"""The last trades of every market, in a bounded ring."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from models.markets import coin_of, exchange_of
from models.times import iso_microseconds
from services.gateway.items import Figures, Item
from services.gateway.memory.quotes import flag_names
from services.gateway.memory.sources import SourceViews
from services.gateway.records import Trade, TradeRecord

RING = 1_000
"""Trades that are kept of a market, for `resume`."""

SNAPSHOT = 100
"""Trades that a snapshot has at most."""

_ROWS = 1 << 16


class Trades:
    """Trades; `seq` is offset · 2¹⁶ + row, so every one has its own.

    A trade is an event with a time of its own: it does not become late.
    """

    def __init__(self) -> None:
        self._sources = SourceViews()
        self._rings: dict[str, deque[Item]] = {}

    @property
    def outdated(self) -> int:
        """How many bursts of former owners were ignored."""
        return self._sources.outdated

    def take(self, record: TradeRecord) -> list[Item]:
        """Take a burst; return its trades."""
        source = self._sources.take(record.place, record.head)
        if source is None:
            return []
        items = []
        for trade in record.trades:
            ring = self._rings.setdefault(trade.market, deque(maxlen=RING))
            item = self._item(record, trade, ring[-1].seq if ring else None)
            ring.append(item)
            items.append(item)
        return items

    def markets(self) -> Iterator[str]:
        """Yield the markets that have traded."""
        yield from self._rings

    def newest(self, market: str) -> Item | None:
        """Return a market's last trades as one value, None if there were none."""
        ring = self._rings.get(market)
        if not ring:
            return None
        last = ring[-1]
        trades = list(ring)[-SNAPSHOT:]

        def render() -> Figures:
            return {"trades": [{**trade.figures(), "seq": trade.seq} for trade in trades]}

        return Item(market, last.seq, last.prev_seq, last.ts_event, last.ts_publish, render)

    def missed(self, market: str, seq: int) -> list[Item] | None:
        """Return the trades after `seq`, None where the ring does not reach back so far."""
        ring = self._rings.get(market)
        if not ring or ring[0].seq > seq:
            return None
        return [item for item in ring if item.seq > seq]

    @staticmethod
    def _item(record: TradeRecord, trade: Trade, prev_seq: int | None) -> Item:
        seq = record.place.offset * _ROWS + trade.row
        as_of = max(record.head.clock, trade.time)

        return Item(
            trade.market,
            seq,
            prev_seq,
            trade.time,
            record.place.timestamp,
            lambda: _figures(trade, as_of),
        )


def _figures(trade: Trade, as_of: int) -> Figures:
    return {
        "market": trade.market,
        "exchange": exchange_of(trade.market),
        "coin": coin_of(trade.market),
        "quote_currency": trade.market.rpartition("-")[2],
        "as_of": iso_microseconds(as_of),
        "time": iso_microseconds(trade.time),
        "receive_time": iso_microseconds(trade.receive_time),
        "price": trade.price,
        "size": trade.size,
        "side": "buy" if trade.side > 0 else "sell",
        "trade_id": trade.trade_id,
        "flags": flag_names(trade.flags),
        "stale": False,
        "reasons": {},
    }
