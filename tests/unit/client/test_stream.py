"""The client's stream against a websocket server that cuts, keeps silent and refuses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from cointide_client import (
    ConnectionLostError,
    Event,
    Gap,
    Reconnected,
    RefusedError,
    Stream,
    StreamRefusedError,
    Subscription,
    UnauthorizedError,
    Value,
)
from tests.unit.client.test_following import KEY, TIME, message

LIMIT_S = 30.0

Play = Callable[[ServerConnection, dict[str, Any]], Awaitable[None]]
"""What a server does with a connection, given its first request."""


class Server:
    """Plays one part a connection; the last one for all that follow."""

    def __init__(self, *parts: Play, refusals: Sequence[Response] = ()) -> None:
        self.parts = list(parts)
        self.refusals = list(refusals)
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []

    async def __aenter__(self) -> Server:
        self._server = await serve(
            self._play, "127.0.0.1", 0, process_request=self._let_in, ping_interval=None,
            subprotocols=None, select_subprotocol=_packed,
        )  # fmt: skip
        port = next(iter(self._server.sockets)).getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    def _let_in(self, _connection: ServerConnection, request: Request) -> Response | None:
        self.keys.append(request.headers.get("X-API-Key"))
        assert request.path == "/v1/stream"
        return self.refusals.pop(0) if self.refusals else None

    async def _play(self, connection: ServerConnection) -> None:
        request = json.loads(await connection.recv())
        self.asked.append(request)
        part = self.parts.pop(0) if len(self.parts) > 1 else self.parts[0]
        await part(connection, request)


def _packed(_connection: ServerConnection, offered: Sequence[str]) -> Any:
    return next(iter(offered), None)


def sends(*messages: dict[str, Any], then: Play | None = None) -> Play:
    """Return a part that sends these and keeps the connection open, or goes on so."""

    async def play(connection: ServerConnection, request: dict[str, Any]) -> None:
        for each in messages:
            await connection.send(json.dumps(each))
        await (then or silent)(connection, request)

    return play


async def silent(connection: ServerConnection, _request: dict[str, Any]) -> None:
    await connection.wait_closed()


async def cut(connection: ServerConnection, _request: dict[str, Any]) -> None:
    connection.transport.abort()


def closes(code: int, reason: str = "") -> Play:
    """Return a part that closes with a code."""

    async def play(connection: ServerConnection, _request: dict[str, Any]) -> None:
        await connection.close(code, reason)

    return play


def updates(*seqs: int) -> list[dict[str, Any]]:
    """Return updates that follow each other by one."""
    return [message("update", seq, seq - 1) for seq in seqs]


async def events(stream: AsyncGenerator[Event, None], last: int) -> list[Event]:
    """Return what a stream tells up to the value with this `seq`."""
    found: list[Event] = []
    async with asyncio.timeout(LIMIT_S), aclosing(stream):
        async for event in stream:
            found.append(event)
            if isinstance(event, Value) and event.seq == last:
                break
    return found


def shown(found: Sequence[Event]) -> list[object]:
    """Return values as numbers, the rest by name."""
    return [event.seq if isinstance(event, Value) else type(event).__name__ for event in found]


def follow(server: Server, **options: Any) -> AsyncGenerator[Event, None]:
    """Follow the market that the server plays."""
    options.setdefault("longest_wait_s", 0.05)
    return Stream(server.url, "a key", **options).subscribe("spreads", [KEY])


def test_a_connection_that_is_cut_is_made_anew_and_goes_on_after_the_last_value() -> None:
    async def run() -> None:
        first = sends(message("snapshot", 5, 4), *updates(6), then=cut)
        async with Server(first, sends(*updates(6, 7, 8), then=cut), sends(*updates(9))) as server:
            found = await events(follow(server), 9)
            assert shown(found) == [5, 6, "Reconnected", 7, 8, "Reconnected", 9]
            assert [each.get("resume") for each in server.asked] == [None, {KEY: 6}, {KEY: 8}]
            assert server.keys == ["a key"] * 3

    asyncio.run(run())


def test_too_long_away_is_a_gap_that_is_told() -> None:
    async def run() -> None:
        first = sends(message("snapshot", 5, 4), then=closes(1013, "too slow"))
        async with Server(first, sends(message("snapshot", 40, 39))) as server:
            found = await events(follow(server), 40)
        assert found[1] == Reconnected("closed with 1013: too slow")
        assert found[2] == Gap("spreads", KEY, 5, 40)

    asyncio.run(run())


def test_a_silent_connection_is_made_anew() -> None:
    async def run() -> None:
        first = sends(message("snapshot", 5, 4), then=silent)
        async with Server(first, sends(*updates(6))) as server:
            found = await events(follow(server, silence_s=1), 6)
        assert found[1] == Reconnected("silent for 1 s")

    asyncio.run(run())


def test_heartbeats_keep_a_connection() -> None:
    async def beat(connection: ServerConnection, _request: dict[str, Any]) -> None:
        for _ in range(12):
            await connection.send(json.dumps({"type": "heartbeat", "ts": TIME}))
            await asyncio.sleep(0.2)
        await connection.send(json.dumps(message("update", 6, 5)))

    async def run() -> None:
        async with Server(sends(message("snapshot", 5, 4), then=beat)) as server:
            assert shown(await events(follow(server, silence_s=2.0), 6)) == [5, 6]

    asyncio.run(run())


def test_a_planned_stop_is_left_for_another_gateway() -> None:
    async def run() -> None:
        leaving = {"type": "reconnect", "within_seconds": 10}
        first = sends(message("snapshot", 5, 4), leaving, *updates(6))
        body = json.dumps({"type": "urn:cointide:problem:not-ready", "detail": "stopping"}).encode()
        async with Server(first, sends(*updates(6, 7))) as server:
            stream = follow(server)
            assert shown([await anext(stream)]) == [5]
            server.refusals = [_response(HTTPStatus.SERVICE_UNAVAILABLE, body)]
            assert shown(await events(stream, 7)) == ["Reconnected", 6, 7]

    asyncio.run(run())


def _response(status: HTTPStatus, body: bytes, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status.value, status.phrase, Headers(**named), body)


def test_a_place_that_is_not_free_yet_is_waited_for_as_asked() -> None:
    async def run() -> None:
        refused = _response(HTTPStatus.TOO_MANY_REQUESTS, b"{}", Retry_After="1")
        async with Server(sends(message("snapshot", 5, 4)), refusals=[refused]) as server:
            begun = asyncio.get_running_loop().time()
            assert shown(await events(follow(server), 5)) == [5]
            assert asyncio.get_running_loop().time() - begun >= 1.0

    asyncio.run(run())


def test_what_waiting_does_not_mend_is_raised() -> None:
    async def run() -> None:
        problem = {"type": "urn:cointide:problem:unknown-parameter", "detail": "expected no colour"}
        body = json.dumps(problem).encode()
        refusal = _response(HTTPStatus.UNPROCESSABLE_ENTITY, body)
        error = {"type": "error", "id": 0, "code": "unknown_key", "detail": "expected a market"}
        cases: list[tuple[Server, type[Exception], str]] = [
            (Server(silent, refusals=[refusal]), RefusedError, "no colour"),
            (Server(sends(error)), StreamRefusedError, "expected a market"),
            (Server(closes(4401, "no good key")), UnauthorizedError, "no good key"),
            (Server(closes(1008, "malformed")), StreamRefusedError, "malformed"),
        ]
        for server, expected, told in cases:
            async with server:
                with pytest.raises(expected, match=told):
                    await events(follow(server), 0)
        with pytest.raises(ConnectionLostError):
            await events(Stream("nowhere").subscribe("spreads", [KEY]), 0)

    asyncio.run(run())


def test_without_a_gateway_it_gives_up_after_a_while() -> None:
    async def run() -> None:
        async with Server(silent) as server:
            gone = server
        with pytest.raises(ConnectionLostError, match=r"within 0\.3 s"):
            await events(follow(gone, give_up_after_s=0.3), 0)

    asyncio.run(run())


def test_msgpack_says_the_same() -> None:
    async def packed(connection: ServerConnection, _request: dict[str, Any]) -> None:
        assert connection.subprotocol == "cointide.msgpack"
        await connection.send(msgspec.msgpack.encode(message("snapshot", 5, 4)))
        await connection.wait_closed()

    async def run() -> None:
        async with Server(packed) as server:
            (value,) = await events(follow(server, packed=True), 5)
        assert isinstance(value, Value)
        assert value.data == {"n": 5}

    asyncio.run(run())


def test_several_channels_share_a_connection() -> None:
    async def play(connection: ServerConnection, first: dict[str, Any]) -> None:
        second = json.loads(await connection.recv())
        for request in (first, second):
            batch = {"key": KEY, "seq": 5, "prev_seq": None, "ts_event": TIME, "data": {}}
            reply = {"type": "batch", "channel": request["channel"], "items": [batch]}
            await connection.send(json.dumps(reply))
        assert (first["interval_ms"], second["coins"]) == (500, ["BTC"])
        await connection.wait_closed()

    async def run() -> None:
        async with Server(play) as server:
            stream = Stream(server.url).follow(
                Subscription("spreads", ["*"], interval_ms=500),
                Subscription("correlations", ["1h.pearson"], coins=["BTC"]),
            )
            async with aclosing(stream), asyncio.timeout(LIMIT_S):
                found = [await anext(stream), await anext(stream)]
        assert [getattr(event, "channel", None) for event in found] == ["spreads", "correlations"]

    asyncio.run(run())
