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
WARM_SECONDS = 400
"""More than the 335 s after which every figure of the spread agent may be there."""
_LONGEST_SECONDS = 600


class Load(msgspec.Struct, frozen=True):
    """How much: coins, partitions, ticks a record, records a second, seconds of event time.

    `begin_s` is when it begins, in seconds from `BEGIN`; it may be as early as `-WARM_SECONDS`.
    Of a partition's records every `trades_every`th holds trades, the others quotes; with 0 none.
    """

    coins: int
    partitions: int
    ticks_a_record: int
    records_a_second: int
    seconds: int
    begin_s: int = 0
    trades_every: int = 5

    @property
    def ticks(self) -> int:
        """Return how many ticks there are in all."""
        return self.ticks_a_record * self.records_a_second * self.seconds

    @property
    def begin(self) -> int:
        """Return when it begins, in nanoseconds since the epoch."""
        return BEGIN + self.begin_s * SECOND

    @property
    def end(self) -> int:
        """Return when it ends, in nanoseconds since the epoch."""
        return self.begin + self.seconds * SECOND


class Ticks(msgspec.Struct, frozen=True):
    """All ticks in log order: market codes, times, quotes, and what stands for trades.

    Where `side` is 0 a tick is a quote, else a trade whose price is the ask (1) or the bid (−1).
    """

    markets: list[str]
    partition: NDArray[np.int64]
    market: NDArray[np.int64]
    time: NDArray[np.int64]
    bid: NDArray[np.float64]
    ask: NDArray[np.float64]
    bid_size: NDArray[np.float64]
    ask_size: NDArray[np.float64]
    side: NDArray[np.int8]

    def price(self, part: slice) -> NDArray[np.float64]:
        """Return the prices of trades."""
        return np.where(self.side[part] > 0, self.ask[part], self.bid[part])


class Record(msgspec.Struct, frozen=True):
    """One Kafka record, and when it is due, in nanoseconds from the beginning."""

    due: int
    topic: str
    partition: int
    value: bytes


def warm_up(load: Load) -> Load:
    """Return what comes before a load: few ticks, but as long as a baseline needs."""
    return msgspec.structs.replace(
        load, ticks_a_record=10, records_a_second=40, seconds=WARM_SECONDS, begin_s=-WARM_SECONDS
    )


def make_ticks(load: Load) -> Ticks:
    """Return the ticks: every record takes those of one partition, in turn."""
    random = np.random.default_rng(7 + load.begin_s + WARM_SECONDS)
    names = [f"{EXCHANGE}:C{number}-USD" for number in range(load.coins)]
    by_partition: list[list[int]] = [[] for _ in range(load.partitions)]
    for code in range(load.coins):
        by_partition[partition_of(f"C{code}", load.partitions)].append(code)
    record = np.arange(load.records_a_second * load.seconds)
    partition = record % load.partitions
    partition = np.array(
        [p if by_partition[p] else next_used(by_partition, int(p)) for p in partition]
    )
    per_tick = np.repeat(partition, load.ticks_a_record)
    market = np.empty(load.ticks, np.int64)
    for p, codes in enumerate(by_partition):
        chosen = per_tick == p
        if codes:
            market[chosen] = random.choice(codes, int(chosen.sum()))
    time = (
        load.begin + np.arange(load.ticks, dtype=np.int64) * (load.seconds * SECOND) // load.ticks
    )
    mid, half = _levels(load.coins)
    second = (time - BEGIN) // SECOND + WARM_SECONDS
    middle = mid[second, market] + random.normal(0, 0.001, load.ticks)
    around = half[second, market] * random.uniform(0.8, 1.2, load.ticks)
    sizes = np.round(random.gamma(2.0, 5.0, (2, load.ticks)) + 0.01, 2)
    side = np.zeros(load.ticks, np.int8)
    if load.trades_every:
        turn = record // load.partitions % load.trades_every
        traded = np.repeat(turn == load.trades_every - 1, load.ticks_a_record)
        side[traded] = random.choice(np.array([-1, 1], np.int8), int(traded.sum()))
    return Ticks(
        markets=names,
        partition=per_tick,
        market=market,
        time=time,
        bid=np.round(middle - around, 4),
        ask=np.round(middle + around, 4),
        bid_size=sizes[0],
        ask_size=sizes[1],
        side=side,
    )


