"""The skew of an exchange's clock as `feeds` shows it, also where quotes carry no time."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from models.records.reference import Feed
from tests.integration.ingestion_in_memory import Clock, Ingestion, simulator_of


@pytest.mark.parametrize("exchange", ["binance", "coinbase", "kraken"])
def test_the_skew_of_an_exchange_is_shown_once_a_frame_has_told_its_own_time(exchange: str) -> None:
    """Binance's trades tell one; simulator and worker have one clock, so it is small."""

    async def run() -> None:
        clock = Clock(1.0)
        changes = {"exchanges": [exchange], "warm_start_hours": 0.0}
        async with (
            simulator_of(clock) as simulator,
            Ingestion(simulator, clock, **changes) as line,
        ):
            wanted = {market.market for market in line.markets()}

            def feeds() -> dict[str, Feed]:
                values = [value for _, _, value in line.log.sent["feeds"]]
                records = [msgspec.json.decode(value, type=Feed) for value in values]
                return {record.market: record for record in records}

            def told() -> bool:
                found = feeds()
                return found.keys() == wanted and all(
                    record.clock_skew_ms is not None for record in found.values()
                )

            await line.until(told, "the skew of every market's exchange")
            for record in feeds().values():
                assert record.clock_skew_ms is not None
                assert -1.0 <= record.clock_skew_ms < 1_000.0

    asyncio.run(run())
