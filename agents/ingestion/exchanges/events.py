"""What a parser makes of one frame. Times are integer nanoseconds since the epoch, UTC."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from models.records.bursts import TickFlag as TickFlag

Kind = Literal["quotes", "trades"]
Pair = tuple[Kind, str]
"""What a connection can serve: a kind of tick of a market."""


class Quote(msgspec.Struct, frozen=True, gc=False):
    """Best bid and ask of a market from `time` on; a missing side is NaN in price and size.

    `own_time` is the exchange's own time as it came, 0 where the frame had none.
    """

    market: str
    time: int
    own_time: int
    bid: float
    bid_size: float
    ask: float
    ask_size: float
    flags: int


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One trade; `side` is the taker's: +1 bought, −1 sold."""

    market: str
    time: int
    own_time: int
    price: float
    size: float
    side: int
    trade_id: int
    flags: int


class GapBegins(msgspec.Struct, frozen=True, gc=False):
    """The quotes of a market are in `gap` from the frame's time until its next quote."""

    market: str
    detail: str


class TradesLost(msgspec.Struct, frozen=True, gc=False):
    """`count` trades before the trade at `until`, which this frame brings, never came."""

    market: str
    count: int
    until: int


class Notice(msgspec.Struct, frozen=True, gc=False):
    """Something the exchange told; `synced` is a book that is in step again."""

    kind: Literal[
        "subscribed", "rejected", "unsubscribed", "status", "pong", "error", "shutdown", "synced"
    ]
    market: str | None
    detail: str


Event = Quote | Trade | GapBegins | TradesLost | Notice


class ParsedFrame(msgspec.Struct, frozen=True, gc=False):
    """What one frame says.

    `frame_time` is what the connection's clock moves to. `serves` are the pairs that this frame
    is the first of its connection to name. `events` are in the order of the frame. `replies` are
    frames to send to the exchange (re-subscription of one market after a gap, pongs).
    """

    frame_time: int
    serves: tuple[Pair, ...] = ()
    events: tuple[Event, ...] = ()
    replies: tuple[str, ...] = ()


class Connection(Protocol):
    """The parser of one connection to an exchange."""

    def receive(self, receive_time: int, frame: str) -> ParsedFrame:
        """Read one frame.

        Raises:
            FrameError: `malformed_frame` or `unknown_message`; nothing of the frame was applied.
                Its frame time is what `frame_time_without_own` gives.
        """
        ...

    def receive_rest(self, receive_time: int, body: str, url: str | None) -> ParsedFrame:
        """Read the answer to a REST request that belongs to this connection (a book snapshot)."""
        ...

    def frame_time_without_own(self, receive_time: int) -> int:
        """Return the frame time of a frame that has no time of its own."""
        ...
