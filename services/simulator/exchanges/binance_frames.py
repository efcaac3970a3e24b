"""Binance's spot stream frames as text, without the envelope of combined streams.

Source: https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.simulator.market.history import Day
from services.simulator.market.state import Fill, Market

_MILLISECOND = 1_000_000


def book_ticker(symbol: str, market: Market) -> str:
    """Return the best levels; spot has no time in it."""
    bid, bid_lots, ask, ask_lots = market.best
    price, size = market.price_text, market.size_text
    return (
        f'{{"u":{market.update_id},"s":"{symbol}","b":"{price(bid)}","B":"{size(bid_lots)}",'
        f'"a":"{price(ask)}","A":"{size(ask_lots)}"}}'
    )


def trade(symbol: str, market: Market, fill: Fill, piece: int) -> str:
    """Return one trade of a fill; `m` says that the buyer was the maker."""
    time = fill.time // _MILLISECOND
    return (
        f'{{"e":"trade","E":{time},"s":"{symbol}","t":{fill.first_id + piece},'
        f'"p":"{market.price_text(fill.tick)}","q":"{market.size_text(fill.pieces[piece])}",'
        f'"T":{time},"m":{_sold(fill)},"M":true}}'
    )


def aggregate_trade(symbol: str, market: Market, fill: Fill) -> str:
    """Return a fill: the trades of one taker at one price."""
    time, last_id = fill.time // _MILLISECOND, fill.first_id + len(fill.pieces) - 1
    return (
        f'{{"e":"aggTrade","E":{time},"s":"{symbol}","a":{fill.aggregate_id},'
        f'"p":"{market.price_text(fill.tick)}","q":"{market.size_text(sum(fill.pieces))}",'
        f'"f":{fill.first_id},"l":{last_id},"T":{time},"m":{_sold(fill)},"M":true}}'
    )


def depth_update(
    symbol: str, market: Market, first: int, changes: Mapping[tuple[str, int], int], now: int
) -> str:
    """Return the changes of the updates `first` to the newest."""
    price, size = market.price_text, market.size_text
    bids, asks = (
        ",".join(
            f'["{price(tick)}","{size(lots)}"]'
            for (side, tick), lots in changes.items()
            if side == wanted
        )
        for wanted in ("b", "a")
    )
    return (
        f'{{"e":"depthUpdate","E":{now // _MILLISECOND},"s":"{symbol}","U":{first},'
        f'"u":{market.update_id},"b":[{bids}],"a":[{asks}]}}'
    )


def depth_snapshot(market: Market, limit: int) -> str:
    """Return the book as REST answers it."""
    price, size = market.price_text, market.size_text
    bids, asks = (
        ",".join(f'["{price(tick)}","{size(lots)}"]' for tick, lots in side.top(limit))
        for side in (market.book.bids, market.book.asks)
    )
    return f'{{"lastUpdateId":{market.update_id},"bids":[{bids}],"asks":[{asks}]}}'


def day_ticker(symbol: str, market: Market, day: Day, now: int) -> str:
    """Return the statistics of the day (`<symbol>@ticker`)."""
    bid, bid_lots, ask, ask_lots = market.best
    price, size, value = market.price_text, market.size_text, market.value_text
    last = market.last_trades[-1]
    close = market.price(last.tick)
    change = close - day.open
    mean = day.value / day.volume if day.volume else day.open
    time = now // _MILLISECOND
    return (
        f'{{"e":"24hrTicker","E":{time},"s":"{symbol}","p":"{value(change)}",'
        f'"P":"{100.0 * change / day.open:.3f}","w":"{value(mean)}","x":"{value(day.open)}",'
        f'"c":"{price(last.tick)}","Q":"{size(last.pieces[-1])}","b":"{price(bid)}",'
        f'"B":"{size(bid_lots)}","a":"{price(ask)}","A":"{size(ask_lots)}",'
        f'"o":"{value(day.open)}","h":"{value(day.high)}","l":"{value(day.low)}",'
        f'"v":"{day.volume:.8f}","q":"{day.value:.8f}","O":{time - 86_400_000},"C":{time},'
        f'"F":{market.trade_id - day.trades},"L":{market.trade_id},"n":{day.trades}}}'
    )


def mini_ticker(symbol: str, market: Market, day: Day, now: int) -> str:
    """Return the few statistics of the day (`<symbol>@miniTicker`)."""
    value = market.value_text
    return (
        f'{{"e":"24hrMiniTicker","E":{now // _MILLISECOND},"s":"{symbol}",'
        f'"c":"{market.price_text(market.last_trades[-1].tick)}","o":"{value(day.open)}",'
        f'"h":"{value(day.high)}","l":"{value(day.low)}","v":"{day.volume:.8f}",'
        f'"q":"{day.value:.8f}"}}'
    )


def server_shutdown(now: int) -> str:
    """Return the notice that this connection will be closed soon."""
    return f'{{"e":"serverShutdown","E":{now // _MILLISECOND}}}'


def combined(stream: str, data: str) -> str:
    """Return a frame within the envelope that combined streams have."""
    return f'{{"stream":"{stream}","data":{data}}}'


def _sold(fill: Fill) -> str:
    return "true" if fill.side < 0 else "false"
