"""A real node: kubelet, kube-proxy and containerd in the network namespace of this process.

`make cluster-test` runs the tests in such a namespace, with nothing in it but loopback: the bridge
and the rules that are made here go with it. What is machine-wide (kernel settings that a kubelet
changes, control groups, mounts) is put back when the node is left.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

import yaml

from tests.cluster import control_groups
from tests.cluster.api import Document
from tests.cluster.containerd import Containerd, run, unmount_below
from tests.cluster.control_groups import control_group
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubernetes_dns import DOMAIN, KubernetesDns

NODE = "real"
SELECTOR: Document = {"cluster.test/pods": "real"}
BINARIES = ("kubelet", "kube-proxy", "bridge", "host-local", "loopback", "pause")
_ADDRESS = "10.88.0.1"
_BRIDGE, _PODS = "cni0", "10.88.0.0/16"
_OF_THE_SYSTEM = ("containerd", "ctr", "runc", "iptables", "ip")
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_SYSTEM = Path("/proc/sys")
_KERNEL = ("vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops")


def lacking(binaries: Path) -> str | None:
    """Return why no kubelet can be started here, None if nothing speaks against it."""
    if os.geteuid() != 0:
        return "expected to be root, which a kubelet needs"
    interfaces = {line.split(":")[0].strip() for line in _lines(Path("/proc/net/dev"))[2:]}
    if interfaces != {"lo"}:
        return (
            "expected a network namespace of its own, with nothing but loopback in it; "
            "`make cluster-test` makes one where `unshare --net` is allowed"
        )
    missing = [name for name in BINARIES if not (binaries / name).is_file()]
    missing += [name for name in _OF_THE_SYSTEM if shutil.which(name, path=_PATH) is None]
    if missing:
        return f"expected {', '.join(missing)} on this machine"
    if not (control_groups.ROOT / "memory").is_dir():
        return f"expected control groups of version 1 in {control_groups.ROOT}"
    return None


class RealNode:
    """A node of the cluster while it is entered; its pods are containers of the given images."""

    address = _ADDRESS

    def __init__(self, cluster: ControlPlane, folder: Path, images: Path) -> None:
        """`images` is an archive as `docker save` writes it."""
        self.folder = folder
        self._cluster = cluster
        self._images = images
        self._group = f"cointide-{os.getpid()}"
        self._stack = ExitStack()

    def __enter__(self) -> RealNode:
        """Start the container runtime, import the images, join the cluster."""
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the cluster; end every container and put back what was changed."""
        self._stack.close()

    def addresses(self, namespace: str, prefix: str) -> list[str]:
        """Return the addresses of the running pods whose names begin so."""
        return [
            pod["status"]["podIP"]
            for pod in self._cluster.api.items(f"/api/v1/namespaces/{namespace}/pods")
            if pod["metadata"]["name"].startswith(prefix)
            and "deletionTimestamp" not in pod["metadata"]
            and pod["status"].get("podIP")
        ]

    def tell(self) -> str:
        """Return the ends of the logs of all pods, of the kubelet and of containerd."""
        logs = sorted((self.folder / "pods").glob("*/*/*.log"))
        ends = [f"--- {path}\n" + "\n".join(_lines(path)[-25:]) for path in logs]
        ours = [f"--- {name}\n{self._cluster.log_tail(name)}" for name in ("containerd", "kubelet")]
        return "\n".join([*ends, *ours])

    def _start(self, stack: ExitStack) -> None:
        """Start one after the other; what is begun first is ended last."""
        self.folder.mkdir(parents=True, exist_ok=True)
        stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        stack.enter_context(_kept_settings())
        stack.callback(unmount_below, self.folder)
        stack.enter_context(control_group(self._group))
        containerd = Containerd(self._cluster, self.folder / "containerd", self._make_network())
        stack.enter_context(containerd)
        containerd.import_images(self._images)
        stack.enter_context(KubernetesDns(self._cluster.api, _ADDRESS))
        stack.callback(self._cluster.api.delete, f"/api/v1/nodes/{NODE}")
        stack.callback(self._cluster.end, "kubelet")
        self._start_kubelet(containerd.socket)
        stack.callback(self._cluster.end, "kube-proxy")
        self._start_proxy()
        stack.callback(containerd.wait_until_empty)
        self._cluster.until(lambda: self._cluster.is_ready(NODE), "the real node to be ready")

    def _make_network(self) -> Path:
        """Make the bridge that pods hang on; return the folder that tells the plug-ins of it."""
        if f" {_BRIDGE}:" not in run("ip", "-o", "link", "show", "type", "bridge"):
            run("ip", "link", "add", _BRIDGE, "type", "bridge")
            run("ip", "address", "add", f"{_ADDRESS}/16", "dev", _BRIDGE)
            run("ip", "link", "set", _BRIDGE, "up")
            run("ip", "route", "add", "default", "dev", _BRIDGE)
            (_SYSTEM / "net/ipv4/ip_forward").write_text("1")
        networks = self.folder / "networks"
        networks.mkdir()
        bridge = {
            "type": "bridge",
            "bridge": _BRIDGE,
            "isGateway": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "dataDir": str(self.folder / "addresses"),
                "ranges": [[{"subnet": _PODS}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
        config = {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge]}
        (networks / "10-pods.conflist").write_text(json.dumps(config))
        return networks

    def _start_kubelet(self, runtime: Path) -> None:
        user = self._cluster.authority.issue(f"system:node:{NODE}", ("system:nodes",))
        kubeconfig = self._cluster.write_kubeconfig("kubelet", user)
        names = self.folder / "resolv.conf"
        names.write_text(f"nameserver {_ADDRESS}\n")
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": _ADDRESS,
            "healthzPort": 0,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": False},
                "x509": {"clientCAFile": str(self._cluster.authority.certificate)},
            },
            "authorization": {"mode": "AlwaysAllow"},
            "containerRuntimeEndpoint": f"unix://{runtime}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self._group}",
            "failCgroupV1": False,
            "enforceNodeAllocatable": [],
            "localStorageCapacityIsolation": False,
            "makeIPTablesUtilChains": False,
            "clusterDNS": [_ADDRESS],
            "clusterDomain": DOMAIN,
            "resolvConf": str(names),
            "podLogsDir": str(self.folder / "pods"),
            "volumePluginDir": str(self.folder / "plugins"),
            "evictionHard": {"memory.available": "1Mi", "nodefs.available": "1%"},
            "imageMinimumGCAge": "24h",
            "imageGCHighThresholdPercent": 100,
            "failSwapOn": False,
            "oomScoreAdj": 0,
            "syncFrequency": "5s",
        }
        path = self.folder / "kubelet.yaml"
        path.write_text(yaml.safe_dump(config))
        ((label, value),) = SELECTOR.items()
        self._cluster.start(
            "kubelet",
            f"--config={path}",
            f"--kubeconfig={kubeconfig}",
            f"--root-dir={self.folder / 'kubelet'}",
            f"--cert-dir={self.folder / 'kubelet-certificates'}",
            f"--hostname-override={NODE}",
            f"--node-ip={_ADDRESS}",
            f"--node-labels={label}={value}",
        )

    def _start_proxy(self) -> None:
        user = self._cluster.authority.issue("system:kube-proxy")
        kubeconfig = self._cluster.write_kubeconfig("kube-proxy", user)
        config = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "clusterCIDR": _PODS,
            "hostnameOverride": NODE,
            "clientConnection": {"kubeconfig": str(kubeconfig)},
            "bindAddress": _ADDRESS,
            "healthzBindAddress": "",
            "metricsBindAddress": f"{_ADDRESS}:10249",
            "conntrack": {
                "maxPerCore": 0,
                "min": 0,
                "tcpEstablishedTimeout": "0s",
                "tcpCloseWaitTimeout": "0s",
            },
        }
        path = self.folder / "kube-proxy.yaml"
        path.write_text(yaml.safe_dump(config))
        self._cluster.start("kube-proxy", f"--config={path}")


@contextmanager
def _kept_settings() -> Iterator[None]:
    """Put back what a kubelet sets for the whole machine."""
    before = {name: (_SYSTEM / name).read_text() for name in _KERNEL}
    try:
        yield
    finally:
        for name, value in before.items():
            (_SYSTEM / name).write_text(value)


def _lines(path: Path) -> list[str]:
    return path.read_text(errors="replace").splitlines() if path.exists() else []
