"""Who may talk to whom, as the chart's policies have it, and what is reachable from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext

import pytest

from models.settings import Settings
from services.gateway.app import create_app
from services.gateway.gateway import Gateway
from tests.chart.rendering import (
    CASES,
    Document,
    merged,
    named,
    objects_of,
    of_kind,
    pod_templates,
    render,
    selects,
)


def _labels(component: str) -> Document:
    return {
        "app.kubernetes.io/name": "cointide",
        "app.kubernetes.io/instance": "cointide",
        "app.kubernetes.io/component": component,
    }


def _allows(objects: list[Document], source: str, target: str, port: int) -> bool:
    """Return whether policies let one component of the release reach another on a port.

    As in Kubernetes: policies add up, both ends must agree, a name is a port of the target.
    """
    out = _rules(objects, source, "egress", "to", _labels(target))
    into = _rules(objects, target, "ingress", "from", _labels(source))
    numbers = {"http": {"gateway": 8000, "simulator": 8100}.get(target, 6066), "kafka": 9092}
    return all(any(numbers.get(str(each), each) == port for each in found) for found in (out, into))


def _rules(
    objects: list[Document], pod: str, direction: str, peers: str, other: Document
) -> list[str | int]:
    """Return the ports that the policies of a pod open in a direction for another pod."""
    found = []
    for policy in of_kind(objects, "NetworkPolicy"):
        spec = policy["spec"]
        if not selects(spec["podSelector"], _labels(pod)):
            continue
        for rule in spec.get(direction, []):
            whom = rule.get(peers)
            if whom is None or any(
                "podSelector" in each
                and "namespaceSelector" not in each
                and selects(each["podSelector"], other)
                for each in whom
            ):
                found += [port["port"] for port in rule["ports"]]
    return found


@pytest.mark.parametrize("case", CASES)
def test_every_pod_is_under_the_default(case: str) -> None:
    """The policy that denies everything selects each pod, in both directions."""
    objects = objects_of(case)
    prefix = "market-line" if case == "everything" else "cointide"
    deny = named(objects, "NetworkPolicy", f"{prefix}-default-deny")["spec"]
    assert set(deny) == {"podSelector", "policyTypes"}
    assert set(deny["policyTypes"]) == {"Ingress", "Egress"}
    for name, metadata, _ in pod_templates(objects):
        assert selects(deny["podSelector"], metadata["labels"]), name


@pytest.mark.parametrize("case", CASES)
def test_no_policy_is_for_nobody(case: str) -> None:
    """Each policy selects at least one pod of the release."""
    objects = objects_of(case)
    pods = [metadata["labels"] for _, metadata, _ in pod_templates(objects)]
    for policy in of_kind(objects, "NetworkPolicy"):
        assert any(selects(policy["spec"]["podSelector"], labels) for labels in pods), policy


@pytest.mark.parametrize(
    ("source", "target", "port", "allowed"),
    [
        ("ingestion", "simulator", 8100, True),
        ("markets", "simulator", 8100, True),
        ("spread", "simulator", 8100, False),
        ("gateway", "simulator", 8100, False),
        ("ingestion", "kafka", 9092, True),
        ("spread", "kafka", 9092, True),
        ("topics", "kafka", 9092, True),
        ("markets", "kafka", 9092, True),
        ("gateway", "kafka", 9092, True),
        ("kafka", "kafka", 9092, True),
        ("simulator", "kafka", 9092, False),
        ("test", "kafka", 9092, False),
        ("test", "gateway", 8000, True),
        ("spread", "gateway", 8000, False),
        ("gateway", "spread", 6066, False),
        ("ingestion", "spread", 6066, False),
        ("test", "spread", 6066, False),
    ],
)
def test_who_reaches_whom(source: str, target: str, port: int, allowed: bool) -> None:
    """In the trial, where both ends are pods of the release."""
    assert _allows(objects_of("trial"), source, target, port) is allowed


def test_only_ingestion_and_markets_reach_the_exchanges() -> None:
    """By TLS, and nothing within private networks."""
    objects = objects_of("default")
    policy = named(objects, "NetworkPolicy", "cointide-to-exchanges")["spec"]
    (rule,) = policy["egress"]
    assert rule["ports"] == [{"port": 443, "protocol": "TCP"}]
    assert {each["ipBlock"]["cidr"] for each in rule["to"]} == {"0.0.0.0/0", "::/0"}
    assert "169.254.0.0/16" in rule["to"][0]["ipBlock"]["except"], "the cloud's own metadata"
    reach = [
        metadata["labels"]["app.kubernetes.io/component"]
        for _, metadata, _ in pod_templates(objects)
        if selects(policy["podSelector"], metadata["labels"])
    ]
    assert set(reach) == {"ingestion", "markets"}


def test_an_exchange_is_reached_on_the_port_that_its_address_names() -> None:
    """Binance's main websocket, say, is not on 443."""
    addresses = {
        "binance_websocket_url": "wss://stream.binance.com:9443",
        "binance_rest_url": "https://api.binance.com/",
        "kraken_rest_url": "http://mirror.example",
        "coinbase_rest_url": "http://mirror.example:8080/coinbase",
    }
    objects = render(merged(CASES["default"], {"settings": addresses}))
    (rule,) = named(objects, "NetworkPolicy", "cointide-to-exchanges")["spec"]["egress"]
    assert {each["port"] for each in rule["ports"]} == {443, 9443, 80, 8080}


def test_kafka_is_reached_on_its_brokers_ports() -> None:
    """Those of the bootstrap servers, and those that are named beside them."""
    for case, ports in (("default", [9092, 9093]), ("everything", [9092, 9093, 9094])):
        prefix = "market-line" if case == "everything" else "cointide"
        policy = named(objects_of(case), "NetworkPolicy", f"{prefix}-to-kafka")["spec"]
        assert [each["port"] for each in policy["egress"][0]["ports"]] == ports


