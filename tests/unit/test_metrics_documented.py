"""docs/operate.md has a row for every metric of every process, and for no other."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from agents.archive.cassandra.metrics import CassandraMetrics
from agents.archive.metrics import ArchiveMetrics
from agents.correlation.metrics import CorrelationMetrics
from agents.ingestion.metrics import IngestionMetrics
from agents.runtime.health import lag_gauge
from agents.runtime.metrics import WorkerMetrics
from models.settings import Settings
from services.gateway.gateway import Gateway
from services.gateway.health.metrics import registry_of as gateway_registry
from services.local.workers import AGENTS
from services.simulator.connections import Connections
from services.simulator.faults import Oddities
from services.simulator.market.model import ModelSettings
from services.simulator.metrics import registry_of as simulator_registry
from services.simulator.world import World

_ROOT = Path(__file__).resolve().parent.parent.parent
_PAGE = (_ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
_SOURCES = ("agents", "services", "models")


def _never(delay_s: float, call: Callable[[], None]) -> asyncio.TimerHandle:
    raise AssertionError((delay_s, call))


def _registries() -> dict[str, CollectorRegistry]:
    """Return by process what it registers."""
    agents: dict[str, CollectorRegistry] = {
        "ingestion": IngestionMetrics().registry,
        "spread": WorkerMetrics("spread").registry,
        "bars": WorkerMetrics("bars").registry,
        "correlation": CorrelationMetrics().registry,
        "archive": ArchiveMetrics().registry,
        "archive-cassandra": CassandraMetrics().registry,
    }
    for registry in agents.values():
        lag_gauge(registry)  # as `add_pages` does
    assert set(agents) == set(AGENTS)
    world = World(ModelSettings(coins=2), 0, Oddities())
    return {
        **agents,
        "gateway": gateway_registry(Gateway(Settings(), lambda: 0, _never, [])),
        "simulator": simulator_registry(world, Connections(world, None), lambda: 0),
    }


def _rows() -> dict[str, str]:
    """Return the row of each metric, by its name as Prometheus stores it."""
    processes: dict[str, list[str]] = {}
    said: dict[str, tuple[str, str]] = {}
    for process, registry in _registries().items():
        for collector in registry._collector_to_names:
            for family in collector.collect():
                name = family.name + ("_total" if family.type == "counter" else "")
                labels = getattr(family, "_labelnames", getattr(collector, "_labelnames", ()))
                shown = ", ".join(f"`{label}`" for label in labels)
                processes.setdefault(name, []).append(process)
                said[name] = shown, family.documentation
    return {
        name: f"| `{name}` | {', '.join(processes[name])} | {labels} | {text} |"
        for name, (labels, text) in sorted(said.items())
    }


@pytest.mark.parametrize(("name", "row"), _rows().items(), ids=list(_rows()))
def test_every_metric_has_its_row(name: str, row: str) -> None:
    """With the processes that count it, its labels and its meaning."""
    assert row in _PAGE.splitlines(), f"expected this row of {name} in docs/operate.md:\n{row}"


def test_every_row_is_a_metric() -> None:
    """No row describes a metric that there is not."""
    assert set(re.findall(r"(?m)^\| `(cointide_\w+)` \|", _PAGE)) == set(_rows())


def test_no_metric_is_registered_elsewhere() -> None:
    """What looks like the name of one in the sources is one of those above, or begins one."""
    named: set[str] = set()
    for folder in _SOURCES:
        for path in (_ROOT / folder).rglob("*.py"):
            named |= set(re.findall(r'^\s+"(cointide_[a-z_]+)",?$', path.read_text(), re.MULTILINE))
    assert len(named) > 20
    assert {name for name in named if not any(row.startswith(name) for row in _rows())} == set()


def test_every_metric_that_a_page_names_is_one() -> None:
    """Documentation, alerts and dashboard use the names under which Prometheus stores them."""
    rows = _rows()
    suffixes = ("_bucket", "_sum", "_count")
    pages = [*(_ROOT / "docs").glob("*.md"), _ROOT / "README.md"]
    pages += [each for each in (_ROOT / "helm" / "cointide" / "files").iterdir() if each.is_file()]
    for page in pages:
        for name in re.findall(r"\bcointide_[a-z_]+\b(?!\.py)", page.read_text(encoding="utf-8")):
            bare = name
            for suffix in suffixes:
                bare = bare.removesuffix(suffix)
            known = name in rows or bare in rows or _is_no_metric(name)
            assert known, f"{page.name} names {name}, which is no metric"


def _is_no_metric(name: str) -> bool:
    return name in {"cointide_client"}
