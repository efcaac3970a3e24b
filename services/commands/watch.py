"""`cointide watch FILE…`: everything at once: the stack, a replay, the spreads of every market."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.live import Live

from models.errors import CaptureError, StackError, TransportError
from models.settings import Settings
from services.commands import add_namespace
from services.local.lag import group_lags
from services.local.processes import ProcessPlan, SupervisedProcess
from services.local.stopping import StopWish
from services.local.supervisor import STEP_S, Supervisor
from services.local.workers import AGENTS, errand_plan, workers_of
from services.watch.board import Board, figures_of, line_of
from services.watch.feed import SpreadsFeed

SPEEDS = ("1", "10", "max")
_REFRESH_S = 0.25
_SETTLED_POLL_S = 1.0
# Where the groups never report a lag of 0: so long without a new second is the end as well.
_QUIET_S = 15.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("captures", metavar="FILE", type=Path, nargs="+", help="captures to replay")
    parser.add_argument(
        "--speed", choices=SPEEDS, default="1", help="times the speed of the capture (1)"
    )
    parser.add_argument(
        "--exit", action="store_true", help="end when the last second is shown, not at Ctrl-C"
    )
    add_namespace(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Show the spreads until a stop is asked for; return 0 then."""
    check_captures(arguments.captures)
    if arguments.namespace is None:
        # A replay refuses to go back in a namespace, so every watch has one of its own.
        settings = settings.model_copy(update={"namespace": f"watch-{time.time():.0f}"})
    workers = workers_of(AGENTS["spread"], 1)
    console = Console()
    with StopWish() as stop, Supervisor(settings, workers, console.print) as supervisor:
        if supervisor.wait_until_ready(stop.is_asked):
            plan = replay_plan(settings, supervisor.brokers, arguments.captures, arguments.speed)
            with SpreadsFeed(supervisor.brokers, settings) as feed:
                replay = supervisor.run_once(plan)
                watch = _Watch(supervisor, feed, replay, settings, console)
                watch.run(stop, ends=arguments.exit)
        console.print("stopping")
    console.print("stopped")
    return 0


def check_captures(captures: list[Path]) -> None:
    """See to it that every capture can be read, before anything is started.

    Raises:
        CaptureError: one cannot.
    """
    for capture in captures:
        try:
            with capture.open("rb") as opened:
                opened.read(1)
        except OSError as error:
            raise CaptureError(
                "unreadable_capture", f"expected a file that can be read, but: {error}"
            ) from error


def replay_plan(settings: Settings, brokers: str, captures: list[Path], speed: str) -> ProcessPlan:
    """Return how the captures are replayed into the namespace of the settings."""
    files = [str(capture.absolute()) for capture in captures]
    found = settings.model_copy(update={"kafka_brokers": brokers})
    return errand_plan("replay", ["replay", *files, "--speed", speed], found)


class _Watch:
    """The loop that keeps the stack going, reads the spreads and shows them."""

    def __init__(
        self,
        supervisor: Supervisor,
        feed: SpreadsFeed,
        replay: SupervisedProcess,
        settings: Settings,
        console: Console,
    ) -> None:
        self._supervisor = supervisor
        self._feed = feed
        self._replay = replay
        self._settings = settings
        self._console = console
        self._board = Board()
        self._is_over = False
        self._newest_at = time.monotonic()
        self._look_at = 0.0

    def run(self, stop: StopWish, ends: bool) -> None:
        """Show the spreads until a stop is asked for, or (`ends`) until all of them are shown."""
        live = Live(console=self._console, auto_refresh=False) if sys.stdout.isatty() else None
        if live is not None:
            live.start()
        try:
            self._loop(stop, ends, live)
        finally:
            if live is not None:
                live.stop()

    def _loop(self, stop: StopWish, ends: bool, live: Live | None) -> None:
        refresh_at = 0.0
        while not stop.is_asked() and not (ends and self._is_over):
            self._supervisor.step()
            self._take(is_plain=live is None)
            if not self._is_over and self._is_all_shown():
                self._is_over = True
                self._console.print(
                    f"The replay is in and its last second is shown (namespace "
                    f"{self._settings.namespace})." + ("" if ends else " Ctrl-C stops everything."),
                    soft_wrap=True,
                )
            if live is not None and time.monotonic() >= refresh_at:
                live.update(self._board.table(self._title()), refresh=True)
                refresh_at = time.monotonic() + _REFRESH_S

    def _take(self, is_plain: bool) -> None:
        for spreads in self._feed.take(STEP_S):
            self._newest_at = time.monotonic()
            for figures in figures_of(spreads):
                self._board.update(figures)
                if is_plain:
                    print(line_of(figures), flush=True)

    def _title(self) -> str:
        doing = "at its end" if self._is_over else "replaying"
        return f"Cointide · {self._settings.namespace} · {doing}"

    def _is_all_shown(self) -> bool:
        """Return whether the replay has ended and everything that follows from it is on the board.

        Raises:
            StackError: the replay has failed.
        """
        if not self._replay.has_ended() or time.monotonic() < self._look_at:
            return False
        self._look_at = time.monotonic() + _SETTLED_POLL_S
        if self._replay.last_exit != 0:
            raise StackError(
                f"expected the replay to end with status 0, was {self._replay.last_exit}; "
                f"the end of {self._replay.log}:\n{self._replay.log_tail()}"
            )
        is_quiet = time.monotonic() - self._newest_at > _QUIET_S
        return (is_quiet or self._is_caught_up()) and self._feed.is_at_end()

    def _is_caught_up(self) -> bool:
        """Return whether the workers have taken every tick."""
        try:
            lags = group_lags(self._supervisor.brokers, self._settings)
        except TransportError:
            return False
        return bool(lags) and all(lag.lag == 0 for lag in lags)
