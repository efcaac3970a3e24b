"""Bars of many markets: of a minute from its trades, and longer ones merged from shorter ones.

The rules are sections 1 and 2 of `docs/bars-and-indicators.md`. A bar is a set of columns over
markets (`BAR_COLUMNS`). Sums run one after the other in time order, so no value depends on how
many markets stand beside one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.records.bars import BarSource
from models.records.bursts import UnseenReason

Columns = dict[str, NDArray[Any]]
Flags = NDArray[np.bool_]

ABSENT, LIVE, REST, CAPTURE = 0, 1, 2, 4
"""Where a bar comes from; one that is merged has the bits of all of its parts."""

ORIGINS: dict[BarSource, int] = {
    "live": LIVE,
    "rest": REST,
    "capture": CAPTURE,
    "mixed": LIVE | REST,
}
"""By source its code; of `mixed`, which tells no more, the most usual one."""

_SOURCES: dict[int, BarSource] = {LIVE: "live", REST: "rest", CAPTURE: "capture"}

REASON_CODES: dict[UnseenReason, int] = {"gap": 1, "stale": 2, "down": 3}

BAR_COLUMNS: dict[str, tuple[str, float]] = {
    "open": ("<f8", np.nan),
    "high": ("<f8", np.nan),
    "low": ("<f8", np.nan),
    "close": ("<f8", np.nan),
    "volume": ("<f8", np.nan),
    "quote_volume": ("<f8", np.nan),
    "n": ("<i8", -1),
    "first_trade": ("<i8", -1),
    "last_trade": ("<i8", -1),
    "coverage": ("<f8", 0.0),
    "origin": ("|u1", ABSENT),
    "reason": ("|u1", 0),
}
"""By column the dtype and what stands for undefined, which is also what an absent bar holds.

`volume` is NaN where nothing was seen; `reason` is the code of why (0 where something was).
"""


class Trades(msgspec.Struct, frozen=True):
    """Trades in event-time order; shape (n,) each. `market` are indices, times int64 ns."""

    market: NDArray[np.uint16]
    time: NDArray[np.int64]
    price: NDArray[np.float64]
    size: NDArray[np.float64]


def source_of(origin: int) -> BarSource:
    """Return the source of a code.

    >>> source_of(REST), source_of(CAPTURE | REST)
    ('rest', 'mixed')
    """
    return _SOURCES.get(origin, "mixed")


def absent_bars(markets: int) -> Columns:
    """Return columns of `markets` absent bars."""
    return {name: np.full(markets, empty, kind) for name, (kind, empty) in BAR_COLUMNS.items()}


def differing(left: Mapping[str, NDArray[Any]], right: Mapping[str, NDArray[Any]]) -> Flags:
    """Return which bars differ in a column; undefined is equal to undefined."""
    result: Flags = np.zeros(len(left["open"]), np.bool_)
    for name in BAR_COLUMNS:
        one, other = left[name], right[name]
        result |= ~((one == other) | ((one != one) & (other != other)))
    return result


def minute_bars(
    markets: int,
    trades: Trades,
    coverage: NDArray[np.float64],
    reasons: Sequence[UnseenReason | None],
) -> Columns:
    """Return the live bars of one minute.

    `trades` are those of the minute that are not late; `coverage` (0 to 1) and `reasons` have
    shape (markets,).

    >>> one = Trades(np.array([0], np.uint16), np.array([5]), np.array([2.0]), np.array([3.0]))
    >>> bars = minute_bars(2, one, np.array([1.0, 0.0]), [None, "down"])
    >>> bars["quote_volume"].tolist(), bars["n"].tolist(), bars["reason"].tolist()
    ([6.0, nan], [1, -1], [0, 3])
    """
    bars = absent_bars(markets)
    market, price = trades.market, trades.price
    n = np.bincount(market, minlength=markets)
    told = (n > 0) | (coverage > 0)
    for name, weight in (("volume", trades.size), ("quote_volume", price * trades.size)):
        # bincount adds one after the other, in the order of the trades.
        bars[name] = np.where(told, np.bincount(market, weight, markets), np.nan)
    bars["n"] = np.where(told, n, -1)
    # Of several assignments to one place the last one stays.
    bars["open"][market[::-1]] = price[::-1]
    bars["first_trade"][market[::-1]] = trades.time[::-1]
    bars["close"][market] = price
    bars["last_trade"][market] = trades.time
    np.fmax.at(bars["high"], market, price)
    np.fmin.at(bars["low"], market, price)
    bars["coverage"] = coverage.astype(np.float64)
    bars["origin"][:] = LIVE
    codes = [0 if reason is None else REASON_CODES[reason] for reason in reasons]
    bars["reason"] = np.where(told, 0, np.array(codes, np.uint8)).astype(np.uint8)
    return bars


def merged_bars(parts: Mapping[str, NDArray[Any]]) -> Columns:
    """Return the bars that span `parts`: columns of shape (bars, markets), in time order.

    A count or a sum that one of the parts does not tell is undefined in the whole; parts in which
    nothing was seen are passed over.

    >>> part = absent_bars(1) | {"open": np.array([7.0]), "close": np.array([8.0])}
    >>> both = {name: np.stack([absent_bars(1)[name], part[name]]) for name in part}
    >>> merged_bars(both)["open"].tolist()
    [7.0]
    """
    count, markets = parts["open"].shape
    every = np.arange(markets)
    whole = absent_bars(markets)
    priced = ~np.isnan(parts["open"])
    first = np.argmax(priced, axis=0)
    last = count - 1 - np.argmax(priced[::-1], axis=0)
    for name in ("open", "first_trade"):
        whole[name] = parts[name][first, every]
    for name in ("close", "last_trade"):
        whole[name] = parts[name][last, every]
    whole["high"] = np.fmax.reduce(parts["high"], axis=0)
    whole["low"] = np.fmin.reduce(parts["low"], axis=0)
    told = ~np.isnan(parts["volume"])
    any_told = told.any(axis=0)
    for name in ("volume", "quote_volume"):
        total = np.zeros(markets)
        for row, seen in zip(parts[name], told, strict=True):
            total += np.where(seen, row, 0.0)
        whole[name] = np.where(any_told, total, np.nan)
    unknown = (told & (parts["n"] < 0)).any(axis=0) | ~any_told
    whole["n"] = np.where(unknown, -1, np.where(told, parts["n"], 0).sum(axis=0))
    coverage = np.zeros(markets)
    for row in parts["coverage"]:
        coverage += row
    whole["coverage"] = coverage / count
    whole["origin"] = np.bitwise_or.reduce(parts["origin"], axis=0)
    newest = count - 1 - np.argmax((parts["reason"] > 0)[::-1], axis=0)
    whole["reason"] = np.where(any_told, 0, parts["reason"][newest, every]).astype(np.uint8)
    return whole
