"""History over REST without a log: pages, streams, down-sampling, and what is refused."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agents.archive.store import Store, open_store
from models.records.bursts import decode_quotes, decode_trades
from models.records.spreads import Spreads, decode_spreads, encode_spreads
from models.records.unpacked import quote_objects, trade_objects
from models.settings import Settings
from models.times import iso_nanoseconds
from services.gateway.documentation import history_schemas
from tests.unit.archive.made import captured_records, made_derived
from tests.unit.gateway.calls import Caller, check_problem
from tests.unit.gateway.made import BTC, ETH, market, spreads
from tests.unit.history.made import HistoryDesk, archive, records_of

_PATH = "/v1/spreads/kraken/BTC-USD/history"
_FORMS = {
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return an empty archive."""
    return open_store(Settings(data_dir=tmp_path))


def second(number: int, **changed: Any) -> bytes:
    """Return the record of a second of two markets."""
    record = decode_spreads(spreads(number, [BTC, ETH], 1.0 + number % 7).value)
    return encode_spreads(msgspec.structs.replace(record, **changed))


def pages(client: Caller, path: str, limit: int) -> list[dict[str, Any]]:
    """Return the rows of all pages."""
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        got = client.get(f"{path}limit={limit}{cursor}")
        assert got.status_code == 200, got.text
        body = got.json()
        rows += body["data"]
        assert len(body["data"]) <= limit
        if body["next"] is None:
            return rows
        cursor = f"&cursor={body['next']}"


def table(client: Caller, path: str, form: str) -> pa.Table:
    """Return a stream as a table."""
    got = client.get(path, headers={"Accept": _FORMS[form]})
    assert got.status_code == 200, got.text
    assert got.headers["content-type"].startswith(_FORMS[form])
    if form == "parquet":
        return pq.read_table(io.BytesIO(got.content))
    return pa.ipc.open_stream(got.content).read_all()


def test_every_form_says_the_same_wherever_a_row_comes_from(store: Store) -> None:
    """Archive and memory overlap; a record that was sent twice is one row."""
    values = [second(number) for number in range(200)]
    archive(store, "spreads", records_of([*values[:120], *values[110:150]]))
    desk = HistoryDesk(store)
    desk.take(market(), *(spreads(n, [BTC, ETH], 1.0 + n % 7) for n in range(140, 200)))
    client = desk.caller()
    expected = [spreads(n, [BTC], 1.0 + n % 7).figures[BTC] for n in range(200)]
    rows = pages(client, f"{_PATH}?", 33)
    assert rows == expected
    msgspec.convert(client.get(_PATH).json(), history_schemas.SpreadHistory, strict=True)
    found = {form: table(client, _PATH, form) for form in ("parquet", "arrow")}
    assert found["parquet"].equals(found["arrow"])
    streamed = found["arrow"].to_pylist()
    assert [row["as_of"].isoformat()[:19] + "Z" for row in streamed] == [
        row["as_of"] for row in rows
    ]
    for name in ("spread", "half_life_n", "stale", "imbalance", "exchange"):
        assert [row[name] for row in streamed] == [row[name] for row in rows]
    shown = [row["windows_15s_mean"] for row in streamed]
    assert shown == [row["windows"]["15s"]["mean"] for row in rows]
    assert [dict(row["reasons"]) for row in streamed] == [row["reasons"] for row in rows]
    text = client.get(_PATH, headers={"Accept": "text/csv"}).text
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [line["as_of"] for line in lines] == [row["as_of"] for row in rows]
    assert [float(line["spread"]) for line in lines] == [row["spread"] for row in rows]
    assert lines[0]["windows_15s_tick_mean"] == ""
    assert msgspec.json.decode(lines[0]["reasons"]) == rows[0]["reasons"]


