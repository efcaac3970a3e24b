"""What lies between candles, and which of several bars counts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.archive.store import open_store
from agents.ingestion.candles.client import CandleClient
from agents.ingestion.candles.coinbase import COINBASE
from agents.ingestion.instruments.markets import coinbase_markets
from agents.ingestion.metrics import IngestionMetrics
from models.settings import Settings
from models.times import seconds_of
from services.backfill.candles import Fetched, fetch, planned
from services.backfill.reader import BackfillReader
from services.backfill.store import BackfillStore
from services.history.bar_merging import merged_bars
from services.history.source import Series

DAY = 86_400
START = 20_000 * DAY
(BTC,) = coinbase_markets(
    b'[{"id": "BTC-USD", "base_currency": "BTC", "quote_currency": "USD",'
    b' "quote_increment": "0.01", "base_increment": "0.001"}]'
)


def fetched(settings: Settings, traded: Iterable[int], days: int, status: int = 200) -> Fetched:
    """Backfill from an exchange in whose market these seconds since `START` begin a minute."""

    def answer(request: httpx.Request) -> httpx.Response:
        start, end = (seconds_of(request.url.params[name]) for name in ("start", "end"))
        rows = [[START + t, 9.0, 11.0, 10.0, 10.5, 2.0] for t in traded]
        rows = [row for row in reversed(rows) if start <= row[0] <= end]
        return httpx.Response(status, content=json.dumps(rows))

    async def run() -> Fetched:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
            now = START + (days + 1) * DAY
            client = CandleClient(
                "coinbase",
                COINBASE,
                "http://exchange",
                http,
                IngestionMetrics(),
                lambda *_: None,
                lambda: now * 1_000_000_000,
            )
            (plan,) = planned(COINBASE, [BTC], START, START + days * DAY, now)
            store = BackfillStore(open_store(settings))
            return await fetch(client, store, plan, 60.0, lambda _line: None)

    return asyncio.run(run())


def minutes_in(settings: Settings) -> dict[int, float]:
    """Return the volume of every minute that is kept, by its start since `START`."""
    reader = BackfillReader(open_store(settings))
    return {
        round(row["start"].timestamp()) - START: row["volume"]
        for batch in reader.rows(Series("bars", BTC.market, "1m"), 0, 2**62)
        for row in batch.to_pylist()
    }


def test_minutes_left_out_between_two_candles_had_no_trade_over_midnight_and_empty_days(
    tmp_path: Path,
) -> None:
    """What lies before the first candle and after the last one is not known."""
    settings = Settings(data_dir=tmp_path)
    traded = [DAY - 600, DAY + 600, 3 * DAY + 60]
    found = fetched(settings, traded, 5)
    minutes = minutes_in(settings)
    assert list(minutes) == [*range(traded[0], traded[-1] + 1, 60)]
    assert {start for start, volume in minutes.items() if volume} == set(traded)
    assert (found.first, found.last) == (START + traded[0], START + traded[-1])
    assert (found.minutes, found.days, found.problem) == (len(minutes), 4, None)


@pytest.mark.parametrize(("status", "said"), [(200, "no candle"), (404, "status 404")])
def test_a_market_of_which_nothing_comes_is_a_problem_that_is_said(
    tmp_path: Path, status: int, said: str
) -> None:
    settings = Settings(data_dir=tmp_path)
    found = fetched(settings, [], 2, status)
    assert said in str(found.problem)
    assert minutes_in(settings) == {}


def bars(*rows: tuple[int, float | None, float | None, float], source: str) -> pa.RecordBatch:
    """Return bars: second of `as_of`, price, volume and coverage."""
    columns: dict[str, Any] = {
        "as_of": pa.array(
            [datetime.fromtimestamp(row[0], UTC) for row in rows], pa.timestamp("us", "UTC")
        ),
        "open": pa.array([row[1] for row in rows], pa.float64()),
        "volume": pa.array([row[2] for row in rows], pa.float64()),
        "coverage": pa.array([row[3] for row in rows], pa.float64()),
        "source": [source] * len(rows),
    }
    return pa.record_batch(columns)


def _merged(places: Sequence[Sequence[pa.RecordBatch]]) -> Iterator[pa.RecordBatch]:
    return merged_bars([partial(iter, place) for place in places])


def chosen(*places: Sequence[pa.RecordBatch]) -> list[tuple[int, str]]:
    """Return of every bar that is merged its second and its source."""
    rows = [row for batch in _merged(places) for row in batch.to_pylist()]
    return [(round(row["as_of"].timestamp()), row["source"]) for row in rows]


def test_a_live_bar_wins_then_a_captures_then_a_candles_unless_it_saw_too_little() -> None:
    """Second by second: priced, wholly seen, partly seen, not seen, in one place alone."""
    priced, quiet, partly, unseen = (1.0, 2.0, 0.5), (None, 0.0, 1.0), (None, 0.0, 0.5), None
    live = {1: priced, 2: quiet, 3: partly, 4: unseen, 5: partly, 6: unseen, 7: unseen, 8: partly}
    capture = {1: priced, 2: priced, 3: priced, 4: quiet, 5: partly, 6: unseen}
    rest = {1: priced, 2: priced, 3: priced, 4: priced, 6: priced, 7: unseen, 8: quiet, 9: priced}
    tables = [
        [bars(*((at, *(row or (None, None, 0.0))) for at, row in rows.items()), source=source)]
        for source, rows in (("live", live), ("capture", capture), ("rest", rest))
    ]
    assert chosen(*tables) == [
        (1, "live"),
        (2, "live"),
        (3, "capture"),
        (4, "capture"),
        (5, "live"),
        (6, "rest"),
        (7, "live"),
        (8, "rest"),
        (9, "rest"),
    ]


@given(st.lists(st.lists(st.integers(1, 40), unique=True), min_size=1, max_size=3), st.data())
def test_however_the_places_are_cut_every_bar_comes_once_and_in_order(
    places: list[list[int]], data: st.DataObject
) -> None:
    """Of every second that any place has the first place's bar."""
    streams = []
    for number, seconds in enumerate(places):
        rows = sorted(seconds)
        cuts = sorted(data.draw(st.sets(st.integers(0, len(rows)))))
        parts = [rows[a:b] for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
        streams.append(
            [bars(*((at, 1.0, 1.0, 0.0) for at in part), source=str(number)) for part in parts]
        )
    wanted = {
        at: str(number) for number, seconds in reversed(list(enumerate(places))) for at in seconds
    }
    assert chosen(*streams) == sorted(wanted.items())
