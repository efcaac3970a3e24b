"""Which records are written to Cassandra together, and what the writer then claims to have."""

from __future__ import annotations

import pytest

from models.archive.derived_tables import derived_rows, rows_table
from models.archive.packing import merged, pack, rows_of_markets, unpack
from models.archive.series_cutters import CUTTERS, series_cutter
from models.archive.series_cutting import Reach, ResumePoint, SeriesCutter
from models.errors import RecordError, StoreError
from models.topics import CORRELATIONS, FEEDS, SPREADS
from tests.unit.archive.made_series import keyed, rows_in_kafka, shown_rows
from tests.unit.gateway.made import BTC, ETH, START, spreads
from tests.unit.gateway.made_derived import TABLE, bars, blocks, value_of

_START_US = START * 1_000_000
_MINUTE_US = 60_000_000
_COINS = ("BTC", "ETH")
_MATRIX = [[1.0, 0.5], [0.5, 1.0]]


def cutter_of(
    topic: str, reaches: dict[str, Reach] | None = None, is_after_gap: bool = False
) -> SeriesCutter:
    """Return the cutter of a partition that is read from its beginning."""
    return series_cutter(ResumePoint(topic, 2, 0, reaches or {}, 20.0, is_after_gap))


def take(cutter: SeriesCutter, value: bytes, second: int = 0) -> None:
    """Hand over the next record; `second` is when it came, after the start, by Kafka."""
    cutter.take(cutter.next_offset, value, (START + second) * 1_000)


def from_coinbase(second: int) -> bytes:
    """Return a second of another source of the same partition."""
    return spreads(second, [BTC]).value.replace(b'"kraken"', b'"coinbase"')


def test_a_minute_ends_with_its_sources_first_record_of_a_later_one() -> None:
    """Not with another source's; what was sent twice is in it once."""
    cutter = cutter_of(SPREADS.name)
    for second in (1, 2, 3, 2, 3, 4):
        take(cutter, spreads(second).value, second)
    take(cutter, from_coinbase(61), 5)
    assert not cutter.finished
    assert cutter.written_up_to == 0
    take(cutter, spreads(60).value, 6)
    (unit,) = cutter.finished
    assert [record.offset for record in unit.records] == [0, 1, 2, 5]
    assert unit.reaches == {"kraken": Reach(_START_US + 1_000_000, _START_US + _MINUTE_US)}
    assert cutter.repeats == 2
    # The open minute of the other source is to be read again.
    assert cutter.written_up_to_with(1) == 6


def test_a_source_that_fell_silent_holds_nothing_up_and_goes_on_in_its_minute() -> None:
    cutter = cutter_of(SPREADS.name)
    take(cutter, from_coinbase(1), 1)
    for second in (1, 22):
        take(cutter, spreads(second).value, second)
    (unit,) = cutter.finished
    assert unit.reaches == {"coinbase": Reach(_START_US + 1_000_000, _START_US + 1_000_001)}
    cutter.done(1)
    assert cutter.written_up_to == 1
    take(cutter, from_coinbase(2), 23)
    cutter.close_idle(cutter.next_offset, float("inf"))
    _, again = cutter.finished
    assert again.continues
    assert [record.offset for record in again.records] == [3]


def test_a_minutes_last_whole_matrix_counts() -> None:
    """One of which a block is missing does not, as long as that may still come."""
    cutter = cutter_of(CORRELATIONS.name)
    first, second, third = (
        [value_of(block) for block in blocks(at, _COINS, _MATRIX)] for at in (10, 20, 70)
    )
    for value in (*first, first[0], second[0]):
        take(cutter, value)
    cutter.close_idle(cutter.next_offset, float("inf"))
    assert [[record.offset for record in unit.records] for unit in cutter.finished] == [[0, 1]]
    assert cutter.written_up_to_with(1) == 3
    for value in (second[1], third[0]):
        take(cutter, value)
    unit = cutter.finished[-1]
    assert [record.offset for record in unit.records] == [3, 4]
    assert unit.reaches == {TABLE: Reach(_START_US + 10_000_000, _START_US + _MINUTE_US)}


def test_after_missing_offsets_a_bar_of_long_ago_says_nothing() -> None:
    """It may have been published anew; what follows at once is claimed again."""
    bar = value_of(bars(0))
    known = {"kraken|1m": Reach(0, _START_US)}
    for reaches, expected in (({}, {}), (known, known)):
        cutter = cutter_of("bars", reaches, is_after_gap=True)
        take(cutter, bar, second=3_600)
        assert cutter.finished[-1].reaches == expected
        take(cutter, value_of(bars(60)), second=3_661)
        as_of = _START_US + 61 * _MINUTE_US
        assert cutter.finished[-1].reaches == {"kraken|1m": Reach(as_of, as_of + 1)}


def test_of_feeds_only_changes_are_written_and_idle_ones_are_told() -> None:
    cutter = cutter_of(FEEDS.name)
    template = '{{"market":"kraken:BTC-USD","exchange":"kraken","since":"{}","as_of":"{}"}}'
    times = [f"2026-03-01T12:00:0{second}Z" for second in range(4)]
    for since, as_of in ((0, 0), (0, 1), (2, 2), (2, 3)):
        take(cutter, template.format(times[since], times[as_of]).encode())
    # The second one told how far the feeds are, the fourth does within 10 s.
    assert [(unit.first_offset, len(unit.records)) for unit in cutter.finished] == [
        (0, 1),
        (2, 0),
        (2, 1),
    ]
    cutter.done(3)
    assert cutter.close_idle(4, float("inf"))
    assert cutter.finished[0].reaches == {"kraken": Reach(_START_US, _START_US + 3_000_001)}
    cutter.done(1)
    assert not cutter.close_idle(4, float("inf"))


@pytest.mark.parametrize(
    "value", [None, b"", b"[]", b'{"as_of":"noon"}', b'{"as_of":"2026-03-01"}']
)
@pytest.mark.parametrize("topic", CUTTERS)
def test_a_record_without_a_time_is_refused_and_passed_over(
    topic: str, value: bytes | None
) -> None:
    cutter = cutter_of(topic)
    with pytest.raises(RecordError, match="undecodable_record"):
        cutter.take(0, value)
    assert cutter.next_offset == 1


def test_packed_rows_are_the_rows_that_were_packed() -> None:
    """By market, in order of time, each second once, though markets come and go."""
    values = [
        spreads(1, [BTC]).value,
        spreads(2, [BTC, ETH]).value,
        spreads(3, [ETH]).value,
        spreads(2, [BTC, ETH]).value,
    ]
    records = [derived_rows(SPREADS.name, offset, value) for offset, value in enumerate(values)]
    rows = rows_of_markets(records)
    assert {market: rows[market]["offset"] for market in rows} == {BTC: [0, 1], ETH: [1, 2]}
    back = [unpack(pack(each)) for each in rows.values()]
    assert back == list(rows.values())
    assert pack(back[0]) == pack(rows[BTC])
    found = keyed(SPREADS.name, shown_rows(rows_table(SPREADS.name, back)))
    assert found == rows_in_kafka(SPREADS.name, enumerate(values))


def test_of_two_parts_of_a_minute_each_second_counts_once() -> None:
    records = [derived_rows(SPREADS.name, at, spreads(at).value) for at in range(6)]
    early, late = (rows_of_markets(part)[BTC] for part in (records[:4], records[2:]))
    whole = rows_of_markets(records)[BTC]
    assert merged(early, late) == merged(late, early) == whole


def test_what_is_no_packed_row_is_refused() -> None:
    with pytest.raises(StoreError, match="zstd"):
        unpack(b"{}")
