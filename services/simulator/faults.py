"""What goes wrong on purpose: when a test asks for it, or rarely by chance."""

from __future__ import annotations

import random

import msgspec

from services.simulator.exchanges.session import Session

_SECOND = 1_000_000_000
_SILENCE_S = 8.0


class Oddities(msgspec.Struct, frozen=True):
    """How often things go wrong by chance.

    `crossed` is the share of requotes that cross the book, `checksum` the share of Kraken's book
    frames with a wrong checksum; `disconnects` and `silences` (of 8 s) are per connection and
    hour.
    """

    crossed: float = 0.0
    checksum: float = 0.0
    disconnects: float = 0.0
    silences: float = 0.0


class Faults:
    """What is wrong now; times are event time in nanoseconds."""

    def __init__(self, oddities: Oddities, seed: int) -> None:
        self.checksums = 0
        self._oddities = oddities
        self._random = random.Random(seed)
        self._silent: dict[str, int] = {}
        self._refusing: dict[str, int] = {}
        self._rest: dict[str, tuple[int, int]] = {}

    def silence(self, exchange: str, until: int) -> None:
        """Send nothing to this exchange's connections; what gathers is sent then, as TCP does."""
        self._silent[exchange] = until

    def refuse(self, exchange: str, until: int) -> None:
        """Take no new connections."""
        self._refusing[exchange] = until

    def fail_rest(self, exchange: str, status: int, until: int) -> None:
        """Answer every REST request with this status."""
        self._rest[exchange] = (status, until)

    def is_silent(self, session: Session, now: int) -> bool:
        """Return whether nothing may be sent on a connection now."""
        return now < max(self._silent.get(session.exchange, 0), session.held_until)

    def refuses(self, exchange: str, now: int) -> bool:
        """Return whether a new connection is refused now."""
        return now < self._refusing.get(exchange, 0)

    def rest_status(self, exchange: str, now: int) -> int | None:
        """Return the status that REST requests fail with now; None when they do not."""
        status, until = self._rest.get(exchange, (0, 0))
        return status if now < until else None

    def corrupts_checksum(self) -> bool:
        """Return whether the checksum at hand shall be wrong."""
        if self.checksums:
            self.checksums -= 1
            return True
        share = self._oddities.checksum
        return bool(share) and self._random.random() < share

    def second_end(self, session: Session, now: int) -> bool:
        """Let chance strike a connection; return whether it shall be cut."""
        oddities = self._oddities
        if oddities.silences and self._random.random() < oddities.silences / 3_600:
            session.held_until = now + int(_SILENCE_S * _SECOND)
        return bool(oddities.disconnects) and (self._random.random() < oddities.disconnects / 3_600)
