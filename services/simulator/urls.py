"""Where the simulator serves what, on its one port."""

from __future__ import annotations

LOOPBACK = "127.0.0.1"

COINBASE = "/coinbase"
KRAKEN = "/kraken"
BINANCE = "/binance"
COINGECKO = "/coingecko"

_WEBSOCKETS = {"coinbase": COINBASE, "kraken": f"{KRAKEN}/v2", "binance": BINANCE}
_REST = {"coinbase": COINBASE, "kraken": KRAKEN, "binance": BINANCE, "coingecko": COINGECKO}


def simulated_urls(port: int) -> dict[str, str]:
    """Return the settings that point everything at the simulator on `port`, by their names.

    >>> simulated_urls(8100)["kraken_websocket_url"]
    'ws://127.0.0.1:8100/kraken/v2'
    """
    host = f"{LOOPBACK}:{port}"
    urls = {f"{name}_websocket_url": f"ws://{host}{path}" for name, path in _WEBSOCKETS.items()}
    urls |= {f"{name}_rest_url": f"http://{host}{path}" for name, path in _REST.items()}
    return urls
