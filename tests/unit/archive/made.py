"""Records for the archive's tests: bursts of captures and of chance."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import msgspec

from agents.ingestion.source_state import OutgoingBurst
from models.archive.chunks import ArchivedRecord, Chunk, ChunkCutter
from models.records.reference import Feed, FeedStatus, encode_reference
from models.settings import Settings
from tests.burst_log import MADE_CAPTURES, bursts_of, captured
from tests.unit.gateway.made import BTC, ETH, feed, spreads
from tests.unit.gateway.made_derived import bars, indicators, returns, value_of

START_MS = 1_700_000_000_000


def captured_records(
    captures: Sequence[Path] = MADE_CAPTURES,
    every_ms: int = 250,
    start_ms: int = START_MS,
) -> dict[tuple[str, int], list[ArchivedRecord]]:
    """Return by topic and partition the records of a replay, so many milliseconds apart."""
    records: dict[tuple[str, int], list[ArchivedRecord]] = {}
    for burst in _bursts(tuple(captures)):
        log = records.setdefault((burst.topic, burst.partition), [])
        log.append(ArchivedRecord(len(log), start_ms + len(log) * every_ms, burst.key, burst.value))
    return records


@cache
def _bursts(captures: tuple[Path, ...]) -> list[OutgoingBurst]:
    return bursts_of(captured(captures), Settings())


def chunks_of(
    topic: str,
    partition: int,
    records: Sequence[ArchivedRecord],
    seconds: int = 60,
    largest_bytes: int = 1 << 25,
) -> list[Chunk]:
    """Return all chunks of these records, the open one too."""
    cutter = ChunkCutter(topic, partition, records[0].offset, seconds, 0, largest_bytes)
    chunks = [chunk for record in records if (chunk := cutter.take(record))]
    last = cutter.finish()
    return [*chunks, last] if last else chunks


def made_derived(
    count: int = 300, start_ms: int = START_MS
) -> dict[tuple[str, int], list[ArchivedRecord]]:
    """Return by topic and partition so many records of every derived topic, a second apart."""
    values = {
        "spreads": [spreads(second, (BTC, ETH)).value for second in range(count)],
        "bars": [
            value_of(bars(minute, {BTC: 100.0, ETH: None if minute % 3 else 7.5}))
            for minute in range(count)
        ],
        "indicators": [value_of(indicators(minute)) for minute in range(count)],
        "returns": [
            value_of(returns(second, {"BTC": 100.0, "ETH": None})) for second in range(count)
        ],
        "feeds": [
            _feed((BTC, ETH)[second % 2], second // 4 * 4, second) for second in range(count)
        ],
    }
    return {
        (topic, 2): [
            ArchivedRecord(offset, start_ms + offset * 1_000, b"key", value)
            for offset, value in enumerate(each)
        ]
        for topic, each in values.items()
    }


def _feed(market: str, since: int, as_of: int) -> bytes:
    record = feed(0, market, as_of).record
    assert isinstance(record, Feed)
    status: FeedStatus = "live" if since % 8 else "stale"
    began = feed(0, market, since).record
    assert isinstance(began, Feed)
    return encode_reference(msgspec.structs.replace(record, since=began.since, status=status))
