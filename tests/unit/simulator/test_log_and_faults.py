"""The log of what was sent, deliberate faults, the addresses, and the words of the commands."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from models.errors import CaptureError
from models.settings import Settings
from services.commands.record import markets
from services.commands.simulator import oddity
from services.record.recorder import symbol_of
from services.simulator.exchanges.session import SentTick, Session, text_frame
from services.simulator.faults import Faults, Oddities
from services.simulator.log import LogLine, SentLog, read_log
from services.simulator.urls import simulated_urls
from tests.unit.simulator.client import SECOND, texts_of


def test_the_log_gives_back_what_was_written(tmp_path: Path) -> None:
    tick = SentTick("quote", "kraken:BTC-USD", 0, 17, (1.5, 2.0, 1.75, 3.0))
    lines = [LogLine(1, "kraken", "kraken-1", True, [tick]), LogLine(2, "kraken", "c", False, [])]
    with SentLog(tmp_path / "log") as log:
        for line in lines:
            log.write(line)
    assert list(read_log(tmp_path / "log")) == lines


def test_an_unfinished_last_line_ends_the_log_and_another_one_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with SentLog(path) as log:
        log.write(LogLine(1, "kraken", "c", True, []))
    with path.open("ab") as file:
        file.write(b'{"t":2')
    assert len(list(read_log(path))) == 1
    with path.open("ab") as file:
        file.write(b"\n")
    with pytest.raises(CaptureError, match="line 2"):
        list(read_log(path))


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536, 200_000])
def test_frames_of_every_length_are_framed_rightly(length: int) -> None:
    assert texts_of([text_frame("x" * length)]) == ["x" * length]


def test_faults_last_as_long_as_was_asked() -> None:
    faults, session = Faults(Oddities(), 1), Session("kraken", "kraken-1", 0)
    faults.silence("kraken", 5 * SECOND)
    faults.refuse("kraken", 3 * SECOND)
    faults.fail_rest("kraken", 429, 2 * SECOND)
    assert faults.is_silent(session, 4 * SECOND)
    assert not faults.is_silent(session, 5 * SECOND)
    assert not faults.is_silent(Session("binance", "b", 0), 4 * SECOND)
    assert faults.refuses("kraken", 2 * SECOND)
    assert not faults.refuses("kraken", 3 * SECOND)
    assert faults.rest_status("kraken", SECOND) == 429
    assert faults.rest_status("kraken", 2 * SECOND) is None


def test_oddities_strike_about_as_often_as_they_should() -> None:
    faults = Faults(Oddities(checksum=0.1, disconnects=360.0, silences=360.0), 1)
    session = Session("kraken", "kraken-1", 0)
    wrong = sum(faults.corrupts_checksum() for _ in range(2_000))
    assert 140 < wrong < 260
    cut = sum(faults.second_end(session, 100 * SECOND) for _ in range(2_000))
    assert 140 < cut < 260
    assert session.held_until == 108 * SECOND


def test_the_addresses_are_settings() -> None:
    urls = simulated_urls(8_100)
    assert set(urls) <= set(Settings.model_fields)
    assert len(urls) == 7
    assert all("://127.0.0.1:8100/" in url for url in urls.values())


def test_words_of_the_commands() -> None:
    assert oddity("crossed=0.01") == ("crossed", 0.01)
    assert markets("btc-usd, ETH-USD") == ["BTC-USD", "ETH-USD"]
    assert symbol_of("coinbase", "BTC-USD") == "BTC-USD"
    for wrong in ("crossed", "crossed=x", "dance=1", "crossed=-1"):
        with pytest.raises(argparse.ArgumentTypeError):
            oddity(wrong)
    for wrong in ("", "BTC", "BTC-", "BTC-USD,"):
        with pytest.raises(argparse.ArgumentTypeError):
            markets(wrong)
