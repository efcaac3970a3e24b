"""The image and the compose stack, as far as they can be judged without an engine."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import yaml

from models.settings import Settings
from services.commands import COMMANDS
from services.local.workers import AGENTS
from services.simulator.urls import simulated_urls
from tests.chart.rendering import CHART, ROOT, Document

_DOCKER = ROOT / "docker"
_DOCKERFILE = (_DOCKER / "Dockerfile").read_text().replace("\\\n", " ")
_COMPOSE: Document = yaml.safe_load((_DOCKER / "compose.yaml").read_text())
_OWN = {name: each for name, each in _COMPOSE["services"].items() if "build" in each}


def _instructions(stage: int) -> list[tuple[str, str]]:
    text = re.split(r"^FROM ", _DOCKERFILE, flags=re.MULTILINE)[stage + 1]
    lines = [line.strip() for line in text.splitlines()[1:]]
    kept = [line for line in lines if line and not line.startswith("#")]
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in kept]


def test_bases_are_pinned_and_can_be_pinned_harder() -> None:
    """A tag with a version, and an argument for the digest."""
    bases = re.findall(r"^FROM (\S+)", _DOCKERFILE, re.MULTILINE)
    assert len(bases) == 3
    for base in bases:
        assert re.fullmatch(r"(python|node):\$\{\w+_VERSION\}[a-z-]*\$\{\w+_DIGEST\}", base)
    assert re.search(r"^ARG PYTHON_VERSION=3\.1[1-3]$", _DOCKERFILE, re.MULTILINE)


def test_the_end_stage_runs_as_nobody_and_builds_nothing() -> None:
    """No compiler, no installer, a numeric user, one entry point, a health check, labels."""
    end = _instructions(2)
    by_name: dict[str, list[str]] = {}
    for name, rest in end:
        by_name.setdefault(name, []).append(rest)
    assert by_name["USER"] == ["10001:10001"]
    assert by_name["ENTRYPOINT"] == ['["cointide"]']
    assert len(by_name["HEALTHCHECK"]) == 1
    assert not re.search(r"apt-get|pip |gcc|build-essential", " ".join(by_name["RUN"]))
    for label in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{label}=" in by_name["LABEL"][0]
    for path in re.findall(r"--from=packages (\S+)", " ".join(by_name["COPY"])):
        assert path in {"/opt/cointide", "/app"}


def test_packages_are_installed_by_hash_and_page_by_lock() -> None:
    """Nothing gets in that is not in a lock."""
    text = " ".join(rest for stage in (0, 1) for _, rest in _instructions(stage))
    assert "--require-hashes -r requirements.txt" in text
    assert "npm ci --ignore-scripts" in text
    assert len(re.findall(r"pip install", text)) == 1


def test_what_is_copied_is_there_and_not_ignored() -> None:
    """Every source of a COPY exists, and .dockerignore lets it through."""
    let_through = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    ]
    for stage in range(3):
        for name, rest in _instructions(stage):
            if name != "COPY" or "--from" in rest:
                continue
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert any(
                    source == each or source.startswith(f"{each}/") for each in let_through
                ), source


def test_the_image_sets_what_there_is() -> None:
    """Every variable is a setting; version and user are the chart's."""
    variables = set(re.findall(r"COINTIDE_[A-Z_]+", _DOCKERFILE))
    assert variables <= {f"COINTIDE_{name.upper()}" for name in Settings.model_fields}
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert f"ARG VERSION={chart['appVersion']}\n" in _DOCKERFILE
    uid = yaml.safe_load((CHART / "values.yaml").read_text())["securityContext"]["uid"]
    assert f"--uid {uid} " in _DOCKERFILE


@pytest.mark.parametrize("name", _OWN)
def test_every_process_of_compose_is_a_command(name: str) -> None:
    """It runs what exists, with settings that exist, restricted."""
    service = _OWN[name]
    command = service["command"]
    assert command[0] in COMMANDS
    assert command[0] != "agent" or command[1] == name in AGENTS
    fields = {f"COINTIDE_{each.upper()}" for each in Settings.model_fields}
    assert set(service["environment"]) <= fields
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True


def test_compose_runs_the_whole_line() -> None:
    """All agents, topics first, the simulator's own addresses, images with versions."""
    assert set(AGENTS) | {
        "gateway",
        "simulator",
        "topics",
        "schema",
        "markets",
        "compaction",
    } == set(_OWN)
    services = _COMPOSE["services"]
    for name, service in services.items():
        assert re.fullmatch(r"\S+:v?\d[\w.]*", service["image"]), name
        assert set(service.get("depends_on", {})) <= set(services), name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), "loopback only"
    for name in [*AGENTS, "gateway", "markets"]:
        waits = services[name]["depends_on"]["topics"]["condition"]
        assert waits == "service_completed_successfully"
    writer = services["archive-cassandra"]["depends_on"]
    assert writer["schema"]["condition"] == "service_completed_successfully"
    assert "cassandra" not in services["gateway"]["depends_on"], "the page does not wait for it"
    environment = services["ingestion"]["environment"]
    for setting, url in simulated_urls(8100).items():
        expected = url.replace("127.0.0.1", "simulator")
        assert environment[f"COINTIDE_{setting.upper()}"] == expected
    volumes = {
        each.partition(":")[0]
        for service in services.values()
        for each in service.get("volumes", [])
    }
    assert {each for each in volumes if not each.startswith(".")} == set(_COMPOSE["volumes"])


def test_prometheus_scrapes_what_compose_runs() -> None:
    """Every agent, gateway and simulator, at the ports that the image sets."""
    config = yaml.safe_load((_DOCKER / "prometheus.yml").read_text())
    targets = {
        target
        for job in config["scrape_configs"]
        for each in job["static_configs"]
        for target in each["targets"]
    }
    servers = {"gateway:8000", "simulator:8100"}
    assert targets == {f"{agent}:6066" for agent in AGENTS} | servers


@pytest.mark.parametrize(
    ("command", "page"),
    [
        ("python /opt/cointide/bin/cointide agent spread", "http://127.0.0.1:6066/ready"),
        ("python /opt/cointide/bin/cointide gateway", "http://127.0.0.1:8000/v1/ready"),
        ("python /opt/cointide/bin/cointide simulator", "http://127.0.0.1:8100/ready"),
        ("python /opt/cointide/bin/cointide topics", None),
    ],
)
def test_the_health_check_asks_what_the_container_runs(command: str, page: str | None) -> None:
    """By the image's own ports; a command without a server is healthy while it runs."""
    defaults = dict(re.findall(r"(COINTIDE_\w+_PORT)=(\d+)", _DOCKERFILE))
    script = runpy.run_path(str(Path(_DOCKER / "healthcheck.py")))
    assert script["page_of"](command.split(), defaults) == page
