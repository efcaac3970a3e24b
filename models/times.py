"""Times as people and the public interface write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


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


def iso_microseconds(nanoseconds: int) -> str:
    """Return nanoseconds since the epoch as the public interface writes times.

    Without a fraction where whole, else microseconds, rounded down.

    >>> iso_microseconds(1_700_000_000_500_000_999), iso_microseconds(1_700_000_000_000_000_999)
    ('2023-11-14T22:13:20.500000Z', '2023-11-14T22:13:20Z')
    """
    seconds, fraction = divmod(nanoseconds // 1_000, 1_000_000)
    whole = iso_seconds(seconds)
    return f"{whole[:-1]}.{fraction:06d}Z" if fraction else whole


def seconds_of(text: str) -> int:
    """Return a whole second since the epoch from what `iso_seconds` gives.

    Raises:
        ValueError: the text is no whole second in UTC.

    >>> seconds_of("2023-11-14T22:13:20Z")
    1700000000
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None or time.utcoffset() or time.microsecond:
        raise ValueError(f"expected a whole second in UTC, was {text!r}")
    return int(time.timestamp())


def microseconds_of(text: str) -> int:
    """Return microseconds since the epoch from what any of these functions gives, rounded down.

    Raises:
        ValueError: the text is no time in UTC.

    >>> microseconds_of("2023-11-14T22:13:20.500000Z")
    1700000000500000
    """
    time = datetime.fromisoformat(text)
    if time.utcoffset() != timedelta(0):
        raise ValueError(f"expected a time in UTC, was {text!r}")
    whole = int(time.replace(microsecond=0).timestamp())
    return whole * 1_000_000 + time.microsecond
