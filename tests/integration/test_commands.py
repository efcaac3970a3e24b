"""The commands as a user calls them, each a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.settings import Settings
from models.topics import declared_topics
from services.local.ports import choose_port
from tests.burst_log import MADE_CAPTURES
from tests.integration.commands import ROOT, cointide, command, environment
from tests.integration.line import Line, expected_rows
from tests.integration.waiting import LIMIT_S, tail_of, until
from tests.oracle import differences, ticks_of

_CAPTURE = next(path for path in MADE_CAPTURES if path.name.startswith("coinbase"))
# Of `../shared/design/api.md`, "A spread".
_FIELDS = {
    *("market", "exchange", "coin", "quote_currency", "as_of", "bid", "ask", "mid", "spread"),
    *("spread_bps", "bid_size", "ask_size", "imbalance", "windows", "stale", "reasons"),
    *("effective_bps", "trades_n", "trades_coverage", "baseline_bps", "baseline_sigma"),
    *(f"{name}_{part}" for name in ("realised_5s", "realised_60s") for part in ("bps", "n")),
    *("impact_5s_bps", "impact_60s_bps", "z", "z_n", "half_life_s", "half_life_n"),
}
_WINDOW_FIELDS = {
    *("mean", "mean_bps", "tick_mean", "min", "max", "n", "coverage"),
    *("imbalance", "depth", "trade_low", "trade_high", "trades_n"),
}
_HEAD = ["partition", "offset", "timestamp", "key", "value"]


def tail(settings: Settings, topic: str) -> list[dict[str, Any]]:
    """Return the lines of `cointide tail TOPIC --from beginning --until end`."""
    done = cointide(settings, "tail", topic, "--from", "beginning", "--until", "end")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def lags(settings: Settings) -> dict[str, set[str]]:
    """Return by group the last column of `cointide lag`, without its head and without the archive.

    The archive commits what it has written, five minutes at a time.
    """
    done = cointide(settings, "lag")
    assert done.returncode == 0, done.stderr
    head, *rows = [line.split() for line in done.stdout.splitlines()]
    assert head == ["group", "topic", "partition", "committed", "end", "lag"]
    found: dict[str, set[str]] = {}
    for group, *_, lag in rows:
        if not group.endswith("archive"):
            found.setdefault(group.rpartition(".")[2], set()).add(lag)
    return found


@pytest.fixture
def replayed(namespaced: Settings) -> Iterator[Line]:
    """Return a line into which a capture was replayed, worked off to its end."""
    with Line(namespaced) as line:
        line.start_worker()
        line.replay(_CAPTURE)
        line.wait_until_done()
        yield line


def test_topics_may_be_called_any_number_of_times(namespaced: Settings) -> None:
    """The first call creates what is declared, the second finds it unchanged."""
    first, second = (cointide(namespaced, "topics") for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    count = len(declared_topics(list(namespaced.exchanges)))
    for done, action in ((first, "created"), (second, "unchanged")):
        rows = done.stdout.splitlines()[1:]
        assert [row.split()[-1] for row in rows] == [action] * count
        assert all(row.startswith(f"{namespaced.namespace}.") for row in rows)


def test_the_series_as_tail_prints_it_is_the_oracles(replayed: Line) -> None:
    """One line a market and second, in the public field names; the lag reads 0 then."""
    settings = replayed.settings
    lines = tail(settings, "spreads")
    assert lines
    assert all(list(line) == _HEAD for line in lines)
    for row in (line["value"] for line in lines):
        assert row.keys() >= _FIELDS
        assert {"15s", "1m", "5m"} == row["windows"].keys()
        assert all(window.keys() == _WINDOW_FIELDS for window in row["windows"].values())
        assert row["market"] == f"{row['exchange']}:{row['coin']}-{row['quote_currency']}"
    rows = [line["value"] for line in lines]
    expected = expected_rows((_CAPTURE,), settings.partitions)
    assert len(rows) == len(expected)
    assert differences(rows, expected) == []
    assert lags(settings) == {"spread": {"0"}}


def test_tail_prints_one_line_a_tick(replayed: Line) -> None:
    """Quotes and trades with prices and times that the oracle reads from the frames."""
    settings = replayed.settings
    ticks = ticks_of([_CAPTURE], settings.partitions)
    quotes = [line["value"] for line in tail(settings, "coinbase_quotes") if is_tick(line)]
    trades = [line["value"] for line in tail(settings, "coinbase_trades") if is_tick(line)]
    sides = (ticks.quotes[side].fillna(0) for side in ("bid", "ask"))
    assert sorted((q["market"], q["bid"] or 0.0, q["ask"] or 0.0) for q in quotes) == sorted(
        zip(ticks.quotes["market"], *sides, strict=True)
    )
    taken = ticks.trades["side"].map({1: "buy", -1: "sell"})
    columns = (ticks.trades[name] for name in ("market", "id", "price"))
    assert sorted((t["market"], t["trade_id"], t["price"], t["side"]) for t in trades) == sorted(
        zip(*columns, taken, strict=True)
    )
    assert all(tick["time"].endswith("Z") for tick in quotes + trades)


def is_tick(line: dict[str, Any]) -> bool:
    """Return whether a line is a tick, not an unseen interval or a clock."""
    return "receive_time" in line["value"]


def test_tail_refuses_a_topic_that_there_is_not(namespaced: Settings) -> None:
    """It was called wrongly, so the status is 2; the sentence names what there is."""
    done = cointide(namespaced, "tail", "spread", "--until", "end")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("cointide: expected one of ")
    assert "spreads" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_replay_refuses_to_go_back(replayed: Line) -> None:
    """In a namespace that holds the frames already: status 1, one sentence, nothing is sent."""
    ends = replayed.ends()
    done = cointide(replayed.settings, "replay", _CAPTURE)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "capture_goes_back" in done.stderr
    assert "fresh namespace" in done.stderr
    assert replayed.ends() == ends


def of_folder(folder: Path) -> set[int]:
    """Return every process whose environment names this folder, but for this one."""
    found = set()
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                named = str(folder).encode() in (process / "environ").read_bytes()
            except OSError:
                continue
            if named:
                found.add(int(process.name))
    return found


@pytest.fixture
def up(tmp_path: Path, jars_dir: Path) -> Iterator[tuple[Settings, subprocess.Popen[bytes], Path]]:
    """Run `cointide up --source none` in a fresh data folder; it is ended with the test."""
    settings = Settings(
        data_dir=tmp_path / "up", jars_dir=jars_dir.absolute(), namespace="", cassandra="off"
    )
    log = tmp_path / "up.log"
    gateway_port = choose_port("gateway", 0, None, ())
    with log.open("wb") as opened:
        process = subprocess.Popen(
            command("up", "--source", "none", "--namespace", "evening"),
            cwd=ROOT,
            # The gateway's port is fixed unless set; another stack may have it.
            env={**environment(settings), "COINTIDE_GATEWAY_PORT": str(gateway_port)},
            stdin=subprocess.DEVNULL,
            stdout=opened,
            stderr=subprocess.STDOUT,
        )
    yield settings, process, log
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()  # what is below it is ended by its guardian
            process.wait(LIMIT_S)


def test_a_whole_stack_takes_a_replay_and_leaves_nothing(
    up: tuple[Settings, subprocess.Popen[bytes], Path],
) -> None:
    """`up`, `ready`, `replay`, `lag`, `tail` find each other through the data folder alone."""
    settings, process, log = up
    evening = settings.model_copy(update={"namespace": "evening"})
    ready = cointide(settings, "ready", "--timeout", str(LIMIT_S), limit_s=LIMIT_S + 10)
    assert ready.returncode == 0, ready.stderr + tail_of(log)
    assert "namespace evening" in ready.stdout
    done = cointide(settings, "replay", _CAPTURE, "--namespace", "evening")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("replayed ")

    def is_worked_off() -> bool:
        # A group that has committed nothing yet is in no row.
        found = lags(evening)
        return "spread" in found and set().union(*found.values()) == {"0"}

    until(is_worked_off, "a lag of 0", lambda: tail_of(log))
    rows = [line["value"] for line in tail(evening, "spreads")]
    assert differences(rows, expected_rows((_CAPTURE,), settings.partitions)) == []

    everyone = of_folder(settings.data_dir)
    assert len(everyone) >= 4, "expected `up`, its guardian, Kafka and a worker"
    process.send_signal(signal.SIGTERM)
    assert process.wait(LIMIT_S) == 0, tail_of(log)
    until(lambda: not of_folder(settings.data_dir), "nothing to be left", lambda: tail_of(log))
    assert cointide(settings, "ready", "--timeout", "0").returncode == 1
