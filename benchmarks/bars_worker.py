"""CPU of the bars worker by trade and by closed minute; what it publishes is checked."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.kafka import TopicReader, fresh_topics, produce, running_kafka, wait_until, worker
from benchmarks.load import EXCHANGE, SECOND, Load, Record, Ticks, make_records, make_ticks
from models.settings import Settings
from models.topics import BARS, BARS_CHANGELOG, CANDLES, INDICATORS
from tests.bars_in_memory import START, candles_value, decisions_in, differences, rows_of
from tests.oracle.bars import Key, Row, expected

MARKETS, PARTITIONS = 300, 8
# Trades a record, records a second.
SIZES = ((10, 5), (10, 50), (100, 10))
MINUTES, WARM_MINUTES, CANDLE_MINUTES = 9, 2, 70
_FIRST_S = -20
"""In seconds from the load's `BEGIN` to a whole minute."""
_EVERY = 5
"""Of the indicators of minutes every so many one is compared."""


def run(sizes: Sequence[tuple[int, int]] = SIZES) -> None:
    """Print what runs cost: all of the CPU by trade, by record and by minute of all markets."""
    print(
        f"bars worker: {MARKETS} markets, {PARTITIONS} partitions, {MINUTES} minutes one after the "
        f"other, after {CANDLE_MINUTES} minutes of candles that are not timed; every bar compared "
        "with the oracle's"
    )
    print(
        f"{'trades/record':>14} {'trades':>9} {'records':>9} {'CPU s':>7} {'µs/trade':>9} "
        f"{'µs/record':>10} {'ms/minute':>10}"
    )
    with running_kafka(PARTITIONS) as settings:
        for size in sizes:
            warm, load = loads_of(*size)
            own = fresh_topics(settings, f"bench-bars-{size[0]}-{size[1]}")
            records, used = measured(own, warm, load)
            trades = load.ticks * MINUTES // (MINUTES + 1)
            print(
                f"{size[0]:>14} {trades:>9,} {records:>9,} {used:>7.2f} "
                f"{used / trades * 1e6:>9.2f} {used / records * 1e6:>10.1f} "
                f"{used / MINUTES * 1e3:>10.1f}"
            )


def loads_of(trades_a_record: int, records_a_second: int) -> tuple[Load, Load]:
    """Return the trades before, and those of one more minute and of the timed ones."""
    warm_s = 60 * WARM_MINUTES
    warm = Load(MARKETS, PARTITIONS, 10, 40, warm_s, _FIRST_S - warm_s, trades_every=1)
    seconds = 60 * (MINUTES + 1)
    load = Load(
        MARKETS, PARTITIONS, trades_a_record, records_a_second, seconds, _FIRST_S, trades_every=1
    )
    return warm, load


def measured(settings: Settings, warm: Load, load: Load) -> tuple[int, float]:
    """Send the load minute by minute; return how many records that were, and the CPU seconds."""
    ticks = [make_ticks(each) for each in (warm, load)]
    before, timed = (
        [record for record in make_records(each, own) if record.topic.endswith("_trades")]
        for each, own in zip((warm, load), ticks, strict=True)
    )
    bars = TopicReader(settings, BARS.name)
    produce(settings, candle_records(warm) + before, pace=False)
    argv = [sys.executable, "-m", "services.cli", "agent", "bars"]
    with worker(argv, settings) as process:
        process.wait_ready()
        wait_for_minute(bars, warm.end)
        cpu = 0.0
        for minute in range(MINUTES + 1):
            if minute == 1:
                # Candles that were read after the first trades have been used by now.
                cpu = process.cpu_seconds()
            begin, end = minute * 60 * SECOND, (minute + 1) * 60 * SECOND
            # The clock that ends a minute is due when the next one begins.
            chosen = [record for record in timed if begin < record.due <= end]
            produce(settings, chosen, pace=False)
            wait_for_minute(bars, load.begin + end)
        used = process.cpu_seconds() - cpu
    check(settings, load, ticks, bars)
    return sum(record.due > 60 * SECOND for record in timed), used


def candle_records(warm: Load) -> list[Record]:
    """Return candles of the time before, a copy for every partition."""
    random = np.random.default_rng(3)
    first = warm.begin // SECOND // 60 - START // 60
    records = []
    for market in make_ticks(warm).markets:
        prices = 100 * np.exp(np.cumsum(random.normal(0, 1e-3, CANDLE_MINUTES)))
        minutes = {
            first - CANDLE_MINUTES + i: (price, 1.001 * price, 0.999 * price, price)
            for i, price in enumerate(prices.tolist())
        }
        value = candles_value(market, minutes)
        records += [Record(0, CANDLES.name, partition, value) for partition in range(PARTITIONS)]
    return records


def wait_for_minute(bars: TopicReader, end: int) -> None:
    """Wait until every partition has published the minute that ends then (ns)."""
    wanted = {f"{EXCHANGE}|{p}|1m|{end // SECOND}".encode() for p in range(PARTITIONS)}

    def is_there() -> bool:
        bars.read()
        return wanted <= {key for _, key, _ in bars.records}

    wait_until(is_there)


def check(settings: Settings, load: Load, parts: Sequence[Ticks], bars: TopicReader) -> None:
    """Compare everything that was published with the oracle's, and see that it is no row of nulls.

    Raises:
        RuntimeError: a figure, a reason or a row differs or is missing.
    """
    series: dict[tuple[str, bytes], bytes] = {}
    changelog = TopicReader(settings, BARS_CHANGELOG.name)
    indicators = TopicReader(settings, INDICATORS.name)
    for name, reader in (
        (BARS.name, bars),
        (INDICATORS.name, indicators),
        (BARS_CHANGELOG.name, changelog),
    ):
        reader.read()
        reader.close()
        if reader is not changelog:
            series |= {(name, key): value for _, key, value in reader.records}
    trades = pd.concat([_table(ticks) for ticks in parts], ignore_index=True)
    unseen = pd.DataFrame([], columns=["market", "start", "end", "reason"])
    wanted: dict[Key, Row] = {}
    for partition in range(PARTITIONS):
        told = [(key, value) for p, key, value in changelog.records if p == partition]
        own = trades[trades["partition"] == partition]
        wanted |= expected(own, unseen, load.end, decisions_in(EXCHANGE, told))
    rows = rows_of(series)
    found = differences(rows, wanted, _EVERY)
    newest = [
        row
        for (topic, _, interval, end, _), row in rows.items()
        if (topic, interval, end) == ("indicators", "1m", load.end // SECOND)
    ]
    whole = sum(not row["reasons"] for row in newest)
    if found or whole < MARKETS:
        raise RuntimeError(f"expected the oracle's bars of {MARKETS} markets, was {found[:5]}")


def _table(ticks: Ticks) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "market": np.array(ticks.markets)[ticks.market],
            "partition": ticks.partition,
            "time": ticks.time,
            "price": ticks.price(slice(None)),
            "size": ticks.bid_size,
            "late": False,
        }
    )