def _levels(coins: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mids and half spreads by second from `-WARM_SECONDS` on, and by coin.

    The logarithm of a half spread reverts to its mean with a half-life of a minute.
    """
    random = np.random.default_rng(11)
    seconds = WARM_SECONDS + _LONGEST_SECONDS
    mid = 100 * np.exp(np.cumsum(random.normal(0, 1e-4, (seconds, coins)), axis=0))
    keep = 0.5 ** (1 / 60)
    log_half = np.empty((seconds, coins))
    log_half[0] = random.normal(0, 0.5, coins)
    steps = random.normal(0, 0.5 * np.sqrt(1 - keep**2), (seconds, coins))
    for i in range(1, seconds):
        log_half[i] = keep * log_half[i - 1] + steps[i]
    return mid, 0.02 * np.exp(log_half) + 0.001


def next_used(by_partition: list[list[int]], partition: int) -> int:
    """Return the next partition that has a coin."""
    while not by_partition[partition]:
        partition = (partition + 1) % len(by_partition)
    return partition


def make_records(load: Load, ticks: Ticks) -> list[Record]:
    """Return the bursts of both topics; the clocks of both pass once a second."""
    records: list[Record] = []
    step = load.ticks_a_record
    for start in range(0, load.ticks, step):
        part = slice(start, start + step)
        kind = "trades" if ticks.side[start] else "quotes"
        partition = int(ticks.partition[start])
        value = _burst(kind, ticks, part, partition, int(ticks.time[start]))
        due = int(ticks.time[part][-1]) - load.begin
        records.append(Record(due, f"{EXCHANGE}_{kind}", partition, value))
    partitions = sorted(set(ticks.partition.tolist()))
    for second in range(1, load.seconds + 1):
        clock = load.begin + second * SECOND
        for partition in partitions:
            for kind in ("quotes", "trades"):
                value = _burst(kind, ticks, slice(0, 0), partition, clock)
                records.append(Record(second * SECOND, f"{EXCHANGE}_{kind}", partition, value))
    records.sort(key=lambda record: record.due)
    return records


def _burst(kind: str, ticks: Ticks, part: slice, partition: int, clock: int) -> bytes:
    """Return the burst of some ticks, which are all of one kind."""
    names: dict[int, int] = {}
    codes = [names.setdefault(code, len(names)) for code in ticks.market[part].tolist()]
    time = ticks.time[part].astype("<i8").tobytes()
    nothing: list[Unseen] = []
    head = {
        "version": SCHEMA_VERSION,
        "exchange": EXCHANGE,
        "partition": partition,
        "epoch": 1,
        "clock": clock,
        "markets": [ticks.markets[code] for code in names],
        "market": np.array(codes, "<u2").tobytes(),
        "time": time,
        "receive_time": time,
        "own_time": time,
        "flags": bytes(len(codes)),
        "unseen": nothing,
    }
    if kind == "quotes":
        columns = {
            name: getattr(ticks, name)[part].astype("<f8").tobytes()
            for name in ("bid", "bid_size", "ask", "ask_size")
        }
        return encode_burst(msgspec.convert(head | columns, QuoteBurst))
    columns = {
        "price": ticks.price(part).astype("<f8").tobytes(),
        "size": ticks.bid_size[part].astype("<f8").tobytes(),
        "side": ticks.side[part].tobytes(),
        "trade_id": np.arange(part.start, part.start + len(codes), dtype="<i8").tobytes(),
    }
    return encode_burst(msgspec.convert(head | columns, TradeBurst))
