"""Workers join, leave, are killed and come back from the dead; the series stays what it was."""

from __future__ import annotations

import signal
from math import isnan

from models.settings import Settings
from tests.burst_log import MADE_CAPTURES
from tests.integration.agent_worker import AgentWorker
from tests.integration.feed import Feed, drive
from tests.integration.line import Line

FORMER = "tests.integration.former_worker"


def wait_until_shared(line: Line, *workers: AgentWorker) -> None:
    """Wait until these workers own all partitions between them, one at most more than another."""

    def is_shared() -> bool:
        owned = [worker.partitions() for worker in workers]
        return sum(owned) == line.settings.partitions and max(owned) - min(owned) <= 1

    names = " and ".join(worker.name for worker in workers)
    line.until(is_shared, f"{names} to own all partitions evenly", alive=workers)


def drive_all(line: Line, feed: Feed, share: float, *workers: AgentWorker) -> None:
    """Feed to this share, and on until every one of these workers has closed seconds meanwhile."""
    before: list[float] = []

    def is_known() -> bool:
        before[:] = [worker.seconds() for worker in workers]
        return not any(map(isnan, before))

    line.until(is_known, "every worker to say how many seconds it has closed", alive=workers)

    def has_moved() -> bool:
        drive(line, feed, share)
        return all(b < worker.seconds() for b, worker in zip(before, workers, strict=True))

    line.until(has_moved, "every worker to close seconds", alive=workers)


def test_each_worker_that_joins_takes_work_over_and_one_that_goes_changes_nothing(
    namespaced: Settings,
) -> None:
    """4 partitions; 2, 2; 2, 1, 1; 1, 1, 1, 1; then one leaves in order and one is killed."""
    with Line(namespaced) as line:
        assert line.settings.partitions == 4
        feed = Feed(namespaced, MADE_CAPTURES)
        workers = [line.start_worker()]
        line.wait_until_ready(*workers)
        drive_all(line, feed, 0.1, *workers)

        for share in (0.2, 0.35, 0.5):
            workers.append(line.start_worker())
            feed.send(share)  # records come while the group stands still
            wait_until_shared(line, *workers)
        drive_all(line, feed, 0.55, *workers)

        feed.send(0.65)
        assert workers.pop(1).stop() == 0, line.tell()
        wait_until_shared(line, *workers)
        drive_all(line, feed, 0.7, *workers)

        feed.send(0.8)
        workers.pop().kill()
        wait_until_shared(line, *workers)

        feed.send(1.0)
        line.wait_until_done()
        line.assert_series(MADE_CAPTURES)


def test_workers_of_two_versions_share_a_group_during_an_upgrade_and_change_nothing(
    namespaced: Settings,
) -> None:
    """One with Faust's assignor leads, then one of ours, which one of the former version joins."""
    with Line(namespaced) as line:
        feed = Feed(namespaced, MADE_CAPTURES)
        former = line.start_worker(module=FORMER)
        line.wait_until_ready(former)
        feed.send(0.1)
        new = line.start_worker()
        wait_until_shared(line, former, new)
        drive_all(line, feed, 0.4, former, new)

        assert former.stop() == 0, line.tell()
        wait_until_shared(line, new)
        feed.send(0.6)
        former = line.start_worker(module=FORMER)
        wait_until_shared(line, new, former)
        drive_all(line, feed, 0.7, new, former)

        feed.send(1.0)
        line.wait_until_done()
        line.assert_series(MADE_CAPTURES)


def test_a_worker_that_stands_still_beyond_its_session_and_goes_on_changes_nothing(
    namespaced: Settings,
) -> None:
    """Its partitions go to the other one; what it still does when it wakes up spoils nothing."""
    with Line(namespaced) as line:
        feed = Feed(namespaced, MADE_CAPTURES)
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
        line.assert_series(MADE_CAPTURES)
