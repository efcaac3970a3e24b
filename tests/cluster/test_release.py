"""The life of a release on a real control plane, whose nodes pretend to run its pods."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

from tests.chart.rendering import ROOT, Document, merged
from tests.cluster.api import ApiError
from tests.cluster.control_plane import NODES, ControlPlane
from tests.cluster.release import NAME, PRODUCTION, TRIED_OUT, Release

# In every namespace from its beginning, or of the past.
_OF_EVERY_NAMESPACE = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}
_AGENTS = ("bars", "correlation", "ingestion", "spread")


def left_in(release: Release) -> set[tuple[str, str]]:
    """Return what is in the namespace beyond what is in every one."""
    found = set(release.cluster.api.everything_in(release.namespace))
    return {each for each in found - _OF_EVERY_NAMESPACE if each[0] != "Event"}


def wait_until_gone(release: Release, but: Iterable[tuple[str, str]]) -> None:
    """Wait until nothing is left in the namespace but this."""
    left: set[tuple[str, str]] = set()

    def is_gone() -> bool:
        left.clear()
        left.update(left_in(release))
        return left == set(but)

    try:
        release.cluster.until(is_gone, "nothing to be left", 60.0)
    except AssertionError as error:
        raise AssertionError(f"{error}\nstill there: {sorted(left)}") from None


def images_of(release: Release) -> set[str]:
    """Return the images that the pods of agents and gateway have."""
    return {
        container["image"]
        for component in (*_AGENTS, "gateway")
        for pod in release.pods(component)
        for container in pod["spec"]["containers"]
    }


def completed_hooks(release: Release) -> int:
    """Return how many Jobs of the topics' hook have come to their end so far."""
    return len(
        {
            event["involvedObject"]["uid"]
            for event in release.items("v1/events")
            if event["involvedObject"]["name"] == f"{NAME}-topics"
            and event["reason"] == "Completed"
        }
    )


def refusals(release: Release) -> list[str]:
    """Return what was said of pods that were not admitted."""
    events = release.items("v1/events")
    return [event["message"] for event in events if event["reason"] == "FailedCreate"]


def wait_until_two_of_each(release: Release) -> None:
    """Wait until the autoscalers see to their least number, which they do without any metric."""
    for component in (*_AGENTS, "gateway"):
        release.cluster.until(
            partial(has_two, release, component), f"two pods of {component}", 60.0
        )


def has_two(release: Release, component: str) -> bool:
    """Return whether there are two ready pods of an agent or of the gateway."""
    return len(release.ready_pods(component)) == 2


def test_a_release_is_installed_tested_upgraded_and_rolled_back_and_leaves_nothing(
    release: Release,
) -> None:
    """On a Kafka of one's own; of it stays the API key that it made, as the docs say."""
    notes = release.install(PRODUCTION, "--wait", "--timeout", "4m")
    assert "curl" in notes
    assert completed_hooks(release) == 1
    assert not release.items("batch/v1/jobs", "app.kubernetes.io/component=topics")
    wait_until_two_of_each(release)
    for agent in _AGENTS:
        assert release.ready_pods(agent) == [f"{NAME}-{agent}-{index}" for index in range(2)]
    policies = {
        each["metadata"]["name"] for each in release.items("networking.k8s.io/v1/networkpolicies")
    }
    assert {f"{NAME}-default-deny", f"{NAME}-to-kafka", f"{NAME}-gateway"} <= policies
    budgets = release.items("policy/v1/poddisruptionbudgets")
    assert {each["metadata"]["name"] for each in budgets} == {
        f"{NAME}-{each}" for each in (*_AGENTS, "gateway")
    }
    assert not refusals(release)
    assert "Succeeded" in release.helm("test", NAME)
    key = release.get("v1/secrets", f"{NAME}-api-keys")["data"]

    before = images_of(release)
    newer = merged(PRODUCTION, {"image": {"tag": "0.1.1"}})
    release.upgrade(newer, "--wait", "--timeout", "6m")
    assert completed_hooks(release) == 2
    assert images_of(release) == {"cointide:0.1.1"}
    assert release.get("v1/secrets", f"{NAME}-api-keys")["data"] == key
    assert "Succeeded" in release.helm("test", NAME)

    release.helm("rollback", NAME, "1", "--wait", "--timeout", "6m")
    assert images_of(release) == before
    assert release.get("v1/secrets", f"{NAME}-api-keys")["data"] == key
    assert [each["status"] for each in release.revisions()] == [
        "superseded",
        "superseded",
        "deployed",
    ]

    release.uninstall()
    wait_until_gone(release, but=[("Secret", f"{NAME}-api-keys")])