def test_a_walk_sees_every_row_once_while_rows_are_added(store: Store) -> None:
    """What comes behind is seen too; what was seen is not seen again after a compaction."""
    values = [second(number) for number in range(300)]
    archive(store, "spreads", records_of(values[:100]))
    desk = HistoryDesk(store)
    desk.take(market(), spreads(99, [BTC]))
    client = desk.caller()
    seen: list[str] = []
    cursor, added = "", 100
    while True:
        body = client.get(f"{_PATH}?limit=23{cursor}").json()
        seen += [row["as_of"] for row in body["data"]]
        if added < 300:
            archive(store, "spreads", records_of(values[added : added + 40], added))
            desk.take(*(spreads(n, [BTC]) for n in range(added, added + 40)))
            added += 40
        if body["next"] is None:
            break
        cursor = f"&cursor={body['next']}"
    assert seen == [spreads(n, [BTC]).figures[BTC]["as_of"] for n in range(len(seen))]
    assert len(seen) >= 100


def test_a_range_begins_with_its_start_and_ends_before_its_end(store: Store) -> None:
    archive(store, "spreads", records_of([second(number) for number in range(100)]))
    desk = HistoryDesk(store)
    desk.take(market())
    client = desk.caller()
    span = "start=2026-03-01T12:00:10Z&end=2026-03-01T13:00:20%2B01:00"
    body = client.get(f"{_PATH}?{span}").json()
    written_otherwise = "start=2026-03-01%2012:00:09.000000001Z&end=2026-03-01+13:00:20+01:00"
    assert client.get(f"{_PATH}?{written_otherwise}").json() == body
    assert [row["as_of"][17:19] for row in body["data"]] == [str(n) for n in range(10, 20)]
    assert (body["next"], body["complete_from"], body["gaps"]) == (None, "2026-03-01T12:00:00Z", [])


def test_what_was_lost_is_said(store: Store) -> None:
    """Kafka had deleted offsets before they were archived."""
    archive(store, "spreads", records_of([second(number) for number in range(40)]))
    later = records_of([second(number) for number in range(70, 100)], 70)
    archive(store, "spreads", later)
    desk = HistoryDesk(store)
    desk.take(market())
    client = desk.caller()
    gap = ["2026-03-01T12:00:39Z", "2026-03-01T12:01:10Z"]
    body = client.get(_PATH).json()
    assert len(body["data"]) == 70
    ((begin, until),) = body["gaps"]
    assert (begin[:19], until[:19]) == (gap[0][:19], gap[1][:19])
    got = client.get(_PATH, headers={"Accept": "text/csv"})
    assert msgspec.json.decode(got.headers["cointide-gaps"]) == body["gaps"]
    assert client.get(f"{_PATH}?start=2026-03-01T12:01:10Z").json()["gaps"] == []


@pytest.mark.parametrize("aggregate", ["last", "mean"])
def test_points_rest_on_the_seconds_before_them(store: Store, aggregate: str) -> None:
    """Pandas says the same; a null is passed over, and where all are null the reason stays."""
    values = []
    for number in range(95):
        if number in (33, 34, 39, 40):
            continue
        nothing = number // 10 == 2 or number % 3 == 0
        record = decode_spreads(second(number))
        values.append(
            encode_spreads(
                msgspec.structs.replace(
                    record,
                    z=[None if nothing else number / 7] * 2,
                    mid=[None if number % 5 == 0 else 100.0 + number] * 2,
                    trades_n=[number] * 2,
                    reasons=[{"z": "warming"} if nothing else {}] * 2,
                )
            )
        )
    archive(store, "spreads", records_of(values))
    desk = HistoryDesk(store)
    desk.take(market())
    body = desk.caller().get(f"{_PATH}?interval=10s&aggregate={aggregate}").json()
    assert (body["interval"], body["aggregate"], body["seconds"]) == ("10s", aggregate, 10)
    rows: list[Spreads] = [decode_spreads(value) for value in values]
    frame = pd.DataFrame(
        {
            "as_of": pd.to_datetime([row.as_of for row in rows]),
            "z": pd.array([row.z[0] for row in rows], "float64"),
            "mid": pd.array([row.mid[0] for row in rows], "float64"),
            "trades_n": [row.trades_n[0] for row in rows],
            "low": [row.windows["15s"].min[0] for row in rows],
            "high": [row.windows["15s"].max[0] for row in rows],
        }
    ).set_index("as_of")
    groups = frame.resample("10s", closed="right", label="right")
    count = groups["low"].size()
    # The point at 12:01:40 is not finished.
    ends = [end for end in count.index if count[end] and end <= frame.index[-1]]
    assert [row["rows"] for row in body["data"]] == [count[end] for end in ends]
    assert [row["rows_seen"] for row in body["data"]] == [groups["mid"].count()[e] for e in ends]
    if aggregate == "last":
        last = frame.groupby(pd.DatetimeIndex(frame.index).ceil("10s")).tail(1)
        shown = [pd.Timestamp(row["as_of"]) for row in body["data"]]
        assert shown == list(last.index[: len(ends)])
        assert [row["trades_n"] for row in body["data"]] == list(last["trades_n"][: len(ends)])
        assert pages(desk.caller(), f"{_PATH}?interval=10s&", 2) == body["data"]
        return
    assert [pd.Timestamp(row["as_of"]) for row in body["data"]] == ends
    for row, end in zip(body["data"], ends, strict=True):
        for name in ("z", "mid", "trades_n"):
            expected = groups[name].mean()[end]
            if pd.isna(expected):
                assert row[name] is None
                assert row["reasons"].get(name) == ("warming" if name == "z" else None)
            else:
                assert row[name] == pytest.approx(expected, rel=1e-12)
                assert name not in row["reasons"]
        window = row["windows"]["15s"]
        assert (window["min"], window["max"]) == (
            groups["low"].min()[end],
            groups["high"].max()[end],
        )
    msgspec.convert(body, history_schemas.SpreadHistory, strict=True)


