"""Frames written by hand in the exchanges' shapes, and what tests ask of the answers."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import TypeVar

from agents.ingestion.exchanges.events import Event, ParsedFrame

SECOND = 1_000_000_000
START = 1_800_000_000 * SECOND
"""2027-01-15T08:00:00Z."""

Levels = Sequence[tuple[str, str]]
Kind = TypeVar("Kind", bound=Event)


def iso(seconds: float) -> str:
    """Return START + seconds (0 ≤ seconds < 60, microseconds) as the exchanges write it."""
    return f"2027-01-15T08:00:{seconds:09.6f}Z"


def at(seconds: float) -> int:
    """Return START + seconds in nanoseconds, exact to the microsecond."""
    return START + round(seconds * 1_000_000) * 1_000


def only(parsed: ParsedFrame, kind: type[Kind]) -> Kind:
    """Return the one event of this kind in a frame."""
    (event,) = all_of(parsed, kind)
    return event


def all_of(parsed: ParsedFrame, kind: type[Kind]) -> list[Kind]:
    """Return the events of this kind in a frame."""
    return [event for event in parsed.events if isinstance(event, kind)]


def coinbase_ack(**channels: list[str]) -> str:
    named = [{"name": name, "product_ids": ids} for name, ids in channels.items()]
    return json.dumps({"type": "subscriptions", "channels": named})


def coinbase_snapshot(bids: Levels, asks: Levels, product: str = "BTC-USD") -> str:
    return json.dumps(
        {"type": "snapshot", "product_id": product, "bids": bids, "asks": asks, "time": iso(50)}
    )


def coinbase_update(
    changes: Sequence[tuple[str, str, str]], time: str | None, product: str = "BTC-USD"
) -> str:
    frame = {"type": "l2update", "product_id": product, "changes": changes, "time": time}
    return json.dumps(frame)


def coinbase_ticker(
    bid: str,
    ask: str,
    time: str,
    *,
    bid_size: str = "1",
    ask_size: str = "2",
    product: str = "BTC-USD",
) -> str:
    return json.dumps(
        {
            "type": "ticker",
            "sequence": 7,
            "product_id": product,
            "price": bid,
            "best_bid": bid,
            "best_bid_size": bid_size,
            "best_ask": ask,
            "best_ask_size": ask_size,
            "time": time,
        }
    )


def coinbase_match(
    trade_id: int,
    time: str | None,
    *,
    kind: str = "match",
    side: str = "buy",
    price: str = "100.5",
    product: str = "BTC-USD",
) -> str:
    return json.dumps(
        {
            "type": kind,
            "trade_id": trade_id,
            "side": side,
            "size": "0.25",
            "price": price,
            "product_id": product,
            "time": time,
        }
    )


def coinbase_heartbeat(time: str, product: str = "BTC-USD") -> str:
    return json.dumps(
        {"type": "heartbeat", "last_trade_id": 1, "product_id": product, "time": time}
    )


def kraken_ack(
    channel: str, symbol: str = "BTC/USD", *, end: bool = False, **result: object
) -> str:
    method = "unsubscribe" if end else "subscribe"
    named = {"channel": channel, "symbol": symbol} | result
    return json.dumps({"method": method, "result": named, "success": True, "time_in": iso(50)})


def kraken_ticker(
    bid: str,
    ask: str,
    time: str | None,
    *,
    kind: str = "update",
    bid_size: str = "1",
    symbol: str = "BTC/USD",
) -> str:
    stamp = "" if time is None else f',"timestamp":"{time}"'
    return (
        f'{{"channel":"ticker","type":"{kind}","data":[{{"symbol":"{symbol}","bid":{bid},'
        f'"bid_qty":{bid_size},"ask":{ask},"ask_qty":2.0{stamp}}}]}}'
    )


def kraken_checksum(bids: Levels, asks: Levels) -> int:
    """Return the checksum of a whole book, best levels first."""
    text = ""
    for price, size in [*asks[:10], *bids[:10]]:
        text += price.replace(".", "").lstrip("0") + size.replace(".", "").lstrip("0")
    return zlib.crc32(text.encode())


def kraken_book(
    bids: Levels,
    asks: Levels,
    checksum: int,
    time: str | None = None,
    *,
    kind: str = "update",
    symbol: str = "BTC/USD",
) -> str:
    sides = (
        ",".join(f'{{"price":{price},"qty":{size}}}' for price, size in levels)
        for levels in (bids, asks)
    )
    bid_text, ask_text = sides
    stamp = "" if time is None else f',"timestamp":"{time}"'
    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{symbol}","bids":[{bid_text}],'
        f'"asks":[{ask_text}],"checksum":{checksum}{stamp}}}]}}'
    )


def kraken_snapshot(bids: Levels, asks: Levels, symbol: str = "BTC/USD") -> str:
    checksum = kraken_checksum(bids, asks)
    return kraken_book(bids, asks, checksum, iso(50), kind="snapshot", symbol=symbol)


def kraken_trades(*trades: tuple[int, str | None], kind: str = "update", side: str = "buy") -> str:
    items = [
        {
            "symbol": "BTC/USD",
            "side": side,
            "price": 100.5,
            "qty": 0.25,
            "ord_type": "limit",
            "trade_id": trade_id,
            "timestamp": time,
        }
        for trade_id, time in trades
    ]
    return json.dumps({"channel": "trade", "type": kind, "data": items})


def combined(stream: str, body: dict[str, object]) -> str:
    return json.dumps({"stream": f"btcusdt@{stream}", "data": body})


def binance_ticker(
    update_id: int, bid: str = "100.0", ask: str = "100.1", *, bid_size: str = "1"
) -> dict[str, object]:
    return {"u": update_id, "s": "BTCUSDT", "b": bid, "B": bid_size, "a": ask, "A": "2"}


def binance_trade(
    trade_id: int, own_ms: int, *, buyer_was_maker: bool = False
) -> dict[str, object]:
    return {
        "e": "trade",
        "E": own_ms,
        "s": "BTCUSDT",
        "t": trade_id,
        "p": "100.5",
        "q": "0.25",
        "T": own_ms,
        "m": buyer_was_maker,
        "M": True,
    }


def binance_aggregate(first_id: int, last_id: int, own_ms: int) -> dict[str, object]:
    return {
        "e": "aggTrade",
        "E": own_ms,
        "s": "BTCUSDT",
        "a": 1,
        "p": "100.5",
        "q": "0.5",
        "f": first_id,
        "l": last_id,
        "T": own_ms,
        "m": True,
        "M": True,
    }


def binance_depth(
    first: int, last: int, bids: Levels = (), asks: Levels = (), symbol: str = "BTCUSDT"
) -> dict[str, object]:
    return {
        "e": "depthUpdate",
        "E": 1,
        "s": symbol,
        "U": first,
        "u": last,
        "b": bids,
        "a": asks,
    }


def binance_rest(last_id: int, bids: Levels, asks: Levels) -> str:
    return json.dumps({"lastUpdateId": last_id, "bids": bids, "asks": asks})
