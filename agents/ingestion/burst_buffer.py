"""Ticks of one kind and source, gathering into the next burst."""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.ingestion.exchanges.events import Kind, Quote, Trade
from models.records.bursts import (
    SCHEMA_VERSION,
    QuoteBurst,
    TradeBurst,
    Unseen,
    encode_burst,
)

_QUOTE_FIELDS = {"bid": "<f8", "bid_size": "<f8", "ask": "<f8", "ask_size": "<f8"}
_TRADE_FIELDS = {"price": "<f8", "size": "<f8", "side": "i1", "trade_id": "<i8"}


class BurstBuffer:
    """The burst of one topic partition that is not sent yet."""

    def __init__(self, kind: Kind, exchange: str, partition: int, epoch: int) -> None:
        """Hold nothing; `epoch` is the owner's."""
        self.kind = kind
        self.last_sent: int | None = None
        self.last_clock: int | None = None
        self.oldest: int | None = None
        self._exchange = exchange
        self._partition = partition
        self._epoch = epoch
        self._ticks: list[Any] = []
        self._times: list[tuple[int, int, int]] = []
        self._unseen: list[Unseen] = []

    def add(self, tick: Quote | Trade, time: int, receive_time: int, flags: int) -> None:
        """Add a tick, placed at `time`, that was received at `receive_time`."""
        if self.oldest is None:
            self.oldest = receive_time
        self._ticks.append(tick)
        self._times.append((time, receive_time, flags))

    def add_unseen(self, row: Unseen) -> None:
        """Add an unseen interval."""
        self._unseen.append(row)

    def take(self, receive_time: int, clock: int) -> bytes:
        """Return the burst as a Kafka value and begin the next one."""
        ticks, times, unseen = self._ticks, self._times, self._unseen
        self._ticks, self._times, self._unseen = [], [], []
        self.oldest = None
        self.last_sent, self.last_clock = receive_time, clock
        codes: dict[str, int] = {}
        market = [codes.setdefault(tick.market, len(codes)) for tick in ticks]
        place = np.array(times, np.int64).reshape(-1, 3)
        is_quotes = self.kind == "quotes"
        columns = {
            name: np.array([getattr(tick, name) for tick in ticks], kind).tobytes()
            for name, kind in (_QUOTE_FIELDS if is_quotes else _TRADE_FIELDS).items()
        }
        burst: type[QuoteBurst] | type[TradeBurst] = QuoteBurst if is_quotes else TradeBurst
        return encode_burst(
            burst(
                version=SCHEMA_VERSION,
                exchange=self._exchange,
                partition=self._partition,
                epoch=self._epoch,
                clock=clock,
                markets=list(codes),
                market=np.array(market, "<u2").tobytes(),
                time=place[:, 0].astype("<i8").tobytes(),
                receive_time=place[:, 1].astype("<i8").tobytes(),
                own_time=np.array([tick.own_time for tick in ticks], "<i8").tobytes(),
                flags=place[:, 2].astype(np.uint8).tobytes(),
                unseen=unseen,
                **columns,
            )
        )
