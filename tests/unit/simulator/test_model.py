"""The market model: the same seed gives the same market, and its books are books."""

from __future__ import annotations

import msgspec
import pytest

from services.simulator.market.coins import coins_of
from services.simulator.market.model import SLICE_NS, MarketModel, ModelSettings
from services.simulator.market.state import Fill, MarketEvent
from tests.unit.simulator.client import SECOND, START

import numpy as np  # isort: skip

_SETTINGS = ModelSettings(seed=5, coins=8, rate=400.0)


def _facts(event: MarketEvent) -> tuple[object, ...]:
    market = event.market
    fills = [msgspec.structs.astuple(fill) for fill in event.fills]
    changes = (event.changes.bids, event.changes.asks)
    return (market.listing.market, event.time, changes, fills, market.best, market.update_id)


def test_the_same_seed_gives_the_same_market_event_for_event() -> None:
    one, other = (MarketModel(_SETTINGS, START) for _ in range(2))
    until = START + 20 * SECOND
    assert [_facts(e) for e in one.advance(until)] == [_facts(e) for e in other.advance(until)]
    assert [m.book.bids.top(500) for m in one.markets] == [
        m.book.bids.top(500) for m in other.markets
    ]


def test_how_time_is_cut_changes_nothing() -> None:
    whole, cut = (MarketModel(_SETTINGS, START) for _ in range(2))
    expected = [_facts(event) for event in whole.advance(START + 5 * SECOND)]
    found = []
    for step in range(1, 5 * 7 + 1):
        found += [_facts(event) for event in cut.advance(START + step * SECOND // 7)]
    found += [_facts(event) for event in cut.advance(START + 5 * SECOND)]
    assert found == expected


def test_the_start_only_shifts_times() -> None:
    early, late = MarketModel(_SETTINGS, START), MarketModel(_SETTINGS, START + 77 * SECOND)
    shifted = [(facts[0], facts[1]) for facts in map(_facts, late.advance(START + 80 * SECOND))]
    assert shifted == [
        (facts[0], facts[1] + 77 * SECOND)  # type: ignore[operator]
        for facts in map(_facts, early.advance(START + 3 * SECOND))
    ]


def test_another_seed_gives_another_market() -> None:
    other = MarketModel(ModelSettings(seed=6, coins=8, rate=400.0), START)
    first = MarketModel(_SETTINGS, START)
    until = START + SECOND
    assert [_facts(e) for e in first.advance(until)] != [_facts(e) for e in other.advance(until)]


def test_events_rise_in_time_and_stay_within_their_slice() -> None:
    model = MarketModel(_SETTINGS, START)
    for _ in range(200):
        begin = model.time
        times = [event.time for event in model.advance(begin + SLICE_NS)]
        assert times == sorted(times)
        assert all(begin <= time < begin + SLICE_NS and time % 1_000 == 0 for time in times)


def test_books_are_never_crossed_and_as_deep_as_they_should_be() -> None:
    model = MarketModel(_SETTINGS, START)
    for event in model.advance(START + 30 * SECOND):
        market = event.market
        bid, bid_size, ask, ask_size = market.best
        assert 0 < bid < ask
        assert bid_size > 0 < ask_size
        for side in (market.book.bids, market.book.asks):
            assert len(side) >= market.listing.levels
    coinbase = [m for m in model.markets if m.listing.exchange == "coinbase"]
    assert min(len(market.book.asks) for market in coinbase) >= 200


def test_changes_lead_from_one_book_to_the_next() -> None:
    model = MarketModel(_SETTINGS, START)
    market = model.markets[0]
    books = [dict(side.top(10_000)) for side in (market.book.bids, market.book.asks)]
    for event in model.advance(START + 20 * SECOND):
        if event.market is not market:
            continue
        for book, changes in zip(books, (event.changes.bids, event.changes.asks), strict=True):
            for tick, size in changes:
                book[tick] = size
                if not size:
                    del book[tick]
    assert books == [dict(side.top(10_000)) for side in (market.book.bids, market.book.asks)]


def test_trades_take_what_was_there_and_have_gapless_ids() -> None:
    model = MarketModel(_SETTINGS, START)
    last = {market.number: market.trade_id for market in model.markets}
    best = {market.number: market.best for market in model.markets}
    trades = 0
    for event in model.advance(START + 20 * SECOND):
        number = event.market.number
        for fill in event.fills:
            assert fill.first_id == last[number] + 1
            last[number] += len(fill.pieces)
            trades += len(fill.pieces)
        if event.fills:
            first = event.fills[0]
            bid, bid_size, ask, ask_size = best[number]
            tick, size = (ask, ask_size) if first.side > 0 else (bid, bid_size)
            assert first.tick == tick
            assert sum(first.pieces) <= size
            _assert_worsening(event.fills)
        best[number] = event.market.best
    assert trades > 500


def _assert_worsening(fills: tuple[Fill, ...]) -> None:
    ticks = [fill.tick * fill.side for fill in fills]
    assert ticks == sorted(set(ticks))


def test_a_trade_of_more_than_the_best_level_changes_the_price() -> None:
    model = MarketModel(_SETTINGS, START)
    swept = [e for e in model.advance(START + 20 * SECOND) if len(e.fills) > 1]
    assert swept
    for event in swept:
        gone = event.changes.asks if event.fills[0].side > 0 else event.changes.bids
        assert gone[0][1] == 0


def test_the_rate_is_in_ticks() -> None:
    model = MarketModel(ModelSettings(seed=2, coins=20, rate=800.0), START)
    ticks = sum(
        event.best_changed + sum(len(fill.pieces) for fill in event.fills)
        for event in model.advance(START + 30 * SECOND)
    )
    assert ticks / 30 == pytest.approx(800.0, rel=0.1)


def test_most_quotes_leave_both_prices_unchanged() -> None:
    """As on Binance, where 67 to 90 % were measured."""
    model = MarketModel(ModelSettings(seed=2, coins=20, rate=800.0), START)
    prices = {market.number: market.best[::2] for market in model.markets}
    quotes = unchanged = 0
    for event in model.advance(START + 20 * SECOND):
        if event.best_changed:
            quotes += 1
            unchanged += prices[event.market.number] == event.market.best[::2]
            prices[event.market.number] = event.market.best[::2]
    assert 0.4 < unchanged / quotes < 0.9


def test_some_coins_are_busy_and_some_thin() -> None:
    model = MarketModel(ModelSettings(seed=2, coins=50, rate=1_000.0), START)
    counts = dict.fromkeys(range(len(model.markets)), 0)
    for event in model.advance(START + 10 * SECOND):
        counts[event.market.number] += 1
    ranked = sorted(counts.values(), reverse=True)
    assert ranked[0] > 500
    assert ranked[-1] <= 10
    assert sum(ranked[:10]) > sum(ranked[10:]) / 2


def test_crossed_quotes_come_only_when_asked_for_and_go_again() -> None:
    model = MarketModel(ModelSettings(seed=5, coins=8, rate=400.0, crossed=0.05), START)
    crossed = good = 0
    for event in model.advance(START + 20 * SECOND):
        bid, _, ask, _ = event.market.best
        crossed += bid > ask
        good += bid < ask
    assert 0 < crossed < good / 5
    still = sum(market.best[0] > market.best[2] for market in model.markets)
    assert still < len(model.markets) / 4


@pytest.mark.parametrize("count", [2, 40, 1_000])
def test_coins_have_names_of_their_own(count: int) -> None:
    coins = coins_of(count, np.random.default_rng(1))
    assert len({coin.symbol for coin in coins}) == len({coin.id for coin in coins}) == count
    assert [coin.symbol for coin in coins[:2]] == ["BTC", "ETH"]
    assert all(coin.symbol.isalnum() and coin.symbol.isupper() for coin in coins)


def test_a_thousand_coins_can_be_run() -> None:
    model = MarketModel(ModelSettings(seed=1, coins=1_000, rate=2_000.0), START)
    assert len(model.markets) > 2_500
    assert sum(1 for _ in model.advance(START + SECOND)) > 1_000
