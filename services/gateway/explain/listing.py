"""The ticks and unseen intervals behind a row, one by one."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.times import iso_nanoseconds
from services.audit.baseline import PANE, PANES, panes
from services.audit.pieces import SECOND, Floats
from services.audit.quotes import SHORTEST, QuotePast
from services.audit.spreads import MarketPast
from services.audit.trades import HORIZONS
from services.gateway.documentation.explain_schemas import (
    ExplainedPane,
    ExplainedQuote,
    ExplainedTrade,
    ExplainedUnseen,
    TickPlace,
)
from services.gateway.explain.past import HeldPast, HeldTicks

Numbers = NDArray[np.int64]
_PRICES = ("bid", "ask", "bid_size", "ask_size", "spread", "spread_bps")


class WindowQuotes:
    """The quotes of a window: which were in force for how long, and which count by themselves."""

    def __init__(self, quotes: QuotePast, begin: int, end: int) -> None:
        """Take the quotes of `[begin, end)`, ns."""
        ends = np.append(quotes.breaks[1:], np.iinfo(np.int64).max)
        within = np.flatnonzero((ends > begin) & (quotes.breaks < end) & (quotes.time[0] < ends))
        lasted = np.minimum(ends[within], end) - np.maximum(quotes.breaks[within], begin)
        good_ns = np.bincount(
            quotes.quote[within], np.where(quotes.good[within], lasted, 0), len(quotes.time)
        )
        in_force = np.zeros(len(quotes.time), np.bool_)
        in_force[quotes.quote[within]] = True
        arrived = (quotes.time >= begin) & (quotes.time < end)
        self.places: Numbers = np.flatnonzero((in_force | arrived) & (quotes.time < end))
        self.seconds: Floats = good_ns[self.places] / SECOND
        self.counted = quotes.counted[self.places] & arrived[self.places]
        self.carried = quotes.time[self.places] < begin
        self.values = {name: column[self.places] for name, column in quotes.values.items()}
        self.good = quotes.good_quote[self.places]
        self.two_sided = quotes.two_sided[self.places]

    def weighted(self, name: str) -> tuple[float, float]:
        """Return Σ value × seconds and Σ seconds, over the quotes that have this value."""
        value = self.values[name]
        has = np.isfinite(value) & (self.seconds > 0)
        return float(np.sum(value[has] * self.seconds[has])), float(np.sum(self.seconds[has]))

    def spreads(self) -> Floats:
        """Return the spreads of which least and greatest are told."""
        spreads: Floats = self.values["spread"][self.counted | (self.seconds > 0)]
        return spreads


class Costs:
    """The trades that count in a row's figures, and what each cost in basis points."""

    def __init__(self, past: MarketPast, as_of: int) -> None:
        self.trades = past.trades
        self._as_of = as_of
        times = past.trades.time
        self.mids = {"mid": past.quotes.mids(times - 1)}
        for label, horizon in HORIZONS.items():
            self.mids[f"mid_{label}"] = past.quotes.mids(times + horizon)
        self.costs = past.trades.costs(past.quotes)

    def counting(self, name: str, window: int = SHORTEST) -> Numbers:
        """Return the trades that count in a figure; of `trades` all on time in a window."""
        label = name.partition("_")[2]
        end = self._as_of - HORIZONS.get(label, 0)
        within = (self.trades.time >= end - window) & (self.trades.time < end)
        if name != "trades":
            within &= np.isfinite(self.costs[name])
        return np.flatnonzero(within)

    def of(self, name: str) -> Floats:
        """Return what those trades cost."""
        return self.costs[name][self.counting(name)]


