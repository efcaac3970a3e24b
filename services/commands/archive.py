"""`cointide archive …`: what is archived, as a list, checked, and compacted."""

from __future__ import annotations

import argparse
import sys
import time

from agents.archive.store import open_store
from models.archive.rendering import archived_topics
from models.errors import StoreError
from models.settings import Settings
from services.archive.check import TopicReport, check
from services.archive.compaction import compact
from services.commands import add_namespace
from services.commands.columns import aligned

_HEADER = ("topic", "partition", "offsets", "chunks", "records", "rows", "undecodable", "bytes")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_namespace(parser)
    parser.add_argument(
        "what",
        choices=("files", "compact"),
        help="files: what the manifest says is there, checked against the store, exit status 1 "
        "where something is missing; compact: merge the chunks of hours that are over",
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Do what was asked for.

    Raises:
        StoreError: the store cannot be read or written.
    """
    store, topics = open_store(settings), archived_topics(settings.exchanges)
    try:
        if arguments.what == "compact":
            done = compact(store, topics, time.time())
            shown = f"merged {done.merged} chunks into {done.into}, deleted {done.deleted} files"
            wrong: list[str] = []
        else:
            reports = list(check(store, topics))
            shown = aligned([_HEADER, *(_row(report) for report in reports)])
            wrong = [
                f"{each.topic} {each.partition}: {line}" for each in reports for line in each.wrong
            ]
    except OSError as error:
        raise StoreError(f"expected a store that can be read and written, but {error}") from error
    print(shown)
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def _row(report: TopicReport) -> tuple[str, ...]:
    return (
        report.topic,
        str(report.partition),
        f"{report.first_offset}–{report.last_offset}",
        str(report.chunks),
        str(report.records),
        str(report.rows),
        str(report.undecodable),
        str(report.bytes),
    )
