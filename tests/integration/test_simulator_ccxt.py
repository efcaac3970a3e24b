"""A client that nobody here wrote follows all three simulated exchanges: ccxt (PyPI)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import ccxt.pro  # type: ignore[import-untyped]
import pytest

from services.simulator.market.model import ModelSettings
from services.simulator.server import ServerSettings, Simulator

_LIMIT_S = 30.0
_SYMBOLS = {"binance": "BTC/USDT", "kraken": "BTC/USD", "coinbaseexchange": "BTC/USD"}


def _binance(port: int) -> Any:
    client = ccxt.pro.binance(
        {"options": {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False}}
    )
    client.urls["api"]["public"] = f"http://127.0.0.1:{port}/binance/api/v3"
    client.urls["api"]["ws"]["spot"] = f"ws://127.0.0.1:{port}/binance/ws"
    return client


def _kraken(port: int) -> Any:
    # Its own check of checksums (off unless asked for) fails on the floats it parses itself.
    client = ccxt.pro.kraken()
    client.urls["api"]["public"] = f"http://127.0.0.1:{port}/kraken"
    client.urls["api"]["ws"]["publicV2"] = f"ws://127.0.0.1:{port}/kraken/v2"
    return client


def _coinbase(port: int) -> Any:
    # It asks for the level2 channel, which wants a signed request; any key does here.
    client = ccxt.pro.coinbaseexchange({"apiKey": "key", "secret": "c2VjcmV0", "password": "word"})
    client.urls["api"]["public"] = f"http://127.0.0.1:{port}/coinbase"
    client.urls["api"]["ws"] = f"ws://127.0.0.1:{port}/coinbase"
    return client


_CLIENTS: dict[str, Callable[[int], Any]] = {
    "binance": _binance,
    "kraken": _kraken,
    "coinbaseexchange": _coinbase,
}


async def _within(answer: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(answer, _LIMIT_S)


@pytest.mark.parametrize("exchange", _CLIENTS)
def test_ccxt_loads_markets_and_watches_tickers_trades_and_books(exchange: str) -> None:
    async def watch() -> None:
        model = ModelSettings(seed=3, coins=8, rate=800.0)
        async with Simulator(ServerSettings(model=model)) as simulator:
            client, symbol = _CLIENTS[exchange](simulator.port), _SYMBOLS[exchange]
            try:
                markets = await _within(client.load_markets())
                assert symbol in markets
                base, quote = symbol.split("/")
                assert (markets[symbol]["base"], markets[symbol]["quote"]) == (base, quote)
                await _watch_ticker(client, symbol)
                await _watch_trades(client, symbol)
                await _watch_book(client, symbol)
                await _fetch(client, symbol)
            finally:
                await client.close()

    asyncio.run(watch())


async def _watch_ticker(client: Any, symbol: str) -> None:
    for _ in range(3):
        ticker = await _within(client.watch_ticker(symbol))
        assert 0 < ticker["bid"] < ticker["ask"]
        assert ticker["low"] <= ticker["last"] <= ticker["high"]


async def _watch_trades(client: Any, symbol: str) -> None:
    trades: dict[str, dict[str, Any]] = {}
    while len(trades) < 10:
        for trade in await _within(client.watch_trades(symbol)):
            trades[trade["id"]] = trade
    assert {trade["symbol"] for trade in trades.values()} == {symbol}
    assert {trade["side"] for trade in trades.values()} <= {"buy", "sell"}
    assert all(trade["price"] > 0 and trade["amount"] > 0 for trade in trades.values())


async def _watch_book(client: Any, symbol: str) -> None:
    """Ccxt checks continuity on Binance, and on Kraken the checksum of every frame."""
    seen = set()
    for _ in range(40):
        book = await _within(client.watch_order_book(symbol))
        assert 0 < book["bids"][0][0] < book["asks"][0][0]
        assert len(book["bids"]) >= 10
        seen.add((*book["bids"][0][:2], *book["asks"][0][:2]))
    assert len(seen) > 3


async def _fetch(client: Any, symbol: str) -> None:
    candles = await _within(client.fetch_ohlcv(symbol, "1m", limit=60))
    assert len(candles) > 30
    times = [candle[0] for candle in candles]
    assert times == sorted(times)
    book = await _within(client.fetch_order_book(symbol))
    assert book["bids"][0][0] < book["asks"][0][0]
    ticker = await _within(client.fetch_ticker(symbol))
    assert ticker["bid"] < ticker["ask"]
    assert await _within(client.fetch_trades(symbol))
