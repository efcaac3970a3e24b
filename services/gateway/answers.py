"""Answers: JSON written by msgspec, described to OpenAPI by the struct it looks like."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import Response

from services.gateway.items import Figures, encoded_by_row

JSON = "application/json"
_encode = msgspec.json.Encoder().encode


def answer(body: object) -> Response:
    """Return a body as JSON. What is live is not kept in between."""
    return Response(_encode(body), media_type=JSON, headers={"Cache-Control": "no-store"})


def figures_answer(figures: Figures) -> Response:
    """Return figures as `answer` does, row by row: for what is large, in a thread."""
    body = encoded_by_row(figures, "json")
    return Response(body, media_type=JSON, headers={"Cache-Control": "no-store"})


def described(name: str, example: object, summary: str) -> dict[int | str, dict[str, Any]]:
    """Return how OpenAPI describes a good answer: a schema of `documentation/schemas.py`."""
    content = {"schema": {"$ref": f"#/components/schemas/{name}"}, "example": example}
    return {200: {"description": summary, "content": {JSON: content}}}
