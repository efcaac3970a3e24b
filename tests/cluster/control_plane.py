"""A Kubernetes control plane on loopback: etcd, API server, controllers, scheduler, kwok's nodes.

The binaries are those that `tests/cluster/build` makes. Every process is ended by its id.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import yaml

from services.local.ports import LOOPBACK, choose_port
from tests.cluster.api import Api, ApiError, Document
from tests.cluster.certificates import Authority, Certificate

BINARIES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "helm")
STAGES = "kwok-stages.yaml"
NODES = ("kwok-0", "kwok-1", "kwok-2")
_FAKE = {"kwok.x-k8s.io/node": "fake"}
_LIMIT_S = 120.0
_STOP_S = 20.0
_TAIL_LINES = 30

# kwok ends the pods of Jobs by itself; the pod of `helm test` belongs to none.
_TEST_POD_ENDS = """
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata:
  name: test-pod-complete
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
      - {key: '.metadata.deletionTimestamp', operator: DoesNotExist}
      - {key: '.status.phase', operator: In, values: [Running]}
      - {key: '.metadata.annotations["helm.sh/hook"]', operator: In, values: [test]}
  next:
    statusTemplate: |
      phase: Succeeded
"""


class ControlPlane:
    """Use it as a context: it is up and has nodes when that is entered, and gone at its exit."""

    api: Api
    kubeconfig: Path

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.folder = folder
        self.took_s = 0.0
        self.binaries = binaries
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._environment = {
            name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
        }

    def __enter__(self) -> ControlPlane:
        """Start everything and wait until a pod could be placed."""
        started = time.monotonic()
        try:
            self._start_all()
        except BaseException:
            self.close()
            raise
        self.took_s = time.monotonic() - started
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End every process."""
        self.close()

    def close(self) -> None:
        """End every process, the last one that was started first."""
        for name in reversed(list(self._processes)):
            self.end(name)

    def runs(self, name: str) -> bool:
        """Return whether a process of this name was started and runs."""
        return name in self._processes and self._processes[name].poll() is None

    def end(self, name: str) -> None:
        """End a process if it was started, and forget it."""
        process = self._processes.pop(name, None)
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def until(self, condition: Callable[[], bool], what: str, limit_s: float = _LIMIT_S) -> None:
        """Wait for a condition; fail at the limit, or when a process of the cluster has ended.

        An API server that does not answer yet, or an object that is not there, is waited for.
        """
        deadline = time.monotonic() + limit_s
        last = ""
        while True:
            for name, process in self._processes.items():
                ended = process.poll()
                assert ended is None, f"{name} ended with {ended}\n{self.log_tail(name)}"
            try:
                if condition():
                    return
            except (ApiError, OSError) as error:
                last = str(error)
            assert time.monotonic() < deadline, (
                f"expected {what} within {limit_s:.0f} s; last answer: {last or 'none refused'}"
            )
            time.sleep(0.1)

    def log_tail(self, name: str) -> str:
        """Return the end of the log of one of the processes."""
        lines = (self.folder / f"{name}.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-_TAIL_LINES:])

    def start(self, name: str, *words: str, program: str = "") -> None:
        """Start one of the binaries, or a `program` of this machine; its log is `NAME.log`."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [program or str(self.binaries / name), *words],
                env=self._environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def run(self, name: str, *words: str, limit_s: float = 900.0) -> str:
        """Run one of the binaries as the cluster's administrator and return what it prints."""
        done = subprocess.run(
            [str(self.binaries / name), *words],
            env={
                **self._environment,
                "KUBECONFIG": str(self.kubeconfig),
                "HOME": str(self.folder),
            },
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
        assert done.returncode == 0, (
            f"{name} {' '.join(words[:2])} ended with {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done.stdout

    def _start_all(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        ports: list[int] = []
        for use in ("etcd", "etcd's peers", "the API server"):
            ports.append(choose_port(use, 0, None, ports))
        clients, peers, secure = ports
        self._port = secure
        self.authority = Authority(self.folder, "authority")
        front = Authority(self.folder, "front")
        admin = self.authority.issue("admin", ("system:masters",))
        self.kubeconfig = self.write_kubeconfig("admin", admin)
        self.api = Api(secure, self.authority.certificate, admin)
        self.start(
            "etcd",
            "--data-dir=etcd",
            "--unsafe-no-fsync",
            f"--listen-client-urls=http://{LOOPBACK}:{clients}",
            f"--advertise-client-urls=http://{LOOPBACK}:{clients}",
            f"--listen-peer-urls=http://{LOOPBACK}:{peers}",
            f"--initial-advertise-peer-urls=http://{LOOPBACK}:{peers}",
            f"--initial-cluster=default=http://{LOOPBACK}:{peers}",
        )
        self._start_api_server(clients, secure, front)
        self.until(lambda: self.api.request("GET", "/readyz") == "ok", "the API server to be ready")
        self._start_controllers()
        for node in NODES:
            self.api.create(_node(node))
        self.until(lambda: all(self.is_ready(node) for node in NODES), "kwok's nodes to be ready")

    def is_ready(self, node: str) -> bool:
        """Return whether a node says that it is ready."""
        status = self.api.get(f"/api/v1/nodes/{node}").get("status", {})
        return {"Ready": "True"}.items() <= {
            each["type"]: each["status"] for each in status.get("conditions", [])
        }.items()

    def _start_api_server(self, etcd: int, secure: int, front: Authority) -> None:
        server = self.authority.issue("kube-apiserver")
        proxy = front.issue("aggregator")
        accounts = self.authority.issue("service-accounts")
        self.start(
            "kube-apiserver",
            f"--etcd-servers=http://{LOOPBACK}:{etcd}",
            f"--bind-address={LOOPBACK}",
            f"--advertise-address={LOOPBACK}",
            f"--secure-port={secure}",
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=Node,RBAC",
            f"--tls-cert-file={server.certificate}",
            f"--tls-private-key-file={server.key}",
            f"--client-ca-file={self.authority.certificate}",
            "--service-account-issuer=https://cluster.test",
            f"--service-account-key-file={accounts.certificate}",
            f"--service-account-signing-key-file={accounts.key}",
            f"--requestheader-client-ca-file={front.certificate}",
            "--requestheader-allowed-names=aggregator",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={proxy.certificate}",
            f"--proxy-client-key-file={proxy.key}",
        )

    def _start_controllers(self) -> None:
        for name in ("kube-controller-manager", "kube-scheduler", "kwok"):
            # kwok writes the status of pods and nodes, for which no role is there.
            groups = ("system:masters",) if name == "kwok" else ()
            user = self.authority.issue(f"system:{name}", groups)
            self.write_kubeconfig(name, user)
        self.start(
            "kube-controller-manager",
            "--kubeconfig=kube-controller-manager.kubeconfig",
            "--leader-elect=false",
            "--secure-port=0",
            # Each controller with the rights of its own role, as clusters run them.
            "--use-service-account-credentials",
            f"--root-ca-file={self.authority.certificate}",
            f"--service-account-private-key-file={self.folder / 'service-accounts.key'}",
            "--horizontal-pod-autoscaler-sync-period=3s",
            "--horizontal-pod-autoscaler-initial-readiness-delay=1s",
        )
        self.start(
            "kube-scheduler",
            "--kubeconfig=kube-scheduler.kubeconfig",
            "--leader-elect=false",
            "--secure-port=0",
        )
        options: Document = {
            "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
            "kind": "KwokConfiguration",
            "options": {
                "manageAllNodes": False,
                "manageNodesWithAnnotationSelector": "kwok.x-k8s.io/node=fake",
                "nodeLeaseDurationSeconds": 40,
                "nodeLeaseParallelism": 4,
                "nodePlayStageParallelism": 4,
                "podPlayStageParallelism": 4,
                "podsOnNodeSyncParallelism": 1,
            },
        }
        stages = (self.binaries.parent / STAGES).read_text()
        (self.folder / "kwok.yaml").write_text(
            "\n---\n".join((yaml.safe_dump(options), stages, _TEST_POD_ENDS))
        )
        self.start("kwok", "--kubeconfig=kwok.kubeconfig", "--config=kwok.yaml")

    def write_kubeconfig(self, name: str, user: Certificate) -> Path:
        """Write how a user of this certificate reaches the API server."""
        path = self.folder / f"{name}.kubeconfig"
        cluster = {
            "server": f"https://{LOOPBACK}:{self._port}",
            "certificate-authority": str(self.authority.certificate),
        }
        credentials = {"client-certificate": str(user.certificate), "client-key": str(user.key)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": name, "user": credentials}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": name}}],
            "current-context": "test",
        }
        path.write_text(yaml.safe_dump(config))
        return path


def _node(name: str) -> Document:
    """Return a node that kwok pretends to be."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": _FAKE,
            "labels": {
                "kubernetes.io/hostname": name,
                "topology.kubernetes.io/zone": f"zone-{name[-1]}",
                "cluster.test/pods": "pretended",
            },
        },
    }
