"""`cointide backtest limit-orders`: captures through the line in memory, and what it prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import zstandard

from models.fees import FEES
from models.records.unpacked import spread_objects
from models.settings import Settings
from services.backtest.limit_orders import gathered, outcome_of
from services.backtest.line import MemoryLine
from services.cli import main
from tests.burst_log import MADE_CAPTURES, append, bursts_of, captured, settings_of
from tests.captures import day
from tests.in_memory import publish_all, rows_in

HORIZON, EVERY = 20, 5


def rows_of(paths: list[Path]) -> list[dict[str, object]]:
    told = MemoryLine(Settings()).run(paths)
    return [
        row for each in told if each.spreads is not None for row in spread_objects(each.spreads)
    ]


@pytest.mark.parametrize("path", MADE_CAPTURES[:2], ids=lambda path: path.name)
def test_the_line_in_memory_is_the_agents(path: Path) -> None:
    """Row by row what workers of ingestion and spread publish of the same capture."""
    log = append({}, bursts_of(captured([path]), settings_of(partitions=4)))
    expected = [row for values in publish_all(log).values() for row in rows_in(values)]

    def place(row: dict[str, object]) -> tuple[str, str]:
        return str(row["market"]), str(row["as_of"])

    assert sorted(rows_of([path]), key=place) == sorted(expected, key=place)


def test_what_comes_later_changes_no_order_that_is_over(tmp_path: Path) -> None:
    """Eighteen minutes of markets, and the same cut off after twelve: no look-ahead.

    The savings of the orders that ended before the cut are those of the whole.
    """
    whole = tmp_path / "whole.jsonl.zst"
    day.write(whole, 0.3)
    text = zstandard.ZstdDecompressor().stream_reader(whole.read_bytes()).read()
    lines = text.splitlines(keepends=True)
    first, last = (json.loads(lines[i])["t"] for i in (0, -1))
    cut = first + (last - first) * 2 // 3
    part = tmp_path / "part.jsonl"
    part.write_bytes(b"".join(line for line in lines if json.loads(line)["t"] < cut))

    markets = gathered(MemoryLine(Settings()).run([whole]), "1m")
    earlier = gathered(MemoryLine(Settings()).run([part]), "1m")
    compared = 0
    for market, cut_off in earlier.items():
        short, full = cut_off.seconds("buy"), markets[market].seconds("buy")
        assert short is not None
        assert full is not None
        # What the cut itself closes differs: the last quarter of a minute is left aside.
        count = len(short.price) - 20
        assert short.price[:count].tolist() == pytest.approx(
            full.price[:count].tolist(), nan_ok=True, rel=0
        )
        assert short.low[:count].tolist() == full.low[:count].tolist()
        compared += count
    assert compared > 500


def test_it_says_what_the_rule_saved_with_an_interval(tmp_path: Path) -> None:
    capture = tmp_path / "market.jsonl.zst"
    day.write(capture, 0.3)
    markets = gathered(MemoryLine(Settings()).run([capture]))
    results = [
        found
        for market, seconds in markets.items()
        if (found := outcome_of(market, seconds, "buy", FEES["kraken"], HORIZON, EVERY)) is not None
    ]
    savings = [each.saving for each in results if each.saving.n]
    assert savings
    for saving in savings:
        assert saving.mean_bps is not None
        assert saving.low_bps is not None
        assert saving.high_bps is not None
        assert saving.low_bps < saving.mean_bps < saving.high_bps
        assert 0 <= saving.filled <= saving.n


def test_the_command_prints_a_line_a_market_and_side(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["backtest", "limit-orders", str(MADE_CAPTURES[0]), "--reference", "1m"]
    assert main([*words, "--horizon", "20", "--format", "json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(found) == len({(each["market"], each["side"]) for each in found}) > 2
    assert main([*words, "--market", "kraken:NOPE-USD"]) == 2
    assert "expected markets out of" in capsys.readouterr().err
