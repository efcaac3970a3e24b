"""`cointide lag`: how far the consumer groups are behind, partition by partition."""

from __future__ import annotations

import argparse

from models.settings import Settings
from services.commands import add_namespace
from services.commands.columns import aligned
from services.kafka_access import admitted_brokers
from services.local.lag import group_lags

_HEADER = ("group", "topic", "partition", "committed", "end", "lag")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_namespace(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:  # noqa: ARG001 - a command's form
    """Print one line for every group and partition."""
    lags = group_lags(admitted_brokers(settings), settings)
    rows = [
        (
            lag.group,
            lag.topic,
            str(lag.partition),
            "–" if lag.committed is None else str(lag.committed),
            str(lag.end),
            str(lag.lag),
        )
        for lag in lags
    ]
    print(aligned([_HEADER, *rows]))
    return 0
