"""What takers paid: effective and realised spread and price impact, as columns that merge.

Of a trade at time u with price p and side D (+1 bought, −1 sold), m the mid in force strictly
before u and m_τ the one at u + τ, in basis points of m:

    effective  2·10⁴ D (p − m)/m
    realised   2·10⁴ D (p − m_τ)/m      what the maker kept after τ
    impact     2·10⁴ D (m_τ − m)/m      how far the price went the taker's way

effective = realised + impact. Bessembinder 2003, "Issues in assessing trade execution costs";
Huang & Stoll 1996. The quote strictly before the trade, and no other lag: Holden & Jacobsen 2014;
the five seconds of Lee & Ready 1991 were for late reports of another time. The side is told by
the exchange, so nothing is inferred.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.statistics.quotes_in_force import QuotesInForce
from models.statistics.sums_in_order import count_by_market, sum_by_market

EFFECTIVE_SUMS = ("effective_sum", "effective_n")


def horizon_sums(seconds: int) -> tuple[str, str, str]:
    """Return the columns of one horizon.

    >>> horizon_sums(5)
    ('realised_5s_sum', 'impact_5s_sum', 'realised_5s_n')
    """
    return f"realised_{seconds}s_sum", f"impact_{seconds}s_sum", f"realised_{seconds}s_n"


class Trades(msgspec.Struct, frozen=True):
    """Trades in event-time order, equal times in the order of the log; shape (n,) each.

    `side` is the taker's, ±1; `time` int64 ns.
    """

    market: NDArray[np.uint16]
    time: NDArray[np.int64]
    price: NDArray[np.float64]
    side: NDArray[np.int8]


class PaidTrades(msgspec.Struct, frozen=True):
    """Trades whose mid is defined, and that mid."""

    market: NDArray[np.uint16]
    time: NDArray[np.int64]
    price: NDArray[np.float64]
    side: NDArray[np.int8]
    mid: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of trades."""
        return len(self.time)


def with_mids(trades: Trades, quotes: QuotesInForce) -> PaidTrades:
    """Return the trades of a second whose mid strictly before them is defined."""
    if not len(trades.time):
        return PaidTrades(trades.market, trades.time, trades.price, trades.side, np.zeros(0))
    mid = quotes.mids(trades.market, trades.time - 1)
    known = ~np.isnan(mid)
    return PaidTrades(
        trades.market[known],
        trades.time[known],
        trades.price[known],
        trades.side[known],
        mid[known],
    )


def effective(trades: PaidTrades, markets: int) -> dict[str, NDArray[np.float64]]:
    """Return sum and number of the effective spreads by market.

    >>> bought = PaidTrades(np.zeros(1, np.uint16), np.zeros(1, np.int64), np.array([101.0]),
    ...                     np.ones(1, np.int8), np.array([100.0]))
    >>> effective(bought, 1)["effective_sum"].tolist()
    [200.0]
    """
    paid = 2e4 * trades.side * (trades.price - trades.mid) / trades.mid
    return {
        "effective_sum": sum_by_market(trades.market, paid, markets),
        "effective_n": count_by_market(trades.market, markets),
    }


def realised(
    trades: PaidTrades | None, horizon: int, quotes: QuotesInForce
) -> dict[str, NDArray[np.float64]]:
    """Return sums and number of realised spreads and impacts by market.

    `trades` are those whose time + `horizon` (seconds) lies in the second of `quotes`; those whose
    mid at that moment is not defined are left out.
    """
    names = horizon_sums(horizon)
    markets = quotes.markets
    if trades is None or not len(trades):
        return {name: np.zeros(markets) for name in names}
    later = quotes.mids(trades.market, trades.time + horizon * 1_000_000_000)
    known = ~np.isnan(later)
    market, price, mid = trades.market[known], trades.price[known], trades.mid[known]
    side, later = trades.side[known], later[known]
    return dict(
        zip(
            names,
            (
                sum_by_market(market, 2e4 * side * (price - later) / mid, markets),
                sum_by_market(market, 2e4 * side * (later - mid) / mid, markets),
                count_by_market(market, markets),
            ),
            strict=True,
        )
    )
