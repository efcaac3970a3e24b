"""`Stream`: live figures over `/v1/stream`, over as many connections as it takes."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from cointide_client.errors import (
    AnswerError,
    ConnectionLostError,
    StreamRefusedError,
    UnauthorizedError,
    answer_error,
)
from cointide_client.events import Event, Reconnected, Subscription
from cointide_client.following import Following, Message
from cointide_client.transport import retry_after_s

MSGPACK = Subprotocol("cointide.msgpack")

_PATH = "/v1/stream"
_SCHEMES = {"http": "ws", "https": "wss"}
_FIRST_WAIT_S = 0.25
_UNAUTHORIZED = 4401
_OURS_TO_MEND = (1003, 1007, 1008, 1009)
_CLOSE_LIMIT_S = 2.0


class Stream:
    """The websocket of a gateway.

    A connection that is lost, has been silent for `silence_s` (a gateway says something every
    second), or whose gateway is about to stop is made anew, with growing waits of at most
    `longest_wait_s`, and the subscriptions go on after the last value of each key. Without one
    for `give_up_after_s` it raises ConnectionLostError. A key that is not good is an
    UnauthorizedError, a request that is not good a StreamRefusedError.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        packed: bool = False,
        silence_s: float = 10.0,
        give_up_after_s: float = 300.0,
        longest_wait_s: float = 30.0,
    ) -> None:
        """`url` is the gateway's, as `http://localhost:8000`; `packed` asks for msgpack."""
        scheme, _, rest = url.rstrip("/").partition("://")
        self._url = f"{_SCHEMES.get(scheme, scheme)}://{rest}{_PATH}"
        self._headers = {} if key is None else {"X-API-Key": key}
        self._subprotocols = [MSGPACK] if packed else None
        self._silence_s = silence_s
        self._give_up_after_s = give_up_after_s
        self._longest_wait_s = longest_wait_s

    def subscribe(
        self,
        channel: str,
        keys: Sequence[str],
        *,
        interval_ms: int = 0,
        coins: Sequence[str] | None = None,
    ) -> AsyncGenerator[Event, None]:
        """Yield what happens to keys of one channel, for ever; a connection of its own."""
        return self.follow(Subscription(channel, keys, interval_ms, coins))

    async def follow(self, *subscriptions: Subscription) -> AsyncGenerator[Event, None]:
        """Yield what happens to several channels, for ever, over one connection."""
        following = Following(subscriptions)
        pace = _Pace(self._longest_wait_s, self._give_up_after_s)
        reason: str | None = None
        while True:
            connection = await self._connected(pace, reason)
            async with connection:
                if reason is not None:
                    yield Reconnected(reason)
                try:
                    for request in following.requests():
                        await connection.send(msgspec.json.encode(request).decode())
                    while True:
                        async with asyncio.timeout(self._silence_s):
                            message = _decoded(await connection.recv())
                        pace.reset()
                        if message["type"] == "reconnect":
                            reason = "the gateway is about to stop"
                            break
                        for event in following.take(message):
                            yield event
                except TimeoutError:
                    reason = f"silent for {self._silence_s:g} s"
                except ConnectionClosed as closed:
                    reason = _reason(closed)

    async def _connected(self, pace: _Pace, reason: str | None) -> ClientConnection:
        """Return a new connection; wait as long as it takes and is worth it."""
        why = reason
        while True:
            wait_s = pace.next_wait_s(why)
            if wait_s:
                await asyncio.sleep(wait_s)
            try:
                return await connect(
                    self._url,
                    additional_headers=self._headers,
                    subprotocols=self._subprotocols,
                    compression=None,
                    max_size=None,
                    # A gateway's heartbeats say more; a consumer that takes its time is no fault.
                    ping_interval=None,
                    close_timeout=_CLOSE_LIMIT_S,
                )
            except InvalidStatus as error:
                refused = _refused(error)
                if refused.status != 429 and refused.status < 500:
                    raise refused from error
                pace.ask_for(refused.retry_after_s)
                why = str(refused)
            except InvalidURI as error:
                raise ConnectionLostError(f"expected the address of a gateway, {error}") from error
            except (OSError, TimeoutError, InvalidHandshake) as error:
                why = f"{type(error).__name__}: {error}"


class _Pace:
    """How long to wait before a connection: not at all at first, then ever longer."""

    def __init__(self, longest_s: float, give_up_after_s: float) -> None:
        self._longest_s = longest_s
        self._give_up_after_s = give_up_after_s
        self._asked_s = 0.0
        self.reset()

    def reset(self) -> None:
        """Take note that a connection is good."""
        self._tried = 0
        self._since = asyncio.get_running_loop().time()

    def ask_for(self, wait_s: float | None) -> None:
        """Wait at least so long before the next one."""
        self._asked_s = wait_s or 0.0

    def next_wait_s(self, reason: str | None) -> float:
        """Return how long to wait before the next one.

        Raises:
            ConnectionLostError: there was none for too long.
        """
        away_s = asyncio.get_running_loop().time() - self._since
        if self._tried and away_s > self._give_up_after_s:
            raise ConnectionLostError(
                f"expected a connection within {self._give_up_after_s:g} s, {reason}"
            )
        self._tried += 1
        asked_s, self._asked_s = self._asked_s, 0.0
        if self._tried == 1:
            return asked_s
        # Clients that lost the same gateway must not come back all at once.
        grown_s = min(_FIRST_WAIT_S * 2.0 ** min(self._tried - 2, 30), self._longest_s)
        return max(asked_s, grown_s * random.uniform(0.5, 1.0))


def _decoded(data: str | bytes) -> Message:
    if isinstance(data, str):
        return msgspec.json.decode(data, type=dict[str, Any])
    return msgspec.msgpack.decode(data, type=dict[str, Any])


def _reason(closed: ConnectionClosed) -> str:
    """Return why a connection was closed.

    Raises:
        UnauthorizedError: there is no good key.
        StreamRefusedError: what was sent is not good.
    """
    close = closed.rcvd
    if close is None:
        return "the connection was lost"
    if close.code == _UNAUTHORIZED:
        raise UnauthorizedError(401, "unauthorized", "Unauthorized", close.reason, _PATH)
    if close.code in _OURS_TO_MEND:
        raise StreamRefusedError(str(close.code), close.reason)
    return f"closed with {close.code}: {close.reason}"


def _refused(error: InvalidStatus) -> AnswerError:
    response = error.response
    problem: dict[str, Any] = {}
    with contextlib.suppress(msgspec.DecodeError):
        found = msgspec.json.decode(response.body or b"")
        problem = found if isinstance(found, dict) else {}
    wait_s = retry_after_s(response.headers.get("Retry-After"), response.headers.get("Date"))
    return answer_error(response.status_code, problem, wait_s)
