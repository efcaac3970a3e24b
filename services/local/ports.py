"""Ports of the local stack: those asked for, those kept from the last start, free ones.

A free port is chosen some seconds before a server listens on it. In the meantime it is claimed,
so that no other process that chooses here, another stack for one, is given the same.
"""

from __future__ import annotations

import random
import socket
import threading
from collections import OrderedDict
from collections.abc import Collection

from models.errors import StackError

LOOPBACK = "127.0.0.1"

# Below the range from which Linux takes the ports of outgoing connections, so that a port kept
# while the stack is down is not lost to some client in the meantime.
_FIRST = 20_000
_LAST = 31_999
_ATTEMPTS = 200

# More than are chosen by one process before the servers of the first ones listen.
_CLAIMS = 64
_claims: OrderedDict[int, socket.socket] = OrderedDict()
_claiming = threading.Lock()


def is_free(port: int) -> bool:
    """Return whether a server could listen on this port of the loopback interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def is_listening(port: int) -> bool:
    """Return whether something accepts connections on this port of the loopback interface."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0):
            return True
    except OSError:
        return False


def choose_port(use: str, wanted: int, kept: int | None, chosen: Collection[int]) -> int:
    """Return the port for `use`: the wanted one, else the kept one while it is free, else any.

    `wanted` is the setting (0 when not set), `kept` the port of the last start and `chosen` the
    ports already given to other uses of the same stack.

    Raises:
        StackError: the wanted port is taken, or no free port was found.
    """
    if wanted:
        if wanted in chosen or not is_free(wanted):
            raise StackError(
                f"expected port {wanted}, which is set for {use}, to be free on {LOOPBACK}; "
                "something else is listening on it"
            )
        return wanted
    if kept is not None and kept not in chosen and is_free(kept) and (_owns(kept) or _claim(kept)):
        return kept
    for _ in range(_ATTEMPTS):
        port = random.randint(_FIRST, _LAST)
        if port not in chosen and is_free(port) and _claim(port):
            return port
    raise StackError(
        f"expected a free port between {_FIRST} and {_LAST} for {use}, "
        f"found none in {_ATTEMPTS} attempts"
    )


def _owns(port: int) -> bool:
    with _claiming:
        return port in _claims


def _claim(port: int) -> bool:
    """Claim a port for as long as this process lives; return whether nobody else has.

    A claim is a name in Linux's abstract socket namespace: taken by one, in one step, and free
    again when the process is gone, however it went.
    """
    with _claiming:
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            claim.bind(f"\0cointide-port-{port}")
        except OSError:
            claim.close()
            return False
        _claims[port] = claim
        if len(_claims) > _CLAIMS:
            _claims.popitem(last=False)[1].close()
        return True
