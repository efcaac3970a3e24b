"""What is sent to an exchange to follow markets, and how much a connection takes.

Sources: Coinbase Exchange (`level2_batch`, `matches`, `heartbeat`), Kraken v2 (`ticker` with
`event_trigger: bbo`, `trade`), Binance spot (`bookTicker`, `trade`; at most 5 messages a second
and 1,024 streams a connection).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

_BINANCE_STREAMS_A_MESSAGE = 200
BINANCE_PULSE = "BTCUSDT"
"""Followed on every Binance connection, which has no heartbeat: the market that is never quiet."""


class Channel(msgspec.Struct, frozen=True):
    """How one exchange is followed.

    `path` is appended to the websocket's address. `capacity` is markets a connection,
    `message_gap_s` the least time between two messages to the exchange, `retry_floor_s` the least
    back-off after the third failed try, `lifetime_s` how long the exchange keeps a connection.
    """

    path: str
    capacity: int
    message_gap_s: float
    retry_floor_s: float
    lifetime_s: float | None
    request: Callable[[bool, Sequence[str], int], list[str]]


def subscribe_frames(exchange: str, symbols: Sequence[str], first_id: int = 1) -> list[str]:
    """Return the frames that subscribe these symbols: quotes and trades.

    >>> subscribe_frames("kraken", [])
    []
    """
    return CHANNELS[exchange].request(True, symbols, first_id) if symbols else []


def unsubscribe_frames(exchange: str, symbols: Sequence[str], first_id: int = 1) -> list[str]:
    """Return the frames that end the subscription of these symbols."""
    return CHANNELS[exchange].request(False, symbols, first_id) if symbols else []


def _coinbase(subscribe: bool, symbols: Sequence[str], _first_id: int) -> list[str]:
    return [
        _json(
            {
                "type": "subscribe" if subscribe else "unsubscribe",
                "product_ids": list(symbols),
                "channels": ["level2_batch", "matches", "heartbeat"],
            }
        )
    ]


def _kraken(subscribe: bool, symbols: Sequence[str], first_id: int) -> list[str]:
    ticker: dict[str, object] = {
        "channel": "ticker",
        "symbol": list(symbols),
        "event_trigger": "bbo",
    }
    trade: dict[str, object] = {"channel": "trade", "symbol": list(symbols)}
    if subscribe:
        ticker["snapshot"] = trade["snapshot"] = True
    method = "subscribe" if subscribe else "unsubscribe"
    return [
        _json({"method": method, "params": params, "req_id": first_id + number})
        for number, params in enumerate((ticker, trade))
    ]


def _binance(subscribe: bool, symbols: Sequence[str], first_id: int) -> list[str]:
    streams = [
        f"{symbol.lower()}@{stream}" for symbol in symbols for stream in ("bookTicker", "trade")
    ]
    return [
        _json(
            {
                "method": "SUBSCRIBE" if subscribe else "UNSUBSCRIBE",
                "params": streams[start : start + _BINANCE_STREAMS_A_MESSAGE],
                "id": first_id + number,
            }
        )
        for number, start in enumerate(range(0, len(streams), _BINANCE_STREAMS_A_MESSAGE))
    ]


def _json(message: dict[str, object]) -> str:
    return msgspec.json.encode(message).decode()


CHANNELS = {
    "coinbase": Channel("", 50, 0.2, 0.0, None, _coinbase),
    "kraken": Channel("", 100, 0.1, 5.0, None, _kraken),
    "binance": Channel("/stream", 400, 0.25, 0.0, 23 * 3600.0, _binance),
}
