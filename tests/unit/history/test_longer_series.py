"""Bars, indicators and pairs further back than memory reaches: as if it reached back so far."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agents.archive.store import Store, open_store
from models.partition import partition_of
from models.records.correlations import CorrelationBlock
from models.settings import Settings
from services.gateway.documentation import derived_schemas
from services.gateway.records import DerivedRecord
from tests.unit.gateway.calls import Caller, served
from tests.unit.gateway.made import BTC, START, Desk, market
from tests.unit.gateway.made_derived import (
    TABLE,
    bars,
    blocks,
    indicators,
    returns,
    value_of,
)
from tests.unit.history.made import PARTITIONS, HistoryDesk, archive, records_of

_MINUTES = 700
_HELD = 60
_COINBASE = "coinbase:BTC-USD"
_ARROW = {"Accept": "application/vnd.apache.arrow.stream"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return an empty archive."""
    return open_store(Settings(data_dir=tmp_path))


def records() -> Iterator[DerivedRecord]:
    """Yield bars of two markets, with a hole, a minute published anew and a record sent twice."""
    random = np.random.default_rng(3)
    for minute in range(_MINUTES):
        if 200 <= minute < 205:
            continue
        price = 100.0 + float(random.normal())
        yield bars(minute, {BTC: None if minute % 11 == 0 else price})
        if minute >= 300:
            yield bars(minute, {_COINBASE: price + 0.5})
        if minute == 150:
            yield bars(140, {BTC: 77.0})
        if minute % 50 == 0:
            yield bars(minute, {BTC: None if minute % 11 == 0 else price})


def both(store: Store) -> tuple[Caller, Caller]:
    """Return a gateway with everything in memory, and one with an hour there, an archive behind."""
    every = list(records())
    archive(store, "bars", records_of(value_of(record) for record in every[:-5]), 600)
    whole, short = Desk(), HistoryDesk(store)
    for desk, taken in ((whole, every), (short, every[-2 * _HELD :])):
        desk.take(market(), market(_COINBASE), *taken)
    return served(whole), short.caller()


@pytest.mark.parametrize(
    "query", ["exchange=kraken", "exchange=coinbase", "quote=USD", "exchange=kraken&limit=7"]
)
def test_bars_are_those_that_memory_would_have(store: Store, query: str) -> None:
    """Of a market and of a composite, page by page and as a stream."""
    whole, short = both(store)
    path = f"/v1/coins/BTC/bars?start=2026-03-01T12:03:00Z&{query}"
    expected = whole.get(path).json()
    found = short.get(path).json()
    assert [_plain(row) for row in found["data"]] == [_plain(row) for row in expected["data"]]
    assert len(found["data"]) in (7, 400, _MINUTES - 8)
    assert (found["next"] is None) == (expected["next"] is None)
    assert found["gaps"] == []
    msgspec.convert(found, derived_schemas.BarList, strict=True)
    following = short.get(f"{path}&cursor={found['next']}") if found["next"] else None
    if following is not None:
        again = whole.get(f"{path}&cursor={expected['next']}").json()
        assert following.json()["data"] == again["data"]
    streamed = pa.ipc.open_stream(short.get(path, headers=_ARROW).content).read_all()
    assert streamed["close"].to_pylist() == [row["close"] for row in expected["data"]]
    assert streamed["volume"].to_pylist() == [row["volume"] for row in expected["data"]]


def test_a_composite_of_the_archive_has_its_indicators(store: Store) -> None:
    """Over the same bars as those of memory: figures near the begin of a window of reading too."""
    whole, short = both(store)
    path = "/v1/coins/BTC/indicators?start=2026-03-01T12:01:00Z&limit=10000"
    expected = whole.get(path).json()["data"]
    found = short.get(path).json()
    assert len(found["data"]) == len(expected) > 600
    for row, wanted in zip(found["data"], expected, strict=True):
        for name, value in wanted.items():
            if isinstance(value, float) and name != "coverage":
                assert row[name] == pytest.approx(value, rel=1e-12)
            elif name not in ("stale", "reasons"):
                assert row[name] == value
    msgspec.convert(found, derived_schemas.IndicatorList, strict=True)


def test_a_market_has_its_archived_indicators(store: Store) -> None:
    every = [indicators(minute) for minute in range(200)]
    archive(store, "indicators", records_of(value_of(record) for record in every), 600)
    whole, short = Desk(), HistoryDesk(store)
    whole.take(market(), *every)
    short.take(market(), *every[-5:])
    path = "/v1/coins/BTC/indicators?exchange=kraken&start=2026-03-01T12:00:00Z"
    expected, found = served(whole).get(path).json(), short.caller().get(path).json()
    assert [_plain(row) for row in found["data"]] == [_plain(row) for row in expected["data"]]
    assert len(found["data"]) == 200


