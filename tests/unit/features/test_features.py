"""Features: the same as pandas joins them, and nothing that was not known at a row's time."""

from __future__ import annotations

import functools
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agents.archive.store import Store, open_store
from models.settings import Settings
from services.archive.compaction import compact
from services.cli import main
from services.features.block import Choice
from services.features.columns import (
    FUTURES_S,
    INDICATOR,
    MARKET,
    RETURNS_S,
    all_columns,
)
from services.features.reading import FeatureReader
from services.features.table import feature_tables
from tests.pages import ROOT, executed, python_of
from tests.unit.features.made import (
    BEGIN,
    CHOICE,
    COINS,
    END,
    EXCHANGES,
    HOUR,
    archived,
    cut,
    frame,
    log,
)

_PAGE = "docs/for-data-scientists.md"
_SECOND = 1_000_000
_FRESH = pd.Timedelta(seconds=5)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with the archive of chance."""
    folder = tmp_path_factory.mktemp("whole")
    archived(open_store(Settings(data_dir=folder)), log())
    return folder


@pytest.fixture(scope="module")
def reader(data_dir: Path) -> FeatureReader:
    """Return the archive of chance."""
    return reading(open_store(Settings(data_dir=data_dir)))


def reading(store: Store) -> FeatureReader:
    """Return what reads an archive."""
    return FeatureReader(store, partitions=1)


def table(reader: FeatureReader, start: int, end: int, choice: Choice = CHOICE) -> pa.Table:
    """Return features of `[start, end)` in seconds."""
    return pa.concat_tables(feature_tables(reader, choice, start * _SECOND, end * _SECOND))


@pytest.fixture(scope="module")
def features(reader: FeatureReader) -> pd.DataFrame:
    """Return features of all of it."""
    return frame_of(table(reader, BEGIN, END))


def frame_of(found: pa.Table) -> pd.DataFrame:
    """Return a table as a frame; every column but time and coin is float64."""
    frame: pd.DataFrame = found.to_pandas()
    return frame.astype({name: "float64" for name in frame if name not in ("time", "coin")})


def agrees(found: pd.Series[float], expected: pd.Series[float], places: float = 0.0) -> None:
    """See that two columns say the same, undefined values in the same places."""
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), rtol=places, atol=places)


@functools.cache
def published(topic: str) -> pd.DataFrame:
    """Return what was published, by pandas, the first of each time."""
    rows = frame(log()[topic], "coins" if topic == "returns" else "markets")
    return rows.sort_values(["as_of", "offset"])


def joined(times: pd.Series[pd.Timestamp], rows: pd.DataFrame, age: pd.Timedelta) -> pd.DataFrame:
    """Return the rows in force at these times."""
    rows = rows.drop_duplicates("as_of").assign(seen=lambda each: each["as_of"])
    return pd.merge_asof(
        pd.DataFrame({"time": times}), rows, left_on="time", right_on="as_of", tolerance=age
    )


def test_every_market_is_joined_as_pandas_does_it(features: pd.DataFrame) -> None:
    rows = published("spreads")
    for coin in COINS:
        mine = features[features["coin"] == coin]
        for exchange in EXCHANGES:
            market = rows[rows["market"] == f"{exchange}:{coin}-USD"]
            expected = joined(mine["time"], market, _FRESH)
            for column in MARKET:
                if column.source and not market.empty:
                    wanted = expected[column.source].astype("float64")
                    agrees(mine[f"{exchange}_{column.name}"], wanted)
            age = (expected["time"] - expected["seen"]).dt.total_seconds()
            agrees(mine[f"{exchange}_age_s"], age)
    # There is something to see: holes, undefined figures, a market that there is not.
    of_eth = features[features["coin"] == "ETH"]
    assert of_eth["coinbase_age_s"].isna().all()
    assert 0 < of_eth["binance_age_s"].isna().sum() < 100
    assert 0 < of_eth["kraken_mid"].isna().sum() < 200
    assert of_eth["kraken_age_s"].max() == 4


def mids(features: pd.DataFrame, coin: str, shift_s: int) -> pd.Series[float]:
    """Return the composite mid so many seconds after each time, as pandas finds it."""
    rows = published("spreads")
    times = features.loc[features["coin"] == coin, "time"] + pd.Timedelta(seconds=shift_s)
    found = {
        exchange: joined(times, rows[rows["market"] == f"{exchange}:{coin}-USD"], _FRESH)["mid"]
        for exchange in EXCHANGES
    }
    return pd.DataFrame(found).astype("float64").median(axis=1)


@pytest.mark.parametrize("coin", COINS)
def test_the_composite_and_its_returns_follow_from_the_mids(
    features: pd.DataFrame, coin: str
) -> None:
    mine = features[features["coin"] == coin]
    now = mids(features, coin, 0)
    agrees(mine["mid"], now)
    for name, length in RETURNS_S.items():
        change = (now / mids(features, coin, -length)).map(np.log)
        agrees(mine[f"return_{name}"], change, 1e-12)
    for name, length in FUTURES_S.items():
        change = (mids(features, coin, length) / now).map(np.log)
        agrees(mine[f"future_return_{name}"], change, 1e-12)
    quoted = {
        side: mine[[f"{exchange}_{side}" for exchange in EXCHANGES]] for side in ("bid", "ask")
    }
    agrees(mine["best_bid"], quoted["bid"].max(axis=1))
    agrees(mine["best_ask"], quoted["ask"].min(axis=1))
    both = mine["best_ask"] + mine["best_bid"]
    agrees(mine["best_spread_bps"], 20_000 * (mine["best_ask"] - mine["best_bid"]) / both, 1e-9)
    venues = mine[[f"{exchange}_mid" for exchange in EXCHANGES]].notna().sum(axis=1)
    agrees(mine["venues"], venues.astype("float64"))


def test_bars_are_those_that_were_over_and_made_from_live_trades(features: pd.DataFrame) -> None:
    rows = published("bars")
    live = rows[rows["source"] == "live"].drop_duplicates(["market", "as_of"])
    merged = live.groupby("as_of").agg(
        high=("high", "max"), low=("low", "min"), volume=("volume", "sum"),
        quote_volume=("quote_volume", "sum"), n=("n", "sum"), markets=("market", "count"),
        coverage=("coverage", "mean"),
    )  # fmt: skip
    priced = live[live["close"].notna()].sort_values("market")
    merged["open"] = priced.groupby("as_of")["open"].first()
    merged["close"] = priced.groupby("as_of")["close"].first()
    mine = features[features["coin"] == "BTC"]
    expected = joined(mine["time"], merged.reset_index(), pd.Timedelta(minutes=2))
    for name in ("open", "high", "low", "close", "volume", "n", "coverage", "markets"):
        agrees(mine[f"bar_{name}"], expected[name].astype("float64"))
    agrees(
        mine["bar_vwap"], (expected["quote_volume"] / expected["volume"]).astype("float64"), 1e-9
    )
    agrees(mine["bar_age_s"], (expected["time"] - expected["seen"]).dt.total_seconds())
    assert set(mine["bar_markets"]) == {2.0, 3.0}
    assert features.loc[features["coin"] == "ETH", "bar_age_s"].isna().all()


def test_indicators_are_those_that_had_come(features: pd.DataFrame) -> None:
    rows = published("indicators")
    mine = features[features["coin"] == "BTC"]
    for exchange in EXCHANGES:
        market = rows[rows["market"] == f"{exchange}:BTC-USD"].drop_duplicates("as_of")
        if exchange == "kraken":
            # The first one came with candles, somewhen in the minute after.
            market = market.iloc[1:]
        expected = joined(mine["time"], market, pd.Timedelta(minutes=2))
        for column in INDICATOR:
            if column.source:
                wanted = expected[column.source].astype("float64")
                agrees(mine[f"{exchange}_{column.name}"], wanted)
        age = (expected["time"] - expected["seen"]).dt.total_seconds()
        agrees(mine[f"{exchange}_indicators_age_s"], age)
    assert (mine["binance_sma_20"] > 0).all()


def test_correlations_are_those_of_the_window_before(features: pd.DataFrame) -> None:
    rows = published("returns")
    rows = rows[(rows["table"] == "1h.60s.pearson") & (rows["source"] == "live")]
    wide = rows.pivot_table("log_return", "as_of", "coin", "first", dropna=False)
    steps = pd.date_range(wide.index[0], wide.index[-1], freq="10s")
    wide = wide.reindex(steps)
    both = wide[wide["BTC"].notna() & wide["ETH"].notna()].reindex(steps)
    expected = both["ETH"].rolling(360, min_periods=2).corr(both["BTC"])
    counted = both["ETH"].rolling(360, min_periods=1).count()
    there = rows[rows["coin"] == "ETH"].drop_duplicates("as_of")["as_of"]
    by_step = pd.DataFrame({"as_of": there, "r": expected[there].to_numpy(),
                            "n": counted[there].to_numpy()})  # fmt: skip
    mine = features[features["coin"] == "ETH"]
    found = joined(mine["time"], by_step, pd.Timedelta(seconds=30))
    agrees(mine["correlation"], found["r"], 1e-9)
    agrees(mine["correlation_n"], found["n"])
    agrees(mine["correlation_age_s"], (found["time"] - found["seen"]).dt.total_seconds())
    assert mine["correlation"].between(0.3, 0.7).all()
    assert (mine["correlation_low"] < mine["correlation"]).all()
    assert (mine["correlation_high"] > mine["correlation"]).all()
    of_itself = features.loc[features["coin"] == "BTC", "correlation"]
    np.testing.assert_allclose(of_itself, 1.0, rtol=1e-12)


@pytest.mark.parametrize("at", [HOUR - 30, HOUR, HOUR + 130])
def test_nothing_but_the_labels_looks_ahead(reader: FeatureReader, tmp_path: Path, at: int) -> None:
    """Of an archive that ends at a time, every row up to it is the same, to the last bit."""
    short = reading(archived(open_store(Settings(data_dir=tmp_path)), cut(log(), at)))
    known, found = (table(each, BEGIN, at + 1) for each in (reader, short))
    labels = [name for name in known.schema.names if name.startswith("future_")]
    assert len(labels) == len(FUTURES_S)
    assert known.num_rows == len(COINS) * (at + 1 - BEGIN)
    for name in known.schema.names:
        if name not in labels:
            bits, expected = (bits_of(each[name]) for each in (found, known))
            assert bits == expected, name
    # And the labels do: those of the last rows are not there yet.
    for label, length in FUTURES_S.items():
        column, final = (frame_of(each)[f"future_return_{label}"] for each in (found, known))
        is_later = found["time"].to_pandas().astype("int64") > (at - length) * _SECOND
        assert column[is_later].isna().all()
        # Those that are there stand: more of the archive does not change them.
        agrees(column[~is_later], final[~is_later])


def bits_of(column: pa.ChunkedArray) -> list[object]:
    """Return the values of a column bit for bit, None for null."""
    if pa.types.is_floating(column.type):
        return [None if x is None else x.hex() for x in column.to_pylist()]
    values: list[object] = column.to_pylist()
    return values


def test_a_part_of_a_range_is_that_part_of_the_whole(
    reader: FeatureReader, features: pd.DataFrame
) -> None:
    """Also where it begins within an hour; also with longer steps, and after a compaction."""
    for start, end in ((BEGIN + 17, HOUR - 5), (HOUR - 3, HOUR + 3), (HOUR, HOUR + 1)):
        inside = features["time"].between(
            pd.Timestamp(start, unit="s", tz="UTC"), pd.Timestamp(end, unit="s", tz="UTC"), "left"
        )
        pd.testing.assert_frame_equal(
            frame_of(table(reader, start, end)), features[inside].reset_index(drop=True)
        )
    seldom = frame_of(table(reader, BEGIN, END, msgspec.structs.replace(CHOICE, every_s=60)))
    every = features[features["time"].dt.second == 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(seldom, every)


def test_a_compaction_changes_nothing(
    data_dir: Path, tmp_path: Path, features: pd.DataFrame
) -> None:
    shutil.copytree(data_dir, tmp_path, dirs_exist_ok=True)
    store = open_store(Settings(data_dir=tmp_path))
    assert compact(store, list(log()), END + 7_200).merged > 0
    pd.testing.assert_frame_equal(frame_of(table(reading(store), BEGIN, END)), features)


def test_the_command_writes_one_file_whose_columns_say_what_they_are(
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COINTIDE_DATA_DIR", str(data_dir))
    monkeypatch.setenv("COINTIDE_PARTITIONS", "1")
    start, end = (datetime.fromtimestamp(at, UTC).isoformat() for at in (HOUR - 30, HOUR + 30))
    file = tmp_path / "features.parquet"
    words = ["features", "--coins", "ETH,BTC", "--start", start, "--end", end, "--every", "10s"]
    assert main([*words, str(file)]) == 0
    assert capsys.readouterr().out == f"12 rows in {file}\n"
    found = pq.read_table(file)
    assert found.schema.names == ["time", "coin", *(each.name for each in all_columns(EXCHANGES))]
    assert found["coin"].to_pylist() == ["ETH", "BTC"] * 6
    assert found.schema.field("venues").type == pa.int64()
    assert found.schema.field("kraken_stale").type == pa.bool_()
    assert b"median" in found.schema.field("mid").metadata[b"description"]
    assert b'"against":"BTC"' in found.schema.metadata[b"cointide.features"]
    assert [each.name for each in tmp_path.iterdir() if "aside" in each.name] == []
    assert main([*words, "--coins", "BTC,NOPE", str(file)]) == 1
    assert capsys.readouterr().err.startswith("NOPE: no USD market")
    over = datetime.fromtimestamp(END + 600, UTC).isoformat()
    assert main([*words, "--end", over, "--exchanges", "kraken,nowhere", str(file)]) == 0
    seen = pd.read_parquet(file).query("venues > 0")["time"]
    after, without = capsys.readouterr().err.splitlines()
    assert after == f"nothing was seen after {seen.max():%Y-%m-%dT%H:%M:%SZ}"
    assert "nowhere_bid" in without
    assert "kraken_bid" not in without
    wrong = tmp_path / "wrong.parquet"
    assert main(["features", "--coins", "BTC", "--start", end, "--end", start, str(wrong)]) == 2
    for option, value in (("--start", "2026-03-01"), ("--every", "2h"), ("--coins", "BTC,")):
        with pytest.raises(SystemExit):
            main([*words, option, value, str(wrong)])
    assert main([*words, "--table", "1h.60s.ewma", str(wrong)]) != 0
    assert not wrong.exists()


def test_the_page_names_every_column_and_its_examples_run(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COINTIDE_DATA_DIR", str(data_dir))
    monkeypatch.setenv("COINTIDE_PARTITIONS", "1")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / _PAGE).read_text()
    documented = set(re.findall(r"`([a-zA-Z0-9_]+)`", "".join(re.findall(r"^\|.*\|$", text, re.M))))
    expected = {each.name for each in all_columns(["E"])} | {"time", "coin"}
    assert expected <= documented
    (line,) = [line for line in text.splitlines() if line.startswith("cointide features ")]
    assert main(line.split()[1:]) == 0
    names = executed(_PAGE, python_of(_PAGE, "2 "))
    assert not any(name.startswith("future_") for name in names["known"])
    assert all(-1 <= rank <= 1 for rank in names["ranks"].values())
    assert list(names["wide"].columns) == ["BTC", "ETH"]
    assert names["by_venue"]["n"].gt(0).all()
