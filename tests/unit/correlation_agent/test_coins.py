"""Coins join and leave a table; candles warm it."""

from __future__ import annotations

import math

import numpy as np

from models.records.correlations import WHY, Returns, decode_returns
from models.times import iso_seconds
from tests.correlation_made import START, Tables, candles, closes, encoded, encoded_candles

TABLE = "10m.10s.pearson"


def moving(second: int, coin: int = 0) -> float:
    """Return a price that moves with every second, each coin's in its own way."""
    return 100.0 + math.sin(second * 0.7 + coin) + math.cos(second * 0.31 * (coin + 1))


def table_of(
    seconds: range, pairs_at: dict[str, range], names: tuple[str, ...] = (TABLE,), most: int = 50
) -> Tables:
    """Return tables over one source that gives these markets in these seconds."""
    records = [
        closes(
            "kraken",
            START + second,
            {
                pair: moving(second, number)
                for number, (pair, at) in enumerate(pairs_at.items())
                if second in at
            },
        )
        for second in seconds
    ]
    return Tables(names, encoded(records), most_coins=most)


def at(tables: Tables, second: int, name: str = TABLE):  # type: ignore[no-untyped-def] # noqa: ANN201
    return tables.steps[name][iso_seconds(START + second)]


def test_a_coin_that_joins_neither_resets_the_others_nor_gets_history() -> None:
    day = range(1201)
    tables = table_of(day, {"A-USD": day, "B-USD": day, "C-USD": range(900, 1201)})
    tables.read(len(tables.log))
    step = at(tables, 1200)
    assert step.returns.coins == ["A", "B", "C"]
    n = step.blocks[0].column("n")
    assert n[0, 1] == 60
    assert n[2, 2] == 30, "31 prices, 30 returns"
    why = step.blocks[0].column("why")
    assert WHY[why[0, 1]] is None
    assert at(tables, 890).returns.coins == ["A", "B"]
    assert WHY[at(tables, 1190).blocks[0].column("why")[0, 2]] == "warming"


def test_a_coin_without_any_price_in_the_window_is_dropped() -> None:
    day = range(1501)
    tables = table_of(day, {"A-USD": day, "B-USD": range(401)})
    tables.read(len(tables.log))
    assert at(tables, 990).returns.coins == ["A", "B"]
    assert at(tables, 990).returns.price[1] is None
    assert at(tables, 1000).returns.coins == ["A"]


def test_an_hour_without_a_price_is_thin_not_warming() -> None:
    day = range(1201)
    gone = [*range(100), *range(1000, 1201)]
    tables = table_of(day, {"A-USD": day, "B-USD": range(1201)})
    records = [
        closes(
            "kraken",
            START + second,
            {"A-USD": moving(second), "B-USD": moving(second, 1) if second in gone else None},
        )
        for second in day
    ]
    tables.log[:] = encoded(records)
    tables.read(690)
    assert WHY[at(tables, 680).blocks[0].column("why")[0, 1]] == "thin"


def test_of_many_coins_the_first_by_market_value_take_part() -> None:
    day = range(301)
    pairs = {"A-USD": day, "B-USD": day, "C-USD": range(100, 301), "D-USD": day}
    name = "10m.10s.ewma"
    tables = table_of(day, pairs, (name,), most=2)
    tables.market_values = {"C": 30.0, "D": 20.0, "B": 10.0}
    tables.read(91)
    assert at(tables, 90, name).returns.coins == ["B", "D"]
    tables.read(121)
    assert at(tables, 100, name).returns.coins == ["C", "D"]
    tables.market_values = {"A": 50.0, "C": 30.0}
    tables.read(301)
    step = at(tables, 300, name)
    assert step.returns.coins == ["A", "C"]
    n = step.blocks[0].column("n")
    assert (n[0, 0], n[1, 1]) == (17, 20), "A joined at 130, C at 100"


def test_a_price_in_another_currency_gives_no_return() -> None:
    day = range(301)
    records = [
        closes("x", START + s, {"A-USDT" if 100 <= s < 200 else "A-USD": moving(s)}) for s in day
    ]
    tables = Tables((TABLE,), encoded(records))
    tables.read(len(records))
    missing = [
        second for second in range(10, 301, 10) if at(tables, second).returns.log_return == [None]
    ]
    assert missing == [100, 200]
    assert at(tables, 100).returns.quote_currency == ["USDT"]


HOUR = "1h.60s.pearson"


def warm(candle_records: int = 2) -> Tables:
    """Return tables that start at second 0, with two markets' candles of an hour and more before.

    Kraken's candles of C are in dollars, Binance's in tether; B has none.
    """
    ends = range(START - 7200, START + 600, 60)
    records = [
        candles("kraken:A-USD", {end: moving(end - START) for end in ends}),
        candles("kraken:C-USD", {end: moving(end - START, 2) for end in ends}),
        candles("binance:C-USDT", dict.fromkeys(ends, 1.0)),
    ]
    day = range(700)
    tables = table_of(day, {"A-USD": day, "B-USD": day, "C-USD": day}, (HOUR,))
    tables.candle_log = encoded_candles(records[:candle_records])
    return tables


