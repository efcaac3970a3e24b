"""`cointide up`: the whole system on this machine, until it is stopped."""

from __future__ import annotations

import argparse

from models.settings import Settings
from services.commands import add_namespace
from services.local.stopping import StopWish
from services.local.supervisor import STEP_S, Supervisor
from services.local.workers import AGENTS, workers_of

# What feeds it. Only what this version can do is listed: `none` waits for `cointide replay`.
_SOURCES = ("none",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_namespace(parser)
    parser.add_argument(
        "--source",
        choices=_SOURCES,
        default="none",
        help="where frames come from; with none, from `cointide replay`",
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
    workers = [
        worker for agent in AGENTS.values() for worker in workers_of(agent, counts[agent.name])
    ]
    with StopWish() as stop, Supervisor(settings, workers, say) as supervisor:
        if supervisor.wait_until_ready(stop.is_asked):
            say(f"ready: Kafka at {supervisor.brokers}, data in {settings.data_dir}; Ctrl-C stops")
        while not stop.is_asked():
            supervisor.step()
            stop.wait(STEP_S)
        say("stopping")
    say("stopped")
    return 0


def say(line: str) -> None:
    """Print one line at once, also into a pipe."""
    print(line, flush=True)
