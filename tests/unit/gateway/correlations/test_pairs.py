"""One pair: its newest cell, and its history from returns, candles and what was published."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.unit.gateway.calls import Caller, served
from tests.unit.gateway.made import Desk
from tests.unit.gateway.made_derived import blocks, returns


def test_a_pair(client: Caller) -> None:
    """One cell; a null one says why."""
    got = client.get("/v1/correlations/ETH/BTC").json()
    assert (got["coins"], got["correlation"], got["n"]) == (["ETH", "BTC"], 0.8, 300)
    assert (got["sigma"], got["rest_share"]) == ([0.5, 0.4], 0.25)
    assert got["reasons"] == {"change": "warming"}
    thin = client.get("/v1/correlations/BTC/SOL").json()
    assert (thin["correlation"], thin["stale"]) == (None, ["SOL"])
    whys = dict.fromkeys(("correlation", "low", "high"), "thin")
    assert thin["reasons"] == {**whys, "change": "warming"}


def test_the_history_of_a_pair_is_that_of_its_returns() -> None:
    """Pearson of the rows of the window that ends at each point, also over holes."""
    desk = Desk()
    random = np.random.default_rng(7)
    a = random.normal(0, 1e-3, 600)
    b = 0.6 * a + random.normal(0, 1e-3, 600)
    a[50:60] = np.nan
    for step in range(600):
        log_returns = [None if np.isnan(x) else float(x) for x in (a[step], b[step])]
        desk.take(returns(10 * step, {"BTC": 1.0, "ETH": 1.0}, log_returns))
    desk.take(*blocks(5990, ["BTC", "ETH"], [[1.0, 0.25], [0.25, 1.0]]))
    client = served(desk)
    span = "start=2026-03-01T13:00:00Z&end=2026-03-01T13:20:00Z"
    path = f"/v1/correlations/BTC/ETH/history?{span}&interval=5m"
    got = client.get(path).json()
    assert [point["as_of"][11:16] for point in got["data"]] == ["13:00", "13:05", "13:10", "13:15"]
    expected = pd.Series(a).rolling(360, min_periods=30).corr(pd.Series(b))
    for point in got["data"]:
        hours, minutes = int(point["as_of"][11:13]) - 12, int(point["as_of"][14:16])
        step = (hours * 60 + minutes) * 6
        assert point["correlation"] == pytest.approx(expected[step], abs=1e-9)
        assert point["n"] == int((~np.isnan(a[max(step - 359, 0) : step + 1])).sum())
        k = 6
        assert point["n_effective"] == pytest.approx(point["n"] * 3 * k / (2 * k * k + 1))
    assert got["complete_from"] == "2026-03-01T12:00:00Z"
    shown = np.array(client.get("/v1/correlations/BTC/ETH").json()["returns"])
    rows = np.column_stack([a, b])[240:]
    assert np.array_equal(shown, rows[~np.isnan(rows).any(axis=1)])
    first = client.get(f"{path}&limit=3").json()
    second = client.get(f"{path}&limit=3&cursor={first['next']}").json()
    assert first["data"] + second["data"] == got["data"]
    (newest,) = client.get("/v1/correlations/BTC/ETH/history?limit=1").json()["data"]
    assert newest["as_of"] == "2026-03-01T13:39:00Z"
    text = client.get(path, headers={"Accept": "text/csv"}).text
    assert len(text.splitlines()) == 5


def test_the_history_of_a_pair_reaches_back_over_rows_made_from_candles() -> None:
    """They come behind the first live rows; each counts as a row of a minute."""
    desk = Desk()
    random = np.random.default_rng(5)
    live, rest = random.normal(0, 1e-3, (2, 121, 2))
    live[1:] = 0.5 * live[1:] + 0.5 * live[1:, ::-1] ** 2
    prices = {"BTC": 1.0, "ETH": 1.0}
    for step in range(121):
        desk.take(returns(10 * step, prices, live[step].tolist()))
    for step in range(1, 121):
        made = returns(-60 * step, prices, rest[step].tolist(), source="rest")
        desk.take(made)
    span = "start=2026-03-01T11:10:00Z&end=2026-03-01T12:20:00Z"
    got = served(desk).get(f"/v1/correlations/BTC/ETH/history?{span}&interval=5m").json()
    assert got["complete_from"] == "2026-03-01T10:00:00Z"
    assert got["data"][0]["as_of"] == "2026-03-01T11:10:00Z"
    for point in got["data"]:
        end = (int(point["as_of"][11:13]) - 12) * 3600 + int(point["as_of"][14:16]) * 60
        old = [rest[n] for n in range(1, 121) if end - 3600 < -60 * n <= end]
        new = [live[n] for n in range(121) if end - 3600 < 10 * n <= end]
        both = np.array([*old, *new])
        assert point["n"] == len(both)
        assert point["correlation"] == pytest.approx(np.corrcoef(both.T)[0, 1], abs=1e-9)
        assert point["n_effective"] == pytest.approx(len(old) + len(new) * 18 / 73)


def test_what_was_published_stands_in_the_history() -> None:
    """As it was, whatever the rows that are held would give; what is early is `warming`."""
    desk = Desk()
    for step in range(1, 20):
        desk.take(returns(10 * step, {"BTC": 1.0, "ETH": 1.0}, [0.001 * step, -0.001 * step]))
    desk.take(*blocks(120, ["BTC", "ETH"], [[1.0, 0.25], [0.25, 1.0]]))
    got = served(desk).get("/v1/correlations/BTC/ETH/history").json()["data"]
    assert [point["correlation"] for point in got] == [None, 0.25, None]
    assert got[0]["reasons"]["correlation"] == "warming"


def test_the_history_of_other_methods_is_what_was_published() -> None:
    """As far as matrices are kept."""
    desk = Desk()
    for step in range(1, 13):
        matrix = [[1.0, step / 100], [step / 100, 1.0]]
        desk.take(*blocks(10 * step, ["BTC", "ETH"], matrix, table="1h.60s.ewma"))
    assert "returns" not in served(desk).get("/v1/correlations/BTC/ETH?method=ewma").json()
    got = served(desk).get("/v1/correlations/BTC/ETH/history?method=ewma").json()
    assert [point["correlation"] for point in got["data"]] == [0.06, 0.12]
    assert got["complete_from"] == "2026-03-01T12:00:10Z"