def listed_quotes(held: HeldPast, window: WindowQuotes, limit: int) -> list[ExplainedQuote]:
    """Return the newest quotes of a window, oldest first."""
    frame = held.quotes.ticks
    listed = []
    for i in range(max(0, len(window.places) - limit), len(window.places)):
        row = frame.iloc[int(window.places[i])]
        state = "good" if window.good[i] else "crossed" if window.two_sided[i] else "one_sided"
        listed.append(
            ExplainedQuote(
                time=iso_nanoseconds(int(row["time"])),
                **{name: number(window.values[name][i]) for name in _PRICES},
                state=state,  # type: ignore[arg-type]
                seconds=float(window.seconds[i]),
                counted=bool(window.counted[i]),
                carried=bool(window.carried[i]),
                at=_place(held, "quotes", row),
            )
        )
    return listed


def listed_trades(
    held: HeldPast, costs: Costs, counts_in: Mapping[str, Numbers], limit: int
) -> tuple[list[ExplainedTrade], int]:
    """Return the newest trades that count in a figure, oldest first, and how many there are."""
    trades = costs.trades
    places = np.unique(np.concatenate([*counts_in.values(), np.zeros(0, np.int64)])).astype(int)
    sets = {name: set(each.tolist()) for name, each in counts_in.items()}
    listed = [
        ExplainedTrade(
            time=iso_nanoseconds(int(trades.time[i])),
            price=float(trades.price[i]),
            size=float(trades.size[i]),
            side=int(trades.side[i]),
            **{name: number(each[i]) for name, each in costs.mids.items()},
            **{f"{name}_bps": number(each[i]) for name, each in costs.costs.items()},
            counts_in=[name for name, members in sets.items() if i in members],
            at=TickPlace(
                f"{held.exchange}_trades",
                held.partition,
                int(trades.offset[i]),
                int(trades.row[i]),
            ),
        )
        for i in places[max(0, len(places) - limit) :].tolist()
    ]
    return listed, len(places)


def listed_unseen(held: HeldPast, begin: int, end: int) -> list[ExplainedUnseen]:
    """Return the unseen intervals that reach into `[begin, end)`, those of quotes first.

    Also those that have ended before, but after which no quote came until the window began.
    """
    return [*_unseen(held, "quotes", held.quotes, begin, end),
            *_unseen(held, "trades", held.trades, begin, end)]  # fmt: skip


def listed_panes(past: MarketPast, as_of: int, first: int) -> list[ExplainedPane]:
    """Return the panes of the baseline of a second, oldest first."""
    end = (as_of - SHORTEST) // PANE * PANE
    begin = end - PANES * PANE
    starts = np.arange(begin, end, PANE, dtype=np.int64)
    means = past.quotes.integrals["mean_bps"].means(starts, starts + PANE)
    x = panes(past.quotes, begin, end, first)
    return [
        ExplainedPane(iso_nanoseconds(start), number(mean), number(value))
        for start, mean, value in zip(starts.tolist(), means, x, strict=True)
    ]


def number(value: float) -> float | None:
    """Return a number as JSON has it: None for NaN."""
    return None if value != value else float(value)


def _unseen(
    held: HeldPast, kind: str, ticks: HeldTicks, begin: int, end: int
) -> list[ExplainedUnseen]:
    found = []
    times = ticks.ticks["time"].to_numpy(np.int64)
    for row in ticks.unseen.sort_values("start").to_dict("records"):
        dead_until: int | None = None
        until = int(row["end"])
        if kind == "quotes" and row["reason"] != "stale":
            later = int(np.searchsorted(times, until))
            dead_until = int(times[later]) if later < len(times) else end
            until = max(until, dead_until)
        if row["start"] >= end or until <= begin:
            continue
        found.append(
            ExplainedUnseen(
                kind,  # type: ignore[arg-type]
                iso_nanoseconds(int(row["start"])),
                iso_nanoseconds(int(row["end"])),
                str(row["reason"]),
                None if dead_until is None else iso_nanoseconds(dead_until),
                _place(held, kind, row),
            )
        )
    return found


def _place(held: HeldPast, kind: str, row: Mapping[Hashable, Any] | pd.Series[Any]) -> TickPlace:
    return TickPlace(f"{held.exchange}_{kind}", held.partition, int(row["offset"]), int(row["row"]))
