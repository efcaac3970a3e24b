"""What one connection knows of one market: what it serves, and where its quotes come from."""

from __future__ import annotations

import math

from agents.ingestion.exchanges.events import Kind, Pair, Quote, TickFlag

Best = tuple[float, float, float, float]
"""Bid, its size, ask and its size; a missing side is 0 in both."""

SNAPSHOT = TickFlag.SNAPSHOT.value
_CROSSED = TickFlag.CROSSED.value
_LOCKED = TickFlag.LOCKED.value
_ONE_SIDED = TickFlag.ONE_SIDED.value


class MarketState:
    """A market on one connection.

    `source` is the rank of the best channel of quotes shown so far (0: none); each exchange ranks
    its own.
    """

    __slots__ = ("_last", "_served", "_trade_seen", "market", "source")

    def __init__(self, market: str) -> None:
        self.market = market
        self.source = 0
        self._trade_seen = False
        self._served: list[Kind] = []
        self._last: Best | None = None

    def serve(self, kind: Kind) -> tuple[Pair, ...]:
        """Return the pair of this kind where this is the first to name it."""
        if kind in self._served:
            return ()
        self._served.append(kind)
        return ((kind, self.market),)

    def show(self, rank: int) -> None:
        """Take in that a channel of this rank exists."""
        self.source = max(self.source, rank)

    def missed_before(self, trade_id: int, last_id: int | None) -> int:
        """Return how many trades were lost between the market's last and this one.

        None are before the first one of a connection: there the market was unseen anyway.
        """
        first, self._trade_seen = not self._trade_seen, True
        return 0 if first or last_id is None else max(trade_id - last_id - 1, 0)

    def changes(self, best: Best) -> bool:
        """Return whether `best` differs from the last quote of this connection."""
        return best != self._last

    def quote(self, time: int, own_time: int, best: Best, flags: int) -> Quote:
        """Make a quote, the last one of this connection from now on."""
        bid, bid_size, ask, ask_size = best
        self._last = best
        if bid_size and ask_size:
            if bid > ask:
                flags |= _CROSSED
            elif bid == ask:
                flags |= _LOCKED
        else:
            flags |= _ONE_SIDED
            if not bid_size:
                bid = bid_size = math.nan
            if not ask_size:
                ask = ask_size = math.nan
        return Quote(self.market, time, own_time, bid, bid_size, ask, ask_size, flags)
