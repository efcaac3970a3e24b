"""What was read of one partition of `candles` and is not used yet, exchange by exchange."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import msgspec

from agents.bars.candles import newest_minute, read_candles
from agents.runtime.ordered_taker import OrderedTaker
from models.markets import coin_of, exchange_of
from models.partition import partition_of

BATCH_BYTES = 512 * 1024
"""How much is used at once; a batch is one changelog record, which Kafka holds up to 1 MB of."""


class Waiting(msgspec.Struct, frozen=True):
    """A record that waits until the source has closed its newest minute."""

    offset: int
    newest: int
    value: bytes


class CandleLog(OrderedTaker):
    """One partition of `candles`; every partition holds all coins, this one's alone are kept."""

    def __init__(self, partition: int, partitions: int, positions: Mapping[str, int]) -> None:
        """Read from the least of `positions`: by exchange the first record not yet used."""
        super().__init__(min(positions.values()))
        self._partition = partition
        self._partitions = partitions
        self._from = dict(positions)
        self._waiting: dict[str, deque[Waiting]] = {name: deque() for name in positions}

    def _take(self, offset: int, value: bytes | None) -> None:
        candles = read_candles(value)
        assert value is not None
        exchange = exchange_of(candles.market)
        if exchange not in self._waiting or offset < self._from[exchange]:
            return
        if partition_of(coin_of(candles.market), self._partitions) != self._partition:
            return
        self._waiting[exchange].append(Waiting(offset, newest_minute(candles), value))

    def batch(self, exchange: str, boundary: int) -> list[Waiting]:
        """Return the next records to use after all minutes before `boundary`, in their order."""
        batch: list[Waiting] = []
        size = 0
        for record in self._waiting[exchange]:
            size += len(record.value)
            if record.newest >= boundary or (batch and size > BATCH_BYTES):
                break
            batch.append(record)
        return batch

    def use(self, exchange: str, count: int) -> None:
        """Say that so many records of an exchange are used."""
        for _ in range(count):
            self._waiting[exchange].popleft()

    def position(self, exchange: str) -> int:
        """Return the first record that an exchange has not used."""
        waiting = self._waiting[exchange]
        return waiting[0].offset if waiting else max(self.next_offset, self._from[exchange])
