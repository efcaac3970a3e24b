"""When a row is made, of which sources, and at which prices."""

from __future__ import annotations

import msgspec
import pytest

from agents.correlation.grid import Grid, Row, RowMaker
from agents.correlation.prices import Markets, reference_prices
from agents.correlation.tables import table_definition
from models.errors import InvariantError, RecordError
from models.records.closes import Closes, encode_closes
from tests.correlation_made import START, closes

PEARSON = table_definition("10m.10s.pearson", 50)
BY_SECOND = table_definition("10m.1s.hayashi_yoshida", 50)


class Rows:
    """A grid and one table's rows."""

    def __init__(self, name: str = "10m.10s.pearson") -> None:
        self.grid = Grid(Markets(("USD", "USDT")), 0)
        self.maker = RowMaker(table_definition(name, 50), self.grid, 5.0)

    def take(self, exchange: str, *seconds: int, **mids: float | None) -> None:
        named = {pair.replace("_", "-"): mid for pair, mid in mids.items()}
        for second in seconds:
            record = closes(exchange, START + second, named)
            self.grid.take(self.grid.next_offset, encode_closes(record))

    def next(self, *, at_end: bool = True) -> Row | None:
        return self.maker.next_row(at_end)

    def price(self, row: Row, coin: str) -> float | None:
        value = float(row.price[-1, self.grid.markets.coins.index(coin)])
        return value if value == value else None


def test_a_row_waits_for_every_source_that_is_followed() -> None:
    rows = Rows()
    rows.take("kraken", *range(1, 14), BTC_USD=10.0)
    rows.take("coinbase", *range(1, 10), BTC_USD=11.0)
    assert rows.next() is None
    rows.take("coinbase", 10, BTC_USD=12.0)
    row = rows.next()
    assert row is not None
    assert (row.time, row.masked) == (START + 10, [])
    assert rows.price(row, "BTC") == 11.0
    assert rows.next() is None


def test_a_source_that_is_more_than_the_limit_behind_is_left_out_until_it_is_within_it() -> None:
    rows = Rows()
    rows.take("coinbase", 8, BTC_USD=11.0)
    rows.take("kraken", *range(8, 16), BTC_USD=10.0)
    assert rows.next() is None, "5 s past the step is the limit, not more than it"
    rows.take("kraken", 16, BTC_USD=10.0)
    row = rows.next()
    assert row is not None
    assert (row.masked, rows.price(row, "BTC")) == (["coinbase|0"], 10.0)
    rows.take("kraken", *range(17, 21), BTC_USD=10.0)
    row = rows.next()
    assert row is not None, "it is not waited for again"
    assert row.masked == ["coinbase|0"]
    rows.take("coinbase", *range(9, 26), BTC_USD=14.0)
    rows.take("kraken", *range(21, 31), BTC_USD=10.0)
    assert rows.next() is None, "it is back, so it is waited for"
    rows.take("coinbase", *range(26, 31), BTC_USD=14.0)
    row = rows.next()
    assert row is not None
    assert (row.masked, rows.price(row, "BTC")) == ([], 12.0)


def test_nobody_is_late_while_kafka_holds_closes_that_are_not_read() -> None:
    rows = Rows()
    rows.take("coinbase", 8, BTC_USD=11.0)
    rows.take("kraken", *range(8, 131), BTC_USD=10.0)
    assert rows.next(at_end=False) is None
    rows.take("kraken", 131, BTC_USD=10.0)
    row = rows.next(at_end=False)
    assert row is not None, "so much cannot be held back"
    assert row.masked == ["coinbase|0"]


def test_steps_in_which_nobody_gives_closes_are_passed_over() -> None:
    rows = Rows()
    rows.take("kraken", 3, 10, 100_000_000, BTC_USD=10.0)
    times = []
    while (row := rows.next()) is not None:
        times.append(row.time - START)
    assert times == [10, 100_000_000]


def test_a_source_whose_second_is_passed_over_has_reached_the_step_and_gives_nothing() -> None:
    rows = Rows()
    rows.take("coinbase", 9, 11, BTC_USD=11.0)
    rows.take("kraken", 10, BTC_USD=10.0)
    row = rows.next()
    assert row is not None
    assert (row.masked, rows.price(row, "BTC")) == ([], 10.0)


def test_a_record_that_comes_twice_counts_once() -> None:
    rows = Rows()
    rows.take("kraken", 9, 10, 9, 10, BTC_USD=10.0)
    row = rows.next()
    assert row is not None
    assert row.quotes.tolist() == [2]


def test_the_median_is_of_the_first_currency_in_which_there_is_a_mid() -> None:
    markets = Markets(("USD", "USDT"))
    names = "kraken:BTC-USD coinbase:BTC-USD binance:BTC-USDT kraken:ETH-USD binance:ETH-USDT"
    names += " binance:ETH-BTC a:X-USD b:X-USD c:X-USD d:Y-EUR"
    mids = [None, None, 7.0, 3.0, 9.0, 0.1, 5.0, 1.0, 2.0, 4.0]
    record = Closes(1, "x", 0, "2027-01-15T08:00:00Z", names.split(), mids, [1] * 10)
    grid = Grid(markets, 0)
    grid.take(0, encode_closes(record))
    held = grid.held(START, ())[0]
    found = reference_prices(markets, held.numbers, held.mid)
    assert markets.coins == ["BTC", "ETH", "X", "Y"]
    assert found.price.tolist()[:3] == [7.0, 3.0, 2.0]
    assert found.price[3] != found.price[3]
    assert found.currency.tolist() == [1, 0, 0, -1]
    assert found.venues.tolist() == [1, 1, 3, 0]


def test_tables_by_the_second_have_every_second_of_a_step() -> None:
    rows = Rows(BY_SECOND.name)
    rows.take("kraken", *range(1, 5), BTC_USD=10.0)
    rows.take("kraken", *range(6, 11), BTC_USD=11.0)
    row = rows.next()
    assert row is not None
    prices = [value if value == value else None for value in row.price[:, 0].tolist()]
    assert prices == [10.0] * 4 + [None] + [11.0] * 5


def test_reading_goes_on_at_the_first_record_after_the_row() -> None:
    rows = Rows()
    rows.take("kraken", *range(5, 13), BTC_USD=10.0)
    rows.take("coinbase", 10, BTC_USD=10.0)
    assert rows.next() is not None
    assert rows.grid.position(START + 10) == 6
    rows.grid.forget(START + 10)
    assert rows.grid.position(START + 10) == 6
    assert rows.grid.position(START + 12) == 9


def record_with(**fields: object) -> bytes:
    """Return a record of which these fields are as given."""
    good = closes("x", START, {"A-USD": 1.0})
    return msgspec.json.encode({**msgspec.to_builtins(good), **fields})


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"{",
        record_with(as_of="today"),
        record_with(as_of="2027-01-15T08:00:00.5Z"),
        record_with(mid=[]),
        record_with(markets=["A"]),
        record_with(v=2),
    ],
)
def test_a_record_that_is_none_is_told_and_passed_over(value: bytes | None) -> None:
    grid = Grid(Markets(("USD",)), 0)
    with pytest.raises(RecordError, match="expected"):
        grid.take(0, value)
    grid.take(1, encode_closes(closes("kraken", START, {"BTC-USD": 1.0})))
    assert grid.newest == {"kraken|0": START}


def test_a_record_that_was_left_out_stops_the_worker() -> None:
    grid = Grid(Markets(("USD",)), 4)
    grid.take(3, b"taken before")
    with pytest.raises(InvariantError, match="expected offset 4, was 5"):
        grid.take(5, encode_closes(closes("kraken", START, {})))
