"""`cointide gateway`: REST, websocket and page in one process, as the images run it."""

from __future__ import annotations

import argparse

from models.settings import Settings
from services.commands import add_namespace
from services.gateway.server import serve
from services.kafka_access import admitted_brokers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_namespace(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:  # noqa: ARG001 - a command's form
    """Serve until stopped; return 0 after a stop that was asked for."""
    return serve(settings, admitted_brokers(settings))
