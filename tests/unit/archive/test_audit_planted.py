"""The audit finds what stands in a published series and should not: each row, and no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from models.records.bars import decode_bars, decode_indicators, encode_bars
from models.records.correlations import (
    CorrelationBlock,
    Returns,
    decode_block,
    decode_returns,
    encode_block,
    encode_returns,
)
from models.records.spreads import Spreads, decode_spreads, encode_spreads
from models.times import iso_seconds, seconds_of
from services.audit.audit import Wanted, audit
from services.audit.found import PLACES, TopicFound
from services.audit.hayashi_yoshida import cells_of_prices
from services.audit.snapshot import Snapshot
from services.cli import main
from tests.made_bursts import SECOND, START
from tests.oracle_hayashi_yoshida import HayashiYoshidaOracle, _covariance
from tests.unit.archive.audited import (
    BTC,
    LINE_EXCHANGES,
    LINE_S,
    PARTITION,
    Logs,
    archived,
    bars_logs,
    line_logs,
    story,
)

_DAY = START // (86_400 * SECOND) * 86_400 * SECOND
HAYASHI_YOSHIDA = "5m.1s.hayashi_yoshida"
LAST = START // SECOND + 600


def with_more(held: Logs, topic: str, partition: int, *values: bytes) -> Logs:
    """Return records with more of one topic, at its end."""
    return held | {(topic, partition): [*held[topic, partition], *values]}


def audited(folder: Path, held: Logs, topic: str) -> TopicFound:
    """Audit one topic of what `line_logs` hold."""
    wanted = Wanted(LINE_EXCHANGES, 8, START, START + LINE_S * SECOND)
    return audit(Snapshot(archived(folder, held)), wanted, [topic])[topic]


def named(found: TopicFound) -> dict[str, list[tuple[str, str]]]:
    """Return which rows were named, by what they are."""
    places = {name: getattr(found, name) for name in PLACES}
    assert all(each.count == len(each.at) for each in places.values())
    return {
        name: [(series, iso_seconds(at // SECOND)) for series, at in each.at]
        for name, each in places.items()
        if each.at
    }


def is_same(found: TopicFound) -> bool:
    """Return whether no figure differs."""
    return not any(figure.differing for figure in found.figures.values())


def test_every_matrix_and_return_follows_from_the_quotes(tmp_path: Path) -> None:
    """Hayashi-Yoshida's too, every pair of it."""
    for topic in ("returns", "correlations"):
        found = audited(tmp_path / topic, line_logs(), topic)
        assert found.is_good
        assert (named(found), found.beyond_of) == ({}, {})
        assert all(figure.beyond == 0 for figure in found.figures.values()) or topic == "returns"
    # Two tables, two times, three pairs.
    assert found.rows == 12


def test_without_the_quotes_hayashi_yoshidas_matrices_are_not_looked_at(tmp_path: Path) -> None:
    held = {key: each for key, each in line_logs().items() if not key[0].endswith("_quotes")}
    found = audited(tmp_path, held, "correlations")
    assert found.rows == 6
    assert found.beyond_of == {"the ticks of its window are not all held": 6}


@pytest.mark.parametrize("name", ["matrix", "n", "n_effective"])
def test_each_figure_of_hayashi_yoshida_is_compared(name: str, tmp_path: Path) -> None:
    """It is told what was published and what was expected."""

    def change(block: CorrelationBlock) -> CorrelationBlock:
        column = block.column(name).copy()
        column[0, 1] += 1 if name == "n" else 1e-7
        return msgspec.structs.replace(block, **{name: column.tobytes()})

    held = dict(line_logs())
    blocks = [decode_block(value) for value in held["correlations", 0]]
    held["correlations", 0] = [
        encode_block(change(each) if is_last(each, HAYASHI_YOSHIDA) else each) for each in blocks
    ]
    found = audited(tmp_path, held, "correlations")
    figure = found.figures["correlation" if name == "matrix" else name]
    assert [(each.market, each.as_of) for each in figure.examples] == [
        (f"{HAYASHI_YOSHIDA} BTC/ETH", LAST * SECOND)
    ]
    step = 1 if name == "n" else 1e-7
    assert figure.examples[0].published - figure.examples[0].expected == pytest.approx(step)
    assert sum(each.differing for each in found.figures.values()) == 1


def is_last(block: CorrelationBlock, table: str) -> bool:
    """Return whether a block is of the last matrix of a table that is archived."""
    return block.table == table and seconds_of(block.as_of) == LAST