def test_candles_fill_the_rows_before_the_first_live_one() -> None:
    tables = warm()
    tables.read(1, 2)
    block = at(tables, 0, HOUR).blocks[0]
    # One-minute returns at the ends of the minutes in (start − 1 h, start); START is one itself.
    assert START % 60 == 0
    assert block.column("n")[0, 2] == 59
    assert block.column("n_rest")[0, 2] == 59
    assert block.column("n_effective")[0, 2] == 59.0
    rest = [moving(60 * minute - 3600) for minute in range(60)]
    other = [moving(60 * minute - 3600, 2) for minute in range(60)]
    expected = np.corrcoef(np.diff(np.log(rest)), np.diff(np.log(other)))[0, 1]
    assert np.isclose(block.column("matrix")[0, 2], expected, rtol=1e-9)
    assert WHY[block.column("why")[0, 1]] == "warming", "B has no candles"
    assert not tables.differences(HOUR)


def test_no_return_runs_from_a_candle_to_a_live_price() -> None:
    tables = warm()
    tables.read(700, 2)
    for second in range(0, 60, 10):
        assert at(tables, second, HOUR).returns.log_return == [None] * 3
    assert None not in at(tables, 60, HOUR).returns.log_return
    assert not tables.differences(HOUR)


def test_candles_that_come_after_the_first_live_row_fill_the_rows_before_it() -> None:
    tables = warm(3)
    tables.read(101)
    assert at(tables, 100, HOUR).blocks[0].column("n_rest").max() == 0
    tables.read(151, 1)
    tables.read(201, 3)
    block = at(tables, 200, HOUR).blocks[0]
    assert at(tables, 110, HOUR).blocks[0].column("n_rest")[0, 0] == 58
    assert (block.column("n_rest")[0, 0], block.column("n_rest")[0, 2]) == (56, 56)
    assert not tables.differences(HOUR)


def test_a_coin_that_joins_later_gets_its_candles_too() -> None:
    tables = warm()
    day = range(700)
    tables.log = table_of(day, {"A-USD": day, "B-USD": day, "C-USD": range(300, 700)}).log
    tables.read(700, 2)
    assert at(tables, 690, HOUR).blocks[0].column("n_rest")[2, 2] == 48
    assert not tables.differences(HOUR)


def test_a_worker_that_is_killed_knows_the_same_candles_again() -> None:
    tables = warm()
    tables.read(305, 1)
    tables.kill()
    # The second record has arrived since, but the last step was published without it.
    tables.read(305, 2)
    tables.read(511, 2)
    tables.kill()
    tables.read(700, 2)
    assert not tables.differences(HOUR)


def test_without_candles_for_a_whole_window_they_are_forgotten() -> None:
    day = range(0, 4000, 10)
    records = [closes("kraken", START + second, {"A-USD": moving(second)}) for second in day]
    tables = Tables((HOUR,), encoded(records))
    tables.candle_log = warm().candle_log
    tables.read(366, 2)
    assert tables.place.tables[0].last is not None
    assert tables.place.tables[0].last.positions["candles"].offset == 0
    tables.read(400, 2)
    assert tables.place.tables[0].last.positions["candles"].offset == 2
    tables.kill()
    assert not tables.place.tables[0].needs_candles
    tables.make()


def rest_rows(tables: Tables, name: str = HOUR) -> dict[str, Returns]:
    """Return by time the published rows that are made from candles, the last of each."""
    rows = [decode_returns(value) for _, value in tables.rest.get(name, [])]
    return {row.as_of: row for row in rows}


def test_rows_made_from_candles_are_published_once_these_have_settled() -> None:
    """The second market's come late: then all of them are published anew, the last ones count."""
    tables = warm()
    tables.read(1, 1)
    tables.read(51, 1)
    assert not rest_rows(tables)
    tables.read(61, 1)
    assert set(rest_rows(tables)) == {iso_seconds(START - 60 * n) for n in range(1, 60)}
    first = rest_rows(tables)[iso_seconds(START - 60)]
    assert (first.coins, first.source, first.venues) == (["A", "B", "C"], "rest", [1, 0, 0])
    assert first.log_return[1:] == [None, None]
    tables.read(131, 2)
    tables.kill()
    tables.read(261, 2)
    last = rest_rows(tables)[iso_seconds(START - 60)]
    moved = math.log(moving(-60, 2) / moving(-120, 2))
    assert last.log_return[2] is not None
    assert math.isclose(last.log_return[2], moved, abs_tol=1e-12)
    assert last.quote_currency == ["USD", None, "USD"]
    assert len(set(tables.rest[HOUR])) == 2 * 59
    assert not tables.differences(HOUR)


def test_many_rows_made_from_candles_go_out_over_several_steps_and_survive_kills() -> None:
    """Of six hours of minutes 240 with one step; killed before and after each step."""
    name = "6h.5m.pearson"
    tables = warm()
    long = Tables((name,), tables.log)
    ends = range(START - 25_000, START, 60)
    ends = range(ends[0] // 60 * 60, START, 60)
    long.candle_log = encoded_candles(
        [candles("kraken:A-USD", {end: moving(end - START) for end in ends})]
    )
    counts = []
    for read in range(1, 362, 60):
        long.read(read, 1)
        for table in long.place.decide(True, {}):
            long.accept(table)
        long.kill()
        long.make()
        counts.append(len(rest_rows(long, name)))
    assert counts == [0, 235, 359, 359, 359, 359, 359]
    assert not long.differences(name)
