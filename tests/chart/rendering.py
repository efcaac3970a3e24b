"""The chart, rendered without a cluster over the values that matter."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
CHART = ROOT / "helm" / "cointide"
RELEASE = NAMESPACE = "cointide"

Document = dict[str, Any]

_BROKERS: Document = {"kafka": {"brokers": ["kafka-0.example:9092", "kafka-1.example:9093"]}}
_AGENTS = ("ingestion", "spread", "bars", "correlation")


def merged(*parts: Document) -> Document:
    """Return values in which later parts go before earlier ones."""
    whole: Document = {}
    for part in parts:
        for key, value in part.items():
            held = whole.get(key)
            if isinstance(held, dict) and isinstance(value, dict):
                whole[key] = merged(held, value)
            else:
                whole[key] = value
    return whole


def of_agents(*names: str, **autoscaling: object) -> Document:
    """Return values that set the autoscaling of these agents."""
    return {"agents": {name: {"autoscaling": autoscaling} for name in names}}


DEFAULT = _BROKERS
TRIAL: Document = yaml.safe_load((CHART / "values-trial.yaml").read_text())
MONITORED = merged(
    _BROKERS,
    {
        "monitoring": {
            "podMonitor": {"enabled": True},
            "serviceMonitor": {"enabled": True},
            "rules": {"enabled": True},
            "dashboard": {"enabled": True},
            "labels": {"release": "prometheus"},
        },
        "networkPolicy": {
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
            "gatewayFrom": [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}],
        },
    },
)
KEDA = merged(_BROKERS, of_agents("spread", "bars", "correlation", by="keda", kafkaLag=500))
_EXTERNAL = {"by": "external", "external": {"metric": "kafka_lag", "averageValue": "500"}}
CASES: dict[str, Document] = {
    "default": DEFAULT,
    "trial": TRIAL,
    "fixed": merged(
        _BROKERS,
        of_agents(*_AGENTS, enabled=False),
        {"gateway": {"autoscaling": {"enabled": False}}},
    ),
    "keda": merged(KEDA, {"topicNamespace": "second"}),
    "external": merged(
        _BROKERS,
        of_agents(*_AGENTS, **_EXTERNAL),
        {"gateway": {"autoscaling": merged(_EXTERNAL, {"external": {"matchLabels": {"a": "b"}}})}},
    ),
    "ingress": merged(
        _BROKERS,
        {
            "ingress": {
                "enabled": True,
                "className": "nginx",
                "host": "cointide.example",
                "tlsSecret": "cointide-tls",
            },
            "gateway": {"trustedProxies": ["10.0.0.0/8"]},
        },
    ),
    "route": merged(
        _BROKERS,
        {
            "httpRoute": {
                "enabled": True,
                "parentRefs": [{"name": "public", "namespace": "gateways"}],
                "hostnames": ["cointide.example"],
            }
        },
    ),
    "monitored": MONITORED,
    "secrets": merged(
        _BROKERS,
        {
            "gateway": {"apiKeys": {"existingSecret": "keys-of-mine", "key": "list"}},
            "markets": {"coingecko": {"existingSecret": "coingecko-of-mine"}},
            "imagePullSecrets": [{"name": "registry-of-mine"}],
        },
    ),
    "secured": merged(
        KEDA,
        {
            "kafka": {
                "security": {
                    "protocol": "sasl_ssl",
                    "caSecret": "line-cluster-ca-cert",
                    "saslUsername": "cointide",
                    "saslSecret": "kafka-user",
                    "kedaAuthentication": "kafka",
                }
            },
        },
    ),
    "certified": merged(
        _BROKERS,
        {
            "kafka": {
                "security": {
                    "protocol": "ssl",
                    "caSecret": "line-cluster-ca-cert",
                    "clientSecret": "kafka-user",
                    "keyPasswordKey": "user.password",
                    "checkHostname": False,
                }
            },
        },
    ),
    "archived": merged(
        _BROKERS,
        {
            "agents": {"archive": {"enabled": True}},
            "archive": {"url": "s3://ticks/line", "existingSecret": "s3-of-mine"},
            "networkPolicy": {
                "archivePeers": [{"ipBlock": {"cidr": "10.1.0.0/16"}}],
                "archivePorts": [9000],
            },
        },
    ),
    "history": merged(
        _BROKERS,
        {
            "agents": {"archive-cassandra": {"enabled": True}},
            "cassandra": {
                "contactPoints": ["line-dc1-service.k8ssandra:9142", "10.2.0.1"],
                "localDatacenter": "dc1",
                "replication": {"dc1": 3, "dc2": 2},
                "existingSecret": "line-superuser",
                "tls": {
                    "enabled": True,
                    "caSecret": "line-nodes",
                    "clientSecret": "line-client",
                    "keyPasswordKey": "tls.password",
                    "checkHostname": False,
                },
            },
            "networkPolicy": {
                "cassandraPeers": [{"namespaceSelector": {"matchLabels": {"name": "k8ssandra"}}}],
                "cassandraPorts": [9043],
            },
        },
    ),
    "replayed": merged(_BROKERS, {"source": "none"}),
    "everything": merged(
        _BROKERS,
        {
            "fullnameOverride": "market-line",
            "image": {"repository": "registry.example/cointide", "digest": "sha256:" + "0" * 64},
            "topics": {"create": "job"},
            "cassandra": {"contactPoints": ["cassandra.example"]},
            "agentPods": {"staticMembership": True},
            "settings": {
                "top_coins": 1000,
                "exchanges": ["kraken"],
                "silence_limit_s": 7.5,
                "fetch_min_bytes": 1048576,
                "correlation_tables": ["1h.60s.pearson"],
            },
            "podAnnotations": {"note": "1"},
            "podLabels": {"team": "data"},
            "nodeSelector": {"disk": "fast"},
            "tolerations": [{"key": "data", "operator": "Exists", "effect": "NoSchedule"}],
            "priorityClassName": "line",
            "serviceAccount": {"create": False},
            "networkPolicy": {
                "kafkaPorts": [9094],
                "kafkaPeers": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
                "extraEgress": [{"ports": [{"port": 3128, "protocol": "TCP"}]}],
            },
            "gateway": {"service": {"type": "LoadBalancer", "annotations": {"lb": "internal"}}},
        },
    ),
}


def rendered_files(values: Document) -> dict[str, str]:
    """Return what every template makes of these values."""
    with helm_python.Chart.load(CHART) as chart:
        return chart.render(values, name=RELEASE, namespace=NAMESPACE)


def render(values: Document) -> list[Document]:
    """Return the objects that these values make."""
    return [
        document
        for path, text in rendered_files(values).items()
        if path.endswith(".yaml")
        for document in yaml.safe_load_all(text)
        if document
    ]


@functools.cache
def objects_of(case: str) -> list[Document]:
    """Return the objects of one of the cases."""
    return render(CASES[case])


def of_kind(objects: list[Document], *kinds: str) -> list[Document]:
    """Return the objects of these kinds."""
    return [each for each in objects if each["kind"] in kinds]


def named(objects: list[Document], kind: str, name: str) -> Document:
    """Return the one object of this kind and name."""
    (found,) = (each for each in of_kind(objects, kind) if each["metadata"]["name"] == name)
    return found


def pod_templates(objects: list[Document]) -> Iterator[tuple[str, Document, Document]]:
    """Yield, of everything that makes pods, its name, the pods' metadata and their spec."""
    for each in objects:
        name = f"{each['kind']}/{each['metadata']['name']}"
        if each["kind"] == "Pod":
            yield name, each["metadata"], each["spec"]
        elif each["kind"] in {"Deployment", "StatefulSet", "Job"}:
            template = each["spec"]["template"]
            yield name, template["metadata"], template["spec"]
        elif each["kind"] == "CronJob":
            template = each["spec"]["jobTemplate"]["spec"]["template"]
            yield name, template["metadata"], template["spec"]


def containers_of(spec: Document) -> list[Document]:
    """Return all containers of a pod."""
    return [*spec.get("initContainers", []), *spec["containers"]]


def settings_of(container: Document) -> dict[str, str | None]:
    """Return the environment of a container; None where the value comes from elsewhere."""
    return {each["name"]: each.get("value") for each in container.get("env", [])}


def selects(selector: Document, labels: Document) -> bool:
    """Return whether a label selector takes something with these labels."""
    wanted = selector.get("matchLabels", {})
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    for rule in selector.get("matchExpressions", []):
        within = labels.get(rule["key"]) in rule["values"]
        if within != {"In": True, "NotIn": False}[rule["operator"]]:
            return False
    return True


def text_of(document: Document) -> str:
    """Return a document in one form, to tell equal ones."""
    return json.dumps(document, sort_keys=True)
