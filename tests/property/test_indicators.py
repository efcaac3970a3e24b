"""Every statistic of bars at every prefix of the data, against TA-Lib, pandas and plain sums."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.records.bursts import Unseen
from models.statistics.atr import atr
from models.statistics.bar_rows import BarRows, bar_rows
from models.statistics.bars import REST, absent_bars
from models.statistics.bollinger import bollinger
from models.statistics.coverage import coverage
from models.statistics.ema import ema
from models.statistics.indicators import FIRST_N, indicators
from models.statistics.realised_volatility import realised_volatility
from models.statistics.sma import sma
from models.statistics.vwap import vwap
from models.statistics.wilder_rsi import wilder_rsi

Floats = NDArray[np.float64]
BARS = 140


def prices(seed: int) -> dict[str, Floats]:
    """Return bars of one market whose prices walk at random, some of them standing still."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 0.01, BARS) * rng.integers(0, 2, BARS)
    close = 10 ** rng.uniform(-2, 5) * np.exp(np.cumsum(steps))
    spread = 1 + rng.uniform(0, 0.02, (2, BARS))
    volume = rng.uniform(0, 5, BARS) * rng.integers(0, 2, BARS)
    return {
        "close": close,
        "high": close * spread[0],
        "low": close / spread[1],
        "volume": volume,
        "quote_volume": volume * close,
    }


def side_by_side(columns: list[Floats], starts: list[int]) -> tuple[Floats, NDArray[np.int64]]:
    """Return markets whose rows begin at `starts`; what stands before is of no row."""
    table = np.stack(columns, axis=1)
    start = np.array(starts)
    return np.where(np.arange(len(table))[:, None] >= start, table, np.nan), start


def assert_alike(found: Floats, wanted: list[float]) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


SEEDS = st.lists(st.integers(0, 2**32), min_size=1, max_size=3)
few = settings(max_examples=10, deadline=None)


@few
@given(SEEDS, st.data())
@pytest.mark.parametrize("name", ["sma", "ema", "rsi", "upper", "lower"])
def test_a_figure_of_closes_is_talibs_at_every_prefix(
    name: str, seeds: list[int], data: st.DataObject
) -> None:
    """Each market has a row that begins elsewhere."""
    ours: dict[str, Callable[..., Floats]] = {
        "sma": lambda values, start: sma(values, start, 20),
        "ema": lambda values, start: ema(values, start, 20),
        "rsi": lambda values, start: wilder_rsi(values, start, 14),
        "upper": lambda values, start: bollinger(values, start, 20, 2.0)[0],
        "lower": lambda values, start: bollinger(values, start, 20, 2.0)[1],
    }
    theirs: dict[str, Callable[[Floats], Floats]] = {
        "sma": lambda values: talib.SMA(values, 20),
        "ema": lambda values: talib.EMA(values, 20),
        "rsi": lambda values: talib.RSI(values, 14),
        "upper": lambda values: values,
        "lower": lambda values: values,
    }
    starts = [data.draw(st.integers(0, 60)) for _ in seeds]
    closes, start = side_by_side([prices(seed)["close"] for seed in seeds], starts)
    wanted: list[Floats] = []
    for market, begin in enumerate(starts):
        row = closes[begin:, market]
        if name in ("upper", "lower"):
            # TA-Lib's variance is E[x²] − E[x]², good for some 1e-7 of the price only.
            series = pd.Series(row)
            deviation = np.array(
                [np.nan] * 19 + [np.std(row[i - 19 : i + 1]) for i in range(19, len(row))]
            )
            sign = 2 if name == "upper" else -2
            known = series.rolling(20).mean().to_numpy() + sign * deviation
            band = talib.BBANDS(row, 20, 2.0, 2.0)[0 if name == "upper" else 2]
            np.testing.assert_allclose(band, known, rtol=1e-5)
        else:
            known = theirs[name](row)
        wanted.append(np.concatenate((np.full(begin, np.nan), known)))
    for count in range(1, BARS + 1):
        found = ours[name](closes[:count], np.minimum(start, count))
        if name == "rsi":
            # Where nothing moves TA-Lib says 0; here it is undefined.
            still = [
                np.ptp(closes[min(b, count) : count, m]) == 0 if count > b else True
                for m, b in enumerate(starts)
            ]
            assert np.isnan(found[still]).all()
            found = np.where(still, [column[count - 1] for column in wanted], found)
        assert_alike(found, [column[count - 1] for column in wanted])


@few
@given(SEEDS, st.data())
def test_atr_is_talibs_at_every_prefix(seeds: list[int], data: st.DataObject) -> None:
    """Highs and lows lie around the closes."""
    starts = [data.draw(st.integers(0, 60)) for _ in seeds]
    bars = [prices(seed) for seed in seeds]
    columns = {
        name: side_by_side([each[name] for each in bars], starts)
        for name in ("high", "low", "close")
    }
    start = columns["close"][1]
    wanted = [
        np.concatenate(
            (
                np.full(begin, np.nan),
                talib.ATR(each["high"][begin:], each["low"][begin:], each["close"][begin:], 14),
            )
        )
        for each, begin in zip(bars, starts, strict=True)
    ]
    for count in range(1, BARS + 1):
        high, low, close = (columns[name][0][:count] for name in ("high", "low", "close"))
        found = atr(high, low, close, np.minimum(start, count), 14)
        assert_alike(found, [column[count - 1] for column in wanted])


