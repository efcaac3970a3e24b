"""Ticks per core-second of the spread worker, values checked in the timed run."""

from __future__ import annotations

import sys

import numpy as np
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from benchmarks.kafka import (
    fresh_topics,
    produce,
    running_kafka,
    wait_for_no_lag,
    worker,
)
from benchmarks.load import BEGIN, SECOND, Load, Ticks, make_records, make_ticks
from models.records.spreads import decode_spreads
from models.records.unpacked import Unpacked, spread_objects
from models.settings import Settings
from models.topics import SPREADS, topic_name

# Ticks a record, records a second, seconds of event time.
SIZES = ((1, 3_000, 20), (10, 2_000, 20), (100, 1_000, 30), (1_000, 200, 30))
COINS, PARTITIONS = 100, 8


def run() -> None:
    """Print CPU per tick and per record, paced and from a backlog."""
    print("spread worker: 100 coins, 8 partitions; outputs and changelog written, values checked")
    print(f"{'ticks/record':>12} {'load':>8} {'ticks':>10} {'µs/record':>10} {'ticks/core-s':>13}")
    with running_kafka(PARTITIONS) as settings:
        for size in SIZES:
            load = Load(COINS, PARTITIONS, *size)
            ticks = make_ticks(load)
            records = make_records(load, ticks)
            for pace in (True, False):
                label = "paced" if pace else "backlog"
                own = fresh_topics(settings, f"bench-{size[0]}-{label}")
                if not pace:
                    produce(own, records, pace)
                argv = [sys.executable, "-m", "services.cli", "agent", "spread"]
                with worker(argv, own) as process:
                    process.wait_ready()
                    before = process.cpu_seconds()
                    if pace:
                        produce(own, records, pace)
                    wait_for_no_lag(own)
                    used = process.cpu_seconds() - before
                check(own, load, ticks)
                print(
                    f"{size[0]:>12} {label:>8} {load.ticks:>10,} "
                    f"{used / len(records) * 1e6:>10.1f} {load.ticks / used:>13,.0f}"
                )


def check(settings: Settings, load: Load, ticks: Ticks) -> None:
    """Compare every published mean, extreme and count with a recomputation by whole arrays."""
    rows = published(settings)
    seen = {(row["market"], row["as_of"]): row for row in rows}
    if len(seen) != len(rows):
        raise RuntimeError("expected every row once")
    expected = 0
    for code, market in enumerate(ticks.markets):
        mine = np.flatnonzero(ticks.market == code)
        if not len(mine):
            continue
        time, spread = ticks.time[mine], ticks.ask[mine] - ticks.bid[mine]
        until = np.append(time[1:], BEGIN + load.seconds * SECOND)
        for second in range(1, load.seconds + 1):
            end = BEGIN + second * SECOND
            begin = end - 15 * SECOND
            if time[0] >= end:
                continue
            expected += 1
            good = np.clip(np.minimum(until, end) - np.maximum(time, begin), 0, None)
            inside = (time >= begin) & (time < end)
            counted = inside | (good > 0)
            figures = row_at(seen, market, end)["windows"]["15s"]
            wanted = {
                "mean": float((spread * good).sum() / good.sum()),
                "tick_mean": float(spread[inside].mean()) if inside.any() else None,
                "min": float(spread[counted].min()),
                "max": float(spread[counted].max()),
                "n": int(inside.sum()),
                "coverage": float(good.sum() / (15 * SECOND)),
            }
            for name, value in wanted.items():
                if not equal(figures[name], value):
                    raise RuntimeError(f"{market} {second} {name}: {figures[name]} for {value}")
    if expected != len(rows):
        raise RuntimeError(f"expected {expected} rows, was {len(rows)}")


def row_at(seen: dict[tuple[str, str], Unpacked], market: str, end: int) -> Unpacked:
    """Return the row of a market and second."""
    stamp = np.datetime_as_string(np.datetime64(end, "ns"), unit="s")
    return seen[market, f"{stamp}Z"]


def equal(published_value: float | None, expected: float | None) -> bool:
    """Return whether two figures agree to 1e-9."""
    if published_value is None or expected is None:
        return published_value is expected
    return abs(published_value - expected) <= 1e-9 * max(1.0, abs(expected))


def published(settings: Settings) -> list[Unpacked]:
    """Return every row in `spreads`."""
    name = topic_name(SPREADS.name, settings.namespace)
    consumer = Consumer(
        {"bootstrap.servers": settings.kafka_brokers, "group.id": "check", "enable.auto.commit": 0}
    )
    parts = [TopicPartition(name, p, OFFSET_BEGINNING) for p in range(settings.partitions)]
    left = 0
    for part in parts:
        low, high = consumer.get_watermark_offsets(TopicPartition(name, part.partition))
        left += high - low
    consumer.assign(parts)
    rows: list[Unpacked] = []
    while left > 0:
        for message in consumer.consume(1000, 1.0):
            if message.error() is None:
                left -= 1
                rows.extend(spread_objects(decode_spreads(message.value() or b"")))
    consumer.close()
    return rows
