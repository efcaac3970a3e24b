"""Workers join, leave, are killed and come back from the dead; the series stays what it was."""

from __future__ import annotations

import signal

from models.settings import Settings
from tests.integration.line import COMMITTED_CAPTURES, Feed, Line, SpreadWorker, drive


def wait_until_shared(line: Line, *workers: SpreadWorker) -> None:
    """Wait until these workers own all partitions between them, each at least one."""

    def is_shared() -> bool:
        owned = [worker.partitions() for worker in workers]
        return min(owned) > 0 and sum(owned) == line.settings.partitions

    names = " and ".join(worker.name for worker in workers)
    line.until(is_shared, f"{names} to own all partitions", alive=workers)


def drive_all(line: Line, feed: Feed, share: float, *workers: SpreadWorker) -> None:
    """Feed to this share, and on until every one of these workers has closed seconds meanwhile."""
    before = [worker.seconds() for worker in workers]

    def has_moved() -> bool:
        drive(line, feed, share)
        return all(b < worker.seconds() for b, worker in zip(before, workers, strict=True))

    line.until(has_moved, "every worker to close seconds", alive=workers)


def test_a_worker_that_joins_and_leaves_or_is_killed_changes_nothing(namespaced: Settings) -> None:
    """A second one joins and leaves in order, a third one joins and is killed."""
    with Line(namespaced) as line:
        feed = Feed(namespaced, COMMITTED_CAPTURES)
        first = line.start_worker()
        line.wait_until_ready(first)
        drive_all(line, feed, 0.15, first)

        second = line.start_worker()
        feed.send(0.3)  # records come while the group stands still
        wait_until_shared(line, first, second)
        drive_all(line, feed, 0.45, first, second)
        feed.send(0.52)
        assert second.stop() == 0, line.tell()
        wait_until_shared(line, first)
        drive_all(line, feed, 0.58, first)

        third = line.start_worker()
        wait_until_shared(line, first, third)
        drive_all(line, feed, 0.72, first, third)
        feed.send(0.8)
        third.kill()
        wait_until_shared(line, first)
        drive(line, feed, 0.9)

        feed.send(1.0)
        line.wait_until_done()
        line.assert_series(COMMITTED_CAPTURES)


def test_a_worker_that_stands_still_beyond_its_session_and_goes_on_changes_nothing(
    namespaced: Settings,
) -> None:
    """Its partitions go to the other one; what it still does when it wakes up spoils nothing."""
    with Line(namespaced) as line:
        feed = Feed(namespaced, COMMITTED_CAPTURES)
        first, second = line.start_worker(), line.start_worker()
        line.wait_until_ready(first, second)
        wait_until_shared(line, first, second)
        drive_all(line, feed, 0.2, first, second)

        feed.send(0.3)  # it has work in hand
        second.signal(signal.SIGSTOP)
        wait_until_shared(line, first)
        drive_all(line, feed, 0.55, first)
        second.signal(signal.SIGCONT)
        feed.send(0.65)
        wait_until_shared(line, first, second)
        drive_all(line, feed, 0.85, first, second)

        feed.send(1.0)
        line.wait_until_done()
        line.assert_series(COMMITTED_CAPTURES)
