"""`cointide topics`: creates what is declared and is not there, and shows all of it."""

from __future__ import annotations

import argparse

from models.settings import Settings
from models.topics import HOUR_MS
from services.commands import add_namespace
from services.commands.columns import aligned
from services.kafka_access import admitted_brokers
from services.local.topics import TopicReport, create_topics

_HEADER = ("topic", "partitions", "clean-up", "retention", "one record is", "")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_namespace(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:  # noqa: ARG001 - a command's form
    """Create the topics and print them."""
    reports = create_topics(admitted_brokers(settings), settings)
    print(aligned([_HEADER, *(_row(report) for report in reports)]))
    return 0


def _row(report: TopicReport) -> tuple[str, ...]:
    topic = report.topic
    hours = f"{topic.retention_ms / HOUR_MS:g} h" if topic.retention_ms is not None else "default"
    retention = "–" if topic.cleanup == "compact" else hours
    count = str(report.partitions)
    return (report.name, count, topic.cleanup, retention, topic.holds, report.action)
