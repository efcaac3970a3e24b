"""`cointide up`: the whole system on this machine, until it is stopped."""

from __future__ import annotations

import argparse

from models.settings import Settings
from services.commands import add_namespace
from services.local.ports import LOOPBACK
from services.local.stopping import StopWish
from services.local.supervisor import STEP_S, Supervisor
from services.local.system import SOURCES, shared_settings, system_of
from services.local.workers import AGENTS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_namespace(parser)
    parser.add_argument(
        "--source",
        choices=SOURCES,
        default="simulated",
        help="where frames come from (simulated): the simulator, the exchanges themselves (only "
        "with `live` they are reached), or with `none` from `cointide replay`",
    )
    parser.add_argument(
        "--workers",
        metavar="AGENT=COUNT",
        type=worker_count,
        action="append",
        default=[],
        help="how many workers an agent has (1); may be given several times",
    )


def worker_count(text: str) -> tuple[str, int]:
    """Return agent and count of `spread=2`.

    Raises:
        argparse.ArgumentTypeError: it is something else, or there is no such agent.
    """
    name, _, count = text.partition("=")
    if name not in AGENTS or not count.isascii() or not count.isdigit():
        raise argparse.ArgumentTypeError(
            f"expected AGENT=COUNT with an agent out of {', '.join(AGENTS)}, was {text!r}"
        )
    return name, int(count)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run everything; return 0 after a stop that was asked for."""
    counts = dict.fromkeys(AGENTS, 1) | dict(arguments.workers)
    source = arguments.source
    workers = system_of(settings, source, counts)
    with (
        StopWish() as stop,
        Supervisor(
            settings, workers, say, lambda ports: shared_settings(source, ports)
        ) as supervisor,
    ):
        if supervisor.wait_until_ready(stop.is_asked, line_alone=True):
            address = f"http://{LOOPBACK}:{supervisor.ports['gateway']}"
            say(f"page {address}/   API {address}/docs   Ctrl-C stops")
        if supervisor.wait_until_ready(stop.is_asked):
            say(f"ready: Kafka at {supervisor.brokers}, data in {settings.data_dir}")
        while not stop.is_asked():
            supervisor.step()
            stop.wait(STEP_S)
        say("stopping")
    say("stopped")
    return 0


def say(line: str) -> None:
    """Print one line at once, also into a pipe."""
    print(line, flush=True)
