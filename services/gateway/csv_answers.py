"""Tables as CSV (RFC 4180), streamed row by row, where a client asks for `text/csv`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus

import msgspec
from fastapi import Request
from fastapi.responses import StreamingResponse

from services.gateway.items import Figures
from services.gateway.problems import RefusedError

MEDIA_TYPE = "text/csv"
_ROWS_AT_ONCE = 200


class NotAcceptableError(RefusedError):
    """A client takes nothing that there is."""

    status = HTTPStatus.NOT_ACCEPTABLE


def wants_csv(request: Request) -> bool:
    """Return whether a client would rather have CSV than JSON.

    Raises:
        NotAcceptableError: it takes neither.
    """
    weights: dict[str, float] = {}
    for part in request.headers.get("accept", "*/*").split(","):
        kind, _, rest = part.strip().partition(";")
        weights[kind.strip().lower()] = _weight(rest)
    anything = weights.get("*/*", 0.0)
    csv_weight = weights.get(MEDIA_TYPE, weights.get("text/*", anything))
    json_weight = weights.get("application/json", weights.get("application/*", anything))
    if not csv_weight and not json_weight:
        accept = request.headers.get("accept", "")
        raise NotAcceptableError(
            "not_acceptable", f"expected application/json or text/csv in Accept, was {accept!r}"
        )
    return csv_weight > json_weight


def csv_answer(
    columns: list[str], rows: Iterable[Figures], headers: Mapping[str, str]
) -> StreamingResponse:
    """Return rows as CSV. Null is empty; what is no number and no text is JSON."""
    kept = {"Cache-Control": "no-store", **headers}
    return StreamingResponse(_lines(columns, rows), headers=kept, media_type=MEDIA_TYPE)


def _lines(columns: list[str], rows: Iterable[Figures]) -> Iterator[str]:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for number, row in enumerate(rows, 1):
        writer.writerow([_text(row[name]) for name in columns])
        if number % _ROWS_AT_ONCE == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _text(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return msgspec.json.encode(value).decode() if value else ""
    return value


def _weight(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
