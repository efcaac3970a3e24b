"""Calls of the REST interface in memory, without a server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
from fastapi import FastAPI, Response

from services.gateway.app import create_app
from services.gateway.gateway import Gateway
from tests.unit.gateway.made import Desk


@contextlib.asynccontextmanager
async def nothing_to_read(_gateway: Gateway) -> AsyncIterator[None]:
    """Read nothing: the tests put records in themselves."""
    yield


class Caller:
    """Calls an app as a server would, without one."""

    def __init__(self, app: FastAPI, gateway: Gateway) -> None:
        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "state": {"gateway": gateway}}, receive, send)

        self._app = with_state

    def request(self, method: str, path: str, **rest: Any) -> httpx.Response:
        """Send one request in a loop of its own; return what is answered."""
        return asyncio.run(self.send(method, path, **rest))

    async def send(self, method: str, path: str, **rest: Any) -> httpx.Response:
        """Send one request; return what is answered."""
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            return await client.request(method, path, **rest)

    def get(self, path: str, **rest: Any) -> httpx.Response:
        """Send a GET."""
        return self.request("GET", path, **rest)


def served(desk: Desk) -> Caller:
    """Return a caller of a desk's app."""
    app = create_app(desk.gateway, nothing_to_read)

    @app.get("/v1/broken", include_in_schema=True)
    async def broken() -> Response:
        raise ZeroDivisionError("secret")

    # The page's route takes every path that is left: it must stay the last.
    app.router.routes.insert(0, app.router.routes.pop())
    return Caller(app, desk.gateway)


def check_problem(got: Any, status: int, kind: str, path: str) -> dict[str, Any]:
    """Check the form of a problem; return it."""
    assert got.status_code == status
    assert got.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = got.json()
    assert body["type"] == f"urn:cointide:problem:{kind}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["instance"] == path.partition("?")[0].replace("%2f", "/")
    return body
