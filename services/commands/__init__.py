"""The commands of `cointide`: one module each, found through one table.

A module of a command has two functions::

    def add_arguments(parser: argparse.ArgumentParser) -> None
    def run(arguments: argparse.Namespace, settings: Settings) -> int

`run` returns the exit status. A command that takes `--namespace` adds it with
`add_namespace`; `settings` then hold it already. A module is imported when its command is
called, so that no command pays for the imports of another.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """Where a command is found and what it does, in a few words."""

    module: str
    summary: str


COMMANDS = {
    "up": Command("services.commands.up", "run the whole system on this machine"),
    "watch": Command("services.commands.watch", "replay captures and watch their spreads"),
    "ready": Command("services.commands.ready", "wait until the stack takes data"),
    "topics": Command("services.commands.topics", "create the topics and show them"),
    "lag": Command("services.commands.lag", "show how far the consumer groups are behind"),
    "replay": Command("services.commands.replay", "put captured frames into Kafka"),
    "record": Command("services.commands.record", "write frames of an exchange to a capture"),
    "tail": Command("services.commands.tail", "print the records of a topic as JSON lines"),
    "markets": Command("services.commands.markets", "fetch which coins and markets are followed"),
    "agent": Command("services.commands.agent", "run one worker of an agent"),
    "simulator": Command("services.commands.simulator", "serve simulated exchanges on loopback"),
    "gateway": Command("services.commands.gateway", "serve REST, websocket and page"),
    "backtest": Command("services.commands.backtest", "say what a rule saved on captures"),
    "archive": Command("services.commands.archive", "list, check and compact the archive"),
    "backfill": Command("services.commands.backfill", "fetch bars of the past"),
    "features": Command("services.commands.features", "write a table of features of the archive"),
    "audit": Command("services.commands.audit", "recompute published spreads from the archive"),
    "correlate": Command("services.commands.correlate", "print correlations of a file of prices"),
}


def add_namespace(parser: argparse.ArgumentParser) -> None:
    """Add `--namespace`, which goes before the setting."""
    parser.add_argument(
        "--namespace",
        metavar="N",
        help="prefix of every topic and consumer group (COINTIDE_NAMESPACE)",
    )
