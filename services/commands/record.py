"""`cointide record`: frames of an exchange's websocket to a capture file."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

from agents.ingestion.captures.writer import CaptureWriter
from agents.ingestion.exchanges.registry import EXCHANGES
from models.settings import Settings
from services.record.recorder import Recorder
from services.simulator.market.model import ModelSettings
from services.simulator.server import ServerSettings, Simulator
from services.simulator.urls import simulated_urls


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--source",
        choices=("simulated", "live"),
        default="simulated",
        help="the simulator (at COINTIDE_SIMULATOR_PORT, else one of its own), or the exchange",
    )
    parser.add_argument("--exchange", choices=EXCHANGES, required=True, help="which one")
    parser.add_argument(
        "--markets", type=markets, required=True, metavar="BTC-USD,…", help="pairs to record"
    )
    parser.add_argument(
        "--seconds", type=float, metavar="N", help="end after so many; without it Ctrl-C ends it"
    )
    parser.add_argument("capture", type=Path, metavar="FILE", help="capture to append to")


def markets(text: str) -> list[str]:
    """Return the pairs of `BTC-USD,ETH-USD`.

    Raises:
        argparse.ArgumentTypeError: one of them is none.
    """
    pairs = [pair.strip().upper() for pair in text.split(",")]
    for pair in pairs:
        base, _, quote = pair.rpartition("-")
        if not base or not quote:
            raise argparse.ArgumentTypeError(
                f"expected BASE-QUOTE with commas between, was {pair!r}"
            )
    return pairs


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Record until the time is over or the user ends it; return 0."""
    with CaptureWriter(arguments.capture) as writer:
        recorder = Recorder(arguments.exchange, arguments.markets, writer)
        asyncio.run(_run(arguments, settings, recorder))
    print(f"recorded {recorder.frames} frames of {arguments.exchange} to {arguments.capture}")
    return 0


async def _run(arguments: argparse.Namespace, settings: Settings, recorder: Recorder) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    exchange, port = arguments.exchange, settings.simulator_port
    if arguments.source == "live":
        urls = settings.model_dump(include={f"{exchange}_websocket_url", f"{exchange}_rest_url"})
        await _record(recorder, exchange, urls, stop, arguments.seconds)
    elif port:
        await _record(recorder, exchange, simulated_urls(port), stop, arguments.seconds)
    else:
        model = ModelSettings(seed=settings.simulator_seed, coins=settings.simulator_coins)
        async with Simulator(ServerSettings(model=model)) as simulator:
            urls = simulated_urls(simulator.port)
            await _record(recorder, exchange, urls, stop, arguments.seconds)


async def _record(
    recorder: Recorder,
    exchange: str,
    urls: dict[str, str],
    stop: asyncio.Event,
    seconds: float | None,
) -> None:
    recording = asyncio.create_task(
        recorder.record(urls[f"{exchange}_websocket_url"], urls[f"{exchange}_rest_url"])
    )
    stopping = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait(
        {recording, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
    )
    stopping.cancel()
    if recording in done:
        recording.result()
    recording.cancel()
    await asyncio.gather(recording, return_exceptions=True)
