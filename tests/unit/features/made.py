"""An archive of chance: three exchanges, two coins, ten minutes around a whole hour."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
import pandas as pd

from agents.archive.manifest import Manifest
from agents.archive.store import Store
from models.archive.chunks import ArchivedRecord
from models.archive.rendering import render
from models.records.bars import Bars, Indicators, encode_bars
from models.records.spreads import SpreadWindow, decode_spreads, encode_spreads
from models.times import iso_seconds
from services.features.block import Choice
from tests.unit.archive.made import chunks_of
from tests.unit.gateway.made import START, spreads
from tests.unit.gateway.made_derived import bars, indicators, returns, value_of

HOUR = START + 3_600
BEGIN, END = HOUR - 300, HOUR + 300
COINS = ("BTC", "ETH")
EXCHANGES = ("binance", "coinbase", "kraken")
CHOICE = Choice(
    coins=COINS, exchanges=EXCHANGES, quote="USD", every_s=1, interval="1m", against="BTC",
    table="1h.60s.pearson", window_s=3_600, sampling_s=60, step_s=10,
)  # fmt: skip

Log = Mapping[str, list[bytes]]
"""The values of each topic, all of one partition, in the order of the log."""


def seconds(value: bytes) -> int:
    """Return the `as_of` of a value."""
    text: str = msgspec.json.decode(value)["as_of"]
    return int(datetime.fromisoformat(text).timestamp())


@cache
def log() -> Log:
    """Return what the agents published: with holes, undefined figures, repeats and revisions."""
    chance = random.Random(20261121)
    return {
        "spreads": [*_spreads(chance)],
        "bars": [*_bars(chance)],
        "indicators": [*_indicators(chance)],
        "returns": [*_returns(chance)],
    }


def cut(whole: Log, at: int) -> Log:
    """Return what stood in the log before anything with an `as_of` after this second."""
    found = {}
    for topic, values in whole.items():
        after = (place for place, value in enumerate(values) if seconds(value) > at)
        found[topic] = values[: next(after, len(values))]
    return found


def archived(store: Store, values: Log) -> Store:
    """Archive a log as a worker does, in chunks of 5 minutes of its own time."""
    manifest = Manifest(store)
    for topic, each in values.items():
        newest = 0
        records = []
        for offset, value in enumerate(each):
            newest = max(newest, seconds(value) * 1_000)
            records.append(ArchivedRecord(offset, newest, b"key", value))
        for chunk in chunks_of(topic, 0, records, 300):
            rendered = render(chunk)
            manifest.write_files(rendered)
            manifest.write_entry(rendered.entry)
    return store


def frame(values: Iterable[bytes], row: str = "markets") -> pd.DataFrame:
    """Return the rows of values as pandas reads them, `offset` beside."""
    rows = []
    for offset, value in enumerate(values):
        record: dict[str, Any] = msgspec.json.decode(value)
        windows = record.pop("windows", {})
        count = len(record[row])
        names = [name for name, x in record.items() if isinstance(x, list) and len(x) == count]
        for place in range(count):
            one = {**record, **{name: record[name][place] for name in names}, "offset": offset}
            for label, window in windows.items():
                one |= {f"windows_{label}_{name}": x[place] for name, x in window.items()}
            rows.append(one)
    found = pd.DataFrame(rows).rename(columns={"markets": "market", "coins": "coin"})
    found["as_of"] = pd.to_datetime(found["as_of"], utc=True)
    return found.astype({"as_of": "datetime64[us, UTC]"})


def _spreads(chance: random.Random) -> Iterable[bytes]:
    away = {"binance": range(HOUR - 200, HOUR - 150), "kraken": range(HOUR + 30, HOUR + 34)}
    price = {"BTC": 60_000.0, "ETH": 3_000.0}
    for second in range(BEGIN - 310, END + 310):
        for coin in COINS:
            price[coin] *= 1 + chance.gauss(0, 1e-4)
        for exchange in EXCHANGES:
            if second in away.get(exchange, ()):
                continue
            coins = ["BTC"] if exchange == "coinbase" else list(COINS)
            value = _spread(chance, exchange, second, {coin: price[coin] for coin in coins})
            yield value
            if chance.random() < 0.01:
                yield value  # its worker was killed before it knew that this was in


def _spread(chance: random.Random, exchange: str, second: int, price: Mapping[str, float]) -> bytes:
    markets = [f"{exchange}:{coin}-USD" for coin in price] + [f"{exchange}:BTC-EUR"]
    values = [*price.values(), 55_000.0]
    made = decode_spreads(spreads(0, markets).value)
    stale = [chance.random() < 0.05 for _ in markets]

    def each(wide: float) -> list[float | None]:
        return [
            None if unseen else value + wide * chance.random()
            for value, unseen in zip(values, stale, strict=True)
        ]

    bid, ask = each(-1.0), each(1.0)
    mid = [None if b is None or a is None else (a + b) / 2 for b, a in zip(bid, ask, strict=True)]
    imbalance = [None if unseen else chance.uniform(-1, 1) for unseen in stale]
    window = msgspec.structs.asdict(made.windows["15s"])
    window |= {"mean_bps": each(0.1), "coverage": [chance.random() for _ in markets]}
    changed = msgspec.structs.replace(
        made, exchange=exchange, as_of=iso_seconds(second), bid=bid, ask=ask, mid=mid,
        stale=stale, imbalance=imbalance,
        z=each(0.0), trades_n=[chance.randrange(9) for _ in markets],
        windows={"15s": SpreadWindow(**window)},
    )  # fmt: skip
    return encode_spreads(changed)


def _bars(chance: random.Random) -> Iterable[bytes]:
    for minute in range(50, 66):
        for exchange in EXCHANGES:
            market = f"{exchange}:BTC-USD"
            close = None if chance.random() < 0.1 else chance.uniform(59e3, 61e3)
            if (exchange, minute) == ("kraken", 61):
                continue  # not there when it was over: candles will make it
            yield _bar(market, minute, close, "live")
            if chance.random() < 0.2:
                # Candles have come, and what was published long ago is published anew.
                yield _bar(market, minute - chance.randrange(3), 1.0, "rest")
        if minute == 63:
            yield _bar("kraken:BTC-USD", 61, 2.0, "rest")


def _bar(market: str, minute: int, close: float | None, source: Any) -> bytes:
    record = bars(minute, {market: close}, source=source).value
    assert isinstance(record, Bars)
    return encode_bars(record)


def _indicators(chance: random.Random) -> Iterable[bytes]:
    for minute in range(50, 66):
        for exchange in EXCHANGES:
            if exchange == "kraken" and minute < 58:
                continue
            # Kraken's first ones rest on candles, and came somewhen in the minute after.
            late = exchange == "kraken" and minute == 58
            source = "mixed" if exchange == "kraken" else "live"
            values = [_indicator(f"{exchange}:BTC-USD", minute, chance.uniform(1, 9), source)]
            if late:
                late_values = values
                continue
            if exchange == "kraken" and minute == 59:
                values = [*late_values, *values]
            yield from values
            if chance.random() < 0.2:
                yield _indicator(f"{exchange}:BTC-USD", minute, -1.0, "mixed")


def _indicator(market: str, minute: int, sma: float, source: Any) -> bytes:
    record = indicators(minute, sma, market).value
    assert isinstance(record, Indicators)
    return encode_bars(msgspec.structs.replace(record, source=[source]))


def _returns(chance: random.Random) -> Iterable[bytes]:
    away: list[int] = []
    for second in range(BEGIN - START - 3_900, END - START, 10):
        if chance.random() < 0.02:
            away.append(second)
            continue
        if len(away) == 3:
            # Candles have come for a time that nobody saw.
            prices = dict(zip(COINS, (60_000.0, 3_000.0), strict=True))
            yield value_of(returns(away[0], prices, [7.0, 7.0], source="rest"))
        common = chance.gauss(0, 1e-3)
        changes = [common, 0.5 * common + chance.gauss(0, 1e-3)]
        drawn = [None if chance.random() < 0.05 else change for change in changes]
        prices = dict(zip(COINS, (60_000.0, 3_000.0), strict=True))
        value = value_of(returns(second, prices, drawn))
        yield value
        if chance.random() < 0.02:
            yield value
        yield value_of(returns(second, prices, [9.0, 9.0], table="15m.10s.pearson"))
