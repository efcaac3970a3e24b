"""The bars agent in memory: bursts and candles in logs → a source → records. No Kafka.

A test chooses how far each topic is read, and where a worker dies within a group.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import pandas as pd

from agents.bars.candle_log import CandleLog
from agents.bars.changes import Change, Head, restore
from agents.bars.source import BarsSource, Group
from agents.bars.tables import BarRings
from agents.ingestion.captures.merge import merge_captures
from agents.runtime.source import Output
from agents.runtime.steps import Step, decode_step
from models.records.bars import decode_bars, decode_indicators
from models.records.bursts import TickFlag, TradeBurst, Unseen, encode_burst
from models.records.candles import CANDLES_VERSION, Candles, encode_candles
from models.records.unpacked import unpack
from tests.burst_log import append, bursts_of, settings_of
from tests.oracle.bars import Decision, Key, Row, expected
from tests.oracle.ticks import Ticks

PARTITIONS = 1
"""Of stories: every coin is of partition 0."""
Death = Literal["changelog", "outputs", "after"]
"""What is being sent when a worker dies: a part of it is out, and all that comes before it."""


class BarsLine:
    """The part of a worker that one source keeps busy, as often killed as a test likes.

    What is published and what is in the changelog outlives it, as in Kafka.
    """

    def __init__(
        self,
        trades: Sequence[bytes],
        candles: Sequence[bytes] = (),
        exchange: str = "kraken",
        partition: int = 0,
        partitions: int = PARTITIONS,
        beginning: int = 0,
    ) -> None:
        """Own the source from the beginning of both topics."""
        self.trades, self.candle_values = trades, candles
        self.exchange, self.partition, self.partitions = exchange, partition, partitions
        self.beginning = beginning
        self.published: list[Output] = []
        self.changelog: list[tuple[bytes, bytes]] = []
        self.open()

    def open(self) -> None:
        """Lose everything in memory, and start again from the compacted changelog."""
        steps: dict[bytes, Step] = {key: decode_step(value) for key, value in self.changelog}
        rings = BarRings()
        kept = restore(self.exchange, steps, rings)
        position = 0 if kept is None else kept.head.candles
        self.candles = CandleLog(self.partition, self.partitions, {self.exchange: position})
        topic = f"{self.exchange}_trades"
        self.source = BarsSource(
            self.exchange, self.partition, topic, kept, rings, self.candles, self.beginning
        )

    def read_trades(self, count: int = 1_000_000) -> int:
        """Take the next records of trades; return how many there were."""
        return _take(self.source, self.trades, count)

    def read_candles(self, count: int = 1_000_000) -> int:
        """Take the next records of candles; return how many there were."""
        return _take(self.candles, self.candle_values, count)

    def work(self, groups: int = 1_000_000) -> int:
        """Bring out so many groups, as far as there are; return how many there were."""
        for number in range(groups):
            group = self.source.group()
            if group is None:
                return number
            self._write(group.before)
            self.published += group.outputs
            self._write(group.after)
        return groups

    def die(self, where: Death, count: int) -> None:
        """Bring out one group, but die within it after so many records of a part; start again."""
        group = self.source.group() or Group([], [], [], 0)
        self._write(group.before[: count if where == "changelog" else None])
        if where != "changelog":
            self.published += group.outputs[: count if where == "outputs" else None]
        if where == "after":
            self._write(group.after[:count])
        self.open()

    def finish(self) -> None:
        """Read and bring out everything that is left."""
        self.read_candles()
        self.read_trades()
        self.work()

    def _write(self, changes: Iterable[Change]) -> None:
        self.changelog += [(change.key, change.value) for change in changes]

    def series(self) -> dict[tuple[str, bytes], bytes]:
        """Return the published values by topic and key; a repeat must be the same bytes."""
        series: dict[tuple[str, bytes], bytes] = {}
        for output in self.published:
            place = output.topic, output.key
            assert series.setdefault(place, output.value) == output.value, place
        return series

    def rows(self) -> dict[Key, dict[str, Any]]:
        """Return the published rows as the oracle writes them."""
        return rows_of(self.series())

    def decisions(self) -> list[Decision]:
        """Return which candles were used when, as the whole changelog tells it."""
        return decisions_in(self.exchange, self.changelog)


def _take(log: Any, values: Sequence[bytes], count: int) -> int:
    start = log.next_offset
    chosen = values[start : start + count]
    for place, value in enumerate(chosen, start):
        log.take(place, value)
    return len(chosen)


def decisions_in(exchange: str, changelog: Iterable[tuple[bytes, bytes]]) -> list[Decision]:
    """Return the decisions of a source that its changelog holds, in their order."""
    decisions: dict[int, Decision] = {}
    for key, value in changelog:
        if not key.startswith(f"{exchange}|head|".encode()):
            continue
        head = msgspec.msgpack.decode(decode_step(value).carried, type=Head)
        if head.batch:
            records = [msgspec.json.decode(each) for each in head.batch]
            decision = Decision(head.boundary, head.batch_offset, records)
            assert decisions.setdefault(head.batch_offset, decision) == decision
    return list(decisions.values())


def rows_of(series: Mapping[tuple[str, bytes], bytes]) -> dict[Key, dict[str, Any]]:
    """Return published records, by topic and key, as rows a market."""
    rows: dict[Key, dict[str, Any]] = {}
    for (topic, key), value in series.items():
        record: Any = (decode_bars if topic == "bars" else decode_indicators)(value)
        parts = key.decode().split("|")
        assert [record.exchange, str(record.partition), record.interval] == parts[:3]
        columns = msgspec.structs.asdict(record)
        for name in ("version", "exchange", "partition", "interval", "start", "as_of", "markets"):
            columns.pop(name, None)
        candles = int(parts[4]) if len(parts) > 4 else None
        for i, market in enumerate(record.markets):
            row = {name: column[i] for name, column in columns.items()}
            rows[topic, market, record.interval, int(parts[3]), candles] = row
        assert len(list(unpack("bars" if topic == "bars" else "indicators", value))) == len(
            record.markets
        )
    return rows


def differences(
    published: Mapping[Key, dict[str, Any]], wanted: Mapping[Key, Row], every: int = 1
) -> list[str]:
    """Return what is missing, too much or different, one text each.

    Of the indicators of minutes every so many one is computed.
    """
    found = [f"missing {key}: {wanted[key]()}" for key in wanted.keys() - published.keys()]
    found += [f"too much {key}: {published[key]}" for key in published.keys() - wanted.keys()]
    for key in published.keys() & wanted.keys():
        if key[0] == "indicators" and key[2] == "1m" and key[3] // 60 % every:
            continue
        row, want = published[key], wanted[key]()
        names = row.keys() | want.keys()
        found += [
            f"{key} {name}: {row.get(name)} instead of {want.get(name)}"
            for name in names
            if not _alike(row.get(name), want.get(name))
        ]
    return sorted(found)


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, float) and other is not None:
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return bool(one == other)


def check(
    line: BarsLine, trades: pd.DataFrame, unseen: pd.DataFrame, clock: int, every: int = 1
) -> int:
    """See that what a line published is the oracle's, given its decisions; return how much."""
    published = line.rows()
    wanted = expected(trades, unseen, clock, line.decisions())
    found = differences(published, wanted, every)
    assert not found, f"{len(found)} differences\n" + "\n".join(found[:10])
    return len(published)


