"""Made-up ticks of many coins, as bursts: seeded, the same at every run."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.partition import partition_of
from models.records.bursts import SCHEMA_VERSION, QuoteBurst, TradeBurst, Unseen, encode_burst

SECOND = 1_000_000_000
EXCHANGE = "kraken"
BEGIN = 1_700_000_000 * SECOND


class Load(msgspec.Struct, frozen=True):
    """How much: coins, partitions, ticks a record, records a second, seconds of event time."""

    coins: int
    partitions: int
    ticks_a_record: int
    records_a_second: int
    seconds: int

    @property
    def ticks(self) -> int:
        """Return how many ticks there are in all."""
        return self.ticks_a_record * self.records_a_second * self.seconds


class Ticks(msgspec.Struct, frozen=True):
    """All ticks in log order: market codes, times, bids, asks."""

    markets: list[str]
    partition: NDArray[np.int64]
    market: NDArray[np.int64]
    time: NDArray[np.int64]
    bid: NDArray[np.float64]
    ask: NDArray[np.float64]


class Record(msgspec.Struct, frozen=True):
    """One Kafka record, and when it is due, in nanoseconds from the beginning."""

    due: int
    topic: str
    partition: int
    value: bytes


def make_ticks(load: Load) -> Ticks:
    """Return the ticks: every record takes those of one partition, in turn."""
    random = np.random.default_rng(7)
    names = [f"{EXCHANGE}:C{number}-USD" for number in range(load.coins)]
    by_partition: list[list[int]] = [[] for _ in range(load.partitions)]
    for code in range(load.coins):
        by_partition[partition_of(f"C{code}", load.partitions)].append(code)
    records = load.records_a_second * load.seconds
    partition = np.arange(records) % load.partitions
    partition = np.array(
        [p if by_partition[p] else next_used(by_partition, int(p)) for p in partition]
    )
    per_tick = np.repeat(partition, load.ticks_a_record)
    market = np.empty(load.ticks, np.int64)
    for p, codes in enumerate(by_partition):
        chosen = per_tick == p
        if codes:
            market[chosen] = random.choice(codes, int(chosen.sum()))
    time = BEGIN + np.arange(load.ticks, dtype=np.int64) * (load.seconds * SECOND) // load.ticks
    mid = 100 + np.cumsum(random.normal(0, 0.001, load.ticks))
    half = np.round(random.gamma(2.0, 0.01, load.ticks) + 0.005, 4)
    bid, ask = np.round(mid - half, 4), np.round(mid + half, 4)
    return Ticks(names, per_tick, market, time, bid, ask)


def next_used(by_partition: list[list[int]], partition: int) -> int:
    """Return the next partition that has a coin."""
    while not by_partition[partition]:
        partition = (partition + 1) % len(by_partition)
    return partition


def make_records(load: Load, ticks: Ticks) -> list[Record]:
    """Return the bursts of both topics; the clocks of the trades pass once a second."""
    records: list[Record] = []
    step = load.ticks_a_record
    for start in range(0, load.ticks, step):
        part = slice(start, start + step)
        end = int(ticks.time[min(start + step, load.ticks) - 1])
        records.append(
            Record(
                end - BEGIN,
                f"{EXCHANGE}_quotes",
                int(ticks.partition[start]),
                _quotes(ticks, part, int(ticks.partition[start]), int(ticks.time[start])),
            )
        )
    for second in range(1, load.seconds + 1):
        clock = BEGIN + second * SECOND
        for partition in sorted(set(ticks.partition.tolist())):
            for kind in ("quotes", "trades"):
                value = _clock_only(kind, partition, clock)
                records.append(Record(second * SECOND, f"{EXCHANGE}_{kind}", partition, value))
    records.sort(key=lambda record: record.due)
    return records


def _quotes(ticks: Ticks, part: slice, partition: int, clock: int) -> bytes:
    names: dict[int, int] = {}
    codes = [names.setdefault(code, len(names)) for code in ticks.market[part].tolist()]
    time = ticks.time[part].astype("<i8").tobytes()
    size = np.ones(len(codes), "<f8").tobytes()
    return encode_burst(
        QuoteBurst(
            version=SCHEMA_VERSION,
            exchange=EXCHANGE,
            partition=partition,
            epoch=1,
            clock=clock,
            markets=[ticks.markets[code] for code in names],
            market=np.array(codes, "<u2").tobytes(),
            time=time,
            receive_time=time,
            own_time=time,
            flags=bytes(len(codes)),
            unseen=[],
            bid=ticks.bid[part].astype("<f8").tobytes(),
            bid_size=size,
            ask=ticks.ask[part].astype("<f8").tobytes(),
            ask_size=size,
        )
    )


def _clock_only(kind: str, partition: int, clock: int) -> bytes:
    nothing: list[Unseen] = []
    head = {
        "version": SCHEMA_VERSION,
        "exchange": EXCHANGE,
        "partition": partition,
        "epoch": 1,
        "clock": clock,
        "markets": [],
        "unseen": nothing,
        **dict.fromkeys(("market", "time", "receive_time", "own_time", "flags"), b""),
    }
    if kind == "quotes":
        empty = dict.fromkeys(("bid", "bid_size", "ask", "ask_size"), b"")
        return encode_burst(msgspec.convert(head | empty, QuoteBurst))
    empty = dict.fromkeys(("price", "size", "side", "trade_id"), b"")
    return encode_burst(msgspec.convert(head | empty, TradeBurst))
