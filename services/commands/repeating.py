"""What a command does again and again until it is asked to stop."""

from __future__ import annotations

import sys
from collections.abc import Callable

from models.errors import CointideError
from services.local.stopping import StopWish

_FIRST_RETRY_S, _LAST_RETRY_S = 0.5, 60.0


def repeat(work: Callable[[], object], every_s: float, passing: type[CointideError]) -> None:
    """Do it every so many seconds until a stop is asked for.

    An error that may pass is printed, and the next try is soon: after 0.5 s, then after twice as
    long each time, up to a minute.
    """
    retry_s = _FIRST_RETRY_S
    with StopWish() as stop:
        while not stop.is_asked():
            wait_s = every_s
            try:
                work()
                retry_s = _FIRST_RETRY_S
            except passing as error:
                print(f"cointide: {error}", file=sys.stderr, flush=True)
                wait_s = min(retry_s, every_s)
                retry_s = min(2 * retry_s, _LAST_RETRY_S)
            stop.wait(wait_s)
