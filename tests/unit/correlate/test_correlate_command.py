"""`cointide correlate`: files of prices in, matrices out, and all ways in which a file is wrong."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.statistics.correlation import interval
from services.cli import main

COINS = ["BTC", "ETH", "SOL", "ADA"]
BEGIN = pd.Timestamp("2026-01-01T00:00:00Z")


def made_prices(minutes: int = 300, holes: float = 0.05) -> pd.DataFrame:
    """Return prices at whole minutes, some missing."""
    random = np.random.default_rng(1)
    moves = random.standard_normal((minutes, 1)) + random.standard_normal((minutes, len(COINS)))
    prices = 100.0 * np.exp(np.cumsum(moves * 1e-3, axis=0))
    prices[random.random(prices.shape) < holes] = np.nan
    index = pd.date_range(BEGIN, periods=minutes, freq="60s", name="timestamp")
    return pd.DataFrame(prices, index=index, columns=COINS)


def expected_matrix(prices: pd.DataFrame) -> np.ndarray:
    """Return what pandas has of the log returns of regular prices."""
    return log_returns(prices).corr(min_periods=30).to_numpy()


def log_returns(prices: pd.DataFrame) -> pd.DataFrame:
    return prices.apply(np.log).diff().iloc[1:]


@pytest.fixture
def correlate(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    def call(*words: object) -> Any:
        status = main(["correlate", *map(str, words)])
        output = capsys.readouterr()
        assert status == 0, output.err
        return json.loads(output.out)

    return call


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def call(*words: object) -> str:
        assert main(["correlate", *map(str, words)]) == 1
        output = capsys.readouterr()
        assert output.out == ""
        assert output.err.startswith("cointide: ")
        return output.err.removeprefix("cointide: ")

    return call


def as_timestamps(prices: pd.DataFrame, unit: str) -> list[Any]:
    index = pd.DatetimeIndex(prices.index)
    nanoseconds = index.as_unit("ns").asi8
    per = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
    if unit in per:
        return list(nanoseconds // per[unit])
    if unit == "fraction":
        return [f"{value / 1e9:.3f}" for value in nanoseconds]
    if unit == "offset":
        return [time.tz_convert("Asia/Tokyo").isoformat() for time in index]
    if unit == "space":
        return [time.strftime("%Y-%m-%d %H:%M:%S") for time in index]
    return [time.strftime("%Y-%m-%dT%H:%M:%SZ") for time in index]


@pytest.mark.parametrize("unit", ["iso", "space", "offset", "s", "fraction", "ms", "us", "ns"])
def test_a_csv_gives_the_matrix_of_pandas_whatever_its_timestamps(
    tmp_path: Path, correlate: Callable[..., Any], unit: str
) -> None:
    prices = made_prices()
    file = tmp_path / "prices.csv"
    prices.set_axis(as_timestamps(prices, unit), axis=0).to_csv(file, index_label="timestamp")
    found = correlate(file, "--window", "1d")
    assert found["as_of"] == "2026-01-01T04:59:00Z"
    assert found["table"] == "1d.60s.pearson"
    assert found["coins"] == COINS
    np.testing.assert_allclose(found["matrix"], expected_matrix(prices), rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", ["timestamp", "naive", "epoch"])
def test_a_parquet_file_gives_the_same_as_its_csv(
    tmp_path: Path, correlate: Callable[..., Any], kind: str
) -> None:
    prices = made_prices()
    prices.to_csv(tmp_path / "prices.csv")
    table = prices.reset_index()
    if kind == "naive":
        table["timestamp"] = table["timestamp"].dt.tz_localize(None)
    elif kind == "epoch":
        table["timestamp"] = as_timestamps(prices, "ms")
    table.to_parquet(tmp_path / "prices.parquet")
    words = ("--window", "4h", "--method", "spearman")
    wanted = correlate(tmp_path / "prices.csv", *words)
    assert correlate(tmp_path / "prices.parquet", *words) == wanted
    assert correlate(tmp_path / "prices.parquet", *words)["n"][0][0] > 180


def test_json_has_the_shape_of_the_interface(tmp_path: Path, correlate: Callable[..., Any]) -> None:
    """Of the last 100 minutes; ETH has 20 prices, SOL stands still, ADA is new and has 20."""
    prices = made_prices(holes=0.0)
    prices.iloc[:-20, 1], prices.iloc[0, 1] = np.nan, 5.0
    prices["SOL"] = 7.0
    prices.iloc[:-20, 3] = np.nan
    prices.to_csv(tmp_path / "prices.csv")
    found = correlate(tmp_path / "prices.csv", "--window", "100m")
    assert found["reasons"]["matrix.BTC.ETH"] == found["reasons"]["sigma.ETH"] == "thin"
    assert found["reasons"]["high.SOL.BTC"] == found["reasons"]["sigma.SOL"] == "quiet"
    assert found["reasons"]["low.BTC.ADA"] == "warming"
    assert found["matrix"] == [[1, None, None, None]] + [[None] * 4] * 3
    assert found["n"][0] == [100, 19, 100, 19]
    assert found["n_effective"] == found["n"]
    assert (found["repaired"], found["stale"]) == (False, [])
    deviation = np.log(prices["BTC"]).diff().iloc[-100:].std(ddof=0)
    assert found["sigma"] == [pytest.approx(deviation * (365 * 1440) ** 0.5), None, None, None]
    # ETH and ADA each at 81 of 101 times.
    (note,) = found["notes"]
    assert note.startswith(f"{162 / 404:.2%} of the prices at multiples of 60 s are missing")


def test_csv_has_one_line_a_pair(
    tmp_path: Path, correlate: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    prices = made_prices(holes=0.02)
    prices["SOL"] = 7.0
    prices.to_csv(tmp_path / "prices.csv")
    matrix = correlate(tmp_path / "prices.csv", "--window", "1d")
    assert main(["correlate", str(tmp_path / "prices.csv"), "--window", "1d", "--format=csv"]) == 0
    output = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(output.out)))
    assert [(row["coin_a"], row["coin_b"]) for row in rows] == [
        (a, b) for i, a in enumerate(COINS) for b in COINS[i + 1 :]
    ]
    for row in rows:
        i, j = COINS.index(row["coin_a"]), COINS.index(row["coin_b"])
        wanted = matrix["matrix"][i][j]
        assert row["reason"] == ("quiet" if wanted is None else "")
        for name, column in (("correlation", "matrix"), ("low", "low"), ("high", "high")):
            assert row[name] == ("" if wanted is None else repr(matrix[column][i][j]))
        assert int(row["n"]) == float(row["n_effective"]) == matrix["n"][i][j]
    assert "are missing" in output.err


def test_the_last_price_before_a_time_is_taken_unless_it_is_older_than_the_sampling(
    tmp_path: Path, correlate: Callable[..., Any]
) -> None:
    """Prices come at random seconds; pandas takes them with the same tolerance."""
    random = np.random.default_rng(2)
    seconds = np.sort(random.choice(40_000, 900, replace=False))
    prices = 100.0 * np.exp(np.cumsum(random.standard_normal((900, 2)) * 1e-3, axis=0))
    ticks = pd.DataFrame(prices, columns=["A", "B"])
    ticks["timestamp"] = 1_700_000_000 - 1_700_000_000 % 60 + seconds
    ticks.to_csv(tmp_path / "ticks.csv", index=False)
    found = correlate(tmp_path / "ticks.csv", "--window", "600m")
    end = int(ticks["timestamp"].iloc[-1]) // 60 * 60
    grid = pd.DataFrame({"timestamp": np.arange(end - 36_000, end + 60, 60)})
    # merge_asof takes a price exactly a minute old; the interval of a minute does not hold it.
    sampled = pd.merge_asof(grid, ticks, on="timestamp", tolerance=59)[["A", "B"]]
    assert sampled["A"].isna().any()
    returns = log_returns(sampled)
    np.testing.assert_allclose(found["matrix"], returns.corr().to_numpy(), rtol=0, atol=1e-9)
    assert found["n"][0][1] == int(returns["A"].notna().sum())


def test_rows_in_any_order_are_sorted_and_the_last_of_one_time_counts_and_it_is_said(
    tmp_path: Path, correlate: Callable[..., Any]
) -> None:
    prices = made_prices(holes=0.0)
    prices.to_csv(tmp_path / "prices.csv")
    wanted = correlate(tmp_path / "prices.csv", "--window", "4h")
    wrong = prices.iloc[10:12] * 2.0
    mixed = pd.concat([wrong, prices.sample(frac=1.0, random_state=3)])
    mixed.to_csv(tmp_path / "mixed.csv")
    found = correlate(tmp_path / "mixed.csv", "--window", "4h")
    sorted_note, doubled_note = found.pop("notes")
    assert "rows were sorted" in sorted_note
    assert doubled_note == "2 timestamps stood there before: of each the last price was taken"
    assert wanted.pop("notes") == []
    assert found == wanted


def test_end_and_coins_choose_what_is_read(tmp_path: Path, correlate: Callable[..., Any]) -> None:
    prices = made_prices()
    prices.to_csv(tmp_path / "prices.csv")
    words = ("--window", "1h", "--coins", "SOL,BTC")
    for end in ("2026-01-01T02:00:30Z", "1767232830"):
        found = correlate(tmp_path / "prices.csv", *words, "--end", end)
        assert found["as_of"] == "2026-01-01T02:00:00Z"
        part = prices.loc[: pd.Timestamp("2026-01-01T02:00:00Z"), ["SOL", "BTC"]].iloc[-61:]
        np.testing.assert_allclose(found["matrix"], expected_matrix(part), rtol=0, atol=1e-9)


@pytest.mark.parametrize("method", ["ewma", "hayashi_yoshida", "spearman"])
def test_every_method_has_intervals_of_its_own_effective_n(
    tmp_path: Path, correlate: Callable[..., Any], method: str
) -> None:
    made_prices(holes=0.0).to_csv(tmp_path / "prices.csv")
    found = correlate(tmp_path / "prices.csv", "--window", "4h", "--method", method)
    low, high = interval(np.array(found["matrix"]), np.array(found["n_effective"]))
    np.testing.assert_allclose(found["low"], low)
    np.testing.assert_allclose(found["high"], high)
    assert 0.3 < found["matrix"][0][1] < 0.7
    if method != "ewma":
        # About 1e-3 · √2 a minute.
        assert found["sigma"][0] == pytest.approx(1e-3 * (2 * 365 * 1440) ** 0.5, rel=0.15)


def test_a_matrix_of_holes_is_repaired_where_asked_for(
    tmp_path: Path, correlate: Callable[..., Any]
) -> None:
    """Each pair of three coins has rows of its own: as A and B, B and C, but A against C."""
    random = np.random.default_rng(4)
    moves = random.standard_normal((200, 1)) * [1e-3, 1e-3, 1e-3]
    moves += random.standard_normal((200, 3)) * 1e-4
    moves[120:160, 2] *= -1
    prices = 100.0 * np.exp(np.cumsum(moves, axis=0))
    prices[40:80, 2] = prices[80:120, 0] = prices[120:160, 1] = np.nan
    prices[:40] = prices[160:] = np.nan
    frame = pd.DataFrame(prices, columns=["A", "B", "C"])
    frame["timestamp"] = 1_700_000_040 + 60 * np.arange(200)
    frame.loc[[0, 199], ["A", "B", "C"]] = 100.0
    frame.to_csv(tmp_path / "prices.csv", index=False)
    plain = correlate(tmp_path / "prices.csv", "--window", "199m")
    assert np.linalg.eigvalsh(plain["matrix"])[0] < -0.1
    found = correlate(tmp_path / "prices.csv", "--window", "199m", "--repair")
    assert found["repaired"] is True
    assert plain["repaired"] is False
    assert np.linalg.eigvalsh(found["matrix"])[0] > -1e-12


def test_a_file_of_many_blocks_is_read_block_by_block(
    tmp_path: Path, correlate: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = made_prices(minutes=3_000)
    prices.to_csv(tmp_path / "prices.csv")
    prices.to_parquet(tmp_path / "prices.parquet", row_group_size=500)
    wanted = correlate(tmp_path / "prices.csv", "--window", "1d")
    monkeypatch.setattr("services.correlate.price_file._BLOCK_BYTES", 4_096)
    monkeypatch.setattr("services.correlate.price_file._BATCH_ROWS", 77)
    assert correlate(tmp_path / "prices.csv", "--window", "1d") == wanted
    prices.reset_index().to_parquet(tmp_path / "prices.parquet", row_group_size=500)
    assert correlate(tmp_path / "prices.parquet", "--window", "1d") == wanted


def test_a_picture_has_a_cell_a_pair(tmp_path: Path, correlate: Callable[..., Any]) -> None:
    image_module = pytest.importorskip("PIL.Image")
    made_prices().to_csv(tmp_path / "prices.csv")
    picture = tmp_path / "matrix.png"
    correlate(tmp_path / "prices.csv", "--window", "4h", "--png", picture)
    with image_module.open(picture) as image:
        assert image.format == "PNG"
        pixels = np.asarray(image)
    # The diagonal, from the corner on: the red of 1.
    assert [tuple(pixels[-16 - 32 * n, -16 - 32 * n]) for n in range(4)] == [(178, 24, 43)] * 4


def test_a_picture_without_pillow_says_what_to_install(
    tmp_path: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    made_prices().to_csv(tmp_path / "prices.csv")
    error = refused(tmp_path / "prices.csv", "--window", "4h", "--png", tmp_path / "matrix.png")
    assert "pip install 'cointide[plot]'" in error


ROW = "2026-01-01T{:02d}:{:02d}:00Z,{},2\n"
WRONG = {
    "no_timestamp": ("when,A,B\n2026-01-01,1,2\n", "one column named timestamp, was 'when', 'A'"),
    "no_coins": ("timestamp\n2026-01-01\n", "a column for each coin"),
    "malformed_timestamp": ("timestamp,A\nyesterday,1\n", "yesterday"),
    "too_short": ("timestamp,A,B\n" + ROW.format(0, 0, 1) + ROW.format(0, 1, 1), "30 intervals"),
    "unreadable_file": ("timestamp,A\n2026-01-01,one\n2026-02-01,1\n", "'one'"),
    "malformed_price": (
        "timestamp,A,B\n" + "".join(ROW.format(n // 60, n % 60, n - 40) for n in range(90)),
        "expected prices above 0, was -40.0 for A at 2026-01-01T00:00:00",
    ),
    "too_sparse": (
        "timestamp,A,B\n" + "".join(ROW.format(n, 0, 1 + n) for n in range(20)),
        "sampled less often",
    ),
}


@pytest.mark.parametrize("reason", WRONG)
def test_a_wrong_file_is_told_with_what_was_expected_and_what_came(
    tmp_path: Path, refused: Callable[..., str], reason: str
) -> None:
    text, part = WRONG[reason]
    (tmp_path / "prices.csv").write_text(text)
    error = refused(tmp_path / "prices.csv", "--window", "1d")
    assert error.startswith(f"{reason}: expected")
    assert part in error


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff\xfe", b"PAR1 but nothing else", b"timestamp,A\n"]
)
def test_what_is_no_file_of_prices_is_told(
    tmp_path: Path, refused: Callable[..., str], content: bytes
) -> None:
    (tmp_path / "prices").write_bytes(content)
    assert ": expected" in refused(tmp_path / "prices")
    assert "unreadable_file" in refused(tmp_path / "none")


def test_requests_that_do_not_fit_are_told(tmp_path: Path, refused: Callable[..., str]) -> None:
    file = tmp_path / "prices.csv"
    made_prices().to_csv(file)
    assert "(BTC, ETH, SOL, ADA), was DOGE" in refused(file, "--coins", "BTC,DOGE")
    assert "whole sampling intervals" in refused(file, "--window", "1h", "--sampling", "7m")
    assert "at most" in refused(file, "--window", "99999d", "--sampling", "1s")
    assert "too_short" in refused(file, "--end", "2020-01-01")
    for words in (["--window", "1 hour"], ["--end", "noon"], ["--method", "kendall"]):
        with pytest.raises(SystemExit):
            main(["correlate", str(file), *words])
