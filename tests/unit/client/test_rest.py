"""The client over REST: what it makes of good answers, of problems, and of broken ones."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from cointide_client import (
    AnswerError,
    Cointide,
    CointideError,
    ConnectionLostError,
    HistoryAwayError,
    IncompleteWarning,
    MarketError,
    NotFoundError,
    RefusedError,
    TimeError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
)
from cointide_client.times import Time, iso
from cointide_client.transport import Transport, retry_after_s
from tests.unit.client.scripted import Answer, ScriptedServer, arrow, problem

START = pd.Timestamp("2026-11-21T10:00:00Z")
END = START + pd.Timedelta(hours=1)
MARKET = "kraken:BTC-USD"

Serve = Callable[..., ScriptedServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return what serves answers one after the other."""
    with ExitStack() as stack:
        yield lambda *answers: stack.enter_context(ScriptedServer(list(answers)).running())


def rows(count: int = 5) -> pa.Table:
    """Return spreads of a market; in the third one the mid is undefined."""
    times = [START.to_pydatetime() + timedelta(seconds=i) for i in range(count)]
    return pa.table(
        {
            "market": pa.array([MARKET] * count),
            "as_of": pa.array(times, pa.timestamp("us", "UTC")),
            "mid": pa.array([None if i == 2 else 1.0 + i for i in range(count)], pa.float64()),
            "trades_n": pa.array(range(count), pa.int64()),
            "stale": pa.array([i == 2 for i in range(count)], pa.bool_()),
            "reasons": pa.array(
                [[("mid", "gap")] if i == 2 else [] for i in range(count)],
                pa.map_(pa.string(), pa.string()),
            ),
        }
    )


def from_start(table: pa.Table) -> Answer:
    """Return a table of a range of which all is held."""
    return arrow(table, Cointide_Complete_From=iso(START))


def test_a_frame_has_times_as_its_index_numbers_as_columns_and_reasons(serve: Serve) -> None:
    server = serve(from_start(rows()))
    with warnings.catch_warnings(), Cointide(server.url, "a key") as client:
        warnings.simplefilter("error")
        frame = client.spreads(MARKET, START, END, interval="1m", aggregate="mean")
    ((path, headers),) = server.requests
    assert path == (
        "/v1/spreads/kraken/BTC-USD/history?start=2026-11-21T10%3A00%3A00Z"
        "&end=2026-11-21T11%3A00%3A00Z&interval=1m&aggregate=mean"
    )
    assert headers["X-API-Key"] == "a key"
    assert frame.index.name == "as_of"
    assert str(frame.index.dtype) == "datetime64[us, UTC]"
    assert frame["mid"].dtype == "float64"
    assert frame["trades_n"].dtype == "int64"
    assert frame["stale"].dtype == "bool"
    assert frame["mid"].isna().tolist() == [False, False, True, False, False]
    assert frame["reasons"].tolist() == [{}, {}, {"mid": "gap"}, {}, {}]
    assert frame.attrs == {"complete_from": "2026-11-21T10:00:00Z", "gaps": []}


def test_without_a_row_there_are_the_columns(serve: Serve) -> None:
    with Cointide(serve(from_start(rows(0))).url) as client:
        frame = client.spreads(MARKET, START, END)
    assert frame.empty
    assert list(frame.columns) == ["market", "mid", "trades_n", "stale", "reasons"]
    assert str(frame.index.dtype) == "datetime64[us, UTC]"


def test_batches_are_the_frame_in_parts(serve: Serve) -> None:
    with Cointide(serve(from_start(rows()), from_start(rows())).url) as client:
        parts = list(client.spreads_batches(MARKET, START, END))
        whole = client.spreads(MARKET, START, END)
    assert [len(part) for part in parts] == [2, 2, 1]
    assert all(part.attrs == whole.attrs for part in parts)
    pd.testing.assert_frame_equal(pd.concat(parts), whole)


def test_what_is_not_held_is_warned_of(serve: Serve) -> None:
    server = serve(
        arrow(rows(), Cointide_Complete_From="2026-11-21T10:30:00Z"),
        arrow(rows(0)),
        arrow(
            rows(),
            Cointide_Complete_From=iso(START),
            Cointide_Gaps='[["2026-11-21T10:05:00Z","2026-11-21T10:06:00.500000Z"]]',
        ),
    )
    with Cointide(server.url) as client:
        with pytest.warns(IncompleteWarning, match="10:30") as told:
            frame = client.spreads(MARKET, START, END)
        assert told[0].filename == __file__
        assert frame.attrs["complete_from"] == "2026-11-21T10:30:00Z"
        with pytest.warns(IncompleteWarning, match="nothing is held"):
            client.spreads(MARKET, START, END)
        with pytest.warns(IncompleteWarning, match="not held: .*10:05"):
            ((begin, end),) = client.spreads(MARKET, START, END).attrs["gaps"]
        assert pd.Timestamp(end) - pd.Timestamp(begin) == pd.Timedelta(seconds=60.5)


