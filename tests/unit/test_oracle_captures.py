"""The oracle over whole captures: what must hold of any replay, real or made."""

from __future__ import annotations

from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from models.records.reasons import Reason
from tests.captures.generate import SCRIPTS, generate
from tests.oracle import (
    Ticks,
    compare,
    differences,
    effective_spreads,
    oracle_rows,
    rows_of_ticks,
    ticks_of,
)
from tests.oracle.compare import paths_in
from tests.oracle.frames import read_frames

CAPTURES = Path(__file__).parent.parent / "captures"
MADE = [CAPTURES / f"{name}.jsonl.zst" for name in SCRIPTS]
# Rows, quotes and trades of every real capture, and how many of the quotes and trades are late.
REAL = {
    "crossbook_kraken_2026/kraken_btcusd_l2.cbcap": (61, 134, 0, 0, 0),
    "crossbook_kraken_2026/kraken_btcusd_sample.cbcap": (52, 382, 0, 0, 0),
    "crossbook_kraken_2026/kraken_ethusd_sample.cbcap": (40, 223, 0, 0, 0),
    "crossbook_kraken_2026/kraken_xrpusd_sample.cbcap": (44, 175, 0, 0, 0),
    "flashbook_2026/binance_live-btc-eth.ndjson": (0, 0, 1163, 0, 0),
    "flashbook_2026/coinbase_live-btc-eth.ndjson": (120, 521, 435, 0, 0),
    "flashbook_2026/kraken_live-btc-eth.ndjson": (46, 731, 17, 0, 0),
    "hftbacktest_binance_2024/spot_btcusdt_20240808.gz": (346, 28040, 9757, 0, 325),
    "hftbacktest_binance_2024/spot_ethusdt_20240808.gz": (346, 24077, 6106, 0, 1),
    "live_frames_2026-10/frames.jsonl": (3, 3, 1, 0, 1),
}


def check(ticks: Ticks, rows: list[dict[str, Any]]) -> None:
    """Check what holds of every replay."""
    assert (ticks.quotes["time"] >= ticks.quotes["own_time"]).all()
    assert (ticks.unseen["end"] - ticks.unseen["start"] > -(10**9)).all()
    for _, clock in ticks.clocks.groupby(["exchange", "partition"])["clock"]:
        assert (np.diff(clock.to_numpy(np.int64)) > 0).all()
    assert len({(row["market"], row["as_of"]) for row in rows}) == len(rows)
    for row in rows:
        assert {path for path, value in values_in(row) if value is None} == set(row["reasons"])
        assert set(row["reasons"].values()) <= set(get_args(Reason))
        for window in row["windows"].values():
            check_window(window)
        assert row["windows"]["15s"]["n"] <= row["windows"]["1m"]["n"] <= row["windows"]["5m"]["n"]
        assert 0 <= row["trades_coverage"] <= 1
        assert row["z_n"] >= row["half_life_n"]
        assert not (row["stale"] and row["bid"] is not None)


def check_window(window: dict[str, Any]) -> None:
    """Check what holds of every window of every row."""
    assert 0 <= window["coverage"] <= 1
    if window["mean"] is not None:
        slack = 1e-9 * max(1.0, abs(window["mean"]))
        assert window["min"] - slack <= window["mean"] <= window["max"] + slack
    assert (window["n"] > 0) == (window["tick_mean"] is not None)
    if window["trade_low"] is not None:
        assert window["trades_n"] > 0
        assert window["trade_low"] <= window["trade_high"]
    if window["imbalance"] is not None:
        assert -1 <= window["imbalance"] <= 1


def values_in(row: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return path and value of everything in a row."""
    return [(path, reduce(getitem, path.split("."), row)) for path in paths_in(row)]


@pytest.mark.parametrize("name", REAL)
def test_a_real_capture_gives_the_rows_it_always_gave(name: str, test_data: Path) -> None:
    """Counts found once and looked at; every invariant holds of every row."""
    ticks = ticks_of([test_data / name])
    rows = rows_of_ticks(ticks)
    check(ticks, rows)
    late = int(ticks.quotes["late"].sum()), int(ticks.trades["late"].sum())
    assert (len(rows), len(ticks.quotes), len(ticks.trades), *late) == REAL[name]
    assert not ticks.problems


def test_every_checksum_of_the_real_books_is_right(test_data: Path) -> None:
    """So the only gaps of the Kraken captures are ends of subscriptions."""
    for name in REAL:
        if "kraken" in name:
            ticks = ticks_of([test_data / name])
            gaps = int((ticks.unseen["reason"] == "gap").sum())
            assert gaps == (4 if name.endswith("l2.cbcap") else 0)


def test_effective_spreads_of_the_binance_captures_are_positive(test_data: Path) -> None:
    """Placed by the skew about 1 % of the trades pay less than nothing; the mean is positive."""
    for name, mean in (("btcusdt", 2.0), ("ethusdt", 0.78)):
        path = test_data / f"hftbacktest_binance_2024/spot_{name}_20240808.gz"
        ticks = ticks_of([path])
        paid = effective_spreads(ticks.quotes, ticks.trades, ticks.unseen)["effective_bps"].dropna()
        assert paid.mean() == pytest.approx(mean, abs=0.01)
        assert (paid < 0).mean() < 0.02


@pytest.mark.parametrize("path", MADE, ids=lambda path: path.name)
def test_the_made_captures_hold(path: Path) -> None:
    """The invariants hold, whatever the number of partitions."""
    for partitions in (8, 4, 1):
        ticks = ticks_of([path], partitions)
        check(ticks, rows_of_ticks(ticks))


def test_the_made_captures_are_what_the_scripts_make(tmp_path: Path) -> None:
    """The scripts read no clock: the same frames every time; together below 300 kB."""
    for made, committed in zip(generate(tmp_path), MADE, strict=True):
        assert read_frames(made) == read_frames(committed)
    assert sum(path.stat().st_size for path in MADE) < 300_000


def test_the_made_captures_hold_every_hard_thing() -> None:
    """Each reason, flag and problem of the contract occurs, over many partitions."""
    for path in MADE[:2] + MADE[3:]:
        ticks = ticks_of([path])
        rows = rows_of_ticks(ticks)
        flags = ("crossed", "locked", "one_sided")
        assert all(ticks.quotes[flag].any() for flag in flags), path
        assert ticks.quotes["clamped"].any() or ticks.trades["clamped"].any()
        assert ticks.quotes["late"].any() or ticks.trades["late"].any()
        assert (ticks.quotes["time"] % 1_000_000_000 == 0).any()
        assert {reason for _, reason in ticks.problems} == {"malformed_frame", "unknown_message"}
        reasons = {reason for row in rows for reason in row["reasons"].values()}
        assert {"stale", "down", "thin", "crossed", "quiet"} <= reasons, path
        assert ticks.quotes["partition"].nunique() >= 5
        assert any(row["windows"]["15s"]["coverage"] == 0 for row in rows)


def test_a_replay_of_all_made_captures_is_that_of_each_but_for_its_end() -> None:
    """Exchanges do not touch each other; a replay that goes on has rows beyond a file's end."""
    first = MADE[:2] + MADE[3:]
    together = oracle_rows(first)
    apart = [row for path in first for row in oracle_rows([path])]
    found = compare(together, apart)
    assert all("row not expected" in line for line in found.differences)
    assert found.compared == len(apart) < len(together)
    assert differences(oracle_rows(first), together) == []
