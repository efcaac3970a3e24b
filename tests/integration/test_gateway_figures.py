"""Bars, indicators and correlations through a real Kafka, to a real websocket client and REST."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
from websockets.exceptions import InvalidStatus

from models.records.correlations import CorrelationBlock
from models.settings import Settings
from models.topics import BARS, CORRELATIONS, INDICATORS, RETURNS
from services.gateway.records import DerivedRecord
from tests.integration.conftest import CreateTopics
from tests.integration.gateway import GatewayProcess, StreamClient, send
from tests.integration.waiting import until
from tests.unit.gateway.made import BTC, START
from tests.unit.gateway.made_derived import (
    MINUTE,
    bars,
    blocks,
    indicators,
    returns,
    value_of,
)

KEY = f"{BTC}|1m"
COINS = ["BTC", "ETH", "SOL"]
MATRIX = [[1.0, 0.8, 0.1], [0.8, 1.0, 0.5], [0.1, 0.5, 1.0]]
STEP = START // 10


@pytest.fixture
def settings(namespaced: Settings, create_topics_for: CreateTopics) -> Settings:
    """Return settings with topics."""
    create_topics_for(namespaced)
    return namespaced


def put(settings: Settings, topic: str, records: Iterable[DerivedRecord]) -> None:
    """Put records into a topic; blocks of matrices have their key."""
    kept = list(records)
    keys = [
        f"{record.value.table}|{record.value.block}".encode()
        if isinstance(record.value, CorrelationBlock)
        else None
        for record in kept
    ]
    send(settings, topic, [value_of(record) for record in kept], keys)


def test_bars_live_revised_and_resumed(settings: Settings) -> None:
    """What is in the log is answered; what comes is sent; who was away gets it, of any replica."""
    put(settings, BARS.name, [bars(minute, {BTC: 100.0 + minute}) for minute in range(5)])
    put(settings, INDICATORS.name, [indicators(minute) for minute in range(5)])
    with GatewayProcess(settings) as gateway:
        got = gateway.get("/v1/coins/BTC/bars?exchange=kraken")
        assert [bar["close"] for bar in got["data"]] == [100.0, 101.0, 102.0, 103.0, 104.0]
        with StreamClient(gateway) as client:
            client.subscribe("bars", KEY)
            snapshot = client.next()
            assert (snapshot["type"], snapshot["seq"]) == ("snapshot", MINUTE + 4)
            put(settings, BARS.name, [bars(5, {BTC: 105.0})])
            update = client.next()
            assert (update["seq"], update["prev_seq"]) == (MINUTE + 5, MINUTE + 4)
            assert update["data"]["close"] == 105.0
        put(settings, BARS.name, [bars(2, {BTC: 9.0}, source="mixed"), bars(6, {BTC: 106.0})])
        with GatewayProcess(settings) as other:
            for replica in (gateway, other):
                until(partial(has_close, replica, 106.0), "the newest bar", lambda: "", 30.0)
                with StreamClient(replica) as client:
                    client.subscribe("bars", KEY, resume={KEY: MINUTE + 5})
                    revised, update = client.next(), client.next()
                    assert (revised["seq"], revised["revised"]) == (MINUTE + 2, True)
                    assert revised["data"]["source"] == "mixed"
                    assert (update["seq"], update["prev_seq"]) == (MINUTE + 6, MINUTE + 5)
            assert closes(gateway) == closes(other) == [100.0, 101.0, 9.0, 103, 104, 105, 106]
        with StreamClient(gateway) as client:
            client.subscribe("indicators", KEY)
            assert client.next()["data"]["sma_20"] == 100.0
        assert gateway.metric("cointide_gateway_revised_bars_total") == 1
        composite = gateway.get("/v1/coins/BTC/bars?limit=1")["data"][0]
        assert (composite["markets"], composite["close"]) == ([BTC], 106.0)


def has_close(gateway: GatewayProcess, close: float) -> bool:
    """Return whether the newest bar has this close."""
    return closes(gateway)[-1] == close


def closes(gateway: GatewayProcess) -> list[float]:
    """Return the closes that a gateway has."""
    answer: Any = gateway.get("/v1/coins/BTC/bars?exchange=kraken")
    return [bar["close"] for bar in answer["data"]]


def test_correlations_live_and_resumed(settings: Settings) -> None:
    """A matrix when all of its blocks are there; a history out of the returns; both formats."""
    prices = {"BTC": 60_000.0, "ETH": 3_000.0, "SOL": None}
    changes = np.random.default_rng(3).normal(0, 1e-3, (200, 2))
    put(settings, RETURNS.name, [
        returns(10 * step, prices, [float(a), float(b), None])
        for step, (a, b) in enumerate(changes)
    ])  # fmt: skip
    put(settings, CORRELATIONS.name, blocks(10, COINS, MATRIX))
    with GatewayProcess(settings) as gateway:
        got = gateway.get("/v1/correlations?coins=ETH,BTC")
        assert (got["matrix"], got["coins"]) == ([[1.0, 0.8], [0.8, 1.0]], ["ETH", "BTC"])
        assert gateway.get("/v1/coins/BTC")["reference_price"] == 60_000.0
        assert gateway.get("/v1/correlations")["stale"] == ["SOL"]
        (point,) = gateway.get("/v1/correlations/BTC/ETH/history?limit=1")["data"]
        rows = 1 + int(point["as_of"][14:16]) * 6
        expected = np.asarray(np.corrcoef(changes[:rows].T))[0, 1]
        assert point["correlation"] == pytest.approx(expected, abs=1e-9)
        with (
            StreamClient(gateway) as client,
            StreamClient(gateway, subprotocols=["cointide.msgpack"]) as packed,
        ):
            request = {"op": "subscribe", "channel": "correlations", "keys": ["1h.pearson"]}
            packed.connection.send(msgspec.msgpack.encode({**request, "coins": ["BTC", "SOL"]}))
            client.subscribe("correlations", "1h.pearson", coins=["BTC", "SOL"])
            snapshot = client.next()
            assert snapshot["seq"] == STEP + 1
            first = blocks(20, COINS, MATRIX)
            put(settings, CORRELATIONS.name, first[:2])
            put(settings, CORRELATIONS.name, [*first[2:], *blocks(30, COINS, MATRIX)])
            for step in (2, 3):
                update = client.next()
                assert (update["seq"], update["prev_seq"]) == (STEP + step, STEP + step - 1)
                assert (update["key"], update["data"]["coins"]) == ("1h.pearson", ["BTC", "SOL"])
            message: Any = {}
            while message.get("seq") != STEP + 3:
                data = packed.connection.recv(30, decode=False)
                message = msgspec.msgpack.decode(data)
            assert message["data"] == update["data"]
        with GatewayProcess(settings) as other, StreamClient(other) as client:
            resume = {"1h.pearson": snapshot["seq"]}
            client.subscribe("correlations", "1h.pearson", coins=["BTC"], resume=resume)
            for step in (2, 3):
                update = client.next()
                assert (update["seq"], update["data"]["matrix"]) == (STEP + step, [[1.0]])


def test_limits_and_origins_on_real_sockets(settings: Settings) -> None:
    """429 before there is a websocket, let in once another one has left; 403 for other sites."""
    limited = settings.model_copy(
        update={"websocket_limit": 2, "rate_limit_per_minute": 60, "rate_limit_burst": 20}
    )
    with GatewayProcess(limited) as gateway:
        with StreamClient(gateway), StreamClient(gateway):
            with pytest.raises(InvalidStatus) as refused:
                StreamClient(gateway)
            response = refused.value.response
            assert response.status_code == 429
            assert response.headers["content-type"] == "application/problem+json"
            assert response.headers["retry-after"] == "10"

        def opens() -> bool:
            try:
                with StreamClient(gateway):
                    return True
            except InvalidStatus:
                time.sleep(0.5)  # every attempt costs a request, of which some are needed below
                return False

        until(opens, "a place to be free", lambda: "", 30.0)
        with pytest.raises(InvalidStatus) as forbidden:
            StreamClient(gateway, origin="https://evil.example")
        assert forbidden.value.response.status_code == 403
        with StreamClient(gateway, origin=f"http://{gateway.address}"):
            pass
        url = f"http://{gateway.address}/v1/catalog"
        statuses = [httpx.get(url).status_code for _ in range(40)]
        assert {*statuses} == {200, 429}
        assert httpx.get(f"http://{gateway.address}/metrics").status_code == 200
