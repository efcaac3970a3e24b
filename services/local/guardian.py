"""The guardian: ends what the supervisor started, when the supervisor itself was killed.

It is a process of its own, in a session of its own. Its standard input is a pipe whose other end
only the supervisor holds, so the end of the input is the end of the supervisor, however that
came about. Lines on it tell which process groups there are: `+GROUP` and `-GROUP`.

It imports nothing but the standard library: it starts fast and stays small.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import IO, TextIO

_GRACE_S = 10.0
_POLL_S = 0.05


class Guardian:
    """The supervisor's side: starts the guardian and tells it what to end."""

    def __init__(self, lock_descriptor: int) -> None:
        self._lock_descriptor = lock_descriptor
        self._groups: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the guardian, None while it does not run."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the guardian, which also holds the lock of the data folder."""
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            bufsize=0,  # what could not be told to an ended one must not be left over
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[self._lock_descriptor],
            start_new_session=True,
        )

    def keep(self) -> None:
        """Start the guardian again if it was ended, and tell it of everything there is."""
        if self._process is not None and self._process.poll() is not None:
            self.start()
            for group in sorted(self._groups):
                self._tell(f"+{group}\n")

    def add(self, group: int) -> None:
        """Name a process group that must not outlive the supervisor."""
        self._groups.add(group)
        self._tell(f"+{group}\n")

    def remove(self, group: int) -> None:
        """Say that a process group is gone; its number may now be anybody's."""
        self._groups.discard(group)
        self._tell(f"-{group}\n")

    def stop(self) -> None:
        """End the guardian; it has nothing left to end itself by then."""
        process, self._process = self._process, None
        if process is not None:
            _pipe_of(process).close()
            process.wait()

    def _tell(self, line: str) -> None:
        if self._process is None:
            return
        try:
            _pipe_of(self._process).write(line.encode())
        except BrokenPipeError:
            # It was ended from outside; `keep` starts the next one and tells it everything.
            return


def _pipe_of(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdin is not None, "the guardian is started with a pipe"
    return process.stdin


def guard(lines: TextIO) -> None:
    """Keep the list of process groups until the input ends, then end all of them."""
    groups: set[int] = set()
    for line in lines:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    end_groups(groups, _GRACE_S)


def end_groups(groups: set[int], grace_s: float) -> None:
    """End process groups: SIGTERM, and SIGKILL for those that are there after the grace."""
    left = {group for group in groups if signal_group(group, signal.SIGTERM)}
    deadline = time.monotonic() + grace_s
    while left and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        left = {group for group in left if signal_group(group, 0)}
    for group in left:
        signal_group(group, signal.SIGKILL)


def signal_group(group: int, number: int) -> bool:
    """Send a signal to a process group; return whether it has any process."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    # A Ctrl-C or a closed terminal is the supervisor's business.
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    guard(sys.stdin)
