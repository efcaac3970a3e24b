"""Instrument lists and coins as records, and which of them are followed."""

from __future__ import annotations

import json

import pytest

from agents.ingestion.instruments.coins import coins_of, followed, unique_coins
from agents.ingestion.instruments.markets import INSTRUMENTS
from models.errors import FrameError

COINBASE = [
    {
        "id": "BTC-USD",
        "base_currency": "BTC",
        "quote_currency": "USD",
        "quote_increment": "0.01",
        "base_increment": "0.00000001",
        "status": "online",
        "trading_disabled": False,
    },
    {
        "id": "OLD-USD",
        "base_currency": "OLD",
        "quote_currency": "USD",
        "quote_increment": "0.01",
        "base_increment": "1",
        "status": "delisted",
    },
]
KRAKEN = {
    "error": [],
    "result": {
        "XXBTZUSD": {
            "wsname": "XBT/USD",
            "tick_size": "0.1",
            "lot_decimals": 8,
            "ordermin": "0.00005",
            "status": "online",
        },
        "XDGUSD": {"wsname": "XDG/USD", "status": "cancel_only"},
        "DARK": {"status": "online"},
    },
}
BINANCE = {
    "symbols": [
        {
            "symbol": "ETHBTC",
            "status": "TRADING",
            "baseAsset": "ETH",
            "quoteAsset": "BTC",
            "filters": [
                {"filterType": "PRICE_FILTER", "tickSize": "0.00001000"},
                {"filterType": "LOT_SIZE", "stepSize": "0.0001", "minQty": "0.001"},
            ],
        },
        {"symbol": "LUNABTC", "status": "BREAK", "baseAsset": "LUNA", "quoteAsset": "BTC"},
    ]
}


def read(exchange: str, body: object) -> dict[str, tuple[str, float | None, str]]:
    """Return by market: symbol, tick size, status."""
    markets = INSTRUMENTS[exchange].read(json.dumps(body).encode())
    return {each.market: (each.symbol, each.tick_size, each.status) for each in markets}


def test_coinbase_products_keep_their_names_and_delisted_ones_are_offline() -> None:
    """The product id is the websocket's name too."""
    assert read("coinbase", COINBASE) == {
        "coinbase:BTC-USD": ("BTC-USD", 0.01, "online"),
        "coinbase:OLD-USD": ("OLD-USD", 0.01, "offline"),
    }


def test_kraken_pairs_get_the_usual_coin_names() -> None:
    """XBT is BTC, XDG is DOGE; a pair without a websocket name is left out."""
    assert read("kraken", KRAKEN) == {
        "kraken:BTC-USD": ("BTC/USD", 0.1, "online"),
        "kraken:DOGE-USD": ("DOGE/USD", None, "offline"),
    }


def test_binance_symbols_bring_their_filters() -> None:
    """Tick size from the price filter; what does not trade is offline."""
    assert read("binance", BINANCE) == {
        "binance:ETH-BTC": ("ETHBTC", 1e-05, "online"),
        "binance:LUNA-BTC": ("LUNABTC", None, "offline"),
    }


@pytest.mark.parametrize("exchange", list(INSTRUMENTS))
@pytest.mark.parametrize("body", [b"", b"null", b"{", b'{"error":["EGeneral"],"result":{}}', b"7"])
def test_what_is_no_list_is_refused(exchange: str, body: bytes) -> None:
    """Kraken tells errors with status 200."""
    with pytest.raises(FrameError):
        INSTRUMENTS[exchange].read(body)


def entry(coin: str, name: str, value: float, rank: int) -> dict[str, object]:
    """Return a line of CoinGecko's list."""
    return {
        "id": name.lower().replace(" ", "-"),
        "symbol": coin.lower(),
        "name": name,
        "market_cap": value,
        "market_cap_rank": rank,
    }


def test_the_largest_coin_keeps_a_symbol_and_stand_ins_are_flagged_and_not_followed() -> None:
    """Of two BTC the larger; Tether is a stablecoin, Wrapped Bitcoin is Bitcoin's price."""
    body = [
        entry("BTC", "Bitcoin", 900.0, 1),
        entry("USDT", "Tether", 300.0, 2),
        entry("WBTC", "Wrapped Bitcoin", 50.0, 3),
        entry("ETH", "Ethereum", 400.0, 4),
        entry("BTC", "Bitcoin Copy", 1.0, 9),
        entry("XRP", "XRP", 20.0, 5),
    ]
    coins = unique_coins(coins_of(json.dumps(body).encode()))
    assert [(coin.coin, coin.id) for coin in coins][:2] == [("BTC", "bitcoin"), ("ETH", "ethereum")]
    assert {coin.coin: coin.flags for coin in coins if coin.flags} == {
        "USDT": ["stablecoin"],
        "WBTC": ["wrapped"],
    }
    markets = [
        market
        for name, listed in (("coinbase", COINBASE), ("kraken", KRAKEN), ("binance", BINANCE))
        for market in INSTRUMENTS[name].read(json.dumps(listed).encode())
    ]
    chosen, chosen_markets = followed(coins, markets, 5, ["USD", "BTC"])
    assert [coin.coin for coin in chosen] == ["BTC", "ETH"]
    assert sorted(market.market for market in chosen_markets) == [
        "binance:ETH-BTC",
        "coinbase:BTC-USD",
        "kraken:BTC-USD",
    ]
    assert followed(coins, markets, 1, ["USD"])[0] == chosen[:1]
