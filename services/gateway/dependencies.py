"""What routes ask for, as annotated aliases."""

from __future__ import annotations

from typing import Annotated, TypedDict, cast

import msgspec
from fastapi import Depends, Query, Request
from starlette.requests import HTTPConnection

from services.gateway.gateway import Gateway
from services.gateway.keys import key_of
from services.gateway.lists import LONGEST, Window
from services.gateway.problems import NotReadyError, RefusedError, UnauthorizedError

USUAL_ROWS = 1_000
MOST_ROWS = 10_000


class LifespanState(TypedDict):
    """What lives as long as the app does."""

    gateway: Gateway


def gateway_of(connection: HTTPConnection) -> Gateway:
    """Return the gateway of this app."""
    return cast(Gateway, connection.state.gateway)


AnyGateway = Annotated[Gateway, Depends(gateway_of)]


def _ready(gateway: AnyGateway) -> Gateway:
    if gateway.waiting_for:
        raise NotReadyError(sorted(gateway.waiting_for))
    return gateway


ReadyGateway = Annotated[Gateway, Depends(_ready)]
"""The gateway, once everything has been read; before that the request is refused."""


def require_key(request: Request, gateway: AnyGateway) -> None:
    """Refuse a request without a good key.

    Raises:
        UnauthorizedError: keys are needed, and there is no good one.
    """
    if not gateway.keys.allow(key_of(request.headers)):
        raise UnauthorizedError


def refuse_unknown_parameters(request: Request) -> None:
    """Refuse what the route does not know: a misspelt filter must not give everything.

    Raises:
        RefusedError: `unknown_parameter` or `repeated_parameter`.
    """
    known = _known_parameters(request)
    for name in request.query_params:
        if name not in known:
            expected = ", ".join(sorted(known)) or "none"
            raise RefusedError(
                "unknown_parameter", f"expected parameters out of {expected}, was {name!r}"
            )
        if len(request.query_params.getlist(name)) > 1:
            raise RefusedError("repeated_parameter", f"expected {name!r} once")


def _known_parameters(request: Request) -> set[str]:
    """Return the query parameters of the request's route, as OpenAPI describes them."""
    operations = request.app.openapi()["paths"].get(request.scope["route"].path, {})
    parameters = operations.get(request.method.lower(), {}).get("parameters", [])
    return {each["name"] for each in parameters if each["in"] == "query"}


def _window(
    limit: Annotated[int, Query(ge=1, le=LONGEST, description="How many at most.")] = 100,
    cursor: Annotated[str | None, Query(description="`next` of the page before.")] = None,
) -> Window:
    return Window(limit, cursor)


Page = Annotated[Window, Depends(_window)]
"""Which part of a list is wanted."""


class HistoryWindow(msgspec.Struct, frozen=True):
    """Which part of a series is wanted: `limit` is None where none was given."""

    limit: int | None
    cursor: str | None

    @property
    def rows(self) -> int:
        """How many rows a page has at most."""
        return USUAL_ROWS if self.limit is None else self.limit


def _history_window(
    limit: Annotated[
        int | None,
        Query(
            ge=1,
            le=MOST_ROWS,
            description="How many at most; of JSON 1,000 if not given, of other forms all.",
        ),
    ] = None,
    cursor: Annotated[str | None, Query(description="`next` of the page before.")] = None,
) -> HistoryWindow:
    return HistoryWindow(limit, cursor)


HistoryPart = Annotated[HistoryWindow, Depends(_history_window)]
"""Which part of a series is wanted."""
