"""What every pod of the chart must be, whatever the values."""

from __future__ import annotations

import pytest

from tests.chart.rendering import (
    CASES,
    Document,
    containers_of,
    merged,
    objects_of,
    of_kind,
    pod_templates,
    render,
    selects,
)

_RIGHTS = {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}
_OF_EVERY_POD: Document = {
    "podAnnotations": {"note": "1"},
    "podLabels": {"team": "data"},
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "data", "operator": "Exists"}],
    "imagePullSecrets": [{"name": "registry-of-mine"}],
}
each_case = pytest.mark.parametrize("case", CASES)


@each_case
def test_every_pod_is_restricted(case: str) -> None:
    """The Pod Security Standard `restricted`, a root that cannot be written, and no token."""
    for name, _, spec in pod_templates(objects_of(case)):
        pod = spec["securityContext"]
        assert spec["automountServiceAccountToken"] is False, name
        assert pod["runAsNonRoot"] is True, name
        assert pod["runAsUser"] >= 10_000, name
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        for container in containers_of(spec):
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, name
            assert own["readOnlyRootFilesystem"] is True, name
            assert own["runAsNonRoot"] is True, name
            assert own["capabilities"] == {"drop": ["ALL"]}, name
            assert all("hostPort" not in port for port in container.get("ports", [])), name
        for volume in spec["volumes"]:
            assert set(volume) - {"name"} <= {"emptyDir", "configMap", "secret"}, name
            assert "sizeLimit" in volume.get("emptyDir", {"sizeLimit": ""}), name


@pytest.mark.parametrize("case", ["trial", "archived", "history"])
def test_what_the_values_say_of_every_pod_is_on_every_pod(case: str) -> None:
    """Those of Jobs, of the trial's Kafka and of `helm test` too."""
    for name, metadata, spec in pod_templates(render(merged(CASES[case], _OF_EVERY_POD))):
        assert metadata.get("annotations", {}).get("note") == "1", name
        assert metadata["labels"]["team"] == "data", name
        for key in ("nodeSelector", "tolerations", "imagePullSecrets"):
            assert spec[key] == _OF_EVERY_POD[key], name


@each_case
def test_no_service_becomes_a_variable(case: str) -> None:
    """Kubernetes would set COINTIDE_GATEWAY_PORT to `tcp://…` for the Service of that name."""
    for name, _, spec in pod_templates(objects_of(case)):
        assert spec["enableServiceLinks"] is False, name


@each_case
def test_every_container_has_an_image_and_bounds(case: str) -> None:
    """A tag that does not move, requests of both, a limit of memory."""
    for name, _, spec in pod_templates(objects_of(case)):
        for container in containers_of(spec):
            tag = container["image"].partition("@")[0].rpartition("/")[2].partition(":")[2]
            assert tag not in {"", "latest"}, name
            assert {"cpu", "memory"} <= set(container["resources"]["requests"]), name
            assert "memory" in container["resources"]["limits"], name


@each_case
def test_what_runs_is_probed(case: str) -> None:
    """All three probes, of declared ports; unready is noticed before dead."""
    for each in of_kind(objects_of(case), "StatefulSet", "Deployment"):
        (container,) = each["spec"]["template"]["spec"]["containers"]
        ports = {port["name"] for port in container["ports"]}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            asks = container[probe].get("httpGet") or container[probe]["tcpSocket"]
            assert asks["port"] in ports
        ready, live = container["readinessProbe"], container["livenessProbe"]
        assert ready.get("failureThreshold", 3) * ready["periodSeconds"] < (
            live["failureThreshold"] * live["periodSeconds"]
        )


def test_started_means_that_state_was_rebuilt() -> None:
    """An agent or gateway that makes no headway with its start is started anew."""
    for each in of_kind(objects_of("default"), "StatefulSet", "Deployment"):
        (container,) = each["spec"]["template"]["spec"]["containers"]
        startup = container["startupProbe"]
        assert startup["httpGet"]["path"] in {"/ready", "/v1/ready"}
        assert startup["failureThreshold"] * startup["periodSeconds"] == 600
        assert container["livenessProbe"]["httpGet"]["path"] in {"/live", "/v1/live"}


@each_case
def test_labels_are_kubernetes_own(case: str) -> None:
    """Objects carry the recommended labels; selectors find pods of one component alone."""
    objects = objects_of(case)
    for each in objects:
        labels = each["metadata"]["labels"]
        for name in ("name", "instance", "component", "version", "managed-by", "part-of"):
            assert f"app.kubernetes.io/{name}" in labels, each["metadata"]["name"]
    pods = [(name, meta["labels"]) for name, meta, _ in pod_templates(objects)]
    prefix = "market-line-" if case == "everything" else "cointide-"
    for each in of_kind(objects, "StatefulSet", "Deployment", "PodDisruptionBudget"):
        name = each["metadata"]["name"]
        found = [labels for _, labels in pods if selects(each["spec"]["selector"], labels)]
        assert [labels["app.kubernetes.io/component"] for labels in found] == [
            name.removeprefix(prefix)
        ]


@each_case
def test_services_find_their_pods(case: str) -> None:
    """Every Service selects one kind of pod and a port that it declares."""
    objects = objects_of(case)
    pods = list(pod_templates(objects))
    for service in of_kind(objects, "Service"):
        spec = service["spec"]
        ((_, _, pod),) = (
            each for each in pods if selects({"matchLabels": spec["selector"]}, each[1]["labels"])
        )
        ports = {port["name"] for each in pod["containers"] for port in each["ports"]}
        assert {port["targetPort"] for port in spec["ports"]} <= ports
    services = {each["metadata"]["name"] for each in of_kind(objects, "Service")}
    for each in of_kind(objects, "StatefulSet"):
        assert each["spec"]["serviceName"] in services


def test_objects_name_no_namespace_and_give_no_rights() -> None:
    """Helm and kubectl say where to; and none gives rights."""
    for case in CASES:
        for each in objects_of(case):
            assert "namespace" not in each["metadata"]
            assert each["kind"] not in _RIGHTS
