"""Packed records as people read them, one codec after the other."""

from __future__ import annotations

import base64
import math

import msgspec
import numpy as np
import pytest

from agents.runtime.source_log import Position
from agents.runtime.steps import Step, encode_step
from models.errors import RecordError
from models.records.bars import Bars, Indicators, encode_bars
from models.records.bursts import QuoteBurst, TickFlag, TradeBurst, Unseen, encode_burst
from models.records.dead_letters import DeadLetter, Origin, dead_letter
from models.records.spreads import Spreads, SpreadWindow, encode_spreads
from models.records.unpacked import unpack

T = 1_800_000_000_000_000_000


def _longs(*values: int) -> bytes:
    return np.array(values, "<i8").tobytes()


def _floats(*values: float) -> bytes:
    return np.array(values, "<f8").tobytes()


def _quotes(unseen: list[Unseen]) -> QuoteBurst:
    return QuoteBurst(
        version=1,
        exchange="kraken",
        partition=2,
        epoch=7,
        clock=T,
        markets=["kraken:BTC-USD", "kraken:BTC-EUR"],
        market=np.array([1, 0], "<u2").tobytes(),
        time=_longs(T + 1, T + 2),
        receive_time=_longs(T + 3, T + 4),
        own_time=_longs(T, 0),
        flags=bytes([TickFlag.LATE | TickFlag.CROSSED, TickFlag.ONE_SIDED]),
        unseen=unseen,
        bid=_floats(101.5, math.nan),
        bid_size=_floats(1.0, math.nan),
        ask=_floats(101.0, 102.0),
        ask_size=_floats(2.0, 3.0),
    )


EMPTY = dict.fromkeys(
    ("market", "time", "receive_time", "own_time", "flags", "bid", "bid_size", "ask", "ask_size"),
    b"",
)


def test_quotes_are_shown_in_order_with_null_for_a_missing_side_and_then_what_was_unseen() -> None:
    rows = [Unseen("*", T, T + 5_000_000_000, "down")]
    assert list(unpack("quotes", encode_burst(_quotes(rows)))) == [
        {
            "market": "kraken:BTC-EUR",
            "time": "2027-01-15T08:00:00.000000001Z",
            "receive_time": "2027-01-15T08:00:00.000000003Z",
            "own_time": "2027-01-15T08:00:00.000000000Z",
            "flags": ["late", "crossed"],
            "bid": 101.5,
            "bid_size": 1.0,
            "ask": 101.0,
            "ask_size": 2.0,
        },
        {
            "market": "kraken:BTC-USD",
            "time": "2027-01-15T08:00:00.000000002Z",
            "receive_time": "2027-01-15T08:00:00.000000004Z",
            "own_time": None,
            "flags": ["one_sided"],
            "bid": None,
            "bid_size": None,
            "ask": 102.0,
            "ask_size": 3.0,
        },
        {
            "market": "*",
            "unseen": "down",
            "start": "2027-01-15T08:00:00.000000000Z",
            "end": "2027-01-15T08:00:05.000000000Z",
        },
    ]


def test_an_empty_burst_shows_its_clock() -> None:
    burst = msgspec.structs.replace(_quotes([]), markets=[], **EMPTY)
    assert list(unpack("quotes", encode_burst(burst))) == [
        {"exchange": "kraken", "clock": "2027-01-15T08:00:00.000000000Z", "epoch": 7}
    ]


def test_trades_name_the_takers_side() -> None:
    burst = TradeBurst(
        version=1,
        exchange="kraken",
        partition=2,
        epoch=7,
        clock=T,
        markets=["kraken:BTC-USD"],
        market=bytes(4),
        time=_longs(T, T),
        receive_time=_longs(T, T),
        own_time=_longs(0, 0),
        flags=bytes([0, TickFlag.CLAMPED]),
        unseen=[],
        price=_floats(100.0, 100.5),
        size=_floats(0.5, 0.25),
        side=np.array([1, -1], "i1").tobytes(),
        trade_id=_longs(41, 42),
    )
    shown = list(unpack("trades", encode_burst(burst)))
    assert [(x["side"], x["price"], x["size"], x["trade_id"], x["flags"]) for x in shown] == [
        ("buy", 100.0, 0.5, 41, []),
        ("sell", 100.5, 0.25, 42, ["clamped"]),
    ]


