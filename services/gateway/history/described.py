"""How OpenAPI describes answers that may be streamed."""

from __future__ import annotations

from typing import Any

from services.gateway.answers import described
from services.gateway.history.formats import MEDIA_TYPES


def described_history(name: str, example: object, summary: str) -> dict[int | str, dict[str, Any]]:
    """Return a good answer: JSON of a schema of `documentation/schemas.py`, or a stream."""
    found = described(name, example, summary)
    for form, kind in MEDIA_TYPES.items():
        if form != "json":
            binary = {} if form == "csv" else {"contentMediaType": kind}
            found[200]["content"][kind] = {"schema": {"type": "string", **binary}}
    return found
