"""Candles over REST and trades over websockets tell of the same market."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from agents.ingestion.exchanges.events import Trade
from services.simulator.world import World
from tests.unit.simulator.client import SECOND, START, Client, small_world

MINUTE = 60 * SECOND
SYMBOLS = {"binance": "BTCUSDT", "coinbase": "BTC-USD", "kraken": "BTC/USD"}


def rows_of(world: World, exchange: str, start: int) -> list[list[float]]:
    """Return rows of start (s), open, high, low, close, volume, value, count from `start` on.

    Coinbase tells no value and no count.
    """
    path, query = {
        "binance": (
            "api/v3/klines",
            {"symbol": "BTCUSDT", "interval": "1m", "startTime": str(start // 1_000_000)},
        ),
        "coinbase": (
            "products/BTC-USD/candles",
            {"granularity": "60", "start": str(start // SECOND)},
        ),
        "kraken": (
            "0/public/OHLC",
            {"pair": "XBTUSD", "interval": "1", "since": str(start // SECOND)},
        ),
    }[exchange]
    rows: Any = json.loads(world.rest[exchange].answer(path, query, world.now).body)
    if exchange == "binance":
        return [
            [row[0] / 1_000, *map(float, row[1:6]), float(row[7]), float(row[8])] for row in rows
        ]
    if exchange == "coinbase":
        return [[t, o, h, low, c, v] for t, low, h, o, c, v in reversed(rows)]
    (kept,) = [value for key, value in rows["result"].items() if key != "last"]
    return [
        [*map(float, row[:5]), float(row[6]), float(row[5]) * float(row[6]), float(row[7])]
        for row in kept
    ]


@pytest.mark.parametrize("exchange", ["binance", "coinbase", "kraken"])
def test_a_minutes_candle_is_what_its_trades_on_the_websocket_come_to(exchange: str) -> None:
    world = small_world(coins=3, rate=300.0)
    world.advance(START + 30 * SECOND)
    client = Client(world, exchange)
    client.subscribe(SYMBOLS[exchange])
    client.run(160)
    trades = [event for event in client.events if isinstance(event, Trade)]
    minutes = rows_of(world, exchange, START + MINUTE)
    assert [row[0] for row in minutes] == [START // SECOND + 60, START // SECOND + 120,
                                           START // SECOND + 180]  # fmt: skip
    # The last one is not finished, and says so by changing.
    for row in minutes:
        begin = int(row[0]) * SECOND
        of_minute = [t for t in trades if begin <= t.own_time < begin + MINUTE]
        assert len(of_minute) > 5
        prices = [trade.price for trade in of_minute]
        assert row[1:5] == [prices[0], max(prices), min(prices), prices[-1]]
        assert row[5] == pytest.approx(sum(trade.size for trade in of_minute), abs=1e-7)
        if exchange != "coinbase":
            value = sum(trade.price * trade.size for trade in of_minute)
            assert row[6] == pytest.approx(value, rel=1e-5)
            assert row[7] == len(of_minute)


@pytest.mark.parametrize("exchange", ["binance", "kraken"])
def test_a_quiet_minute_is_a_flat_row_where_the_exchange_gives_one(exchange: str) -> None:
    """Few trades: on Binance and Kraken minutes follow each other all the same."""
    world = small_world(coins=2, rate=1.0)
    world.advance(START + 300 * SECOND)
    rows = rows_of(world, exchange, START - 400 * MINUTE)
    starts = [row[0] for row in rows]
    assert starts == [START / SECOND + 60 * minute for minute in range(-400, 6)][: len(rows)]
    assert len(rows) > 400
    quiet = [(before, row) for before, row in itertools.pairwise(rows) if row[7] == 0]
    assert quiet
    for before, row in quiet:
        assert row[1:5] == [before[4]] * 4
        assert row[5:8] == [0.0, 0.0, 0.0]


def test_the_past_agrees_with_itself_however_it_is_asked_for() -> None:
    """Every minute lies within its prices and joins the one before."""
    world = small_world(coins=3)
    rows = rows_of(world, "binance", START - 500 * MINUTE)
    assert rows == rows_of(world, "binance", START - 500 * MINUTE)
    for row in rows:
        assert row[3] <= min(row[1], row[4]) <= max(row[1], row[4]) <= row[2]
        if row[5]:
            assert row[3] * row[5] <= row[6] * (1 + 1e-6)
            assert row[6] <= row[2] * row[5] * (1 + 1e-6)
    for before, row in itertools.pairwise(rows):
        assert row[0] == before[0] + 60
        assert row[1] == pytest.approx(before[4])
