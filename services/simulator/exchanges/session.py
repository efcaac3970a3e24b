"""A websocket connection as the protocols see it, and who has subscribed to what."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from functools import lru_cache
from typing import Generic, Literal, Protocol, TypeVar

import msgspec

from models.times import iso_seconds
from services.simulator.market.state import MarketEvent

_SECOND = 1_000_000_000


class SentTick(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A tick that a frame carries, in numbers as a reader of the frame gets them.

    `id` is the trade's id, or Binance's update id of a quote (else 0); `own_time` is the time the
    frame gives it in nanoseconds, 0 where it gives none. `values` are bid, its size, ask, its
    size of a quote, and price, size, side (+1 the taker bought) of a trade.
    """

    kind: Literal["quote", "trade", "snapshot"]
    market: str
    id: int
    own_time: int
    values: tuple[float, ...]


class Session:
    """One connection: what waits to be sent, and whether it shall be closed.

    `outgoing` are websocket frames ready for the wire. `closing` is a code and a reason. Times
    are nanoseconds.
    """

    __slots__ = (
        "closing",
        "combined",
        "exchange",
        "held_until",
        "name",
        "opened",
        "outgoing",
        "ponged",
        "quotes",
        "received",
        "ticks",
    )

    def __init__(self, exchange: str, name: str, opened: int) -> None:
        self.exchange = exchange
        self.name = name
        self.opened = opened
        self.outgoing: list[bytes] = []
        self.ticks: list[SentTick] = []
        self.closing: tuple[int, str] | None = None
        self.held_until = 0
        self.ponged = opened
        self.received: list[int] = []
        self.combined = False
        # The best levels last told in a book, by channel and market.
        self.quotes: dict[tuple[str, int], tuple[int, int, int, int]] = {}

    def send(self, text: str) -> None:
        """Queue a text that carries no tick."""
        self.outgoing.append(text_frame(text))

    def send_ticks(self, frame: bytes, ticks: Iterable[SentTick]) -> None:
        """Queue a frame that was made by `text_frame`, and the ticks it carries."""
        self.outgoing.append(frame)
        self.ticks.extend(ticks)

    def close(self, code: int, reason: str) -> None:
        """Ask for this connection to be closed after what is queued."""
        self.closing = self.closing or (code, reason)


class Feed(Protocol):
    """One exchange's side of all its connections; `now` is event time in nanoseconds."""

    def open(self, session: Session, path: str, query: str) -> None:
        """Greet a new connection to this address."""
        ...

    def receive(self, session: Session, text: str, now: int) -> None:
        """Take a message of a client."""
        ...

    def close(self, session: Session) -> None:
        """Forget a connection that is gone."""
        ...

    def event(self, event: MarketEvent) -> None:
        """Tell the subscribed connections of a market event."""
        ...

    def slice_end(self, now: int) -> None:
        """Send what gathers over some time, where `now` is a multiple of it."""
        ...

    def second_end(self, now: int) -> None:
        """Send heartbeats; `now` is a whole second."""
        ...

    def announce_stop(self, now: int) -> None:
        """Tell that the server will stop, where the exchange does."""
        ...


Key = TypeVar("Key", bound=Hashable)


class Subscribers(Generic[Key]):
    """Which connections want what; all orders are those of subscribing."""

    def __init__(self) -> None:
        self._by_key: dict[Key, dict[Session, None]] = {}
        self._by_session: dict[Session, dict[Key, None]] = {}

    def add(self, key: Key, session: Session) -> bool:
        """Subscribe; return whether the connection had not before."""
        sessions = self._by_key.setdefault(key, {})
        if session in sessions:
            return False
        sessions[session] = None
        self._by_session.setdefault(session, {})[key] = None
        return True

    def remove(self, key: Key, session: Session) -> bool:
        """End a subscription; return whether there was one."""
        sessions = self._by_key.get(key, {})
        if session not in sessions:
            return False
        del sessions[session]
        if not sessions:
            del self._by_key[key]
        del self._by_session[session][key]
        return True

    def drop(self, session: Session) -> None:
        """End all subscriptions of a connection."""
        for key in list(self._by_session.get(session, {})):
            self.remove(key, session)
        self._by_session.pop(session, None)

    def of(self, key: Key) -> Iterable[Session]:
        """Return the connections that want this."""
        return self._by_key.get(key, ())

    def keys_of(self, session: Session) -> Iterable[Key]:
        """Return what a connection wants."""
        return self._by_session.get(session, ())

    def wanted(self) -> Iterator[Key]:
        """Yield everything that anybody wants."""
        return iter(list(self._by_key))

    def sessions(self) -> list[Session]:
        """Return the connections that want anything."""
        return [session for session, keys in self._by_session.items() if keys]


def text_frame(text: str) -> bytes:
    """Return a websocket text frame as a server sends it: whole and unmasked (RFC 6455, 5.2)."""
    return _frame(0x81, text.encode())


def ping_frame(payload: str) -> bytes:
    """Return a websocket ping frame."""
    return _frame(0x89, payload.encode())


def _frame(first_byte: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        return bytes((first_byte, length)) + payload
    if length < 65_536:
        return bytes((first_byte, 126)) + length.to_bytes(2, "big") + payload
    return bytes((first_byte, 127)) + length.to_bytes(8, "big") + payload


def iso_time(nanoseconds: int) -> str:
    """Return a time with microseconds, as Coinbase and Kraken write it.

    >>> iso_time(1_791_061_111_127_510_000)
    '2026-10-03T20:58:31.127510Z'
    """
    second, rest = divmod(nanoseconds, _SECOND)
    return f"{_second_text(second)}{rest // 1000:06d}Z"


@lru_cache(maxsize=4_096)
def _second_text(second: int) -> str:
    return iso_seconds(second)[:-1] + "."


def taker(side: int) -> str:
    """Return what a taker did."""
    return "buy" if side > 0 else "sell"
