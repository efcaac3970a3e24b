"""The composite of a coin from its markets' bars."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from models.statistics.composite import MarketBar, composite

BAR = MarketBar(
    market="kraken:BTC-USD",
    start=0,
    end=60,
    open=10.0,
    high=12.0,
    low=9.0,
    close=11.0,
    volume=2.0,
    quote_volume=21.0,
    n=3,
    first_trade=5,
    last_trade=50,
    coverage=1.0,
    source="live",
    reasons={},
)
UNSEEN: dict[str, Any] = {
    **dict.fromkeys(("open", "high", "low", "close", "first_trade", "last_trade")),
    **dict.fromkeys(("volume", "quote_volume", "n")),
    "coverage": 0.0,
    "reasons": dict.fromkeys(("open", "close", "volume", "n"), "down"),
}


def bar(market: str, **changes: Any) -> MarketBar:
    return msgspec.structs.replace(BAR, market=f"{market}:BTC-USD", **changes)


def test_open_and_close_are_of_the_first_and_the_last_trade() -> None:
    """Sums, extremes and the mean coverage are of all; one without a bar counts 0 in it."""
    found = composite(
        [
            bar("kraken", first_trade=5, last_trade=50),
            bar(
                "coinbase", open=20.0, close=21.0, high=22.0, low=8.0, first_trade=4, last_trade=49
            ),
        ],
        ["binance:BTC-USD"],
    )
    assert (found.open, found.close, found.high, found.low) == (20.0, 11.0, 22.0, 8.0)
    assert (found.volume, found.quote_volume, found.vwap, found.n) == (4.0, 42.0, 10.5, 6)
    assert (found.first_trade, found.last_trade) == (4, 50)
    assert found.coverage == pytest.approx(2 / 3)
    assert found.markets == ["coinbase:BTC-USD", "kraken:BTC-USD"]
    assert found.missing == ["binance:BTC-USD"]
    assert found.reasons == {}


def test_of_equal_times_the_exchange_first_by_name_counts() -> None:
    found = composite([bar("kraken"), bar("coinbase", open=20.0, close=21.0)])
    assert (found.open, found.close) == (20.0, 21.0)


def test_a_bar_without_trade_times_takes_part_with_its_start_and_its_end() -> None:
    rest = bar(
        "kraken",
        first_trade=None,
        last_trade=None,
        n=None,
        source="rest",
        reasons=dict.fromkeys(("n", "first_trade", "last_trade"), "thin"),
    )
    found = composite([rest, bar("coinbase", open=20.0, close=21.0)])
    assert (found.open, found.close, found.source) == (10.0, 11.0, "mixed")
    assert found.reasons == dict.fromkeys(("n", "first_trade", "last_trade"), "thin")


def test_what_was_not_seen_is_passed_over_and_alone_is_undefined() -> None:
    assert composite([bar("kraken", **UNSEEN), bar("coinbase")]).n == 3
    found = composite([bar("kraken", **UNSEEN)])
    assert (found.close, found.volume, found.n) == (None, None, None)
    assert found.reasons["close"] == "down"