def test_bars_are_read_where_memory_has_none(store: Store) -> None:
    """A market that has gone: the archive alone knows when it ended."""
    every = list(records())
    archive(store, "bars", records_of(value_of(record) for record in every), 600)
    desk = HistoryDesk(store)
    desk.take(market())
    path = "/v1/coins/BTC/bars?exchange=kraken"
    got = desk.caller().get(path, headers={"Accept": "application/vnd.apache.parquet"})
    found = pq.read_table(io.BytesIO(got.content))
    assert found.num_rows == _MINUTES - 5
    assert got.headers["cointide-complete-from"] == "2026-03-01T12:01:00Z"
    assert found["close"].to_pylist()[140] == 77.0


def test_a_pair_has_the_correlations_that_memory_would_have(store: Store) -> None:
    """From archived returns by the same code; a day and a half at ten seconds is joined from parts.

    What was published of late stands as it was.
    """
    steps, held = 3_000, 500
    random = np.random.default_rng(7)
    a = random.normal(0, 1e-3, steps)
    b = 0.6 * a + random.normal(0, 1e-3, steps)
    a[50:60] = np.nan
    every = [
        returns(
            10 * step,
            {"BTC": 1.0, "ETH": 1.0},
            [None if np.isnan(x) else float(x) for x in (a[step], b[step])],
        )
        for step in range(steps)
    ]
    partition = partition_of(TABLE, PARTITIONS)
    archive(store, "returns", records_of(map(value_of, every[:-100])), 600, partition)
    published = blocks(10 * (steps - 6), ["BTC", "ETH"], [[1.0, 0.25], [0.25, 1.0]])
    whole, short = Desk(), HistoryDesk(store)
    whole.take(*every, *published)
    short.take(*every[-held:], *published)
    path = "/v1/correlations/BTC/ETH/history?start=2026-03-01T12:00:00Z&interval=1m"
    in_memory = served(whole)
    expected = in_memory.get(path).json()
    client = short.caller()
    found = client.get(path).json()
    assert len(found["data"]) == steps // 6
    assert [row["n"] for row in found["data"]] == [row["n"] for row in expected["data"]]
    for row, wanted in zip(found["data"], expected["data"], strict=True):
        for name, value in wanted.items():
            if isinstance(value, float):
                assert row[name] == pytest.approx(value, abs=1e-12)
            else:
                assert row[name] == value
    assert found["complete_from"] == expected["complete_from"]
    assert found["data"][-1]["correlation"] == 0.25
    msgspec.convert(found, derived_schemas.PairHistory, strict=True)
    first = client.get(f"{path}&limit=300").json()
    second = client.get(f"{path}&limit=300&cursor={first['next']}").json()
    assert first["data"] + second["data"] == found["data"]
    # A walk goes on in another replica, or after a restart: one has all of it in memory.
    for one, other in ((client, in_memory), (in_memory, client)):
        first = one.get(f"{path}&limit=300").json()
        second = other.get(f"{path}&limit=300&cursor={first['next']}").json()
        seen = [row["as_of"] for row in first["data"] + second["data"]]
        assert seen == [row["as_of"] for row in found["data"]]
    streamed = pa.ipc.open_stream(client.get(path, headers=_ARROW).content).read_all()
    assert streamed["correlation"].to_pylist() == [row["correlation"] for row in found["data"]]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row without what only the newest can say: that the line is late."""
    reasons = {name: why for name, why in row["reasons"].items() if why != "line_delayed"}
    return row | {"reasons": reasons, "stale": None}


def test_other_methods_have_the_matrices_that_are_kept(store: Store) -> None:
    """Of every minute the last one; what is in memory goes before."""
    name = "1h.60s.spearman"
    every = {
        second: blocks(
            second, ["BTC", "ETH"], [[1.0, second / 1_000], [second / 1_000, 1.0]], table=name
        )
        for second in range(0, 600, 10)
    }
    asked: list[tuple[int, int]] = []

    def kept(table: str, start: int, end: int) -> Iterator[list[CorrelationBlock]]:
        assert table == name
        asked.append((start, end))
        for second in range(50, 600, 60):
            minute = (START + second - 50) * 1_000_000_000
            if start <= minute < end:
                yield [cast(CorrelationBlock, record.value) for record in every[second]]

    desk = HistoryDesk(store)
    assert desk.gateway.history is not None
    desk.gateway.history = msgspec.structs.replace(desk.gateway.history, matrices=kept)
    for second in range(360, 600, 10):
        desk.take(*every[second])
    path = "/v1/correlations/BTC/ETH/history?method=spearman&start=2026-03-01T12:00:00Z"
    client = desk.caller()
    found = client.get(path).json()
    seconds = [*range(50, 360, 60), *range(360, 600, 60)]
    assert [row["correlation"] for row in found["data"]] == [n / 1_000 for n in seconds]
    assert found["complete_from"] == "2026-03-01T12:00:50Z"
    first = client.get(f"{path}&limit=4").json()
    second_page = client.get(f"{path}&limit=40&cursor={first['next']}").json()
    assert first["data"] + second_page["data"] == found["data"]
    fives = client.get(f"{path}&interval=5m").json()["data"]
    assert [row["correlation"] for row in fives] == [n / 1_000 for n in (290, 590)]
    assert client.get("/v1/correlations/BTC/ETH/history?method=spearman&limit=1").json()["data"]
    assert asked
