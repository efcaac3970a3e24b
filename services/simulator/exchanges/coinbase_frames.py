"""Coinbase Exchange's frames as text.

Source: https://docs.cdp.coinbase.com/exchange/websocket-feed/channels, and captured frames.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.simulator.exchanges.session import iso_time, taker
from services.simulator.market.book import Ladder
from services.simulator.market.history import Day
from services.simulator.market.state import Fill, Market


def match(product: str, market: Market, kind: str, fill: Fill, piece: int) -> str:
    """Return one trade of a fill; the side named is the maker's."""
    trade_id = fill.first_id + piece
    return (
        f'{{"type":"{kind}","trade_id":{trade_id},'
        f'"maker_order_id":"00000000-0000-4000-8000-{trade_id:012x}",'
        f'"taker_order_id":"00000000-0000-4000-9000-{fill.aggregate_id:012x}",'
        f'"side":"{taker(-fill.side)}","size":"{market.size_text(fill.pieces[piece])}",'
        f'"price":"{market.price_text(fill.tick)}","product_id":"{product}",'
        f'"sequence":{market.sequence},"time":"{iso_time(fill.time)}"}}'
    )


def ticker(product: str, market: Market, fill: Fill, piece: int, day: Day) -> str:
    """Return the ticker that one trade causes; the side named is the taker's."""
    bid, bid_lots, ask, ask_lots = market.best
    return (
        f'{{"type":"ticker","sequence":{market.sequence},"product_id":"{product}",'
        f'"price":"{market.price_text(fill.tick)}","open_24h":"{market.value_text(day.open)}",'
        f'"volume_24h":"{day.volume:.8f}","low_24h":"{market.value_text(day.low)}",'
        f'"high_24h":"{market.value_text(day.high)}","volume_30d":"{day.volume * 30:.8f}",'
        f'"best_bid":"{market.price_text(bid)}","best_bid_size":"{market.size_text(bid_lots)}",'
        f'"best_ask":"{market.price_text(ask)}","best_ask_size":"{market.size_text(ask_lots)}",'
        f'"side":"{taker(fill.side)}","time":"{iso_time(fill.time)}",'
        f'"trade_id":{fill.first_id + piece},'
        f'"last_size":"{market.size_text(fill.pieces[piece])}"}}'
    )


def snapshot(product: str, market: Market, now: int) -> str:
    """Return the whole book."""
    book = market.book
    return (
        f'{{"type":"snapshot","product_id":"{product}","asks":[{_levels(market, book.asks)}],'
        f'"bids":[{_levels(market, book.bids)}],"time":"{iso_time(now)}"}}'
    )


def update(product: str, market: Market, time: int, changes: Mapping[tuple[str, int], int]) -> str:
    """Return changes of a book: new sizes in lots by side and price in ticks."""
    price, size = market.price_text, market.size_text
    listed = ",".join(
        f'["{side}","{price(tick)}","{size(lots)}"]' for (side, tick), lots in changes.items()
    )
    return (
        f'{{"type":"l2update","product_id":"{product}","changes":[{listed}],'
        f'"time":"{iso_time(time)}"}}'
    )


def heartbeat(product: str, market: Market, now: int) -> str:
    """Return the heartbeat of a product."""
    return (
        f'{{"type":"heartbeat","last_trade_id":{market.trade_id},"product_id":"{product}",'
        f'"sequence":{market.sequence},"time":"{iso_time(now)}"}}'
    )


def _levels(market: Market, side: Ladder) -> str:
    price, size = market.price_text, market.size_text
    return ",".join(f'["{price(tick)}","{size(lots)}"]' for tick, lots in side.top(len(side)))
