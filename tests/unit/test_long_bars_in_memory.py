"""Hours of six quiet markets through the bars agent in memory: every bar is the oracle's.

`make test` takes three hours of it, `make day` 26. Both with a hole of 35 minutes, and with a
worker that dies again and again; once on trades alone, once with candles of the time before and of
every outage.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import cycle
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from agents.bars.source import MINUTES_A_GROUP
from models.markets import exchange_of
from models.records.candles import CANDLES_VERSION, Candles, encode_candles
from models.statistics.indicators import FIRST_N
from tests.bars_in_memory import BarsLine, Death, capture_log, differences, of_source
from tests.captures import day
from tests.conftest import LONG_CAPTURE_HOURS
from tests.oracle.bars import LENGTHS, Bar, expected
from tests.oracle.ticks import Ticks, ticks_of

PARTITIONS = 1
END = round(LONG_CAPTURE_HOURS * 60)
"""How many minutes there are."""
EARLY_HOLE = (100 * day.MINUTE, *day.LONG_HOLE[1:])
"""For captures that end before that of `LONG_HOLE` comes."""
HOLE = day.LONG_HOLE if LONG_CAPTURE_HOURS > 15 else EARLY_HOLE

_RECORDS_AT_ONCE = 500
"""About five minutes, as Coinbase and Kraken move their clocks every two seconds at least."""
_PIECES_A_LIFE = 3
"""A worker dies in the first group after so many of them."""
_DEATHS: tuple[tuple[Death, int], ...] = (
    ("changelog", 0),
    ("outputs", 0),
    ("after", 0),
    ("changelog", 5),
    ("outputs", 3),
    ("after", 9),
)
_MINUTE_NS = day.MINUTE * day.SECOND
_WARM_MINUTES = {"binance": 1_440, "coinbase": 1_440, "kraken": 720}

# In the figures a hole begins with what was last heard, and ends with what is heard again.
_HEARD_S = 5
# A row begins with a bar that has a price; four minutes without a trade are one in 10,000.
_FIRST_PRICE = 4
# Kraken's warm start is read after the first pieces of five minutes, one market after the other.
_WARM_AFTER = 20
_MOST_TOLD = 100
_CHANCE = 0.9
"""Of the minutes that trades should come in by their rate: late ones, and luck."""


VARIANTS = pytest.mark.parametrize("with_candles", [False, True], ids=["live", "candles"])


class Run(msgspec.Struct):
    """What the sources have published, by market, interval, topic and end of the bar (s).

    `told` is what differs from the oracle's, `compared` how many rows there are, `again` how many
    of them were published for candles.
    """

    rows: dict[tuple[str, str, str], dict[int, Bar]]
    told: list[str] = []
    compared: int = 0
    again: int = 0


@pytest.fixture(scope="module")
def capture(long_capture: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a long capture with the hole of 35 minutes."""
    if HOLE == day.LONG_HOLE:
        return long_capture
    path = tmp_path_factory.mktemp("holed") / "day.jsonl.zst"
    day.write(path, LONG_CAPTURE_HOURS, HOLE)
    return path


@pytest.fixture(scope="module")
def run(capture: Path) -> Callable[[bool], Run]:
    """Return how to run the agent: once without and once with candles."""
    log = capture_log([capture], PARTITIONS)
    ticks = ticks_of([capture], PARTITIONS)
    runs: dict[bool, Run] = {}

    def get(with_candles: bool) -> Run:
        if with_candles not in runs:
            runs[with_candles] = _run(log, ticks, with_candles)
        return runs[with_candles]

    return get


def _run(log: dict[tuple[str, int], list[bytes]], ticks: Ticks, with_candles: bool) -> Run:
    result = Run(defaultdict(dict))
    for exchange, partition in ticks.final:
        trades, unseen = of_source(ticks, exchange, partition)
        candles = candles_of(exchange, trades, unseen) if with_candles else []
        values = log[f"{exchange}_trades", partition]
        line = BarsLine(values, candles, exchange, partition, PARTITIONS)
        deaths = cycle(_DEATHS)
        # Kraken's warm start comes after its first trades.
        told = 0 if exchange == "kraken" else 2
        for piece, reach in enumerate(range(0, len(values), _RECORDS_AT_ONCE)):
            line.read_trades(reach - line.source.next_offset)
            line.read_candles(told - line.candles.next_offset)
            if piece % _PIECES_A_LIFE == 0:
                line.die(*next(deaths))
            line.work()
            told += 1
        line.finish()
        assert sum(len(decision.records) for decision in line.decisions()) == len(candles)
        published = line.rows()
        wanted = expected(trades, unseen, ticks.final[exchange, partition], line.decisions())
        result.told += differences(published, wanted)
        result.compared += len(published)
        for (topic, market, interval, end, offset), row in published.items():
            result.again += offset is not None
            if offset is None:
                result.rows[topic, market, interval][end] = row
    return result


