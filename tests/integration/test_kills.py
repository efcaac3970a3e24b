"""Workers are killed in the middle of a replay; the series is what it would have been without."""

from __future__ import annotations

import itertools
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from models.settings import Settings
from tests.burst_log import MADE_CAPTURES
from tests.integration.agent_worker import AgentWorker
from tests.integration.feed import Feed, drive
from tests.integration.line import Line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Of one time: years between captures would have every second of them closed.
_REAL = (
    "hftbacktest_binance_2024/spot_btcusdt_20240808.gz",
    "hftbacktest_binance_2024/spot_ethusdt_20240808.gz",
)
# Empty: killed from outside, while records flow. Else the worker kills itself at this point.
_KILLS: tuple[tuple[float, str], ...] = (
    (0.14, ""),
    (0.29, "outputs_acknowledged:5"),
    (0.46, ""),
    (0.61, "changelog_acknowledged:4"),
    (0.7, ""),
)


def kill_in_the_middle(line: Line, feed: Feed, worker: AgentWorker, share: float) -> None:
    """Kill a worker just after records have come that it cannot have finished yet."""
    drive(line, feed, share)
    feed.send(line.committed() / len(feed) + 0.1)
    worker.kill()


def wait_for_own_kill(line: Line, feed: Feed, worker: AgentWorker) -> None:
    """Feed a little at a time until the worker has killed itself; the rest waits.

    A worker that is slow is not overtaken, so that it dies in the middle.
    """
    shares = itertools.count(feed.sent, 20)

    def has_ended() -> bool:
        done = line.committed() / len(feed)
        if done < 0.85:
            feed.send(min(next(shares) / len(feed), done + 0.1))
        return not worker.is_alive()

    line.until(has_ended, f"{worker.name} to kill itself")
    assert worker.process.returncode == -signal.SIGKILL, line.tell()


@pytest.fixture(params=["made", "given"])
def captures(request: pytest.FixtureRequest) -> Iterator[Sequence[Path]]:
    """Return captures: the made ones of all three exchanges, and real ones of Binance."""
    if request.param == "made":
        yield MADE_CAPTURES
    else:
        folder: Path = request.getfixturevalue("test_data")
        yield [folder / name for name in _REAL]


def test_five_kills_of_the_worker_change_nothing(
    namespaced: Settings, captures: list[Path]
) -> None:
    """Killed between 10 and 90 % of the offsets, twice between two acknowledgements of a step."""
    with Line(namespaced) as line:
        feed = Feed(namespaced, captures)
        at_kills: list[int] = []
        for share, fault_point in _KILLS:
            # A stable instance takes its place in the group at once, as under `cointide up`.
            worker = line.start_worker(instance="spread-0", fault_point=fault_point)
            line.wait_until_ready(worker)
            if fault_point:
                wait_for_own_kill(line, feed, worker)
            else:
                kill_in_the_middle(line, feed, worker, share)
            at_kills.append(line.committed())
        line.start_worker(instance="spread-0")
        feed.send(1.0)
        line.wait_until_done()
        ends = line.ends()
        assert ends == len(feed)
        shares = [committed / ends for committed in at_kills]
        assert all(0.1 <= share <= 0.9 for share in shares), shares
        assert shares == sorted(shares)
        records = line.assert_series(captures)
        repeats = len(records) - len({record.key for record in records})
        assert repeats > 0, "expected outputs whose changelog record was cut off to be sent twice"
