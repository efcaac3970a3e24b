"""`cointide backfill …`: bars of the past, from exchanges' candles and from captures."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx

from agents.archive.store import open_store
from agents.ingestion.candles.client import CandleClient
from agents.ingestion.candles.warm_start import INTERFACES, rest_url
from agents.ingestion.metrics import IngestionMetrics
from models.errors import FrameError, SettingsError, StoreError
from models.settings import Settings
from models.times import iso_seconds
from services.backfill.candles import Fetched, Plan, fetch, listed_markets, planned
from services.backfill.captures import backfill_captures
from services.backfill.store import BackfillStore
from services.commands import add_namespace
from services.commands.record import markets
from services.simulator.urls import simulated_urls

_DAY_LIMIT_S = 300.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_namespace(parser)
    whence = parser.add_subparsers(dest="whence", required=True, metavar="FROM")
    candles = whence.add_parser(
        "candles",
        help="from an exchange's one-minute candles by REST",
        description="Fetches one-minute candles and keeps them and what is merged from them. "
        "Exit status 1 where something of what was asked for cannot be had.",
    )
    candles.add_argument("--exchange", choices=sorted(INTERFACES), required=True, help="which one")
    candles.add_argument(
        "--markets", type=markets, required=True, metavar="BTC-USD,…", help="pairs to fetch"
    )
    for name in ("--start", "--end"):
        candles.add_argument(
            name, required=True, type=_seconds, metavar="TIME", help="ISO-8601, as 2026-03-01"
        )
    candles.add_argument(
        "--interval", choices=["1m"], default="1m", help="of the candles; longer bars are merged"
    )
    candles.add_argument(
        "--source",
        choices=("simulated", "live"),
        help="the simulator (at COINTIDE_SIMULATOR_PORT) or the exchange (COINTIDE_SOURCE)",
    )
    captures = whence.add_parser("captures", help="from recorded frames")
    captures.add_argument("captures", metavar="FILE", type=Path, nargs="+", help="capture to read")
    for each in (candles, captures):
        each.add_argument(
            "--dry-run", action="store_true", help="say what would be kept, and keep nothing"
        )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Backfill; return 1 where something of what was asked for is not there afterwards.

    Raises:
        SettingsError: nothing may be fetched, or the range is empty.
        StoreError: the archive cannot be read or written.
    """
    store = BackfillStore(open_store(settings))
    try:
        if arguments.whence == "captures":
            return _captures(arguments, settings, store)
        return asyncio.run(_candles(arguments, settings, store))
    except OSError as error:
        raise StoreError(f"expected an archive that can be written, but {error}") from error


def _captures(arguments: argparse.Namespace, settings: Settings, store: BackfillStore) -> int:
    kept = backfill_captures(
        settings, None if arguments.dry_run else store, arguments.captures, _tell
    )
    total = sum(kept.minutes.values())
    done = "would be kept" if arguments.dry_run else "kept"
    _tell(f"{kept.frames} frames: {total} minutes of {len(kept.minutes)} markets {done}")
    return 0 if total else 1


async def _candles(arguments: argparse.Namespace, settings: Settings, store: BackfillStore) -> int:
    exchange: str = arguments.exchange
    if arguments.source is not None:
        settings = settings.model_copy(update={"source": arguments.source})
    url = rest_url(settings, exchange)
    if url is None and settings.source == "simulated" and settings.simulator_port:
        url = simulated_urls(settings.simulator_port)[f"{exchange}_rest_url"]
    if url is None:
        raise SettingsError(
            f"expected a source that may be asked for candles of {exchange} (--source live, or "
            f"simulated with COINTIDE_SIMULATOR_PORT), was {settings.source!r}"
        )
    start, end = arguments.start, arguments.end
    if start >= end:
        raise SettingsError(
            f"expected --start before --end, was {iso_seconds(start)}, {iso_seconds(end)}"
        )
    interface = INTERFACES[exchange]
    async with httpx.AsyncClient() as http:
        listed = await listed_markets(http, exchange, url, arguments.markets)
        plans = planned(interface, listed, start, end, time.time())
        for plan in plans:
            _tell(_planned(plan, len(interface.requests(plan.market.symbol, plan.start, plan.end))))
        if arguments.dry_run:
            return _told([], plans)
        client = CandleClient(
            exchange, interface, url, http, IngestionMetrics(), _bad, time.time_ns
        )
        fetched = [await fetch(client, store, plan, _DAY_LIMIT_S, _tell) for plan in plans]
    return _told(fetched, plans)


def _planned(plan: Plan, requests: int) -> str:
    span = f"{iso_seconds(plan.start)} to {iso_seconds(plan.end)}"
    return f"{plan.market.market}: {span}, {max(requests, len(plan.days))} requests"


def _told(fetched: Sequence[Fetched], plans: Sequence[Plan]) -> int:
    """Say what came and what did not; return the exit status."""
    for each in fetched:
        if each.first is not None and each.last is not None:
            _tell(
                f"{each.plan.market.market}: {each.minutes} minutes of {each.days} days kept, "
                f"{iso_seconds(each.first)} to {iso_seconds(each.last + 60)}"
            )
    problems = [plan.out_of_reach for plan in plans if plan.out_of_reach is not None]
    problems += [each.problem for each in fetched if each.problem is not None]
    for problem in problems:
        _tell(problem)
    return 1 if problems else 0


def _seconds(text: str) -> int:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected an ISO-8601 time, was {text!r}") from error
    return int((time.replace(tzinfo=UTC) if time.tzinfo is None else time).timestamp())


def _bad(error: FrameError, _time: int, text: str) -> None:
    _tell(f"{error}: {text[:200]}")


def _tell(line: str) -> None:
    print(line, flush=True)
