"""What the spread agent carries from second to second, and how it stands in a step."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from models.records.bursts import UnseenReason
from models.statistics.quotes_in_force import CarriedQuotes
from models.statistics.trade_costs import PaidTrades

LONG_AGO = -(2**62)
"""The second of what has never been."""


class Carried(msgspec.Struct, frozen=True):
    """The quotes in force, and when there was a row (its `as_of`) and a trade (its second) last."""

    quotes: CarriedQuotes
    last_row: int
    last_trade: int


class _Carried(msgspec.Struct, frozen=True, array_like=True):
    """Columns little-endian, dead reasons by market."""

    bid: bytes
    ask: bytes
    bid_size: bytes
    ask_size: bytes
    first: bytes
    unseen: bytes
    dead: dict[int, UnseenReason]
    last_row: int
    last_trade: int


class _Trades(msgspec.Struct, frozen=True, array_like=True):
    """Trades of one second, columns little-endian; `time` is uint32 ns from its begin on."""

    market: bytes
    time: bytes
    price: bytes
    side: bytes
    mid: bytes


_carried_decoder = msgspec.msgpack.Decoder(_Carried)
_trades_decoder = msgspec.msgpack.Decoder(_Trades)


def encode_carried(carried: Carried) -> bytes:
    """Return what a step holds of it."""
    quotes = carried.quotes
    return msgspec.msgpack.encode(
        _Carried(
            np.asarray(quotes.bid, "<f8").tobytes(),
            np.asarray(quotes.ask, "<f8").tobytes(),
            np.asarray(quotes.bid_size, "<f8").tobytes(),
            np.asarray(quotes.ask_size, "<f8").tobytes(),
            np.asarray(quotes.first, "<i8").tobytes(),
            quotes.unseen.tobytes(),
            dict(quotes.dead),
            carried.last_row,
            carried.last_trade,
        )
    )


def decode_carried(value: bytes) -> Carried:
    """Return what a step held."""
    kept = _carried_decoder.decode(value)
    quotes = CarriedQuotes(
        np.frombuffer(kept.bid, "<f8"),
        np.frombuffer(kept.ask, "<f8"),
        np.frombuffer(kept.bid_size, "<f8"),
        np.frombuffer(kept.ask_size, "<f8"),
        np.frombuffer(kept.first, "<i8"),
        np.frombuffer(kept.unseen, np.bool_),
        kept.dead,
    )
    return Carried(quotes, kept.last_row, kept.last_trade)


def encode_trades(trades: PaidTrades, begin: int) -> bytes:
    """Return the trades of the second from `begin` on as a step keeps them; none are nothing."""
    if not len(trades):
        return b""
    return msgspec.msgpack.encode(
        _Trades(
            np.asarray(trades.market, "<u2").tobytes(),
            np.asarray(trades.time - begin, "<u4").tobytes(),
            np.asarray(trades.price, "<f8").tobytes(),
            np.asarray(trades.side, "i1").tobytes(),
            np.asarray(trades.mid, "<f8").tobytes(),
        )
    )


def decode_trades(value: bytes, begin: int, codes: Sequence[int]) -> PaidTrades | None:
    """Return them again; market `i` is now `codes[i]`."""
    if not value:
        return None
    kept = _trades_decoder.decode(value)
    return PaidTrades(
        np.array(codes, np.uint16)[np.frombuffer(kept.market, "<u2")],
        np.frombuffer(kept.time, "<u4").astype(np.int64) + begin,
        np.frombuffer(kept.price, "<f8"),
        np.frombuffer(kept.side, "i1"),
        np.frombuffer(kept.mid, "<f8"),
    )
