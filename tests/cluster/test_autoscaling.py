"""The autoscaler of an agent, at the pace of the chart."""

from __future__ import annotations

from pathlib import Path

from tests.chart.rendering import Document, merged
from tests.cluster.external_metrics import ExternalMetrics
from tests.cluster.release import NAME, PRODUCTION, Release
from tests.cluster.scaling import ReplicaHistory

# What the chart sets for scaling up; down, its ten quiet minutes would make the test an hour.
_UP_S, _QUIET_S, _DOWN_S = 60, 20, 15
_SCALED_S = 420.0
_SYNC_S = 3  # how often the control plane of the tests looks
SCALED: Document = merged(
    PRODUCTION,
    {
        "source": "none",
        "scaling": {"quietSeconds": _QUIET_S, "downSeconds": _DOWN_S},
        "agents": {
            "bars": {"enabled": False},
            "correlation": {"enabled": False},
            "spread": {
                "autoscaling": {
                    "minReplicas": 1,
                    "maxReplicas": 3,
                    "by": "external",
                    "external": {"metric": "spread_lag", "averageValue": "100"},
                }
            },
        },
    },
)


def test_pods_come_one_a_minute_and_go_slowly_and_no_upgrade_changes_their_number(
    release: Release, tmp_path: Path
) -> None:
    """1 → 3 → 1 by an external metric; an upgrade and a rollback in between leave 3."""
    spread = f"{NAME}-spread"
    cluster = release.cluster
    with ExternalMetrics(cluster, tmp_path / "metrics") as metrics:
        metrics.value = 50
        release.install(SCALED, "--wait", "--timeout", "4m")
        assert release.ready_pods("spread") == [f"{spread}-0"]
        with ReplicaHistory(release, spread) as history:
            cluster.until(lambda: metrics.asked == {"spread_lag"}, "the metric to be asked for")
            metrics.value = 1_000  # ten pods' worth
            cluster.until(
                lambda: len(release.ready_pods("spread")) == 3 and history.counts[-1:] == [3],
                "3 pods",
                _SCALED_S,
            )
            assert history.counts == [1, 2, 3], history.tell()
            assert history.pauses()[-1] > _UP_S - _SYNC_S, history.tell()

            metrics.value = 300  # no reason to change
            release.upgrade(merged(SCALED, {"settings": {"log_level": "debug"}}))
            release.helm("rollback", NAME, "1")
            assert history.counts == [1, 2, 3], history.tell()

            metrics.value = 50
            cluster.until(lambda: history.counts[-1:] == [1], "1 pod", _SCALED_S)
            assert history.counts == [1, 2, 3, 2, 1], history.tell()
            assert history.pauses()[-1] > _DOWN_S - _SYNC_S, history.tell()
            print(f"\nreplicas of spread: {history.tell()}")
        cluster.until(lambda: release.ready_pods("spread") == [f"{spread}-0"], "the first to stay")
