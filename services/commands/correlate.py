"""`cointide correlate FILE`: a correlation matrix from a file of prices, no cluster."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import pyarrow as pa

from models.errors import InputError
from models.settings import Settings
from services.correlate.answers import Labels, as_json, write_csv
from services.correlate.correlate import METHODS, Request, correlate
from services.correlate.heatmap import write_heatmap
from services.correlate.price_file import PriceFile
from services.correlate.timestamps import TimestampReader

_SPAN = re.compile(r"([1-9][0-9]{0,7})([smhdw])\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        help="CSV or Parquet: a column timestamp (ISO-8601, or epoch in s, ms, µs or ns) and one "
        "column of prices for each coin; an empty cell is no price",
    )
    parser.add_argument("--window", type=span, default="30d", metavar="30d", help="length of time")
    parser.add_argument(
        "--sampling",
        type=span,
        default="60s",
        metavar="60s",
        help="interval of returns; a price older than it is missing",
    )
    parser.add_argument("--method", choices=METHODS, default="pearson", help="which correlation")
    parser.add_argument("--format", choices=("json", "csv"), default="json", help="of the output")
    parser.add_argument(
        "--end",
        type=moment,
        metavar="T",
        help="end of the window, rounded down to the sampling; the last timestamp if not given",
    )
    parser.add_argument("--coins", metavar="BTC,ETH", help="these alone, in this order")
    parser.add_argument(
        "--repair", action="store_true", help="cut negative eigenvalues of the matrix"
    )
    parser.add_argument(
        "--png", type=Path, metavar="FILE", help="draw the matrix too (needs cointide[plot])"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:  # noqa: ARG001 - all the same
    """Print the matrix; what a reader should know goes to standard error beside a CSV."""
    window_s, sampling_s = _seconds(arguments.window), _seconds(arguments.sampling)
    if window_s % sampling_s:
        raise InputError(
            "malformed_window",
            f"expected a window of whole sampling intervals, was {arguments.window} of "
            f"{arguments.sampling}",
        )
    coins = arguments.coins and [coin.strip() for coin in arguments.coins.split(",")]
    request = Request(window_s, sampling_s, arguments.method, arguments.end, coins)
    result = correlate(PriceFile(arguments.file), request)
    if arguments.png:
        write_heatmap(result, arguments.png)
    if arguments.format == "csv":
        write_csv(result, sys.stdout, repaired=arguments.repair)
        for note in result.notes:
            print(f"cointide: {note}", file=sys.stderr)
    else:
        labels = Labels(arguments.window, arguments.sampling, arguments.method)
        print(as_json(result, labels, repaired=arguments.repair).decode())
    return 0


def span(text: str) -> str:
    """Return a length of time as it is written, if it is one.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    if not _SPAN.match(text):
        raise argparse.ArgumentTypeError(f"expected a time such as 60s, 5m, 1h or 30d, was {text}")
    return text


def moment(text: str) -> int:
    """Return nanoseconds since the epoch of an ISO-8601 time or an epoch.

    Raises:
        argparse.ArgumentTypeError: it is neither.
    """
    try:
        return int(TimestampReader().read(pa.array([text]))[0])
    except InputError as error:
        raise argparse.ArgumentTypeError(error.detail) from error


def _seconds(text: str) -> int:
    match = _SPAN.match(text)
    assert match is not None, "the argument's type has looked at it"
    return int(match[1]) * _SECONDS[match[2]]
