"""The simulator as a process: its ports, its log, its faults and its end."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from agents.ingestion.captures.detect import read_capture
from agents.ingestion.exchanges.events import Quote, Trade
from agents.ingestion.exchanges.memory import ExchangeMemory
from agents.ingestion.exchanges.registry import open_connection
from agents.ingestion.subscriptions import CHANNELS, subscribe_frames
from services.simulator.log import read_log
from services.simulator.market.model import ModelSettings
from services.simulator.server import ServerSettings, Simulator
from services.simulator.urls import simulated_urls

_COMMAND = [sys.executable, "-m", "services.cli"]
_LIMIT_S = 60.0
_SYMBOLS = {
    "coinbase": ["BTC-USD", "ETH-USD"],
    "kraken": ["BTC/USD", "ETH/USD"],
    "binance": ["BTCUSDT", "ETHUSDT"],
}
_PAIRS = {"BTCUSDT": ("BTC", "USDT"), "ETHUSDT": ("ETH", "USDT")}
Numbers = tuple[str, str, tuple[float, ...]]


@contextmanager
def _process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run `cointide simulator`; give the process and its port once it says it is ready."""
    process = subprocess.Popen(
        [*_COMMAND, "simulator", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"simulator ready: .* ws://127\.0\.0\.1:(\d+)/coinbase", line)
        assert found is not None, line
        yield process, int(found[1])
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _small(**settings: object) -> ServerSettings:
    model = ModelSettings(seed=3, coins=4, rate=400.0)
    return ServerSettings(**({"model": model, "limits": False} | settings))  # type: ignore[arg-type]


async def _connect(port: int, exchange: str) -> ClientConnection:
    url = simulated_urls(port)[f"{exchange}_websocket_url"] + CHANNELS[exchange].path
    socket = await connect(url, max_size=2**24)
    for message in subscribe_frames(exchange, _SYMBOLS[exchange]):
        await socket.send(message)
    return socket


async def _ticks(socket: ClientConnection, exchange: str, seconds: float) -> list[Numbers]:
    """Return the ticks that the project's parser reads until the time is over, or the end."""
    parser = open_connection(exchange, ExchangeMemory(), _PAIRS)
    found: list[Numbers] = []
    try:
        async with asyncio.timeout(seconds):
            while True:
                frame = await socket.recv(decode=True)
                for event in parser.receive(time.time_ns(), str(frame)).events:
                    if isinstance(event, Quote):
                        values = (event.bid, event.bid_size, event.ask, event.ask_size)
                        found.append(("quote", event.market, values))
                    elif isinstance(event, Trade):
                        trade = (event.price, event.size, float(event.side))
                        found.append(("trade", event.market, trade))
    except (TimeoutError, ConnectionClosed):
        pass
    return found


async def _next(socket: ClientConnection) -> str:
    async with asyncio.timeout(_LIMIT_S):
        return str(await socket.recv(decode=True))


async def _until_closed(socket: ClientConnection) -> None:
    while True:
        await _next(socket)


def test_the_process_says_when_it_is_ready_and_ends_soon_with_clients_connected() -> None:
    with _process("--coins", "4", "--seed", "9") as (process, port):
        base = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{base}/ready").status_code == 200
        assert httpx.get(f"{base}/log").json()["seed"] == 9

        async def stop_while_connected() -> None:
            sockets = [await _connect(port, exchange) for exchange in _SYMBOLS]
            for socket in sockets:
                await _next(socket)
            process.send_signal(signal.SIGTERM)
            begun = time.monotonic()
            returned = await asyncio.to_thread(process.wait, _LIMIT_S)
            assert returned == 0
            assert time.monotonic() - begun < _LIMIT_S / 6
            for socket in sockets:
                with pytest.raises(ConnectionClosed):
                    await _until_closed(socket)
                assert socket.close_code == 1001

        asyncio.run(stop_while_connected())


def test_a_taken_port_is_told_in_a_sentence() -> None:
    with _process("--coins", "2") as (_, port):
        found = subprocess.run(
            [*_COMMAND, "simulator", "--port", str(port), "--coins", "2"],
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
    assert found.returncode == 1
    assert f"expected port {port} to be free" in found.stderr


def test_it_listens_on_loopback_alone() -> None:
    with _process("--coins", "2") as (_, port):
        tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
        rows = [row.split() for table in tables for row in table.read_text().splitlines()[1:]]
    listening = [row[1] for row in rows if row[3] == "0A"]
    assert [each for each in listening if each.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


def test_the_log_holds_what_clients_received_tick_for_tick(tmp_path: Path) -> None:
    path = tmp_path / "sent.jsonl"

    async def follow() -> dict[str, list[Numbers]]:
        async with Simulator(_small(log=path)) as simulator:
            sockets = {exchange: await _connect(simulator.port, exchange) for exchange in _SYMBOLS}
            following = [
                asyncio.create_task(_ticks(socket, exchange, 2 * _LIMIT_S))
                for exchange, socket in sockets.items()
            ]
            counters = simulator.connections.counters.values()
            for _ in range(round(_LIMIT_S / 0.05)):
                if min(each.ticks for each in counters) > 300:
                    break
                await asyncio.sleep(0.05)
            # Everything that was sent is received, since the server closes in order.
            await simulator.stop()
            return dict(zip(sockets, await asyncio.gather(*following), strict=True))

    received = asyncio.run(follow())
    for exchange, ticks in received.items():
        sent = [
            ("trade" if tick.kind == "trade" else "quote", tick.market, tick.values)
            for line in read_log(path)
            if line.exchange == exchange and line.accepted
            for tick in line.ticks
        ]
        assert len(sent) > 100
        assert ticks == sent


def test_connections_are_dropped_refused_and_silenced_on_request() -> None:
    async def disturb() -> None:
        async with Simulator(_small()) as simulator, httpx.AsyncClient() as client:
            base, port = f"http://127.0.0.1:{simulator.port}", simulator.port
            socket = await _connect(port, "kraken")
            await _next(socket)
            assert (await client.post(f"{base}/faults/drop?exchange=kraken")).json()["dropped"] == 1
            with pytest.raises(ConnectionClosed):
                await _until_closed(socket)
            await client.post(f"{base}/faults/refuse?exchange=kraken&seconds=60")
            with pytest.raises(InvalidStatus):
                await _connect(port, "kraken")
            other = await _connect(port, "coinbase")
            await _next(other)
            await client.post(f"{base}/faults/silence?exchange=coinbase&seconds=1")
            longest = 0.0
            for _ in range(200):
                begun = time.monotonic()
                await _next(other)
                longest = max(longest, time.monotonic() - begun)
            assert longest > 0.7
            counters = (await client.get(f"{base}/log")).json()["exchanges"]["kraken"]
            assert (counters["open"], counters["refused"]) == (0, 1)
            # What is not known is refused.
            assert (await client.post(f"{base}/faults/drop?exchange=x")).status_code == 400
            assert (await client.post(f"{base}/faults/dance?exchange=kraken")).status_code == 404
            wrong = await client.post(f"{base}/faults/silence?exchange=kraken&seconds=x")
            assert wrong.status_code == 400

    asyncio.run(disturb())


def test_rest_fails_on_request() -> None:
    async def disturb() -> None:
        async with Simulator(_small()) as simulator, httpx.AsyncClient() as client:
            base = f"http://127.0.0.1:{simulator.port}"
            url = f"{base}/coinbase/products"
            await client.post(f"{base}/faults/rest?exchange=coinbase&status=429&seconds=60")
            refused = await client.get(url)
            assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
            await client.post(f"{base}/faults/rest?exchange=coinbase&status=500&seconds=60")
            assert (await client.get(url)).status_code == 500
            await client.post(f"{base}/faults/rest?exchange=coinbase&seconds=0")
            assert (await client.get(url)).status_code == 200
            truth = (await client.get(f"{base}/truth")).json()
            assert truth["coins"][:2] == ["BTC", "ETH"]
            assert len(truth["correlation"]) == 4

    asyncio.run(disturb())


def test_connecting_too_often_is_refused() -> None:
    async def status_of(url: str) -> int:
        try:
            async with connect(url):
                return 101
        except InvalidStatus as error:
            return error.response.status_code

    async def connect_often() -> list[int]:
        async with Simulator(_small(limits=True)) as simulator:
            url = simulated_urls(simulator.port)["coinbase_websocket_url"]
            # At once, since what may be done grows with the time.
            return await asyncio.gather(*(status_of(url) for _ in range(40)))

    assert set(asyncio.run(connect_often())) == {101, 429}


def test_a_slow_client_is_cut_and_harms_no_other() -> None:
    async def stall() -> None:
        async with Simulator(_small()) as simulator:
            slow = await _connect(simulator.port, "binance")
            slow.transport.pause_reading()
            other = await _connect(simulator.port, "binance")
            for _ in range(200):
                await _next(other)
            # The slow one's frames wait for it, within bounds.
            assert simulator.connections.counters["binance"].open == 2
            slow.transport.abort()

    asyncio.run(stall())


@pytest.mark.parametrize(
    ("exchange", "pairs"),
    [("kraken", "BTC-USD,ETH-USD"), ("coinbase", "BTC-USD"), ("binance", "BTC-USDT,ETH-BTC")],
)
def test_what_is_recorded_can_be_played_and_read_again(
    exchange: str, pairs: str, tmp_path: Path
) -> None:
    capture = tmp_path / "capture.jsonl.zst"
    found = subprocess.run(
        [*_COMMAND, "record", "--exchange", exchange, "--markets", pairs, "--seconds", "2",
         str(capture)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    recorded = list(read_capture(capture))
    kinds = [each.kind for each in recorded]
    assert kinds.count("open") == kinds.count("close") == 1
    assert kinds[-1] == "close"
    assert kinds.count("rest") == (exchange == "binance")
    frames = [each.frame for each in recorded if each.kind == "frame"]
    assert len(frames) > 50
    assert asyncio.run(_played(exchange, [capture])) == frames


async def _played(exchange: str, captures: Sequence[Path]) -> list[str]:
    """Return what a client gets of captures that are played ten times as fast."""
    async with Simulator(_small(play=captures, speed=10.0)) as simulator:
        url = simulated_urls(simulator.port)[f"{exchange}_websocket_url"]
        async with asyncio.timeout(_LIMIT_S), connect(url, max_size=2**24) as socket:
            return [str(frame) async for frame in socket]


def test_real_captures_are_played_as_they_are(test_data: Path) -> None:
    path = test_data / "crossbook_kraken_2026" / "kraken_xrpusd_sample.cbcap"
    expected = [each.frame for each in read_capture(path) if each.kind == "frame"][:200]

    async def first_frames() -> list[str]:
        async with Simulator(_small(play=[path], speed=1_000.0)) as simulator:
            url = simulated_urls(simulator.port)["kraken_websocket_url"]
            async with connect(url, max_size=2**24, close_timeout=0.2) as socket:
                return [await _next(socket) for _ in expected]

    assert asyncio.run(first_frames()) == expected


def test_recording_tells_when_there_is_no_exchange(tmp_path: Path) -> None:
    found = subprocess.run(
        [*_COMMAND, "record", "--exchange", "kraken", "--markets", "BTC-USD",
         str(tmp_path / "capture.jsonl")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "COINTIDE_SIMULATOR_PORT": "9"},
    )  # fmt: skip
    assert found.returncode == 1
    assert "expected frames of kraken" in found.stderr


def test_server_shutdown_is_announced_on_binance() -> None:
    async def listen() -> list[str]:
        async with Simulator(_small()) as simulator:
            socket = await _connect(simulator.port, "binance")
            await _next(socket)
            stopping = asyncio.create_task(simulator.stop())
            frames = []
            try:
                while True:
                    frames.append(await _next(socket))
            except ConnectionClosed:
                await stopping
            return frames

    frames = asyncio.run(listen())
    assert json.loads(frames[-1])["stream"] == "!serverShutdown"