def of_source(ticks: Ticks, exchange: str, partition: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the trades of a source, and the unseen intervals of the trades of its exchange."""
    trades = ticks.trades[ticks.trades["partition"] == partition]
    of_exchange = trades["market"].str.startswith(f"{exchange}:")
    return trades[of_exchange], ticks.unseen[ticks.unseen["kind"] == "trades"]


def capture_log(paths: Sequence[Path], partitions: int) -> dict[tuple[str, int], list[bytes]]:
    """Return the bursts of captures by topic and partition."""
    return append({}, bursts_of(merge_captures(paths), settings_of(partitions=partitions)))


class Trade(msgspec.Struct, frozen=True):
    """A trade of a story; `time` in seconds."""

    market: str
    time: float
    price: float
    size: float = 1.0
    late: bool = False


SECOND = 1_000_000_000
MINUTE = 60 * SECOND
START = 1_800_000_000 // 86_400 * 86_400
"""When stories begin, in seconds: a day."""


def at(seconds: float) -> int:
    """Return a moment of a story (seconds from its start) in nanoseconds since the epoch."""
    return START * SECOND + round(seconds * SECOND)


def trade_value(
    clock: float,
    trades: Sequence[Trade] = (),
    unseen: Sequence[Unseen] = (),
    exchange: str = "kraken",
    partition: int = 0,
) -> bytes:
    """Return the value of a burst of trades; `clock` in seconds of the story."""
    markets = list(dict.fromkeys(trade.market for trade in trades))
    times = np.array([at(trade.time) for trade in trades], "<i8").tobytes()
    late = TickFlag.LATE.value
    return encode_burst(
        TradeBurst(
            version=1,
            exchange=exchange,
            partition=partition,
            epoch=1,
            clock=at(clock),
            markets=markets,
            market=np.array([markets.index(trade.market) for trade in trades], "<u2").tobytes(),
            time=times,
            receive_time=times,
            own_time=times,
            flags=bytes(late if trade.late else 0 for trade in trades),
            unseen=list(unseen),
            price=np.array([trade.price for trade in trades], "<f8").tobytes(),
            size=np.array([trade.size for trade in trades], "<f8").tobytes(),
            side=np.ones(len(trades), "i1").tobytes(),
            trade_id=np.arange(len(trades), dtype="<i8").tobytes(),
        )
    )


def frames_of(
    trades: Sequence[Trade], unseen: Sequence[Unseen]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a story as the oracle reads it."""
    table = pd.DataFrame(
        [(t.market, at(t.time), t.price, t.size, t.late) for t in trades],
        columns=["market", "time", "price", "size", "late"],
    )
    rows = [(row.market, row.start, row.end, row.reason) for row in unseen]
    return table, pd.DataFrame(rows, columns=["market", "start", "end", "reason"])


def candles_value(
    market: str,
    minutes: Mapping[int, tuple[float, float, float, float]],
    volume: float = 2.0,
    told: bool = True,
) -> bytes:
    """Return a record of candles: by minute of the story open, high, low and close.

    With `told` the exchange tells quote volume and count.
    """
    numbers = sorted(minutes)
    columns = list(zip(*(minutes[number] for number in numbers), strict=True)) or [()] * 4
    return encode_candles(
        Candles(
            version=CANDLES_VERSION,
            market=market,
            fetched_at="2027-01-15T00:00:00Z",
            start=[START + 60 * number for number in numbers],
            open=list(columns[0]),
            high=list(columns[1]),
            low=list(columns[2]),
            close=list(columns[3]),
            volume=[volume] * len(numbers),
            quote_volume=[volume * price if told else None for price in columns[3]],
            trades=[3 if told else None] * len(numbers),
        )
    )
