"""The 95 % interval holds the simulator's true correlation in 95 of 100 windows."""

from __future__ import annotations

import numpy as np
import pytest

from models.statistics.correlation import ewma, interval, pearson, row_weight
from services.simulator.market.model import MarketModel, ModelSettings
from tests.unit.correlation.made import rows_of
from tests.unit.simulator.client import START

WINDOWS, STEP_S, SAMPLING_S, WINDOW_S = 300, 10, 60, 3_600


@pytest.mark.parametrize("method", [pearson, ewma])
def test_of_three_hundred_hours_the_interval_holds_the_truth_in_95_of_100(method: object) -> None:
    """One pair a window, chosen before; 91.7 to 98.3 % is what 300 draws of 95 % stay within.

    Prices are drawn from the model of the market without its frames. Windows have no second in
    common: each one is the hour after a minute that gives its first return.
    """
    model = MarketModel(ModelSettings(seed=11, coins=12), START)
    truth = model.true_correlation()
    random = np.random.default_rng(12)
    rows = WINDOW_S // STEP_S
    lag = SAMPLING_S // STEP_S
    pairs = [random.choice(len(truth), 2, replace=False) for _ in range(WINDOWS)]
    held = 0
    for a, b in pairs:
        moves = model.factors.returns(random, STEP_S, rows + lag)
        prices = np.cumsum(moves, axis=0)
        returns = prices[lag:] - prices[:-lag]
        window = rows_of(
            returns,
            weight=np.full(rows, row_weight(SAMPLING_S, STEP_S)),
            age_s=STEP_S * np.arange(rows, dtype=np.float64)[::-1],
            window_s=float(WINDOW_S),
        )
        found = method(window)  # type: ignore[operator]
        low, high = interval(found.matrix, found.n_effective)
        held += bool(low[a, b] <= truth[a, b] <= high[a, b])
    assert 0.917 <= held / WINDOWS <= 0.983
