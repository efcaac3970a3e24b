"""What the connections of one exchange share: its skew, the newest ids, and the counters."""

from __future__ import annotations

from collections import Counter

from agents.ingestion.exchanges.events import TickFlag
from agents.ingestion.exchanges.skew import Skew

AHEAD_LIMIT_NS = 2 * 1_000_000_000
"""How far an event time may lie ahead of its receive time before it is clamped."""

_CLAMPED = TickFlag.CLAMPED.value


class ExchangeMemory:
    """Outlives connections, so that a repeat is known as one across a reconnect or an overlap.

    `counts` holds `repeated_trade`, `repeated_quote` and `clamped_time`; `guessed_symbols` the
    markets of those symbols which had to be split by the longest known quote currency.
    """

    def __init__(self) -> None:
        self.skew = Skew()
        self.counts: Counter[str] = Counter()
        self.guessed_symbols: dict[str, str] = {}
        self._trade_ids: dict[str, int] = {}
        self._update_ids: dict[str, int] = {}

    def place(self, receive_time: int, own_time: int) -> tuple[int, int]:
        """Return an event time as it is used, and the flags this gives.

        It is clamped (and counted) where it lies more than 2 s ahead of `receive_time`.
        """
        if own_time > receive_time + AHEAD_LIMIT_NS:
            self.counts["clamped_time"] += 1
            return receive_time + AHEAD_LIMIT_NS, _CLAMPED
        return own_time, 0

    def observe(self, receive_time: int, own_time: int) -> None:
        """Let a frame's own time enter the skew, unless it lies too far ahead."""
        if own_time <= receive_time + AHEAD_LIMIT_NS:
            self.skew.observe(receive_time, own_time)

    def last_trade_id(self, market: str) -> int | None:
        """Return the highest trade id seen of a market."""
        return self._trade_ids.get(market)

    def admit_trade(self, market: str, trade_id: int) -> bool:
        """Return whether a trade is new; it is then the market's last, else counted as a repeat."""
        if trade_id <= self._trade_ids.get(market, -1):
            self.counts["repeated_trade"] += 1
            return False
        self._trade_ids[market] = trade_id
        return True

    def skip_trades(self, market: str, trade_id: int) -> None:
        """Take every trade up to `trade_id` for known, as a snapshot of past trades says."""
        self._trade_ids[market] = max(trade_id, self._trade_ids.get(market, -1))

    def admit_quote(self, market: str, update_id: int) -> bool:
        """Return whether a quote is new by its update id, else count it as a repeat."""
        if update_id <= self._update_ids.get(market, -1):
            self.counts["repeated_quote"] += 1
            return False
        self._update_ids[market] = update_id
        return True
