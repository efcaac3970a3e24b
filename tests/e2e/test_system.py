"""The whole live system as its users meet it: one command, REST, websocket, page, oracle."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import sync_playwright
from websockets.sync.client import connect

from models.records.spreads import decode_spreads
from models.records.unpacked import spread_objects
from models.settings import Settings, environment_of
from models.times import iso_seconds
from models.topics import SPREADS
from services.local.ports import LOOPBACK, choose_port
from services.local.state import brokers_of, read_state, start_time_of
from tests.integration.line import read_topic
from tests.oracle import differences
from tests.oracle.topics import rows_from_bursts

ROOT = Path(__file__).resolve().parent.parent.parent
LIMIT_S = 120.0
CHROMIUM_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class System:
    """`cointide up --source simulated` in a folder of its own."""

    def __init__(self, settings: Settings) -> None:
        """Start it."""
        self.settings = settings
        self.address = f"{LOOPBACK}:{settings.gateway_port}"
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        self.log = settings.data_dir / "up.log"
        words = ["up", "--source", "simulated", "--workers", "ingestion=2"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.cli", *words],
                cwd=ROOT,
                env={**os.environ, **environment_of(settings)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Wait for a condition and return what it gives; fail with the logs at the limit."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            try:
                if found := condition():
                    return found
            except httpx.HTTPError:
                pass
            assert self.process.poll() is None, f"the system ended\n{self.tell()}"
            assert time.monotonic() < deadline, f"expected {what}\n{self.tell()}"
            time.sleep(0.1)

    def tell(self) -> str:
        """Return the ends of all logs."""
        logs = [self.log, *sorted((self.settings.data_dir / "logs").glob("*.log"))]
        return "\n".join(f"--- {log}\n{log.read_text(errors='replace')[-1500:]}" for log in logs)

    def spreads(self) -> list[dict[str, Any]]:
        """Return every spread that REST shows."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            parameters = {"limit": "100", **({"cursor": cursor} if cursor else {})}
            answer = httpx.get(f"http://{self.address}/v1/spreads", params=parameters)
            page = answer.raise_for_status().json()
            found.extend(page["data"])
            cursor = page["next"]
            if cursor is None:
                return found

    def pids(self) -> set[int]:
        """Return the process ids of everything that runs."""
        state = read_state(self.settings.data_dir)
        return {pid for pid in state.processes.values() if pid} if state else set()


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, jars_dir: Path) -> Iterator[System]:
    """Run the system until the markets live; it is stopped at the end, come what may."""
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("system"),
        jars_dir=jars_dir.absolute(),
        gateway_port=choose_port("gateway", 0, None, ()),
        partitions=4,
    )
    running = System(settings)
    try:
        running.until(
            lambda: (
                sum(
                    row["windows"].get("15s", {}).get("coverage", 0) > 0
                    for row in running.spreads()
                )
                > 100
            ),
            "spreads of more than 100 markets",
        )
        yield running
    finally:
        if running.process.poll() is None:
            running.process.send_signal(signal.SIGTERM)
            try:
                running.process.wait(60)
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()


def test_rest_websocket_and_page_show_the_same_live_spread(system: System) -> None:
    """A figure on the websocket is the one in Kafka; REST and the page show that market live."""
    market = "kraken:BTC-USD"
    with connect(f"ws://{system.address}/v1/stream") as socket:
        request = {"op": "subscribe", "id": 1, "channel": "spreads", "keys": [market]}
        socket.send(json.dumps(request))
        updates: list[dict[str, Any]] = []
        while len(updates) < 3:
            message = json.loads(socket.recv(timeout=LIMIT_S))
            if message["type"] == "update":
                updates.append(message)
    sequence = [update["seq"] for update in updates]
    assert sequence == list(range(sequence[0], sequence[0] + 3))
    assert [update["prev_seq"] for update in updates[1:]] == sequence[:2]
    settings = system.settings.model_copy(update={"kafka_brokers": brokers_of(system.settings)})
    in_kafka = {
        row["as_of"]: row
        for record in read_topic(settings, SPREADS.name)
        for row in spread_objects(decode_spreads(record.value or b""))
        if row["market"] == market
    }
    for update in updates:
        assert update["data"] == in_kafka[update["data"]["as_of"]]

    shown = httpx.get(f"http://{system.address}/v1/spreads/kraken/BTC-USD").json()
    assert shown["as_of"] >= updates[-1]["data"]["as_of"]
    assert not shown["stale"], shown

    chromium = shutil.which("chromium")
    assert chromium is not None, "expected Debian's chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        try:
            page = browser.new_page()
            page.goto(f"http://{system.address}/")
            page.get_by_text("Simulated data").first.wait_for()
            row = page.get_by_role("row").filter(has_text="BTC-USD").filter(has_text="kraken").first
            row.wait_for()
            first = row.inner_text()
            page.wait_for_function(
                "([before]) => [...document.querySelectorAll('[role=row], tr')]"
                ".some(r => r.innerText.includes('kraken') && r.innerText.includes('BTC-USD')"
                " && r.innerText !== before)",
                arg=[first],
            )
        finally:
            browser.close()


def test_what_is_published_equals_the_oracle_from_the_raw_topics(system: System) -> None:
    """Also after one of two ingestion workers was killed and has come back."""
    before = read_state(system.settings.data_dir)
    assert before is not None
    victim = before.processes["ingestion-0"]
    os.kill(victim, signal.SIGKILL)

    def came_back() -> bool:
        state = read_state(system.settings.data_dir)
        return (
            state is not None
            and state.state == "ready"
            and state.processes["ingestion-0"] not in (0, victim)
        )

    system.until(came_back, "the killed worker to be back")

    back = iso_seconds(int(time.time()))

    def everything_is_seen() -> bool:
        rows = system.spreads()
        return all(
            row["as_of"] is not None and row["as_of"] > back and not row["stale"] for row in rows
        )

    system.until(everything_is_seen, "every market to be seen again")
    settings = system.settings.model_copy(update={"kafka_brokers": brokers_of(system.settings)})
    published = {
        record.key: record.value for record in read_topic(settings, SPREADS.name) if record.value
    }
    rows = [row for value in published.values() for row in spread_objects(decode_spreads(value))]
    values: dict[tuple[str, str, int], list[bytes]] = {
        (exchange, kind, partition): [
            record.value
            for record in read_topic(settings, f"{exchange}_{kind}")
            if record.partition == partition and record.value
        ]
        for exchange in settings.exchanges
        for kind in ("quotes", "trades")
        for partition in range(settings.partitions)
    }
    expected, _ = rows_from_bursts(values)
    # The topics went on while they were read: compare up to the last second published everywhere.
    last = min(
        max(row["as_of"] for row in rows if row["market"] == market)
        for market in {row["market"] for row in rows}
    )
    ours = [row for row in rows if row["as_of"] <= last]
    theirs = [row for row in expected if row["as_of"] <= last]
    assert len(ours) > 1_000
    assert any(row["stale"] for row in ours), "the kill left no trace: was anything killed?"
    assert not (found := differences(ours, theirs)), "\n".join(found[:20])


def test_nothing_is_left_running_after_the_supervisor_is_killed(system: System) -> None:
    """SIGKILL gives it no chance to stop anything."""
    pids = system.pids()
    assert len(pids) >= 6
    system.process.kill()
    system.process.wait()
    deadline = time.monotonic() + 30
    while any(start_time_of(pid) is not None for pid in pids):
        assert time.monotonic() < deadline, "expected every process to be gone"
        time.sleep(0.1)