def last_block(table: str) -> CorrelationBlock:
    """Return the last matrix of a table that is archived."""
    blocks = map(decode_block, line_logs()["correlations", 0])
    return next(block for block in blocks if is_last(block, table))


def test_matrices_that_nothing_stands_behind_are_named(tmp_path: Path) -> None:
    """Of a table without steps, of a coin that is not in its step; one twice, one otherwise."""
    right = last_block(HAYASHI_YOSHIDA)
    at = iso_seconds(LAST)
    no_table = msgspec.structs.replace(right, table="10m.1s.hayashi_yoshida")
    no_coin = msgspec.structs.replace(right, coins=["BTC", "FAKE"])
    other = right.column("matrix").copy()
    other[0, 1] = 0.5
    otherwise = msgspec.structs.replace(right, matrix=other.tobytes())
    planted = [encode_block(each) for each in (no_table, no_coin, right, otherwise)]
    found = audited(tmp_path, with_more(line_logs(), "correlations", 0, *planted), "correlations")
    pairs = ("BTC/BTC", "BTC/ETH", "ETH/ETH")
    rows = named(found)
    assert sorted(rows.pop("extra")) == sorted(
        [
            *((f"10m.1s.hayashi_yoshida {pair}", at) for pair in pairs),
            (f"{HAYASHI_YOSHIDA} BTC/FAKE", at),
            (f"{HAYASHI_YOSHIDA} FAKE/FAKE", at),
        ]
    )
    # The diagonal of BTC came three times more, as it is; the others once or twice.
    assert rows.pop("doubled") == [(f"{HAYASHI_YOSHIDA} BTC/ETH", at)]
    assert {series for series, _ in rows.pop("repeated")} == {
        f"{HAYASHI_YOSHIDA} {pair}" for pair in pairs
    }
    assert rows == {}
    assert found.is_wrong


def test_a_matrix_and_a_pair_that_are_missing_are_named(tmp_path: Path) -> None:
    held = dict(line_logs())
    blocks = [decode_block(value) for value in held["correlations", 0]]
    first = iso_seconds(LAST - 300)

    def is_first(block: CorrelationBlock, table: str) -> bool:
        return (block.table, block.as_of) == (table, first)

    held["correlations", 0] = [
        encode_block(
            msgspec.structs.replace(
                each,
                coins=["BTC"],
                **{
                    name: each.column(name)[:1, :1].copy().tobytes()
                    for name in ("matrix", "n", "n_rest", "n_effective", "why")
                },
                sigma=each.sigma[:8],
                ticks=each.ticks[:8],
            )
            if is_first(each, HAYASHI_YOSHIDA)
            else each
        )
        for each in blocks
        if not is_first(each, "5m.10s.pearson")
    ]
    assert named(audited(tmp_path, held, "correlations")) == {
        "missing": [
            (f"{HAYASHI_YOSHIDA} BTC/ETH", first),
            (f"{HAYASHI_YOSHIDA} ETH/ETH", first),
            ("5m.10s.pearson", first),
        ]
    }


def planted_steps(right: Returns) -> tuple[list[bytes], dict[str, list[tuple[str, str]]]]:
    """Return steps that should not be there, and how they are to be named."""
    one = {
        "coins": ["FAKE"],
        "price": [None],
        "quote_currency": [None],
        "venues": [0],
        "log_return": [None],
    }
    nobody = msgspec.structs.replace(right, **one)
    priced = msgspec.structs.replace(right, **one | {"coins": ["MOON"], "price": [5.0]})
    between = iso_seconds(seconds_of(right.as_of) + 3)
    off = msgspec.structs.replace(right, as_of=between)
    prices = [None if each is None else each + 1 for each in right.price]
    otherwise = msgspec.structs.replace(right, price=prices)
    no_table = msgspec.structs.replace(right, table="soon")
    twice = msgspec.structs.replace(right, **{name: getattr(right, name) * 2 for name in one})
    coins, table = right.coins, right.table
    return (
        [encode_returns(each) for each in (nobody, priced, off, otherwise, no_table, right, twice)],
        {
            "extra": [
                *((f"{table} {coin}", right.as_of) for coin in ("FAKE", "MOON")),
                *((f"{table} {coin}", between) for coin in coins),
                *((f"soon {coin}", right.as_of) for coin in coins),
            ],
            "doubled": [(f"{table} {coin}", right.as_of) for coin in coins * 2],
            "repeated": [(f"{table} {coin}", right.as_of) for coin in coins * 2],
        },
    )


