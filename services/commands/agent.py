"""`cointide agent NAME`: one worker of an agent, as the images and the local stack run it."""

from __future__ import annotations

import argparse
import importlib

from models.settings import Settings
from services.commands import add_namespace
from services.kafka_access import admitted_brokers
from services.local.state import needing_cassandra
from services.local.workers import AGENTS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_namespace(parser)
    parser.add_argument("name", choices=sorted(AGENTS), help="the agent")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the worker until it is stopped."""
    agent = AGENTS[arguments.name]
    if agent.needs_cassandra:
        settings = needing_cassandra(settings)
    importlib.import_module(agent.module).main(settings, admitted_brokers(settings))
    return 0
