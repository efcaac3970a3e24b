"""The line in memory: captures → bursts in a log → a source → published records. No Kafka.

A test chooses how bursts are cut, in which order topics are read, and when a worker is killed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
from hypothesis import strategies as st

from agents.ingestion.captures.captured import CapturedFrame
from agents.ingestion.captures.merge import merge_captures
from agents.ingestion.exchanges.events import Kind
from agents.ingestion.replay import Replay
from agents.ingestion.source_state import Found, OutgoingBurst
from agents.runtime.source import AgentDefinition, ClosedStep, Output, Source
from agents.runtime.steps import Restored, Step, decode_step, restore
from agents.runtime.tables import StepTable
from agents.spread.app import SPREAD, spread_agent
from agents.spread.tables import spread_tables
from models.records.bursts import (
    EVERY_MARKET,
    QuoteBurst,
    TickFlag,
    TradeBurst,
    Unseen,
    UnseenReason,
    decode_quotes,
    decode_trades,
    encode_burst,
)
from models.records.closes import decode_closes
from models.records.spreads import decode_spreads
from models.records.unpacked import spread_objects
from models.settings import Settings
from models.topics import SPREADS

REAL_CAPTURES = (
    "crossbook_kraken_2026/kraken_btcusd_l2.cbcap",
    "crossbook_kraken_2026/kraken_btcusd_sample.cbcap",
    "crossbook_kraken_2026/kraken_ethusd_sample.cbcap",
    "crossbook_kraken_2026/kraken_xrpusd_sample.cbcap",
    "flashbook_2026/binance_live-btc-eth.ndjson",
    "flashbook_2026/coinbase_live-btc-eth.ndjson",
    "flashbook_2026/kraken_live-btc-eth.ndjson",
    "hftbacktest_binance_2024/spot_btcusdt_20240808.gz",
    "hftbacktest_binance_2024/spot_ethusdt_20240808.gz",
    "live_frames_2026-10/frames.jsonl",
)
"""Within the folder of the fixture `test_data`."""

MADE_CAPTURES = tuple(
    Path(__file__).parent / "captures" / f"{name}.jsonl.zst"
    for name in ("binance", "coinbase", "jump", "kraken")
)


def short_agent(forget_after: int = 24) -> AgentDefinition:
    """Return the spread agent with windows so short that all come round within a story."""
    return spread_agent(
        spread_tables(
            windows=(3, 5, 8),
            horizons=(1, 4),
            slots=14,
            baseline_seconds=2,
            baseline_panes=6,
            baseline_slots=512,
            fewest=2,
            forget_after=forget_after,
        )
    )


SHORT = short_agent()

Place = tuple[str, int]
Log = dict[Place, list[bytes]]
"""By topic and partition the values; their places in the list are the offsets."""

KINDS: tuple[Kind, Kind] = ("quotes", "trades")
NOTHING_FOUND = Found(0, {})


def settings_of(**changes: object) -> Settings:
    """Return settings that no environment variable changes in what a test depends on."""
    fixed = {
        "partitions": 8,
        "lateness_ms": 200,
        "linger_ms": 100,
        "burst_interval_ms": 250,
        "silence_limit_s": 5.0,
        "silence_limit_binance_s": 25.0,
    }
    return Settings(**(fixed | changes))  # type: ignore[arg-type]


def captured(paths: Sequence[Path]) -> list[CapturedFrame]:
    """Return the frames of captures in replay order."""
    return list(merge_captures(paths))


def bursts_of(
    frames: Iterable[CapturedFrame], settings: Settings, log: Log | None = None
) -> list[OutgoingBurst]:
    """Return the bursts of a replay; `log` is what the namespace holds already."""
    replay = Replay(settings, lambda exchange: found_in(log or {}, exchange))
    bursts = [burst for frame in frames for burst in replay.step(frame).drain()]
    replay.finish()
    for line in replay.lines.values():
        bursts += line.drain()
    return bursts


def append(log: Log, bursts: Iterable[OutgoingBurst]) -> Log:
    """Write bursts to the end of a log."""
    for burst in bursts:
        log.setdefault((burst.topic, burst.partition), []).append(burst.value)
    return log


def found_in(log: Mapping[Place, Sequence[bytes]], exchange: str) -> dict[int, Found]:
    """Return what a new owner of an exchange finds in the last burst of every partition."""
    found: dict[int, Found] = {}
    for kind in KINDS:
        decode: Any = decode_quotes if kind == "quotes" else decode_trades
        for (topic, partition), values in log.items():
            if topic == f"{exchange}_{kind}" and values:
                last = decode(values[-1])
                before = found.get(partition, NOTHING_FOUND)
                clocks: dict[Kind, int] = {**before.clocks, kind: last.clock}
                found[partition] = Found(max(before.epoch, last.epoch), clocks)
    return found


def sources_in(log: Mapping[Place, Sequence[bytes]]) -> list[Place]:
    """Return the sources (exchange, partition) that have written to a log."""
    return sorted({(topic.partition("_")[0], partition) for topic, partition in log})


class SourceWorker:
    """The part of a worker that one source keeps busy, as often killed as a test likes.

    What is published and what is in the changelog outlives it, as in Kafka.
    """

    def __init__(
        self,
        log: Mapping[Place, Sequence[bytes]],
        exchange: str,
        partition: int,
        changelog: Sequence[tuple[bytes, bytes]] = (),
        *,
        definition: AgentDefinition = SPREAD,
        slots: int = 0,
        compacted: bool = True,
    ) -> None:
        """Start with what the changelog holds, compacted or as it was written.

        With less `slots` than the agent has, the ring comes round sooner.
        """
        self.exchange, self.partition = exchange, partition
        self.compacted = compacted
        self.published: list[Output] = []
        self.changelog = list(changelog)
        self.log = log
        self._definition = msgspec.structs.replace(definition, slots=slots or definition.slots)
        self.source = self._opened()

    def read(self, kind: str, count: int) -> int:
        """Take the next `count` records of a topic; return how many there were."""
        topic = f"{self.exchange}_{kind}"
        source_log = self.source.logs[topic]
        values = self.log.get((topic, self.partition), [])
        start = source_log.next_offset
        chosen = values[start : start + count]
        for place, value in enumerate(chosen, start):
            source_log.take(place, value)
        return len(chosen)

    def close(self, limit: int = 1_000_000) -> list[ClosedStep]:
        """Close seconds, publish them and write them to the changelog."""
        return self.close_and_die(limit, None, None)

    def close_and_die(self, limit: int, outputs: int | None, steps: int | None) -> list[ClosedStep]:
        """Do the same, but die after so many outputs, or after all and so many changelog records.

        None dies of nothing there. A worker that has died is started again at once.
        """
        closed = self.source.close(limit)
        made = [output for step in closed for output in step.outputs]
        self.published += made[:outputs]
        if outputs is None:
            written = [(each.key, each.value) for step in closed for each in step.changelog]
            self.changelog += written[:steps]
        if outputs is not None or steps is not None:
            self.kill()
        return closed

    def kill(self) -> None:
        """Lose everything in memory, and start again from the changelog."""
        self.source = self._opened()

    def finish(self) -> list[bytes]:
        """Read and close everything that is left; return the values as they were published."""
        for kind in KINDS:
            self.read(kind, 1_000_000)
        self.close()
        return self.values()

    def values(self) -> list[bytes]:
        """Return every value of `spreads` that was published, repeats included."""
        return [output.value for output in self.published if output.topic == SPREADS.name]

    def series(self, topic: str = SPREADS.name) -> dict[bytes, bytes]:
        """Return the published values of a topic by key, as they were published first.

        Raises:
            AssertionError: a repeat was not the same bytes.
        """
        return {key: value for (name, key), value in self.records().items() if name == topic}

    def records(self) -> dict[tuple[str, bytes], bytes]:
        """Return every published value by topic and key, as `series` does."""
        series: dict[tuple[str, bytes], bytes] = {}
        for output in self.published:
            kept = series.setdefault((output.topic, output.key), output.value)
            assert kept == output.value, (output.topic, output.key)
        return series

    def restored(self) -> Restored | None:
        """Return what the changelog gives to go on from."""
        mirror = last_writes if self.compacted else furthest_writes
        return restore(mirror(self.changelog).values(), self._definition.needs)

    def _opened(self) -> Source:
        beginnings = {f"{self.exchange}_{kind}": 0 for kind in KINDS}
        return Source(self.exchange, self.partition, self._definition, self.restored(), beginnings)


def last_writes(changelog: Iterable[tuple[bytes, bytes]]) -> dict[bytes, Step]:
    """Return what compaction leaves of a changelog: the last write of every key."""
    return {key: decode_step(value) for key, value in changelog}


def furthest_writes(changelog: Iterable[tuple[bytes, bytes]]) -> dict[bytes, Step]:
    """Return what a worker remembers that reads a changelog which is not compacted yet."""
    table = SimpleNamespace(mirror={})
    for key, value in changelog:
        StepTable.remember(table, 0, key, decode_step(value))  # type: ignore[arg-type]
    steps: dict[bytes, Step] = table.mirror.get(0, {})
    return steps


def publish(log: Mapping[Place, Sequence[bytes]], exchange: str, partition: int) -> list[bytes]:
    """Return the values of a source that nothing disturbs."""
    return SourceWorker(log, exchange, partition).finish()


def records_of(
    log: Mapping[Place, Sequence[bytes]],
    exchange: str,
    partition: int,
    definition: AgentDefinition = SPREAD,
) -> dict[tuple[str, bytes], bytes]:
    """Return all that a source that nothing disturbs publishes, by topic and key."""
    worker = SourceWorker(log, exchange, partition, definition=definition)
    worker.finish()
    return worker.records()


def publish_all(log: Mapping[Place, Sequence[bytes]]) -> dict[Place, list[bytes]]:
    """Return the values of every source of a log."""
    return {source: publish(log, *source) for source in sources_in(log)}


def rows_in(values: Iterable[bytes]) -> list[dict[str, Any]]:
    """Return published values as rows, one a market and second."""
    return [row for value in values for row in spread_objects(decode_spreads(value))]


def close_in(value: bytes) -> tuple[tuple[str, int, str], dict[str, tuple[float | None, int]]]:
    """Return a record of closes as (exchange, partition, as_of), and mid and n by market."""
    record = decode_closes(value)
    close = dict(zip(record.markets, zip(record.mid, record.n, strict=True), strict=True))
    return (record.exchange, record.partition, record.as_of), close


SECOND = 1_000_000_000
START = 1_800_000_000 * SECOND


class QuoteTick(msgspec.Struct, frozen=True):
    """A quote of a story."""

    market: str
    time: int
    bid: float
    ask: float
    bid_size: float = 1.0
    ask_size: float = 1.0


class TradeTick(msgspec.Struct, frozen=True):
    """A trade of a story."""

    market: str
    time: int
    price: float = 1.0
    side: int = 1
    late: bool = False


class Moment(msgspec.Struct, frozen=True):
    """What ingestion says of one kind while its clock stands at `clock`; None is nothing."""

    clock: int
    kind: Kind = "quotes"
    item: QuoteTick | TradeTick | Unseen | None = None


Story = list[Moment]


def quote_burst(
    clock: int,
    ticks: Sequence[QuoteTick] = (),
    unseen: Sequence[Unseen] = (),
    *,
    epoch: int = 1,
    exchange: str = "kraken",
    partition: int = 2,
) -> bytes:
    """Return the value of a quote burst."""
    markets = list(dict.fromkeys(tick.market for tick in ticks))
    times = np.array([tick.time for tick in ticks], "<i8").tobytes()
    return encode_burst(
        QuoteBurst(
            version=1,
            exchange=exchange,
            partition=partition,
            epoch=epoch,
            clock=clock,
            markets=markets,
            market=np.array([markets.index(tick.market) for tick in ticks], "<u2").tobytes(),
            time=times,
            receive_time=times,
            own_time=times,
            flags=bytes(len(ticks)),
            unseen=list(unseen),
            bid=np.array([tick.bid for tick in ticks], "<f8").tobytes(),
            bid_size=np.array([tick.bid_size for tick in ticks], "<f8").tobytes(),
            ask=np.array([tick.ask for tick in ticks], "<f8").tobytes(),
            ask_size=np.array([tick.ask_size for tick in ticks], "<f8").tobytes(),
        )
    )


def trade_burst(
    clock: int,
    ticks: Sequence[TradeTick] = (),
    unseen: Sequence[Unseen] = (),
    *,
    epoch: int = 1,
    exchange: str = "kraken",
    partition: int = 2,
) -> bytes:
    """Return the value of a trade burst."""
    markets = list(dict.fromkeys(tick.market for tick in ticks))
    times = np.array([tick.time for tick in ticks], "<i8").tobytes()
    return encode_burst(
        TradeBurst(
            version=1,
            exchange=exchange,
            partition=partition,
            epoch=epoch,
            clock=clock,
            markets=markets,
            market=np.array([markets.index(tick.market) for tick in ticks], "<u2").tobytes(),
            time=times,
            receive_time=times,
            own_time=times,
            flags=bytes(TickFlag.LATE if tick.late else 0 for tick in ticks),
            unseen=list(unseen),
            price=np.array([tick.price for tick in ticks], "<f8").tobytes(),
            size=np.ones(len(ticks), "<f8").tobytes(),
            side=np.array([tick.side for tick in ticks], "i1").tobytes(),
            trade_id=np.arange(len(ticks), dtype="<i8").tobytes(),
        )
    )


def cut(story: Story, cuts: Mapping[Kind, frozenset[int]], epoch: int = 1) -> Log:
    """Return the bursts of a story, cut by kind after the moments with these numbers."""
    log: Log = {}
    for kind in KINDS:
        ticks: list[QuoteTick | TradeTick] = []
        unseen: list[Unseen] = []
        values = log[f"kraken_{kind}", 2] = []
        for number, moment in enumerate(story):
            if moment.kind == kind and moment.item is not None:
                if isinstance(moment.item, Unseen):
                    unseen.append(moment.item)
                else:
                    ticks.append(moment.item)
            if number in cuts[kind] or number == len(story) - 1:
                burst: Any = quote_burst if kind == "quotes" else trade_burst
                values.append(burst(moment.clock, ticks, unseen, epoch=epoch))
                ticks, unseen = [], []
    return log


QUARTER = SECOND // 4
MARKETS = ("kraken:BTC-USD", "kraken:BTC-EUR", "kraken:BTC-USDT")
_QUOTES = (
    (100.1, 100.3),
    (100.2, 100.7),
    (99.9, 100.0),
    (100.4, 100.4),
    (100.5, 100.2),
    (math.nan, 100.3),
    (100.1, math.nan),
)
_SIZES = (1.0, 0.25, 7.5)
_PRICES = (100.1, 100.2, 99.9, 100.45)
REASONS: tuple[UnseenReason, ...] = ("gap", "stale", "down")
_AHEAD = (0, 0, 1, QUARTER - 1, QUARTER, QUARTER + 1, SECOND, 5 * QUARTER)
_LENGTHS = (1, QUARTER, SECOND, 5 * QUARTER, 3 * SECOND, 40 * SECOND)


@st.composite
def stories(draw: st.DrawFn, jumps: bool = True) -> Story:
    """Draw what a source could say: no tick and no interval begins before the clock.

    The clock rises in quarters of a second, at times by more than a window; it ends on a whole
    second.
    """
    steps: tuple[int, ...] = (0, 0, 0, QUARTER, QUARTER, SECOND, 2 * SECOND + 1)
    steps += (17 * SECOND,) if jumps else ()
    clock = START + draw(st.sampled_from((0, QUARTER, SECOND - 1)))
    story: Story = []
    for _ in range(draw(st.integers(1, 30))):
        clock += draw(st.sampled_from(steps))
        market = draw(st.sampled_from(MARKETS))
        time = clock + draw(st.sampled_from(_AHEAD))
        what = draw(st.sampled_from(("quote", "quote", "quote", "trade", "unseen", "nothing")))
        match what:
            case "quote":
                bid, ask = draw(st.sampled_from(_QUOTES))
                sizes = (nan if nan != nan else draw(st.sampled_from(_SIZES)) for nan in (bid, ask))
                item = QuoteTick(market, time, bid, ask, *sizes)
                story.append(Moment(clock, "quotes", item))
            case "trade":
                price, side = draw(st.sampled_from(_PRICES)), draw(st.sampled_from((1, -1)))
                late = draw(st.sampled_from((False, False, False, True)))
                trade = TradeTick(market, time, price, side, late)
                story.append(Moment(clock, "trades", trade))
            case "unseen":
                who = draw(st.sampled_from((market, market, EVERY_MARKET)))
                reason = draw(st.sampled_from(REASONS))
                row = Unseen(who, time, time + draw(st.sampled_from(_LENGTHS)), reason)
                story.append(Moment(clock, draw(st.sampled_from(KINDS)), row))
            case _:
                story.append(Moment(clock))
    newest = max([clock, *(_end(moment) for moment in story)])
    story.append(Moment((newest // SECOND + 1) * SECOND))
    return story


def _end(moment: Moment) -> int:
    match moment.item:
        case QuoteTick() | TradeTick():
            return moment.item.time
        case Unseen():
            return moment.item.end
        case _:
            return 0


def cuts_of(story: Story) -> st.SearchStrategy[dict[Kind, frozenset[int]]]:
    """Draw after which moments each kind is cut."""
    numbers = st.frozensets(st.integers(0, len(story) - 1))
    return st.fixed_dictionaries(dict.fromkeys(KINDS, numbers))


WHOLE: dict[Kind, frozenset[int]] = {kind: frozenset() for kind in KINDS}
"""The cuts of a story that goes out as one burst a topic."""
