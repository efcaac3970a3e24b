"""The connections of one source: its markets over as many sockets as they need."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from agents.ingestion.line import ExchangeLine
from agents.ingestion.sockets import Endpoint, MarketSocket
from agents.ingestion.subscriptions import BINANCE_PULSE, CHANNELS
from models.records.reference import Market


class SourceFeed:
    """Follows the markets of one exchange whose coins fall into one partition."""

    def __init__(
        self, partition: int, endpoint: Endpoint, line: ExchangeLine, now: Callable[[], int]
    ) -> None:
        """Follow nothing yet; `now` gives receive times."""
        self.markets: dict[str, Market] = {}
        self._partition = partition
        self._endpoint = endpoint
        self._line = line
        self._now = now
        self._sockets: list[MarketSocket] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._opened = 0

    @property
    def reconnects(self) -> int:
        """How often connections of this source were opened again."""
        return sum(socket.reconnects for socket in self._sockets)

    def follow(self, markets: Iterable[Market]) -> None:
        """Follow these markets from now on."""
        new = [market for market in markets if market.market not in self.markets]
        self.markets.update({market.market: market for market in new})
        symbols = [market.symbol for market in new]
        for socket in self._sockets:
            if symbols and socket.free > 0:
                socket.add(symbols[: socket.free])
                symbols = symbols[socket.free :]
        capacity = CHANNELS[self._endpoint.exchange].capacity
        for start in range(0, len(symbols), capacity):
            self._open(symbols[start : start + capacity])

    def leave(self, names: Iterable[str]) -> None:
        """Follow these markets no more."""
        source = self._line.source(self._partition)
        for name in names:
            market = self.markets.pop(name, None)
            if market is None:
                continue
            for socket in self._sockets:
                socket.remove([market.symbol])
            if source is not None:
                source.retire(name)

    async def close(self) -> None:
        """Close every connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self._sockets.clear()
        self.markets.clear()

    def failure(self) -> BaseException | None:
        """Return what ended a connection's task, which only a bug can."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and task.exception() is not None:
                return task.exception()
        return None

    def _open(self, symbols: list[str]) -> None:
        exchange = self._endpoint.exchange
        is_pulsed = exchange == "binance" and BINANCE_PULSE not in symbols
        self._opened += 1
        name = f"{exchange}-{self._partition}-{self._opened}"
        socket = MarketSocket(
            name,
            self._endpoint,
            self._line,
            symbols,
            self._now,
            BINANCE_PULSE if is_pulsed else None,
        )
        self._sockets.append(socket)
        self._tasks.append(asyncio.create_task(socket.run(), name=name))
