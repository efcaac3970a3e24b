"""What is archived of a chunk: files from which its records can be made again."""

from __future__ import annotations

import io
import math
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.archive.chunks import ArchivedRecord, Chunk
from models.archive.prices import shortest_decimal
from models.archive.rendering import Rendered, file_path, render, source_of
from models.archive.tick_tables import bursts_of_tables
from models.errors import InvariantError
from models.records.bursts import (
    QuoteBurst,
    TradeBurst,
    Unseen,
    decode_quotes,
    encode_burst,
)
from models.records.reference import decode_feed
from models.records.unpacked import unpack
from tests.unit.archive.made import captured_records, chunks_of, made_derived

_MARKETS = ["kraken:BTC-USD", "kraken:ETH-USD", "kraken:A.B-C-USDT"]


def tables(rendered: Rendered) -> dict[str, pa.Table]:
    """Return what the files of a chunk hold."""
    return {
        file.kind: pq.read_table(io.BytesIO(rendered.contents[file.path]))
        for file in rendered.entry.files
    }


def values_again(chunk: Chunk, rendered: Rendered) -> list[tuple[int, int, bytes]]:
    """Return offset, timestamp and value of the records that the files hold."""
    found = tables(rendered)
    exchange, kind = source_of(chunk.topic)
    if "bursts" not in found:
        return []
    again = bursts_of_tables(
        kind,
        exchange,
        chunk.partition,
        found["bursts"],
        found.get(kind),
        found.get("unseen"),
    )
    return [(each.offset, each.timestamp, encode_burst(each.burst)) for each in again]


def as_read(chunk: Chunk) -> list[tuple[int, int, bytes]]:
    """Return offset, timestamp and value of the records of a chunk."""
    return [(each.offset, each.timestamp, each.value or b"") for each in chunk.records]


def test_captured_records_are_made_again_byte_for_byte() -> None:
    """Every burst of the committed captures, out of the Parquet files of its chunk."""
    for (topic, partition), records in captured_records().items():
        for chunk in chunks_of(topic, partition, records):
            rendered = render(chunk)
            assert rendered.refused == []
            assert values_again(chunk, rendered) == as_read(chunk)