@contextmanager
def a_volume(cluster: ControlPlane) -> Iterator[None]:
    """Make a volume that the claim of the trial's Kafka takes."""
    name = f"kafka-{secrets.token_hex(4)}"
    spec = {
        "capacity": {"storage": "4Gi"},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": "/nowhere"},
    }
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}}
    cluster.api.create({**volume, "spec": spec})
    try:
        yield
    finally:
        cluster.api.delete(f"/api/v1/persistentvolumes/{name}")


def test_the_trial_is_installed_and_leaves_the_claim_of_its_kafka_alone(release: Release) -> None:
    """Everything in one namespace; the topics are made by a Job of the release."""
    with a_volume(release.cluster):
        release.install(TRIED_OUT, "--wait", "--wait-for-jobs", "--timeout", "4m")
        for component in (*_AGENTS, "gateway", "simulator", "kafka"):
            assert len(release.ready_pods(component)) == 1, component
        assert not refusals(release)
        assert "Succeeded" in release.helm("test", NAME)
        release.uninstall()
        claim = ("PersistentVolumeClaim", f"kafka-{NAME}-kafka-0")
        wait_until_gone(release, but=[claim])


def test_the_values_of_the_docs_are_accepted_by_a_dry_run_on_the_server(release: Release) -> None:
    """Helm's own, which renders with what the cluster holds."""
    said = release.install(PRODUCTION, "--dry-run=server")
    assert "kind: StatefulSet" in said
    wait_until_gone(release, but=[])


def test_the_plain_manifests_are_accepted(cluster: ControlPlane, namespace: str) -> None:
    """Those of deploy/k8s, as kubectl applies them."""
    words = ("apply", "--namespace", namespace, "--dry-run=server", "--validate=strict")
    said = cluster.run("kubectl", *words, "-f", str(ROOT / "deploy" / "k8s"))
    assert said.count("(server dry run)") >= 20


@contextmanager
def cordoned(cluster: ControlPlane) -> Iterator[None]:
    """Let no pod be placed meanwhile, as while nodes are drained."""
    for node in NODES:
        cluster.api.merge(f"/api/v1/nodes/{node}", {"spec": {"unschedulable": True}})
    try:
        yield
    finally:
        for node in NODES:
            cluster.api.merge(f"/api/v1/nodes/{node}", {"spec": {"unschedulable": None}})


def evict(release: Release, pod: str) -> int:
    """Ask for the eviction of a pod, as a drain does, and return the answer's status."""
    eviction: Document = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": release.namespace},
    }
    path = f"/api/v1/namespaces/{release.namespace}/pods/{pod}/eviction"
    try:
        release.cluster.api.request("POST", path, eviction)
    except ApiError as error:
        return error.status
    return 201


def wait_until_away(release: Release, component: str, pod: str) -> None:
    """Wait until a pod is not ready, or not there."""
    release.cluster.until(lambda: pod not in release.ready_pods(component), f"{pod} to be away")


def test_of_each_kind_one_pod_at_a_time_may_be_evicted(release: Release) -> None:
    """A second one is refused with 429 until the first one is back."""
    release.install(PRODUCTION, "--wait", "--timeout", "4m")
    wait_until_two_of_each(release)
    components = (*_AGENTS, "gateway")
    budgets = "policy/v1/poddisruptionbudgets"

    def all_allow(count: int) -> bool:
        states = [release.get(budgets, f"{NAME}-{each}")["status"] for each in components]
        return all(each["disruptionsAllowed"] == count for each in states)

    release.cluster.until(lambda: all_allow(1), "every budget to allow one")
    with cordoned(release.cluster):
        for component in components:
            first, second = release.ready_pods(component)
            assert evict(release, first) == 201, component
            wait_until_away(release, component, first)
            assert evict(release, second) == 429, component
            assert release.ready_pods(component) == [second]
    release.cluster.until(lambda: all_allow(1), "every budget to allow one again")
    _, second = release.ready_pods("spread")
    assert evict(release, second) == 201
