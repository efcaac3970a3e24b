"""The last hour of a source in steps of five seconds, out of its spreads and trades."""

from __future__ import annotations

import numpy as np
import pytest

from models.records.bursts import SCHEMA_VERSION, TickFlag, TradeBurst
from models.times import iso_seconds
from services.gateway.orders.past import STEP_S, SourcePast, SpreadColumns

SECOND = 1_000_000_000
START = 1_800_000_000
MARKETS = ["kraken:BTC-USD", "kraken:ETH-USD"]
BTC, ETH = MARKETS


def spreads(as_of: int, mid: float | None = 100.0, impact: float | None = 2.0) -> SpreadColumns:
    both: list[float | None] = [None, None] if mid is None else [mid, mid / 10]
    return SpreadColumns(
        exchange="kraken",
        as_of=iso_seconds(as_of),
        markets=MARKETS,
        bid=[None if each is None else each - 0.5 for each in both],
        ask=[None if each is None else each + 0.5 for each in both],
        mid=both,
        baseline_bps=[10.0, 10.0],
        impact_60s_bps=[impact, None],
        realised_60s_n=[3, 0],
        trades_coverage=[1.0, 1.0],
    )


def trades(*ticks: tuple[str, float, float, int]) -> TradeBurst:
    """A burst of (market, seconds after the start, price, flags)."""
    return TradeBurst(
        version=SCHEMA_VERSION,
        exchange="kraken",
        partition=0,
        epoch=1,
        clock=0,
        markets=MARKETS,
        market=np.array([MARKETS.index(tick[0]) for tick in ticks], "<u2").tobytes(),
        time=np.array([START * SECOND + int(tick[1] * SECOND) for tick in ticks], "<i8").tobytes(),
        receive_time=bytes(8 * len(ticks)),
        own_time=bytes(8 * len(ticks)),
        flags=bytes(tick[3] for tick in ticks),
        unseen=[],
        price=np.array([tick[2] for tick in ticks], "<f8").tobytes(),
        size=np.ones(len(ticks), "<f8").tobytes(),
        side=np.ones(len(ticks), "i1").tobytes(),
        trade_id=np.arange(len(ticks), dtype="<i8").tobytes(),
    )


def test_a_step_holds_the_trades_before_its_end_and_the_spread_at_it() -> None:
    """Trades at 0, 4.9 and 5.0 s: two in the step that ends at 5 s, one in the next."""
    past = SourcePast("kraken")
    past.take_trades(trades((BTC, 0, 101.0, 0), (BTC, 4.9, 99.0, 0), (BTC, 5.0, 80.0, 0)))
    for second in range(1, 11):
        past.take_spreads(spreads(START + second, mid=100.0 + second))
    steps = past.steps(BTC, "buy", 0.01, 10)
    assert steps.low[-2:].tolist() == [99.0, 80.0]
    assert steps.high[-2:].tolist() == [101.0, 80.0]
    assert steps.mid[-2:].tolist() == [105.0, 110.0]
    assert steps.seen[-3:].tolist() == [False, True, True]


def test_a_late_trade_and_another_exchange_leave_no_trace() -> None:
    past = SourcePast("binance")
    past.take_trades(trades((BTC, 1, 50.0, TickFlag.LATE)))
    past.take_spreads(spreads(START + 5))
    steps = past.steps(BTC, "buy", 0.01, 10)
    assert not steps.seen.any()
    assert np.isinf(steps.low).all()


def test_a_step_without_a_mid_or_with_unseen_trades_was_not_seen() -> None:
    past = SourcePast("kraken")
    past.take_spreads(spreads(START + 5, mid=None))
    past.take_spreads(spreads(START + 10))
    assert past.steps(BTC, "buy", 0.01, 10).seen[-2:].tolist() == [False, True]


def test_impact_counts_every_trade_of_the_hour_once() -> None:
    """Windows of 15 s: one in three steps; each of 8 disjoint ones has 3 trades."""
    past = SourcePast("kraken")
    first = START - START % 15
    for step in range(1, 25):
        past.take_spreads(spreads(first + step * STEP_S, impact=float(step)))
    found = past.impact(BTC)
    disjoint = [step for step in range(1, 25) if (first + step * STEP_S) % 15 == 0]
    assert found.n == 3 * len(disjoint) == 24
    assert found.bps == pytest.approx(sum(disjoint) / len(disjoint))


def test_without_trades_there_is_no_impact() -> None:
    past = SourcePast("kraken")
    past.take_spreads(spreads(START - START % 15))
    assert (past.impact(ETH).bps, past.impact(ETH).n) == (None, 0)


def test_what_is_older_than_the_ring_does_not_come_back() -> None:
    past = SourcePast("kraken")
    past.take_spreads(spreads(START))
    past.take_spreads(spreads(START + 4_200))
    past.take_trades(trades((BTC, -5, 1.0, 0)))
    steps = past.steps(BTC, "buy", 0.01, 600)
    assert np.isinf(steps.low).all()
    assert steps.seen.tolist().count(True) == 1