def column(kind: str, count: int, values: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """A column of a burst."""
    return st.lists(values, min_size=count, max_size=count).map(
        lambda drawn: np.array(drawn, kind).tobytes()
    )


@st.composite
def bursts(draw: st.DrawFn, kind: str) -> bytes:
    """A burst of chance as a Kafka value, of kraken and partition 1."""
    count = draw(st.integers(0, 6))
    times = st.integers(0, 2**63 - 1)
    price = st.floats(allow_infinity=False, allow_nan=False)
    side = st.one_of(price, st.just(math.nan))
    markets = draw(st.permutations(_MARKETS))[: draw(st.integers(1, 3))]
    rows: dict[str, Any] = {
        "market": draw(column("<u2", count, st.integers(0, len(markets) - 1))),
        "time": draw(column("<i8", count, times)),
        "receive_time": draw(column("<i8", count, times)),
        "own_time": draw(column("<i8", count, times)),
        "flags": draw(column("u1", count, st.integers(0, 255))),
    }
    if kind == "quotes":
        for name in ("bid", "bid_size", "ask", "ask_size"):
            rows[name] = draw(column("<f8", count, side))
    else:
        for name in ("price", "size"):
            rows[name] = draw(column("<f8", count, price))
        rows["side"] = draw(column("i1", count, st.sampled_from([1, -1])))
        rows["trade_id"] = draw(column("<i8", count, st.integers(-(2**63), 2**63 - 1)))
    unseen = st.builds(
        Unseen,
        st.sampled_from(["*", *_MARKETS]),
        times,
        times,
        st.sampled_from(["gap", "stale", "down"]),
    )
    struct = QuoteBurst if kind == "quotes" else TradeBurst
    return encode_burst(
        struct(
            version=1,
            exchange="kraken",
            partition=1,
            epoch=draw(st.integers(0, 2**40)),
            clock=draw(times),
            markets=list(markets),
            unseen=draw(st.lists(unseen, max_size=3)),
            **rows,
        )
    )


@settings(deadline=None)
@given(st.data(), st.sampled_from(["quotes", "trades"]))
def test_any_bursts_are_made_again_byte_for_byte(data: st.DataObject, kind: str) -> None:
    """Columns of chance, late ticks and missing sides among them, with records nobody can read."""
    values = data.draw(st.lists(st.one_of(bursts(kind), st.none(), st.binary()), max_size=6))
    values.append(data.draw(bursts(kind)))
    records = [
        ArchivedRecord(7 + 2 * place, 1_000 * place, None, value)
        for place, value in enumerate(values)
    ]
    chunk = Chunk(f"kraken_{kind}", 1, 0, 7, records)
    rendered = render(chunk)
    again = render(chunk)
    assert (rendered.entry, rendered.contents) == (again.entry, again.contents)
    refused = {each.record.offset for each in rendered.refused}
    assert refused == {each.offset for each in rendered.entry.undecodable}
    assert values_again(chunk, rendered) == [row for row in as_read(chunk) if row[0] not in refused]
    assert rendered.entry.records == len(records)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_price_reads_as_the_price_and_is_no_longer_than_it_must_be(
    price: float,
) -> None:
    text = shortest_decimal(price)
    assert float(text) == price
    assert "e" not in text
    mantissa = repr(price).partition("e")[0].replace(".", "").strip("-").strip("0")
    assert text.replace(".", "").strip("-").strip("0") == mantissa


@pytest.mark.parametrize("wire", ["64210.1", "0.00000012", "100", "0.1", "1234567.89012345"])
def test_the_text_of_a_price_is_that_of_the_wire(wire: str) -> None:
    assert shortest_decimal(float(wire)) == wire


def test_ticks_are_sorted_by_market_time_offset_and_row() -> None:
    for (topic, partition), records in captured_records().items():
        kind = source_of(topic)[1]
        for chunk in chunks_of(topic, partition, records):
            found = tables(render(chunk)).get(kind)
            if found is None:
                continue
            keys = list(
                zip(
                    found["market"].to_pylist(),
                    found["time"].cast(pa.int64()).to_pylist(),
                    found["offset"].to_pylist(),
                    found["row"].to_pylist(),
                    strict=True,
                )
            )
            assert keys == sorted(keys)
            assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    "change",
    [
        {"exchange": "binance"},
        {"partition": 2},
        {"clock": 2**63},
        {"markets": ["no market"]},
        {"markets": ["kraken:BTC-USD", "kraken:BTC-USD"]},
        {"unseen": [Unseen("nothing", 1, 2, "gap")]},
        {"unseen": [Unseen("*", 1, 2**64 - 1, "gap")]},
    ],
)
def test_a_burst_that_does_not_belong_there_is_refused(change: dict[str, Any]) -> None:
    """It is read, yet the files could not say what it was."""
    value = captured_records()["kraken_quotes", 0][0].value
    burst = msgspec.structs.replace(decode_quotes(value), **change)
    record = ArchivedRecord(0, 0, None, encode_burst(burst))
    rendered = render(Chunk("kraken_quotes", 0, 0, 0, [record]))
    assert [each.error.reason for each in rendered.refused] == ["undecodable_record"]
    assert rendered.contents == {}
    assert rendered.entry.records == 1


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """Return a public object with `.` as `_`."""
    windows = row.pop("windows", {})
    return row | {
        f"windows_{label}_{name}": value
        for label, window in windows.items()
        for name, value in window.items()
    }


@pytest.mark.parametrize("topic", ["spreads", "bars", "indicators"])
def test_derived_rows_are_what_the_public_interface_shows(topic: str) -> None:
    """The same fields, the same values; times are timestamps."""
    ((_, records),) = [each for each in made_derived(20).items() if each[0][0] == topic]
    chunk = Chunk(topic, 2, 0, 0, records)
    found = tables(render(chunk))[topic]
    for name in ("start", "as_of", "first_trade", "last_trade"):
        if name in found.column_names:
            at = found.column_names.index(name)
            unit = 1 if name.endswith("trade") else 1_000
            nanoseconds = [
                None if each is None else each * unit
                for each in found[name].cast(pa.int64()).to_pylist()
            ]
            found = found.set_column(at, name, pa.array(nanoseconds, pa.int64()))
    expected = [
        flat(row)
        for record in records
        for row in unpack(topic, record.value or b"")  # type: ignore[arg-type]
    ]
    for row in expected:
        for name in ("start", "as_of", "first_trade", "last_trade"):
            if row.get(name) is not None:
                row[name] = int(np.datetime64(row[name].removesuffix("Z"), "ns").astype(np.int64))
    shown = sorted(found.to_pylist(), key=lambda row: (row["offset"], row["row"]))
    for row in shown:
        row["reasons"] = dict(row["reasons"])
        del row["offset"], row["row"]
    assert shown == expected


