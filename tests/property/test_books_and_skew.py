"""Books and the skew against the plainest way to work them out."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.ingestion.exchanges.binance_book import DepthBook, DepthChange
from agents.ingestion.exchanges.levels import PriceBook
from agents.ingestion.exchanges.skew import WINDOW_NS, Skew
from models.times import iso_seconds
from tests.unit.ingestion.frames import SECOND, START

PRICES = st.integers(1, 30).map(lambda tick: tick / 10)
SIZES = st.sampled_from([0.0, 0.0, 1.0, 2.5])
LEVELS = st.lists(st.tuples(PRICES, SIZES), max_size=6)


def best_of(bids: dict[float, float], asks: dict[float, float]) -> tuple[float, ...]:
    bid, ask = max(bids, default=0.0), min(asks, default=0.0)
    return bid, bids.get(bid, 0.0), ask, asks.get(ask, 0.0)


@given(st.lists(st.tuples(st.booleans(), LEVELS, LEVELS), max_size=20))
def test_the_best_of_a_book_is_that_of_plain_dictionaries(
    steps: list[tuple[bool, list[tuple[float, float]], list[tuple[float, float]]]],
) -> None:
    book = PriceBook()
    plain: tuple[dict[float, float], dict[float, float]] = ({}, {})
    for anew, bids, asks in steps:
        if anew:
            book.load(bids, asks)
            plain = ({}, {})
        else:
            book.update(bids, asks)
        for side, levels in zip(plain, (bids, asks), strict=True):
            side.update(levels)
            for price in [price for price, size in side.items() if not size]:
                del side[price]
        assert book.best() == best_of(*plain)
        assert (len(book.bids), len(book.asks)) == (len(plain[0]), len(plain[1]))
        assert book.bids.top(3) == [plain[0][price] for price in sorted(plain[0])[:-4:-1]]
        assert book.asks.top(3) == [plain[1][price] for price in sorted(plain[1])[:3]]


@given(st.lists(st.tuples(PRICES, SIZES.filter(bool)), max_size=20), st.integers(0, 12))
def test_a_truncated_side_keeps_its_best(levels: list[tuple[float, float]], depth: int) -> None:
    book = PriceBook()
    book.load(levels, levels)
    book.bids.truncate(depth)
    book.asks.truncate(depth)
    sizes = dict(levels)
    assert book.bids.top(99) == [sizes[price] for price in sorted(sizes, reverse=True)[:depth]]
    assert book.asks.top(99) == [sizes[price] for price in sorted(sizes)[:depth]]


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(st.integers(0, 200 * SECOND), st.integers(-5, 5) | st.none()),
        min_size=1,
        max_size=40,
    )
)
def test_the_skew_is_the_least_lag_of_the_window_else_the_newest(
    steps: list[tuple[int, int | None]],
) -> None:
    skew = Skew()
    samples: list[tuple[int, int]] = []
    now = START
    for later, lag in steps:
        now += later
        if lag is not None:
            skew.observe(now, now - lag)
            samples.append((now, lag))
        inside = [lag for time, lag in samples if now - WINDOW_NS < time <= now]
        newest = samples[-1][1] if samples else 0
        assert skew.at(now) == (min(inside) if inside else newest)


@given(
    st.integers(0, 30),
    st.lists(st.integers(1, 4), min_size=1, max_size=15),
    st.integers(0, 40),
    st.integers(0, 15),
)
def test_a_depth_book_in_step_has_seen_every_update_since_its_snapshot(
    start: int, widths: list[int], snapshot_id: int, before: int
) -> None:
    # Update number n sets the size of price n: a book in step holds all from the snapshot on.
    changes, first = [], start
    for width in widths:
        ids = range(first, first + width)
        changes.append(DepthChange(first, ids[-1], [(float(n + 1), 1.0) for n in ids], []))
        first += width
    book = DepthBook()
    for change in changes[:before]:
        book.update(change)
    book.load(snapshot_id, [(float(n + 1), 1.0) for n in range(snapshot_id + 1)], [])
    for change in changes[before:]:
        book.update(change)
    reached = changes[0].first <= snapshot_id + 1 <= changes[-1].last
    assert book.in_step == reached
    if reached:
        assert book.last_id == changes[-1].last
        assert len(book.prices.bids) == book.last_id + 1


def test_the_tests_own_start_is_what_it_says() -> None:
    assert iso_seconds(START // SECOND) == "2027-01-15T08:00:00Z"
