"""Made closes and candles for the correlation agent, and the agent's tables without Kafka."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from agents.correlation.place import Place
from agents.correlation.state import decided_in
from agents.correlation.step import step_outputs
from agents.correlation.table import RowSettings, Table
from agents.correlation.tables import table_definition
from agents.runtime.steps import Step, decode_step, encode_step, step_key
from models.records.candles import CANDLES_VERSION, Candles, decode_candles, encode_candles
from models.records.closes import CLOSES_VERSION, Closes, decode_closes, encode_closes
from models.records.correlations import WHY, CorrelationBlock, Returns, decode_block, decode_returns
from models.times import iso_seconds
from models.topics import CANDLES, CLOSES, RETURNS
from tests.oracle_correlation import Decision, Expected, Mids, Oracle, seconds
from tests.oracle_hayashi_yoshida import HayashiYoshidaOracle

START = 1_800_000_000
EXCHANGES = ("binance", "coinbase", "kraken")
COINS = ("BTC", "ETH", "SOL", "XRP", "DOGE", "ADA", "LTC")
ROW_SETTINGS = RowSettings(5.0, ("USD", "USDT"))
TOLERANCE = 1e-9


def closes(
    exchange: str, second: int, mids: Mapping[str, float | None], partition: int = 0, n: int = 1
) -> Closes:
    """Return a record of one source: `mids` by `BASE-QUOTE`, all with `n` quotes."""
    return Closes(
        CLOSES_VERSION,
        exchange,
        partition,
        iso_seconds(second),
        [f"{exchange}:{pair}" for pair in mids],
        list(mids.values()),
        [n] * len(mids),
    )


def candles(market: str, close_by_end: Mapping[int, float]) -> Candles:
    """Return a record of one market; only its closes matter here."""
    ends = sorted(close_by_end)
    values = [close_by_end[end] for end in ends]
    return Candles(
        CANDLES_VERSION,
        market,
        iso_seconds(START),
        [end - 60 for end in ends],
        values,
        values,
        values,
        values,
        [1.0] * len(ends),
        [None] * len(ends),
        [None] * len(ends),
    )


def simulated_closes(length_s: int, seed: int, partitions: int = 2) -> list[Closes]:
    """Return the closes of correlated coins with everything that goes wrong, as they arrive.

    Mids and records are missing, markets come and go, a source is late or silent for a time, and
    a coin's only dollar market is away for a time.
    """
    rng = np.random.default_rng(seed)
    common = rng.normal(0, 2e-4, (length_s, 1))
    own = rng.normal(0, 2e-4, (length_s, len(COINS)))
    price = 100 * np.exp(np.cumsum(common + own, axis=0))
    price[:, 5] = np.round(price[:, 5], 1)
    arriving: list[tuple[float, int, Closes]] = []
    for number, exchange in enumerate(EXCHANGES):
        quote = "USDT" if exchange == "binance" else "USD"
        for partition in range(partitions):
            silent = rng.integers(length_s // 3, length_s, 2)
            slow = rng.integers(0, length_s)
            for second in range(length_s):
                if abs(second - silent[0]) < 20 or rng.random() < 0.002:
                    continue
                mids: dict[str, float | None] = {}
                for i, coin in enumerate(COINS):
                    if i % partitions != partition or _is_absent(coin, exchange, second, length_s):
                        continue
                    noise = 1 + rng.normal(0, 1e-5)
                    missing = rng.random() < 0.05
                    mids[f"{coin}-{quote}"] = None if missing else float(price[second, i] * noise)
                record = closes(exchange, START + second, mids, partition, int(rng.integers(0, 9)))
                delay = rng.random() + (12 if 0 <= second - slow < 40 else 0)
                arriving.append((second + delay, number, record))
    arriving.sort(key=lambda each: each[:2])
    # Within a source the order stays.
    newest: dict[tuple[str, int], str] = {}
    kept = []
    for _, _, record in arriving:
        source = record.exchange, record.partition
        if record.as_of > newest.get(source, ""):
            newest[source] = record.as_of
            kept.append(record)
    return kept


def _is_absent(coin: str, exchange: str, second: int, length_s: int) -> bool:
    share = second / length_s
    return (
        (coin == "SOL" and exchange != "binance" and 0.4 < share < 0.5)
        or (coin == "XRP" and share < 0.3)
        or (coin == "DOGE" and share > 0.55)
        or (coin == "LTC" and exchange != "kraken")
    )


@dataclass
class Published:
    """One step of a table as it was published."""

    returns: Returns
    blocks: list[CorrelationBlock]


@dataclass
class Tables:
    """The tables of one partition in memory, killed and rebuilt as often as a test likes.

    What the changelog holds and what was published outlives them.
    """

    names: Sequence[str]
    log: list[bytes]
    candle_log: list[bytes] = field(default_factory=list)
    most_coins: int = 50
    market_values: Mapping[str, float] = field(default_factory=dict)
    settings: RowSettings = ROW_SETTINGS
    changelog: dict[bytes, bytes] = field(default_factory=dict)
    accepted: dict[tuple[str, int], bytes] = field(default_factory=dict)
    published: dict[bytes, set[bytes]] = field(default_factory=dict)
    steps: dict[str, dict[str, Published]] = field(default_factory=dict)
    rest: dict[str, list[tuple[bytes, bytes]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kill()

    def kill(self) -> None:
        """Forget everything in memory and rebuild it from the changelog."""
        steps = [decode_step(value) for value in self.changelog.values()]
        self.place = Place(
            [table_definition(name, self.most_coins) for name in self.names],
            self.settings,
            steps,
            {CLOSES.name: 0, CANDLES.name: 0},
        )

    def read(self, closes_to: int, candles_to: int = 0, *, at_end: bool = True) -> None:
        """Read up to these offsets and make what steps can be made."""
        for topic, log, end in (
            (CANDLES.name, self.candle_log, candles_to),
            (CLOSES.name, self.log, closes_to),
        ):
            taker = self.place.grid if topic == CLOSES.name else self.place.candles
            for offset in range(self.place.positions()[topic], min(end, len(log))):
                taker.take(offset, log[offset])
        self.make(at_end=at_end)

    def make(self, *, at_end: bool = True, most_steps: int = 1_000_000) -> None:
        """Accept and publish steps."""
        for table in self.place.rebuilt():
            self.publish(table)
        for _ in range(most_steps):
            decided = self.place.decide(at_end, self.market_values)
            for table in decided:
                self.accept(table)
            for table in decided:
                self.publish(table)
            if not decided:
                return

    def accept(self, table: Table) -> None:
        """Write the last step of a table to the changelog."""
        step = table.last
        assert step is not None
        key = step_key(step.exchange, step.index, table.definition.slots)
        value = encode_step(step)
        assert self.accepted.setdefault((step.exchange, step.index), value) == value
        self.changelog[key] = value

    def publish(self, table: Table) -> None:
        """Publish the last step of a table; what is published again must be the same bytes."""
        step = table.last
        assert step is not None
        found = step_outputs(
            table.definition,
            self.settings.reference_currencies,
            step,
            table.window(),
            table.rest_returns(),
        )
        as_of = iso_seconds(step.index * table.definition.step_s)
        for output in found.outputs:
            # The key of a block does not tell its step.
            key = output.key if output.topic == RETURNS.name else output.key + as_of.encode()
            values = self.published.setdefault(key, {output.value})
            assert values == {output.value}, f"{key!r} was published with different bytes"
        returns, *rest = (o for o in found.outputs if o.topic == RETURNS.name)
        blocks = [output.value for output in found.outputs if output.topic != RETURNS.name]
        self.rest.setdefault(step.exchange, []).extend((each.key, each.value) for each in rest)
        self.steps.setdefault(step.exchange, {})[as_of] = Published(
            decode_returns(returns.value), [decode_block(block) for block in blocks]
        )

    def decisions(self, name: str) -> list[Decision]:
        """Return what was accepted for a table, step by step."""
        mine = [decode_step(value) for (table, _), value in self.accepted.items() if table == name]
        return decisions_of(table_definition(name, self.most_coins).step_s, mine)

    @cached_property
    def mids(self) -> Mids:
        """Return what the oracles read of the closes."""
        closes = [decode_closes(value) for value in self.log]
        return Mids(closes, self.settings.reference_currencies)

    def differences(self, name: str, every: int = 1) -> list[str]:
        """Return in what the published steps of a table differ from the oracle's.

        Of hayashi_yoshida only every so many steps are recomputed.
        """
        oracle: Oracle | HayashiYoshidaOracle
        if name.endswith(".hayashi_yoshida"):
            oracle = HayashiYoshidaOracle(name, self.mids, every)
        else:
            candles_taken = [decode_candles(value) for value in self.candle_log]
            oracle = Oracle(name, self.mids, candles_taken)
        found = differences(oracle, self.decisions(name), self.steps[name])
        if isinstance(oracle, Oracle):
            steps = [
                s
                for (table, _), value in self.accepted.items()
                if table == name
                for s in [decode_step(value)]
            ]
            found += rest_differences(oracle, steps, self.rest.get(name, []))
        return found


def fed(tables: Tables, seed: int, kills: float) -> Tables:
    """Feed the tables in batches of any size; kill them between batches and within steps."""
    rng = random.Random(seed)
    read = 0
    while read < len(tables.log):
        read += rng.randrange(1, 80)
        tables.read(read, at_end=rng.random() < 0.7)
        if rng.random() < kills:
            tables.kill()
        if rng.random() < kills:
            # Killed after the changelog has taken a step and before it is published.
            for table in tables.place.decide(True, tables.market_values):
                tables.accept(table)
            tables.kill()
    tables.read(len(tables.log))
    return tables


def decisions_of(step_s: int, steps: Iterable[Step]) -> list[Decision]:
    """Return the decisions of changelog steps in order of time."""
    found = []
    for step in sorted(steps, key=lambda each: each.index):
        decided = decided_in(step)
        found.append(
            Decision(
                step.index * step_s,
                frozenset(decided.sources),
                frozenset(decided.masked),
                tuple(step.markets),
                decided.candles_to,
            )
        )
    return found


def differences(
    oracle: Oracle | HayashiYoshidaOracle,
    decisions: Sequence[Decision],
    published: Mapping[str, Published],
) -> list[str]:
    """Return in what published steps differ from the oracle's; empty when in nothing."""
    found: list[str] = []
    times = {iso_seconds(decision.time) for decision in decisions}
    if times != set(published):
        found.append(f"steps that are not in both: {sorted(times ^ set(published))[:9]}")
    for expected in oracle.steps(decisions):
        step = published.get(iso_seconds(expected.time))
        if step is not None:
            found += [f"{iso_seconds(expected.time)} {each}" for each in _compare(expected, step)]
    return found


