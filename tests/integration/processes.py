"""Processes of `cointide` that a test starts by name, and ends, come what may."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from models.settings import Settings
from tests.integration.commands import ROOT, command, environment
from tests.integration.waiting import tail_of, until


class Processes:
    """Processes of one test; all end with it."""

    def __init__(self, settings: Settings) -> None:
        """Nothing runs yet."""
        self.settings = settings
        self.logs = settings.data_dir / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, words: Sequence[str], settings: Settings) -> None:
        """Start `cointide WORDS`."""
        with (self.logs / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command(*words),
                cwd=ROOT,
                env=environment(settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def end(self, name: str, number: signal.Signals) -> None:
        """End one and wait until it is gone."""
        process = self.running.pop(name)
        process.send_signal(number)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send one a signal."""
        self.running[name].send_signal(number)

    def tell(self) -> str:
        """Return the ends of all logs."""
        return "\n".join(tail_of(log) for log in sorted(self.logs.glob("*.log")))

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition."""
        until(condition, what, self.tell)


@contextmanager
def processes(settings: Settings) -> Iterator[Processes]:
    """Run processes; whatever still runs at the end is killed."""
    own = Processes(settings)
    try:
        yield own
    finally:
        for name in list(own.running):
            own.end(name, signal.SIGKILL)
