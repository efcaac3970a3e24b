"""The client package against a real gateway: frames, and a stream that outlives restarts."""

from __future__ import annotations

import asyncio
import signal
import warnings
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pandas as pd
import pytest
from pydantic import SecretStr

from cointide_client import (
    Cointide,
    Event,
    Gap,
    IncompleteWarning,
    NotFoundError,
    Reconnected,
    RefusedError,
    Stream,
    StreamRefusedError,
    Subscription,
    UnauthorizedError,
    Value,
)
from models.records.reference import encode_reference
from models.settings import Settings
from models.topics import BARS, CORRELATIONS, FEEDS, INDICATORS, RETURNS, SPREADS
from tests.integration.conftest import CreateTopics
from tests.integration.gateway import LIMIT_S, GatewayProcess, send
from tests.integration.test_gateway_figures import COINS, MATRIX, put
from tests.made_bursts import QuoteTick, TradeTick, quote_burst, trade_burst
from tests.pages import executed, python_of
from tests.unit.gateway.made import BTC, ETH, SECOND, START, feed, spreads
from tests.unit.gateway.made_derived import MINUTE, bars, blocks, indicators, returns

KEY = "a good key"


_PAGES = [
    ("docs/for-data-scientists.md", ["1 "]),
    ("clients/python/README.md", ["History", "Now", "Live"]),
]


@pytest.fixture
def settings(namespaced: Settings, create_topics_for: CreateTopics) -> Settings:
    """Return settings with topics, a key, and a gateway that does not wait long for clients."""
    create_topics_for(namespaced)
    return namespaced.model_copy(
        update={"api_keys": [SecretStr(KEY)], "gateway_drain_s": 1.0, "rate_limit_burst": 1_000}
    )


def send_spreads(settings: Settings, seconds: range) -> None:
    """Put seconds of spreads of two markets into the topic."""
    values = [spreads(second, (BTC, ETH), spread=float(second)).value for second in seconds]
    send(settings, SPREADS.name, values)


def test_newest_figures_are_frames_and_problems_are_errors(settings: Settings) -> None:
    """Markets, spreads and a matrix as a user asks for them; a key that is needed."""
    send_spreads(settings, range(1, 4))
    prices = {"BTC": 60_000.0, "ETH": 3_000.0, "SOL": 150.0}
    put(settings, RETURNS.name, [returns(10, prices)])
    put(settings, CORRELATIONS.name, blocks(10, COINS, MATRIX))
    with GatewayProcess(settings) as gateway:
        url = f"http://{gateway.address}"
        with Cointide(url, KEY) as client:
            newest = client.newest_spreads(coin="BTC")
            assert list(newest.index) == [BTC]
            assert newest["windows_15s_mean"].tolist() == [3.0]
            assert newest["as_of"].tolist() == [pd.Timestamp(START + 3, unit="s", tz="UTC")]
            assert newest["windows_15s_tick_mean"].isna().all()
            assert newest["reasons"].tolist() == [{"windows.15s.tick_mean": "quiet"}]
            assert list(client.markets().index) == [BTC, ETH]
            matrix = client.correlations(["ETH", "BTC"])
            assert matrix.matrix.loc["BTC", "ETH"] == 0.8
            assert matrix.as_of == pd.Timestamp(START + 10, unit="s", tz="UTC")
            (pair,) = matrix.pairs().to_dict("records")
            assert (pair["a"], pair["b"], pair["n"]) == ("ETH", "BTC", 300)
            assert pair["low"] < pair["correlation"] < pair["high"]
            assert client.newest_correlation("BTC", "ETH")["correlation"] == 0.8
            route = client.route("USD", "BTC")
            assert route["routes"][0]["legs"][0]["price"] == 103.0
            assert client.newest_feeds().empty
            with pytest.raises(RefusedError) as refused:
                client.newest_spreads(coin="NOPE")
            assert (refused.value.status, refused.value.kind) == (422, "unknown-coin")
            with pytest.raises(NotFoundError):
                client.suggestion("kraken:NOPE-USD", "buy")
        with Cointide(url) as locked_out, pytest.raises(UnauthorizedError):
            locked_out.markets()
        asyncio.run(_refused(url))


async def _refused(url: str) -> None:
    cases: list[tuple[str | None, str, type[Exception]]] = [
        ("wrong", BTC, UnauthorizedError),
        (KEY, "kraken:NOPE-USD", StreamRefusedError),
    ]
    for key, market, expected in cases:
        async with aclosing(Stream(url, key).subscribe("spreads", [market])) as events:
            with pytest.raises(expected):
                await asyncio.wait_for(anext(events), LIMIT_S)


def test_a_restart_of_the_gateway_loses_and_repeats_nothing(settings: Settings) -> None:
    """Killed and started anew under an open stream, and once stopped in order, while data comes."""
    send_spreads(settings, range(1, 3))
    put(settings, BARS.name, [bars(0, {BTC: 100.0})])
    with GatewayProcess(settings) as gateway:
        asyncio.run(_through_restarts(settings, gateway))


