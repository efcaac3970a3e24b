"""A source's figures of one second as a record of the topic `spreads`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from agents.spread.tables import MEAN_15S
from models.errors import InvariantError
from models.records.bursts import UnseenReason
from models.records.reasons import Reason
from models.records.spreads import (
    SPREADS_VERSION,
    Spreads,
    SpreadWindow,
    encode_spreads,
)
from models.statistics.decimals import price_difference, price_middle
from models.times import iso_seconds

_QUOTE_FIELDS = ("bid", "ask", "mid", "spread", "spread_bps")


class Rows(msgspec.Struct, frozen=True):
    """What a record is made from; every column has one value a market.

    `unseen` is why a market is unseen just before `as_of` (whole seconds since the epoch).
    """

    exchange: str
    partition: int
    as_of: int
    markets: list[str]
    window: dict[str, NDArray[np.float64]]
    bid: NDArray[np.float64]
    ask: NDArray[np.float64]
    unseen: Sequence[UnseenReason | None]


def encode_rows(rows: Rows) -> bytes:
    """Return the Kafka value: figures, and a reason for every null."""
    label = MEAN_15S.label
    window_ns = MEAN_15S.seconds * 1e9
    good = rows.bid <= rows.ask
    with np.errstate(divide="ignore", invalid="ignore"):
        mid = price_middle(rows.bid, rows.ask)
        spread = price_difference(rows.ask, rows.bid)
        spread_bps = 2e4 * spread / (rows.ask + rows.bid)
        good_ns, n = rows.window["good_ns"], rows.window["n"]
        mean = rows.window["spread_ns"] / good_ns
        mean_bps = rows.window["spread_bps_ns"] / good_ns
        tick_mean = rows.window["spread_sum"] / n
    bid, ask = rows.bid.tolist(), rows.ask.tolist()
    quoted = [bid, ask, mid.tolist(), spread.tolist(), spread_bps.tolist()]
    reasons: list[dict[str, Reason]] = []
    whys: list[Reason | None] = []
    for i, unseen in enumerate(rows.unseen):
        why, fields = _why_no_quote(unseen, bid[i], ask[i], bool(good[i]))
        whys.append(why)
        reasons.append({})
        if why is not None:
            for column in quoted[-fields:]:
                column[i] = None
            reasons[i].update(dict.fromkeys(_QUOTE_FIELDS[-fields:], why))
    covered = good_ns > 0
    figures = {
        "mean": (mean, covered),
        "mean_bps": (mean_bps, covered),
        "tick_mean": (tick_mean, n > 0),
        "min": (rows.window["minimum"], np.isfinite(rows.window["minimum"])),
        "max": (rows.window["maximum"], np.isfinite(rows.window["maximum"])),
    }
    windowed: dict[str, list[float | None]] = {}
    for name, (values, defined) in figures.items():
        figure: list[float | None] = values.tolist()
        for i in np.flatnonzero(~defined).tolist():
            figure[i] = None
            reasons[i][f"windows.{label}.{name}"] = (
                "quiet" if name == "tick_mean" and covered[i] else _given(whys[i], rows.markets[i])
            )
        windowed[name] = figure
    return encode_spreads(
        Spreads(
            version=SPREADS_VERSION,
            exchange=rows.exchange,
            partition=rows.partition,
            as_of=iso_seconds(rows.as_of),
            markets=rows.markets,
            bid=quoted[0],
            ask=quoted[1],
            mid=quoted[2],
            spread=quoted[3],
            spread_bps=quoted[4],
            windows={
                label: SpreadWindow(
                    **windowed,
                    n=n.astype(np.int64).tolist(),
                    coverage=(good_ns / window_ns).tolist(),
                )
            },
            stale=[unseen is not None for unseen in rows.unseen],
            reasons=reasons,
        )
    )


def _why_no_quote(
    unseen: UnseenReason | None, bid: float, ask: float, good: bool
) -> tuple[Reason | None, int]:
    """Return the reason, and how many of the quote's fields, from the last one, it takes away."""
    if unseen is not None:
        return unseen, 5
    if good:
        return None, 0
    if bid != bid or ask != ask:
        return "thin", 5
    return "crossed", 3


def _given(why: Reason | None, market: str) -> Reason:
    if why is None:
        raise InvariantError(f"expected a reason for a null figure of {market}, was none")
    return why
