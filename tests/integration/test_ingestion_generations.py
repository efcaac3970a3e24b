"""What a worker of ingestion keeps over the generations of its group, beside a real simulator."""

from __future__ import annotations

import asyncio

from agents.ingestion.source_state import Found
from models.records.bursts import EVERY_MARKET, QuoteBurst, decode_quotes
from tests.integration.ingestion_in_memory import SECOND, Clock, Ingestion, simulator_of

_PARTITION = 0


def _bursts(ingestion: Ingestion, since: int = 0) -> list[QuoteBurst]:
    """Return the bursts of the partition with ticks, without the first so many."""
    sent = [decode_quotes(v) for p, _, v in ingestion.log.sent["kraken_quotes"] if p == _PARTITION]
    return [burst for burst in sent if burst.flags][since:]


async def _flowing(ingestion: Ingestion) -> int:
    """Wait for more bursts; return how many there are then."""
    before = len(_bursts(ingestion))
    await ingestion.until(lambda: len(_bursts(ingestion)) > before + 3, "more bursts")
    return len(_bursts(ingestion))


def test_what_stays_in_the_next_generation_goes_on_in_its_epoch() -> None:
    """Its sockets stay open: a rebalance among others makes no hole."""

    async def story() -> None:
        clock = Clock(1.0)
        async with simulator_of(clock) as simulator, Ingestion(simulator, clock) as ingestion:
            before = await _flowing(ingestion)
            await ingestion.own([_PARTITION])
            await _flowing(ingestion)
            after = _bursts(ingestion, before)
            assert {burst.epoch for burst in after} == {1}
            assert not [row for burst in after for row in burst.unseen]

    asyncio.run(story())


def test_after_a_generation_without_this_worker_nothing_is_kept() -> None:
    """Whoever had the partition meanwhile wrote in a later epoch: this one goes on above it."""

    async def story() -> None:
        clock = Clock(1.0)
        async with simulator_of(clock) as simulator, Ingestion(simulator, clock) as ingestion:
            before = await _flowing(ingestion)
            ingestion.generation += 1
            theirs = clock() - SECOND // 10
            ingestion.found = {_PARTITION: Found(7, {"quotes": theirs, "trades": theirs})}
            await ingestion.own(range(2))
            await _flowing(ingestion)
            after = [burst for burst in _bursts(ingestion, before) if burst.epoch > 1]
            assert {burst.epoch for burst in after} == {8}
            rows = [row for burst in after for row in burst.unseen if row.market == EVERY_MARKET]
            assert rows[0].start == theirs

    asyncio.run(story())
