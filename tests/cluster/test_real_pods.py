"""The whole product as containers under a kubelet, on simulated exchanges."""

from __future__ import annotations

from models.settings import Settings
from tests.chart.rendering import TRIAL, merged
from tests.cluster.real_node import SELECTOR, RealNode
from tests.cluster.release import NAME, Release


def test_every_pod_of_the_trial_runs_and_the_gateway_gives_a_spread(
    containers: RealNode, kafka_of_containers: Settings, release: Release
) -> None:
    """All agents, gateway and simulator become ready under their security contexts and probes.

    The values are those of the trial, but for Kafka, which is that of the tests.
    """
    values = merged(
        TRIAL,
        {
            "nodeSelector": SELECTOR,
            "trialKafka": {"enabled": False},
            "kafka": {"brokers": [kafka_of_containers.kafka_brokers]},
            "topicNamespace": release.namespace,
        },
    )
    try:
        release.install(values, "--wait", "--wait-for-jobs", "--timeout", "5m")
        assert "Succeeded" in release.helm("test", NAME)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{containers.tell()}") from None
    restarts = {
        pod["metadata"]["name"]: each["restartCount"]
        for pod in release.items("v1/pods")
        for each in pod["status"]["containerStatuses"]
    }
    assert len(restarts) >= 6
    assert not any(restarts.values()), restarts
    release.uninstall()