def test_a_feed_has_one_row_a_change(store: Store) -> None:
    """Whatever is said of it in between; the range is that of the changes."""
    ((_, records),) = [each for each in made_derived(100).items() if each[0][0] == "feeds"]
    archive(store, "feeds", records)
    desk = HistoryDesk(store)
    desk.take(market())
    client = desk.caller()
    path = "/v1/feeds/kraken/BTC-USD/history"
    body = client.get(path).json()
    msgspec.convert(body, history_schemas.FeedHistory, strict=True)
    assert [row["since"][14:19] for row in body["data"]] == [
        f"{n // 60:02}:{n % 60:02}" for n in range(0, 100, 4)
    ]
    assert {row["status"] for row in body["data"]} == {"live", "stale"}
    assert pages(client, f"{path}?", 7) == body["data"]
    some = client.get(f"{path}?start=2026-03-01T12:00:05Z&end=2026-03-01T12:00:16Z").json()
    assert [row["since"][17:19] for row in some["data"]] == ["08", "12"]
    assert table(client, path, "arrow").num_rows == 25


@pytest.mark.parametrize("kind", ["quotes", "trades"])
def test_ticks_are_all_there_by_time(store: Store, kind: str) -> None:
    """Of chunks that overlap in time, in every form; the wire's digits beside the number."""
    records = captured_records(every_ms=200)
    for (topic, partition), each in records.items():
        if topic == f"kraken_{kind}":
            archive(store, topic, each, 20, partition)
    desk = HistoryDesk(store)
    desk.take(market())
    client = desk.caller()
    path = f"/v1/markets/kraken/BTC-USD/{kind}"
    decode: Any = decode_quotes if kind == "quotes" else decode_trades
    objects: Any = quote_objects if kind == "quotes" else trade_objects
    expected = sorted(
        (row["time"][:26], record.offset, number, row["bid" if kind == "quotes" else "price"])
        for (topic, _), each in records.items()
        if topic == f"kraken_{kind}"
        for record in each
        for number, row in enumerate(objects(decode(record.value)))
        if row["market"] == BTC
    )
    assert len(expected) > 50
    price = "bid" if kind == "quotes" else "price"
    rows = pages(client, f"{path}?", 89)
    assert [
        (row["time"].removesuffix("Z").ljust(20, ".").ljust(26, "0"), row["offset"], row["row"])
        for row in rows
    ] == [each[:3] for each in expected]
    assert [row[price] for row in rows] == [each[3] for each in expected]
    found = table(client, path, "parquet")
    assert found[price].to_pylist() == [each[3] for each in expected]
    assert found.schema.field("time").type == pa.timestamp("ns", "UTC")
    schema = history_schemas.QuoteTicks if kind == "quotes" else history_schemas.TradeTicks
    msgspec.convert(client.get(path).json(), schema, strict=True)
    times = [time.value for time in found["time"]]
    start, end = (times[place] + 1 for place in (10, 40))
    part = table(
        client, f"{path}?start={iso_nanoseconds(start)}&end={iso_nanoseconds(end)}", "arrow"
    )
    assert [time.value for time in part["time"]] == [t for t in times if start <= t < end]