@pytest.mark.parametrize("table", ["5m.10s.pearson", HAYASHI_YOSHIDA])
def test_steps_that_nothing_stands_behind_are_named(table: str, tmp_path: Path) -> None:
    """Of coins that no market has, of a time that is no step, of no table; one twice."""
    steps = [decode_returns(value) for value in line_logs()["returns", 0]]
    values, expected = planted_steps([each for each in steps if each.table == table][20])
    found = audited(tmp_path, with_more(line_logs(), "returns", 0, *values), "returns")
    assert {name: sorted(each) for name, each in named(found).items()} == {
        name: sorted(each) for name, each in expected.items()
    }
    assert is_same(found)


def of_bars(folder: Path, held: Logs, topic: str) -> TopicFound:
    """Audit the bars' hours."""
    wanted = Wanted(["kraken"], 8, _DAY - 7_200 * SECOND, _DAY + 20_000 * SECOND)
    return audit(Snapshot(archived(folder, held)), wanted, [topic])[topic]


def _only(record: Any, row: int) -> Any:
    columns = {name: getattr(record, name) for name in record.__struct_fields__}
    lists = {name: value for name, value in columns.items() if isinstance(value, list)}
    return msgspec.structs.replace(record, **{name: [v[row]] for name, v in lists.items()})


@pytest.mark.parametrize("topic", ["bars", "indicators"])
def test_bars_and_indicators_that_nothing_stands_behind_are_named(
    topic: str, tmp_path: Path
) -> None:
    """Of a market that is none, of a time between two bars, of no exchange; one twice."""
    decode: Callable[[bytes], Any] = decode_bars if topic == "bars" else decode_indicators
    replace = msgspec.structs.replace
    # Well after the candles of the hour before, well before those of the outage.
    right = [
        one
        for each in map(decode, bars_logs()[topic, PARTITION])
        if each.interval == "1m" and BTC in each.markets
        for one in [_only(each, each.markets.index(BTC))]
        if one.source == ["live"]
    ][40]
    between = iso_seconds(seconds_of(right.as_of) + 5)
    changed = "close" if topic == "bars" else "sma_20"
    otherwise = replace(right, **{changed: [getattr(right, changed)[0] + 1e-12]})
    strange = replace(right, exchange="nowhere", markets=["nowhere:BTC-USD"])
    planted = [
        replace(right, markets=["kraken:BTC-GBP"]),
        replace(right, as_of=between),
        otherwise,
        right,
        strange,
    ]
    held = with_more(bars_logs(), topic, PARTITION, *map(encode_bars, planted))
    found = of_bars(tmp_path, held, topic)
    rows = named(found)
    assert sorted(rows.pop("extra")) == sorted(
        [
            ("kraken:BTC-GBP 1m", right.as_of),
            (f"{BTC} 1m", between),
            ("nowhere:BTC-USD 1m", right.as_of),
        ]
    )
    assert rows.pop("doubled") == [(f"{BTC} 1m", right.as_of)]
    # Candles make indicators that come to the same be published again.
    assert (f"{BTC} 1m", right.as_of) in rows.pop("repeated")
    assert rows == {}
    assert is_same(found)


def test_indicators_of_a_bar_that_candles_changed_may_come_again_one_bit_differently(
    tmp_path: Path,
) -> None:
    """The candle took the bar's trade times alone; nothing that indicators follow from."""
    held = bars_logs()
    number = 40
    for topic, change in (("bars", {"last_trade": [None]}), ("indicators", {})):
        decode: Callable[[bytes], Any] = decode_bars if topic == "bars" else decode_indicators
        values = [*held[topic, PARTITION]]
        live = [
            (place, _only(each, each.markets.index(BTC)))
            for place, each in enumerate(map(decode, values))
            if each.interval == "1m" and BTC in each.markets and "live" in each.source
        ]
        place, right = live[number]
        if topic == "indicators":
            change = {"sma_20": [right.sma_20[0] * (1 + 1e-15)]}
        values.insert(place + 1, encode_bars(msgspec.structs.replace(right, **change)))
        held = held | {(topic, PARTITION): values}
    found = of_bars(tmp_path, held, "indicators")
    assert is_same(found)
    assert "doubled" not in named(found)


def _twice(record: Spreads) -> Spreads:
    columns = {
        name: value * 2
        for name in record.__struct_fields__
        if isinstance(value := getattr(record, name), list)
    }
    windows = {
        label: type(each)(**{name: getattr(each, name) * 2 for name in each.__struct_fields__})
        for label, each in record.windows.items()
    }
    return msgspec.structs.replace(record, windows=windows, **columns)


