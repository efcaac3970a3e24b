"""`cointide ready`: waits until the stack of this data folder is ready to take data."""

from __future__ import annotations

import argparse
import sys
import time

from models.settings import Settings
from services.local.state import read_state

_POLL_S = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--timeout",
        metavar="S",
        type=float,
        help="seconds to wait at most (COINTIDE_START_TIMEOUT_S); 0 looks once",
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Return 0 once the stack is ready, 1 if it is not within the time."""
    limit = settings.start_timeout_s if arguments.timeout is None else arguments.timeout
    deadline = time.monotonic() + limit
    while True:
        is_ready, sentence = look(settings)
        if is_ready:
            print(sentence)
            return 0
        if time.monotonic() >= deadline:
            print(
                f"cointide: expected a ready stack within {limit:g} s, but {sentence}",
                file=sys.stderr,
            )
            return 1
        time.sleep(_POLL_S)


def look(settings: Settings) -> tuple[bool, str]:
    """Return whether the stack of the data folder is ready, and how it is in words."""
    state = read_state(settings.data_dir)
    if state is None or not state.is_running():
        return False, f"none is running in {settings.data_dir}"
    if state.state != "ready":
        return False, f"the one in {settings.data_dir} is still waiting for {state.waiting_for}"
    namespace = f", namespace {state.namespace}" if state.namespace else ""
    return True, f"ready: Kafka at {state.brokers}{namespace}"
