"""How far an exchange's clock lies behind the receive times: the skew.

Source: docs/from-frames-to-figures.md, section 2.
"""

from __future__ import annotations

from collections import deque

WINDOW_NS = 300 * 1_000_000_000


class Skew:
    """The least `receive − T` of the last 300 s of receive time; the newest one where none is in.

    Samples come in the order of their receive times.
    """

    def __init__(self) -> None:
        # Rising in both receive time and lag, so the first one inside the window is the least.
        # The last one is always the newest sample: it is never dropped, only replaced.
        self._samples: deque[tuple[int, int]] = deque()

    def observe(self, receive_time: int, own_time: int) -> None:
        """Take in a frame that came at `receive_time` and says it was sent at `own_time` (ns)."""
        lag = receive_time - own_time
        samples = self._samples
        while samples and samples[-1][1] >= lag:
            samples.pop()
        samples.append((receive_time, lag))

    def at(self, receive_time: int) -> int:
        """Return the skew in nanoseconds at `receive_time`; 0 before the first sample."""
        return self.told_at(receive_time) or 0

    def told_at(self, receive_time: int) -> int | None:
        """Return the same; None before the first sample."""
        samples = self._samples
        if not samples:
            return None
        oldest = receive_time - WINDOW_NS
        while len(samples) > 1 and samples[0][0] <= oldest:
            samples.popleft()
        return samples[0][1]
