"""Where one venue bids more than another one asks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import msgspec


class VenueQuote(msgspec.Struct, frozen=True):
    """A two-sided quote that can be traded on now; sizes are in the coin, the fee in bps."""

    market: str
    bid: float
    bid_size: float
    ask: float
    ask_size: float
    taker_bps: float


class Crossing(msgspec.Struct, frozen=True):
    """Buy on one market, sell on the other, both as a taker, for at most `size` of the coin.

    `gross_bps` is the bid over the ask, `net_bps` what is left of it when both fees are paid.
    """

    buy: str
    sell: str
    ask: float
    bid: float
    size: float
    gross_bps: float
    net_bps: float


def crossings(quotes: Sequence[VenueQuote]) -> list[Crossing]:
    """Return every pair of markets that cross, the best after fees first.

    >>> a = VenueQuote("a", 99.0, 1.0, 100.0, 2.0, 10.0)
    >>> b = VenueQuote("b", 101.0, 1.0, 102.0, 2.0, 20.0)
    >>> [(c.buy, c.sell, round(c.gross_bps), round(c.net_bps, 1)) for c in crossings([a, b])]
    [('a', 'b', 100, 69.7)]
    """
    found = [
        Crossing(
            buy=buy.market,
            sell=sell.market,
            ask=buy.ask,
            bid=sell.bid,
            size=min(buy.ask_size, sell.bid_size),
            gross_bps=10_000 * (sell.bid / buy.ask - 1),
            net_bps=10_000 * (_received(sell) / _paid(buy) - 1),
        )
        for buy, sell in permutations(quotes, 2)
        if sell.bid > buy.ask
    ]
    return sorted(found, key=lambda crossing: (-crossing.net_bps, crossing.buy, crossing.sell))


def _paid(quote: VenueQuote) -> float:
    return quote.ask * (1 + quote.taker_bps / 10_000)


def _received(quote: VenueQuote) -> float:
    return quote.bid * (1 - quote.taker_bps / 10_000)