def test_spreads_are_shown_one_a_market() -> None:
    window = SpreadWindow(
        mean=[1.5, None],
        mean_bps=[2.5, None],
        tick_mean=[None, None],
        min=[1.0, None],
        max=[2.0, None],
        n=[0, 0],
        coverage=[0.5, 0.0],
        imbalance=[0.25, None],
        depth=[1000.0, None],
        trade_low=[100.5, None],
        trade_high=[101.5, None],
        trades_n=[2, 0],
    )
    record = Spreads(
        version=1,
        exchange="kraken",
        partition=2,
        as_of="2027-01-15T08:00:00Z",
        markets=["kraken:BTC-USD", "kraken:ETH-2-USDT"],
        bid=[100.0, None],
        ask=[102.0, None],
        mid=[101.0, None],
        spread=[2.0, None],
        spread_bps=[198.0, None],
        bid_size=[5.0, None],
        ask_size=[3.0, None],
        imbalance=[0.25, None],
        windows={"15s": window},
        effective_bps=[12.0, None],
        trades_n=[2, 0],
        trades_coverage=[1.0, 0.0],
        realised_5s_bps=[7.0, None],
        realised_5s_n=[1, 0],
        impact_5s_bps=[5.0, None],
        realised_60s_bps=[None, None],
        realised_60s_n=[0, 0],
        impact_60s_bps=[None, None],
        baseline_bps=[2.0, None],
        baseline_sigma=[0.5, None],
        z=[-0.4, None],
        z_n=[40, 0],
        half_life_s=[4.2, None],
        half_life_n=[39, 0],
        stale=[False, True],
        reasons=[{"windows.15s.tick_mean": "quiet"}, {"bid": "gap"}],
    )
    first, second = unpack("spreads", encode_spreads(record))
    assert first == {
        "market": "kraken:BTC-USD",
        "exchange": "kraken",
        "coin": "BTC",
        "quote_currency": "USD",
        "as_of": "2027-01-15T08:00:00Z",
        "bid": 100.0,
        "ask": 102.0,
        "mid": 101.0,
        "spread": 2.0,
        "spread_bps": 198.0,
        "windows": {
            "15s": {
                "mean": 1.5,
                "mean_bps": 2.5,
                "tick_mean": None,
                "min": 1.0,
                "max": 2.0,
                "n": 0,
                "coverage": 0.5,
                "imbalance": 0.25,
                "depth": 1000.0,
                "trade_low": 100.5,
                "trade_high": 101.5,
                "trades_n": 2,
            }
        },
        "bid_size": 5.0,
        "ask_size": 3.0,
        "imbalance": 0.25,
        "effective_bps": 12.0,
        "trades_n": 2,
        "trades_coverage": 1.0,
        "realised_5s_bps": 7.0,
        "realised_5s_n": 1,
        "impact_5s_bps": 5.0,
        "realised_60s_bps": None,
        "realised_60s_n": 0,
        "impact_60s_bps": None,
        "baseline_bps": 2.0,
        "baseline_sigma": 0.5,
        "z": -0.4,
        "z_n": 40,
        "half_life_s": 4.2,
        "half_life_n": 39,
        "stale": False,
        "reasons": {"windows.15s.tick_mean": "quiet"},
    }
    assert (second["coin"], second["quote_currency"]) == ("ETH-2", "USDT")
    assert (second["bid"], second["stale"], second["reasons"]) == (None, True, {"bid": "gap"})


