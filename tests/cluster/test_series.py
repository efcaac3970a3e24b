"""The spread agent goes 1 → 3 → 1 under load, as the autoscaler says, and the series stays exact.

The control plane is real, so is Kafka. The pods are containers where a kubelet can start, and in
any case processes (`process_node.py`).
"""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from models.settings import Settings
from tests.burst_log import MADE_CAPTURES
from tests.chart.rendering import ROOT, Document
from tests.cluster import process_node, real_node
from tests.cluster.control_plane import ControlPlane
from tests.cluster.external_metrics import ExternalMetrics
from tests.cluster.process_node import ProcessNode
from tests.cluster.real_node import RealNode
from tests.cluster.release import NAME, Release
from tests.cluster.scaling import PodHistory, ReplicaHistory
from tests.integration.agent_worker import SESSION_S
from tests.integration.feed import Feed, drive
from tests.integration.line import Line

if TYPE_CHECKING:
    from tests.integration.conftest import Stack

_SPREAD = f"{NAME}-spread"
_UP_S, _DOWN_S = 20, 15
_PARTITIONS = 4
_ONE_POD_S_WORTH = 100
_LIMIT_S = 420.0


class Node(Protocol):
    """What the test asks of the node that runs the pods."""

    def addresses(self, namespace: str, prefix: str) -> list[str]: ...

    def tell(self) -> str: ...


def values_for(settings: Settings, selector: Document) -> Document:
    """Return values for one spread agent, the gateway and the hook on the Kafka of the tests."""
    small = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}
    scaling = {
        "minReplicas": 1,
        "maxReplicas": 3,
        "by": "external",
        "external": {"metric": "spread_lag", "averageValue": str(_ONE_POD_S_WORTH)},
    }
    return {
        "nodeSelector": selector,
        "kafka": {
            "brokers": [settings.kafka_brokers],
            "partitions": settings.partitions,
            "replication": 1,
        },
        "topicNamespace": settings.namespace,
        "source": "none",
        "settings": {"session_timeout_s": SESSION_S},
        "scaling": {"upSeconds": _UP_S, "quietSeconds": _DOWN_S, "downSeconds": _DOWN_S},
        "agents": {
            "bars": {"enabled": False},
            "correlation": {"enabled": False},
            "spread": {"autoscaling": scaling, "resources": small},
        },
        "gateway": {
            "replicas": 1,
            "autoscaling": {"enabled": False},
            "drainSeconds": 1,
            "resources": small,
        },
    }


def partitions_of(address: str) -> int:
    """Return how many partitions a pod of an agent owns, 0 where it does not say."""
    try:
        with urllib.request.urlopen(f"http://{address}:6066/metrics", timeout=2.0) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return 0
    owned = (line for line in lines if line.startswith('cointide_partitions{agent="spread"}'))
    return int(float(next(owned, "0").rpartition(" ")[2]))


class Scene:
    """The release with the pods of the spread agent, and what they own."""

    def __init__(self, node: Node, release: Release, settings: Settings) -> None:
        self.node = node
        self.release = release
        self.settings = settings

    def wait_until_shared_by(self, count: int) -> None:
        """Wait until so many pods are ready and own all partitions between them."""

        def is_shared() -> bool:
            addresses = self.node.addresses(self.release.namespace, f"{_SPREAD}-")
            owned = [partitions_of(address) for address in addresses]
            return (
                len(owned) == count
                and min(owned) > 0
                and sum(owned) == self.settings.partitions
                and len(self.release.ready_pods("spread")) == count
            )

        with self.told():
            self.release.cluster.until(is_shared, f"{count} pods to own all partitions", _LIMIT_S)

    def drive(self, line: Line, feed: Feed, share: float) -> None:
        """Feed until this share of all records is committed."""
        with self.told():
            drive(line, feed, share, limit_s=_LIMIT_S)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Add to what fails what the pods have said last."""
        try:
            yield
        except AssertionError as error:
            told = f"{error}\n{self.release.tell()}\n{self.node.tell()}"
            raise AssertionError(told) from None


def test_the_series_equals_the_oracle_while_processes_come_and_go(
    stack: Stack, cluster: ControlPlane, release: Release, tmp_path: Path
) -> None:
    """The pods are processes of this machine, with what the chart says of arguments and probes."""
    with ProcessNode(cluster, tmp_path / "pods", ROOT) as node:
        settings = own(stack.settings, release, tmp_path)
        go_there_and_back(Scene(node, release, settings), process_node.SELECTOR, tmp_path)


def test_the_series_equals_the_oracle_while_containers_come_and_go(
    containers: RealNode, kafka_of_containers: Settings, release: Release, tmp_path: Path
) -> None:
    """The pods are containers of the project's image, under a kubelet."""
    settings = own(kafka_of_containers, release, tmp_path)
    go_there_and_back(Scene(containers, release, settings), real_node.SELECTOR, tmp_path)


def own(settings: Settings, release: Release, folder: Path) -> Settings:
    """Return settings for the topics of a test of its own."""
    return settings.model_copy(
        update={
            "namespace": release.namespace,
            "data_dir": folder / "data",
            "partitions": _PARTITIONS,
        }
    )


def go_there_and_back(scene: Scene, selector: Document, folder: Path) -> None:
    """Scale 1 → 3 → 1 while captures are fed in; see the order of pods and the whole series."""
    settings, release = scene.settings, scene.release
    with ExternalMetrics(release.cluster, folder / "metrics") as metrics:
        metrics.value = _ONE_POD_S_WORTH // 2
        with scene.told():
            release.install(values_for(settings, selector), "--wait", "--timeout", "4m")
        with (
            ReplicaHistory(release, _SPREAD) as replicas,
            PodHistory(release, "spread") as pods,
            Line(settings) as line,
        ):
            feed = Feed(settings, MADE_CAPTURES)
            scene.wait_until_shared_by(1)
            scene.drive(line, feed, 0.15)

            # What each number of pods is to do takes as long as it takes.
            metrics.value = 2 * _ONE_POD_S_WORTH
            feed.send(0.25)  # records come while the group stands still
            scene.wait_until_shared_by(2)
            scene.drive(line, feed, 0.4)
            metrics.value = 3 * _ONE_POD_S_WORTH
            feed.send(0.5)
            scene.wait_until_shared_by(3)
            scene.drive(line, feed, 0.65)

            metrics.value = 2 * _ONE_POD_S_WORTH
            feed.send(0.75)
            scene.wait_until_shared_by(2)
            scene.drive(line, feed, 0.8)
            metrics.value = _ONE_POD_S_WORTH // 2
            feed.send(0.9)
            scene.wait_until_shared_by(1)
            feed.send(1.0)
            with scene.told():
                line.until(lambda: line.committed() == line.ends(), "everything to be committed")
            line.assert_series(MADE_CAPTURES)
        assert replicas.counts == [1, 2, 3, 2, 1], replicas.tell()
        print(f"\nreplicas of spread: {replicas.tell()}")
        with scene.told():
            assert "Succeeded" in release.helm("test", NAME)
        release.uninstall()
    wanted = [(0, "started"), (0, "ready"), (1, "started"), (1, "ready")]
    wanted += [(2, "started"), (2, "ready"), (2, "ended"), (1, "ended")]
    assert pods.story == [(f"{_SPREAD}-{index}", event) for index, event in wanted]
