"""What the market is held to: its correlations, spreads and crosses have a known truth."""

from __future__ import annotations

import numpy as np
import pytest

from services.simulator.market.factors import Floats
from services.simulator.market.history import MINUTE_NS, PAST_MINUTES, History
from services.simulator.market.model import SLICE_NS, SPREAD_DEVIATION, MarketModel, ModelSettings
from services.simulator.market.state import Market
from tests.unit.simulator.client import SECOND, START


def _assert_close(returns: Floats, truth: Floats) -> None:
    """Hold every pair to its truth: Fisher's z of n returns deviates by 1/√(n − 3).

    5 standard deviations: of thousands of pairs one in thousands of seeds is outside.
    """
    found = np.asarray(np.corrcoef(returns, rowvar=False), dtype=np.float64)
    pairs = np.triu_indices(len(truth), 1)
    deviation = np.abs(np.arctanh(found[pairs]) - np.arctanh(truth[pairs]))
    assert float(deviation.max()) < 5.0 / np.sqrt(len(returns) - 3)


def test_realised_correlations_converge_to_the_true_ones() -> None:
    model = MarketModel(ModelSettings(seed=4, coins=12, rate=10.0), START)
    prices = [model.log_prices]
    for _ in range(20_000):
        list(model.advance(model.time + SLICE_NS))
        prices.append(model.log_prices)
    truth = model.true_correlation()
    _assert_close(np.diff(np.array(prices), axis=0), truth)
    assert np.linalg.eigvalsh(truth).min() > 0
    off_diagonal = truth[~np.eye(len(truth), dtype=bool)]
    assert 0.2 < off_diagonal.min() < off_diagonal.max() < 0.95


def test_coins_of_one_group_move_closer_together() -> None:
    model = MarketModel(ModelSettings(seed=4, coins=40), START)
    truth, groups = model.true_correlation(), [coin.group for coin in model.coins]
    same = [truth[i, j] for i in range(40) for j in range(i) if groups[i] == groups[j]]
    other = [truth[i, j] for i in range(40) for j in range(i) if groups[i] != groups[j]]
    assert np.mean(same) > np.mean(other) + 0.03


def test_wished_spreads_revert_with_the_half_life_that_is_set() -> None:
    """The decay over a second, estimated by least squares, of every market; their median ratio."""
    model = MarketModel(ModelSettings(seed=4, coins=10, rate=10.0), START)
    spreads = []
    for _ in range(1_200):
        list(model.advance(model.time + SECOND))
        spreads.append(model.log_spreads)
    values = np.array(spreads)
    deviations = values - values.mean(axis=0)
    decay = (deviations[1:] * deviations[:-1]).sum(axis=0) / (deviations[:-1] ** 2).sum(axis=0)
    half_lives = -np.log(2.0) / np.log(decay)
    true = np.array([listing.spread_half_life_s for listing in model.listings])
    assert float(np.median(half_lives / true)) == pytest.approx(1.0, rel=0.1)
    assert float(np.median(deviations.std(axis=0))) == pytest.approx(SPREAD_DEVIATION, rel=0.1)


def test_quoted_spreads_follow_the_wished_ones() -> None:
    model = MarketModel(ModelSettings(seed=4, coins=4, rate=300.0), START)
    market = model.markets[0]
    quoted, wished = [], []
    for _ in range(400):
        list(model.advance(model.time + SECOND))
        bid, _, ask, _ = market.best
        quoted.append(np.log(2.0 * (ask - bid) / (ask + bid)))
        wished.append(model.log_spreads[0])
    assert float(np.corrcoef(quoted, wished)[0, 1]) > 0.6


def _mid(market: Market) -> float:
    bid, _, ask, _ = market.best_values()
    return (bid + ask) / 2


def _mids(model: MarketModel) -> dict[str, float]:
    return {market.listing.market: _mid(market) for market in model.markets}


def test_prices_of_one_coin_agree_over_exchanges_and_quote_currencies() -> None:
    model = MarketModel(ModelSettings(seed=4, coins=5, rate=500.0), START)
    list(model.advance(START + 60 * SECOND))
    mids = _mids(model)
    dollars = mids["coinbase:BTC-USD"]
    assert mids["kraken:BTC-USD"] == pytest.approx(dollars, rel=6e-4)
    assert mids["binance:BTC-USDT"] * mids["kraken:USDT-USD"] == pytest.approx(dollars, rel=6e-4)
    crossed = mids["binance:ETH-BTC"] * mids["binance:BTC-USDT"]
    assert crossed == pytest.approx(mids["binance:ETH-USDT"], rel=1e-3)


def test_tether_stands_some_basis_points_below_the_dollar() -> None:
    model = MarketModel(ModelSettings(seed=4, coins=2, rate=100.0), START)
    mids = _mids(model)
    basis = 1e4 * (mids["binance:BTC-USDT"] / mids["coinbase:BTC-USD"] - 1.0)
    assert 4.0 < basis < 13.0


def test_the_past_has_the_same_truth_and_joins_the_present() -> None:
    model = MarketModel(ModelSettings(seed=4, coins=6, rate=400.0), START + 13 * SECOND)
    history = History(model)
    list(model.advance(model.start + 120 * SECOND))
    market = model.markets[0]
    bars = history.bars(market, 0, 2**62)
    begin = model.start - model.start % MINUTE_NS
    past = [bar for bar in bars if bar.start < begin]
    assert len(past) == PAST_MINUTES
    assert [bar.start for bar in bars] == sorted({bar.start for bar in bars})
    assert past[-1].close == pytest.approx(bars[len(past)].open, rel=2e-3)
    for bar in bars:
        assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
    dollar = [m for m in model.markets if m.listing.exchange == "binance"][:3]
    closes = [[bar.close for bar in history.bars(m, 0, begin)] for m in dollar]
    names = [m.listing.base for m in dollar]
    kept = [n for n, m in enumerate(dollar) if m.listing.quote == "USDT"]
    truth = model.true_correlation()
    numbers = [[coin.symbol for coin in model.coins].index(names[n]) for n in kept]
    returns = np.diff(np.log(np.array([closes[n] for n in kept]).T), axis=0)
    _assert_close(returns, truth[np.ix_(numbers, numbers)])


def test_the_past_is_the_same_for_the_same_seed() -> None:
    histories = []
    for _ in range(2):
        model = MarketModel(ModelSettings(seed=4, coins=6), START)
        histories.append(History(model).bars(model.markets[3], 0, 2**62, 60))
    assert histories[0] == histories[1]
    assert len(histories[0]) == PAST_MINUTES // 60


def test_minutes_since_the_start_are_made_of_the_trades() -> None:
    model = MarketModel(ModelSettings(seed=4, coins=3, rate=300.0), START)
    market, history = model.markets[0], History(model)
    fills = [
        fill
        for event in model.advance(START + 60 * SECOND)
        if event.market is market
        for fill in event.fills
    ]
    (bar,) = history.bars(market, START, START + MINUTE_NS)
    prices = [market.price(fill.tick) for fill in fills]
    assert (bar.open, bar.high, bar.low, bar.close) == (
        prices[0],
        max(prices),
        min(prices),
        prices[-1],
    )
    assert bar.volume == pytest.approx(sum(market.size(sum(fill.pieces)) for fill in fills))
    assert bar.trades == sum(len(fill.pieces) for fill in fills)
