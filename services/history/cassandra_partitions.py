"""Where a range of a series lies in Cassandra: the query, and the partitions it goes through."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from models.archive.series_cutting import MINUTE_US
from models.archive.series_rows import HOUR_US, SECOND_US, day_of, hour_of, month_of
from models.errors import StoreError
from models.markets import coin_of
from models.records.bars import INTERVAL_SECONDS
from models.topics import FEEDS, RETURNS, SPREADS
from services.history.source import Series

_US = 1_000
_DAY_US = 24 * HOUR_US


class Part(msgspec.Struct, frozen=True):
    """One partition of a table, and the bounds of its clustering key, the last one exclusive."""

    key: tuple[object, ...]
    least: int
    until: int


def asked(series: Series, least: int, until: int) -> tuple[str, Sequence[Part]]:
    """Return the query of a range of microseconds, and the partitions that it goes through."""
    if series.interval is not None:
        length = INTERVAL_SECONDS[_interval(series.interval)] * SECOND_US
        cql = (
            f"SELECT packed FROM {series.topic} "  # noqa: S608 - one of two names
            "WHERE coin = ? AND interval = ? AND month = ? AND market = ? "
            "AND start >= ? AND start < ?"
        )
        return cql, _months(series, least - length, until - length)
    column = {SPREADS.name: "minute", RETURNS.name: "as_of", FEEDS.name: "since"}[series.topic]
    name = "table_id = ? AND hour" if series.topic == RETURNS.name else "market = ? AND day"
    cql = (
        f"SELECT packed FROM {series.topic} "  # noqa: S608 - names of ours
        f"WHERE {name} = ? AND {column} >= ? AND {column} < ?"
    )
    if series.topic == SPREADS.name:
        least -= least % MINUTE_US
    if series.topic == FEEDS.name:
        # A change that was first told later than it was.
        return cql, _days(series.key, least - _DAY_US, until, 1)
    if series.topic == RETURNS.name:
        return cql, hours_of(series.key, least, until)
    return cql, _days(series.key, least, until, _US)


def _days(key: str, least: int, until: int, unit: int) -> list[Part]:
    """Return the days of a range; bounds are in so many microseconds."""
    parts = []
    day = day_of(least)
    while (begin := _microseconds(day)) < until:
        after = day + timedelta(days=1)
        parts.append(
            Part(
                (key, day),
                -(-max(least, begin) // unit),
                -(-min(until, _microseconds(after)) // unit),
            )
        )
        day = after
    return parts


def hours_of(key: str, least: int, until: int) -> list[Part]:
    """Return the hours of a range of microseconds; bounds are in milliseconds."""
    return [
        Part(
            (key, hour_of(begin)),
            -(-max(least, begin) // _US),
            -(-min(until, begin + HOUR_US) // _US),
        )
        for begin in range(least - least % HOUR_US, until, HOUR_US)
    ]


def _months(series: Series, least: int, until: int) -> list[Part]:
    parts = []
    month = month_of(least)
    while _microseconds(month) < until:
        key = coin_of(series.key), series.interval, month, series.key
        parts.append(Part(key, -(-least // _US), -(-until // _US)))
        month = (month + timedelta(days=31)).replace(day=1)
    return parts


def _microseconds(day: date) -> int:
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return int(begin.timestamp()) * SECOND_US


def _interval(text: str) -> Any:
    if text not in INTERVAL_SECONDS:
        raise StoreError(f"expected an interval out of {', '.join(INTERVAL_SECONDS)}, was {text}")
    return text
