"""`cointide simulator`: exchanges on loopback with a seeded market behind them."""

from __future__ import annotations

import argparse
from pathlib import Path

import uvloop

from models.settings import Settings
from services.commands.bounds import positive, within
from services.simulator.faults import Oddities
from services.simulator.market.model import ModelSettings
from services.simulator.server import ServerSettings, Simulator, serve_until_stopped
from services.simulator.urls import simulated_urls

_ODDITIES = tuple(Oddities.__struct_fields__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--port",
        type=within(0, 65_535),
        metavar="N",
        help="0 takes a free one (COINTIDE_SIMULATOR_PORT)",
    )
    parser.add_argument(
        "--coins",
        type=within(2, 1_000),
        metavar="N",
        help="how many coins (COINTIDE_SIMULATOR_COINS)",
    )
    parser.add_argument(
        "--seed",
        type=within(0, 2**63),
        metavar="N",
        help="the same gives the same (COINTIDE_SIMULATOR_SEED)",
    )
    parser.add_argument(
        "--rate", type=positive, metavar="N", help="ticks a second (COINTIDE_SIMULATOR_RATE)"
    )
    parser.add_argument(
        "--log", type=Path, metavar="FILE", help="write every tick that was sent to this file"
    )
    parser.add_argument(
        "--play",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="captures whose frames their exchanges send instead",
    )
    parser.add_argument(
        "--speed",
        type=positive,
        default=1.0,
        metavar="N",
        help="of captures, times real time (1)",
    )
    parser.add_argument(
        "--oddity",
        action="append",
        type=oddity,
        default=[],
        metavar="NAME=N",
        help=f"go wrong by chance; NAME is one of {', '.join(_ODDITIES)}",
    )
    parser.add_argument(
        "--no-limits", action="store_true", help="let clients connect as often as they want"
    )


def oddity(text: str) -> tuple[str, float]:
    """Return name and number of `crossed=0.01`.

    Raises:
        argparse.ArgumentTypeError: it is something else, or there is no such oddity.
    """
    name, _, number = text.partition("=")
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if name not in _ODDITIES or value < 0.0:
        raise argparse.ArgumentTypeError(
            f"expected NAME=N with a name out of {', '.join(_ODDITIES)}, was {text!r}"
        )
    return name, value


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Serve until stopped."""
    oddities = Oddities(**dict(arguments.oddity))
    model = ModelSettings(
        seed=settings.simulator_seed if arguments.seed is None else arguments.seed,
        coins=settings.simulator_coins if arguments.coins is None else arguments.coins,
        rate=settings.simulator_rate if arguments.rate is None else arguments.rate,
        crossed=oddities.crossed,
    )
    port = settings.simulator_port if arguments.port is None else arguments.port
    server = ServerSettings(
        host=settings.simulator_host,
        port=port,
        model=model,
        oddities=oddities,
        log=arguments.log,
        play=tuple(arguments.play),
        speed=arguments.speed,
        limits=not arguments.no_limits,
    )
    uvloop.run(serve_until_stopped(server, _announce))
    return 0


def _announce(simulator: Simulator) -> None:
    websockets = [
        url for name, url in simulated_urls(simulator.port).items() if "websocket" in name
    ]
    model = simulator.world.model
    print(
        f"simulator ready: {len(model.coins)} coins, {len(model.markets)} markets, seed "
        f"{model.settings.seed}, {model.settings.rate:g} ticks/s at {' '.join(websockets)}",
        flush=True,
    )