def candles_of(exchange: str, trades: pd.DataFrame, unseen: pd.DataFrame) -> list[bytes]:
    """Make candles as ingestion fetches them: of the time before, and of outages over 60 s."""
    first = day.START // 60
    records = []
    for market, own in trades.groupby("market"):
        told = range(first - _WARM_MINUTES[exchange], first)
        records.append((told, str(market), float(own["price"].iloc[0])))
        hidden = unseen[unseen["market"] == market]
        for begin, end in hidden[["start", "end"]].itertuples(index=False, name=None):
            if day.MINUTE * day.SECOND < end - begin < day.HOUR * day.SECOND:
                before = own.loc[own["time"] < begin, "price"]
                minutes = range(begin // _MINUTE_NS, (end - 1) // _MINUTE_NS + 1)
                records.append((minutes, str(market), float(before.iloc[-1])))
    records.sort(key=lambda record: (record[0][-1], record[1]))
    return [_candles(*record) for record in records]


def _candles(minutes: range, market: str, price: float) -> bytes:
    exchange = exchange_of(market)
    random = np.random.default_rng([day.SEED, minutes[0], minutes[-1], day.MARKETS.index(market)])
    close = price * np.exp(np.cumsum(random.normal(0, 0.0005, len(minutes))))
    first = np.array([price, *close[:-1]])
    reach = 1 + random.exponential(0.0003, (2, len(minutes)))
    volume = random.exponential(2.0, len(minutes))
    # One minute in seven is without a trade, but neither the first nor the last.
    idle = np.array(
        [minute % 7 == 3 and minute not in {minutes[0], minutes[-1]} for minute in minutes]
    )
    volume[idle] = 0
    close[idle], reach[:, idle] = first[idle], 1
    kept = np.flatnonzero(~idle) if exchange == "coinbase" else np.arange(len(minutes))
    counts: list[int | None] = [None if hidden else 3 for hidden in idle]
    return encode_candles(
        Candles(
            version=CANDLES_VERSION,
            market=market,
            fetched_at="2026-04-01T00:00:00Z",
            start=[60 * minutes[i] for i in kept],
            open=first[kept].tolist(),
            high=(np.maximum(first, close) * reach[0])[kept].tolist(),
            low=(np.minimum(first, close) / reach[1])[kept].tolist(),
            close=close[kept].tolist(),
            volume=volume[kept].tolist(),
            quote_volume=[
                None if exchange == "coinbase" else float(volume[i] * (first[i] + close[i]) / 2)
                for i in kept
            ],
            trades=[counts[i] if exchange == "binance" else None for i in kept],
        )
    )


@pytest.mark.timeout(3_600)
@VARIANTS
def test_every_bar_and_indicator_of_the_hours_is_the_oracles(
    run: Callable[[bool], Run], with_candles: bool
) -> None:
    """Wherever the worker dies; a warm start is published anew, bar by bar."""
    got = run(with_candles)
    assert not got.told, f"{len(got.told)} differences\n" + "\n".join(got.told[:_MOST_TOLD])
    told = sum(_WARM_MINUTES[exchange_of(market)] for market in day.MARKETS)
    assert got.again > told if with_candles else got.again == 0
    assert got.compared - got.again > 0.95 * len(day.MARKETS) * 2 * (END + END // 5 + END // 60)


@VARIANTS
def test_every_figure_is_there_as_often_as_the_scenario_lets_it(
    run: Callable[[bool], Run], with_candles: bool
) -> None:
    """So what was compared is no row of nulls."""
    rows = run(with_candles).rows
    for market in day.MARKETS:
        for interval, length in LENGTHS.items():
            if length > END:
                continue
            for topic, least in (
                ("bars", least_of_bars(market, length, with_candles)),
                ("indicators", least_of_indicators(market, length, with_candles)),
            ):
                of = rows[topic, market, interval].values()
                for name, share in least.items():
                    there = sum(row[name] is not None for row in of)
                    count = math.floor(share * (END // length)) - _FIRST_PRICE // length
                    told = f"{market} {interval} {name}: {there} of {len(of)}, expected {count}"
                    assert there >= count, told


@VARIANTS
def test_an_indicator_is_there_from_the_hour_on_in_which_its_bars_are(
    run: Callable[[bool], Run], with_candles: bool
) -> None:
    """Hours of the capture, and with candles those of the warm start before."""
    found = {
        (interval, name)
        for (topic, _, interval), rows in run(with_candles).rows.items()
        for row in rows.values()
        for name in FIRST_N
        if topic == "indicators" and row[name] is not None
    }
    before = max(_WARM_MINUTES.values()) if with_candles else 0
    assert found == {
        (interval, name)
        for interval, length in LENGTHS.items()
        for name, first in FIRST_N.items()
        if first * length <= before + END
    }


@VARIANTS
def test_every_reason_that_the_scenario_has_occurs(
    run: Callable[[bool], Run], with_candles: bool
) -> None:
    """Candles that do not tell a figure leave it `thin`."""
    found = {
        reason
        for rows in run(with_candles).rows.values()
        for row in rows.values()
        for reason in row["reasons"].values()
    }
    assert found == {"no_trades", "stale", "down", "warming"} | (
        {"thin"} if with_candles else set()
    )


def least_of_bars(market: str, length: int, with_candles: bool) -> dict[str, float]:
    """Return by figure the least share of a market's bars in which it is there."""
    exchange = exchange_of(market)
    seen = ~hidden_bars(exchange, length)
    # What a candle does not tell: it may be in any bar that an outage touches, and in the first.
    told = seen & ~touched_bars(exchange, length) if with_candles else seen
    traded = _CHANCE * -math.expm1(-60 * length * day.takers_a_second()[market])
    return {
        "coverage": 1.0,
        "volume": float(np.mean(seen)),
        **dict.fromkeys(("open", "high", "low", "close"), traded * float(np.mean(seen))),
        **dict.fromkeys(("n", "quote_volume"), float(np.mean(told))),
        **dict.fromkeys(("vwap", "first_trade", "last_trade"), traded * float(np.mean(told))),
    }


def least_of_indicators(market: str, length: int, with_candles: bool) -> dict[str, float]:
    """Return by indicator the least share of rows that are as long as it needs."""
    exchange = exchange_of(market)
    hidden = hidden_bars(exchange, length)
    late = -(-_WARM_AFTER // length) if with_candles and exchange == "kraken" else 0
    filled_after = -(-MINUTES_A_GROUP // length)
    n = np.zeros(len(hidden))
    count = _WARM_MINUTES[exchange] // length if with_candles else 0
    since_hidden = len(hidden)
    for bar, is_hidden in enumerate(hidden):
        since_hidden = 0 if is_hidden else since_hidden + 1
        count = -(_FIRST_PRICE // length) if is_hidden and not with_candles else count + 1
        is_filled = bar >= late and since_hidden > filled_after
        n[bar] = count if is_filled or not with_candles else 0
    shares = {name: float(np.mean(n >= first)) for name, first in FIRST_N.items()}
    if with_candles and exchange == "coinbase":
        # Without the quote volume of a candle 20 bars in a row without one are needed.
        touched = np.flatnonzero(touched_bars(exchange, length))
        since = [bar - touched[touched <= bar][-1] for bar in range(len(hidden))]
        shares["vwap_20"] = float(np.mean(np.array(since) >= FIRST_N["vwap_20"]))
    return shares


def hidden_bars(exchange: str, length: int) -> NDArray[np.bool_]:
    """Return which bars a hole may hide from begin to end."""
    hidden = np.zeros(END, np.bool_)
    for begin, end in _holes_of(exchange):
        hidden[-(-begin // 60) : end // 60] = True
    bars: NDArray[np.bool_] = hidden[: END // length * length].reshape(-1, length).min(axis=1)
    return bars


def touched_bars(exchange: str, length: int) -> NDArray[np.bool_]:
    """Return which bars may hold a candle: the first one, and those that a hole touches."""
    touched = np.zeros(END, np.bool_)
    touched[0] = True
    for begin, end in _holes_of(exchange):
        touched[begin // 60 : end // 60 + 1] = True
    bars: NDArray[np.bool_] = touched[: END // length * length].reshape(-1, length).max(axis=1)
    return bars


def _holes_of(exchange: str) -> Iterable[tuple[int, int]]:
    """Yield the seconds in which an exchange's trades may be unseen."""
    for begin, of, what, seconds in day.holes_until(60 * END, HOLE):
        if of == exchange and what in ("closed", "silent"):
            yield begin - _HEARD_S, begin + seconds + _HEARD_S
        elif of == exchange and what == "trade lost":
            # Between the trade before it and the one after it.
            yield begin - 60, begin + 60
