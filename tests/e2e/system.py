"""`cointide up --source simulated` in a folder of its own, as its users meet it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from models.settings import Settings, environment_of
from services.local.ports import LOOPBACK
from services.local.state import StackState, brokers_of, read_state
from tests.e2e.answers import parsed
from tests.integration.topic_records import Record, read_topic

ROOT = Path(__file__).resolve().parent.parent.parent
LIMIT_S = 120.0


class System:
    """The system of one test; end it with `stop`, come what may."""

    def __init__(self, settings: Settings, *words: str) -> None:
        """Start it; `words` go behind the command."""
        self.settings = settings
        self.address = f"{LOOPBACK}:{settings.gateway_port}"
        self._client = httpx.Client(base_url=f"http://{self.address}", timeout=30)
        self.live_since = 0.0
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        self.log = settings.data_dir / "up.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.cli", "up", "--source", "simulated", *words],
                cwd=ROOT,
                env={**os.environ, **environment_of(settings)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def stop(self) -> None:
        """End it and everything it has started."""
        self._client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

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

    def ask(self, path: str, **parameters: str) -> httpx.Response:
        """Return what REST answers, whatever it is."""
        return self._client.get(path, params=parameters or None)

    def get(self, path: str, **parameters: str) -> Any:
        """Return the body of a good answer."""
        return parsed(self.ask(path, **parameters).raise_for_status().content)

    def pages(self, path: str, **parameters: str) -> list[dict[str, Any]]:
        """Return everything of a list, page by page."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.get(path, **parameters, **cursor)
            found.extend(page["data"])
            if page["next"] is None:
                return found
            cursor = {"cursor": page["next"]}

    def topic(self, name: str) -> list[Record]:
        """Return all records of a topic, partition by partition."""
        brokers = brokers_of(self.settings)
        return read_topic(self.settings.model_copy(update={"kafka_brokers": brokers}), name)

    def break_something(self, fault: str, **parameters: str) -> None:
        """Ask the simulator for a fault; `services/simulator/pages.py` says which there are."""
        port = self._state().ports["simulator"]
        url = f"http://{LOOPBACK}:{port}/faults/{fault}"
        httpx.post(url, params=parameters).raise_for_status()

    def kill(self, *names: str) -> None:
        """Kill workers with SIGKILL, and wait until others have taken their places."""
        victims = {name: self._state().processes[name] for name in names}
        for victim in victims.values():
            os.kill(victim, signal.SIGKILL)

        def are_back() -> bool:
            state = self._state()
            there = state.processes
            return state.state == "ready" and all(
                there.get(name) not in (None, 0, victim) for name, victim in victims.items()
            )

        self.until(are_back, f"{', '.join(names)} to be back after a kill")

    def pids(self) -> set[int]:
        """Return the process ids of everything that runs."""
        state = read_state(self.settings.data_dir)
        return {pid for pid in state.processes.values() if pid} if state else set()

    def _state(self) -> StackState:
        state = read_state(self.settings.data_dir)
        assert state is not None, f"expected a stack in {self.settings.data_dir}"
        return state