@few
@given(SEEDS, st.data())
def test_volatility_and_vwap_are_what_pandas_rolls_at_every_prefix(
    seeds: list[int], data: st.DataObject
) -> None:
    """Each of sums over the newest returns, or bars."""
    starts = [data.draw(st.integers(0, 60)) for _ in seeds]
    volatility: list[list[float]] = []
    bars = [pd.DataFrame(prices(seed)).iloc[b:] for seed, b in zip(seeds, starts, strict=True)]
    closes, start = side_by_side([prices(seed)["close"] for seed in seeds], starts)
    volume, _ = side_by_side([prices(seed)["volume"] for seed in seeds], starts)
    value, _ = side_by_side([prices(seed)["quote_volume"] for seed in seeds], starts)
    year = 365 * 86_400 / (60 * 300)
    for market, begin in enumerate(starts):
        r = np.log(closes[begin + 1 :, market] / closes[begin:-1, market])
        known = [math.sqrt(math.fsum(r[i - 60 : i] ** 2) * year) for i in range(60, len(r) + 1)]
        volatility.append([math.nan] * (BARS - len(known)) + known)
    averages = []
    for each in bars:
        sums = each[["quote_volume", "volume"]].rolling(20).sum()
        averages.append((sums["quote_volume"] / sums["volume"]).reindex(range(BARS)))
    for count in range(1, BARS + 1):
        begun = np.minimum(start, count)
        found = realised_volatility(closes[:count], begun, 60, 300)
        assert_alike(found, [known[count - 1] for known in volatility])
        found = vwap(value[:count], volume[:count], begun, 20)
        assert_alike(found, [known.iloc[count - 1] for known in averages])


def test_all_indicators_begin_exactly_where_they_are_said_to() -> None:
    """One bar less, and there is none."""
    columns = {name: column[:, None] for name, column in prices(3).items()}
    for count in range(1, BARS):
        chosen = {name: column[:count] for name, column in columns.items()}
        rows = BarRows(np.array([0]), **chosen)
        for name, value in indicators(rows, 60).items():
            assert math.isnan(value[0]) == (count < FIRST_N[name]), (name, count)


def test_rsi_is_100_without_a_loss_and_undefined_when_nothing_moves() -> None:
    rising = np.arange(1.0, 17.0)[:, None]
    assert wilder_rsi(rising, np.array([0]), 14).tolist() == [100.0]
    assert np.isnan(wilder_rsi(np.ones((16, 1)), np.array([0]), 14)).all()


@given(
    st.lists(
        st.tuples(
            st.integers(-5, 12), st.integers(0, 10), st.sampled_from(("gap", "stale", "down"))
        ),
        max_size=5,
    )
)
def test_coverage_is_what_counting_single_nanoseconds_gives(
    drawn: list[tuple[int, int, str]],
) -> None:
    rows = [Unseen("*", start, start + length, why) for start, length, why in drawn]  # type: ignore[arg-type]
    seen = [t for t in range(10) if not any(row.start <= t < row.end for row in rows)]
    found = coverage(0, 10, rows)
    assert found.seen_ns == len(seen)
    at_end = [(row.start, i, row.reason) for i, row in enumerate(rows) if row.start <= 9 < row.end]
    within = [
        (row.start, i, row.reason)
        for i, row in enumerate(rows)
        if any(row.start <= t < row.end for t in range(10))
    ]
    wanted = max(at_end or within, default=(0, 0, None))[2]
    assert found.reason == wanted


BAR = st.sampled_from(("price", "quiet", "unseen", "absent", "candle", "left_out"))


@given(st.lists(BAR, min_size=1, max_size=12))
def test_a_row_is_what_walking_back_bar_by_bar_gives(kinds: list[str]) -> None:
    """Flat bars carry the last close, unseen and absent ones end the row."""
    bars = absent_bars(len(kinds))
    for i, kind in enumerate(kinds):
        if kind in ("price", "candle"):
            for name in ("open", "high", "low", "close"):
                bars[name][i] = {"high": 12.0, "low": 8.0}.get(name, 10.0) + i
            bars["volume"][i], bars["quote_volume"][i] = 2.0, 20.0
        if kind in ("quiet", "left_out"):
            bars["volume"][i], bars["quote_volume"][i] = 0.0, 0.0
        bars["origin"][i] = {"absent": 0, "candle": REST, "left_out": REST}.get(kind, 1)
        bars["coverage"][i] = kind in ("price", "quiet")
    row: list[int] = []
    for i in range(len(kinds) - 1, -1, -1):
        if kinds[i] in ("unseen", "absent"):
            break
        row.insert(0, i)
    while row and kinds[row[0]] not in ("price", "candle"):
        row.pop(0)
    found = bar_rows({name: column[:, None] for name, column in bars.items()})
    assert found.n.tolist() == [len(row)]
    last = math.nan
    for place, i in enumerate(row, len(kinds) - len(row)):
        priced = kinds[i] in ("price", "candle")
        last = 10.0 + i if priced else last
        assert found.close[place, 0] == last
        assert found.high[place, 0] == (12.0 + i if priced else last)
        assert found.low[place, 0] == (8.0 + i if priced else last)
        assert found.volume[place, 0] == (2.0 if priced else 0.0)
    assert np.isnan(found.close[: len(kinds) - len(row)]).all()
