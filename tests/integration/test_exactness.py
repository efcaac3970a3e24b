"""Every capture through real Kafka and a real worker: the series equals the oracle's."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from models.records.bursts import QuoteBurst, TickFlag, TradeBurst, decode_quotes, decode_trades
from models.settings import Settings
from tests.burst_log import MADE_CAPTURES
from tests.integration.commands import ROOT
from tests.integration.line import Line
from tests.integration.topic_records import Record, read_topic

if TYPE_CHECKING:
    from tests.integration.conftest import Stack

_FOLDER = (ROOT / (os.environ.get("COINTIDE_TEST_DATA") or "../shared/data")).resolve()
_PATTERNS = ("*/*.cbcap", "*/*live*.ndjson", "*/*.gz", "*/*.jsonl")
_GIVEN = sorted(path for pattern in _PATTERNS for path in _FOLDER.glob(pattern))
_CAPTURES = [*MADE_CAPTURES, *_GIVEN]
_NAMES = [path.name.partition(".")[0] for path in _CAPTURES]
_BINANCE = [path for path in _GIVEN if path.name.startswith("spot_")]
# Another cut of the same frames must give the same bytes.
_OTHER_CUTS = {"linger_ms": 37, "burst_interval_ms": 170}
_TWICE = ("binance", "coinbase", "kraken", "coinbase_live-btc-eth", "spot_ethusdt_20240808")
_AT_ONCE = 3


def run_capture(settings: Settings, capture: Path) -> tuple[Settings, list[Record]]:
    """Replay a capture into a namespace with one worker; return what is in it at the end."""
    with Line(settings) as line:
        line.start_worker()
        line.replay(capture)
        line.wait_until_done()
        records = line.published()
    return settings, records


Runs = Mapping[str, Future[tuple[Settings, list[Record]]]]


@pytest.fixture(scope="module")
def runs(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Run every capture in its own namespace, a few at a time; some a second time, cut elsewhere.

    A test waits for its own run alone.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        futures: dict[str, Future[tuple[Settings, list[Record]]]] = {}
        for name, capture in zip(_NAMES, _CAPTURES, strict=True):
            for kind, cuts in (("", {}), ("-again", _OTHER_CUTS)):
                if kind and name not in _TWICE:
                    continue
                own = {"namespace": f"exact-{name}{kind}", "data_dir": tmp_path_factory.mktemp("d")}
                settings = stack.settings.model_copy(update={**own, **cuts})
                futures[name + kind] = pool.submit(run_capture, settings, capture)
        yield futures
        for future in futures.values():
            future.cancel()


def test_the_captures_are_there(test_data: Path) -> None:
    """Those given and those made; else what follows would prove nothing."""
    assert test_data == _FOLDER
    assert len(_GIVEN) >= 10
    assert len(MADE_CAPTURES) >= 4
    assert all(path.is_file() for path in MADE_CAPTURES)


@pytest.mark.parametrize("capture", _CAPTURES, ids=_NAMES)
def test_the_published_series_of_a_capture_equals_the_oracle(runs: Runs, capture: Path) -> None:
    """Every row of every second, none missing, none more; uninterrupted, so none twice."""
    name = capture.name.partition(".")[0]
    settings, records = runs[name].result()
    assert len({record.key for record in records}) == len(records)
    with Line(settings) as line:
        assert line.assert_series([capture]) == records


@pytest.mark.parametrize("name", [name for name in _TWICE if name in _NAMES])
def test_a_second_replay_gives_the_same_bytes_wherever_its_bursts_are_cut(
    runs: Runs, name: str
) -> None:
    """Keys and values of `spreads`, partition by partition, in their order within each source."""
    _, first = runs[name].result()
    settings, second = runs[f"{name}-again"].result()
    assert first
    assert by_source(first) == by_source(second)
    before = read_topic(runs[name].result()[0], f"{exchange_in(first)}_quotes")
    after = read_topic(settings, f"{exchange_in(first)}_quotes")
    assert len(before) != len(after), "expected the second replay to be cut elsewhere"


def by_source(records: list[Record]) -> dict[tuple[bytes, int], list[tuple[bytes, bytes | None]]]:
    """Return keys and values in the order of the log, by source."""
    sources: dict[tuple[bytes, int], list[tuple[bytes, bytes | None]]] = {}
    for record in records:
        assert record.key is not None
        source = record.key.rpartition(b"|")[0], record.partition
        sources.setdefault(source, []).append((record.key, record.value))
    return sources


def exchange_in(records: list[Record]) -> str:
    """Return the exchange of the first record."""
    assert records[0].key is not None
    return records[0].key.partition(b"|")[0].decode()


@pytest.mark.parametrize("capture", _BINANCE, ids=lambda path: path.name.partition(".")[0])
def test_effective_spreads_of_binance_are_rarely_negative(runs: Runs, capture: Path) -> None:
    """A taker pays: 2 D (p − m) / m below 0 for fewer than 5 % of the trades in the bursts.

    m is the mid strictly before the trade; trades that came late are left out.
    """
    settings, _ = runs[capture.name.partition(".")[0]].result()
    quotes = pd.concat(
        frame_of(decode_quotes(record.value), ("bid", "ask"))
        for record in read_topic(settings, "binance_quotes")
    )
    trades = pd.concat(
        frame_of(decode_trades(record.value), ("price",))
        for record in read_topic(settings, "binance_trades")
    )
    quotes["mid"] = (quotes["bid"] + quotes["ask"]) / 2
    bad = (TickFlag.CROSSED | TickFlag.ONE_SIDED).value
    good = quotes[(quotes["flags"] & bad) == 0]
    on_time = trades[(trades["flags"] & TickFlag.LATE.value) == 0]
    joined = pd.merge_asof(
        on_time.sort_values("time", kind="stable"),
        good.sort_values("time", kind="stable")[["time", "market", "mid"]],
        on="time",
        by="market",
        allow_exact_matches=False,
    ).dropna(subset=["mid"])
    effective = 2e4 * joined["side"] * (joined["price"] - joined["mid"]) / joined["mid"]
    assert len(joined) > 1000
    assert (effective < 0).mean() < 0.05
    assert effective.mean() > 0


def frame_of(burst: QuoteBurst | TradeBurst, prices: tuple[str, ...]) -> pd.DataFrame:
    """Return the ticks of a burst as a table."""
    columns = {name: np.frombuffer(getattr(burst, name), "<f8") for name in prices}
    if isinstance(burst, TradeBurst):
        columns["side"] = np.frombuffer(burst.side, "i1")
    return pd.DataFrame(
        {
            "market": [burst.markets[code] for code in burst.market_codes()],
            "time": np.frombuffer(burst.time, "<i8"),
            "flags": np.frombuffer(burst.flags, "u1"),
            **columns,
        }
    )
