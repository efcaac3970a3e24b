"""Sends nothing of a former owner: whoever stood still asks first whether it is still a member.

A worker that is stopped for longer than its session (SIGSTOP, a frozen node) has lost its
partitions by the time it goes on, but does not know it yet. What it had decided in between must
not come behind what its successor has decided otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from models.errors import CointideError

PULSE_S = 0.5


class FormerOwnerError(CointideError):
    """This worker's partitions are another's by now: what it had in hand is not sent."""


class Standstill:
    """Knows whether this process may have lost its session since its last assignment.

    `is_member` asks the group, and is asked where more than `limit_s` went by without a turn of the
    event loop; `now` are seconds of a clock that no one sets.
    """

    def __init__(
        self,
        limit_s: float,
        is_member: Callable[[], Awaitable[bool]],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with a turn."""
        self._limit_s = limit_s
        self._is_member = is_member
        self._now = now
        self._turned = now()
        self._is_in_doubt = False

    def turn(self) -> None:
        """Say that the event loop turns."""
        time = self._now()
        if time - self._turned > self._limit_s:
            self._is_in_doubt = True
        self._turned = time

    async def check(self) -> None:
        """Return at once, unless the process stood still: then once the group has answered.

        Raises:
            FormerOwnerError: it is no member any more as it was at its last assignment.
        """
        self.turn()
        if not self._is_in_doubt:
            return
        if not await self._is_member():
            raise FormerOwnerError("expected to be a member of the group, was taken for dead")
        self._is_in_doubt = False

    def assigned(self) -> None:
        """Say that partitions are assigned anew, from the group's own mouth."""
        self._turned = self._now()
        self._is_in_doubt = False
