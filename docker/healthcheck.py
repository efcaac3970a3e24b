"""The image's HEALTHCHECK: asks the server of the command that this container runs.

A command without a server (`topics`, `markets`) is healthy while it runs.
"""

from __future__ import annotations

import os
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

_PAGES = {
    "agent": ("COINTIDE_AGENT_PORT", "/ready"),
    "gateway": ("COINTIDE_GATEWAY_PORT", "/v1/ready"),
    "simulator": ("COINTIDE_SIMULATOR_PORT", "/ready"),
}


def page_of(command: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """Return where the server of a command line says that it is ready; None if it has none.

    >>> page_of(["python", "bin/cointide", "gateway"], {"COINTIDE_GATEWAY_PORT": "80"})
    'http://127.0.0.1:80/v1/ready'
    """
    for name, (variable, path) in _PAGES.items():
        if name in command:
            return f"http://127.0.0.1:{environment.get(variable, '')}{path}"
    return None


def main() -> int:
    """Return 0 if the first process is healthy, 1 if it is not; one of the two says why."""
    command = Path("/proc/1/cmdline").read_text().split("\0")
    page = page_of(command, os.environ)
    if page is None:
        return 0
    try:
        with urllib.request.urlopen(page, timeout=4) as answer:
            return 0 if answer.status == 200 else 1
    except (OSError, ValueError) as error:
        print(f"expected {page} to answer 200, but {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
