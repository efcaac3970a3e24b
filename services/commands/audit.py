"""`cointide audit`: published figures, recomputed from the raw archive in another way."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from datetime import datetime

import msgspec
import pandas as pd

from models.errors import StoreError
from models.settings import Settings
from models.times import iso_seconds
from services.archive.existing import existing_archive
from services.audit.audit import AUDITS, Wanted, audit
from services.audit.found import TOLERANCE, Difference, FigureFound, Found, TopicFound
from services.audit.pieces import SECOND
from services.audit.snapshot import Snapshot
from services.commands import add_namespace
from services.commands.columns import aligned

_HEAD = ("figure", "rows", "beyond", "differing", "largest difference", "where")
_PROGRESS_S = 10.0
_EPILOG = """\
A row is found by its series (market, with the interval of a bar; table and coin; table and pair of
coins) and its time. Reported are
  differing  figures more than 1e-9 apart (relative; absolute below 1), or null on one side alone
  missing    rows that were to be published and are not in the archive
  extra      rows that are published although nothing in the raw archive stands behind them
  doubled    further rows of a series and time: with other values, or twice in one record
  repeated   copies in a record of their own, as a worker leaves that was killed; no fault
  beyond     rows and figures that follow from what the archive does not hold: not looked at

exit status:
  0  something was compared, and no figure differs, no row is missing, extra or doubled
  1  otherwise, also where nothing was there to compare or the archive cannot be read
  2  called wrongly
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    add_namespace(parser)
    parser.add_argument(
        "--start",
        required=True,
        type=_nanoseconds,
        metavar="TIME",
        help="first as_of of the rows, ISO-8601, as 2026-03-01T12:00:00Z; UTC without a zone",
    )
    parser.add_argument(
        "--end", required=True, type=_nanoseconds, metavar="TIME", help="the time they are before"
    )
    parser.add_argument(
        "--market",
        metavar="M",
        help="one market, as kraken:BTC-USD, of spreads, bars and indicators; else all",
    )
    parser.add_argument(
        "--topics",
        type=_topics,
        default=tuple(AUDITS),
        metavar="T,…",
        help=f"out of {', '.join(AUDITS)}; else all that are archived",
    )
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="of the output (text)"
    )
    parser.add_argument(
        "--json", dest="format", action="store_const", const="json", help="as --format json"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print what was found; return 1 where anything is missing, too much or differs too much.

    Of a long range it is told on standard error how far the audit is.

    Raises:
        StoreError: the archive cannot be read.
    """
    if arguments.start >= arguments.end:
        print("cointide audit: expected --start before --end", file=sys.stderr)
        return 2
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
        found = audit(Snapshot(existing_archive(settings)), wanted, arguments.topics, _progress())
    except OSError as error:
        raise StoreError(f"expected an archive that can be read, but {error}") from error
    is_good = _is_good(found)
    if arguments.format == "json":
        topics = {topic: each.document() for topic, each in found.items()}
        document = {
            "good": is_good,
            "start": iso_seconds(arguments.start // SECOND),
            "end": iso_seconds(arguments.end // SECOND),
            "tolerance": TOLERANCE,
            "topics": topics,
        }
        print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
    else:
        for topic, each in found.items():
            _show(topic, each)
        print(_verdict(found, is_good))
    return 0 if is_good else 1


def _is_good(found: Found) -> bool:
    """Return whether something was compared, and wherever something was, all is well."""
    wrong = any(each.is_wrong for each in found.values())
    return any(each.rows for each in found.values()) and not wrong


def _verdict(found: Found, is_good: bool) -> str:
    if is_good:
        return "all is well"
    if not any(each.is_wrong for each in found.values()):
        return "not all is well: the archive holds nothing to compare in this range"
    return "not all is well: " + ", ".join(t for t, each in found.items() if each.is_wrong)


def _progress() -> Callable[[str, int], None]:
    """Return what tells, every few seconds, which slice an audit has come to."""
    told = time.monotonic()

    def tell(part: str, begin: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _PROGRESS_S:
            told = time.monotonic()
            print(f"auditing {part} from {iso_seconds(begin // SECOND)}", file=sys.stderr)

    return tell


def _show(topic: str, found: TopicFound) -> None:
    figures = [_line(name, each) for name, each in found.figures.items()]
    if figures:
        print(aligned([_HEAD, *figures]))
    for name, figure in found.figures.items():
        for each in figure.examples:
            print(f"differs: {name} {_told(each)}")
        _show_more("differs: " + name, figure.differing - len(figure.examples))
    for what, places in found.places().items():
        for market, at in places.at:
            print(f"{what}: {market} {iso_seconds(at // SECOND)}")
        _show_more(what, places.count - len(places.at))
    for why, count in found.beyond_of.items():
        print(f"beyond: {count} rows, {why}")
    counts = ", ".join(f"{places.count} {what}" for what, places in found.places().items())
    print(f"{topic}: {found.rows} rows compared, {counts}, {found.beyond} beyond\n")


def _show_more(what: str, count: int) -> None:
    if count:
        print(f"{what}: {count} more")


def _told(difference: Difference) -> str:
    published, expected = (_value(v) for v in (difference.published, difference.expected))
    return (
        f"{difference.market} {iso_seconds(difference.as_of // SECOND)}: "
        f"published {published}, expected {expected}"
    )


def _value(value: float) -> str:
    return "null" if math.isnan(value) else f"{value:.15g}"


def _line(name: str, found: FigureFound) -> tuple[str, ...]:
    worst = found.worst
    where = ""
    if worst is not None and found.differing:
        where = f"{worst.market} {iso_seconds(worst.as_of // SECOND)}"
    counts = (str(found.rows), str(found.beyond), str(found.differing))
    largest = f"{found.largest:.3g}" if math.isfinite(found.largest) else "null on one side"
    return (name, *counts, largest, where)


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
        time = pd.Timestamp(datetime.fromisoformat(text))
        utc = time.tz_localize("UTC") if time.tz is None else time
        return int(utc.as_unit("ns").value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected an ISO-8601 time, was {text!r}") from error
