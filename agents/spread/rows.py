"""A source's figures of one second as a record of the topic `spreads`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from agents.runtime.tables import HoppingTable
from agents.spread.nullable import Codes, Column, NullableFigures, code_of, first_of, where
from agents.spread.tables import SpreadTables
from models.records.bursts import UnseenReason
from models.records.spreads import (
    SPREADS_VERSION,
    Spreads,
    SpreadWindow,
    encode_spreads,
)
from models.statistics.decimals import price_difference, price_middle
from models.statistics.deviation import FLAT, Deviation, z_score
from models.statistics.mean_reversion import MeanReversion, half_life
from models.statistics.quoted_size import imbalance
from models.statistics.trade_costs import horizon_sums
from models.times import iso_seconds

SECOND = 1_000_000_000


class Rows(msgspec.Struct, frozen=True):
    """What a record is made from; every column has one value a market.

    `unseen` is why a market's quotes, `trades_unseen` why its trades are unseen just before
    `as_of` (whole seconds since the epoch). `first` is the time of its first quote (ns).
    `windows` are the merged panes of every window, `baseline` and `reversion` are of ln mean_bps.
    """

    exchange: str
    partition: int
    as_of: int
    markets: list[str]
    bid: Column
    ask: Column
    bid_size: Column
    ask_size: Column
    first: NDArray[np.int64]
    unseen: Sequence[UnseenReason | None]
    trades_unseen: Sequence[UnseenReason | None]
    windows: Sequence[dict[str, Column]]
    baseline: Deviation
    reversion: MeanReversion


def encode_rows(rows: Rows, tables: SpreadTables) -> tuple[bytes, list[float | None]]:
    """Return the Kafka value, figures and a reason for every null, and the mids in it."""
    first = rows.windows[0]
    figures = NullableFigures(rows.markets)
    why_no_trades = code_of([each or "no_trades" for each in rows.trades_unseen])
    with np.errstate(divide="ignore", invalid="ignore"):
        why = _put_quotes(figures, rows)
        for table, window in zip(tables.windows, rows.windows, strict=True):
            _put_window(figures, f"windows.{table.label}.", window, why, why_no_trades)
        counts = _put_costs(figures, first, tables.horizons, why_no_trades)
        counts |= _put_baseline(figures, rows, tables, why)
    columns, reasons = figures.finished()
    value = encode_spreads(
        Spreads(
            version=SPREADS_VERSION,
            exchange=rows.exchange,
            partition=rows.partition,
            as_of=iso_seconds(rows.as_of),
            markets=rows.markets,
            **{name: columns[name] for name in _TOP if name in columns},  # type: ignore[arg-type]
            windows={
                table.label: _window(columns, table, window)
                for table, window in zip(tables.windows, rows.windows, strict=True)
            },
            trades_coverage=(first["trades_seen_ns"] / (tables.windows[0].seconds * 1e9)).tolist(),
            stale=[unseen is not None for unseen in rows.unseen],
            reasons=reasons,
            **counts,  # type: ignore[arg-type]
        )
    )
    return value, columns["mid"]


_TOP = Spreads.__struct_fields__
_IN_WINDOW = (
    *("mean", "mean_bps", "tick_mean", "min", "max"),
    *("imbalance", "depth", "trade_low", "trade_high"),
)


def _window(
    columns: dict[str, list[float | None]], table: HoppingTable, window: dict[str, Column]
) -> SpreadWindow:
    return SpreadWindow(
        **{name: columns[f"windows.{table.label}.{name}"] for name in _IN_WINDOW},
        n=window["n"].astype(np.int64).tolist(),
        coverage=(window["good_ns"] / (table.seconds * 1e9)).tolist(),
        trades_n=window["trades_n"].astype(np.int64).tolist(),
    )


def _put_quotes(figures: NullableFigures, rows: Rows) -> Codes:
    """Take what is in force just before the second; return why the spread is null."""
    one_sided = np.isnan(rows.bid) | np.isnan(rows.ask)
    why = first_of(code_of(rows.unseen), where(one_sided, "thin"))
    why_mid = first_of(why, where(rows.bid > rows.ask, "crossed"))
    spread = price_difference(rows.ask, rows.bid)
    figures.put("bid", rows.bid, why)
    figures.put("ask", rows.ask, why)
    figures.put("mid", price_middle(rows.bid, rows.ask), why_mid)
    figures.put("spread", spread, why_mid)
    figures.put("spread_bps", 2e4 * spread / (rows.ask + rows.bid), why_mid)
    # No exchange leaves a size out; if one did, nothing would be known of it.
    for name, size in (("bid_size", rows.bid_size), ("ask_size", rows.ask_size)):
        figures.put(name, size, first_of(why, where(np.isnan(size), "thin")))
    share = imbalance(rows.bid_size, rows.ask_size)
    figures.put("imbalance", share, first_of(why_mid, where(np.isnan(share), "thin")))
    return why_mid


def _put_window(
    figures: NullableFigures,
    path: str,
    window: dict[str, Column],
    why: Codes,
    why_no_trades: Codes,
) -> None:
    good_ns, n, sized_ns = window["good_ns"], window["n"], window["sized_ns"]
    uncovered, none = good_ns == 0, n == 0
    why_mean = where(uncovered, why)
    why_extremes = where(uncovered & none, why)
    why_trades = where(window["trades_n"] == 0, why_no_trades)
    figures.put(path + "mean", window["spread_ns"] / good_ns, why_mean)
    figures.put(path + "mean_bps", window["spread_bps_ns"] / good_ns, why_mean)
    why_tick = first_of(where(none & ~uncovered, "quiet"), where(none, why))
    figures.put(path + "tick_mean", window["spread_sum"] / n, why_tick)
    figures.put(path + "min", window["minimum"], why_extremes)
    figures.put(path + "max", window["maximum"], why_extremes)
    why_share = first_of(why_mean, where(sized_ns == 0, "thin"))
    figures.put(path + "imbalance", window["imbalance_ns"] / sized_ns, why_share)
    figures.put(path + "depth", window["depth_ns"] / good_ns, why_mean)
    figures.put(path + "trade_low", window["trade_low"], why_trades)
    figures.put(path + "trade_high", window["trade_high"], why_trades)


def _put_costs(
    figures: NullableFigures,
    window: dict[str, Column],
    horizons: tuple[int, int],
    why_no_trades: Codes,
) -> dict[str, list[int]]:
    """Take what trades cost; return how many were counted."""
    n = window["effective_n"]
    figures.put("effective_bps", window["effective_sum"] / n, where(n == 0, why_no_trades))
    counts = {"trades_n": n.astype(np.int64).tolist()}
    for label, horizon in zip(("5s", "60s"), horizons, strict=True):
        realised, impact, number = (window[name] for name in horizon_sums(horizon))
        why = where(number == 0, why_no_trades)
        figures.put(f"realised_{label}_bps", realised / number, why)
        figures.put(f"impact_{label}_bps", impact / number, why)
        counts[f"realised_{label}_n"] = number.astype(np.int64).tolist()
    return counts


def _put_baseline(
    figures: NullableFigures, rows: Rows, tables: SpreadTables, why: Codes
) -> dict[str, list[int]]:
    """Take z and half-life; return how many panes and pairs they stand on."""
    first, baseline = rows.windows[0], rows.baseline
    seconds = tables.baseline.seconds
    young = rows.as_of * SECOND - rows.first < tables.baseline_panes * seconds * SECOND
    too_few = first_of(where(young, "warming"), where(~young, "thin"))
    why_none = where(baseline.n < tables.fewest, too_few)
    flat = ~(baseline.deviation > FLAT)
    mean_bps = first["spread_bps_ns"] / first["good_ns"]
    why_z = first_of(
        where(first["good_ns"] == 0, why),
        why_none,
        where(mean_bps == 0, "thin"),
        where(flat, "quiet"),
    )
    figures.put("baseline_bps", np.exp(baseline.mean), why_none)
    figures.put("baseline_sigma", np.where(flat, 0.0, baseline.deviation), why_none)
    figures.put("z", z_score(np.log(mean_bps), baseline), why_z)
    slope, pairs = rows.reversion.slope, rows.reversion.pairs
    why_half_life = first_of(
        where(pairs < tables.fewest, too_few),
        where(np.isnan(slope), "quiet"),
        where(~((slope > 0) & (slope < 1)), "not_mean_reverting"),
    )
    figures.put("half_life_s", seconds * half_life(slope), why_half_life)
    return {"z_n": baseline.n.tolist(), "half_life_n": pairs.tolist()}