def test_a_state_record_is_shown_without_what_is_no_text() -> None:
    step = Step(
        version=1,
        exchange="kraken",
        index=9,
        since=4,
        markets=["kraken:BTC-USD"],
        positions={"kraken_quotes": Position(17, 3)},
        pane={"n": bytes(8)},
        carried=b"\x00",
        kept=b"\x00",
    )
    (shown,) = unpack("step", encode_step(step))
    assert shown == {
        "version": 1,
        "exchange": "kraken",
        "index": 9,
        "since": 4,
        "markets": ["kraken:BTC-USD"],
        "positions": {"kraken_quotes": [17, 3]},
        "seconds": 1,
    }


def test_a_dead_letter_holds_the_bytes_as_they_came() -> None:
    origin = Origin("kraken_quotes", 2, 17)
    value = dead_letter("undecodable_record", "expected a burst", origin, None, b"\x00\xff")
    (shown,) = unpack("json", value)
    assert shown == {
        "v": 1,
        "reason": "undecodable_record",
        "detail": "expected a burst",
        "origin": {"topic": "kraken_quotes", "partition": 2, "offset": 17},
        "key": None,
        "value": "AP8=",
    }
    letter = msgspec.json.decode(value, type=DeadLetter)
    assert letter.value is not None
    assert base64.b64decode(letter.value) == b"\x00\xff"


def test_a_record_without_a_value_is_not_taken_for_an_empty_one() -> None:
    value = dead_letter("undecodable_record", "", Origin("spreads", 0, 0), b"", None)
    letter = msgspec.json.decode(value, type=DeadLetter)
    assert (letter.key, letter.value) == ("", None)


@pytest.mark.parametrize("codec", ["quotes", "trades"])
def test_what_is_no_burst_is_refused(codec: str) -> None:
    with pytest.raises(RecordError) as refused:
        list(unpack(codec, b"{}"))  # type: ignore[arg-type]
    assert refused.value.reason == "undecodable_record"


@pytest.mark.parametrize("codec", ["spreads", "json", "step"])
def test_what_is_no_record_of_its_topic_is_refused(codec: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        list(unpack(codec, b"\xff"))  # type: ignore[arg-type]


def test_bars_and_indicators_are_shown_one_object_a_market() -> None:
    """The times of trades as text; a bar without any has null."""
    nothing: dict[str, list[None]] = {
        name: [None]
        for name in ("open", "high", "low", "close", "vwap", "volume", "quote_volume", "n")
    }
    bars = Bars(
        version=1,
        exchange="kraken",
        partition=2,
        interval="5m",
        start="2027-01-15T08:00:00Z",
        as_of="2027-01-15T08:05:00Z",
        markets=["kraken:BTC-USD"],
        first_trade=[T + 1],
        last_trade=[None],
        coverage=[0.5],
        source=["mixed"],
        reasons=[{"close": "down"}],
        **nothing,  # type: ignore[arg-type]
    )
    market = {
        "market": "kraken:BTC-USD",
        "exchange": "kraken",
        "coin": "BTC",
        "quote_currency": "USD",
        "interval": "5m",
    }
    assert list(unpack("bars", encode_bars(bars))) == [
        market
        | dict.fromkeys(nothing)
        | {
            "start": "2027-01-15T08:00:00Z",
            "as_of": "2027-01-15T08:05:00Z",
            "first_trade": "2027-01-15T08:00:00.000000001Z",
            "last_trade": None,
            "coverage": 0.5,
            "source": "mixed",
            "reasons": {"close": "down"},
        }
    ]
    figures = ("sma_20", "ema_20", "bollinger_upper", "bollinger_lower", "rsi_14", "atr_14")
    values: dict[str, list[float]] = {
        name: [1.5] for name in (*figures, "realised_volatility", "vwap_20")
    }
    record = Indicators(
        version=1,
        exchange="kraken",
        partition=2,
        interval="5m",
        as_of="2027-01-15T08:05:00Z",
        markets=["kraken:BTC-USD"],
        n=[70],
        source=["live"],
        reasons=[{}],
        **values,  # type: ignore[arg-type]
    )
    assert list(unpack("indicators", encode_bars(record))) == [
        market
        | dict.fromkeys(values, 1.5)
        | {"as_of": "2027-01-15T08:05:00Z", "n": 70, "source": "live", "reasons": {}}
    ]
