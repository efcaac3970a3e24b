"""`cointide markets sync`: which coins and markets are followed, from REST into Kafka."""

from __future__ import annotations

import argparse
import sys

from models.errors import TransportError
from models.settings import Settings
from services.commands import add_namespace
from services.commands.bounds import positive
from services.commands.repeating import repeat
from services.kafka_access import admitted_brokers
from services.reference.sync import sync_reference


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", choices=["sync"], help="what to do with the markets")
    parser.add_argument(
        "--every", type=positive, metavar="S", help="do it again every S seconds, until stopped"
    )
    add_namespace(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Fetch and publish once, or until a stop is asked for."""
    brokers = admitted_brokers(settings)
    if arguments.every is None:
        _sync(settings, brokers)
        return 0
    # What was fetched before stays in force while an exchange is away.
    repeat(lambda: _sync(settings, brokers), arguments.every, TransportError)
    return 0


def _sync(settings: Settings, brokers: str) -> None:
    report = sync_reference(settings, brokers)
    print(
        f"following {report.markets} markets of {report.coins} coins; {report.gone} no more",
        flush=True,
    )
    for failure in report.failed:
        print(f"no instrument list: {failure}", file=sys.stderr, flush=True)
