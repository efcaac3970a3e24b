"""Which parser reads which exchange."""

from __future__ import annotations

from collections.abc import Callable

from agents.ingestion.exchanges.binance import BinanceConnection
from agents.ingestion.exchanges.binance_symbols import Instruments
from agents.ingestion.exchanges.coinbase import CoinbaseConnection
from agents.ingestion.exchanges.events import Connection
from agents.ingestion.exchanges.kraken import KrakenConnection
from agents.ingestion.exchanges.memory import ExchangeMemory

_PARSERS: dict[str, Callable[[ExchangeMemory, Instruments], Connection]] = {
    "binance": BinanceConnection,
    "coinbase": lambda memory, _: CoinbaseConnection(memory),
    "kraken": lambda memory, _: KrakenConnection(memory),
}

EXCHANGES = tuple(_PARSERS)
"""The exchanges whose frames can be read."""


def open_connection(
    exchange: str, memory: ExchangeMemory, symbols: Instruments | None = None
) -> Connection:
    """Return the parser of a new connection to `exchange`.

    `memory` is shared by all connections to this exchange. `symbols` is Binance's instrument
    list; the others need none.

    Raises:
        KeyError: it is none of `EXCHANGES`.
    """
    return _PARSERS[exchange](memory, symbols or {})
