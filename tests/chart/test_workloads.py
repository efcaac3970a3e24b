"""How many pods there are, in which order they come, and when Jobs run."""

from __future__ import annotations

import re

import pytest

from tests.chart.rendering import (
    CASES,
    KEDA,
    TRIAL,
    merged,
    named,
    objects_of,
    of_kind,
    pod_templates,
    render,
    settings_of,
)

_AGENTS = ("bars", "correlation", "ingestion", "spread")
each_case = pytest.mark.parametrize("case", CASES)


@each_case
def test_who_decides_the_number_of_pods(case: str) -> None:
    """Either `replicas` or an autoscaler with that target, never both, and one pod a minute."""
    objects = objects_of(case)
    targets = {}
    for each in of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject"):
        spec = each["spec"]
        target = spec["scaleTargetRef"]
        assert "replicas" not in named(objects, target["kind"], target["name"])["spec"]
        targets[target["name"]] = each["kind"]
        behaviour = (
            spec["behavior"]
            if each["kind"] == "HorizontalPodAutoscaler"
            else spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        )
        up = {"type": "Pods", "value": 1, "periodSeconds": 60}
        assert behaviour["scaleUp"]["policies"] == [up]
        assert behaviour["scaleDown"]["stabilizationWindowSeconds"] >= 600
    for each in of_kind(objects, "StatefulSet", "Deployment"):
        assert ("replicas" in each["spec"]) != (each["metadata"]["name"] in targets)
    both = {"ScaledObject", "HorizontalPodAutoscaler"}
    kinds: dict[str, set[str]] = {"keda": both, "secured": both, "fixed": set(), "trial": set()}
    assert set(targets.values()) == kinds.get(case, {"HorizontalPodAutoscaler"})


def test_the_pace_of_autoscalers_can_be_set() -> None:
    """For all of them at once; still one pod at a time."""
    pace = {"upSeconds": 30, "quietSeconds": 120, "downSeconds": 45}
    scalers = of_kind(render(merged(KEDA, {"scaling": pace})), "HorizontalPodAutoscaler")
    for each in scalers:
        behaviour = each["spec"]["behavior"]
        up, down = behaviour["scaleUp"], behaviour["scaleDown"]
        assert up["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 30}]
        assert down["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 45}]
        assert (up["stabilizationWindowSeconds"], down["stabilizationWindowSeconds"]) == (30, 120)
    assert scalers


def test_keda_reads_the_agents_consumer_group() -> None:
    """The group is the agent's name behind the namespace of the topics, as Faust names it."""
    objects = objects_of("keda")
    for agent in ("spread", "bars", "correlation"):
        (trigger,) = named(objects, "ScaledObject", f"cointide-{agent}")["spec"]["triggers"]
        assert trigger["type"] == "kafka"
        assert trigger["metadata"]["consumerGroup"] == f"second.{agent}"
        assert trigger["metadata"]["lagThreshold"] == "500"
        assert all(isinstance(value, str) for value in trigger["metadata"].values())


def test_an_external_metric_is_asked_for_by_name_and_labels() -> None:
    """What a pod can bear is an average value."""
    hpa = named(objects_of("external"), "HorizontalPodAutoscaler", "cointide-gateway")
    (metric,) = hpa["spec"]["metrics"]
    assert metric["external"] == {
        "metric": {"name": "kafka_lag", "selector": {"matchLabels": {"a": "b"}}},
        "target": {"type": "AverageValue", "averageValue": "500"},
    }


def test_a_gateway_has_time_to_drain() -> None:
    """The grace period is longer than what proxies and clients are given."""
    for drain, pause in ((0, 0), (20, 5), (60, 60)):
        values = {
            **CASES["default"],
            "gateway": {"drainSeconds": drain, "preStopSeconds": pause},
        }
        spec = named(render(values), "Deployment", "cointide-gateway")["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        assert spec["terminationGracePeriodSeconds"] >= drain + pause + 5
        assert settings_of(container)["COINTIDE_GATEWAY_DRAIN_S"] == str(drain)
        assert container["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", str(pause)]


def test_agents_start_one_after_the_other() -> None:
    """A StatefulSet per agent, in order, so that no two pods join a group at once."""
    sets = {
        each["metadata"]["name"]: each for each in of_kind(objects_of("default"), "StatefulSet")
    }
    assert set(sets) == {f"cointide-{agent}" for agent in _AGENTS}
    for name, each in sets.items():
        assert each["spec"]["podManagementPolicy"] == "OrderedReady"
        (container,) = each["spec"]["template"]["spec"]["containers"]
        assert container["args"] == ["agent", name.removeprefix("cointide-")]


def test_topics_come_first() -> None:
    """A hook before install and upgrade, or a Job for whose topics every other pod waits."""
    hook = named(objects_of("default"), "Job", "cointide-topics")
    assert hook["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert "serviceAccountName" not in hook["spec"]["template"]["spec"], "it is not there yet"
    for name, _, spec in pod_templates(objects_of("trial")):
        waits = [each["name"] for each in spec.get("initContainers", [])]
        needs = re.search(r"-(bars|correlation|ingestion|spread|markets)\b", name)
        assert waits == (["wait-for-topics"] if needs else []), name


def test_the_schema_comes_first() -> None:
    """A hook as the topics' Job, or a Job beside the rest; none where there is no Cassandra."""
    hook = named(objects_of("history"), "Job", "cointide-schema")
    topics = named(objects_of("history"), "Job", "cointide-topics")
    assert hook["metadata"]["annotations"] == topics["metadata"]["annotations"]
    (job,) = (
        each
        for each in of_kind(objects_of("everything"), "Job")
        if each["metadata"]["name"].startswith("market-line-schema-")
    )
    assert "annotations" not in job["metadata"]
    for case in ("default", "trial"):
        names = {each["metadata"]["name"] for each in of_kind(objects_of(case), "Job")}
        assert not any("schema" in name for name in names)


def test_a_changed_job_has_another_name() -> None:
    """Jobs cannot be changed: other settings, image or labels are another Job."""
    names = set()
    for change in (
        {},
        {"settings": {"top_coins": 5}},
        {"image": {"tag": "2"}},
        {"podLabels": {"a": "b"}},
    ):
        jobs = of_kind(render({**TRIAL, **change}), "Job")
        names |= {each["metadata"]["name"] for each in jobs}
    assert len(names) == 8


def test_nothing_is_ingested_without_a_source() -> None:
    """In a replay neither ingestion nor the fetching of markets runs."""
    objects = objects_of("replayed")
    components = {each["metadata"]["labels"]["app.kubernetes.io/component"] for each in objects}
    assert not {"ingestion", "markets"} & components
    assert not of_kind(objects, "CronJob")
