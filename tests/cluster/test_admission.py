"""What the API server itself says of everything that the chart can render."""

from __future__ import annotations

import copy

import pytest

from tests.chart.rendering import CASES, Document, containers_of, of_kind, pod_templates, render
from tests.cluster.api import ApiError
from tests.cluster.control_plane import ControlPlane

_DRY = {"dryRun": "All", "fieldValidation": "Strict"}


def make_kind(cluster: ControlPlane, document: Document) -> None:
    """Make the cluster know the kind of an operator that is not installed, without a schema."""
    try:
        cluster.api.path_of(document, "default")
    except (ApiError, LookupError):
        group, _, version = document["apiVersion"].partition("/")
        kind = document["kind"]
        names = {"kind": kind, "plural": kind.lower() + "s", "singular": kind.lower()}
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        served = {"name": version, "served": True, "storage": True}
        metadata: Document = {"name": f"{names['plural']}.{group}"}
        if group.endswith(".k8s.io"):
            metadata["annotations"] = {"api-approved.kubernetes.io": "unapproved, of a test"}
        cluster.api.create(
            {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": metadata,
                "spec": {
                    "group": group,
                    "scope": "Namespaced",
                    "names": names,
                    "versions": [{**served, "schema": {"openAPIV3Schema": schema}}],
                },
            }
        )

        def is_known() -> bool:
            try:
                return bool(cluster.api.path_of(document, "default"))
            except LookupError:
                return False

        cluster.until(is_known, f"the kind {kind} to be known")


def make_what_pods_need(cluster: ControlPlane, namespace: str, objects: list[Document]) -> None:
    """Make service accounts and priority classes, without which no pod is admitted."""
    for account in of_kind(objects, "ServiceAccount"):
        cluster.api.create(as_of(namespace, account), namespace, fieldValidation="Strict")
    for _, _, spec in pod_templates(objects):
        name = spec.get("priorityClassName")
        found = cluster.api.items("/apis/scheduling.k8s.io/v1/priorityclasses")
        if name and name not in {each["metadata"]["name"] for each in found}:
            priority = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass"}
            cluster.api.create({**priority, "metadata": {"name": name}, "value": 1000})


@pytest.mark.parametrize("case", CASES)
def test_every_object_and_every_pod_is_accepted(
    cluster: ControlPlane, namespace: str, case: str
) -> None:
    """Field by field, strictly, where only pods of the level `restricted` are admitted."""
    objects = render(CASES[case])
    make_what_pods_need(cluster, namespace, objects)
    for each in objects:
        if each["kind"] != "ServiceAccount":
            make_kind(cluster, each)
            cluster.api.create(as_of(namespace, each), namespace, **_DRY)
    pods = 0
    for name, metadata, spec in pod_templates(objects):
        made = cluster.api.create(pod_of(metadata, spec), namespace, **_DRY)
        assert made["spec"]["containers"], name
        pods += 1
    assert pods >= 4


def pod_of(metadata: Document, spec: Document) -> Document:
    """Return a pod of a template; volumes that a StatefulSet claims are folders."""
    volumes = list(spec.get("volumes", []))
    held = {each["name"] for each in volumes}
    for container in containers_of(spec):
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in held:
                held.add(mount["name"])
                volumes.append({"name": mount["name"], "emptyDir": {}})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "tried", "labels": metadata["labels"]},
        "spec": {"restartPolicy": "Always", **spec, "volumes": volumes},
    }


def as_of(namespace: str, document: Document) -> Document:
    """Return an object as one of this namespace, if it says which it is of."""
    changed = copy.deepcopy(document)
    if "namespace" in changed["metadata"]:
        changed["metadata"]["namespace"] = namespace
    return changed


@pytest.mark.parametrize(
    "looser",
    [
        {"allowPrivilegeEscalation": True},
        {"runAsNonRoot": False},
        {"capabilities": {"add": ["NET_ADMIN"]}},
        {"privileged": True},
    ],
    ids=lambda each: next(iter(each)),
)
def test_a_pod_with_one_right_more_is_refused(
    cluster: ControlPlane, namespace: str, looser: Document
) -> None:
    """So what the chart's pods pass is a check."""
    objects = render(CASES["default"])
    make_what_pods_need(cluster, namespace, objects)
    _, metadata, spec = next(pod_templates(of_kind(objects, "StatefulSet")))
    changed = copy.deepcopy(spec)
    changed["containers"][0]["securityContext"].update(looser)
    with pytest.raises(ApiError) as refusal:
        cluster.api.create(pod_of(metadata, changed), namespace, **_DRY)
    assert refusal.value.status in {403, 422}


def test_a_field_that_does_not_exist_is_refused(cluster: ControlPlane, namespace: str) -> None:
    """So what the chart's objects pass is a check."""
    (first, *_) = of_kind(render(CASES["default"]), "StatefulSet")
    changed = copy.deepcopy(first)
    changed["spec"]["podManagementPolcy"] = "Parallel"
    with pytest.raises(ApiError, match="podManagementPolcy"):
        cluster.api.create(as_of(namespace, changed), namespace, **_DRY)
