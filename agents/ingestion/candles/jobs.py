"""What is still to be fetched of one exchange. No clock: times are passed in, in nanoseconds."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

_SECOND = 1_000_000_000
_TRIES = 5
_FIRST_RETRY_S = 15


class Job(msgspec.Struct, eq=False):
    """The minutes of a market that begin in [start, end) (seconds), to be fetched from `due` on.

    `rank` is the market's place among those of its partition.
    """

    market: str
    symbol: str
    partition: int
    rank: int
    start: int
    end: int
    due: int
    tries: int = 0


class Jobs:
    """The jobs of one exchange.

    What is due goes by its market's rank: the first markets of every partition are the first.
    """

    def __init__(self) -> None:
        """Nothing is to be done yet."""
        self._jobs: list[Job] = []

    def __len__(self) -> int:
        """Return how many are not done."""
        return len(self._jobs)

    def add(self, job: Job) -> None:
        """Have it done."""
        self._jobs.append(job)

    def next(self, now: int) -> Job | None:
        """Return the job to do now; it stays until it is done.

        What else is due of the same market becomes part of it.
        """
        due = [job for job in self._jobs if job.due <= now]
        if not due:
            return None
        first = min(due, key=lambda job: (job.rank, job.partition))
        same = [job for job in due if job.market == first.market]
        first.start = min(job.start for job in same)
        first.end = max(job.end for job in same)
        self._jobs = [job for job in self._jobs if job is first or job not in same]
        return first

    def wants(self, job: Job) -> bool:
        """Return whether a job is still to be done."""
        return job in self._jobs

    def done(self, job: Job) -> None:
        """Do it no more."""
        self._jobs = [each for each in self._jobs if each is not job]

    def failed(self, job: Job, now: int) -> bool:
        """Do it later, each time twice as late; return whether there will be another try."""
        job.tries += 1
        job.due = now + _FIRST_RETRY_S * 2**job.tries * _SECOND
        if job.tries >= _TRIES:
            self.done(job)
        return job.tries < _TRIES

    def forget(self, is_gone: Callable[[Job], bool]) -> None:
        """Do no more what is gone; of one that is being done the result is wanted no more."""
        self._jobs = [job for job in self._jobs if not is_gone(job)]
