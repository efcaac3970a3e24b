"""Bursts of ticks that a test writes down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict, Unpack

import msgspec
import numpy as np

from models.records.bursts import QuoteBurst, TickFlag, TradeBurst, Unseen, encode_burst

SECOND = 1_000_000_000
START = 1_800_000_000 * SECOND


class QuoteTick(msgspec.Struct, frozen=True):
    """A quote as a test writes it; `time` in nanoseconds."""

    market: str
    time: int
    bid: float
    ask: float
    bid_size: float = 1.0
    ask_size: float = 1.0


class TradeTick(msgspec.Struct, frozen=True):
    """A trade as a test writes it; `time` in nanoseconds."""

    market: str
    time: int
    price: float = 1.0
    side: int = 1
    late: bool = False


class BurstSource(TypedDict, total=False):
    """Where a burst comes from: else it is of kraken's partition 2 and its first owner."""

    epoch: int
    exchange: str
    partition: int


def quote_burst(
    clock: int,
    ticks: Sequence[QuoteTick] = (),
    unseen: Sequence[Unseen] = (),
    **source: Unpack[BurstSource],
) -> bytes:
    """Return the value of a quote burst."""
    return encode_burst(
        QuoteBurst(
            **_shared(clock, ticks, unseen, **source),
            flags=bytes(len(ticks)),
            bid=np.array([tick.bid for tick in ticks], "<f8").tobytes(),
            bid_size=np.array([tick.bid_size for tick in ticks], "<f8").tobytes(),
            ask=np.array([tick.ask for tick in ticks], "<f8").tobytes(),
            ask_size=np.array([tick.ask_size for tick in ticks], "<f8").tobytes(),
        )
    )


def trade_burst(
    clock: int,
    ticks: Sequence[TradeTick] = (),
    unseen: Sequence[Unseen] = (),
    **source: Unpack[BurstSource],
) -> bytes:
    """Return the value of a trade burst."""
    return encode_burst(
        TradeBurst(
            **_shared(clock, ticks, unseen, **source),
            flags=bytes(TickFlag.LATE if tick.late else 0 for tick in ticks),
            price=np.array([tick.price for tick in ticks], "<f8").tobytes(),
            size=np.ones(len(ticks), "<f8").tobytes(),
            side=np.array([tick.side for tick in ticks], "i1").tobytes(),
            trade_id=np.arange(len(ticks), dtype="<i8").tobytes(),
        )
    )


def _shared(
    clock: int,
    ticks: Sequence[QuoteTick | TradeTick],
    unseen: Sequence[Unseen],
    epoch: int = 1,
    exchange: str = "kraken",
    partition: int = 2,
) -> dict[str, Any]:
    """Return the fields that bursts of both kinds have."""
    markets = list(dict.fromkeys(tick.market for tick in ticks))
    times = np.array([tick.time for tick in ticks], "<i8").tobytes()
    return {
        "version": 1,
        "exchange": exchange,
        "partition": partition,
        "epoch": epoch,
        "clock": clock,
        "markets": markets,
        "market": np.array([markets.index(tick.market) for tick in ticks], "<u2").tobytes(),
        "time": times,
        "receive_time": times,
        "own_time": times,
        "unseen": list(unseen),
    }
