"""What is read of one topic, against a list of everything that was taken."""

from __future__ import annotations

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from agents.runtime.source_log import Position, SourceLog
from models.errors import InvariantError, RecordError
from models.records.bursts import Unseen, decode_quotes
from tests.made_bursts import SECOND, START, QuoteTick, quote_burst
from tests.stories import MARKETS, QUARTER, REASONS

OFFSETS = st.integers(0, 20).map(lambda quarters: START + quarters * QUARTER)


class Reader:
    """A log that is read, and market names by their codes."""

    def __init__(self, position: Position) -> None:
        self.codes: list[str] = []
        self.log = SourceLog(decode_quotes, {"bid": "<f8", "ask": "<f8"}, self._code, position)

    def ticks_before(self, end: int) -> list[QuoteTick]:
        """Return the ticks that the log hands out."""
        market, columns = self.log.ticks_before(end)
        return [
            QuoteTick(self.codes[code], time, bid, ask)
            for code, time, bid, ask in zip(
                market.tolist(),
                columns["time"].tolist(),
                columns["bid"].tolist(),
                columns["ask"].tolist(),
                strict=True,
            )
        ]

    def _code(self, name: str) -> int:
        if name not in self.codes:
            self.codes.append(name)
        return self.codes.index(name)


Part = tuple[int, int, list[QuoteTick], list[Unseen]]
"""A burst: epoch, clock, ticks, unseen intervals."""


@st.composite
def parts(draw: st.DrawFn) -> list[Part]:
    """Draw bursts of owners that write one after the other, or for a while side by side."""
    drawn: list[Part] = []
    for place in range(draw(st.integers(1, 8))):
        ticks = [
            QuoteTick(draw(st.sampled_from(MARKETS)), draw(OFFSETS), 10.0 * place + number, 99.0)
            for number in range(draw(st.integers(0, 4)))
        ]
        unseen = [
            Unseen("*", start, start + draw(st.sampled_from((0, QUARTER, SECOND))), reason)
            for start, reason in draw(
                st.lists(st.tuples(OFFSETS, st.sampled_from(REASONS)), max_size=2)
            )
        ]
        drawn.append((draw(st.sampled_from((3, 3, 3, 4, 5))), draw(OFFSETS), ticks, unseen))
    return drawn


def heard(taken: list[Part]) -> dict[int, Part]:
    """Return by offset the bursts that count: none of an epoch below one seen before it."""
    return {
        offset: part
        for offset, part in enumerate(taken)
        if part[0] >= max(earlier[0] for earlier in taken[: offset + 1])
    }


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_ticks_intervals_and_positions_are_what_a_list_of_everything_says(
    data: st.DataObject,
) -> None:
    """Whenever seconds are closed while bursts come in."""
    drawn = data.draw(parts())
    reader = Reader(Position(0, 0))
    end = START
    taken: list[Part] = []
    out: list[QuoteTick] = []
    for offset, (epoch, clock, ticks, unseen) in enumerate(drawn):
        reader.log.take(offset, quote_burst(clock, ticks, unseen, epoch=epoch))
        taken.append(drawn[offset])
        counted = heard(taken)
        every = [tick for part in counted.values() for tick in part[2]]
        rows = [row for part in counted.values() for row in part[3]]
        assert reader.log.clock == max(part[1] for part in counted.values())
        assert reader.log.epoch == max(part[0] for part in taken)
        assert reader.log.ignored == len(taken) - len(counted)
        left = [tick.time for tick in every if tick not in out]
        if end == START:
            earliest = min(left + [row.start for row in rows], default=None)
            assert reader.log.earliest_time() == earliest
        for _ in range(data.draw(st.integers(0, 2))):
            begin, end = end, end + SECOND
            fresh = [tick for tick in every if tick.time < end and tick not in out]
            assert reader.ticks_before(end) == sorted(fresh, key=lambda tick: tick.time)
            out += fresh
            within = [r for r in rows if r.start < end and (r.end > begin or r.start >= begin)]
            assert list(reader.log.unseen_within(begin, end)) == within
            assert reader.log.position(end) == position_by_hand(taken, end)


def position_by_hand(taken: list[Part], boundary: int) -> Position:
    """Return where to go on when everything before `boundary` is closed, by the definition."""
    offset = len(taken)
    for place, (_, clock, ticks, unseen) in heard(taken).items():
        needed = [
            *(tick.time >= boundary for tick in ticks),
            *(row.end > boundary or row.start >= boundary for row in unseen),
            clock >= boundary + SECOND,
        ]
        if any(needed):
            offset = place
            break
    return Position(offset, max((part[0] for part in taken[:offset]), default=0))


@settings(max_examples=150, deadline=None)
@given(parts(), st.integers(0, 6))
def test_reading_again_from_a_position_gives_the_same_ticks_behind_its_boundary(
    drawn: list[Part], seconds: int
) -> None:
    """And again the clock, once it has passed the next second, whoever owned the source."""
    boundary = START + seconds * SECOND
    values = [quote_burst(clock, ticks, rows, epoch=e) for e, clock, ticks, rows in drawn]
    first = Reader(Position(0, 0))
    for offset, value in enumerate(values):
        first.log.take(offset, value)
    first.ticks_before(boundary)
    position = first.log.position(boundary)
    second = Reader(position)
    for offset, value in enumerate(values[position.offset :], position.offset):
        second.log.take(offset, value)
    second.ticks_before(boundary)
    never = START + 3600 * SECOND
    assert second.ticks_before(never) == first.ticks_before(never)
    assert second.log.epoch == first.log.epoch
    assert list(second.log.unseen_within(boundary, never)) == list(
        first.log.unseen_within(boundary, never)
    )
    assert first.log.clock is not None
    if first.log.clock >= boundary + SECOND:
        assert second.log.clock == first.log.clock
    event("something was left out" if position.offset else "all was read again")


def test_a_record_taken_before_is_skipped_and_a_missing_one_breaks_an_invariant() -> None:
    """An undecodable one counts as taken."""
    log = Reader(Position(5, 0)).log
    log.take(4, b"no burst")
    log.take(5, quote_burst(START))
    log.take(5, b"no burst")
    with pytest.raises(RecordError):
        log.take(6, b"no burst")
    assert log.next_offset == 7
    with pytest.raises(InvariantError, match="expected offset 7, was 9"):
        log.take(9, quote_burst(START))


def test_bursts_of_an_epoch_below_the_one_of_the_position_are_ignored() -> None:
    """The position holds it, as the bursts that told it are not read again."""
    log = Reader(Position(5, 7)).log
    log.take(5, quote_burst(START + SECOND, [QuoteTick(MARKETS[0], START, 1.0, 2.0)], epoch=6))
    assert (log.clock, log.ignored, log.earliest_time()) == (None, 1, None)
    log.take(6, quote_burst(START, epoch=7))
    assert log.clock == START


def test_columns_come_with_their_own_types() -> None:
    reader = Reader(Position(0, 0))
    reader.log.take(0, quote_burst(START, [QuoteTick(MARKETS[0], START, 1.0, 2.0)]))
    market, columns = reader.log.ticks_before(START + 1)
    assert [market.dtype.str, columns["time"].dtype.str, columns["bid"].dtype.str] == [
        "<u2",
        "<i8",
        "<f8",
    ]