def rest_differences(
    oracle: Oracle, steps: Sequence[Step], published: Iterable[tuple[bytes, bytes]]
) -> list[str]:
    """Return in what the published rows made from candles differ from the oracle's.

    Each must be what the candles say that had arrived at the time that its key names; and when
    these have changed nothing for two minutes every row must have come. `published` are keys and
    values in their order.
    """
    ordered = sorted(steps, key=lambda each: each.index)
    first = ordered[0].index * oracle.step
    arrived = {each.index * oracle.step: decided_in(each).candles_to for each in ordered}
    found: list[str] = []
    told: dict[int, dict[int, Returns]] = {}
    for key, value in published:
        row, changed = decode_returns(value), int(key.decode().split("|")[2])
        time = seconds(row.as_of)
        told.setdefault(changed, {})[time] = row
        expected = oracle.rest_returns(first, arrived[changed], row.coins).get(time, {})
        columns = zip(row.price, row.quote_currency, row.venues, row.log_return, strict=True)
        same = row.source == "rest" and all(
            _alike(one, other)
            for coin, values in zip(row.coins, columns, strict=True)
            for one, other in zip(values, expected.get(coin, ()), strict=True)
        )
        if not same:
            found.append(f"row of {row.as_of} as of {changed}: {row}, not {expected}")
    last = decided_in(ordered[-1])
    if last.rest_changed and ordered[-1].index * oracle.step >= last.rest_changed + 120:
        wanted = oracle.rest_returns(first, last.candles_to, ordered[-1].markets)
        complete = told.get(last.rest_changed, {})
        if wanted.keys() - complete.keys():
            found.append(f"rows not published: {sorted(wanted.keys() - complete.keys())[:9]}")
    return found