def test_spreads_that_are_doubled_are_named_and_the_status_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A record that was sent again as it was is told, and is no fault."""
    monkeypatch.setenv("COINTIDE_DATA_DIR", str(tmp_path))
    values = story()["spreads", PARTITION]
    right = decode_spreads(values[300])
    span = ["--start", "2027-01-15T08:00:00Z", "--end", "2027-01-15T09:00:00Z"]
    arguments = ["audit", *span, "--topics", "spreads"]
    archived(tmp_path, with_more(story(), "spreads", PARTITION, values[300]))
    assert main(arguments) == 0
    assert f"repeated: {BTC} {right.as_of}\n" in capsys.readouterr().out
    twice = encode_spreads(_twice(right))
    archived(tmp_path / "other", with_more(story(), "spreads", PARTITION, twice))
    monkeypatch.setenv("COINTIDE_DATA_DIR", str(tmp_path / "other"))
    assert main([*arguments, "--json"]) == 1
    found = msgspec.json.decode(capsys.readouterr().out)["topics"]["spreads"]
    assert found["doubled_at"] == [{"market": BTC, "as_of": right.as_of}]
    assert (found["doubled"], found["missing"], found["extra"]) == (1, 0, 0)


def test_a_difference_is_told_with_both_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COINTIDE_DATA_DIR", str(tmp_path))
    values = [*story()["spreads", PARTITION]]
    right = decode_spreads(values[300])
    assert right.mid[0] is not None
    values[300] = encode_spreads(msgspec.structs.replace(right, mid=[right.mid[0] + 0.5]))
    archived(tmp_path, story() | {("spreads", PARTITION): values})
    span = ["--start", "2027-01-15T08:00:00Z", "--end", "2027-01-15T09:00:00Z"]
    assert main(["audit", *span, "--topics", "spreads"]) == 1
    told = f"differs: mid {BTC} {right.as_of}: published {right.mid[0] + 0.5:.15g}, expected "
    output = capsys.readouterr().out
    assert told + f"{right.mid[0]:.15g}\n" in output
    assert output.endswith("not all is well: spreads\n")


@pytest.mark.parametrize("seed", range(20))
def test_hayashi_yoshida_by_seconds_is_the_sum_over_all_pairs(seed: int) -> None:
    """Prices that stand still, that are missing and that change their currency."""
    rng = np.random.default_rng(seed)
    length, coins = int(rng.integers(60, 400)), 4
    moves = rng.normal(0, 1e-4, (length + 1, coins)) * (rng.random((length + 1, coins)) < 0.4)
    price = 100 * np.exp(np.cumsum(moves, axis=0))
    price[rng.random(price.shape) < 0.03 * (seed % 3)] = np.nan
    currency = np.where(np.isnan(price), np.nan, (rng.random(coins) < 0.5) * 1.0)
    currency[length // 3 : length // 2, 1] = 2.0
    oracle = HayashiYoshidaOracle.__new__(HayashiYoshidaOracle)
    oracle._window = length
    told = [
        {at: (float(p), str(c), 1) for at, (p, c) in enumerate(zip(*each, strict=True)) if p == p}
        for each in zip(price.T, currency.T, strict=True)
    ]
    increments = [oracle._increments(each, length) for each in told]
    found = cells_of_prices(price, currency)
    for a, b in np.ndindex(coins, coins):
        n = min(len(increments[a]), len(increments[b]))
        assert found["n"][a, b] == n
        if n < 30:
            assert np.isnan(found["correlation"][a, b])
            continue
        squares = [sum(move**2 for *_, move in increments[each]) for each in (a, b)]
        r = _covariance(increments[a], increments[b]) / np.sqrt(squares[0] * squares[1])
        assert found["correlation"][a, b] == pytest.approx(np.clip(r, -1, 1), abs=1e-12)


def test_a_price_that_is_one_bit_off_has_not_moved() -> None:
    """Else an increment would begin there, and overlap fewer of the other coin's."""
    rng = np.random.default_rng(1)
    price = 100 * np.exp(np.cumsum(rng.normal(0, 1e-4, (101, 2)), axis=0))
    price[50] = price[49]
    noisy = price.copy()
    noisy[50, 0] = np.nextafter(price[49, 0], np.inf)
    currency = np.zeros_like(price)
    expected, found = (cells_of_prices(each, currency) for each in (price, noisy))
    assert np.array_equal(found["n"], expected["n"])
    assert found["correlation"] == pytest.approx(expected["correlation"], abs=1e-12)
