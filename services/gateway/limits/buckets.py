"""Token buckets: so many requests at once, and so many a minute after that. No clock in here."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable

import msgspec

MOST_BUCKETS = 10_000
"""Clients that are remembered. The one longest silent is forgotten first: its bucket is fullest."""

SECOND = 1_000_000_000


class Verdict(msgspec.Struct, frozen=True):
    """Whether a request is let through, and what is left; times are whole seconds.

    `reset_s` is until the bucket is full, `retry_s` until one more request is let through.
    """

    is_allowed: bool
    limit: int
    remaining: int
    reset_s: int
    retry_s: int


class _Bucket(msgspec.Struct):
    tokens: float
    time: int


class Buckets:
    """One bucket a client, of `burst` tokens that refill at `per_minute`; `now` gives ns."""

    def __init__(self, per_minute: int, burst: int, now: Callable[[], int]) -> None:
        self.per_minute = per_minute
        self.burst = burst
        self.refused = 0
        self._rate = per_minute / 60
        self._now = now
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        """Return how many clients are remembered."""
        return len(self._buckets)

    def take(self, client: str) -> Verdict | None:
        """Take a token of a client if there is one; None where nothing is limited."""
        if not self.per_minute:
            return None
        now = self._now()
        bucket = self._buckets.get(client)
        if bucket is None:
            bucket = self._buckets[client] = _Bucket(float(self.burst), now)
            if len(self._buckets) > MOST_BUCKETS:
                self._buckets.popitem(last=False)
        # A clock that was set back must not take tokens away.
        elapsed = max(now - bucket.time, 0) / SECOND
        bucket.tokens = min(self.burst, bucket.tokens + elapsed * self._rate)
        bucket.time = now
        self._buckets.move_to_end(client)
        is_allowed = bucket.tokens >= 1
        if is_allowed:
            bucket.tokens -= 1
        self.refused += not is_allowed
        missing = max(1 - bucket.tokens, 0)
        return Verdict(
            is_allowed=is_allowed,
            limit=self.burst,
            remaining=math.floor(bucket.tokens),
            reset_s=math.ceil((self.burst - bucket.tokens) / self._rate),
            retry_s=math.ceil(missing / self._rate),
        )


class Connections:
    """How many websockets each client has open; 0 is no limit."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._open: dict[str, int] = {}

    def enter(self, client: str) -> bool:
        """Count one more; return False if that would be too many."""
        count = self._open.get(client, 0)
        if self.limit and count >= self.limit:
            return False
        self._open[client] = count + 1
        return True

    def leave(self, client: str) -> None:
        """Count one less."""
        count = self._open[client] - 1
        if count:
            self._open[client] = count
        else:
            del self._open[client]
