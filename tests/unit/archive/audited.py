"""Logs for the tests of the audit and of explanations: raw records, and what follows from them."""

from __future__ import annotations

import math
import random
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from agents.archive.manifest import Manifest
from agents.archive.store import Store, open_store
from models.archive.chunks import ArchivedRecord
from models.archive.rendering import render
from models.partition import partition_of
from models.records.bursts import Unseen
from models.records.closes import Closes, decode_closes, encode_closes
from models.records.correlations import encode_block, encode_returns
from models.records.spreads import Spreads, encode_spreads
from models.settings import Settings
from tests.bars_in_memory import BarsLine, Trade, candles_value, trade_value
from tests.bars_in_memory import at as story_time
from tests.burst_log import MADE_CAPTURES, append, bursts_of, captured, settings_of, sources_in
from tests.correlation_made import Tables, encoded, fed, simulated_closes
from tests.in_memory import publish_all, records_of
from tests.made_bursts import SECOND, START, QuoteTick, TradeTick, quote_burst, trade_burst
from tests.unit.archive.made import START_MS, chunks_of

BTC = "kraken:BTC-USD"
PARTITION = partition_of("BTC", Settings().partitions)

Logs = dict[tuple[str, int], list[bytes]]


@cache
def logs() -> Logs:
    """Return by topic and partition what a replay gives and what the line publishes of it."""
    paths = [path for path in MADE_CAPTURES if path.name != "jump.jsonl.zst"]
    return with_spreads(append({}, bursts_of(captured(paths), settings_of(partitions=4))))


@cache
def long_logs() -> Logs:
    """Return the same of eleven minutes: a busy market with a gap, and one that is quiet.

    A worker that was taken for dead writes in the middle; nobody is to take it for true.
    """
    log: Logs = {("kraken_quotes", 2): [], ("kraken_trades", 2): []}
    for i in range(700):
        now, clock = START + i * SECOND, START + (i + 1) * SECOND
        ticks = [QuoteTick("kraken:A-USD", now, 10 + i % 13, 11 + i % 17)] if i % 7 == 0 else []
        if i == 0:
            ticks.append(QuoteTick("kraken:B-USD", now, 5.0, 5.5))
        gap = [Unseen("kraken:A-USD", now - 5 * SECOND, now, "gap")] if i == 500 else []
        log["kraken_quotes", 2].append(quote_burst(clock, ticks, gap, epoch=2))
        if i == 450:
            wrong = [QuoteTick("kraken:A-USD", now, 1.0, 2.0)]
            log["kraken_quotes", 2].append(quote_burst(clock, wrong, epoch=1))
        trades = [TradeTick("kraken:A-USD", now, 10.0 + i % 5)] if i % 3 == 0 else []
        log["kraken_trades", 2].append(trade_burst(clock, trades, epoch=2))
    return with_spreads(log)


def with_spreads(log: Logs) -> Logs:
    every = dict(log)
    for (_, partition), values in publish_all(log).items():
        every.setdefault(("spreads", partition), [])
        every["spreads", partition] = [*every["spreads", partition], *values]
    return every


@cache
def story() -> Logs:
    """Return eleven minutes of a busy market, with a gap and a crossed quote now and then."""
    log: Logs = {("kraken_quotes", PARTITION): [], ("kraken_trades", PARTITION): []}
    chance, level = random.Random(1), 0.0
    for i in range(660):
        now, clock = START + i * SECOND, START + (i + 1) * SECOND
        price = 100 + i % 13 / 10
        level = 0.98 * level + chance.gauss(0, 0.1)
        spread = -0.1 if i % 50 == 7 else round(math.exp(level), 2)
        quotes = [QuoteTick(BTC, now + 7, price, price + spread, 1 + i % 3)] if i % 4 != 3 else []
        gap = [Unseen(BTC, now - 9 * SECOND, now - SECOND, "gap")] if i % 200 == 100 else []
        trades = [TradeTick(BTC, now + 5, price, 1 if i % 3 else -1)] if i % 2 else []
        log["kraken_quotes", PARTITION].append(quote_burst(clock, quotes, gap, partition=PARTITION))
        log["kraken_trades", PARTITION].append(trade_burst(clock, trades, partition=PARTITION))
    return with_spreads(log)


@cache
def bars_logs() -> Logs:
    """Return four hours of trades of two markets, with what is published of them.

    One begins with candles of the hour before; an outage of seventy minutes gets candles too.
    """
    chance, price = random.Random(5), 100.0
    values: list[bytes] = []
    for minute in range(240):
        clock = 60.0 * (minute + 1)
        trades = []
        for second in range(0, 60, 12):
            price *= math.exp(chance.gauss(0, 1e-3))
            if not 150 <= minute < 220:
                trades.append(Trade(BTC, clock - 60 + second, round(price, 2), 1 + second / 60))
                if minute % 3 == 0 and second == 24:
                    trades.append(Trade("kraken:BTC-EUR", clock - 50 + second, 90.0 + minute % 7))
        away = []
        if minute == 219:
            away.append(Unseen("*", story_time(60 * 150 + 3), story_time(60 * 220 - 2), "down"))
        values.append(trade_value(clock, trades, away, partition=PARTITION))
    before = {minute: (99.0, 101.0, 98.0, 100.0 + minute % 5) for minute in range(-60, -1)}
    between = {minute: (99.0, 101.0, 98.0, 100.0 + minute % 5) for minute in range(150, 220)}
    candles = [candles_value(BTC, before), candles_value(BTC, between)]
    line = BarsLine(values, candles, "kraken", PARTITION, Settings().partitions)
    line.read_candles(1)
    line.read_trades(225)
    line.work()
    line.finish()
    log: Logs = {("kraken_trades", PARTITION): values}
    for output in line.published:
        log.setdefault((output.topic, PARTITION), []).append(output.value)
    return log


