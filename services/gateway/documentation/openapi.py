"""`/openapi.json`: what FastAPI knows of the routes, with the schemas of the answers."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from services.gateway.documentation.examples import PROBLEM
from services.gateway.documentation.schemas import schema_components

_ABOUT = (
    "Live microstructure of crypto markets. Every figure stands beside `as_of`, its window, `n`, "
    "`coverage` and `stale`; what is undefined is null, and `reasons` says why. "
    "Requests are limited by key, without one by address: `RateLimit-*` headers say what is left, "
    "429 with `Retry-After` when to come again. The websocket is described in `/asyncapi.json`."
)
_OPEN = ("/v1/live", "/v1/ready", "/metrics", "/docs", "/asyncapi.json")
_SECURITY = {
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}


def describe(app: FastAPI) -> None:
    """Let the app describe itself in this form."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _described(app: FastAPI) -> dict[str, Any]:
    schema = get_openapi(
        title=app.title, version=app.version, description=_ABOUT, routes=app.routes
    )
    refusal = {
        "description": "RFC 9457: what was expected, and what came.",
        "content": {
            "application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "example": PROBLEM,
            }
        },
    }
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            responses = operation["responses"]
            responses.pop("422", None)
            responses["default"] = refusal
            if path not in _OPEN:
                operation["security"] = [{}, {"header": []}, {"bearer": []}]
    schema["components"] = {"schemas": schema_components(), "securitySchemes": _SECURITY}
    return schema
