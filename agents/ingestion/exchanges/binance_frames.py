"""The frames of Binance's spot streams as they lie on the wire.

Source: https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from agents.ingestion.exchanges.fields import (
    UNDECODABLE,
    Identifier,
    Milliseconds,
    TextLevel,
    malformed,
    unknown,
)

# ruff: noqa: N815  (the single letters are the exchange's)


class BookTicker(msgspec.Struct, gc=False):
    """Best bid and ask; the only one without an event type, and without a time."""

    u: Identifier
    s: str
    b: str
    B: str
    a: str
    A: str


class TradeFrame(msgspec.Struct, gc=False):
    """A trade; with `m` the buyer was the maker."""

    e: Literal["trade"]
    s: str
    t: Identifier
    p: str
    q: str
    T: Milliseconds
    m: bool


class AggregateTrade(msgspec.Struct, gc=False):
    """The trades of one taker at one price; `l` is the id of the last of them."""

    e: Literal["aggTrade"]
    s: str
    l: Identifier  # noqa: E741
    p: str
    q: str
    T: Milliseconds
    m: bool


class DepthUpdate(msgspec.Struct, gc=False):
    """Levels of a book with their new sizes; 0 removes one. It covers the updates U to u."""

    e: Literal["depthUpdate"]
    s: str
    U: Identifier
    u: Identifier
    b: list[TextLevel]
    a: list[TextLevel]


class DepthSnapshot(msgspec.Struct, gc=False):
    """A whole book, as `/api/v3/depth` answers."""

    lastUpdateId: Identifier
    bids: list[TextLevel]
    asks: list[TextLevel]


class ServerShutdown(msgspec.Struct, gc=False):
    """The exchange will close this connection soon."""


class Answer(msgspec.Struct, gc=False):
    """The answer to a request, or the refusal of a frame that was none."""

    id: int | str | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: msgspec.Raw = msgspec.Raw(b"null")
    code: int | None = None
    msg: str = ""


Message = BookTicker | TradeFrame | AggregateTrade | DepthUpdate | ServerShutdown | Answer


class _Envelope(msgspec.Struct, gc=False):
    """A frame of a combined stream, or as much of any other as tells what it is."""

    stream: str = ""
    data: msgspec.Raw = msgspec.Raw()
    e: str = ""
    u: Identifier | None = None
    id: int | str | msgspec.UnsetType | None = msgspec.UNSET
    code: int | None = None


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_ANSWER = msgspec.json.Decoder(Answer)
_SNAPSHOT = msgspec.json.Decoder(DepthSnapshot)
_SHUTDOWN = msgspec.json.Decoder(ServerShutdown)
_BY_EVENT: dict[str, msgspec.json.Decoder[Any]] = {
    "bookTicker": msgspec.json.Decoder(BookTicker),
    "trade": msgspec.json.Decoder(TradeFrame),
    "aggTrade": msgspec.json.Decoder(AggregateTrade),
    "depthUpdate": msgspec.json.Decoder(DepthUpdate),
    "serverShutdown": _SHUTDOWN,
}
_BY_STREAM: dict[str, msgspec.json.Decoder[Any]] = {
    "bookTicker": _BY_EVENT["bookTicker"],
    "trade": _BY_EVENT["trade"],
    "aggTrade": _BY_EVENT["aggTrade"],
    "depth": _BY_EVENT["depthUpdate"],
    "depth@100ms": _BY_EVENT["depthUpdate"],
    "depth@1000ms": _BY_EVENT["depthUpdate"],
}


def decode(frame: str) -> Message:
    """Return the message of a frame, combined or raw.

    Raises:
        FrameError: `malformed_frame` or `unknown_message`.
    """
    try:
        envelope = _ENVELOPE.decode(frame)
        if envelope.stream:
            name = envelope.stream
            decoder = _BY_STREAM.get(name.partition("@")[2])
            if decoder is not None:
                return decoder.decode(envelope.data)  # type: ignore[no-any-return]
            if name == "!serverShutdown":
                return ServerShutdown()
            raise unknown(name, frame)
        return _decode_raw(envelope, frame)
    except UNDECODABLE as error:
        raise malformed(f"a Binance frame ({error})", frame) from None


def decode_snapshot(body: str) -> DepthSnapshot:
    """Return the book of a REST answer.

    Raises:
        FrameError: `malformed_frame`.
    """
    try:
        return _SNAPSHOT.decode(body)
    except UNDECODABLE as error:
        raise malformed(f"a Binance depth snapshot ({error})", body) from None


def _decode_raw(envelope: _Envelope, frame: str) -> Message:
    if envelope.e:
        decoder = _BY_EVENT.get(envelope.e)
        if decoder is None:
            raise unknown(envelope.e, frame)
        return decoder.decode(frame)  # type: ignore[no-any-return]
    if envelope.u is not None:
        return _BY_EVENT["bookTicker"].decode(frame)  # type: ignore[no-any-return]
    if envelope.id is not msgspec.UNSET or envelope.code is not None:
        return _ANSWER.decode(frame)
    raise malformed("a `stream`, an event, a book ticker or an answer", frame)
