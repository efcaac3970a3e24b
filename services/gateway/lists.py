"""Lists: pages in a stable order, by name, with a cursor that stays valid while data is added."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from starlette.datastructures import URL

from services.gateway.items import Figures
from services.gateway.problems import RefusedError

LONGEST = 1_000
_DIGITS = 19


class Window(msgspec.Struct, frozen=True):
    """Which part of a list is wanted."""

    limit: int
    cursor: str | None


class Listed(msgspec.Struct, frozen=True):
    """One page of a list."""

    data: list[Any]
    next: str | None


def page_of(
    names: Sequence[str], window: Window, figures_of: Callable[[str], Figures | None]
) -> Listed:
    """Return a page of what these sorted names stand for; names without figures are left out.

    Raises:
        RefusedError: `bad_cursor`.
    """
    begin = 0 if window.cursor is None else bisect_right(names, _name_of(window.cursor))
    data: list[Figures] = []
    last = ""
    for name in names[begin:]:
        figures = figures_of(name)
        if figures is None:
            continue
        if len(data) == window.limit:
            return Listed(data, cursor_of(last))
        data.append(figures)
        last = name
    return Listed(data, None)


def next_link(address: URL, cursor: str | None) -> dict[str, str]:
    """Return the header `Link` (RFC 8288) that leads to the next page; nothing on the last one."""
    if cursor is None:
        return {}
    target = address.include_query_params(cursor=cursor)
    return {"Link": f'<{target.path}?{target.query}>; rel="next"'}


def cursor_of(name: str) -> str:
    """Return the cursor that leads to what comes after a name."""
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def _name_of(cursor: str) -> str:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return base64.b64decode(padded, b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise RefusedError("bad_cursor", f"expected `next` of a page, was {cursor!r}") from error


def number_of(cursor: str) -> int:
    """Return the number behind which a page begins.

    Raises:
        RefusedError: `bad_cursor`.
    """
    return numbers_of(cursor, 1)[0]


def numbers_of(cursor: str, count: int) -> tuple[int, ...]:
    """Return so many numbers, with `.` between, behind which a page begins.

    Raises:
        RefusedError: `bad_cursor`.
    """
    texts = _name_of(cursor).split(".")
    if len(texts) != count or not all(map(_is_number, texts)):
        raise RefusedError("bad_cursor", f"expected `next` of a page, was {cursor!r}")
    return tuple(map(int, texts))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS
