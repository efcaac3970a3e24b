"""The frames of Coinbase Exchange as they lie on the wire.

Source: https://docs.cdp.coinbase.com/exchange/websocket-feed/channels (and captures, where the
acknowledgements name channels otherwise than the subscriptions do).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from agents.ingestion.exchanges.fields import UNDECODABLE, Identifier, TextLevel, malformed, unknown
from models.errors import FrameError


class Frame(msgspec.Struct, tag_field="type", gc=False):
    """Any frame; `type` says which."""


class Channel(msgspec.Struct, gc=False):
    """A channel in an acknowledgement."""

    name: str
    product_ids: list[str] | None = None


class Subscriptions(Frame, tag="subscriptions"):
    """What is subscribed to, all of it, after every request."""

    channels: list[Channel]


class Snapshot(Frame, tag="snapshot"):
    """A whole level2 book."""

    product_id: str
    bids: list[TextLevel]
    asks: list[TextLevel]
    time: str | None = None


class Level2Update(Frame, tag="l2update"):
    """Levels of a book with their new sizes; 0 removes one."""

    product_id: str
    changes: list[tuple[Literal["buy", "sell"], str, str]]
    time: str | None = None


class Ticker(Frame, tag="ticker"):
    """Best bid and ask as of a trade."""

    product_id: str
    best_bid: str
    best_bid_size: str
    best_ask: str
    best_ask_size: str
    time: str | None = None


class Match(Frame, tag="match"):
    """A trade; `side` is the maker's."""

    product_id: str
    trade_id: Identifier
    price: str
    size: str
    side: Literal["buy", "sell"]
    time: str | None = None


class LastMatch(Match, tag="last_match"):
    """The last trade before the subscription."""


class Heartbeat(Frame, tag="heartbeat"):
    """Once a second and product."""

    time: str | None = None


class Error(Frame, tag="error"):
    """A request that failed."""

    message: str
    reason: str = ""


AnyFrame = Subscriptions | Snapshot | Level2Update | Ticker | Match | LastMatch | Heartbeat | Error


class _TypeOnly(msgspec.Struct):
    type: str


_FRAME: msgspec.json.Decoder[AnyFrame] = msgspec.json.Decoder(AnyFrame)
_TYPE_ONLY = msgspec.json.Decoder(_TypeOnly)
_KNOWN = frozenset(
    {"subscriptions", "snapshot", "l2update", "ticker", "match", "last_match", "heartbeat", "error"}
)


def decode(frame: str) -> AnyFrame:
    """Return the message of a frame.

    Raises:
        FrameError: `malformed_frame` or `unknown_message`.
    """
    try:
        return _FRAME.decode(frame)
    except UNDECODABLE as error:
        raise _refused(frame, error) from None


def _refused(frame: str, error: Exception) -> FrameError:
    try:
        type_name = _TYPE_ONLY.decode(frame).type
    except UNDECODABLE:
        return malformed("a JSON object with a `type`", frame)
    if type_name not in _KNOWN:
        return unknown(type_name, frame)
    return malformed(f"a Coinbase `{type_name}` ({error})", frame)
