"""`cointide backtest limit-orders FILE…`: what the limit-order rule saved on captures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from agents.spread.tables import TABLES
from models.fees import fees_of
from models.markets import exchange_of
from models.orders.limit_price import Side
from models.settings import Settings
from services.backtest.limit_orders import BASELINE, Outcome, gathered, outcome_of
from services.backtest.line import MemoryLine
from services.commands.columns import aligned

_SIDES: tuple[Side, ...] = ("buy", "sell")
_NOTE = (
    "saving: cost of crossing at once less that of the order, in bps of the mid at its placement; "
    "a missed order crosses at the horizon. Filled when a trade goes through its price. "
    "Interval 95 %, Newey-West. The tick is the finest step of the prices in the captures."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    rules = parser.add_subparsers(dest="rule", required=True, metavar="RULE")
    rule = rules.add_parser("limit-orders", help="a passive order at the expected spread")
    rule.add_argument("captures", metavar="FILE", type=Path, nargs="+", help="capture to replay")
    rule.add_argument("--market", action="append", metavar="M", help="this one only; may repeat")
    rule.add_argument("--side", choices=_SIDES, action="append", help="this one only")
    rule.add_argument(
        "--horizon", type=_seconds, default=60, metavar="S", help="seconds an order lives (60)"
    )
    rule.add_argument(
        "--every", type=_seconds, default=5, metavar="S", help="seconds between orders (5)"
    )
    rule.add_argument(
        "--reference",
        choices=(BASELINE, *(window.label for window in TABLES.windows)),
        default=BASELINE,
        help="what spread is expected: that of half an hour, or the mean of a window",
    )
    rule.add_argument("--maker-bps", type=float, metavar="F", help="maker's fee; the venue's")
    rule.add_argument("--taker-bps", type=float, metavar="F", help="taker's fee; the venue's")
    rule.add_argument("--format", choices=("table", "json"), default="table")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Replay the captures in memory and print what the rule saved, a line a market and side."""
    markets = gathered(MemoryLine(settings).run(arguments.captures), arguments.reference)
    unknown = sorted(set(arguments.market or ()) - set(markets))
    if unknown:
        known = ", ".join(sorted(markets)) or "none"
        print(f"cointide: expected markets out of {known}, was {unknown[0]}", file=sys.stderr)
        return 2
    results = []
    for market in arguments.market or sorted(markets):
        fees = fees_of(exchange_of(market), arguments.maker_bps, arguments.taker_bps)
        for side in arguments.side or _SIDES:
            result = outcome_of(
                market, markets[market], side, fees, arguments.horizon, arguments.every
            )
            if result is not None:
                results.append(result)
    if arguments.format == "json":
        for result in results:
            print(msgspec.json.encode(result).decode())
    else:
        print(aligned([_HEAD, *map(_line, results)]))
        print(_NOTE)
    return 0


_HEAD = ["market", "side", "tick", "seconds", "n", "filled", "saving bps", "95 %", "left out"]


def _line(result: Outcome) -> list[str]:
    found = result.saving
    mean, low, high = found.mean_bps, found.low_bps, found.high_bps
    told = ["–", "–"]
    if mean is not None and low is not None and high is not None:
        told = [f"{mean:+.2f}", f"{low:+.2f} to {high:+.2f}"]
    filled = f"{found.filled / found.n:.0%}" if found.n else "–"
    counts = [str(result.seconds), str(found.n), filled]
    return [result.market, result.side, f"{result.tick:g}", *counts, *told, str(found.left_out)]


def _seconds(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 3_600:
        raise argparse.ArgumentTypeError(f"expected 1 to 3600 whole seconds, was {text}")
    return int(text)
