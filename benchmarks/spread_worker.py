"""Ticks per core-second of the spread worker with every figure on, checked in the timed run."""

from __future__ import annotations

import statistics
import sys
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import pandas as pd

from benchmarks.kafka import (
    TopicReader,
    fresh_topics,
    produce,
    running_kafka,
    wait_for_no_lag,
    worker,
)
from benchmarks.load import SECOND, Load, Ticks, make_records, make_ticks, warm_up
from models.records.spreads import decode_spreads
from models.records.unpacked import Unpacked, spread_objects
from models.settings import Settings
from models.topics import SPREADS
from tests.oracle.compare import compare, paths_in
from tests.oracle.rows import figures_by_market, rows_in

# Ticks a record, records a second, seconds of event time, how often.
SIZES = ((1, 3_000, 20, 1), (10, 2_000, 20, 1), (100, 1_000, 30, 3), (1_000, 200, 30, 1))
COINS, PARTITIONS = 100, 8


class Measured(msgspec.Struct, frozen=True):
    """What one run used, and the share of the rows in which a figure is there, by figure."""

    cpu_seconds: float
    shares: dict[str, float]


def run(sizes: Sequence[tuple[int, int, int, int]] = SIZES) -> None:
    """Print CPU per tick and per record, paced and from a backlog."""
    print(
        "spread worker: 100 coins, 8 partitions, one tick in five a trade, after "
        f"{warm_up(Load(COINS, PARTITIONS, 1, 1, 1)).seconds} s that are not timed; outputs and "
        "changelog written, every figure compared with the oracle's; median (least, most) of runs"
    )
    print(
        f"{'ticks/record':>12} {'load':>8} {'runs':>5} {'ticks':>10} {'µs/record':>10} "
        f"{'ticks/core-s':>34}"
    )
    with running_kafka(PARTITIONS) as settings:
        for *size, repeats in sizes:
            load = Load(COINS, PARTITIONS, *size)
            for pace in (True, False):
                label = "paced" if pace else "backlog"
                runs = [
                    measured(fresh_topics(settings, f"bench-{size[0]}-{label}-{i}"), load, pace)
                    for i in range(repeats)
                ]
                rates = [load.ticks / each.cpu_seconds for each in runs]
                records = load.ticks / load.ticks_a_record
                a_record = statistics.median(each.cpu_seconds for each in runs) / records * 1e6
                spread = f"{statistics.median(rates):,.0f} ({min(rates):,.0f}, {max(rates):,.0f})"
                print(
                    f"{size[0]:>12} {label:>8} {repeats:>5} {load.ticks:>10,} "
                    f"{a_record:>10.1f} {spread:>34}"
                )
            tell(runs[0].shares)


def measured(settings: Settings, load: Load, pace: bool) -> Measured:
    """Warm a worker up, then give it a load, paced or as fast as Kafka takes it."""
    warm = warm_up(load)
    parts = [(each, make_ticks(each)) for each in (warm, load)]
    before, timed = (make_records(each, ticks) for each, ticks in parts)
    produce(settings, before, pace=False)
    argv = [sys.executable, "-m", "services.cli", "agent", "spread"]
    with worker(argv, settings) as process:
        process.wait_ready()
        wait_for_no_lag(settings)
        cpu = process.cpu_seconds()
        produce(settings, timed, pace)
        wait_for_no_lag(settings)
        used = process.cpu_seconds() - cpu
    return Measured(used, check(settings, load, [ticks for _, ticks in parts]))


def check(settings: Settings, load: Load, parts: Sequence[Ticks]) -> dict[str, float]:
    """Compare the rows of the timed part with the oracle's; return how often a figure is there.

    Raises:
        RuntimeError: a figure, a reason or a row differs.
    """
    begin, end = load.begin // SECOND + 1, load.end // SECOND + 1
    rows = [row for row in published(settings) if begin <= second_of(row) < end]
    expected = [row for row in oracle_rows(load, parts) if begin <= second_of(row) < end]
    found = compare(rows, expected)
    if found.differences or found.compared != load.coins * load.seconds:
        raise RuntimeError(f"expected the oracle's figures, was {found}")
    there: Counter[str] = Counter()
    for row in rows:
        for path in paths_in(row):
            value = row
            for name in path.split("."):
                value = value[name]
            there[path] += value is not None
    return {path: count / len(rows) for path, count in there.items()}


def tell(shares: dict[str, float]) -> None:
    """Print in which share of the rows the figures are there."""
    whole = [path for path, share in shares.items() if share == 1.0]
    rest = ", ".join(f"{path} {share:.2%}" for path, share in shares.items() if share < 1.0)
    mean = statistics.mean(shares.values())
    print(
        f"{'':>12} not null: {mean:.2%} of all values; {len(whole)} of {len(shares)} fields in "
        f"every row" + (f"; {rest}" if rest else "")
    )


def second_of(row: Unpacked) -> int:
    """Return the second of a row."""
    return int(np.datetime64(row["as_of"][:-1], "s").astype(int))


def oracle_rows(load: Load, parts: Sequence[Ticks]) -> Iterator[Unpacked]:
    """Yield the oracle's rows of every market."""
    frames = []
    for ticks in parts:
        names = np.array(ticks.markets)[ticks.market]
        frames.append(
            pd.DataFrame(
                {
                    "market": names,
                    "partition": ticks.partition,
                    "time": ticks.time,
                    "side": ticks.side,
                    "price": ticks.price(slice(None)),
                    **{n: getattr(ticks, n) for n in ("bid", "bid_size", "ask", "ask_size")},
                }
            )
        )
    every = pd.concat(frames, ignore_index=True).assign(late=False, one_sided=False)
    every["crossed"] = every["bid"] > every["ask"]
    is_trade = every["side"] != 0
    exchange = parts[0].markets[0].partition(":")[0]
    final = {(exchange, p): load.end for p in range(load.partitions)}
    unseen = pd.DataFrame({name: [] for name in ("market", "kind", "start", "end", "reason")})
    for _, figures in figures_by_market(every[~is_trade], unseen, final, every[is_trade]):
        yield from rows_in(figures, load.begin // SECOND)


def published(settings: Settings) -> list[Unpacked]:
    """Return every row in `spreads`."""
    reader = TopicReader(settings, SPREADS.name)
    reader.read()
    reader.close()
    return [row for _, _, value in reader.records for row in spread_objects(decode_spreads(value))]