def test_a_store_that_is_away_is_said_and_everything_else_goes_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 of history alone; ready stays ready and names it; it comes back by itself."""
    archive(store, "spreads", records_of([second(number) for number in range(10)]))
    desk = HistoryDesk(store)
    desk.take(market(), spreads(20, [BTC]))
    client = desk.caller()
    assert client.get("/v1/ready").json() == {"ready": True, "degraded": []}
    with monkeypatch.context() as context:
        context.setattr(Store, "files", _away)
        got = client.get(_PATH)
        check_problem(got, 503, "history-away", _PATH)
        assert int(got.headers["retry-after"]) > 0
        got = client.get(_PATH, headers={"Accept": "text/csv"})
        check_problem(got, 503, "history-away", _PATH)
        assert client.get("/v1/ready").json() == {"ready": True, "degraded": ["archive"]}
        assert client.get("/v1/spreads/kraken/BTC-USD").json()["mid"] is not None
        # What is in memory is there all the same.
        held = client.get(f"{_PATH}?start=2026-03-01T12:00:20Z").json()
        assert [row["as_of"][17:19] for row in held["data"]] == ["20"]
        assert 'outcome="history_away"' in client.get("/metrics").text
    assert len(client.get(_PATH).json()["data"]) == 11
    assert client.get("/v1/ready").json()["degraded"] == []


def _away(*_: object, **__: object) -> Any:
    raise OSError("expected a store, was none")


def test_no_more_reads_than_there_is_room_for(store: Store) -> None:
    desk = HistoryDesk(store, gateway_history_reads=4)
    desk.take(market())
    client = desk.caller()
    reads = desk.gateway.reads
    others = [reads.take(name) for name in ("a", "b", "c", "d")]
    got = client.get(_PATH)
    check_problem(got, 503, "history-busy", _PATH)
    assert got.headers["retry-after"] == "1"
    for release in others:
        release()
    mine = [reads.take("127.0.0.1") for _ in range(2)]
    check_problem(client.get(_PATH), 429, "too-many-reads", _PATH)
    for release in [*mine, *mine]:
        release()
    assert client.get(_PATH).status_code == 200
    assert client.get(_PATH, headers={"Accept": "text/csv"}).status_code == 200
    assert reads.open == 0


@pytest.mark.parametrize(
    ("query", "status", "kind"),
    [
        ("limit=10001", 422, "bad-parameter"),
        ("interval=2s", 422, "bad-parameter"),
        ("aggregate=sum", 422, "bad-parameter"),
        ("cursor=%21", 422, "bad-cursor"),
        ("cursor=MQ.Mg", 422, "bad-cursor"),
        ("start=yesterday", 422, "bad-range"),
        ("start=2026-03-01T12:00:00.0000000001Z", 422, "bad-range"),
        ("since=2026-03-01T12:00:00Z", 422, "unknown-parameter"),
    ],
)
def test_what_is_refused(store: Store, query: str, status: int, kind: str) -> None:
    desk = HistoryDesk(store)
    desk.take(market())
    path = f"{_PATH}?{query}"
    check_problem(desk.caller().get(path), status, kind, path)
    unknown = "/v1/spreads/kraken/NO-USD/history"
    check_problem(desk.caller().get(unknown), 404, "unknown-market", unknown)
    got = desk.caller().get(_PATH, headers={"Accept": "text/html"})
    check_problem(got, 406, "not-acceptable", _PATH)