async def _through_restarts(settings: Settings, gateway: GatewayProcess) -> None:
    stream = Stream(f"http://{gateway.address}", KEY, packed=True, longest_wait_s=0.5)
    wanted = [
        Subscription("spreads", ["*"]),
        Subscription("bars", [f"{BTC}|1m"]),
    ]
    seen: dict[str, list[int]] = {}
    told: list[Event] = []
    last = {BTC: START + 2, ETH: START + 2, f"{BTC}|1m": MINUTE}

    async def until_last() -> None:
        while any(seen.get(key, [0])[-1] < seq for key, seq in last.items()):
            event = await anext(events)
            if isinstance(event, Value):
                seen.setdefault(event.key, []).append(event.seq)
            else:
                told.append(event)

    async with AsyncExitStack() as stack, asyncio.timeout(2 * LIMIT_S):
        events = await stack.enter_async_context(aclosing(stream.follow(*wanted)))
        await until_last()
        for number in (1, 2):
            begin = 100 * number
            # Some of it comes before the end, most while nobody is connected.
            await asyncio.to_thread(send_spreads, settings, range(begin, begin + 3))
            gateway.process.send_signal(signal.SIGKILL if number == 1 else signal.SIGTERM)
            await asyncio.to_thread(gateway.process.wait, LIMIT_S)
            await asyncio.to_thread(send_spreads, settings, range(begin + 3, begin + 50))
            await asyncio.to_thread(put, settings, BARS.name, [bars(number, {BTC: 100.0})])
            gateway = stack.enter_context(
                await asyncio.to_thread(GatewayProcess, settings, gateway.port)
            )
            last = {BTC: START + begin + 49, ETH: START + begin + 49, f"{BTC}|1m": MINUTE + number}
            await until_last()
    expected = [2, *range(100, 150), *range(200, 250)]
    for market in (BTC, ETH):
        assert seen[market] == [START + second for second in expected]
    assert seen[f"{BTC}|1m"] == [MINUTE, MINUTE + 1, MINUTE + 2]
    assert [type(event) for event in told] == [Reconnected, Reconnected]
    assert not any(isinstance(event, Gap) for event in told)


def test_history_is_a_frame_and_the_pages_run_as_they_stand(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in the log alone: frames, a warning where that does not reach back, every example."""
    monkeypatch.chdir(tmp_path)
    send_spreads(settings, range(1, 31))
    put(settings, BARS.name, [bars(minute, {BTC: 100.0 + minute}) for minute in range(5)])
    put(settings, INDICATORS.name, [indicators(minute) for minute in range(5)])
    prices = {"BTC": 60_000.0, "ETH": 3_000.0, "SOL": 150.0}
    put(settings, RETURNS.name, [returns(10 * step, prices) for step in range(60)])
    put(settings, CORRELATIONS.name, blocks(600, COINS, MATRIX))
    for second in (1, 2, 3):
        at = (START + second) * SECOND
        send(settings, "kraken_quotes", [quote_burst(at + 1, [QuoteTick(BTC, at, 1.0, 2.0)])])
        send(settings, "kraken_trades", [trade_burst(at + 1, [TradeTick(BTC, at)])])
    record = feed(0).record
    assert record is not None
    send(settings, FEEDS.name, [encode_reference(record)], [BTC.encode()])
    start, end = (pd.Timestamp(START + at, unit="s", tz="UTC") for at in (0, 3_600))
    open_to_all = settings.model_copy(update={"api_keys": []})
    with GatewayProcess(open_to_all) as gateway, warnings.catch_warnings():
        warnings.simplefilter("ignore", IncompleteWarning)
        url = f"http://{gateway.address}"
        with Cointide(url) as client:
            spread_rows = client.spreads(BTC, start, end)
            assert spread_rows["spread"].tolist() == [float(second) for second in range(1, 31)]
            assert spread_rows.index[0] == start + pd.Timedelta(seconds=1)
            parts = list(client.spreads_batches(BTC, start, end))
            pd.testing.assert_frame_equal(pd.concat(parts), spread_rows)
            means = client.spreads(BTC, start, end, interval="10s", aggregate="mean")
            assert means["spread"].tolist() == [5.5, 15.5, 25.5]
            of_bars = client.bars("BTC", "1m", start, end, exchange="kraken")
            assert of_bars["close"].tolist() == [100.0, 101.0, 102.0, 103.0, 104.0]
            assert of_bars.index[1] == start + pd.Timedelta(minutes=1)
            assert of_bars["as_of"].iloc[0] == start + pd.Timedelta(minutes=1)
            assert len(client.indicators("BTC", "1m", start, end, exchange="kraken")) == 5
            pair = client.correlation("BTC", "ETH", start, end)
            # Nothing has moved; what was published of it is shown as it was.
            assert pair["correlation"].isna().tolist() == [True] * 10 + [False]
            assert pair["correlation"].iloc[-1] == 0.8
            for ticks in (client.quotes(BTC, start, end), client.trades(BTC, start, end)):
                assert len(ticks) == 3
                assert str(ticks.index.dtype) == "datetime64[ns, UTC]"
            assert list(client.feeds(BTC, start, end)["status"]) == ["live"]
            with pytest.warns(IncompleteWarning):
                long_ago = client.spreads(BTC, start - pd.Timedelta(days=30), end)
            complete_from = pd.Timestamp(long_ago.attrs["complete_from"])
            assert start - pd.Timedelta(days=30) < complete_from <= start + pd.Timedelta(seconds=1)
        for page, sections in _PAGES:
            found = [block for section in sections for block in python_of(page, section)]
            executed(page, [block.replace("http://localhost:8000", url) for block in found])