def _alike(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return one == other


def _compare(expected: Expected, step: Published) -> list[str]:
    found: list[str] = []
    returns, blocks = step.returns, step.blocks
    coins = list(expected.price)

    def check(what: str, value: object, wanted: object) -> None:
        if isinstance(value, float) and math.isnan(value):
            value = None
        if value is None or wanted is None or not isinstance(wanted, float):
            same = value == wanted
        else:
            same = math.isclose(float(str(value)), wanted, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        if not same:
            found.append(f"{what}: expected {wanted}, was {value}")

    check("coins", returns.coins, coins)
    check("block coins", blocks[0].coins, coins)
    check("blocks", [block.block for block in blocks], list(range(blocks[0].blocks)))
    if found:
        return found
    for i, coin in enumerate(coins):
        check(f"price {coin}", returns.price[i], expected.price[coin])
        check(f"currency {coin}", returns.quote_currency[i], expected.currency[coin])
        check(f"venues {coin}", returns.venues[i], expected.venues[coin])
        check(f"return {coin}", returns.log_return[i], expected.log_return[coin])
        sigma, ticks = np.frombuffer(blocks[0].sigma), np.frombuffer(blocks[0].ticks)
        check(f"sigma {coin}", float(sigma[i]), expected.sigma[coin])
        check(f"ticks {coin}", float(ticks[i]), float(expected.ticks[coin]))
    columns = {
        name: np.concatenate([block.column(name) for block in blocks])
        for name in ("matrix", "n", "n_rest", "n_effective", "why")
    }
    for i, a in enumerate(coins):
        for j, b in enumerate(coins):
            pair = (a, b) if i <= j else (b, a)
            where = f"{a}/{b}"
            check(f"r {where}", float(columns["matrix"][i, j]), expected.matrix[pair])
            check(f"why {where}", WHY[columns["why"][i, j]], expected.why[pair])
            check(f"n {where}", int(columns["n"][i, j]), expected.n[pair])
            check(f"n_rest {where}", int(columns["n_rest"][i, j]), expected.n_rest[pair])
            check(
                f"n_effective {where}",
                float(columns["n_effective"][i, j]),
                expected.n_effective[pair],
            )
    return found


def encoded(records: Iterable[Closes]) -> list[bytes]:
    """Return the Kafka values of closes."""
    return [encode_closes(record) for record in records]


def encoded_candles(records: Iterable[Candles]) -> list[bytes]:
    """Return the Kafka values of candles."""
    return [encode_candles(record) for record in records]
