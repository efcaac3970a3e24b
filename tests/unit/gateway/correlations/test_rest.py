"""What else REST says of correlations: reference prices, the catalog, what is refused."""

from __future__ import annotations

import pytest

from models.settings import Settings
from services.gateway.memory.table_ids import table_id
from tests.unit.gateway.calls import Caller, check_problem, served
from tests.unit.gateway.correlations.made_matrix import COINS, MATRIX, WHY
from tests.unit.gateway.made import BTC, START, Desk
from tests.unit.gateway.made_derived import TABLE, blocks, returns


def test_reference_prices(desk: Desk, client: Caller) -> None:
    """Of the newest row; a coin without one has none, and a late line is told after 3 steps."""
    got = client.get("/v1/coins/BTC").json()
    assert (got["reference_price"], got["reference_quote_currency"], got["reference_as_of"]) == (
        60_000.0, "USD", "2026-03-01T12:00:10Z",
    )  # fmt: skip
    assert got["reasons"] == {}
    sol = client.get("/v1/coins/SOL").json()
    assert (sol["reference_price"], sol["reasons"]["reference_price"]) == (None, "stale")
    desk.take(returns(20, {"BTC": 61_000.0, "ETH": None, "SOL": 100.0}))
    assert client.get("/v1/coins/BTC").json()["reference_price"] == 61_000.0
    late = Desk(Settings(source="live"))
    late.take(returns(0, {"BTC": 1.0}), *blocks(0, COINS, MATRIX, why=WHY))
    for seconds, is_late in ((30, False), (30.1, True)):
        late.clock.seconds = START + seconds
        coin_now = served(late).get("/v1/coins/BTC").json()
        assert (coin_now["reasons"].get("reference_as_of") == "line_delayed") is is_late
        matrix = served(late).get("/v1/correlations").json()
        assert (matrix["reasons"].get("as_of") == "line_delayed") is is_late
        assert matrix["stale"] == (matrix["coins"] if is_late else ["ETH", "SOL"])


def test_tables_stand_in_the_catalog(client: Caller) -> None:
    """With the key under which channel and page call them."""
    got = client.get("/v1/catalog").json()
    assert got["methods"] == ["ewma", "hayashi_yoshida", "pearson", "spearman"]
    assert {
        "table": TABLE, "key": "1h.pearson", "window": "1h", "sampling": "60s",
        "method": "pearson", "step_s": 10, "coins": 3,
    } in got["tables"]  # fmt: skip
    assert [each["table"] for each in got["tables"]] == sorted(
        Settings().correlation_tables, key=lambda name: (table_id(name).window_s, name)
    )
    assert got["intervals"] == ["1m", "5m", "1h", "1d"]
    assert {"bars", "indicators", "correlations"} <= set(got["channels"])


BAD = [
    ("/v1/correlations?coins=BTC,NOPE", 404, "unknown-coin"),
    ("/v1/correlations?coins=", 404, "unknown-coin"),
    ("/v1/correlations?window=7h", 404, "unknown-table"),
    ("/v1/correlations?sampling=10s", 404, "unknown-table"),
    ("/v1/correlations?window=24h&method=ewma", 404, "unknown-table"),
    ("/v1/correlations?method=kendall", 422, "bad-parameter"),
    ("/v1/correlations?order=random", 422, "bad-parameter"),
    ("/v1/correlations?repair=perhaps", 422, "bad-parameter"),
    ("/v1/correlations?coin=BTC", 422, "unknown-parameter"),
    ("/v1/correlations/BTC/NOPE", 404, "unknown-coin"),
    ("/v1/correlations/BTC/ETH?window=2h", 404, "unknown-table"),
    ("/v1/correlations/BTC/ETH/history?interval=7s", 422, "bad-parameter"),
    ("/v1/correlations/BTC/ETH/history?start=x", 422, "bad-range"),
    ("/v1/correlations/NOPE/ETH/history", 404, "unknown-coin"),
    ("/v1/correlations/BTC/ETH/history?cursor=YWJj", 422, "bad-cursor"),
]


@pytest.mark.parametrize(("path", "status", "kind"), BAD)
def test_what_is_refused(client: Caller, path: str, status: int, kind: str) -> None:
    """With a problem that says what was expected."""
    check_problem(client.get(path), status, kind, path)


def test_a_market_is_no_coin(client: Caller) -> None:
    """Its name in a list of coins is unknown."""
    check_problem(
        client.get(f"/v1/correlations?coins={BTC}"), 404, "unknown-coin", "/v1/correlations"
    )
