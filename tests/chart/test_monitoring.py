"""Alerts and dashboard ask for metrics that are really counted, and say what to do."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from agents.archive.metrics import ArchiveMetrics
from agents.correlation.metrics import CorrelationMetrics
from agents.ingestion.metrics import IngestionMetrics
from agents.runtime.health import lag_gauge
from agents.runtime.metrics import WorkerMetrics
from models.settings import Settings
from services.gateway.gateway import Gateway
from services.gateway.health.metrics import registry_of
from services.local.workers import AGENTS
from tests.chart.rendering import (
    MONITORED,
    ROOT,
    Document,
    merged,
    named,
    objects_of,
    of_kind,
    render,
)

_OPERATE = (ROOT / "docs" / "operate.md").read_text()
# Of Prometheus itself.
_OTHERS = {"up"}
_WORDS = {"sum", "max", "by", "rate", "increase", "changes", "agent", "exchange", "reason"}
_WORDS |= {"table", "pod", "topic", "min", "histogram_quantile", "le", "status", "path"}
_WORDS |= {"absent", "or"}


def _never(delay_s: float, call: Callable[[], None]) -> asyncio.TimerHandle:
    raise AssertionError((delay_s, call))


def _counted() -> dict[str, set[str]]:
    """Return every metric as Prometheus stores it, with its labels, out of the real registries."""
    gateway = Gateway(Settings(), lambda: 0, _never, [])
    registries: list[CollectorRegistry] = [
        WorkerMetrics("spread").registry,
        ArchiveMetrics().registry,
        CorrelationMetrics().registry,
        IngestionMetrics().registry,
        registry_of(gateway),
    ]
    found: dict[str, set[str]] = {}
    for registry in registries:
        lag_gauge(registry)
        for collector in registry._collector_to_names:
            own = set(getattr(collector, "_labelnames", ()))
            for family in collector.collect():
                name = family.name + ("_total" if family.type == "counter" else "")
                by_topic = {"topic"} if name.startswith("cointide_gateway_") else set()
                found.setdefault(name, set()).update(own | by_topic)
                if family.type == "histogram":
                    found[f"{name}_bucket"] = own | {"le"}
    return found


def _rules(objects: list[Document]) -> dict[str, Document]:
    (group,) = named(objects, "PrometheusRule", "cointide")["spec"]["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def _alerts() -> list[Document]:
    return list(_rules(objects_of("monitored")).values())


def _queries() -> list[str]:
    dashboard = named(objects_of("monitored"), "ConfigMap", "cointide-dashboard")
    panels = json.loads(dashboard["data"]["cointide.json"])["panels"]
    asked = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    return [*(alert["expr"] for alert in _alerts()), *asked]


@pytest.mark.parametrize("query", _queries())
def test_every_metric_that_is_asked_for_is_counted(query: str) -> None:
    """Under that name and with those labels; brackets are closed."""
    counted = _counted()
    bare = re.sub(r'"[^"]*"', '""', query)
    for opening, closing in ("()", "{}", "[]"):
        assert bare.count(opening) == bare.count(closing)
    selections = re.findall(r"([a-z_]+)\{([^}]*)\}", bare)
    assert selections
    for metric, labels in selections:
        if metric in _OTHERS:
            continue
        assert metric in counted, f"expected one of {sorted(counted)}"
        named_labels = set(re.findall(r"([a-z]+)=", labels)) - {"namespace", "pod"}
        assert named_labels <= counted[metric]
        grouped = set(re.findall(r"by \(([^)]*)\)", bare)[0].split(", ") if "by (" in bare else [])
        assert grouped <= counted[metric] | {"pod"}
    names = set(re.findall(r"[a-z_]{2,}", re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", bare)))
    assert names - _WORDS <= {metric for metric, _ in selections}


@pytest.mark.parametrize("what", ["frames", "gaps", "trades_lost"])
def test_what_ingestion_counts_is_called_so(what: str) -> None:
    """`what` is a label with words of the line's own."""
    line = (ROOT / "agents" / "ingestion" / "line.py").read_text()
    assert f'self.counts["{what}"]' in line
    assert any(f'what="{what}"' in query for query in _queries())


