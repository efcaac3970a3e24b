"""`cointide backfill candles` against the simulator's REST: what it keeps is the market's past."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from agents.archive.store import open_store
from models.records.bars import BarInterval
from models.settings import Settings
from services.backfill.reader import BackfillReader
from services.cli import main
from services.history.source import Series
from services.simulator.server import Simulator
from tests.integration.ingestion_in_memory import Clock, simulator_of

SECOND = 1_000_000_000
MINUTE = 60
LENGTHS: dict[BarInterval, int] = {"5m": 5, "1h": 60, "1d": 1_440}
Rows = dict[int, dict[str, Any]]
"""By start in seconds."""


class Desk:
    """The command, with a simulator for the exchanges and an archive of its own."""

    def __init__(self, simulator: Simulator, settings: Settings) -> None:
        self.world = simulator.world
        self.settings = settings
        # Whole minutes from here on are nobody's yet.
        self.now = self.world.now // SECOND

    def pairs(self, exchange: str) -> list[str]:
        """Return pairs that an exchange lists, the busiest and the quietest."""
        names = [
            market.listing.market.partition(":")[2]
            for market in self.world.model.markets
            if market.listing.market.startswith(f"{exchange}:")
        ]
        return [names[0], names[-1]]

    async def run(self, exchange: str, start: int, end: int, *more: str, pairs: str = "") -> int:
        """Backfill candles of [start, end) (seconds); return the exit status."""
        words = ["backfill", "candles", "--exchange", exchange, "--start", _iso(start)]
        words += ["--end", _iso(end), "--markets", pairs or ",".join(self.pairs(exchange)), *more]
        return await asyncio.to_thread(main, words)

    def rows(self, market: str, interval: BarInterval) -> Rows:
        """Return the backfilled bars of a market; each is there once."""
        reader = BackfillReader(open_store(self.settings))
        batches = reader.rows(Series("bars", market, interval), 0, 2**62)
        rows = [row for batch in batches for row in batch.to_pylist()]
        found = {round(row["start"].timestamp()): row for row in rows}
        assert len(found) == len(rows)
        assert list(found) == sorted(found)
        return found

    def files(self) -> dict[str, bytes]:
        """Return the content of every file."""
        store = open_store(self.settings)
        return {file.path: store.read(file.path) for file in store.files("")}

    def assert_is_past(self, name: str, start: int, end: int) -> None:
        """See that the bars in [start, end) are what the simulator's market has done."""
        (market,) = [m for m in self.world.model.markets if m.listing.market == name]
        bars = self.world.history.bars(market, start * SECOND, end * SECOND)
        traded = {bar.start // SECOND: bar for bar in bars}
        kept = self.rows(name, "1m")
        first, last = min(traded), max(traded)
        assert [each for each in kept if first <= each <= last] == [*range(first, last + 1, MINUTE)]
        assert not [each for each in kept if start <= each < first and kept[each]["volume"]]
        tick = 10.0**-market.listing.price_digits
        for begin in range(first, last + 1, MINUTE):
            row, bar = kept[begin], traded.get(begin)
            assert (row["source"], row["coverage"], row["first_trade"]) == ("rest", 0.0, None)
            reasons = dict(row["reasons"])
            if bar is None:
                assert (row["volume"], reasons["first_trade"]) == (0, reasons["last_trade"])
                continue
            for field in ("open", "high", "low", "close"):
                assert row[field] == pytest.approx(getattr(bar, field), abs=0.51 * tick)
            assert row["volume"] == pytest.approx(bar.volume, abs=1e-8)
            told = not name.startswith("coinbase")
            assert row["n"] == (bar.trades if told else None)
            unknown = {"first_trade", "last_trade"}
            unknown |= set() if told else {"n", "quote_volume", "vwap"}
            assert reasons == dict.fromkeys(unknown, "thin")
            assert {field for field, value in row.items() if value is None} == unknown

    def assert_are_merged(self, name: str) -> None:
        """See that longer bars are there where all their minutes are, and what pandas makes."""
        minutes = pd.DataFrame.from_dict(self.rows(name, "1m"), orient="index")
        for interval, length in LENGTHS.items():
            groups = minutes.groupby(minutes.index // (length * MINUTE))
            whole = {number: own for number, own in groups if len(own) == length}
            found = self.rows(name, interval)
            assert [*found] == [number * length * MINUTE for number in whole]
            for row, own in zip(found.values(), whole.values(), strict=True):
                priced = own.dropna(subset="open")
                assert row["open"] == priced["open"].iloc[0]
                assert row["close"] == priced["close"].iloc[-1]
                assert (row["high"], row["low"]) == (own["high"].max(), own["low"].min())
                assert math.isclose(row["volume"], own["volume"].sum(), rel_tol=1e-9, abs_tol=1e-9)
                assert row["source"] == "rest"
                assert row["n"] == (None if own["n"].isna().any() else own["n"].sum())


@contextmanager
def environment(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str = "simulated"
) -> Iterator[Desk]:
    """Return a desk whose command finds the simulator."""
    changes = {"data_dir": str(tmp_path), "source": source, "simulator_port": f"{simulator.port}"}
    for name, value in changes.items():
        monkeypatch.setenv(f"COINTIDE_{name.upper()}", value)
    yield Desk(simulator, Settings())


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


@pytest.mark.parametrize("exchange", ["binance", "coinbase", "kraken"])
def test_what_is_kept_is_the_exchanges_past_once_however_often_it_is_asked_for(
    exchange: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Twenty-six hours: first the newer part, then all of it, then a part again."""

    async def run() -> None:
        clock = Clock(1.0)
        async with simulator_of(clock) as simulator:
            with environment(simulator, tmp_path, monkeypatch) as desk:
                markets = [f"{exchange}:{pair}" for pair in desk.pairs(exchange)]
                over = desk.now // MINUTE * MINUTE - MINUTE
                start = over - 26 * 3_600
                reach = over - 719 * MINUTE if exchange == "kraken" else start
                assert await desk.run(exchange, over - 3_600, over) == 0
                for market in markets:
                    desk.assert_is_past(market, over - 3_600, over)
                status = await desk.run(exchange, start, over)
                told = capsys.readouterr().out
                assert status == int(exchange == "kraken")
                assert ("cannot be fetched" in told) == (exchange == "kraken")
                for market in markets:
                    desk.assert_is_past(market, reach + 2 * MINUTE, over)
                    desk.assert_are_merged(market)
                before = desk.files()
                assert await desk.run(exchange, over - 7_200, over - 3_600) == 0
                assert desk.files() == before
                assert len(before) % 2 == 0
                assert all(market in told for market in markets)

    asyncio.run(run())


def test_a_dry_run_says_what_would_be_fetched_and_asks_for_no_candle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On Kraken also what cannot be; a refusal of all candles would be noticed otherwise."""

    async def run() -> None:
        clock = Clock(1.0)
        async with simulator_of(clock) as simulator:
            with environment(simulator, tmp_path, monkeypatch) as desk:
                over = desk.now // MINUTE * MINUTE
                (pair, _) = desk.pairs("kraken")
                old = over - 3 * 86_400
                assert await desk.run("kraken", over - 3_600, over, "--dry-run", pairs=pair) == 0
                assert "requests" in capsys.readouterr().out
                assert await desk.run("kraken", old, over, "--dry-run", pairs=pair) == 1
                assert f"kraken:{pair}: {_iso(old)[:16]}" in capsys.readouterr().out
                assert not desk.files()

    asyncio.run(run())


def test_a_refusal_is_waited_out_and_what_cannot_be_asked_for_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two seconds of 503 after the list of markets; a pair that is not listed; an empty range."""

    async def run() -> None:
        clock = Clock(1.0)
        async with simulator_of(clock) as simulator:
            with environment(simulator, tmp_path, monkeypatch) as desk:
                over = desk.now // MINUTE * MINUTE
                (pair, _) = desk.pairs("binance")
                began = time.monotonic()
                world = simulator.world
                answers = world.rest["binance"].answer
                refused: list[str] = []

                def refuse_first(path: str, *more: Any) -> Any:
                    answer = answers(path, *more)
                    if "klines" in path and not refused:
                        refused.append(path)
                        world.faults.fail_rest("binance", 503, world.now + 2 * SECOND)
                    return answer

                monkeypatch.setattr(world.rest["binance"], "answer", refuse_first)
                day = over // 86_400 * 86_400
                assert await desk.run("binance", day - 1_800, day + 1_800, pairs=pair) == 0
                assert refused
                assert time.monotonic() - began > 1
                desk.assert_is_past(f"binance:{pair}", day - 1_800, min(day + 1_800, over - 60))
                assert await desk.run("binance", over - 600, over, pairs="NONE-USD") == 1
                assert "binance:NONE-USD" in capsys.readouterr().err
                assert await desk.run("binance", over, over, pairs=pair) == 2
                assert await desk.run("binance", over + 600, over + 900, pairs=pair) == 1
                assert "no whole minute of what was asked for is over" in capsys.readouterr().out

    asyncio.run(run())


def test_without_a_source_no_exchange_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def run() -> None:
        async with simulator_of(Clock(1.0)) as simulator:
            with environment(simulator, tmp_path, monkeypatch, source="none") as desk:
                over = desk.now // MINUTE * MINUTE
                assert await desk.run("binance", over - 600, over) == 2
                assert "--source live" in capsys.readouterr().err

    asyncio.run(run())