@pytest.mark.parametrize("breaks_off", [True, False], ids=["cut", "without its end"])
@pytest.mark.parametrize("kept", [0.3, 0.99])
def test_an_answer_that_is_not_whole_is_an_error(
    serve: Serve, breaks_off: bool, kept: float
) -> None:
    """Also between two batches, where Arrow itself sees nothing wrong."""
    answer = from_start(rows(40))
    answer.body = answer.body[:-8] if kept > 0.9 else answer.body[: int(kept * len(answer.body))]
    answer.breaks_off = breaks_off
    with Cointide(serve(answer).url) as client, pytest.raises(ConnectionLostError):
        client.spreads(MARKET, START, END)


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (422, "unknown-coin", RefusedError),
        (404, "unknown-market", NotFoundError),
        (401, "unauthorized", UnauthorizedError),
        (409, "stale-market", RefusedError),
        (500, "internal-error", UnavailableError),
    ],
)
def test_a_problem_is_an_error_with_its_words(
    serve: Serve, status: int, kind: str, expected: type[AnswerError]
) -> None:
    server = serve(problem(status, kind))
    with Cointide(server.url) as client, pytest.raises(expected) as caught:
        client.suggestion("kraken:BTC-USD", "buy")
    error = caught.value
    assert isinstance(error, CointideError)
    assert (error.status, error.kind, error.title) == (status, kind, "A title")
    assert (error.detail, error.instance) == ("expected one, was another", "/v1/here")
    assert len(server.requests) == 1


def test_an_error_that_is_no_problem_is_told_as_well(serve: Serve) -> None:
    with (
        Cointide(serve(Answer(418, b"<html>")).url) as client,
        pytest.raises(RefusedError, match="418"),
    ):
        client.route("USD", "ETH")


def transport(url: str, retries: int = 2) -> tuple[Transport, list[float]]:
    """Return a transport and what it waited."""
    waited: list[float] = []
    return Transport(url, None, 5.0, retries, waited.append), waited


def test_too_many_requests_wait_as_asked_and_not_for_ever(serve: Serve) -> None:
    refused = problem(429, "too-many-requests", Retry_After="7")
    server = serve(refused, refused, Answer(200, b'{"data":[]}'), refused, refused, refused)
    over, waited = transport(server.url)
    assert over.json("/v1/markets", {}) == {"data": []}
    assert waited == [7.0, 7.0]
    with pytest.raises(TooManyRequestsError) as caught:
        over.json("/v1/markets", {})
    assert caught.value.retry_after_s == 7.0
    assert waited == [7.0] * 4
    over.close()


def test_a_wait_that_is_too_long_is_left_to_the_caller(serve: Serve) -> None:
    server = serve(problem(429, "too-many-requests", Retry_After="3600"))
    over, waited = transport(server.url)
    with pytest.raises(TooManyRequestsError):
        over.json("/v1/markets", {})
    assert waited == []
    over.close()


def test_history_that_is_away_is_told_apart_from_a_gateway_that_is_not_ready(serve: Serve) -> None:
    away = problem(503, "history-away")
    starting = problem(503, "not-ready", Retry_After="1")
    server = serve(away, away, away, starting, starting, starting)
    over, waited = transport(server.url)
    for expected in (HistoryAwayError, UnavailableError):
        with (
            pytest.raises(UnavailableError) as caught,
            over.answer("/v1/spreads/kraken/BTC-USD/history", {}, "*/*"),
        ):
            pass
        assert type(caught.value) is expected
    assert waited == [0.5, 1.0, 1.0, 1.0]
    over.close()


def test_a_gateway_that_is_not_there_is_lost_after_the_retries() -> None:
    with ScriptedServer([]).running() as gone:
        url = gone.url
    over, waited = transport(url, retries=3)
    with pytest.raises(ConnectionLostError, match="127"):
        over.json("/v1/markets", {})
    assert waited == [0.5, 1.0, 2.0]
    over.close()


