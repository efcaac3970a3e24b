"""The limit-order rule over captures: every market's seconds, and what the rule saved on them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec
import numpy as np

from models.fees import Fees
from models.orders.limit_price import Side, limit_prices
from models.orders.shortfall import Saving, Seconds, saving
from models.records.bursts import TickFlag
from models.records.spreads import Spreads
from models.times import seconds_of
from services.backtest.line import Told

BASELINE = "baseline"

_SECOND_NS = 1_000_000_000

Row = tuple[float, float, float, float, bool]
"""Bid, ask, mid, expected spread in bps (NaN where undefined), and whether it was seen."""


class Outcome(msgspec.Struct, frozen=True):
    """One market and side: `tick` is the one that its prices in the captures show."""

    market: str
    side: Side
    tick: float
    seconds: int
    saving: Saving


class MarketSeconds:
    """What is gathered of one market."""

    def __init__(self) -> None:
        self._rows: dict[int, Row] = {}
        self._trades: dict[int, tuple[float, float]] = {}
        self._finest = 0

    def row(self, as_of: int, row: Row) -> None:
        """Take the spread of a second."""
        self._rows[as_of] = row
        for price in row[:2]:
            if price == price:
                exponent = Decimal(repr(price)).normalize().as_tuple().exponent
                self._finest = max(self._finest, -int(exponent))

    def trade(self, time: int, price: float) -> None:
        """Take a trade; it belongs to the second that ends after it."""
        end = time // _SECOND_NS + 1
        low, high = self._trades.get(end, (np.inf, -np.inf))
        self._trades[end] = min(low, price), max(high, price)

    @property
    def tick(self) -> float:
        """The power of ten on whose grid all prices lie."""
        return float(Decimal(1).scaleb(-self._finest))

    def seconds(self, side: Side) -> Seconds | None:
        """Return the seconds from the first row to the last; None without rows."""
        if not self._rows:
            return None
        ends = range(min(self._rows), max(self._rows) + 1)
        nothing = (np.nan, np.nan, np.nan, np.nan, False)
        rows = [self._rows.get(end, nothing) for end in ends]
        bid, ask, mid, baseline = (np.array([row[i] for row in rows]) for i in range(4))
        trades = [self._trades.get(end, (np.inf, -np.inf)) for end in ends]
        return Seconds(
            limit_prices(side, bid, ask, mid, baseline, self.tick),
            bid,
            ask,
            np.array([low for low, _ in trades]),
            np.array([high for _, high in trades]),
            np.array([row[4] for row in rows]),
        )


def gathered(told: Iterable[Told], reference: str = BASELINE) -> dict[str, MarketSeconds]:
    """Return every market's seconds; `reference` is where the expected spread comes from.

    Either the baseline of half an hour, or the mean of a window, such as `1m`.
    """
    markets: dict[str, MarketSeconds] = {}
    for each in told:
        if each.spreads is not None:
            rows = each.spreads
            as_of = seconds_of(rows.as_of)
            columns = (rows.bid, rows.ask, rows.mid, _expected(rows, reference))
            for i, market in enumerate(rows.markets):
                bid, ask, mid, baseline = (_number(column[i]) for column in columns)
                is_seen = rows.mid[i] is not None and rows.trades_coverage[i] > 0
                markets.setdefault(market, MarketSeconds()).row(
                    as_of, (bid, ask, mid, baseline, is_seen)
                )
        if each.trades is not None:
            burst = each.trades
            times = np.frombuffer(burst.time, "<i8").tolist()
            prices = np.frombuffer(burst.price, "<f8").tolist()
            codes = burst.market_codes().tolist()
            for i, code in enumerate(codes):
                if not burst.flags[i] & TickFlag.LATE:
                    market = burst.markets[code]
                    markets.setdefault(market, MarketSeconds()).trade(times[i], prices[i])
    return markets


def _expected(rows: Spreads, reference: str) -> list[float | None]:
    return rows.baseline_bps if reference == BASELINE else rows.windows[reference].mean_bps


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def outcome_of(
    market: str, seconds: MarketSeconds, side: Side, fees: Fees, horizon: int, every: int
) -> Outcome | None:
    """Return how the rule did on one market and side; None where it has no spread."""
    found = seconds.seconds(side)
    if found is None:
        return None
    result = saving(side, found, fees, horizon, every)
    return Outcome(market, side, seconds.tick, len(found.price), result)
