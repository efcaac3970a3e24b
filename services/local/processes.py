"""One supervised process: start, readiness, restart with backoff, stop.

Nothing here waits for long: the supervisor calls `step` in its loop.
"""

from __future__ import annotations

import ctypes
import os
import random
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from models.errors import StackError
from services.local.guardian import Guardian, signal_group

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
# A process that was ready for so long starts over with the shortest delay.
STEADY_S = 60.0
LARGEST_LOG_BYTES = 32 * 1024 * 1024

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)

Phase = Literal["down", "starting", "ready"]


@dataclass(frozen=True)
class ProcessPlan:
    """What is to run: a name, a command line, its environment and when it counts as ready."""

    name: str
    argv: Sequence[str]
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    stop_limit_s: float = 15.0


class SupervisedProcess:
    """One process that is started, watched, started again when it dies, and stopped.

    It runs in a session of its own, so that Ctrl-C reaches the supervisor alone and so that its
    whole group, grandchildren included, can be ended. What it prints goes to `logs/NAME.log`.
    """

    def __init__(
        self,
        plan: ProcessPlan,
        log_dir: Path,
        guardian: Guardian,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.plan = plan
        self.log = log_dir / f"{plan.name}.log"
        self.phase: Phase = "down"
        self.deaths = 0
        self.last_exit: int | None = None
        self._guardian = guardian
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._ready_since = 0.0
        self._start_at = 0.0
        self._asked = False

    @property
    def pid(self) -> int:
        """The process id, 0 while it does not run."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start the process now.

        Raises:
            StackError: its program cannot be started.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LARGEST_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        # The kernel sends the death signal when the parent THREAD ends: only the main thread
        # lives as long as the process. Elsewhere the guardian alone has to do.
        on_main_thread = threading.current_thread() is threading.main_thread()
        supervisor = os.getpid()
        with self.log.open("ab") as log:
            try:
                self._process = subprocess.Popen(
                    list(self.plan.argv),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=dict(self.plan.environment),
                    start_new_session=True,
                    preexec_fn=(lambda: _end_with(supervisor)) if on_main_thread else None,
                )
            except OSError as error:
                raise StackError(
                    f"expected to start {self.plan.name} as {self.plan.argv[0]}, but: {error}"
                ) from error
        self._guardian.add(self._process.pid)
        self.phase = "starting"
        self._asked = False

    def step(self) -> None:
        """Look once: notice a death, start again when it is time, notice readiness."""
        if self._process is None:
            if self._clock() >= self._start_at:
                self.start()
            return
        if (status := self._process.poll()) is not None:
            self._died(status)
        elif self.phase == "starting" and self.plan.ready():
            self.phase = "ready"
            self._ready_since = self._clock()

    def has_ended(self) -> bool:
        """Return whether the process is over, its exit in `last_exit`; it is not started again."""
        if self._process is not None and (status := self._process.poll()) is not None:
            self.last_exit = status
            self._forget(self._process.pid)
        return self._process is None

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the whole group, once, without waiting for anything."""
        if self._process is not None and not self._asked:
            self._asked = True
            signal_group(self._process.pid, signal.SIGTERM)

    def stop(self) -> None:
        """End the whole group: SIGTERM, then SIGKILL after the limit; return when it is gone."""
        if self._process is None:
            return
        self.ask_to_stop()
        group = self._process.pid
        try:
            self.last_exit = self._process.wait(self.plan.stop_limit_s)
        except subprocess.TimeoutExpired:
            signal_group(group, signal.SIGKILL)
            self.last_exit = self._process.wait()
        self._forget(group)

    def kill(self) -> None:
        """End the whole group at once, as a crash would."""
        if self._process is None:
            return
        group = self._process.pid
        signal_group(group, signal.SIGKILL)
        self.last_exit = self._process.wait()
        self._forget(group)

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines of the log."""
        try:
            with self.log.open(encoding="utf-8", errors="replace") as log:
                return "".join(deque(log, maxlen=lines)).rstrip()
        except OSError:
            return ""

    def _died(self, status: int) -> None:
        assert self._process is not None, "only what runs can die"
        steady = self.phase == "ready" and self._clock() - self._ready_since >= STEADY_S
        self.deaths = 1 if steady else self.deaths + 1
        self.last_exit = status
        self._start_at = self._clock() + backoff_s(self.deaths, random.random())
        self._forget(self._process.pid)

    def _forget(self, group: int) -> None:
        """Clear away after the first process of the group is gone."""
        signal_group(group, signal.SIGKILL)  # grandchildren that it left behind
        self._guardian.remove(group)
        self._process = None
        self.phase = "down"


def backoff_s(deaths: int, chance: float) -> float:
    """Return how long to wait before the next start, after so many deaths in a row.

    It doubles from death to death up to a limit; `chance` (0 to 1) spreads it over half to
    one and a half times that.

    >>> backoff_s(1, 0.5), backoff_s(2, 0.5), backoff_s(3, 0.0), backoff_s(50, 0.5)
    (0.5, 1.0, 1.0, 30.0)
    """
    doubled = FIRST_DELAY_S * 2.0 ** min(deaths - 1, 16)
    return min(doubled, LONGEST_DELAY_S) * (0.5 + chance)


def _end_with(parent: int) -> None:
    """In the child, before its program starts: have the kernel send SIGTERM when `parent` ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it ended in between
        os._exit(1)
