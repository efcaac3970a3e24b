"""Bars and indicators by docs/bars-and-indicators.md: minute tables by market, all else from them.

Nothing is carried from one minute to the next: every bar and every indicator is made anew from the
table of minutes as it stood.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

MINUTE = 60_000_000_000
LENGTHS = {"1m": 1, "5m": 5, "1h": 60, "1d": 1440}
PRICES = ["open", "high", "low", "close"]
OF_TRADES = [*PRICES, "vwap", "first_trade", "last_trade"]
ROW = 512
Bar = dict[str, Any]
Row = Callable[[], Bar]
"""A row that is computed when it is asked for."""
Key = tuple[str, str, str, int, int | None]  # topic, market, interval, end in s, candles' offset


@dataclass
class Decision:
    """Records of candles used before minute `boundary`; `offset` is that of the last of them."""

    boundary: int
    offset: int
    records: list[dict[str, Any]]


@dataclass
class Minutes:
    """The minutes of one market: what was seen live, and what candles say by decision."""

    live: dict[int, Bar] = field(default_factory=dict)
    rest: dict[int, list[tuple[int, Bar]]] = field(default_factory=lambda: defaultdict(list))

    def at(self, minute: int, decisions: int) -> Bar | None:
        """Return the bar of a minute after so many decisions."""
        bar = self.live.get(minute)
        coverage = 0.0 if bar is None else bar["coverage"]
        for number, told in self.rest.get(minute, []):
            loses_trades = bar is not None and bar["volume"] and not told["volume"]
            if number < decisions and coverage < 1 and not loses_trades:
                bar = told | {"coverage": coverage}
        return bar


def live_minutes(
    trades: pd.DataFrame, unseen: pd.DataFrame, start: int, end: int
) -> dict[int, Bar]:
    """Return the live bars of a market from minute `start` on, before minute `end`."""
    groups = dict(list(trades.groupby(trades["time"] // MINUTE)))
    rows = list(unseen[["start", "end", "reason"]].itertuples(index=False, name=None))
    edges = [int(moment) // MINUTE for moment in pd.concat([trades["time"], unseen["end"]])]
    edges += [(int(moment) + MINUTE - 1) // MINUTE for moment in unseen["end"] if moment < 2**62]
    bars: dict[int, Bar] = {}
    minute, dark = start, 0
    while minute < end:
        own = groups.get(minute)
        begin, stop = minute * MINUTE, (minute + 1) * MINUTE
        bar = _live(own, [row for row in rows if row[0] < stop and row[1] > begin], begin, stop)
        dark = 0 if bar["coverage"] > 0 or own is not None else dark + 1
        if dark > 60:
            minute = min((edge for edge in edges if edge > minute), default=end)
            continue
        bars[minute] = bar
        minute += 1
    return bars


def _live(own: pd.DataFrame | None, rows: list[tuple[int, int, str]], begin: int, end: int) -> Bar:
    cuts = {begin, end} | {min(max(edge, begin), end) for row in rows for edge in row[:2]}
    pieces = itertools.pairwise(sorted(cuts))
    seen = sum(
        right - left
        for left, right in pieces
        if not any(row[0] <= left and right <= row[1] for row in rows)
    )
    bar: Bar = {"coverage": seen / MINUTE, "source": "live", "why": None}
    if own is not None:
        price, size = own["price"], own["size"]
        return bar | {
            "open": price.iloc[0],
            "high": price.max(),
            "low": price.min(),
            "close": price.iloc[-1],
            "volume": math.fsum(size),
            "quote_volume": math.fsum(price * size),
            "n": len(own),
            "first_trade": int(own["time"].iloc[0]),
            "last_trade": int(own["time"].iloc[-1]),
        }
    nothing = dict.fromkeys([*PRICES, "first_trade", "last_trade"])
    if seen:
        return bar | nothing | {"volume": 0.0, "quote_volume": 0.0, "n": 0}
    chosen = [row for row in rows if row[1] >= end] or rows
    why = max(enumerate(chosen), key=lambda pair: (pair[1][0], pair[0]))[1][2]
    return bar | nothing | {"volume": None, "quote_volume": None, "n": None, "why": why}


def candle_minutes(record: dict[str, Any], boundary: int) -> dict[int, Bar]:
    """Return what a record of candles says of each minute."""
    table = pd.DataFrame(
        {
            name: pd.Series(record[name], dtype=object)
            for name in ["start", *PRICES, "volume", "quote_volume", "trades"]
        }
    )
    table["minute"] = table["start"].astype("int64") // 60
    table = table[table["minute"] > table["minute"].max() - 1440]
    table = table[(table["minute"] < boundary) & (table["minute"] >= boundary - 1500)]
    bars: dict[int, Bar] = {}
    if not len(table):
        return bars
    table = table.set_index("minute")
    for minute in range(table.index.min(), table.index.max() + 1):
        bar: Bar = {"source": "rest", "first_trade": None, "last_trade": None, "why": None}
        if minute in table.index:
            row = table.loc[minute]
            value = 0.0 if row["volume"] == 0 else row["quote_volume"]
            bar |= {name: row[name] for name in [*PRICES, "volume"]}
            bar |= {"quote_volume": value, "n": row["trades"]}
        else:
            bar |= dict.fromkeys(PRICES) | {"volume": 0.0, "quote_volume": 0.0, "n": 0}
        bars[minute] = bar
    return bars


def merged(parts: list[Bar | None]) -> Bar | None:
    """Return the bar over these minutes, None where none of them has one."""
    there = [part for part in parts if part is not None]
    if not there:
        return None
    priced = [part for part in there if part["open"] is not None]
    told = [part for part in there if part["volume"] is not None]
    sources = {part["source"] for part in there}
    bar: Bar = {
        "coverage": math.fsum(part["coverage"] for part in there) / len(parts),
        "source": sources.pop() if len(sources) == 1 else "mixed",
        "open": priced[0]["open"] if priced else None,
        "close": priced[-1]["close"] if priced else None,
        "high": max((part["high"] for part in priced), default=None),
        "low": min((part["low"] for part in priced), default=None),
        "first_trade": priced[0]["first_trade"] if priced else None,
        "last_trade": priced[-1]["last_trade"] if priced else None,
        "why": None if told else [part["why"] for part in there if part["why"]][-1],
    }
    for name in ("volume", "quote_volume", "n"):
        values = [part[name] for part in told]
        bar[name] = None if not told or None in values else math.fsum(values)
    return bar


def shown(bar: Bar) -> Bar:
    """Return a bar as it is published, with its reasons."""
    volume, value = bar["volume"], bar["quote_volume"]
    row = {name: value for name, value in bar.items() if name != "why"}
    row["vwap"] = value / volume if volume and value is not None else None
    if volume is None:
        reasons = dict.fromkeys([*OF_TRADES, "volume", "quote_volume", "n"], bar["why"])
    elif bar["open"] is None:
        reasons = dict.fromkeys(OF_TRADES, "no_trades")
    else:
        untold = ["n", "first_trade", "last_trade", "quote_volume"]
        reasons = {name: "thin" for name in untold if bar[name] is None}
        if row["vwap"] is None:
            reasons["vwap"] = "thin" if value is None else "no_trades"
    return row | {"reasons": reasons}


def _wilder(values: Any, length: int) -> float:
    begun = pd.Series([values.iloc[:length].mean(), *values.iloc[length:]])
    return float(begun.ewm(alpha=1 / length, adjust=False).mean().iloc[-1])


def indicators(bars: list[Bar | None], length: int) -> Bar:
    """Return the indicators at the end of these bars, oldest first; `length` is in minutes."""
    row: list[Bar] = []
    for bar in reversed(bars):
        if bar is None or (bar["open"] is None and bar["volume"] is None):
            break
        row.insert(0, bar)
    while row and row[0]["open"] is None:
        row.pop(0)
    table = pd.DataFrame(row, columns=[*PRICES, "volume", "quote_volume"]).astype(float)
    empty = table["open"].isna()
    close: Any = table["close"].ffill()
    high, low = table["high"].where(~empty, close), table["low"].where(~empty, close)
    sources = {bar["source"] for bar in row}
    n = len(row)
    figures: Bar = dict.fromkeys(
        [
            "sma_20",
            "ema_20",
            "bollinger_upper",
            "bollinger_lower",
            "rsi_14",
            "atr_14",
            "realised_volatility",
            "vwap_20",
        ]
    )
    reasons: Bar = dict.fromkeys(figures, "warming")
    newest = bars[-1]
    if newest is not None and newest["volume"] is None and newest["open"] is None:
        reasons = dict.fromkeys(figures, newest["why"])
    if n >= 15:
        moves = close.diff().iloc[1:]
        gain, loss = _wilder(moves.clip(lower=0), 14), _wilder((-moves).clip(lower=0), 14)
        ranges = pd.concat(
            [high - low, (high - close.shift()).abs(), (low - close.shift()).abs()], axis=1
        ).max(axis=1)
        figures["atr_14"] = _wilder(ranges.iloc[1:], 14)
        if (moves != 0).any():
            figures["rsi_14"] = 100 - 100 / (1 + gain / loss) if loss else 100.0
        else:
            reasons["rsi_14"] = "quiet"
    if n >= 20:
        figures["sma_20"] = mean = close.rolling(20).mean().iloc[-1]
        begun = pd.Series([close.iloc[:20].mean(), *close.iloc[20:]])
        figures["ema_20"] = begun.ewm(span=20, adjust=False).mean().iloc[-1]
        width = 2 * float(np.std(close.iloc[-20:]))
        figures["bollinger_upper"], figures["bollinger_lower"] = mean + width, mean - width
        newest20 = table.iloc[-20:]
        volume, value = newest20["volume"].sum(), newest20["quote_volume"].sum(skipna=False)
        if math.isnan(value):
            reasons["vwap_20"] = "thin"
        elif volume == 0:
            reasons["vwap_20"] = "no_trades"
        else:
            figures["vwap_20"] = value / volume
    if n >= 61:
        r = np.log(close / close.shift()).iloc[-60:]
        year = 365 * 86_400 / (60 * length * 60)
        figures["realised_volatility"] = math.sqrt((r**2).sum() * year)
    return figures | {
        "n": n,
        "source": "live" if not sources else sources.pop() if len(sources) == 1 else "mixed",
        "reasons": {name: reasons[name] for name, value in figures.items() if value is None},
    }


class Book:
    """All minutes of one source; bars and indicators as they stood after so many decisions."""

    def __init__(self) -> None:
        self.markets: dict[str, Minutes] = defaultdict(Minutes)
        self._made: dict[tuple[str, int, int, int], Bar | None] = {}

    def bar(self, market: str, length: int, index: int, decisions: int) -> Bar | None:
        """Return a bar, None where there is none."""
        key = market, length, index, decisions
        if key not in self._made:
            minutes = range(index * length, (index + 1) * length)
            parts = [self.markets[market].at(minute, decisions) for minute in minutes]
            self._made[key] = parts[0] if length == 1 else merged(parts)
        return self._made[key]

    def indicators(self, market: str, length: int, index: int, decisions: int) -> Bar:
        """Return the indicators at a bar."""
        bars = [self.bar(market, length, i, decisions) for i in range(index - ROW + 1, index + 1)]
        return indicators(bars, length)


def expected(
    trades: pd.DataFrame, unseen: pd.DataFrame, clock: int, decisions: list[Decision]
) -> dict[Key, Row]:
    """Return everything one source publishes, from its trades and unseen intervals in log order.

    `clock` is how far its trades reach (ns). An unseen market `*` is every market.
    """
    end = clock // MINUTE
    good = trades[~trades["late"].astype(bool)].sort_values("time", kind="stable")
    first = int(good["time"].iloc[0]) if len(good) else 2**62
    before = pd.DataFrame([("*", 0, first, "gap")], columns=["market", "start", "end", "reason"])
    unseen = pd.concat([before, unseen], ignore_index=True)
    good = good[good["time"] < end * MINUTE]
    known: dict[str, int] = {
        str(market): int(own["time"].iloc[0]) // MINUTE for market, own in good.groupby("market")
    }
    book = Book()
    for number, decision in enumerate(decisions):
        for record in decision.records:
            market = record["market"]
            told = candle_minutes(record, decision.boundary)
            if told:
                known[market] = min(known.get(market, decision.boundary), decision.boundary)
            for minute, bar in told.items():
                book.markets[market].rest[minute].append((number, bar))
    for market, start in known.items():
        own = good[good["market"] == market]
        hidden = unseen[unseen["market"].isin([market, "*"])]
        book.markets[market].live = live_minutes(own, hidden, start, end)
    found: dict[Key, Row] = {}
    for market in known:
        _add_live(found, book, market, end, decisions)
    for number in range(len(decisions)):
        _add_decision(found, book, number, decisions[number])
    return found


def _add_live(
    found: dict[Key, Row], book: Book, market: str, end: int, decisions: list[Decision]
) -> None:
    for interval, length in LENGTHS.items():
        minutes = book.markets[market]
        told = {*minutes.live, *minutes.rest}
        for index in sorted({minute // length for minute in told}):
            closing = (index + 1) * length - 1
            if closing >= end:
                continue
            used = sum(decision.boundary <= closing for decision in decisions)
            if closing < first_boundary(book, decisions):
                continue
            bar = book.bar(market, length, index, used)
            if bar is None:
                continue
            key = market, interval, (index + 1) * length * 60, None
            found["bars", *key] = partial(shown, bar)
            found["indicators", *key] = partial(book.indicators, market, length, index, used)


def first_boundary(book: Book, decisions: list[Decision]) -> int:
    """Return the first minute that was closed at all; what lies before it is of candles alone."""
    live = [minute for minutes in book.markets.values() for minute in minutes.live]
    return min([*live, *(decision.boundary for decision in decisions)], default=0)


def _add_decision(found: dict[Key, Row], book: Book, number: int, decision: Decision) -> None:
    """Add what a decision publishes anew: what it changed, and indicators of the newest."""
    for market in {record["market"] for record in decision.records}:
        minutes = [
            minute
            for minute, told in book.markets[market].rest.items()
            if any(which == number for which, _ in told)
        ]
        for interval, length in LENGTHS.items():
            newest = decision.boundary // length - 1
            changed = False
            for index in sorted({minute // length for minute in minutes}):
                bar = book.bar(market, length, index, number + 1)
                before = book.bar(market, length, index, number)
                if index > newest or bar is None or bar == before:
                    continue
                changed = True
                end = (index + 1) * length * 60
                found["bars", market, interval, end, decision.offset] = partial(shown, bar)
            if changed and book.bar(market, length, newest, number + 1) is not None:
                key = market, interval, (newest + 1) * length * 60, decision.offset
                found["indicators", *key] = partial(
                    book.indicators, market, length, newest, number + 1
                )
