"""What is sent to follow markets."""

from __future__ import annotations

import json

from agents.ingestion.subscriptions import subscribe_frames, unsubscribe_frames


def test_kraken_is_asked_for_quotes_on_every_change_and_for_trades() -> None:
    """Two requests with rising ids; snapshots, so that the last trade id is known."""
    ticker, trade = map(json.loads, subscribe_frames("kraken", ["BTC/USD", "ETH/USD"], 7))
    assert ticker == {
        "method": "subscribe",
        "params": {
            "channel": "ticker",
            "symbol": ["BTC/USD", "ETH/USD"],
            "event_trigger": "bbo",
            "snapshot": True,
        },
        "req_id": 7,
    }
    assert trade["params"]["channel"] == "trade"
    assert trade["req_id"] == 8


def test_coinbase_is_asked_for_books_matches_and_heartbeats_in_one_frame() -> None:
    """`level2_batch` needs no authentication and is the best source of quotes."""
    (frame,) = map(json.loads, subscribe_frames("coinbase", ["BTC-USD"]))
    assert frame["type"] == "subscribe"
    assert frame["product_ids"] == ["BTC-USD"]
    assert frame["channels"] == ["level2_batch", "matches", "heartbeat"]


def test_binance_streams_are_lower_case_and_split_over_messages() -> None:
    """250 symbols are 500 streams, 200 of them a message."""
    frames = [json.loads(f) for f in subscribe_frames("binance", [f"C{i}USDT" for i in range(250)])]
    assert [len(frame["params"]) for frame in frames] == [200, 200, 100]
    assert frames[0]["params"][:2] == ["c0usdt@bookTicker", "c0usdt@trade"]
    assert [frame["id"] for frame in frames] == [1, 2, 3]


def test_nothing_is_sent_for_no_symbols() -> None:
    """An empty request would be an error to the exchange."""
    assert subscribe_frames("kraken", []) == []
    assert unsubscribe_frames("coinbase", []) == []


def test_the_end_of_a_subscription_names_the_same_channels() -> None:
    """Otherwise one of them would go on."""
    ended = [json.loads(frame) for frame in unsubscribe_frames("kraken", ["BTC/USD"])]
    assert [frame["method"] for frame in ended] == ["unsubscribe", "unsubscribe"]
    assert [frame["params"]["channel"] for frame in ended] == ["ticker", "trade"]