TABLES = ("15m.10s.pearson", "10m.10s.spearman", "10m.10s.ewma", "10m.1s.hayashi_yoshida")
CORRELATED_S = 1_000


@cache
def correlation_logs() -> Logs:
    """Return closes as `spreads`, and `returns` and `correlations` of them."""
    closes = simulated_closes(CORRELATED_S, 3)
    tables = fed(Tables(TABLES, encoded(closes)), seed=1, kills=0.02)
    log: Logs = {}
    for each in closes:
        log.setdefault(("spreads", each.partition), []).append(encode_spreads(_spreads_of(each)))
    return log | tables_logs(tables)


LINE_TABLES = ("5m.10s.pearson", "5m.1s.hayashi_yoshida")
LINE_S = 620
LINE_EXCHANGES = ("binance", "kraken")


@cache
def line_logs() -> Logs:
    """Return quotes of two coins on two exchanges, and all that the line publishes of them.

    Seconds pass without a quote, prices stand still, a market is not seen for a time and one
    exchange is away, so that a coin is priced in another currency.
    """
    log: Logs = {}
    chance = random.Random(7)
    level = dict.fromkeys(("BTC", "ETH"), 100.0)
    for i in range(LINE_S):
        now, clock = START + i * SECOND, START + (i + 1) * SECOND
        common = chance.gauss(0, 2e-4)
        for coin in level:
            level[coin] *= math.exp(common + chance.gauss(0, 2e-4))
            place = partition_of(coin, Settings().partitions)
            for exchange in LINE_EXCHANGES:
                market = f"{exchange}:{coin}-{'USD' if exchange == 'kraken' else 'USDT'}"
                bid = round(level[coin] + chance.gauss(0, 0.01), 2)
                is_away = exchange == "kraken" and 200 <= i < 260
                is_told = not is_away and chance.random() < (0.6 if coin == "BTC" else 0.3)
                quotes = [QuoteTick(market, now + 7, bid, bid + 0.01)] if is_told else []
                gone: list[Unseen] = []
                if is_away:
                    gone.append(Unseen("*", now, clock, "down"))
                elif i % 150 == 90 and coin == "ETH":
                    gone.append(Unseen(market, now - 12 * SECOND, now, "gap"))
                given = {"exchange": exchange, "partition": place}
                log.setdefault((f"{exchange}_quotes", place), []).append(
                    quote_burst(clock, quotes, gone, exchange=exchange, partition=place)
                )
                log.setdefault((f"{exchange}_trades", place), []).append(
                    trade_burst(clock, **given)  # type: ignore[arg-type]
                )
    closes: list[Closes] = []
    derived: Logs = {}
    for exchange, place in sources_in(log):
        for (topic, _), value in records_of(log, exchange, place).items():
            if topic == "spreads":
                derived.setdefault((topic, place), []).append(value)
            elif value not in map(encode_closes, closes[-1:]):
                closes.append(decode_closes(value))
    tables = Tables(LINE_TABLES, encoded(sorted(closes, key=lambda each: each.as_of)))
    return log | derived | tables_logs(fed(tables, seed=2, kills=0.0))


def tables_logs(tables: Tables) -> Logs:
    """Return what tables have published."""
    log: Logs = {("returns", 0): [], ("correlations", 0): []}
    for name in tables.names:
        for step in tables.steps[name].values():
            log["returns", 0].append(encode_returns(step.returns))
            log["correlations", 0].extend(map(encode_block, step.blocks))
    return log


def _spreads_of(closes: Closes) -> Spreads:
    """Return rows of which nothing but the mid is told."""
    count = len(closes.markets)
    told: dict[str, Any] = {
        name: getattr(closes, name) for name in ("exchange", "partition", "as_of", "markets", "mid")
    }
    for name, kept in get_type_hints(Spreads).items():
        nothing: object = None
        if "None" not in str(kept):
            nothing = 0 if "int" in str(kept) else "bool" not in str(kept) and 0.0
        told.setdefault(name, [nothing] * count)
    return Spreads(**told | {"version": 1, "windows": {}, "reasons": [{}] * count})


def archived(folder: Path, held: Logs, every_ms: int = 200) -> Store:
    """Archive records, so many milliseconds apart."""
    store = open_store(Settings(data_dir=folder))
    manifest = Manifest(store)
    for (topic, partition), values in held.items():
        records = [
            ArchivedRecord(offset, START_MS + offset * every_ms, None, value)
            for offset, value in enumerate(values)
        ]
        for chunk in chunks_of(topic, partition, records) if records else ():
            rendered = render(chunk)
            assert rendered.refused == []
            manifest.write_files(rendered)
            manifest.write_entry(rendered.entry)
    return store
