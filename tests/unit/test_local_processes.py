"""One supervised process: death, backoff, readiness, stop; its group goes with it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.errors import StackError
from services.local.guardian import Guardian, signal_group
from services.local.processes import ProcessPlan, SupervisedProcess, backoff_s
from services.local.state import StackLock, start_time_of

_LIMIT_S = 20.0


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; fail when it does not come."""
    deadline = time.monotonic() + _LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come within its limit"
        time.sleep(0.02)


@pytest.fixture
def guardian(tmp_path: Path) -> Iterator[Guardian]:
    """Run a guardian beside the test."""
    lock = StackLock(tmp_path)
    lock.acquire()
    guardian = Guardian(lock.descriptor)
    guardian.start()
    yield guardian
    guardian.stop()
    lock.release()


def python(code: str, ready: Callable[[], bool] = lambda: True) -> ProcessPlan:
    """Plan a process that runs some Python."""
    return ProcessPlan("sample", [sys.executable, "-c", code], ready, stop_limit_s=1.0)


def test_backoff_doubles_up_to_a_limit() -> None:
    """Each death in a row doubles the delay, within its jitter, up to 30 s and half again."""
    delays = [backoff_s(deaths, 0.5) for deaths in range(1, 9)]
    assert delays == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert backoff_s(100_000, 1.0) == 45.0
    assert backoff_s(1, 0.0) == 0.25


def test_what_dies_is_started_again_after_its_delay(tmp_path: Path, guardian: Guardian) -> None:
    """A death is noticed, waited out by the clock, and followed by a new start."""
    now = 0.0
    process = SupervisedProcess(python("raise SystemExit(3)"), tmp_path, guardian, lambda: now)
    process.start()

    def has_died() -> bool:
        process.step()
        return process.deaths == 1

    until(has_died)
    assert process.last_exit == 3
    process.step()
    assert process.pid == 0, "it was started again before its delay was over"
    now = 10.0
    process.step()
    assert process.pid != 0
    process.stop()


def test_readiness_is_a_condition(tmp_path: Path, guardian: Guardian) -> None:
    """A process is ready when it says so, and not because time has passed."""
    flag = tmp_path / "flag"
    process = SupervisedProcess(
        python("import time; time.sleep(60)", flag.exists), tmp_path, guardian
    )
    process.start()
    phases = []
    for _ in range(2):
        process.step()
        phases.append(process.phase)
        flag.touch()
    assert phases == ["starting", "ready"]
    process.stop()


def test_a_process_that_ignores_the_wish_to_stop_is_killed(
    tmp_path: Path, guardian: Guardian
) -> None:
    """SIGTERM comes first, SIGKILL after the limit."""
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('deaf', flush=True); time.sleep(60)"
    )
    process = SupervisedProcess(python(code), tmp_path, guardian)
    process.start()
    until(lambda: "deaf" in process.log_tail())
    process.stop()
    assert process.last_exit == -9


def test_grandchildren_go_with_their_group(tmp_path: Path, guardian: Guardian) -> None:
    """What a dead process left behind is ended before it is started again."""
    code = (
        "import subprocess, sys, time;"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid,"
        " flush=True); time.sleep(0.1)"
    )
    process = SupervisedProcess(python(code), tmp_path, guardian)
    process.start()
    group = process.pid

    def has_died() -> bool:
        process.step()
        return process.deaths == 1

    until(has_died)
    grandchild = int(process.log_tail().split()[0])
    until(lambda: start_time_of(grandchild) is None)
    assert start_time_of(group) is None


def test_a_program_that_is_not_there_is_told(tmp_path: Path, guardian: Guardian) -> None:
    """The sentence names the process and its program."""
    plan = ProcessPlan("sample", [str(tmp_path / "absent")], lambda: True)
    with pytest.raises(StackError, match=r"expected to start sample as .*absent"):
        SupervisedProcess(plan, tmp_path, guardian).start()


def test_a_log_that_has_grown_large_is_put_aside(
    tmp_path: Path, guardian: Guardian, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a start the old log is kept once, and a new one begun."""
    monkeypatch.setattr("services.local.processes.LARGEST_LOG_BYTES", 3)
    (tmp_path / "sample.log").write_text("old and long\n")
    process = SupervisedProcess(python("print('new')"), tmp_path, guardian)
    process.start()
    until(lambda: process.log_tail() == "new")
    process.stop()
    assert (tmp_path / "sample.log.1").read_text() == "old and long\n"


def test_the_guardian_is_started_again_and_told_everything(
    tmp_path: Path, guardian: Guardian
) -> None:
    """A killed guardian is replaced; the new one still ends what there is when the pipe closes."""
    process = SupervisedProcess(python("import time; time.sleep(60)"), tmp_path, guardian)
    process.start()
    first = guardian.pid
    assert first is not None
    signal_group(first, 9)
    until(lambda: start_time_of(first) is None)
    guardian.add(process.pid)  # into a broken pipe: no error
    guardian.keep()
    assert guardian.pid != first
    with ThreadPoolExecutor() as pool:
        # It waits until the group is gone, which takes that someone notices its end.
        stopped = pool.submit(guardian.stop)
        until(process.has_ended)
        stopped.result()
    assert process.last_exit == -15
