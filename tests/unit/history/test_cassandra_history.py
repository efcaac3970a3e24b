"""What the reader asks Cassandra for; that the answers are right, `tests/integration` shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agents.archive.cassandra.session import CassandraSession
from models.archive.derived_tables import derived_rows
from models.archive.packing import pack, rows_of_markets
from models.errors import StoreError
from models.settings import Settings
from services.history.cassandra import CassandraHistory
from services.history.source import Series, Span
from tests.unit.gateway.made import BTC, START, spreads

_SECOND = 1_000_000_000
_DAY = 86_400
_SPREADS = Series("spreads", BTC)


class RecordedSession:
    """A session that keeps what it is asked for; it knows progress and one minute."""

    def __init__(self, first: int, last: int) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self._progress = SimpleNamespace(first_time=first * 10**6, last_time=last * 10**6)

    def prepare(self, cql: str) -> str:
        """Return the text itself."""
        return cql

    def execute(self, _cql: str, parameters: Sequence[object]) -> list[Any]:
        """Answer what is asked of progress."""
        return [self._progress] if parameters[2] in ("kraken", "kraken|1d") else []

    def pages(self, _cql: str, parameters: Sequence[object], _size: int) -> Iterator[list[Any]]:
        """Answer with the first minute after START, whichever is asked for; there are no bars."""
        self.asked.append(tuple(parameters))
        if parameters[0] != BTC:
            return
        records = [derived_rows("spreads", at, spreads(at).value) for at in range(60)]
        yield [SimpleNamespace(packed=pack(rows_of_markets(records)[BTC]))]


def history_of(session: RecordedSession, now: int = START, **settings: Any) -> CassandraHistory:
    """Return a reader of this session."""
    return CassandraHistory(
        Settings(**settings), lambda _: cast(CassandraSession, session), lambda: now
    )


def test_a_range_over_days_is_read_partition_by_partition_in_order() -> None:
    """Bounds are whole minutes; rows beside the range are left out."""
    session = RecordedSession(START - 2 * _DAY, START + 60)
    history = history_of(session)
    rows = list(history.rows(_SPREADS, (START - _DAY + 61) * _SECOND, (START + 5) * _SECOND))
    first = START - _DAY + 60
    midnight = START - START % _DAY
    assert session.asked == [
        (BTC, date(2026, 2, 28), first * 1_000, midnight * 1_000),
        (BTC, date(2026, 3, 1), midnight * 1_000, (START + 5) * 1_000),
    ]
    assert [batch.num_rows for batch in rows] == [5, 5]


def test_a_bar_lies_in_the_month_of_its_start() -> None:
    session = RecordedSession(START - 60 * _DAY, START)
    history = history_of(session, cassandra_bars_ttl_days=0)
    begin = START - START % _DAY
    series = Series("bars", BTC, "1d")
    assert list(history.rows(series, begin * _SECOND, (begin + 1) * _SECOND)) == []
    least = (begin - _DAY) * 1_000
    assert session.asked == [("BTC", "1d", date(2026, 2, 1), BTC, least, least + 1_000)]


def test_what_is_older_than_cassandra_keeps_is_in_no_span() -> None:
    session = RecordedSession(START - 10 * _DAY, START)
    kept = history_of(session, cassandra_ttl_days=7)
    assert kept.span(_SPREADS) == Span((START - 7 * _DAY) * _SECOND, START * _SECOND)
    forever = history_of(session, cassandra_ttl_days=0)
    assert forever.span(_SPREADS) == Span((START - 10 * _DAY) * _SECOND, START * _SECOND)
    assert history_of(session, START + 8 * _DAY, cassandra_ttl_days=7).span(_SPREADS) is None
    assert forever.span(Series("spreads", "binance:BTC-USDT")) is None


def test_while_cassandra_is_away_it_is_not_tried_at_every_request() -> None:
    tries = []

    def connect(_settings: Settings) -> CassandraSession:
        tries.append(1)
        raise StoreError("expected Cassandra to answer")

    history = CassandraHistory(Settings(), connect)
    for _ in range(3):
        with pytest.raises(StoreError):
            history.span(_SPREADS)
    assert len(tries) == 1
