"""What one client asks for, and what it is answered. Knows no socket."""

from __future__ import annotations

import msgspec

from models.times import iso_microseconds
from services.gateway.channels import CHANNELS
from services.gateway.hub.audience import EVERY_KEY
from services.gateway.hub.backlog import UNCONFLATABLE
from services.gateway.hub.client import Client
from services.gateway.hub.hub import Hub
from services.gateway.hub.messages import (
    Authenticated,
    ErrorMessage,
    Pong,
    Subscribed,
    Unsubscribed,
)
from services.gateway.keys import ApiKeys
from services.gateway.memory.correlations import EVERY_COIN
from services.gateway.memory.memory import Memory
from services.gateway.stream.requests import (
    Authenticate,
    BadRequestError,
    Id,
    Ping,
    Request,
    Subscribe,
    Unsubscribe,
    decode_request,
)
from services.gateway.stream.snapshots import Snapshots, resume_points

POLICY_VIOLATION = 1008
UNAUTHORIZED = 4401
MALFORMED_LIMIT = 3
SHORTEST_INTERVAL_MS = 50
LONGEST_INTERVAL_MS = 60_000

_KEYS = {
    "bars": "keys as kraken:BTC-USD|1m",
    "indicators": "keys as kraken:BTC-USD|1m",
    "correlations": "tables",
}


class _RefusedError(Exception):
    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Session:
    """One client's conversation."""

    def __init__(
        self, client: Client, hub: Hub, memory: Memory, keys: ApiKeys, key: str | None
    ) -> None:
        """`key` is what the headers brought; without a good one the first message must."""
        self._client = client
        self._hub = hub
        self._memory = memory
        self._keys = keys
        self._snapshots = Snapshots(memory)
        self._malformed = 0
        self.is_authenticated = False
        if keys.allow(key):
            self._let_in()
        elif key is not None:
            self._client.end(UNAUTHORIZED, "expected a good API key")

    def take(self, data: str | bytes) -> None:
        """Answer one message."""
        try:
            request = decode_request(data, self._client.form)
        except BadRequestError as error:
            self._client.send(ErrorMessage(error.id, "bad_request", str(error)))
            return
        except msgspec.DecodeError as error:
            self._count_malformed(str(error))
            return
        try:
            self._answer(request)
        except _RefusedError as error:
            self._client.send(ErrorMessage(request.id, error.code, str(error)))

    def close_unauthenticated(self) -> None:
        """End a session whose key did not come in time."""
        if not self.is_authenticated and not self._client.is_ended:
            self._client.end(UNAUTHORIZED, "expected an API key within 5 s")

    def _answer(self, request: Request) -> None:
        if not self.is_authenticated and not isinstance(request, Authenticate):
            raise _RefusedError("unauthorized", "expected an `auth` with a good key first")
        match request:
            case Subscribe():
                self._subscribe(request)
            case Unsubscribe():
                self._unsubscribe(request)
            case Ping():
                now = iso_microseconds(self._memory.delay.now())
                self._client.send(Pong(request.id, now))
            case Authenticate():
                self._authenticate(request.id, request.key)

    def _let_in(self) -> None:
        self.is_authenticated = True
        self._hub.join(self._client)

    def _authenticate(self, request: Id, key: str) -> None:
        if not self._keys.allow(key):
            self._client.end(UNAUTHORIZED, "expected a good API key")
            return
        if not self.is_authenticated:
            self._let_in()
        self._client.send(Authenticated(request))

    def _count_malformed(self, detail: str) -> None:
        self._malformed += 1
        if self._malformed >= MALFORMED_LIMIT:
            self._client.end(POLICY_VIOLATION, f"malformed messages: {MALFORMED_LIMIT}")
        else:
            self._client.send(ErrorMessage(None, "malformed", detail))

    def _subscribe(self, request: Subscribe) -> None:
        _check_channel(request.channel)
        self._check_keys(request.channel, request.keys)
        _check_interval(request)
        coins = self._coins(request)
        try:
            points = resume_points(request.channel, request.keys, request.resume)
        except ValueError as error:
            raise _RefusedError("bad_request", str(error)) from error
        keys = list(dict.fromkeys(request.keys))
        self._hub.subscribe(self._client, request.channel, keys, request.interval_ms, coins)
        as_batch = self._hub.wish(self._client, request.channel).as_batch
        self._client.send(
            Subscribed(request.id, request.channel, keys),
            *self._snapshots.entries(request.channel, keys, points, as_batch, coins),
        )

    def _unsubscribe(self, request: Unsubscribe) -> None:
        _check_channel(request.channel)
        self._check_keys(request.channel, request.keys)
        self._hub.unsubscribe(self._client, request.channel, request.keys)
        self._client.send(Unsubscribed(request.id, request.channel, request.keys))

    def _coins(self, request: Subscribe) -> tuple[str, ...] | None:
        """Return the coins of a matrix that a client wants, None for the usual ones."""
        if request.coins is None:
            return None
        if request.channel != "correlations":
            raise _RefusedError("bad_request", f"expected no coins for {request.channel}")
        coins = tuple(dict.fromkeys(request.coins))
        if not coins:
            raise _RefusedError("bad_request", "expected at least one coin, was none")
        known = {EVERY_COIN} if EVERY_COIN in coins else {*self._memory.all_coins()}
        unknown = [coin for coin in coins if coin not in known]
        if unknown:
            raise _RefusedError("unknown_coin", f"expected known coins, was {unknown[0]!r}")
        return coins

    def _check_keys(self, channel: str, keys: list[str]) -> None:
        if not keys:
            raise _RefusedError("bad_request", "expected at least one key, was none")
        knows = self._memory.knows_key
        unknown = [key for key in keys if key != EVERY_KEY and not knows(channel, key)]
        if unknown:
            more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
            raise _RefusedError(
                "unknown_key",
                f"expected {_KEYS.get(channel, 'markets')}, "
                f"was {', '.join(map(repr, unknown[:5]))}{more}",
            )


def _check_channel(channel: str) -> None:
    if channel not in CHANNELS:
        raise _RefusedError(
            "unknown_channel", f"expected one of {', '.join(CHANNELS)}, was {channel!r}"
        )


def _check_interval(request: Subscribe) -> None:
    interval = request.interval_ms
    if interval and request.channel in UNCONFLATABLE:
        raise _RefusedError(
            "bad_request", f"expected no interval_ms: every value of {request.channel} counts"
        )
    if interval and not SHORTEST_INTERVAL_MS <= interval <= LONGEST_INTERVAL_MS:
        raise _RefusedError(
            "bad_request",
            f"expected interval_ms from {SHORTEST_INTERVAL_MS} to {LONGEST_INTERVAL_MS}, "
            f"was {interval}",
        )
