"""Matrices: put together of blocks, shown in the order asked for, compared with a longer table."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from services.gateway.memory.correlations import HISTORY_BYTES
from services.gateway.records import derived_record
from tests.unit.gateway.calls import Caller, served
from tests.unit.gateway.correlations.made_matrix import COINS, MATRIX, NAN, STEP, WHY
from tests.unit.gateway.made import START, Desk, coin, place
from tests.unit.gateway.made_derived import LONG_TABLE, QUIET, TABLE, blocks, returns
from tests.unit.gateway.talk import Talk


def test_a_matrix_is_what_its_blocks_say(client: Caller) -> None:
    """In the order that was asked for; null cells have reasons under both of their names."""
    got = client.get("/v1/correlations?coins=SOL,BTC,ETH").json()
    assert got["table"] == TABLE
    assert (got["window"], got["sampling"], got["method"]) == ("1h", "60s", "pearson")
    assert got["as_of"] == "2026-03-01T12:00:10Z"
    assert got["coins"] == ["SOL", "BTC", "ETH"]
    assert got["matrix"] == [[1.0, None, 0.5], [None, 1.0, 0.8], [0.5, 0.8, 1.0]]
    assert got["reasons"] == {
        "matrix.SOL.BTC": "thin", "matrix.BTC.SOL": "thin", "change": "warming",
    }  # fmt: skip
    assert got["sigma"] == [0.6, 0.4, 0.5]
    assert got["n"] == [[300] * 3] * 3
    assert got["low"][0][1] is None
    half = 1.96 / np.sqrt(97)
    assert got["low"][1][2] == pytest.approx(np.tanh(np.arctanh(0.8) - half))
    assert got["high"][1][2] == pytest.approx(np.tanh(np.arctanh(0.8) + half))
    assert (got["rest_share"], got["ticks"], got["masked"]) == (0.25, [9.0] * 3, ["binance|2"])
    assert got["stale"] == ["SOL"]
    assert (got["repaired"], got["change"]) == (False, None)


def test_which_coins_are_usual(desk: Desk, client: Caller) -> None:
    """The top 10 by market value, stablecoins left out; `*` is all."""
    assert client.get("/v1/correlations").json()["coins"] == ["BTC", "SOL", "ETH"]
    assert client.get("/v1/correlations?coins=ETH,BTC&order=rank").json()["coins"] == ["BTC", "ETH"]
    many = [f"C{i:02d}" for i in range(12)]
    desk.take(*(coin(name, 1e6 + i) for i, name in enumerate(many)))
    desk.take(coin("USDX", 1e12, ["stablecoin"]))
    names = [*many, "USDX"]
    desk.take(*blocks(20, names, np.eye(13).tolist(), rows_a_block=5))
    assert client.get("/v1/correlations").json()["coins"] == many[:1:-1]
    everything = client.get("/v1/correlations?coins=%2A").json()["coins"]
    assert everything == [*reversed(many), "USDX"]


def test_a_coin_that_the_table_does_not_have_is_warming(client: Caller, desk: Desk) -> None:
    """Known to the gateway, so no error; nothing is known of it here."""
    desk.take(coin("ADA"))
    got = client.get("/v1/correlations?coins=ADA,BTC").json()
    assert got["matrix"] == [[None, None], [None, 1.0]]
    assert got["reasons"]["matrix.ADA.BTC"] == got["reasons"]["sigma.ADA"] == "warming"
    assert got["stale"] == ["ADA"]


def test_order_and_repair() -> None:
    """What moves together stands together; negative eigenvalues are cut, the interval stays."""
    desk = Desk()
    names = ["A", "B", "C", "D"]
    matrix = [
        [1.0, 0.1, 0.9, 0.0], [0.1, 1.0, 0.0, 0.9], [0.9, 0.0, 1.0, 0.1], [0.0, 0.9, 0.1, 1.0],
    ]  # fmt: skip
    desk.take(*blocks(10, names, matrix))
    client = served(desk)
    got = client.get("/v1/correlations?coins=A,B,C,D&order=cluster").json()
    places = {name: i for i, name in enumerate(got["coins"])}
    assert abs(places["A"] - places["C"]) == abs(places["B"] - places["D"]) == 1
    assert got["matrix"][places["A"]][places["C"]] == 0.9
    impossible = [[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]]
    desk.take(*blocks(20, names[:3], impossible))
    got = client.get("/v1/correlations?coins=A,B,C&repair=true").json()
    assert got["repaired"] is True
    assert np.linalg.eigvalsh(np.array(got["matrix"])).min() >= -1e-12
    assert client.get("/v1/correlations?coins=A,B,C").json()["matrix"] == impossible


def test_a_matrix_is_published_when_all_of_its_blocks_are_there() -> None:
    """Not before, in whatever order they come; repeats and what does not fit are left out."""
    desk = Desk()
    talk = Talk(desk)
    first = blocks(10, COINS, MATRIX, why=WHY)
    desk.take(first[2], first[0])
    assert desk.gateway.memory.correlations.matrix(TABLE) is None
    desk.take(first[1])
    assert desk.gateway.memory.correlations.matrix(TABLE) is not None
    _, snapshot = talk.ask(op="subscribe", channel="correlations", keys=["1h.pearson"])
    assert snapshot["seq"] == STEP + 1
    desk.take(*first)
    other = blocks(20, COINS, MATRIX, why=WHY)
    desk.take(other[0], *blocks(30, COINS, MATRIX, why=WHY))
    (update,) = talk.outlet.messages()
    assert (update["seq"], update["prev_seq"]) == (STEP + 3, STEP + 1)
    desk.take(*other)
    assert talk.outlet.messages() == []
    misfit = [*blocks(40, COINS, MATRIX)[:2], blocks(40, ["BTC", "ETH", "ADA"], MATRIX)[2]]
    desk.take(*misfit)
    assert desk.gateway.memory.correlations.incoherent == 1


def test_what_is_kept_of_a_large_matrix_is_bounded() -> None:
    """The newest always; of those before as many as fit."""
    desk = Desk()
    names = [f"C{i}" for i in range(500)]
    for second in range(10, 80, 10):
        desk.take(*blocks(second, names, np.eye(500).tolist(), rows_a_block=500))
    kept = desk.gateway.memory.correlations.matrices(TABLE)
    assert sum(matrix.nbytes for matrix in kept) <= HISTORY_BYTES
    assert kept[-1].as_of == START + 70
    assert len(kept) == HISTORY_BYTES // kept[0].nbytes


def test_change_against_the_longer_table(desk: Desk, client: Caller) -> None:
    """Pairs that left their interval; the average against its own past once 30 steps are known."""
    desk.take(*blocks(0, COINS, MATRIX, table=LONG_TABLE, why=WHY))
    low = [[1.0, 0.2, NAN], [0.2, 1.0, 0.5], [NAN, 0.5, 1.0]]
    desk.take(*blocks(20, COINS, low, why=WHY))
    got = client.get("/v1/correlations").json()
    z = (np.arctanh(0.2) - np.arctanh(0.8)) / np.sqrt(2 / 97)
    (changed,) = got["change"]["pairs"]
    assert (changed["coins"], changed["correlation"], changed["against"]) == (
        ["BTC", "ETH"], 0.2, 0.8,
    )  # fmt: skip
    assert changed["z"] == pytest.approx(z)
    assert got["change"]["against"] == LONG_TABLE
    assert got["change"]["average"] == {
        "z": pytest.approx(z / 2), "distance": None, "is_changed": None,
    }  # fmt: skip
    assert got["reasons"]["change.average.distance"] == "warming"
    pair = client.get("/v1/correlations/BTC/ETH").json()["change"]
    assert pair == {
        "against": LONG_TABLE, "correlation": 0.8, "z": pytest.approx(z), "is_changed": True,
    }  # fmt: skip
    earlier = [z / 2]
    for step in range(3, 35):
        wobble = 0.7 + 0.001 * (step % 5)
        earlier.append(float((np.arctanh(wobble) - np.arctanh(0.8)) / np.sqrt(2 / 97) / 2))
        desk.take(*blocks(10 * step, COINS, [[1, wobble, NAN], [wobble, 1, 0.5], [NAN, 0.5, 1]],
                          why=WHY))  # fmt: skip
    average = client.get("/v1/correlations").json()["change"]["average"]
    past = np.array(earlier[:-1])
    assert average["distance"] == pytest.approx((earlier[-1] - past.mean()) / past.std())
    assert average["is_changed"] is False


def test_a_table_without_a_matrix_is_warming() -> None:
    """It is declared, but has made no step with a matrix."""
    desk = Desk()
    desk.take(returns(10, {"BTC": 1.0}))
    got = served(desk).get("/v1/correlations?coins=BTC").json()
    assert (got["as_of"], got["matrix"]) == (None, [[None]])
    assert got["reasons"]["as_of"] == got["reasons"]["matrix.BTC.BTC"] == "warming"


@pytest.mark.parametrize("break_it", ["short", "why", "rows", "as_of"])
def test_what_does_not_fit_together_is_no_record(break_it: str) -> None:
    """It is counted as not readable, and the line goes on."""
    block: Any = blocks(10, COINS, MATRIX, why=[[QUIET] * 3] * 3)[0].value
    changes: dict[str, dict[str, Any]] = {
        "short": {"sigma": b""},
        "why": {"why": bytes([9, 9, 9])},
        "rows": {"first_row": 3},
        "as_of": {"as_of": "now"},
    }
    value = msgspec.msgpack.encode(msgspec.structs.replace(block, **changes[break_it]))
    with pytest.raises(ValueError, match=r"expected|Invalid"):
        derived_record("correlations", place(0), value)
