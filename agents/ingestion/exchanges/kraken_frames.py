"""The frames of Kraken's websocket v2 as they lie on the wire.

Source: https://docs.kraken.com/api/docs/websocket-v2/book (and its neighbours `ticker`, `trade`,
`status`, `heartbeat`, `ping`).
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from agents.ingestion.exchanges.fields import (
    UNDECODABLE,
    Identifier,
    PriceNumber,
    SizeNumber,
    malformed,
    unknown,
)

DataType = Literal["snapshot", "update"]


class ChannelFrame(msgspec.Struct, tag_field="channel", gc=False):
    """A frame of a channel."""


class TickerItem(msgspec.Struct, gc=False):
    """Best bid and ask of a symbol."""

    symbol: str
    bid: PriceNumber
    bid_qty: SizeNumber
    ask: PriceNumber
    ask_qty: SizeNumber
    timestamp: str | None = None


class Ticker(ChannelFrame, tag="ticker"):
    """Best bids and asks."""

    type: DataType
    data: list[TickerItem]


class BookLevel(msgspec.Struct, gc=False):
    """A level; its numbers are kept as text because the checksum is over the digits as sent."""

    price: msgspec.Raw
    qty: msgspec.Raw


class BookItem(msgspec.Struct, gc=False):
    """Levels of a symbol's book, and the checksum of the book after them."""

    symbol: str
    bids: list[BookLevel]
    asks: list[BookLevel]
    checksum: Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
    timestamp: str | None = None


class Book(ChannelFrame, tag="book"):
    """Whole books, or changes of them."""

    type: DataType
    data: list[BookItem]


class TradeItem(msgspec.Struct, gc=False):
    """A trade; `side` is the taker's."""

    symbol: str
    side: Literal["buy", "sell"]
    price: PriceNumber
    qty: SizeNumber
    trade_id: Identifier
    timestamp: str | None = None


class Trades(ChannelFrame, tag="trade"):
    """Trades."""

    type: DataType
    data: list[TradeItem]


class StatusItem(msgspec.Struct, gc=False):
    """`system` is online, maintenance, cancel_only or post_only."""

    system: str


class Status(ChannelFrame, tag="status"):
    """The exchange's own state."""

    data: list[StatusItem]


class Heartbeat(ChannelFrame, tag="heartbeat"):
    """Once a second while anything is subscribed to."""


class Instrument(ChannelFrame, tag="instrument"):
    """The list of instruments; nothing of it is needed here."""


class MethodFrame(msgspec.Struct, tag_field="method", gc=False):
    """The answer to a request."""

    success: bool = True
    error: str = ""
    symbol: str | None = None


class Subscription(msgspec.Struct, gc=False):
    """What a request to subscribe came to."""

    channel: str
    symbol: str | None = None
    event_trigger: str | None = None
    depth: Literal[10, 25, 100, 500, 1000] | None = None


class Subscribe(MethodFrame, tag="subscribe"):
    """One for every symbol asked for."""

    result: Subscription | None = None


class Unsubscribe(MethodFrame, tag="unsubscribe"):
    """One for every symbol given up."""

    result: Subscription | None = None


class Pong(MethodFrame, tag="pong"):
    """The answer to a ping."""


class Ping(MethodFrame, tag="ping"):
    """The answer to a ping that was refused."""


class Refusal(msgspec.Struct, gc=False):
    """A request so bad that its method is not repeated."""

    error: str


AnyFrame = (
    Ticker
    | Book
    | Trades
    | Status
    | Heartbeat
    | Instrument
    | Subscribe
    | Unsubscribe
    | Pong
    | Ping
    | Refusal
)


class _TypeOnly(msgspec.Struct):
    channel: str | None = None
    method: str | None = None


_CHANNEL: msgspec.json.Decoder[AnyFrame] = msgspec.json.Decoder(
    Ticker | Book | Trades | Status | Heartbeat | Instrument
)
_METHOD: msgspec.json.Decoder[AnyFrame] = msgspec.json.Decoder(
    Subscribe | Unsubscribe | Pong | Ping
)
_REFUSAL = msgspec.json.Decoder(Refusal)
_TYPE_ONLY = msgspec.json.Decoder(_TypeOnly)
_KNOWN_CHANNELS = frozenset({"ticker", "book", "trade", "status", "heartbeat", "instrument"})
_KNOWN_METHODS = frozenset({"subscribe", "unsubscribe", "pong", "ping"})


def decode(frame: str) -> AnyFrame:
    """Return the message of a frame.

    Raises:
        FrameError: `malformed_frame` or `unknown_message`.
    """
    try:
        return _CHANNEL.decode(frame)
    except UNDECODABLE as error:
        return _decode_without_channel(frame, error)


def _decode_without_channel(frame: str, error: Exception) -> AnyFrame:
    """Read the answer to a request, or say why the frame is none."""
    try:
        name = _TYPE_ONLY.decode(frame)
        if name.channel is not None:
            if name.channel not in _KNOWN_CHANNELS:
                raise unknown(name.channel, frame)
            raise malformed(f"a Kraken `{name.channel}` ({error})", frame)
        if name.method is None:
            return _REFUSAL.decode(frame)
        if name.method not in _KNOWN_METHODS:
            raise unknown(name.method, frame)
        return _METHOD.decode(frame)
    except UNDECODABLE as reason:
        raise malformed(f"a JSON object with a `channel` or a `method` ({reason})", frame) from None
