"""A node whose pods are processes of this machine: the smallest kubelet that runs the chart's pods.

What a pod says is done: its arguments, environment, secrets, restart policy, startup and readiness
probes, SIGTERM and grace period. What would take a container runtime is not: its image is the code
of this folder, its root is this machine's, limits are not kept. Each pod has an address of its own
out of 127.0.0.0/8, so ports are those of the chart.
"""

from __future__ import annotations

import base64
import datetime
import os
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster.api import ApiError, Document
from tests.cluster.control_plane import ControlPlane
from tests.cluster.follower import Follower
from tests.cluster.pod_process import PodProcess

NODE = "processes"
SELECTOR: Document = {"cluster.test/pods": "processes"}
_STEP_S = 0.2
_LEASE_S = 40


class ProcessNode(Follower):
    """A node of the cluster while it is entered; `root` holds the code that its pods run."""

    def __init__(self, cluster: ControlPlane, folder: Path, root: Path) -> None:
        super().__init__()
        self.folder = folder
        self.pods: dict[str, PodProcess] = {}
        self.failure: BaseException | None = None
        self._cluster = cluster
        self._root = root

    def __enter__(self) -> Self:
        """Join the cluster."""
        self.folder.mkdir(parents=True, exist_ok=True)
        api = self._cluster.api
        labels = {"kubernetes.io/hostname": NODE, **SELECTOR}
        metadata = {"name": NODE, "labels": labels}
        api.create({"apiVersion": "v1", "kind": "Node", "metadata": metadata})
        amounts = {"cpu": "64", "memory": "256Gi", "pods": "100"}
        conditions = [{"type": "Ready", "status": "True", "reason": "Up", "message": "up"}]
        status = {"capacity": amounts, "allocatable": amounts, "conditions": conditions}
        api.merge(f"/api/v1/nodes/{NODE}/status", {"status": status})
        self._renew()
        return super().__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the cluster; every process is ended."""
        super().__exit__(kind, error, traceback)
        try:
            self._cluster.api.delete(f"/api/v1/nodes/{NODE}")
        finally:
            for pod in self.pods.values():
                if pod.process.poll() is None:
                    pod.process.kill()
                pod.process.wait()

    def tell(self) -> str:
        """Return the ends of the logs of all pods."""
        parts = [f"the node's own failure: {self.failure!r}"] if self.failure else []
        for pod in list(self.pods.values()):
            lines = pod.log.read_text(errors="replace").splitlines()[-25:]
            parts += [f"--- {pod.name} ({pod.log})", *lines]
        return "\n".join(parts)

    def addresses(self, namespace: str, prefix: str) -> list[str]:
        """Return the addresses of the running pods whose names begin so."""
        return [
            pod.address
            for pod in list(self.pods.values())
            if pod.namespace == namespace
            and pod.name.startswith(prefix)
            and pod.stop_at is None
            and pod.process.poll() is None
        ]

    def environment_of(self, namespace: str, container: Document) -> dict[str, str]:
        """Return the environment that a container asks for, secrets and all."""
        given = {
            name: value for name, value in os.environ.items() if not name.startswith("COINTIDE_")
        }
        given |= {"PYTHONPATH": str(self._root), "PYTHONUNBUFFERED": "1"}
        for each in container.get("env", []):
            if "value" in each or "valueFrom" not in each:
                given[each["name"]] = each.get("value", "")
                continue
            reference = each["valueFrom"]["secretKeyRef"]
            path = f"/api/v1/namespaces/{namespace}/secrets/{reference['name']}"
            data = self._cluster.api.get(path)["data"]
            given[each["name"]] = base64.b64decode(data[reference["key"]]).decode()
        return given

    def command_of(self, namespace: str, container: Document) -> list[str]:
        """Return the words of a container's process, the image's entry point among them.

        In arguments the addresses of the namespace's Services are those of a ready pod.
        """
        words = [sys.executable, "-m", "services.cli"]
        if "command" in container:
            program, *words = container["command"]
            assert program == "python", container["command"]
            words = [sys.executable, *words]
        words += container.get("args", [])
        for service in self._cluster.api.items(f"/api/v1/namespaces/{namespace}/services"):
            ports = service["spec"]["ports"]
            name = service["metadata"]["name"]
            for pod in self.pods.values():
                if pod.was_ready and pod.name.startswith(f"{name}-"):
                    place = f"http://{pod.address}:{pod.port}"
                    words = [
                        word.replace(f"http://{name}:{port['port']}", place)
                        for word in words
                        for port in ports
                    ]
        return words

    def _follow(self) -> None:
        renewed = time.monotonic()
        try:
            while not self._ended.wait(_STEP_S):
                if time.monotonic() - renewed > _LEASE_S / 4:
                    self._renew()
                    renewed = time.monotonic()
                self._step()
        except BaseException as error:
            self.failure = error
            raise

    def _step(self) -> None:
        found = self._cluster.api.items(f"/api/v1/pods?fieldSelector=spec.nodeName={NODE}")
        for document in found:
            metadata = document["metadata"]
            path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
            pod = self.pods.get(metadata["uid"])
            if "deletionTimestamp" in metadata:
                if pod is None or pod.stop():
                    only = {"preconditions": {"uid": metadata["uid"]}, "gracePeriodSeconds": 0}
                    self._cluster.api.delete(path, **only)
                    continue
            elif pod is None:
                pod = self.pods[metadata["uid"]] = self._run_pod(document)
            pod.step()
            status = pod.status()
            if status != pod.reported:
                try:
                    self._cluster.api.merge(f"{path}/status", {"status": status})
                except ApiError as error:
                    if error.status != 404:
                        raise
                pod.reported = status

    def _run_pod(self, document: Document) -> PodProcess:
        (container,) = document["spec"]["containers"]
        namespace = document["metadata"]["namespace"]
        command = self.command_of(namespace, container)
        return PodProcess(document, self.folder, command, self.environment_of(namespace, container))

    def _renew(self) -> None:
        path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        renewed = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {
            "holderIdentity": NODE,
            "leaseDurationSeconds": _LEASE_S,
            "renewTime": renewed,
        }
        try:
            self._cluster.api.merge(f"{path}/{NODE}", {"spec": spec})
        except ApiError as error:
            if error.status != 404:
                raise
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
            self._cluster.api.create(
                {**lease, "metadata": {"name": NODE}, "spec": spec}, "kube-node-lease"
            )
