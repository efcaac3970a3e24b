"""Control groups of version 1 that hold what a node of the tests runs."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_CPUSET = ("cpuset.cpus", "cpuset.mems")
_ATTEMPTS = 50


@contextmanager
def control_group(name: str) -> Iterator[None]:
    """Make a group of this name in every controller; end what runs in it and remove it after."""
    made: list[Path] = []
    try:
        for controller in sorted(path for path in ROOT.iterdir() if path.is_dir()):
            if not (controller / "cgroup.procs").exists():
                continue
            group = controller / name
            group.mkdir()
            made.append(group)
            for file in _CPUSET:
                if (group / file).exists():
                    (group / file).write_text((controller / file).read_text())
        yield
    finally:
        for pid in {pid for group in made for pid in _processes_in(group)}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for group in made:
            _remove(group)


def _processes_in(group: Path) -> list[int]:
    return [int(pid) for file in group.rglob("cgroup.procs") for pid in file.read_text().split()]


def _remove(group: Path) -> None:
    """Remove a group and those below it, the innermost first, once nothing runs in them."""
    below = [path for path in group.rglob("*") if path.is_dir()]
    for folder in [*sorted(below, key=lambda path: -len(path.parts)), group]:
        for _ in range(_ATTEMPTS):
            try:
                folder.rmdir()
                break
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.1)
