"""`cointide features`: what was known at each time, out of the archive, as one Parquet table."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import get_args

from agents.correlation.tables import table_definition
from models.errors import SettingsError, StoreError
from models.records.bars import BarInterval
from models.settings import Settings
from models.times import iso_seconds
from services.archive.existing import existing_archive
from services.commands import add_namespace
from services.features.block import Choice
from services.features.reading import FeatureReader
from services.features.table import Written, write_features

_UNITS = {"s": 1, "m": 60, "h": 3_600}
_HOUR_S = 3_600
_SECOND = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_namespace(parser)
    parser.add_argument("--coins", required=True, type=_names, metavar="BTC,ETH", help="of these")
    for name in ("--start", "--end"):
        parser.add_argument(
            name, required=True, type=_time, metavar="TIME", help="ISO-8601 with a zone"
        )
    parser.add_argument(
        "--every", type=_every, default=1, metavar="T", help="from row to row: 1s (default) to 1h"
    )
    parser.add_argument("--quote", default="USD", help="quote currency of the markets (USD)")
    parser.add_argument(
        "--exchanges", type=_names, metavar="A,B", help="of these; all that are set without it"
    )
    parser.add_argument(
        "--interval", choices=get_args(BarInterval), default="1m", help="of bars and indicators"
    )
    parser.add_argument("--against", default="BTC", metavar="COIN", help="for correlations (BTC)")
    parser.add_argument(
        "--table", default="1h.60s.pearson", help="whose returns correlations are made from"
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the Parquet file to write")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Write the table; return 1 where it has no row, or a coin was not seen in any.

    Raises:
        SettingsError: the correlation table is none of Pearson's.
        StoreError: the archive cannot be read, or the file not be written.
    """
    if arguments.start >= arguments.end:
        print("cointide features: expected start before end", file=sys.stderr)
        return 2
    table = table_definition(arguments.table, 1)
    if not arguments.table.endswith(".pearson"):
        raise SettingsError(f"expected a table of Pearson's, was {arguments.table!r}")
    choice = Choice(
        coins=arguments.coins,
        exchanges=arguments.exchanges or tuple(settings.exchanges),
        quote=arguments.quote,
        every_s=arguments.every,
        interval=arguments.interval,
        against=arguments.against,
        table=arguments.table,
        window_s=table.window_s,
        sampling_s=table.sampling_s,
        step_s=table.step_s,
    )
    reader = FeatureReader(existing_archive(settings), settings.partitions)
    try:
        written = write_features(reader, choice, arguments.start, arguments.end, arguments.file)
    except OSError as error:
        raise StoreError(f"expected to write {arguments.file}, but {error}") from error
    print(f"{written.rows} rows in {arguments.file}")
    for note in _notes(written, choice, arguments.start, arguments.end):
        print(note, file=sys.stderr)
    return 1 if written.unseen or not written.rows else 0


def _notes(written: Written, choice: Choice, start: int, end: int) -> Iterator[str]:
    """Yield what of a table is null throughout, and before and after which time all is."""
    for coin in written.unseen:
        yield f"{coin}: no {choice.quote} market of it was seen in this range"
    step = choice.every_s * _SECOND
    if written.first is not None and written.first >= start + step:
        yield f"nothing was seen before {iso_seconds(written.first // _SECOND)}"
    if written.last is not None and written.last < end - step:
        yield f"nothing was seen after {iso_seconds(written.last // _SECOND)}"
    if written.empty:
        yield f"without a value: {', '.join(written.empty)}"


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if not all(names):
        raise argparse.ArgumentTypeError(f"expected names with commas between, was {text!r}")
    return names


def _every(text: str) -> int:
    number, unit = text[:-1], text[-1:]
    seconds = int(number) * _UNITS[unit] if number.isdigit() and unit in _UNITS else 0
    if not 1 <= seconds <= _HOUR_S:
        raise argparse.ArgumentTypeError(f"expected 1s to 1h, was {text!r}")
    return seconds


def _time(text: str) -> int:
    """Return microseconds since the epoch."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected an ISO-8601 time, was {text!r}") from error
    if time.tzinfo is None:
        raise argparse.ArgumentTypeError(f"expected a zone, as 2026-03-01T00:00:00Z, was {text!r}")
    return int(time.timestamp()) * _SECOND + time.microsecond
