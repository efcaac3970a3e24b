"""Kraken's websocket v2 frames as text.

Source: https://docs.kraken.com/api/docs/websocket-v2/book and its neighbours; the checksum:
https://docs.kraken.com/api/docs/guides/spot-ws-book-v2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from zlib import crc32

from services.simulator.exchanges.session import iso_time, taker
from services.simulator.market.book import Level
from services.simulator.market.history import Day
from services.simulator.market.state import Fill, Market

HEARTBEAT = '{"channel":"heartbeat"}'
_CHECKED_LEVELS = 10
_SIZE_DIGITS = 8


def ticker(symbol: str, market: Market, kind: str, time: int, day: Day) -> str:
    """Return the best levels and the figures of the day."""
    bid, bid_lots, ask, ask_lots = market.best
    price, size, value = market.price_text, market.size_text, market.value_text
    last = market.last_trades[-1].tick
    mean = day.value / day.volume if day.volume else day.open
    change = market.price(last) - day.open
    return (
        f'{{"channel":"ticker","type":"{kind}","data":[{{"symbol":"{symbol}",'
        f'"bid":{price(bid)},"bid_qty":{size(bid_lots)},"ask":{price(ask)},'
        f'"ask_qty":{size(ask_lots)},"last":{price(last)},"volume":{day.volume:.8f},'
        f'"vwap":{value(mean)},"low":{value(day.low)},"high":{value(day.high)},'
        f'"change":{value(change)},"change_pct":{100.0 * change / day.open:.2f},'
        f'"trades":{day.trades},"timestamp":"{iso_time(time)}"}}]}}'
    )


def trades(symbol: str, market: Market, kind: str, fills: Iterable[Fill]) -> str:
    """Return trades; the side is the taker's."""
    items = ",".join(
        f'{{"symbol":"{symbol}","side":"{taker(fill.side)}",'
        f'"price":{market.price_text(fill.tick)},"qty":{market.size_text(lots)},'
        f'"ord_type":"market","trade_id":{fill.first_id + piece},'
        f'"timestamp":"{iso_time(fill.time)}"}}'
        for fill in fills
        for piece, lots in enumerate(fill.pieces)
    )
    return f'{{"channel":"trade","type":"{kind}","data":[{items}]}}'


def book(
    symbol: str,
    market: Market,
    kind: str,
    sides: tuple[Iterable[Level], Iterable[Level]],
    checksum_of_book: int,
    time: int,
) -> str:
    """Return levels of both sides, bids first, and the checksum of the book after them."""
    bids, asks = (_levels(market, levels) for levels in sides)
    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{symbol}","bids":[{bids}],'
        f'"asks":[{asks}],"checksum":{checksum_of_book},"timestamp":"{iso_time(time)}"}}]}}'
    )


def checksum(market: Market, bids: Sequence[Level], asks: Sequence[Level]) -> int:
    """Return the CRC32 over the best 10 asks, then the best 10 bids, best first.

    It takes price and size as written, without the point and without leading zeros: of a price
    that is its ticks, of a size its whole number of the last of 8 digits.
    """
    factor = 10 ** (_SIZE_DIGITS - market.listing.size_digits)
    levels = (*asks[:_CHECKED_LEVELS], *bids[:_CHECKED_LEVELS])
    return crc32("".join([f"{tick}{lots * factor}" for tick, lots in levels]).encode())


def _levels(market: Market, levels: Iterable[Level]) -> str:
    price, size = market.price_text, market.size_text
    return ",".join(f'{{"price":{price(tick)},"qty":{size(lots)}}}' for tick, lots in levels)
