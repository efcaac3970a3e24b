"""Chunks: where records are cut, and that a writer that starts again cuts the same."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from models.archive.chunks import ArchivedRecord, Chunk, ChunkCutter

_SECONDS = 5
_BYTES = 40


@st.composite
def records(draw: st.DrawFn) -> list[ArchivedRecord]:
    """Records with timestamps that go on, stand, leap and go back, and offsets with holes."""
    offset, timestamp = draw(st.integers(0, 50)), 1_700_000_000_000
    made: list[ArchivedRecord] = []
    for _ in range(draw(st.integers(1, 40))):
        offset += draw(st.sampled_from([1, 1, 1, 2, 9]))
        timestamp += draw(st.sampled_from([0, 1, 900, 2_500, 4_999, 5_000, 61_000, -3_000]))
        value = draw(st.one_of(st.none(), st.binary(max_size=30)))
        made.append(ArchivedRecord(offset, timestamp, None, value))
    return made


def cut(records: Sequence[ArchivedRecord], before: Chunk | None = None) -> list[Chunk]:
    """Return the chunks that these records finish, after the chunk before."""
    position = records[0].offset if before is None else before.last_offset + 1
    cutter = ChunkCutter("t", 0, position, _SECONDS, 0 if before is None else before.start, _BYTES)
    return [chunk for record in records if (chunk := cutter.take(record))]


@given(records())
def test_every_record_is_in_one_chunk_in_its_order(made: list[ArchivedRecord]) -> None:
    cutter = ChunkCutter("t", 0, made[0].offset, _SECONDS, 0, _BYTES)
    chunks = [chunk for record in made if (chunk := cutter.take(record))]
    last = cutter.finish()
    assert last is not None
    chunks.append(last)
    assert [record for chunk in chunks for record in chunk.records] == made
    assert cutter.finish() is None
    position = made[0].offset
    for chunk in chunks:
        assert chunk.begins_after == position
        position = chunk.last_offset + 1


@given(records())
def test_a_chunk_lies_in_one_slot_and_is_as_large_as_it_may_be(made: list[ArchivedRecord]) -> None:
    chunks = cut(made)
    following = [chunk.records[0] for chunk in chunks[1:]]
    newest = 0
    for chunk, after in zip(chunks, following, strict=False):
        for record in chunk.records:
            newest = max(newest, record.timestamp // 1_000)
            # A timestamp before the newest slot belongs to that.
            assert newest // _SECONDS * _SECONDS == chunk.start
        assert chunk.size <= _BYTES or len(chunk.records) == 1
        is_beyond = after.timestamp // 1_000 >= chunk.start + _SECONDS
        assert is_beyond or chunk.size + after.size > _BYTES


@given(records(), st.data())
def test_a_writer_that_starts_again_cuts_the_same(
    made: list[ArchivedRecord], data: st.DataObject
) -> None:
    """Killed after any record, as often as may be: it goes on after the last archived chunk."""
    expected = cut(made)
    archived: list[Chunk] = []
    read = 0
    while read < len(made):
        before = archived[-1] if archived else None
        left = [r for r in made if before is None or r.offset > before.last_offset]
        until = data.draw(st.integers(1, len(left)))
        new = cut(left[:until], before)
        # It may die with any number of the finished chunks archived.
        done = data.draw(st.integers(0, len(new))) if until < len(left) else len(new)
        archived += new[:done]
        read = max(read, len(made) - len(left) + until)
    assert archived == expected


def test_what_was_taken_before_is_passed_over() -> None:
    cutter = ChunkCutter("t", 0, 5, 60)
    for offset in (3, 4, 5, 5, 6, 4):
        assert cutter.take(ArchivedRecord(offset, 0, None, b"")) is None
    chunk = cutter.finish()
    assert chunk is not None
    assert [record.offset for record in chunk.records] == [5, 6]


def test_what_is_gone_ends_the_chunk_before_and_shows_in_the_one_after() -> None:
    cutter = ChunkCutter("t", 0, 5, 60)
    cutter.take(ArchivedRecord(5, 0, None, b""))
    before = cutter.skip_to(100)
    assert before is not None
    assert before.last_offset == 5
    cutter.take(ArchivedRecord(100, 0, None, b""))
    after = cutter.finish()
    assert after is not None
    assert after.begins_after == 100
