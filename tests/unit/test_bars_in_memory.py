"""Whole captures through the bars agent in memory, without Kafka, against the oracle."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from models.records.candles import CANDLES_VERSION, Candles, encode_candles
from tests.bars_in_memory import BarsLine, capture_log, check, of_source
from tests.burst_log import MADE_CAPTURES, REAL_CAPTURES
from tests.oracle.ticks import ticks_of

PARTITIONS = 4
MINUTE_NS = 60_000_000_000


def candles_before(trades: pd.DataFrame, partition: int) -> list[bytes]:
    """Make candles of the 90 minutes before a source's first trade, of all its markets."""
    values = []
    for number, (market, own) in enumerate(trades.groupby("market")):
        assert int(own["partition"].iloc[0]) == partition
        newest = int(trades["time"].min()) // MINUTE_NS - 1
        price = float(own["price"].iloc[0])
        starts = [60 * (newest - back) for back in range(90, -1, -1) if back % 7]
        closes = [price * (1 + (start // 60 % 5) / 1000) for start in starts]
        values.append(
            encode_candles(
                Candles(
                    version=CANDLES_VERSION,
                    market=str(market),
                    fetched_at="2026-11-21T00:00:00Z",
                    start=starts,
                    open=closes,
                    high=[close * 1.01 for close in closes],
                    low=[close * 0.99 for close in closes],
                    close=closes,
                    volume=[1.5] * len(starts),
                    quote_volume=[1.5 * close if number % 2 else None for close in closes],
                    trades=[4 if number % 2 else None] * len(starts),
                )
            )
        )
    return values


def check_capture(path: Path, with_candles: bool) -> int:
    """Check every bar and indicator of every source of a capture; return how many rows."""
    log = capture_log([path], PARTITIONS)
    ticks = ticks_of([path], PARTITIONS)
    rows = 0
    for exchange, partition in ticks.final:
        trades, unseen = of_source(ticks, exchange, partition)
        candles = candles_before(trades, partition) if with_candles else []
        line = BarsLine(
            log.get((f"{exchange}_trades", partition), []), candles, exchange, partition, PARTITIONS
        )
        line.finish()
        assert sum(len(decision.records) for decision in line.decisions()) == len(candles)
        rows += check(line, trades, unseen, ticks.final[exchange, partition])
    return rows


@pytest.mark.parametrize("with_candles", [False, True], ids=["live", "candles"])
@pytest.mark.parametrize("path", MADE_CAPTURES, ids=lambda path: path.name)
def test_every_bar_of_a_made_capture_is_the_oracles(path: Path, with_candles: bool) -> None:
    """Each of the committed captures; some are shorter than a minute and have candles alone."""
    assert check_capture(path, with_candles) >= 100 * with_candles


@pytest.mark.parametrize("with_candles", [False, True], ids=["live", "candles"])
@pytest.mark.parametrize("name", REAL_CAPTURES)
def test_every_bar_of_a_real_capture_is_the_oracles(
    name: str, with_candles: bool, test_data: Path
) -> None:
    """Alone, and warmed with candles of the time before."""
    assert check_capture(test_data / name, with_candles) >= 0
