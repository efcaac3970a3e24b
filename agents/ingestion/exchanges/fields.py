"""The fields of frames: numbers and times as exchanges write them, and why a frame is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated

import msgspec

from models.errors import FrameError

LARGEST_INT64 = 2**63 - 1

Identifier = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_INT64)]
"""A trade or update id."""
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_INT64 // 1_000_000)]
"""A time in milliseconds that fits into 64 bits as nanoseconds."""
PriceNumber = Annotated[float, msgspec.Meta(gt=0)]
"""A price written as a JSON number (which cannot be infinite)."""
SizeNumber = Annotated[float, msgspec.Meta(ge=0)]
"""A size written as a JSON number."""
TextLevel = tuple[str, str]
"""Price and size of a level, written as JSON strings."""

UNDECODABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What decoding raises on text that is no frame: no JSON, lone surrogates, endless nesting."""

# float() takes more than a number: blanks, underscores, digits of other scripts, "nan".
_OF_NUMBERS = b"0123456789.eE+-"
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):?(\d\d))", re.ASCII
)
_NANOSECONDS: tuple[int, ...] = tuple(int(10 ** (9 - digits)) for digits in range(10))
_SHOWN = 160


def malformed(expected: str, was: object) -> FrameError:
    """Return the error of a frame that cannot be read, with what was expected and what came."""
    text = was if isinstance(was, str) else repr(was)
    return FrameError("malformed_frame", f"expected {expected}, was {text[:_SHOWN]!r}")


def unknown(type_name: str, frame: str) -> FrameError:
    """Return the error of a frame whose type is not known."""
    return FrameError(
        "unknown_message", f"expected a known type, was {type_name[:40]!r} in {frame[:_SHOWN]!r}"
    )


def prices_of(texts: Sequence[str]) -> list[float]:
    """Return prices.

    Raises:
        FrameError: one is no number, not finite or not above 0.
    """
    values = _numbers(texts)
    if values and not (min(values) > 0.0 and max(values) < math.inf):
        raise malformed("finite prices above 0", texts)
    return values


def sizes_of(texts: Sequence[str]) -> list[float]:
    """Return sizes.

    Raises:
        FrameError: one is no number, not finite or negative.
    """
    values = _numbers(texts)
    if values and not (min(values) >= 0.0 and max(values) < math.inf):
        raise malformed("finite sizes of 0 or more", texts)
    return values


def levels_of(levels: list[TextLevel]) -> list[tuple[float, float]]:
    """Return the prices and sizes of a book's levels.

    Raises:
        FrameError: one of them is no price or no size.
    """
    prices = prices_of([price for price, _ in levels])
    return list(zip(prices, sizes_of([size for _, size in levels]), strict=True))


def time_of(text: str | None) -> int:
    """Return an ISO-8601 time in nanoseconds since the epoch; 0 where there is none.

    Raises:
        FrameError: it is no time with an offset, has more than 9 digits of a second, or lies
            outside 1970 to 2262.

    >>> time_of("2026-10-03T20:58:31.127510Z")
    1791061111127510000
    """
    if text is None:
        return 0
    fraction = text[20:-1]
    if (
        text[19:20] == "."
        and text.endswith("Z")
        and len(fraction) < 10
        and fraction.isdecimal()
        and fraction.isascii()
    ):
        return _second(text[:19]) + int(fraction) * _NANOSECONDS[len(fraction)]
    parts = _TIME.fullmatch(text)
    if parts is None:
        raise malformed("an ISO-8601 time", text)
    second, digits, sign, hours, minutes = parts.groups()
    time = _second(second) + int(digits or 0) * _NANOSECONDS[len(digits or "")]
    if sign:
        offset = (int(hours) * 60 + int(minutes)) * 60_000_000_000
        time += offset if sign == "-" else -offset
    if 0 <= time <= LARGEST_INT64:
        return time
    raise malformed("a time from 1970 to 2262", text)


def _numbers(texts: Sequence[str]) -> list[float]:
    # One look at all of them: with one at a time, a book's frame would cost twice as much.
    if "".join(texts).encode().translate(None, _OF_NUMBERS):
        raise malformed("numbers", texts)
    try:
        return [float(text) for text in texts]
    except ValueError:
        raise malformed("numbers", texts) from None


# Nearly every frame repeats the second of the one before it.
@lru_cache(maxsize=4_096)
def _second(text: str) -> int:
    """Return a whole second, `2026-10-03T20:58:31`, in nanoseconds since the epoch."""
    try:
        seconds = int(datetime.strptime(f"{text}+0000", "%Y-%m-%dT%H:%M:%S%z").timestamp())
    except ValueError:
        raise malformed("an ISO-8601 time", text) from None
    if 0 <= seconds < LARGEST_INT64 // 1_000_000_000:
        return seconds * 1_000_000_000
    raise malformed("a time from 1970 to 2262", text)
