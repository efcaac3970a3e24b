"""What `helm test` does: is the gateway ready, and does it answer one spread?"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from typing import Any

_LIMIT_S = 120.0
_PAUSE_S = 2.0


def ask(address: str) -> dict[str, Any]:
    """Return what the gateway answers; the first API key goes along if there is one."""
    keys = json.loads(os.environ.get("COINTIDE_API_KEYS") or "[]")
    request = urllib.request.Request(address, headers={"X-API-Key": keys[0]} if keys else {})
    with urllib.request.urlopen(request, timeout=5) as answer:
        body: dict[str, Any] = json.load(answer)
    return body


def spread_of(gateway: str) -> dict[str, Any]:
    """Return the spread figures of the first market of a gateway that is ready.

    Raises:
        LookupError: there is none, or it is not ready.
        OSError: it did not answer, or refused.
    """
    if ask(f"{gateway}/v1/ready").get("ready") is not True:
        raise LookupError("the gateway is not ready")
    spreads = ask(f"{gateway}/v1/spreads?limit=1")["data"]
    if not spreads:
        raise LookupError("there is no spread yet")
    spread: dict[str, Any] = spreads[0]
    return spread


def main(gateway: str, limit_s: float = _LIMIT_S) -> int:
    """Try for a while; return 0 and print the spread when there is one."""
    end = time.monotonic() + limit_s
    while True:
        try:
            spread = spread_of(gateway)
        except (OSError, LookupError) as error:
            if time.monotonic() > end or getattr(error, "code", 0) in {401, 403}:
                print(f"expected a spread of {gateway}, but {error}", file=sys.stderr)
                return 1
            time.sleep(_PAUSE_S)
        else:
            print(f"{spread['market']} as of {spread['as_of']}: {spread['spread']}")
            return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
