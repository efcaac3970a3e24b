"""`cointide audit`: published spreads, recomputed from the raw archive in another way."""

from __future__ import annotations

import argparse

import pandas as pd

from agents.archive.store import open_store
from models.errors import StoreError
from models.settings import Settings
from models.times import iso_seconds
from services.archive.reader import ArchiveReader
from services.audit.audit import Audited, audit
from services.audit.figures import SECOND
from services.commands import add_namespace
from services.commands.columns import aligned

TOLERANCE = 1e-9
_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_namespace(parser)
    for name in ("--start", "--end"):
        parser.add_argument(
            name, required=True, type=_nanoseconds, metavar="TIME", help="ISO-8601, as 2026-03-01"
        )
    parser.add_argument("--market", metavar="M", help="one market, as kraken:BTC-USD; else all")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print what differs; return 1 where anything is missing, extra or differs too much.

    Raises:
        StoreError: the archive cannot be read.
    """
    reader = ArchiveReader(open_store(settings))
    try:
        found = audit(
            reader,
            settings.exchanges,
            settings.partitions,
            arguments.start,
            arguments.end,
            arguments.market,
        )
    except OSError as error:
        raise StoreError(f"expected an archive that can be read, but {error}") from error
    _show(found)
    return 0 if found.is_good(TOLERANCE) else 1


def _show(found: Audited) -> None:
    rows = [(name, f"{difference:.3g}") for name, difference in found.largest.items()]
    print(aligned([("figure", "largest difference"), *rows]))
    for what, places in (("missing", found.missing), ("extra", found.extra)):
        for market, at in places[:_SHOWN]:
            print(f"{what}: {market} {iso_seconds(at // SECOND)}")
    print(
        f"{found.rows} rows compared, {len(found.missing)} missing, {len(found.extra)} extra, "
        f"{found.beyond} before which the archive does not reach back far enough"
    )


def _nanoseconds(text: str) -> int:
    try:
        time = pd.Timestamp(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected an ISO-8601 time, was {text!r}") from error
    return int((time.tz_localize("UTC") if time.tz is None else time).as_unit("ns").value)
