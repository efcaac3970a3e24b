"""The REST interfaces: instrument lists as the project reads them, candles, limits and errors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agents.ingestion.instruments.coins import coins_of, followed, unique_coins
from agents.ingestion.instruments.markets import INSTRUMENTS
from services.simulator.rest.answer import Answer
from services.simulator.world import World
from tests.unit.simulator.client import SECOND, small_world


def _get(world: World, exchange: str, path: str, **query: str) -> Answer:
    return world.rest[exchange].answer(path, query, world.now)


def _json(world: World, exchange: str, path: str, **query: str) -> Any:
    found = _get(world, exchange, path, **query)
    assert found.status == 200
    return json.loads(found.body)


@pytest.mark.parametrize("exchange", ["binance", "coinbase", "kraken"])
def test_instruments_are_the_markets_that_are_simulated(exchange: str) -> None:
    world = small_world(coins=30)
    instruments = INSTRUMENTS[exchange]
    found = instruments.read(_get(world, exchange, instruments.path.strip("/")).body)
    listings = {each.market: each for each in world.model.listings if each.exchange == exchange}
    assert {each.market for each in found} == set(listings)
    for each in found:
        assert each.status == "online"
        assert each.tick_size == pytest.approx(10.0 ** -listings[each.market].price_digits)


def test_kraken_calls_bitcoin_and_dogecoin_by_its_own_names() -> None:
    pairs = _json(small_world(coins=20), "kraken", "0/public/AssetPairs")["result"]
    assert pairs["XXBTZUSD"]["altname"] == "XBTUSD"
    assert pairs["XXBTZUSD"]["wsname"] == "XBT/USD"
    assert pairs["XDGUSD"]["wsname"] == "XDG/USD"
    assert pairs["SOLUSD"]["base"] == "SOL"


def test_krakens_problems_come_with_status_200() -> None:
    world = small_world()
    assert _json(world, "kraken", "0/public/Ticker", pair="FOO")["error"] == [
        "EQuery:Unknown asset pair"
    ]
    assert _json(world, "kraken", "0/public/Dance")["error"] == ["EGeneral:Unknown method"]
    assert _json(world, "kraken", "0/public/OHLC")["error"] == ["EGeneral:Invalid arguments"]
    answers = [_json(world, "kraken", "0/public/Time") for _ in range(60)]
    assert answers[-1]["error"] == ["EAPI:Rate limit exceeded"]


def test_krakens_time_status_and_ticker() -> None:
    world = small_world()
    assert _json(world, "kraken", "0/public/Time")["result"]["unixtime"] == world.now // SECOND
    assert _json(world, "kraken", "0/public/SystemStatus")["result"]["status"] == "online"
    (ticker,) = _json(world, "kraken", "0/public/Ticker", pair="XBTUSD")["result"].values()
    assert float(ticker["b"][0]) < float(ticker["a"][0])


def test_candles_of_the_three_exchanges_tell_of_the_same_day() -> None:
    world = small_world()
    world.advance(world.now + 90 * SECOND)
    coinbase = _json(world, "coinbase", "products/BTC-USD/candles", granularity="3600")
    kraken = _json(world, "kraken", "0/public/OHLC", pair="XBTUSD", interval="60")["result"]
    binance = _json(world, "binance", "api/v3/klines", symbol="BTCUSDT", interval="1h", limit="24")
    assert len(binance) == 24
    times = [row[0] for row in coinbase]
    assert times == sorted(times, reverse=True)
    by_time = {row[0]: row for row in coinbase}
    for row in kraken["XXBTZUSD"][:-1]:
        if row[0] in by_time:
            low, high, opened, close = by_time[row[0]][1:5]
            assert low <= min(opened, close) <= max(opened, close) <= high
            assert float(row[4]) == pytest.approx(close, rel=2e-3)
    for row in binance[:-1]:
        assert float(row[4]) == pytest.approx(by_time[row[0] // 1000][4], rel=4e-3)


def test_coinbase_omits_minutes_without_a_trade_and_limits_rows() -> None:
    world = small_world(coins=20, rate=20.0)
    rows = _json(world, "coinbase", "products/XLM-USD/candles", granularity="60")
    assert 0 < len(rows) < 300
    for problem in (
        {"granularity": "61"},
        {"granularity": "x"},
        {"granularity": "60", "start": "0"},
    ):
        assert _get(world, "coinbase", "products/BTC-USD/candles", **problem).status == 400
    assert _get(world, "coinbase", "products/ETH-XYZ/ticker").status == 404


def test_coinbase_takes_times_as_text_and_ten_requests_a_second() -> None:
    world = small_world()
    rows = _json(
        world,
        "coinbase",
        "products/BTC-USD/candles",
        start="2027-01-15T06:00:00Z",
        end="2027-01-15T07:00:00+00:00",
    )
    assert len(rows) == 61
    ticker = _json(world, "coinbase", "products/BTC-USD/ticker")
    assert float(ticker["bid"]) < float(ticker["ask"])
    statuses = [_get(world, "coinbase", "time").status for _ in range(30)]
    assert statuses[-1] == 429
    world.advance(world.now + SECOND)
    assert _get(world, "coinbase", "time").status == 200


def test_binance_tells_its_weights_and_refuses_beyond_them() -> None:
    world = small_world()
    first = _get(world, "binance", "api/v3/exchangeInfo")
    assert first.headers["X-MBX-USED-WEIGHT-1M"] == "20"
    query = {"symbol": "BTCUSDT", "limit": "5000"}
    statuses = [_get(world, "binance", "api/v3/depth", **query).status for _ in range(24)]
    assert statuses.count(429) == 1
    refused = _get(world, "binance", "api/v3/ping")
    assert refused.status == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    world.advance(world.now + 60 * SECOND)
    assert _get(world, "binance", "api/v3/ping").status == 200


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("api/v3/depth", {"symbol": "FOOBAR"}, 400),
        ("api/v3/klines", {"symbol": "BTCUSDT", "interval": "7m"}, 400),
        ("api/v3/klines", {"interval": "1m"}, 400),
        ("api/v3/exchangeInfo", {"symbols": "nothing"}, 400),
        ("api/v3/exchangeInfo", {"symbol": "FOOBAR"}, 400),
        ("api/v3/dance", {}, 404),
    ],
)
def test_binance_refuses_what_it_does_not_know(
    path: str, query: dict[str, str], status: int
) -> None:
    assert _get(small_world(), "binance", path, **query).status == status


def test_binances_best_levels_and_chosen_instruments() -> None:
    world = small_world()
    rows = _json(world, "binance", "api/v3/ticker/bookTicker")
    assert all(float(row["bidPrice"]) < float(row["askPrice"]) for row in rows)
    info = _json(world, "binance", "api/v3/exchangeInfo", symbols='["BTCUSDT","ETHUSDT"]')
    assert [each["symbol"] for each in info["symbols"]] == ["BTCUSDT", "ETHUSDT"]


def test_coingecko_ranks_by_market_value_and_the_flags_matter() -> None:
    world = small_world(coins=20)
    query = {"vs_currency": "usd", "order": "market_cap_desc", "per_page": "250", "page": "1"}
    body = _get(world, "coingecko", "api/v3/coins/markets", **query).body
    coins = coins_of(body)
    values = [coin.market_value or 0.0 for coin in coins]
    assert values == sorted(values, reverse=True)
    assert [coin.rank for coin in coins] == list(range(1, len(coins) + 1))
    flags = {coin.coin: coin.flags for coin in unique_coins(coins)}
    assert flags["USDT"] == flags["USDC"] == ["stablecoin"]
    assert flags["WBTC"] == flags["STETH"] == ["wrapped"]
    assert [coin.id for coin in unique_coins(coins) if coin.coin == "BTC"] == ["bitcoin"]
    assert sum(coin.coin == "BTC" for coin in coins) == 2
    listed = [
        market
        for exchange, instruments in INSTRUMENTS.items()
        for market in instruments.read(_get(world, exchange, instruments.path.strip("/")).body)
    ]
    chosen, _ = followed(unique_coins(coins), listed, 10, ["USD", "USDT", "BTC"])
    assert [coin.coin for coin in chosen][:3] == ["BTC", "ETH", "XRP"]
    assert "USDT" not in {coin.coin for coin in chosen}


def test_coingecko_has_pages_and_a_limit() -> None:
    world = small_world(coins=300)
    pages = [
        _json(world, "coingecko", "api/v3/coins/markets", vs_currency="usd", per_page="250", page=p)
        for p in ("1", "2", "3")
    ]
    assert [len(page) for page in pages] == [250, 55, 0]
    assert _get(world, "coingecko", "api/v3/coins/markets").status == 422
    statuses = [_get(world, "coingecko", "api/v3/ping").status for _ in range(40)]
    assert statuses[-1] == 429
