"""Times as the gateway takes them."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from cointide_client.errors import TimeError

Time = datetime | str
"""A moment with a zone: datetime, pandas Timestamp (which is one) or ISO-8601 text."""


def timestamp(time: Time) -> pd.Timestamp:
    """Return a moment in UTC.

    Raises:
        TimeError: it says no zone, or it is no time.

    >>> timestamp("2026-11-21T11:00:15+01:00")
    Timestamp('2026-11-21 10:00:15+0000', tz='UTC')
    """
    try:
        found = pd.Timestamp(time)
    except (ValueError, TypeError) as error:
        raise TimeError(f"expected a time, was {time!r}") from error
    if not isinstance(found, pd.Timestamp):
        raise TimeError(f"expected a time, was {time!r}")
    if found.tz is None:
        raise TimeError(
            f"expected a time that says its zone, as 2026-11-21T10:00:00Z, was {time!r}"
        )
    return found.tz_convert("UTC")


def iso(time: Time) -> str:
    """Return a moment as ISO-8601 UTC with `Z`, to the nanosecond, which ticks have.

    Raises:
        TimeError: it says no zone, or it is no time.

    >>> iso("2026-11-21T11:00:15.5+01:00")
    '2026-11-21T10:00:15.500000Z'
    """
    found = timestamp(time)
    text = found.strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{found.microsecond:06d}" if found.microsecond or found.nanosecond else ""
    digits = f"{found.nanosecond:03d}" if found.nanosecond else ""
    return f"{text}{fraction}{digits}Z"
