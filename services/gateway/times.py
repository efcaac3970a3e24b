"""Times as requests and records write them."""

from __future__ import annotations

from datetime import UTC, datetime

_MICROSECOND = 1_000


def nanoseconds_of(text: str) -> int:
    """Return an ISO-8601 time with any offset as nanoseconds since the epoch.

    Raises:
        ValueError: it is none, or says no offset.

    >>> nanoseconds_of("2026-11-21T11:00:15+01:00")
    1795255215000000000
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"expected an offset or Z, was {text!r}")
    since = time.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * _MICROSECOND
