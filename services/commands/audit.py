"""`cointide audit`: published figures, recomputed from the raw archive in another way."""

from __future__ import annotations

import argparse

import msgspec
import pandas as pd

from models.errors import StoreError
from models.settings import Settings
from models.times import iso_seconds
from services.archive.existing import existing_archive
from services.audit.audit import AUDITS, Wanted, audit
from services.audit.found import TOLERANCE, FigureFound, Found, TopicFound
from services.audit.pieces import SECOND
from services.audit.snapshot import Snapshot
from services.commands import add_namespace
from services.commands.columns import aligned

_HEAD = ("figure", "rows", "beyond", "differing", "largest difference", "where")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_namespace(parser)
    for name in ("--start", "--end"):
        parser.add_argument(
            name, required=True, type=_nanoseconds, metavar="TIME", help="ISO-8601, as 2026-03-01"
        )
    parser.add_argument("--market", metavar="M", help="one market, as kraken:BTC-USD; else all")
    parser.add_argument(
        "--topics",
        type=_topics,
        default=tuple(AUDITS),
        metavar="T,…",
        help=f"out of {', '.join(AUDITS)}; else all that are archived",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print what was found; return 1 where anything is missing, extra or differs too much.

    Raises:
        StoreError: the archive cannot be read.
    """
    wanted = Wanted(
        settings.exchanges,
        settings.partitions,
        arguments.start,
        arguments.end,
        arguments.market,
        tuple(settings.reference_currencies),
        settings.correlation_many_coins,
    )
    try:
        found = audit(Snapshot(existing_archive(settings)), wanted, arguments.topics)
    except OSError as error:
        raise StoreError(f"expected an archive that can be read, but {error}") from error
    is_good = _is_good(found)
    if arguments.format == "json":
        topics = {topic: each.document() for topic, each in found.items()}
        document = {"good": is_good, "tolerance": TOLERANCE, "topics": topics}
        print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
    else:
        for topic, each in found.items():
            _show(topic, each)
        print("all is well" if is_good else "not all is well")
    return 0 if is_good else 1


def _is_good(found: Found) -> bool:
    """Return whether something was compared, and wherever something was, all is well."""
    wrong = any(each.is_wrong for each in found.values())
    return any(each.rows for each in found.values()) and not wrong


def _show(topic: str, found: TopicFound) -> None:
    figures = [_line(name, each) for name, each in found.figures.items()]
    if figures:
        print(aligned([_HEAD, *figures]))
    for what, places in (("missing", found.missing_at), ("extra", found.extra_at)):
        for market, at in places:
            print(f"{what}: {market} {iso_seconds(at // SECOND)}")
    print(
        f"{topic}: {found.rows} rows compared, {found.missing} missing, {found.extra} extra, "
        f"{found.beyond} that follow from what the archive does not hold\n"
    )


def _line(name: str, found: FigureFound) -> tuple[str, ...]:
    where = "" if found.as_of is None else f"{found.market} {iso_seconds(found.as_of // SECOND)}"
    if found.largest == 0:
        where = ""
    counts = (str(found.rows), str(found.beyond), str(found.differing))
    return (name, *counts, f"{found.largest:.3g}", where)


def _topics(text: str) -> tuple[str, ...]:
    topics = tuple(text.split(","))
    others = sorted(set(topics) - set(AUDITS))
    if others:
        raise argparse.ArgumentTypeError(
            f"expected topics out of {', '.join(AUDITS)}, was {', '.join(others)}"
        )
    return topics


def _nanoseconds(text: str) -> int:
    try:
        time = pd.Timestamp(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected an ISO-8601 time, was {text!r}") from error
    return int((time.tz_localize("UTC") if time.tz is None else time).as_unit("ns").value)
