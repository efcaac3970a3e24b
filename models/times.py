"""Times as people and the public interface write them."""

from __future__ import annotations

from datetime import UTC, datetime


def iso_seconds(seconds: int) -> str:
    """Return whole seconds since the epoch as ISO-8601 UTC with `Z`.

    >>> iso_seconds(1_700_000_000)
    '2023-11-14T22:13:20Z'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_nanoseconds(nanoseconds: int) -> str:
    """Return nanoseconds since the epoch as ISO-8601 UTC with `Z` and nine fractional digits.

    >>> iso_nanoseconds(1_700_000_000_000_000_001)
    '2023-11-14T22:13:20.000000001Z'
    """
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    return f"{iso_seconds(seconds)[:-1]}.{fraction:09d}Z"
