"""`cointide archive …`: what is archived, as a list, checked, compacted, and begun anew."""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial

from agents.archive.cassandra.access import keyspace_of
from agents.archive.cassandra.schema import apply_schema, migrations
from agents.archive.cassandra.session import open_session
from agents.archive.store import open_store
from models.archive.rendering import archived_topics
from models.errors import SettingsError, StoreError
from models.settings import Settings
from models.times import iso_seconds
from services.archive.check import TopicReport, check
from services.archive.compaction import compact
from services.archive.existing import existing_archive
from services.archive.status import OffsetGap, TopicStatus, status
from services.commands import add_namespace
from services.commands.bounds import positive
from services.commands.columns import aligned
from services.commands.repeating import repeat
from services.local.state import needing_cassandra

_POLL_S = 0.5
_STATUS_HEADER = (
    "topic", "from", "until", "partitions", "chunks", "records", "rows", "files", "bytes",
    "missing",
)  # fmt: skip
_HEADER = ("topic", "partition", "offsets", "chunks", "records", "rows", "undecodable", "bytes")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_namespace(parser)
    parser.add_argument(
        "what",
        choices=("status", "files", "compact", "create", "schema"),
        help="status: from when until when and how much is archived of each topic, and which "
        "offsets are missing; files: what the manifest says is there, checked against the store, "
        "exit status 1 where something is missing; compact: merge the chunks of hours that are "
        "over; create: begin a new archive where the one that has been there is gone for good; "
        "schema: make keyspace and tables in Cassandra what this version and the settings say",
    )
    parser.add_argument(
        "--wait",
        action="store_true",
        help="schema: wait until Cassandra answers and lets us in (COINTIDE_START_TIMEOUT_S)",
    )
    parser.add_argument(
        "--every", type=positive, metavar="S", help="compact: again every S seconds, until stopped"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Do what was asked for.

    Raises:
        SettingsError: something is asked for that goes with another action.
        StoreError: the store or Cassandra cannot be read or written.
        StackError: there is no Cassandra.
    """
    if arguments.every is not None and arguments.what != "compact":
        raise SettingsError(f"expected --every with `compact` alone, was with `{arguments.what}`")
    if arguments.what == "schema":
        make_schema(needing_cassandra(settings), arguments.wait)
        return 0
    if arguments.what == "create":
        return _create(settings)
    if arguments.every is not None:
        repeat(partial(_with_archive, "compact", settings), arguments.every, StoreError)
        return 0
    return _with_archive(arguments.what, settings)


def _with_archive(what: str, settings: Settings) -> int:
    store, topics = existing_archive(settings), archived_topics(settings.exchanges)
    try:
        if what == "status":
            topics_found = list(status(store, topics))
            shown = aligned([_STATUS_HEADER, *(_status_row(each) for each in topics_found)])
            gaps = [_gap_line(each.topic, gap) for each in topics_found for gap in each.gaps]
            shown = "\n".join([f"archive {store.name}", shown, *gaps])
            wrong: list[str] = []
        elif what == "compact":
            done = compact(store, topics, time.time())
            shown = f"merged {done.merged} chunks into {done.into}, deleted {done.deleted} files"
            wrong = []
        else:
            reports = list(check(store, topics))
            shown = aligned([_HEADER, *(_row(report) for report in reports)])
            wrong = [
                f"{each.topic} {each.partition}: {line}" for each in reports for line in each.wrong
            ]
    except OSError as error:
        raise StoreError(f"expected a store that can be read and written, but {error}") from error
    print(shown, flush=True)
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def _create(settings: Settings) -> int:
    store = open_store(settings)
    try:
        is_new = store.create()
    except OSError as error:
        raise StoreError(f"expected a store that can be written, but {error}") from error
    print(f"{store.name}: {'an empty archive' if is_new else 'there is an archive already'}")
    return 0


def make_schema(settings: Settings, waits: bool) -> None:
    """Make keyspace and tables what they are to be, and print each change.

    Raises:
        SettingsError: the settings of Cassandra cannot be used.
        StoreError: Cassandra does not answer, does not let us in or cannot be changed.
    """
    deadline = time.monotonic() + (settings.start_timeout_s if waits else 0.0)
    while True:
        try:
            session = open_session(settings, keyspace="")
            break
        except StoreError:
            # A user may not be there yet either, when a cluster is new.
            if time.monotonic() >= deadline:
                raise
            time.sleep(_POLL_S)
    with session:
        apply_schema(session, settings, migrations(), print)
    print(f"keyspace {keyspace_of(settings)}: as it is to be")


def _status_row(found: TopicStatus) -> tuple[str, ...]:
    return (
        found.topic,
        _time(found.least_time),
        _time(found.greatest_time),
        str(len(found.partitions)),
        str(found.chunks),
        str(found.records),
        str(found.rows),
        str(found.files),
        str(found.bytes),
        str(found.missing),
    )


def _gap_line(topic: str, gap: OffsetGap) -> str:
    return (
        f"{topic} {gap.partition}: offsets {gap.first} to {gap.last} are missing, "
        f"between {_time(gap.last_before)} and {_time(gap.first_after)}"
    )


def _time(nanoseconds: int | None) -> str:
    return "-" if nanoseconds is None else iso_seconds(nanoseconds // 1_000_000_000)


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
