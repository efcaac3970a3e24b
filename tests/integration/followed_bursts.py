"""What the tick topics hold, as one who follows them takes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from models.records.bursts import QuoteBurst, TradeBurst, decode_quotes, decode_trades
from models.settings import Settings
from tests.integration.topic_records import read_topic


class FollowedBurst(NamedTuple):
    """A burst and the topic's exchange, kind and partition it lies in."""

    exchange: str
    kind: Literal["quotes", "trades"]
    partition: int
    burst: QuoteBurst | TradeBurst


def followed_bursts(settings: Settings) -> Iterator[FollowedBurst]:
    """Yield the bursts of every tick topic in their order.

    Those of a former owner that wrote on are left out, as nobody follows them.
    """
    for exchange in settings.exchanges:
        for kind in ("quotes", "trades"):
            epochs: dict[int, int] = {}
            for record in read_topic(settings, f"{exchange}_{kind}"):
                burst = (
                    decode_quotes(record.value) if kind == "quotes" else decode_trades(record.value)
                )
                if burst.epoch >= epochs.get(record.partition, 0):
                    epochs[record.partition] = burst.epoch
                    yield FollowedBurst(exchange, kind, record.partition, burst)