@pytest.mark.parametrize("alert", _alerts(), ids=lambda alert: str(alert["alert"]))
def test_every_alert_has_its_section(alert: Document) -> None:
    """docs/operate.md says of each what it means and what to do."""
    heading = f"\n### {alert['alert']}\n"
    assert heading in _OPERATE
    section = _OPERATE.partition(heading)[2].partition("\n#")[0]
    assert len(section.split()) >= 20
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    assert (page, anchor) == ("docs/operate.md", alert["alert"].lower())
    assert alert["labels"]["severity"] in {"warning", "critical"}
    summary = alert["annotations"]["summary"]
    assert summary
    assert len(re.findall(r"\{\{ \$[\w. |]+ \}\}", summary)) == summary.count("$")


def test_every_section_has_its_alert() -> None:
    """No section describes an alert that there is not."""
    headings = set(re.findall(r"^### (Cointide\w+)$", _OPERATE, re.MULTILINE))
    assert headings == {alert["alert"] for alert in _alerts()}


def test_alerts_know_the_number_of_partitions() -> None:
    """It is the release's own, and so are namespace and pods."""
    values = merged(MONITORED, {"kafka": {"partitions": 16}})
    unowned = _rules(render(values))["CointidePartitionsUnowned"]["expr"]
    assert unowned.endswith("< 16")
    (pods,) = re.findall(r'namespace="cointide",pod=~"([^"]+)"', unowned)
    for own in ("cointide-spread-0", "cointide-gateway-5d9c7f-x2x8p"):
        assert re.fullmatch(pods, own)
    for other in ("cointide-wide-spread-0", "wider-cointide-spread-0"):
        assert not re.fullmatch(pods, other), "another release in this namespace"


def test_an_agent_without_any_pod_is_noticed() -> None:
    """Where nothing is scraped no number can be too small, so it is asked for by name."""
    missing = _rules(objects_of("monitored"))["CointideAgentMissing"]["expr"].split(" or ")
    agents = [re.findall(r'^absent\(.*agent="([a-z]+)" \}\)$', each) for each in missing]
    assert agents == [["bars"], ["correlation"], ["ingestion"], ["spread"]]
    assert "absent(" in _rules(objects_of("monitored"))["CointideGatewayMissing"]["expr"]


def test_nobody_looks_for_agents_that_are_turned_off() -> None:
    """A release of the gateway alone has no monitor, policy or alert of agents."""
    off = {"agents": {agent: {"enabled": False} for agent in AGENTS}}
    objects = render(merged(MONITORED, off))
    assert not of_kind(objects, "PodMonitor", "StatefulSet")
    assert not [
        each
        for each in of_kind(objects, "NetworkPolicy")
        if each["metadata"]["name"] == "cointide-metrics"
    ]
    rules = _rules(objects)
    assert "CointideAgentMissing" not in rules
    assert "CointideGatewayMissing" in rules


def test_monitors_ask_the_ports_of_the_pods() -> None:
    """Agents as pods, the gateway as a service; both carry the label that Prometheus selects by."""
    objects = objects_of("monitored")
    agents = named(objects, "PodMonitor", "cointide-agents")
    gateway = named(objects, "ServiceMonitor", "cointide-gateway")
    for monitor, endpoints in ((agents, "podMetricsEndpoints"), (gateway, "endpoints")):
        assert monitor["metadata"]["labels"]["release"] == "prometheus"
        (endpoint,) = monitor["spec"][endpoints]
        assert (endpoint["port"], endpoint["path"]) == ("http", "/metrics")
    (rule,) = agents["spec"]["selector"]["matchExpressions"]
    assert set(rule["values"]) == {"bars", "correlation", "ingestion", "spread"}


def test_the_dashboard_can_show_one_of_two_releases() -> None:
    """Every query asks for the pods that are chosen, at first for all: also those of compose."""
    dashboard = named(objects_of("monitored"), "ConfigMap", "cointide-dashboard")
    board = json.loads(dashboard["data"]["cointide.json"])
    asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    for query in asked:
        assert len(re.findall(r"cointide_[a-z_]+\{", query)) == query.count(
            '{namespace="$namespace",pod=~"$pod"'
        )
    (pod,) = (each for each in board["templating"]["list"] if each["name"] == "pod")
    assert (pod["includeAll"], pod["allValue"], pod["current"]["value"]) == (True, ".*", "$__all")


def test_the_dashboard_is_laid_out() -> None:
    """Panels have ids of their own and do not lie on each other."""
    dashboard = named(objects_of("monitored"), "ConfigMap", "cointide-dashboard")
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    panels = json.loads(dashboard["data"]["cointide.json"])["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 15
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        covered = {
            (place["x"] + right, place["y"] + down)
            for right in range(place["w"])
            for down in range(place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not covered & cells
        cells |= covered
