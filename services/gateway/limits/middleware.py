"""Rate limits of REST, told in headers as draft-ietf-httpapi-ratelimit-headers has them."""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.keys import ApiKeys
from services.gateway.limits.buckets import Buckets, Verdict
from services.gateway.limits.clients import client_of
from services.gateway.problems import problem

_EXEMPT = ("/v1/live", "/v1/ready", "/v1/stream")
_LIMITED = ("/openapi.json", "/asyncapi.json", "/docs")
HEADERS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy")


class RateLimits:
    """Lets through as many requests as the buckets do. Health, metrics and the page are exempt."""

    def __init__(self, app: ASGIApp, buckets: Buckets, keys: ApiKeys) -> None:
        self._app = app
        self._buckets = buckets
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 429, or let the request through and say what is left."""
        verdict = None
        if scope["type"] == "http" and _is_limited(scope["path"]):
            verdict = self._buckets.take(client_of(HTTPConnection(scope), self._keys))
        if verdict is None:
            await self._app(scope, receive, send)
            return
        headers = limit_headers(verdict, self._buckets)
        if not verdict.is_allowed:
            refused = too_many(verdict, self._buckets, scope["path"])
            await refused(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        await self._app(scope, receive, with_headers)


def limit_headers(verdict: Verdict, buckets: Buckets) -> dict[str, str]:
    """Return what is left, as headers."""
    policy = f"{buckets.per_minute};w=60;burst={buckets.burst}"
    values = (verdict.limit, verdict.remaining, verdict.reset_s, policy)
    return {name: str(value) for name, value in zip(HEADERS, values, strict=True)}


def too_many(verdict: Verdict, buckets: Buckets, path: str) -> Response:
    """Return the refusal: 429 with when to come again."""
    return problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        "too_many_requests",
        f"expected at most {buckets.per_minute} requests a minute, {buckets.burst} at once",
        path,
        {"Retry-After": str(verdict.retry_s), **limit_headers(verdict, buckets)},
    )


def _is_limited(path: str) -> bool:
    return path in _LIMITED or (path.startswith("/v1/") and path not in _EXEMPT)
