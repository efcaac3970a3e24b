"""`cointide markets sync`: which coins and markets are followed, from REST into Kafka."""

from __future__ import annotations

import argparse
import sys

from models.errors import TransportError
from models.settings import Settings
from services.commands import add_namespace
from services.kafka_access import admitted_brokers
from services.local.stopping import StopWish
from services.reference.sync import sync_reference

_FIRST_RETRY_S, _LAST_RETRY_S = 0.5, 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", choices=["sync"], help="what to do with the markets")
    parser.add_argument(
        "--every", type=float, metavar="S", help="do it again every S seconds, until stopped"
    )
    add_namespace(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Fetch and publish once, or until a stop is asked for."""
    brokers = admitted_brokers(settings)
    if arguments.every is None:
        _sync(settings, brokers)
        return 0
    retry = _FIRST_RETRY_S
    with StopWish() as stop:
        while not stop.is_asked():
            wait = arguments.every
            try:
                _sync(settings, brokers)
                retry = _FIRST_RETRY_S
            except TransportError as error:
                # What was fetched before stays in force; the next try is soon.
                print(f"cointide: {error}", file=sys.stderr, flush=True)
                wait = min(retry, wait)
                retry = min(2 * retry, _LAST_RETRY_S)
            stop.wait(wait)
    return 0


def _sync(settings: Settings, brokers: str) -> None:
    report = sync_reference(settings, brokers)
    print(
        f"following {report.markets} markets of {report.coins} coins; {report.gone} no more",
        flush=True,
    )
    for failure in report.failed:
        print(f"no instrument list: {failure}", file=sys.stderr, flush=True)
