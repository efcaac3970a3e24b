"""History is one series, wherever its rows lie: a plain dict says the same."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.archive.store import open_store
from agents.runtime.topic_reader import TopicRecord
from models.settings import Settings
from services.history.log import KafkaLog, MemoryHistory
from services.history.merging import Stream, last_of_each, merged
from services.history.parquet import ParquetHistory
from services.history.recorded import RecordedHistory
from services.history.series import History
from services.history.source import Series, Span
from tests.unit.gateway.made import BTC, ETH, START, spreads
from tests.unit.history.made import PARTITIONS, archive, records_of

_SECOND = 1_000_000_000
_SERIES = Series("spreads", BTC)
_MOST = 90


class ListedLog(KafkaLog):
    """A log in a list; what lies before `low` is deleted."""

    def __init__(self, values: Sequence[bytes], low: int) -> None:
        self._values = values
        self._low = low

    @contextmanager
    def held(
        self,
        topic: str,
        partition: int,
        after: int,
        start: int,  # noqa: ARG002
    ) -> Iterator[tuple[int, Iterator[TopicRecord]]]:
        """Give all from `after` on."""
        yield (
            self._low,
            iter(
                TopicRecord(topic, partition, offset, None, value)
                for offset, value in enumerate(self._values)
                if offset >= max(after, self._low)
            ),
        )


class Fast:
    """A place that has some of the rows by time."""

    def __init__(self, place: MemoryHistory, span: Span | None) -> None:
        self._place = place
        self._span = span

    def span(self, series: Series) -> Span | None:  # noqa: ARG002
        """Return what it has."""
        return self._span

    def rows(self, series: Series, start: int, end: int) -> Iterator[pa.RecordBatch]:
        """Yield rows within what it has."""
        assert self._span is not None
        assert self._span.start <= start < end <= self._span.end
        yield from self._place.rows(series, start, end)


@st.composite
def logs(draw: st.DrawFn) -> list[int]:
    """Return the seconds of a log's records: in order, some left out, the newest also again."""
    seconds: list[int] = []
    for second in range(draw(st.integers(5, _MOST))):
        if draw(st.integers(0, 9)):
            seconds.append(second)
        if seconds and not draw(st.integers(0, 15)):
            seconds += seconds[-draw(st.integers(1, 5)) :]
    return seconds or [0]


@settings(max_examples=40, deadline=None)
@given(data=st.data(), seconds=logs())
def test_a_series_is_the_same_wherever_it_is_cut(data: st.DataObject, seconds: list[int]) -> None:
    """Archive up to an offset, log from an earlier one on, memory and a fast place by time."""
    values = [spreads(second, [BTC, ETH], 1.0 + second).value for second in seconds]
    archived = data.draw(st.integers(0, len(values)), "archived")
    low = data.draw(st.integers(0, len(values)), "low")
    begins, fast_from, fast_until = sorted(data.draw(st.integers(0, _MOST)) for _ in range(3))
    if data.draw(st.booleans()):
        begins, fast_from = fast_from, begins
    start, end = sorted(data.draw(st.integers(-1, _MOST + 1)) for _ in range(2))
    newest: dict[int, tuple[int, bytes]] = {}
    for offset, (second, value) in enumerate(zip(seconds, values, strict=True)):
        newest.setdefault(second, (offset, value))
    by_time = [newest[second] for second in sorted(newest)]
    memory = MemoryHistory(
        [each for second, each in sorted(newest.items()) if second >= begins],
        (START + begins) * _SECOND,
    )
    span = Span((START + fast_from) * _SECOND, (START + fast_until) * _SECOND)
    fast = Fast(MemoryHistory(by_time, 0), span if fast_from < fast_until else None)
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Settings(data_dir=Path(folder)))
        if archived:
            archive(store, "spreads", records_of(values[:archived]), 20)
        recorded = RecordedHistory(
            ParquetHistory(store, PARTITIONS), ListedLog(values, min(low, archived))
        )
        first = memory if data.draw(st.booleans(), "memory") else None
        history = History(recorded, [fast])
        found = history.read(_SERIES, (START + start) * _SECOND, (START + end) * _SECOND, first)
        rows = [row for batch in found.rows for row in batch.to_pylist()]
        # Nothing lies between archive and log, so nothing is lost.
        assert found.gaps == []
        if low > archived:
            holed = RecordedHistory(ParquetHistory(store, PARTITIONS), ListedLog(values, low))
            _check_told(History(holed), seconds, archived, low)
    assert [(int(row["as_of"].timestamp()) - START, row["spread"]) for row in rows] == [
        (second, 1.0 + second) for second in sorted(newest) if start <= second < end
    ]
    assert {row["market"] for row in rows} <= {BTC}


def _check_told(history: History, seconds: list[int], archived: int, low: int) -> None:
    """See that every missing second is within a gap, where the log goes on behind it."""
    found = history.read(_SERIES, START * _SECOND, (START + _MOST) * _SECOND)
    there = {
        int(row["as_of"].timestamp()) - START for batch in found.rows for row in batch.to_pylist()
    }
    assert there == {*seconds[:archived], *seconds[low:]}
    if not archived or low >= len(seconds):
        return
    for second in set(seconds) - there:
        time = (START + second) * _SECOND
        assert any(span.start <= time < span.end for span in found.gaps)


@settings(max_examples=150, deadline=None)
@given(
    parts=st.lists(
        st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), max_size=12), max_size=6
    ),
    cut=st.integers(1, 5),
    at_once=st.integers(1, 20),
)
def test_streams_that_overlap_are_merged(
    parts: list[list[tuple[int, int]]], cut: int, at_once: int
) -> None:
    """All rows in their order, those of one time in one table."""
    kind = pa.timestamp("us", "UTC")

    def stream(rows: list[tuple[int, int]]) -> Stream:
        rows = sorted(rows)
        batches = [
            pa.record_batch(
                {
                    "as_of": pa.array([time for time, _ in part], pa.int64()).cast(kind),
                    "offset": pa.array([offset for _, offset in part], pa.int64()),
                }
            )
            for part in (rows[i : i + cut] for i in range(0, len(rows), cut))
        ]
        return Stream(rows[0][0] if rows else 0, lambda: iter(batches))

    tables = list(merged(map(stream, parts), "as_of", ["as_of", "offset"], at_once))
    times = [np.unique(table["as_of"].cast(pa.int64()).to_numpy()) for table in tables]
    assert len(np.concatenate([*times, np.zeros(0)])) == len({t for each in times for t in each})
    found = [
        (time, offset)
        for table in tables
        for time, offset in zip(
            table["as_of"].cast(pa.int64()).to_pylist(), table["offset"].to_pylist(), strict=True
        )
    ]
    assert found == sorted(row for rows in parts for row in rows)
    last = [
        (int(row["as_of"].timestamp() * 1e6 + 0.5), row["offset"])
        for table in tables
        for row in last_of_each(table, ["as_of"]).to_pylist()
    ]
    assert last == sorted(dict(found).items())
