"""`/v1/stream`: the websocket's shell around a session."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import cast

from fastapi import APIRouter, Request, Response, WebSocket

from services.gateway.dependencies import gateway_of
from services.gateway.gateway import Gateway
from services.gateway.hub.client import Client, Outlet
from services.gateway.items import Format
from services.gateway.keys import key_of
from services.gateway.limits.clients import client_of
from services.gateway.limits.middleware import too_many
from services.gateway.limits.origins import allows_origin
from services.gateway.problems import (
    ForbiddenOriginError,
    NotReadyError,
    RefusedError,
    problem,
    refusal,
)
from services.gateway.stream.protocol import EXTENSION
from services.gateway.stream.session import Session

PATH = "/v1/stream"
MSGPACK = "cointide.msgpack"
KEY_LIMIT_S = 5.0
RETRY_S = 10

router = APIRouter()


@router.get(PATH, include_in_schema=False)
async def not_upgraded(request: Request) -> Response:
    """Refuse a request that is no websocket's."""
    return problem(
        HTTPStatus.UPGRADE_REQUIRED,
        "upgrade_required",
        "expected a websocket, was a plain request",
        request.url.path,
        {"Upgrade": "websocket", "Connection": "Upgrade"},
    )


@router.websocket(PATH)
async def stream(websocket: WebSocket) -> None:
    """Serve one client until it or the gateway leaves."""
    gateway = gateway_of(websocket)
    try:
        form, subprotocol = _format(websocket)
        if not allows_origin(websocket.headers, gateway.settings.allowed_origins):
            raise ForbiddenOriginError(websocket.headers.get("origin", ""))
        if not gateway.is_ready:
            raise NotReadyError(sorted(gateway.waiting_for))
    except RefusedError as error:
        await websocket.send_denial_response(refusal(error, PATH))
        return
    who = client_of(websocket, gateway.keys)
    denial = _denial(gateway, who)
    if denial is not None:
        await websocket.send_denial_response(denial)
        return
    try:
        await websocket.accept(subprotocol)
        await _converse(websocket, gateway, form)
    finally:
        gateway.connections.leave(who)


def _denial(gateway: Gateway, who: str) -> Response | None:
    """Count a connection for a client; return why it may not have one more."""
    verdict = gateway.buckets.take(who)
    if verdict is not None and not verdict.is_allowed:
        return too_many(verdict, gateway.buckets, PATH)
    if gateway.connections.enter(who):
        return None
    return problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        "too_many_connections",
        f"expected at most {gateway.connections.limit} websockets at a time",
        PATH,
        {"Retry-After": str(RETRY_S)},
    )


async def _converse(websocket: WebSocket, gateway: Gateway, form: Format) -> None:
    outlet = cast(Outlet, websocket.scope["extensions"][EXTENSION])
    hub = gateway.hub
    client = Client(outlet, form, gateway.settings.gateway_queue, hub.tally, hub.beside)
    session = Session(client, hub, gateway.memory, gateway.keys, key_of(websocket.headers))
    loop = asyncio.get_running_loop()
    timer = loop.call_later(KEY_LIMIT_S, session.close_unauthenticated)
    try:
        while not client.is_ended:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                break
            text, data = message.get("text"), message.get("bytes")
            session.take(text if text is not None else data or b"")
    finally:
        timer.cancel()
        client.is_ended = True
        hub.leave(client)


def _format(websocket: WebSocket) -> tuple[Format, str | None]:
    """Return the format that a client wants, and the subprotocol that says so.

    Raises:
        RefusedError: a parameter is unknown, or names no format.
    """
    if MSGPACK in websocket.scope["subprotocols"]:
        return "msgpack", MSGPACK
    parameters = dict(websocket.query_params)
    asked = parameters.pop("format", "json")
    if parameters:
        raise RefusedError(
            "unknown_parameter",
            f"expected no parameter but format, was {', '.join(map(repr, parameters))}",
        )
    match asked:
        case "json" | "msgpack":
            return asked, None
        case _:
            raise RefusedError("bad_parameter", f"expected json or msgpack, was {asked!r}")
