"""What exchanges ask for a trade, before any discount by volume.

These are the tiers of someone who has not traded yet; they change, and most who trade pay less, so
every figure takes them as inputs and these only where none are given.
"""

from __future__ import annotations

import msgspec


class Fees(msgspec.Struct, frozen=True):
    """The fee of a maker and of a taker, in basis points of the traded value.

    >>> FEES["kraken"].taker_bps
    40.0
    """

    maker_bps: float
    taker_bps: float


FEES: dict[str, Fees] = {
    "binance": Fees(10.0, 10.0),  # binance.com/en/fee/schedule, regular user
    "coinbase": Fees(40.0, 60.0),  # exchange.coinbase.com/fees, below 10,000 USD in 30 days
    "kraken": Fees(25.0, 40.0),  # kraken.com/features/fee-schedule, Kraken Pro, from 0 USD
}


def fees_of(exchange: str, maker_bps: float | None = None, taker_bps: float | None = None) -> Fees:
    """Return the fees that are given, else those of the exchange's first tier.

    >>> fees_of("kraken", taker_bps=10.0)
    Fees(maker_bps=25.0, taker_bps=10.0)
    """
    venue = FEES[exchange]
    return Fees(
        venue.maker_bps if maker_bps is None else maker_bps,
        venue.taker_bps if taker_bps is None else taker_bps,
    )
