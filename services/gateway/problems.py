"""Every error of the REST interface, in one form: RFC 9457 `application/problem+json`."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import ClassVar

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from models.errors import InputError

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:cointide:problem:"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An RFC 9457 problem; `waiting_for` belongs to `not_ready`."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    waiting_for: list[str] | None = None


class RefusedError(InputError):
    """A request that is refused; `reason` becomes the problem's type."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    headers: ClassVar[Mapping[str, str]] = {}


class UnknownThingError(RefusedError):
    """A path that names something unknown."""

    status = HTTPStatus.NOT_FOUND


class UnauthorizedError(RefusedError):
    """A request without a good key."""

    status = HTTPStatus.UNAUTHORIZED
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": "Bearer"}

    def __init__(self) -> None:
        super().__init__("unauthorized", "expected a good key in X-API-Key or as Bearer")


class ForbiddenOriginError(RefusedError):
    """A websocket that a page of another site asks for."""

    status = HTTPStatus.FORBIDDEN

    def __init__(self, origin: str) -> None:
        super().__init__("forbidden_origin", f"expected a page of this host, was {origin!r}")


class NotReadyError(RefusedError):
    """Not everything has been read yet, or the gateway is about to stop (nothing is waited for)."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "1"}

    def __init__(self, waiting_for: list[str]) -> None:
        what = f"still reading {', '.join(waiting_for)}" if waiting_for else "stopping"
        super().__init__("not_ready", f"expected to be ready, but {what}")
        self.waiting_for = waiting_for


def problem(
    status: int,
    reason: str,
    detail: str,
    instance: str,
    headers: Mapping[str, str] | None = None,
    waiting_for: list[str] | None = None,
) -> Response:
    """Return a problem as a response."""
    body = Problem(
        type=_TYPE + reason.replace("_", "-"),
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=instance,
        waiting_for=waiting_for,
    )
    kept = {"Cache-Control": "no-store", **(headers or {})}
    return Response(msgspec.json.encode(body), status, kept, MEDIA_TYPE)


def refusal(error: RefusedError, instance: str) -> Response:
    """Return a refusal as a response."""
    waiting_for = error.waiting_for if isinstance(error, NotReadyError) else None
    return problem(error.status, error.reason, error.detail, instance, error.headers, waiting_for)


def add_handlers(app: FastAPI) -> None:
    """Let every error leave the app as a problem."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, RefusedError)
        return refusal(error, request.url.path)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        found = "; ".join(
            f"{each['loc'][-1]}: {each['msg']}, was {each.get('input')!r}"
            for each in error.errors()
        )
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad_parameter", found, request.url.path)

    async def other(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        reason = HTTPStatus(error.status_code).name.lower()
        detail = error.detail
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = (error.headers or {}).get("Allow", "another method")
            detail = f"expected {allowed}, was {request.method}"
        return problem(error.status_code, reason, detail, request.url.path, error.headers)

    async def unexpected(request: Request, _error: Exception) -> Response:
        # The server logs what it was; its text stays inside.
        return problem(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "internal_error",
            "expected an answer, was an error of ours",
            request.url.path,
        )

    app.add_exception_handler(RefusedError, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, other)
    app.add_exception_handler(Exception, unexpected)
