"""Candles as the vendors document them: requests out, minutes in, anything else refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agents.ingestion.candles import binance, coinbase, kraken
from agents.ingestion.candles.minutes import Minute, candles_of
from agents.ingestion.candles.warm_start import INTERFACES
from models.errors import InputError
from models.records.candles import decode_candles, encode_candles

NS = 1_000_000_000
DAY = 24 * 60

# The shapes of the vendors' pages, with the times moved to whole minutes.
BINANCE = [
    [1499040000000, "0.01634790", "0.80000000", "0.01575800", "0.01577100", "148976.11427815",
     1499040059999, "2434.19055334", 308, "1756.87402397", "28.46694368", "0"],
    [1499040060000, "0.01577100", "0.01577100", "0.01577100", "0.01577100", "0.00000000",
     1499040119999, "0.00000000", 0, "0.00000000", "0.00000000", "0"],
]  # fmt: skip
COINBASE = [[1415398800, 0.32, 4.2, 0.35, 4, 12.3], [1415398740, 0.32, 0.4, 0.35, 0.35, 1]]
KRAKEN = {
    "error": [],
    "result": {
        "XXBTZUSD": [
            [1688671200, "30306.1", "30306.2", "30305.7", "30305.7", "30306.1", "3.39243896", 23],
            [1688671260, "30304.5", "30304.5", "30304.5", "30304.5", "0.0", "0.00000000", 0],
        ],
        "last": 1688671200,
    },
}


def body(content: object) -> bytes:
    """Return an answer."""
    return json.dumps(content).encode()


def test_binances_rows_bring_quote_volume_and_count_and_a_quiet_minute_is_a_row() -> None:
    first, second = binance.read(body(BINANCE))
    assert first == Minute(
        1499040000, 0.0163479, 0.8, 0.015758, 0.015771, 148976.11427815, 2434.19055334, 308
    )
    assert (second.start, second.volume, second.quote_volume, second.trades) == (
        1499040060, 0.0, 0.0, 0
    )  # fmt: skip


def test_coinbases_rows_are_low_high_open_close_and_tell_no_quote_volume() -> None:
    first, second = coinbase.read(body(COINBASE))
    assert first == Minute(1415398800, 0.35, 4.2, 0.32, 4.0, 12.3, None, None)
    assert second.start == 1415398740


def test_krakens_quote_volume_is_its_mean_price_times_volume() -> None:
    first, second = kraken.read(body(KRAKEN))
    assert first.quote_volume == pytest.approx(30306.1 * 3.39243896)
    assert (first.open, first.high, first.low, first.close) == (30306.1, 30306.2, 30305.7, 30305.7)
    assert first.trades == 23
    assert (second.volume, second.quote_volume, second.trades) == (0.0, 0.0, 0)


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        ("EAPI:Rate limit exceeded", "rate_limited"),
        ("EGeneral:Too many requests", "rate_limited"),
        ("EService:Unavailable", "rate_limited"),
        ("EQuery:Unknown asset pair", "malformed_frame"),
    ],
)
def test_krakens_problems_come_with_status_200(problem: str, reason: str) -> None:
    with pytest.raises(InputError) as error:
        kraken.read(body({"error": [problem]}))
    assert error.value.reason == reason


def changed(content: Any, place: tuple[Any, ...], value: object) -> bytes:
    """Return an answer with one thing changed."""
    copy = json.loads(json.dumps(content))
    inner = copy
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return body(copy)


ROW = ("result", "XXBTZUSD", 0)


@pytest.mark.parametrize(
    ("read", "answer"),
    [
        (binance.read, changed(BINANCE, (0, 0), 1499040000500)),
        (binance.read, changed(BINANCE, (0, 0), 1499040001000)),
        (binance.read, changed(BINANCE, (0, 1), "-1")),
        (binance.read, changed(BINANCE, (0, 1), "1_0")),
        (binance.read, changed(BINANCE, (0, 2), "0.001")),
        (binance.read, changed(BINANCE, (0, 5), "nan")),
        (binance.read, changed(BINANCE, (0, 7), "1e999")),
        (binance.read, body({"code": -1121, "msg": "Invalid symbol."})),
        (coinbase.read, changed(COINBASE, (0, 1), 0)),
        (coinbase.read, changed(COINBASE, (0, 1), 5)),
        (coinbase.read, changed(COINBASE, (0, 5), -1)),
        (coinbase.read, changed(COINBASE, (0, 0), 1415398801)),
        (coinbase.read, body({"message": "NotFound"})),
        (kraken.read, changed(KRAKEN, (*ROW, 0), 2**80)),
        (kraken.read, changed(KRAKEN, (*ROW, 5), "1e300").replace(b"3.39243896", b"1e300")),
        (kraken.read, changed(KRAKEN, (*ROW, 4), "31000")),
        (kraken.read, b"<html>busy</html>"),
        (kraken.read, b"\xff\xfe"),
    ],
)
def test_what_is_no_candle_is_refused_with_its_reason(
    read: Callable[[bytes], list[Minute]], answer: bytes
) -> None:
    with pytest.raises(InputError) as error:
        read(answer)
    assert error.value.reason == "malformed_frame"
    assert "expected" in error.value.detail


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from([60, 1499040000000, "1.5", "0", "1e308", "-0", "9" * 400]),
)
CONTENT = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=12) | st.dictionaries(st.text(), inner)
)


@given(
    exchange=st.sampled_from(["binance", "coinbase", "kraken"]),
    column=st.integers(0, 11),
    value=CONTENT,
    answer=CONTENT,
    raw=st.binary(max_size=60),
)
@example(exchange="kraken", column=5, value="1e308", answer=[], raw=b"")
def test_a_parser_gives_minutes_that_can_be_written_or_raises_an_input_error(
    exchange: str, column: int, value: Any, answer: Any, raw: bytes
) -> None:
    """Whatever comes: other JSON, no JSON, one column of a good answer gone wrong."""
    good: Any = {"binance": BINANCE, "coinbase": COINBASE, "kraken": KRAKEN}[exchange]
    place = (*ROW, min(column, 7)) if exchange == "kraken" else (0, min(column, len(good[0]) - 1))
    for content in (raw, body(answer), changed(good, place, value), body({"result": answer})):
        try:
            minutes = INTERFACES[exchange].read(content)
        except InputError:
            continue
        record = candles_of("m", minutes, 0, 2**62, 2**62)
        assert record is None or decode_candles(encode_candles(record)) == record


@pytest.mark.parametrize(
    ("exchange", "symbol", "most", "reach"),
    [
        ("binance", "BTCUSDT", 1_000, DAY),
        ("coinbase", "BTC-USD", 300, DAY),
        ("kraken", "BTC/USD", 720, DAY),
    ],
)
def test_requests_cover_the_day_within_what_an_answer_holds(
    exchange: str, symbol: str, most: int, reach: int
) -> None:
    """Kraken is asked once, for it gives its newest 720 whatever it is asked for."""
    start, end = 1_800_000_000, 1_800_000_000 + reach * 60
    paths = INTERFACES[exchange].requests(symbol, start, end)
    assert len(paths) == (1 if exchange == "kraken" else -(-reach // most))
    covered: set[int] = set()
    for path in paths:
        query = {name: one for name, (one,) in parse_qs(urlsplit(path).query).items()}
        if exchange == "binance":
            first, last = int(query["startTime"]) // 1000, int(query["endTime"]) // 1000
        elif exchange == "coinbase":
            first, last = (
                int(msgspec.json.decode(f'"{query[name]}"', type=datetime).timestamp())
                for name in ("start", "end")
            )
        else:
            first, last = int(query["since"]) + 60, end - 60
        minutes = set(range(first, last + 1, 60))
        assert exchange == "kraken" or len(minutes) <= most
        assert not covered & minutes
        covered |= minutes
    assert covered == set(range(start, end, 60))


def test_only_finished_minutes_of_the_range_are_taken_oldest_first_and_once() -> None:
    """At 10:04:59.9 of the exchange the minute 10:04 is not finished."""
    rows = [Minute(start, 1.0, 1.0, 1.0, 1.0, 2.0) for start in (240, 180, 60, 120, 180, 0)]
    record = candles_of("kraken:BTC-USD", rows, 60, 600, 299 * NS + 900_000_000)
    assert record is not None
    assert record.start == [60, 120, 180]
    assert record.fetched_at == "1970-01-01T00:04:59.900000Z"
    assert record.quote_volume == [None, None, None]
    assert candles_of("kraken:BTC-USD", rows, 240, 600, 299 * NS) is None