def test_the_archive_reaches_its_store() -> None:
    """Where the values say it is, on its port; nobody else does."""
    policy = named(objects_of("archived"), "NetworkPolicy", "cointide-to-archive")["spec"]
    assert policy["egress"] == [
        {
            "ports": [{"port": 9000, "protocol": "TCP"}],
            "to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}],
        }
    ]
    (selection,) = policy["podSelector"]["matchExpressions"]
    assert set(selection["values"]) == {"archive", "compaction", "gateway"}


def test_cassandra_is_reached_where_it_is() -> None:
    """On the ports of the contact points and those beside them; nobody else reaches it."""
    objects = objects_of("history")
    policy = named(objects, "NetworkPolicy", "cointide-to-cassandra")["spec"]
    (rule,) = policy["egress"]
    assert [each["port"] for each in rule["ports"]] == [9142, 9042, 9043]
    assert rule["to"] == [{"namespaceSelector": {"matchLabels": {"name": "k8ssandra"}}}]
    reach = {
        metadata["labels"]["app.kubernetes.io/component"]
        for _, metadata, _ in pod_templates(objects)
        if selects(policy["podSelector"], metadata["labels"])
    }
    assert reach == {"archive-cassandra", "gateway", "schema"}
    kafka = named(objects, "NetworkPolicy", "cointide-to-kafka")["spec"]["podSelector"]
    assert not selects(kafka, _labels("schema")), "it has nothing to do there"
    assert selects(kafka, _labels("archive-cassandra"))


@pytest.mark.parametrize(("component", "target"), [("topics", "kafka"), ("schema", "cassandra")])
def test_a_hook_has_a_policy_of_its_own(component: str, target: str) -> None:
    """It runs before those of its release: at an upgrade others hold, with other ports maybe."""
    objects = objects_of("history")
    hook = named(objects, "NetworkPolicy", f"cointide-{component}")
    job = named(objects, "Job", f"cointide-{component}")["metadata"]["annotations"]
    assert job.items() <= hook["metadata"]["annotations"].items()
    assert int(hook["metadata"]["annotations"]["helm.sh/hook-weight"]) < 0
    assert selects(hook["spec"]["podSelector"], _labels(component))
    names = named(objects, "NetworkPolicy", "cointide-names")["spec"]["egress"]
    there = named(objects, "NetworkPolicy", f"cointide-to-{target}")["spec"]["egress"]
    assert hook["spec"]["egress"] == [*names, *there]


def test_metrics_are_for_those_that_are_named() -> None:
    """Nobody scrapes agents by default; a namespace can be let in."""
    names = {each["metadata"]["name"] for each in of_kind(objects_of("default"), "NetworkPolicy")}
    assert "cointide-metrics" not in names
    policy = named(objects_of("monitored"), "NetworkPolicy", "cointide-metrics")["spec"]
    assert policy["ingress"][0]["from"] == [
        {"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}
    ]
    (gateway,) = named(objects_of("monitored"), "NetworkPolicy", "cointide-gateway")["spec"][
        "ingress"
    ]
    assert {"namespaceSelector": {"matchLabels": {"name": "monitoring"}}} in gateway["from"]


def _gateway_paths() -> set[str]:
    """Return every path of the gateway: what is described, the websocket and the page."""
    gateway = Gateway(Settings(), lambda: 0, _never, [])
    app = create_app(gateway, lambda _: nullcontext())
    described = set(app.openapi()["paths"])
    assert {"/metrics", "/docs", "/asyncapi.json", "/v1/ready", "/v1/spreads"} <= described
    return described | {"/openapi.json", "/v1/stream", "/", "/assets/page-01234567.js"}


def _never(delay_s: float, call: Callable[[], None]) -> asyncio.TimerHandle:
    raise AssertionError((delay_s, call))


def _is_public(path: str, rules: list[tuple[str, str]]) -> bool:
    return any(
        path == value or (kind != "Exact" and path.startswith(value + "/")) for kind, value in rules
    )


def test_the_outside_sees_everything_but_metrics() -> None:
    """Ingress and route take every path of the gateway, and not what it counts."""
    ingress = named(objects_of("ingress"), "Ingress", "cointide-gateway")["spec"]["rules"][0]
    route = named(objects_of("route"), "HTTPRoute", "cointide-gateway")["spec"]["rules"][1]
    of_ingress = [(each["pathType"], each["path"]) for each in ingress["http"]["paths"]]
    of_route = [(each["path"]["type"], each["path"]["value"]) for each in route["matches"]]
    paths = _gateway_paths()
    for rules in (of_ingress, of_route):
        assert {path for path in paths if not _is_public(path, rules)} == {"/metrics"}


def test_neither_a_websocket_nor_a_download_is_cut() -> None:
    """Neither by ingress-nginx after a minute nor by a route's time-out, which is of the whole."""
    annotations = named(objects_of("ingress"), "Ingress", "cointide-gateway")["metadata"][
        "annotations"
    ]
    assert int(annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"]) >= 3600
    stream, rest = named(objects_of("route"), "HTTPRoute", "cointide-gateway")["spec"]["rules"]
    assert stream["matches"] == [{"path": {"type": "Exact", "value": "/v1/stream"}}]
    assert stream["timeouts"] == {"request": "0s", "backendRequest": "0s"}
    assert rest["timeouts"] == {"request": "1h"}, "history is streamed without a limit"
    for each in (stream, rest):
        assert each["backendRefs"] == [{"name": "cointide-gateway", "port": 80}]
