"""REST: figures, lists, filters, keys, and one form for every error."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from models.settings import Settings
from services.gateway import page
from tests.unit.gateway.calls import Caller, check_problem, served
from tests.unit.gateway.made import (
    BTC,
    ETH,
    START,
    Desk,
    coin,
    feed,
    market,
    quote,
    quotes,
    spreads,
)

SOL = "binance:SOL-USDT"


@pytest.fixture
def desk() -> Desk:
    """Return a gateway that knows a little of everything."""
    desk = Desk()
    desk.take(coin(), market(), market(ETH), market(SOL), feed(3))
    desk.take(quotes(0, 2.0, {BTC: quote(1.5)}), spreads(1, [BTC, ETH]), spreads(2, [BTC]))
    return desk


@pytest.fixture
def client(desk: Desk) -> Caller:
    """Return a caller of it."""
    return served(desk)


def test_a_spread_is_what_the_record_says(client: Caller) -> None:
    """Field for field; a market that has none yet says why."""
    got = client.get("/v1/spreads/kraken/BTC-USD")
    assert got.headers["content-type"] == "application/json"
    assert got.json() == spreads(2, [BTC]).figures[BTC]
    warming = client.get("/v1/spreads/binance/SOL-USDT").json()
    assert (warming["mid"], warming["stale"], warming["reasons"]["mid"]) == (None, True, "warming")


def test_lists_go_on_where_they_ended(client: Caller, desk: Desk) -> None:
    """By name; a cursor stays valid while data is added, before it and behind it."""
    first = client.get("/v1/spreads", params={"limit": 2}).json()
    assert [each["market"] for each in first["data"]] == [SOL, BTC]
    desk.take(market("binance:ADA-USDT"), market("kraken:SOL-USD"))
    second = client.get("/v1/spreads", params={"limit": 2, "cursor": first["next"]}).json()
    assert [each["market"] for each in second["data"]] == [ETH, "kraken:SOL-USD"]
    assert second["next"] is None


@pytest.mark.parametrize("path", ["/v1/spreads", "/v1/markets"])
@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"exchange": "kraken"}, [BTC, ETH]),
        ({"coin": "ETH"}, [ETH]),
        ({"quote": "USDT"}, [SOL]),
        ({"exchange": "binance", "coin": "BTC"}, []),
        ({"exchange": "coinbase"}, []),
    ],
)
def test_filters(client: Caller, path: str, parameters: dict[str, str], found: list[str]) -> None:
    """All that are given hold together."""
    got = client.get(path, params=parameters).json()
    assert [each["market"] for each in got["data"]] == found


def test_a_market_has_its_newest_quote(client: Caller) -> None:
    """Null with a reason where none was seen yet."""
    known = client.get("/v1/markets/kraken/BTC-USD").json()
    assert (known["symbol"], known["quote"]["bid"], known["as_of"]) == (
        "BTC-USD",
        100.0,
        "2026-03-01T12:00:02Z",
    )
    other = client.get("/v1/markets/kraken/ETH-USD").json()
    assert (other["quote"], other["stale"], other["reasons"]["quote"]) == (None, True, "warming")


REFERENCE = ("reference_price", "reference_quote_currency", "reference_as_of")


def test_a_coin_waits_for_its_reference_price(client: Caller) -> None:
    """Before its first row: null, `warming`. Coins of markets alone are coins too."""
    one = client.get("/v1/coins/BTC").json()
    assert (one["market_value"], one["reference_price"]) == (1e9, None)
    assert one["reasons"] == dict.fromkeys(REFERENCE, "warming")
    assert [each["coin"] for each in client.get("/v1/coins").json()["data"]] == [
        "BTC", "ETH", "SOL",
    ]  # fmt: skip


def test_feeds_and_catalog(client: Caller) -> None:
    """What is simulated, live or a replay is said plainly."""
    (one,) = client.get("/v1/feeds", params={"coin": "BTC"}).json()["data"]
    assert (one["status"], one["reconnects"]) == ("live", 0)
    catalog = client.get("/v1/catalog").json()
    assert (catalog["source"], catalog["is_simulated"]) == ("replay", False)
    assert catalog["markets"] == [SOL, BTC, ETH]
    assert catalog["windows"] == ["15s"]
    simulated = served(Desk(Settings(source="simulated")))
    assert simulated.get("/v1/catalog").json()["is_simulated"] is True


def test_live_figures_become_late() -> None:
    """The gateway alone says so, on everything that has an `as_of` of the line."""
    desk = Desk(Settings(source="live"))
    desk.take(market(), feed(1), quotes(0, 2.0, {BTC: quote(1.5)}), spreads(2))
    desk.clock.seconds = START + 60
    client = served(desk)
    for path in ("/v1/spreads/kraken/BTC-USD", "/v1/markets/kraken/BTC-USD", "/v1/feeds"):
        got = client.get(path).json()
        figures = got.get("quote") or got.get("data", [got])[0]
        assert figures["stale"] is True
        assert figures["reasons"]["as_of"] == "line_delayed"


BAD: list[tuple[str, str, int, str]] = [
    ("GET", "/v1/nothing", 404, "not-found"),
    ("GET", "/v1/spreads/", 404, "not-found"),
    ("GET", "/assets/none.js", 404, "not-found"),
    ("GET", "/..%2f..%2fgateway.py", 404, "not-found"),
    ("POST", "/v1/spreads", 405, "method-not-allowed"),
    ("DELETE", "/v1/ready", 405, "method-not-allowed"),
    ("GET", "/v1/spreads?colour=red", 422, "unknown-parameter"),
    ("GET", "/v1/catalog?x=", 422, "unknown-parameter"),
    ("GET", "/v1/live?x=1", 422, "unknown-parameter"),
    ("GET", "/v1/spreads/kraken/BTC-USD?exchange=kraken", 422, "unknown-parameter"),
    ("GET", "/v1/spreads?limit=1&limit=2", 422, "repeated-parameter"),
    ("GET", "/v1/spreads?limit=0", 422, "bad-parameter"),
    ("GET", "/v1/spreads?limit=1001", 422, "bad-parameter"),
    ("GET", "/v1/coins?limit=many", 422, "bad-parameter"),
    ("GET", "/v1/spreads?cursor=%21", 422, "bad-cursor"),
    ("GET", "/v1/spreads?cursor=_w", 422, "bad-cursor"),
    ("GET", "/v1/spreads?coin=NOPE", 422, "unknown-coin"),
    ("GET", "/v1/spreads?exchange=nyse", 422, "unknown-exchange"),
    ("GET", "/v1/markets?quote=XXX", 422, "unknown-quote-currency"),
    ("GET", "/v1/spreads/kraken/NO-USD", 404, "unknown-market"),
    ("GET", "/v1/markets/nyse/BTC-USD", 404, "unknown-market"),
    ("GET", "/v1/coins/NOPE", 404, "unknown-coin"),
    ("GET", "/v1/stream", 426, "upgrade-required"),
    ("GET", "/v1/broken", 500, "internal-error"),
]


@pytest.mark.parametrize(("method", "path", "status", "kind"), BAD)
def test_every_error_is_a_problem(
    client: Caller, method: str, path: str, status: int, kind: str
) -> None:
    """RFC 9457, whoever refuses; what went wrong inside stays inside."""
    body = check_problem(client.request(method, path), status, kind, path)
    assert "secret" not in body["detail"]
    assert set(body) == {"type", "title", "status", "detail", "instance"}


def test_what_is_allowed_is_said(client: Caller) -> None:
    """A 405 has its `Allow`, and says it in words."""
    got = client.request("POST", "/v1/spreads")
    assert got.headers["allow"] == "GET"
    assert got.json()["detail"] == "expected GET, was POST"


def test_before_everything_was_read_nothing_is_answered() -> None:
    """503 with what is waited for; alive it is all the same. The same while it stops."""
    desk = Desk()
    desk.gateway.waiting_for = {"spreads", "feeds"}
    client = served(desk)
    for path in ("/v1/ready", "/v1/spreads", "/v1/catalog"):
        got = client.get(path)
        body = check_problem(got, 503, "not-ready", path)
        assert body["waiting_for"] == ["feeds", "spreads"]
        assert got.headers["retry-after"] == "1"
    assert client.get("/v1/live").json() == {"live": True}
    desk.gateway.waiting_for = set()
    assert client.get("/v1/ready").json() == {"ready": True, "degraded": []}
    desk.gateway.begin_stop(10)
    check_problem(client.get("/v1/ready"), 503, "not-ready", "/v1/ready")
    assert client.get("/v1/catalog").status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"X-API-Key": "bad"}, 401),
        ({"Authorization": "Bearer bad"}, 401),
        ({"Authorization": "Basic good"}, 401),
        ({"X-API-Key": "good"}, 200),
        ({"Authorization": "Bearer good"}, 200),
        ({"Authorization": "bearer good"}, 200),
    ],
)
def test_keys(headers: dict[str, str], status: int) -> None:
    """In a header only; what says how the gateway is needs none."""
    desk = Desk(Settings(api_keys=[SecretStr("good")]))
    client = served(desk)
    got = client.get("/v1/catalog", headers=headers)
    assert got.status_code == status
    if status == 401:
        check_problem(got, 401, "unauthorized", "/v1/catalog")
        assert got.headers["www-authenticate"] == "Bearer"
    for path in ("/v1/live", "/v1/ready", "/metrics", "/docs", "/openapi.json"):
        assert client.get(path).status_code == 200
    assert client.get("/v1/catalog?key=good").status_code == 401


def test_what_is_counted(client: Caller, desk: Desk) -> None:
    """For Prometheus, by topic where it has one."""
    desk.gateway.undecodable["spreads"] += 2
    lines = client.get("/metrics").text.splitlines()
    assert 'cointide_gateway_undecodable_total{topic="spreads"} 2.0' in lines
    assert 'cointide_gateway_records_total{topic="spreads"} 2.0' in lines
    assert "cointide_gateway_clients 0.0" in lines


def test_the_page_is_served_from_what_was_built(
    client: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hashed names for ever, the rest is asked for again; before it is built it says how to."""
    monkeypatch.setattr(page, "DIST", tmp_path)
    assert "make setup" in client.get("/").text
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<p>page")
    (tmp_path / "assets" / "main-1d18d047.js").write_text("1")
    (tmp_path / "favicon.svg").write_text("<svg/>")
    got = client.get("/")
    assert (got.text, got.headers["cache-control"]) == ("<p>page", "no-cache")
    again = client.get("/", headers={"If-None-Match": got.headers["etag"]})
    assert (again.status_code, again.text) == (304, "")
    assert "immutable" in client.get("/assets/main-1d18d047.js").headers["cache-control"]
    assert client.get("/favicon.svg").headers["cache-control"] == "no-cache"
