"""Times as requests and records write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_MICROSECOND = 1_000
# Python keeps six digits of a second and drops the others.
_BEYOND_MICROSECONDS = re.compile(r"[.,]\d{6}(\d+)")
_BEFORE_TIME = re.compile(r"(?<=-\d\d) (?=\d\d:)")


def nanoseconds_of(text: str) -> int:
    """Return an ISO-8601 time with any offset as nanoseconds since the epoch.

    Raises:
        ValueError: it is none, says no offset, or more than nine digits of a second.

    >>> nanoseconds_of("2026-11-21T11:00:15.000000001+01:00")
    1795255215000000001
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"expected an offset or Z, was {text!r}")
    beyond = _BEYOND_MICROSECONDS.search(text)
    digits = "" if beyond is None else beyond[1]
    if len(digits) > 3:
        raise ValueError(f"expected at most nine digits of a second, was {text!r}")
    since = time.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    whole = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return whole * _MICROSECOND + int(digits.ljust(3, "0"))


def as_asked(text: str) -> str:
    """Return a time of an address as it was meant: a plus sign that was not escaped is a space.

    >>> as_asked("2026-11-21 10:00:15 01:00"), as_asked("2026-11-21T10:00:15 01:00")
    ('2026-11-21T10:00:15+01:00', '2026-11-21T10:00:15+01:00')
    """
    return _BEFORE_TIME.sub("T", text, count=1).replace(" ", "+")
