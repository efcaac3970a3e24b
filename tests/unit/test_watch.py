"""What `cointide watch` shows, and what it refuses."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from models.records.spreads import SPREADS_VERSION, Spreads, SpreadWindow
from services.cli import main
from services.watch.board import Board, figures_of, line_of


def spreads(as_of: str = "2026-08-03T00:00:15Z") -> Spreads:
    """Return one second with a market that is seen and one that is not."""
    return Spreads(
        version=SPREADS_VERSION,
        exchange="kraken",
        partition=2,
        as_of=as_of,
        markets=["kraken:BTC-USD", "kraken:XRP-USD"],
        bid=[63507.6, None],
        ask=[63507.7, None],
        mid=[63507.65, None],
        spread=[0.1, None],
        spread_bps=[0.0157461, None],
        windows={
            "15s": SpreadWindow(
                mean=[0.1234567, 0.00001],
                mean_bps=[0.02, 0.02],
                tick_mean=[0.13, None],
                min=[0.1, 0.00001],
                max=[0.4, 0.00001],
                n=[212, 0],
                coverage=[0.5, 0.2],
                imbalance=[0.5, 0.1],
                depth=[1e5, 2e5],
                trade_low=[63507.6, None],
                trade_high=[63507.7, None],
                trades_n=[3, 0],
            )
        },
        bid_size=[1.5, None],
        ask_size=[0.5, None],
        imbalance=[0.5, None],
        effective_bps=[0.02, None],
        trades_n=[3, 0],
        trades_coverage=[1.0, 0.2],
        realised_5s_bps=[0.01, None],
        realised_5s_n=[2, 0],
        impact_5s_bps=[0.01, None],
        realised_60s_bps=[0.01, None],
        realised_60s_n=[2, 0],
        impact_60s_bps=[0.01, None],
        baseline_bps=[0.02, None],
        baseline_sigma=[0.3, None],
        z=[-0.4, None],
        z_n=[180, 12],
        half_life_s=[4.2, None],
        half_life_n=[179, 11],
        stale=[False, True],
        reasons=[{}, {"bid": "gap", "ask": "gap", "windows.15s.tick_mean": "quiet"}],
    )


def test_a_line_has_every_figure() -> None:
    """Plain output has one line a market and second; undefined is a dash with its reasons."""
    seen, unseen = map(line_of, figures_of(spreads()))
    assert seen == (
        "2026-08-03T00:00:15Z kraken:BTC-USD bid=63507.6 ask=63507.7 spread=0.1 "
        "spread_bps=0.01575 mean_15s=0.123457 coverage=0.50 n=212 rate=28.3/s"
    )
    assert unseen == (
        "2026-08-03T00:00:15Z kraken:XRP-USD bid=– ask=– spread=– "
        "spread_bps=– mean_15s=1e-05 coverage=0.20 n=0 rate=0.0/s reasons=gap,quiet"
    )


def test_the_board_has_the_newest_of_every_market() -> None:
    """A later second takes the place of the one before."""
    board = Board()
    for second in ("2026-08-03T00:00:15Z", "2026-08-03T00:00:16Z"):
        for figures in figures_of(spreads(second)):
            board.update(figures)
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(board.table("title"))
    shown = console.export_text()
    assert shown.count("kraken:BTC-USD") == 1
    assert "00:00:16Z" in shown
    assert "00:00:15Z" not in shown
    assert "gap, quiet" in shown


def test_an_unreadable_capture_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, status 1, and no data folder."""
    monkeypatch.setenv("COINTIDE_DATA_DIR", str(tmp_path / "data"))
    assert main(["watch", str(tmp_path / "absent.jsonl")]) == 1
    told = capsys.readouterr().err
    assert told.startswith("cointide: unreadable_capture: expected a file that can be read")
    assert told.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_a_bad_setting_is_told_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, status 2."""
    monkeypatch.setenv("COINTIDE_PARTITIONS", "0")
    assert main(["ready"]) == 2
    assert "COINTIDE_PARTITIONS" in capsys.readouterr().err


@pytest.mark.parametrize("workers", ["spread", "spread=", "spread=-1", "other=1", "spread=²"])
def test_workers_that_cannot_be_are_refused(
    workers: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The parser says what it expected."""
    with pytest.raises(SystemExit) as ended:
        main(["up", "--workers", workers])
    assert ended.value.code == 2
    assert "expected AGENT=COUNT" in capsys.readouterr().err
