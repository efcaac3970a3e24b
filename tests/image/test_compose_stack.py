"""`docker compose up` for real: the whole line on simulated exchanges, until spreads move."""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from services.local.workers import AGENTS
from tests.image.engine import Engine, EngineError
from tests.image.prepare import COMPOSE, COMPOSE_FILE

pytestmark = pytest.mark.timeout(900)

_LIMIT_S = 240.0
_SERVICES = yaml.safe_load(COMPOSE_FILE.read_text())["services"]
_IMAGES = {name: str(each["image"]) for name, each in _SERVICES.items()}
_SPREADS = "http://127.0.0.1:8000/v1/spreads/kraken/BTC-USD"
_PARTITIONS = _SERVICES["spread"]["environment"]["COINTIDE_PARTITIONS"]
_QUERY = "http://127.0.0.1:9090/api/v1/query"
_TARGETS = "http://127.0.0.1:9090/api/v1/targets?state=active"


def _runnable(engine: Engine) -> list[str]:
    """Return the services whose images there are, and those of all that they wait for.

    There is no image of Cassandra and Grafana without a registry.
    """
    left = [name for name, image in _IMAGES.items() if engine.has(image)]
    while True:
        kept = [each for each in left if set(_SERVICES[each].get("depends_on", {})) <= set(left)]
        if kept == left:
            return left
        left = kept


class Stack:
    """The services of compose.yaml whose images there are."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.services = _runnable(engine)

    def compose(self, *arguments: str) -> str:
        """Return what Compose says to a command."""
        argv = [str(COMPOSE), "--file", str(COMPOSE_FILE), *arguments]
        return self.engine.run(*argv, limit_s=_LIMIT_S)

    def states(self) -> dict[str, dict[str, Any]]:
        """Return of every service its container's state."""
        lines = self.compose("ps", "--all", "--format", "json").splitlines()
        return {each["Service"]: each for each in map(json.loads, lines)}

    def container(self, service: str) -> dict[str, Any]:
        """Return what the engine knows of a service's container."""
        return self.engine.inspect(self.states()[service]["Name"])

    def logs(self, service: str) -> list[str]:
        """Return the lines that a service has written."""
        text = self.compose("logs", "--no-color", "--no-log-prefix", service)
        return [line for line in text.splitlines() if line.strip()]

    def fetch(self, url: str) -> str:
        """Return what is at an address of this machine, seen from the engine's network."""
        return self.engine.run(
            "curl", "--silent", "--show-error", "--fail", "--max-time", "10", url
        )

    def wait(self, what: str, holds: Callable[[], bool]) -> None:
        """Wait until it holds; with the end of every log if it does not."""
        limit = time.monotonic() + _LIMIT_S
        while not self._try(holds):
            if time.monotonic() > limit:
                ends = self.compose("logs", "--tail", "15")
                raise AssertionError(f"expected {what} within {_LIMIT_S:g} s, but:\n{ends}")
            time.sleep(1.0)  # every look starts a client of the engine

    @staticmethod
    def _try(holds: Callable[[], bool]) -> bool:
        try:
            return holds()
        except EngineError:
            return False

    def settled(self) -> bool:
        """Whether every server is healthy and every job done."""
        states = self.states()
        return set(self.services) <= set(states) and all(
            state["Health"] == "healthy"
            or (state["State"], state["ExitCode"]) == ("exited", 0)
            or (not state["Health"] and state["State"] == "running")
            for state in states.values()
        )


@pytest.fixture(scope="module")
def stack(engine: Engine) -> Iterator[Stack]:
    """Bring the stack up; down with it and its volumes come what may."""
    if not COMPOSE.exists():
        pytest.skip(f"expected Compose at {COMPOSE}; `make image-test` builds it with Go")
    started = Stack(engine)
    try:
        started.compose("up", "--detach", "--no-build", "--pull", "never", *started.services)
        started.wait("every container to be healthy", started.settled)
        yield started
    finally:
        started.compose("down", "--volumes", "--timeout", "5")


def test_every_process_of_the_line_runs(stack: Stack) -> None:
    """All agents, gateway and simulator, restricted as compose.yaml says."""
    for name in [*AGENTS, "gateway", "simulator", "markets"]:
        if name not in stack.services:
            continue
        container = stack.container(name)
        assert container["State"]["Running"], name
        assert container["Config"]["User"] == "10001:10001"
        assert container["HostConfig"]["ReadonlyRootfs"] is True
        assert container["HostConfig"]["CapDrop"] == ["ALL"]
        assert container["RestartCount"] == 0, stack.logs(name)[-15:]


def test_the_page_answers_and_spreads_move(stack: Stack) -> None:
    """Two answers of one market: later, other prices, of a simulated market."""
    assert "<html" in stack.fetch("http://127.0.0.1:8000/")
    stack.wait("a spread of kraken:BTC-USD", lambda: bool(stack.fetch(_SPREADS)))
    first = json.loads(stack.fetch(_SPREADS))

    def moved() -> bool:
        now = json.loads(stack.fetch(_SPREADS))
        return bool(now["as_of"] > first["as_of"] and now["mid"] != first["mid"])

    stack.wait("a newer mid of kraken:BTC-USD", moved)


def test_prometheus_reaches_every_target(stack: Stack) -> None:
    """`/metrics` of each process, with the labels by which the dashboard asks."""
    agents = {f"{name}:6066" for name in AGENTS if name in stack.services}

    def all_up() -> bool:
        targets = json.loads(stack.fetch(_TARGETS))["data"]["activeTargets"]
        up = {each["labels"]["instance"] for each in targets if each["health"] == "up"}
        return up >= agents | {"gateway:8000", "simulator:8100"}

    stack.wait("every target to be up", all_up)
    query = urllib.parse.quote('cointide_partitions{namespace="cointide",pod="spread"}')
    found = json.loads(stack.fetch(f"{_QUERY}?query={query}"))["data"]["result"]
    assert [each["value"][1] for each in found] == [_PARTITIONS]


@pytest.mark.parametrize("service", [*AGENTS, "gateway"])
def test_logs_are_one_json_object_a_line(stack: Stack, service: str) -> None:
    """With a level, a time and what happened."""
    if service not in stack.services:
        pytest.skip(f"{service} is not part of the stack")
    lines = stack.logs(service)
    assert lines
    for line in lines:
        assert {"event", "level", "timestamp"} <= set(json.loads(line)), line


def test_it_stops_in_order(stack: Stack) -> None:
    """Kafka last, so that everyone leaves with status 0 and well within its time."""
    stack.compose("stop")
    states = stack.states()
    codes = {name: states[name]["ExitCode"] for name in stack.services if name in states}
    own = {name: code for name, code in codes.items() if "cointide" in _IMAGES[name]}
    failed = {name: stack.logs(name)[-20:] for name, code in own.items() if code}
    assert not failed, "\n".join(str(line) for lines in failed.items() for line in lines)
