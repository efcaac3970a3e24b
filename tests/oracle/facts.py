"""What a frame says, before any clock: the facts that the readers of the exchanges give."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.oracle.frames import Frame


@dataclass(frozen=True, slots=True)
class Serves:
    """The frame names (kind, market): its connection serves that pair from here on."""

    kind: str
    market: str


@dataclass(frozen=True, slots=True)
class Quote:
    """Best bid and ask. `time` is the exchange's own, None for a frame without one."""

    market: str
    time: int | None
    bid: float
    bid_size: float
    ask: float
    ask_size: float
    snapshot: bool = False

    @staticmethod
    def of(
        market: str,
        time: int | None,
        bid: tuple[float, float] | None,
        ask: tuple[float, float] | None,
        *,
        snapshot: bool = False,
    ) -> Quote:
        """Return the quote of two (price, size); a side missing or of size 0 becomes NaN."""
        nothing = (math.nan, math.nan)
        bid = bid if bid and bid[1] > 0 else nothing
        ask = ask if ask and ask[1] > 0 else nothing
        return Quote(market, time, *bid, *ask, snapshot)

    def same_best(self, other: Quote) -> bool:
        """Return whether both bests agree in price and size."""
        mine = (self.bid, self.bid_size, self.ask, self.ask_size)
        theirs = (other.bid, other.bid_size, other.ask, other.ask_size)
        pairs = zip(mine, theirs, strict=True)
        return all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in pairs)


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade; `side` is the taker's. `skips` says that ids are missing before it."""

    market: str
    time: int | None
    id: int
    price: float
    size: float
    side: int
    skips: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """The source of quotes of the market can no longer be trusted: its quotes are in gap."""

    market: str


Fact = Serves | Quote | Trade | Lost


@dataclass(slots=True)
class Reading:
    """All that one frame says. `own_time` is the frame's T, None where it has none."""

    own_time: int | None = None
    facts: list[Fact] = field(default_factory=list)
    problem: str = ""


@dataclass(slots=True)
class Shared:
    """What all connections share: the newest ids by market, by which repeats are dropped."""

    trade_ids: dict[str, int] = field(default_factory=dict)
    quote_ids: dict[str, int] = field(default_factory=dict)


class Reader:
    """What one connection has shown so far; an exchange's reader says what a frame means."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.rank: dict[str, int] = {}
        self.last_quote: dict[str, Quote] = {}
        self.traded: set[str] = set()

    def read(self, frame: Frame) -> Reading:
        """Return what `frame` says."""
        raise NotImplementedError

    def show(self, market: str, rank: int) -> bool:
        """Note that a channel of `rank` was seen; return whether it is the source of quotes."""
        self.rank[market] = max(rank, self.rank.get(market, 0))
        return rank == self.rank[market]

    def is_new_trade(self, market: str, number: int) -> tuple[bool, bool]:
        """Note a trade id; return whether it is new and whether ids are missing before it."""
        last = self.shared.trade_ids.get(market)
        first_here = market not in self.traded
        self.traded.add(market)
        if last is not None and number <= last:
            return False, False
        self.shared.trade_ids[market] = number
        return True, not first_here and last is not None and number > last + 1