def test_returns_have_one_row_a_coin() -> None:
    ((_, records),) = [each for each in made_derived(2).items() if each[0][0] == "returns"]
    rows = tables(render(Chunk("returns", 2, 0, 0, records)))["returns"].to_pylist()
    assert [(row["coin"], row["price"], row["offset"]) for row in rows] == [
        ("BTC", 100.0, 0),
        ("BTC", 100.0, 1),
        ("ETH", None, 0),
        ("ETH", None, 1),
    ]


def test_a_feed_is_a_row_and_rows_of_a_market_stand_together() -> None:
    """Sorted by market and time, whatever the order of the log; every field of the record."""
    ((_, records),) = [each for each in made_derived(4).items() if each[0][0] == "feeds"]
    found = tables(render(Chunk("feeds", 2, 0, 0, records)))["feeds"].to_pylist()
    assert [(row["market"], row["offset"]) for row in found] == [
        ("kraken:BTC-USD", 0),
        ("kraken:BTC-USD", 2),
        ("kraken:ETH-USD", 1),
        ("kraken:ETH-USD", 3),
    ]
    for row in found:
        record = decode_feed(records[row["offset"]].value or b"")
        for name in ("status", "quotes", "last_price", "clock_skew_ms", "epoch", "coin"):
            assert row[name] == getattr(record, name)
        for name in ("since", "as_of", "last_frame"):
            assert row[name].isoformat().replace("+00:00", "Z") == getattr(record, name)
    assert file_path("feeds", "feeds", 1_772_366_400, "p").startswith("feeds/date=2026-03-01/")


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{}",
        (
            b'{"v":1,"table":"t","as_of":"2026-01-01T00:00:00Z","coins":["A"],"price":[],'
            b'"quote_currency":["USD"],"venues":[1],"log_return":[0.0],"masked":[],"source":"live"}'
        ),
        (
            b'{"v":1,"table":"t","as_of":"yesterday","coins":[],"price":[],'
            b'"quote_currency":[],"venues":[],"log_return":[],"masked":[],"source":"live"}'
        ),
        (
            b'{"v":1,"table":"t","as_of":"2026-01-01T00:00:00Z","coins":["A"],"price":[1.0],'
            b'"quote_currency":["USD"],"venues":[9223372036854775808],"log_return":[0.0],'
            b'"masked":[],"source":"live"}'
        ),
    ],
)
def test_a_derived_record_that_is_none_is_refused(value: bytes | None) -> None:
    rendered = render(Chunk("returns", 0, 0, 0, [ArchivedRecord(3, 0, None, value)]))
    assert [(each.offset, each.reason) for each in rendered.entry.undecodable] == [
        (3, "undecodable_record")
    ]


def test_one_record_that_is_none_takes_no_other_with_it() -> None:
    ((_, records),) = [each for each in made_derived(3).items() if each[0][0] == "returns"]
    wrong = (records[1].value or b"").replace(b'"venues":[2,', b'"venues":[9223372036854775808,')
    assert wrong != records[1].value
    late = (records[2].value or b"").replace(b'"as_of":"2026', b'"as_of":"9026')
    records[1:] = [
        msgspec.structs.replace(records[1], value=wrong),
        msgspec.structs.replace(records[2], value=late),
    ]
    rendered = render(Chunk("returns", 2, 0, 0, records))
    assert sorted(each.offset for each in rendered.entry.undecodable) == [1, 2]
    assert tables(rendered)["returns"]["offset"].to_pylist() == [0, 0]


def test_a_file_lies_below_its_kind_exchange_date_and_hour() -> None:
    assert file_path("kraken_quotes", "bursts", 1_772_366_400, "p") == (
        "bursts/kind=quotes/exchange=kraken/date=2026-03-01/hour=12/p.parquet"
    )
    assert file_path("kraken_trades", "trades", 1_772_366_400, "p") == (
        "trades/exchange=kraken/date=2026-03-01/hour=12/p.parquet"
    )
    assert file_path("bars", "bars", 1_772_366_400, "p") == "bars/date=2026-03-01/hour=12/p.parquet"


def test_another_topic_is_no_tick_topic() -> None:
    with pytest.raises(InvariantError):
        source_of("feeds")
