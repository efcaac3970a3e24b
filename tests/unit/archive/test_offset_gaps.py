"""Where a fetch begins too late, and how far a store is behind."""

from __future__ import annotations

import structlog

from agents.archive.metrics import StoreMetrics
from agents.archive.offset_gaps import OffsetGaps
from agents.archive.source import ArchiveSource
from agents.archive.store_source import Lag, lag_by_topic
from models.archive.chunks import ChunkCutter

_PLACE = ("kraken_quotes", 3)


def gaps_and_metrics() -> tuple[OffsetGaps, StoreMetrics]:
    """Return what knows of no gap, and what counts for it."""
    metrics = StoreMetrics("archive")
    return OffsetGaps(metrics, structlog.get_logger()), metrics


def source(topic: str, partition: int, offset: int) -> ArchiveSource:
    """Return a source that is archived up to an offset."""
    return ArchiveSource(ChunkCutter(topic, partition, offset, 10), offset)


def test_offsets_count_as_never_held_once_three_seeks_brought_the_same_fetch() -> None:
    """One that begins elsewhere is counted anew, and so is one after what lay between came."""
    gaps, _ = gaps_and_metrics()
    assert [gaps.was_never_held(_PLACE, 95) for _ in range(4)] == [False, False, False, True]
    assert not gaps.was_never_held(_PLACE, 97)
    for _ in range(2):
        gaps.was_never_held(_PLACE, 97)
    gaps.closed(_PLACE)
    assert not gaps.was_never_held(_PLACE, 97)


def test_a_seek_is_due_once_for_each_fetch_that_began_too_late() -> None:
    gaps, _ = gaps_and_metrics()
    gaps.was_never_held(_PLACE, 95)
    assert gaps.take_due() == {_PLACE: 95}
    assert gaps.take_due() == {}
    gaps.was_never_held(_PLACE, 95)
    gaps.forget()
    assert gaps.take_due() == {}


def test_reading_goes_on_where_writing_ended_unless_kafka_has_lost_that() -> None:
    """What is lost is counted; a topic that was never written to begins where Kafka does."""
    gaps, metrics = gaps_and_metrics()
    assert gaps.begin_at(_PLACE, beginning=20, written_up_to=None) == 20
    assert gaps.begin_at(_PLACE, beginning=20, written_up_to=50) == 50
    assert gaps.begin_at(_PLACE, beginning=20, written_up_to=7) == 20
    lost = metrics.registry.get_sample_value(
        "cointide_archive_lost_offsets_total", {"topic": _PLACE[0]}
    )
    assert lost == 13


def test_the_lag_of_a_topic_is_that_of_all_its_sources() -> None:
    """Records are added up, the oldest one counts; an end that is not known adds nothing."""
    first, second, other = source("a", 0, 10), source("a", 1, 20), source("b", 0, 5)
    for place, at_ms in ((first, 8_000), (second, 5_000)):
        place.take(place.next_offset, b"value", at_ms)
    ends = {("a", 0): 15, ("a", 1): 27}
    found = lag_by_topic(
        ["a", "b", "c"], [first, second, other], lambda *place: ends.get(place), now=9.0
    )
    assert found == {"a": Lag(12, 4.0), "b": Lag(), "c": Lag()}
