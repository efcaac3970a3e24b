"""Reference data: the coins, the markets to follow, and the state of their feeds. JSON.

`coins` and `markets` are written by `cointide markets sync`, `feeds` by ingestion; all three are
compacted, keyed by coin or market, so a reader of the whole topic knows everything.
"""

from __future__ import annotations

from typing import Literal

import msgspec

REFERENCE_VERSION = 1

FeedStatus = Literal["connecting", "live", "quiet", "stale", "gap", "down"]
CoinFlag = Literal["stablecoin", "wrapped"]


class Coin(msgspec.Struct, frozen=True, kw_only=True):
    """One coin. Money is in US dollars; times are ISO-8601 UTC.

    `id` is CoinGecko's, since symbols are not unique; `change_24h` is in percent.
    """

    version: int = msgspec.field(name="v", default=REFERENCE_VERSION)
    coin: str
    id: str
    name: str
    rank: int | None
    market_value: float | None
    volume_24h: float | None
    change_24h: float | None
    flags: list[CoinFlag]
    source: str
    source_time: str | None


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """One market to follow. `symbol` is the exchange's own name for it on its websocket."""

    version: int = msgspec.field(name="v", default=REFERENCE_VERSION)
    market: str
    exchange: str
    coin: str
    quote_currency: str
    symbol: str
    tick_size: float | None
    lot_size: float | None
    least_size: float | None
    status: Literal["online", "offline"]
    source: str
    source_time: str | None


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one market's feed as ingestion sees it; for display, no figure depends on it.

    `since` is when the status began. Counters are since the worker took the market. `clock_skew_ms`
    is the least (receive − own time) of late over the exchange's frames, of Binance its trades
    (its quotes carry no time); null before the first one.
    """

    version: int = msgspec.field(name="v", default=REFERENCE_VERSION)
    market: str
    exchange: str
    coin: str
    status: FeedStatus
    detail: str | None
    since: str
    as_of: str
    last_frame: str | None
    last_price: float | None
    quotes: int
    trades: int
    late: int
    crossed: int
    gaps: int
    trades_lost: int
    reconnects: int
    clock_skew_ms: float | None
    epoch: int


_encoder = msgspec.json.Encoder()
_coin_decoder = msgspec.json.Decoder(Coin)
_market_decoder = msgspec.json.Decoder(Market)
_feed_decoder = msgspec.json.Decoder(Feed)


def encode_reference(record: Coin | Market | Feed) -> bytes:
    """Return the Kafka value."""
    return _encoder.encode(record)


def decode_coin(value: bytes) -> Coin:
    """Return the coin of a Kafka value.

    Raises:
        msgspec.DecodeError: the value is none.
    """
    return _coin_decoder.decode(value)


def decode_market(value: bytes) -> Market:
    """Return the market of a Kafka value.

    Raises:
        msgspec.DecodeError: the value is none.
    """
    return _market_decoder.decode(value)


def decode_feed(value: bytes) -> Feed:
    """Return the feed of a Kafka value.

    Raises:
        msgspec.DecodeError: the value is none.
    """
    return _feed_decoder.decode(value)