def test_a_list_is_read_to_its_last_page(serve: Serve) -> None:
    def page(names: list[str], cursor: str | None) -> Answer:
        data = [
            {"market": name, "as_of": "2026-11-21T10:00:00Z", "mid": None,
             "windows": {"15s": {"mean": 1.5}}, "reasons": {"mid": "gap"}}
            for name in names
        ]  # fmt: skip
        return Answer(200, json.dumps({"data": data, "next": cursor}).encode())

    server = serve(
        page(["a", "b"], "more"), page([], "yet more"), page(["c"], None), page([], None)
    )
    with Cointide(server.url) as client:
        frame = client.newest_spreads(coin="BTC")
        assert client.markets().empty
    assert list(frame.index) == ["a", "b", "c"]
    assert frame["windows_15s_mean"].tolist() == [1.5] * 3
    assert frame["mid"].dtype == "float64"
    assert frame["reasons"].tolist() == [{"mid": "gap"}] * 3
    assert str(frame["as_of"].dtype).endswith("UTC]")
    assert [path.partition("?")[2] for path, _ in server.requests] == [
        "coin=BTC&limit=1000",
        "coin=BTC&limit=1000&cursor=more",
        "coin=BTC&limit=1000&cursor=yet+more",
        "limit=1000",
    ]


def test_times_of_a_markets_quote_are_times_too(serve: Serve) -> None:
    time = "2026-11-21T10:00:00Z"
    quote = {"as_of": time, "time": time, "receive_time": None, "bid": 1.5}
    data = [{"market": MARKET, "as_of": time, "quote": quote}]
    with Cointide(serve(Answer(200, json.dumps({"data": data, "next": None}).encode())).url) as it:
        frame = it.markets()
    moment = pd.Timestamp(time)
    for name in ("as_of", "quote_as_of", "quote_time"):
        assert list(frame[name]) == [moment]
    assert str(frame["quote_receive_time"].dtype).endswith("UTC]")


@pytest.mark.parametrize("market", ["kraken-BTC-USD", "kraken/BTC-USD", "kraken:", ":BTC-USD", ""])
def test_what_is_not_written_as_a_market_is_refused(market: str) -> None:
    with Cointide("http://127.0.0.1:1") as client, pytest.raises(MarketError, match="kraken:BTC"):
        client.spreads(market, "2026-11-21T10:00:00Z", END)


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-21T11:00:00.5+01:00",
        datetime(2026, 11, 21, 10, 0, 0, 500_000, UTC),
        datetime(2026, 11, 21, 8, 0, 0, 500_000, timezone(timedelta(hours=-2))),
        pd.Timestamp("2026-11-21T10:00:00.5", tz="UTC"),
    ],
)
def test_a_time_may_come_in_any_zone(time: Time) -> None:
    assert iso(time) == "2026-11-21T10:00:00.500000Z"


def test_an_address_without_a_scheme_is_not_tried_again() -> None:
    waited: list[float] = []
    transport = Transport("localhost:8000", None, 1.0, 4, waited.append)
    with pytest.raises(ConnectionLostError, match="localhost"):
        transport.json("/v1/markets", {})
    assert waited == []


@pytest.mark.parametrize("text", ["10:00:00.000000001", "10:00:00.500000999", "10:00:00"])
def test_the_time_of_a_tick_bounds_a_range_to_the_nanosecond(text: str) -> None:
    assert iso(pd.Timestamp(f"2026-11-21T{text}Z")) == f"2026-11-21T{text}Z"


@pytest.mark.parametrize(
    ("time", "told"),
    [
        ("2026-11-21T10:00:00", "says its zone"),
        (datetime(2026, 11, 21), "says its zone"),  # noqa: DTZ001 - naive on purpose
        (pd.Timestamp("2026-11-21"), "says its zone"),
        ("soon", "expected a time"),
        (pd.NaT, "expected a time"),
    ],
)
def test_a_time_without_a_zone_is_refused(time: Any, told: str) -> None:
    with Cointide("http://127.0.0.1:1") as client, pytest.raises(TimeError, match=told):
        client.spreads(MARKET, time, END)


@pytest.mark.parametrize(
    ("text", "date", "expected"),
    [
        ("Sat, 21 Nov 2026 10:00:30 GMT", "Sat, 21 Nov 2026 10:00:00 GMT", 30.0),
        ("Sat, 21 Nov 2026 10:00:30 GMT", "Sat, 21 Nov 2026 10:01:00 GMT", 0.0),
        ("Sat, 21 Nov 2026 10:00:30 GMT", None, None),
        (None, None, None),
    ],
)
def test_when_to_come_again_may_be_a_date(
    text: str | None, date: str | None, expected: float | None
) -> None:
    assert retry_after_s(text, date) == expected
