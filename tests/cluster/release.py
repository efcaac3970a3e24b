"""A release of the chart in a namespace, by Helm itself, and what the cluster holds of it."""

from __future__ import annotations

import json

from tests.chart.rendering import CHART, TRIAL, Document, merged
from tests.cluster.control_plane import ControlPlane

NAME = "cointide"
_EVENTS_SHOWN = 30
# Where a pod may be placed: on kwok's nodes, which pretend to run it.
PRETENDED: Document = {"nodeSelector": {"cluster.test/pods": "pretended"}}
PRODUCTION: Document = merged(
    PRETENDED,
    {
        "kafka": {
            "brokers": ["kafka-0.example:9093", "kafka-1.example:9093"],
            "security": {
                "protocol": "sasl_ssl",
                "caSecret": "line-cluster-ca-cert",
                "saslUsername": "cointide",
                "saslSecret": "cointide-user",
            },
        },
    },
)
TRIED_OUT = merged(PRETENDED, TRIAL)


def make_namespace(cluster: ControlPlane, name: str) -> None:
    """Make a namespace of the level `restricted`, and wait until pods may be made in it."""
    level = "pod-security.kubernetes.io"
    labels = {f"{level}/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    metadata = {"name": name, "labels": labels}
    cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    cluster.until(lambda: bool(cluster.api.get(account)), "the default service account")


class Release:
    """Installs, upgrades, rolls back and uninstalls; reads objects of its namespace."""

    def __init__(self, cluster: ControlPlane, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self._values = 0

    def helm(self, *words: str) -> str:
        """Run helm in the namespace and return what it prints."""
        try:
            return self.cluster.run("helm", *words, "--namespace", self.namespace)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.tell()}") from None

    def install(self, values: Document, *words: str) -> str:
        """Install the chart with these values and return the notes."""
        return self.helm("install", NAME, str(CHART), "--values", self._written(values), *words)

    def upgrade(self, values: Document, *words: str) -> str:
        """Upgrade to these values and return the notes."""
        return self.helm("upgrade", NAME, str(CHART), "--values", self._written(values), *words)

    def uninstall(self) -> None:
        """Uninstall what there is of it, and wait until its objects are gone."""
        self.helm("uninstall", NAME, "--ignore-not-found", "--wait", "--timeout", "2m")

    def revisions(self) -> list[Document]:
        """Return what helm says of the revisions, the oldest first."""
        found: list[Document] = json.loads(self.helm("history", NAME, "--output", "json"))
        return found

    def get(self, kind: str, name: str) -> Document:
        """Return an object: `kind` as in `apps/v1/statefulsets`."""
        return self.cluster.api.get(f"{self._path(kind)}/{name}")

    def items(self, kind: str, selector: str = "") -> list[Document]:
        """Return objects of the namespace: `kind` as in `v1/pods`."""
        return self.cluster.api.items(f"{self._path(kind)}?labelSelector={selector}")

    def pods(self, component: str) -> list[Document]:
        """Return the pods of an agent or of the gateway."""
        return self.items("v1/pods", f"app.kubernetes.io/component={component}")

    def ready_pods(self, component: str) -> list[str]:
        """Return the names of those that are ready and not on their way out."""
        return sorted(
            pod["metadata"]["name"]
            for pod in self.pods(component)
            if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]
        )

    def tell(self) -> str:
        """Return where each pod stands, and what has happened last in the namespace."""
        pods = [
            f"{pod['metadata']['name']}: {pod['status'].get('phase')}"
            f"{', ready' if is_ready(pod) else ''}"
            for pod in self.items("v1/pods")
        ]
        events = [
            f"{event['involvedObject']['name']}: {event['reason']}: {event['message']}"
            for event in self.items("v1/events")
        ]
        return "\n".join([*pods, *events[-_EVENTS_SHOWN:]])

    def _path(self, kind: str) -> str:
        version, _, plural = kind.rpartition("/")
        root = "apis" if "/" in version else "api"
        return f"/{root}/{version}/namespaces/{self.namespace}/{plural}"

    def _written(self, values: Document) -> str:
        self._values += 1
        path = self.cluster.folder / f"values-{self.namespace}-{self._values}.yaml"
        path.write_text(json.dumps(values))
        return str(path)


def is_ready(pod: Document) -> bool:
    """Return whether a pod says that it is ready."""
    return any(
        each["type"] == "Ready" and each["status"] == "True"
        for each in pod.get("status", {}).get("conditions", [])
    )
