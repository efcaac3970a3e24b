"""Members of a group with our assignor and with Faust's, over the bytes that Kafka carries."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any, cast

import pytest
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.protocol import ConsumerProtocol
from faust.assignor.partition_assignor import PartitionAssignor
from faust.types import TP

from agents.runtime.app import AgentApp, AgentWorker, agent_app
from agents.runtime.assignor import EvenAssignor
from agents.runtime.tables import changelog_topic
from models.settings import Settings

PARTITIONS = 4
CHANGELOG = changelog_topic("spread")
TOPICS = {"kraken_quotes", "kraken_trades", CHANGELOG}
MakeApp = Callable[[str], AgentApp]


class Cluster(ClusterMetadata):  # type: ignore[misc]
    """What members know of the topics: how many partitions each has."""

    def __init__(self, partitions: dict[str, int]) -> None:
        super().__init__()
        self._counts = partitions

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        count = self._counts.get(topic)
        return None if count is None else set(range(count))


CLUSTER = Cluster(dict.fromkeys(TOPICS, PARTITIONS))


class Member:
    """A member of the group: its assignor and what it subscribes."""

    def __init__(self, assignor: PartitionAssignor, topics: set[str]) -> None:
        self.assignor = assignor
        self.topics = topics

    def owned(self) -> list[int]:
        """Return the partitions whose changelog it owns, and see that its inputs follow them."""
        places = self.assignor.assigned_actives()
        owned = sorted(place.partition for place in places if place.topic == CHANGELOG)
        assert places == {TP(topic, each) for topic in self.topics for each in owned}
        return owned


@pytest.fixture
def make_app(tmp_path: Path) -> MakeApp:
    """Return a function that makes the app of a worker of this name, as every agent does."""

    def make(name: str) -> AgentApp:
        settings = Settings(data_dir=tmp_path, instance=name, partitions=PARTITIONS)
        topics = sorted(TOPICS - {CHANGELOG})
        return agent_app(
            settings, "spread", topics, "127.0.0.1:1", lambda *_: cast(AgentWorker, None)
        )

    return make


@pytest.fixture
def even(make_app: MakeApp) -> Callable[[str], Member]:
    """Return a function that makes a member as our workers are."""
    return lambda name: Member(cast(PartitionAssignor, make_app(name).assignor), TOPICS)


@pytest.fixture
def former(make_app: MakeApp) -> Callable[[str], Member]:
    """Return a function that makes a member as workers were before: Faust's assignor, a standby."""
    return lambda name: Member(PartitionAssignor(make_app(name), replicas=1), TOPICS)


def rebalance(leader: Member, *others: Member, cluster: ClusterMetadata = CLUSTER) -> Any:
    """Let the leader assign the partitions, and tell every member; return each one's share."""
    group = {f"member-{index}": member for index, member in enumerate((leader, *others))}
    assert len({member.assignor.name for member in group.values()}) == 1
    joined = {
        name: ConsumerProtocol.METADATA.decode(member.assignor.metadata(member.topics).encode())
        for name, member in group.items()
    }
    assigned = leader.assignor.assign(cluster, joined)
    assert assigned.keys() == group.keys()
    for name, member in group.items():
        told = ConsumerProtocol.ASSIGNMENT.decode(assigned[name].encode())
        member.assignor.on_assignment(told)
    return [member.owned() for member in group.values()]


def test_every_agent_has_the_assignor_and_no_standbys(make_app: MakeApp) -> None:
    """They are all made by `agent_app`."""
    app = make_app("spread-0")
    assert type(app.assignor) is EvenAssignor
    assert app.conf.table_standby_replicas == 0


def test_each_worker_that_joins_takes_work_over_until_every_one_has_one(
    even: Callable[[str], Member],
) -> None:
    """Of 4 partitions: 4; 2, 2; 2, 1, 1; 1, 1, 1, 1; a fifth waits; who leaves gives its own."""
    a, b, c, d, e = (even(f"spread-{index}") for index in range(5))
    assert rebalance(a) == [[0, 1, 2, 3]]
    assert rebalance(a, b) == [[0, 1], [2, 3]]
    assert rebalance(a, b, c) == [[0, 1], [2], [3]]
    assert rebalance(a, b, c, d) == [[0], [2], [3], [1]]
    assert rebalance(a, b, c, d, e) == [[0], [2], [3], [1], []]
    assert rebalance(c, e, d, a) == [[3], [2], [1], [0]]
    assert rebalance(a, c, d) == [[0, 2], [3], [1]]


def test_faust_leaves_the_third_of_three_without_work(former: Callable[[str], Member]) -> None:
    """What our own plan is for; where this fails, Faust's may do."""
    a, b, c = (former(f"spread-{index}") for index in range(3))
    rebalance(a)
    rebalance(a, b)
    assert sorted(map(len, rebalance(a, b, c))) == [0, 2, 2]


def test_workers_of_two_versions_are_one_group_whoever_leads(
    even: Callable[[str], Member], former: Callable[[str], Member]
) -> None:
    """An upgrade pod by pod, and back: all is owned throughout, evenly where one of ours leads."""
    old_a, old_b, old_c = (former(f"spread-{index}") for index in range(3))
    rebalance(old_a)
    rebalance(old_a, old_b)
    rebalance(old_a, old_b, old_c)
    new_a, new_b, new_c = (even(f"spread-{index}") for index in range(3))
    for group in ((old_a, old_b, new_c), (old_a, new_b, new_c)):
        assert sorted(chain(*rebalance(*group))) == [0, 1, 2, 3]
    assert sorted(map(len, rebalance(new_b, new_c))) == [2, 2]
    assert sorted(map(len, rebalance(new_b, old_a, new_c))) == [1, 1, 2]
    shares = rebalance(new_b, new_c, new_a)
    assert sorted(map(len, shares)) == [1, 1, 2]
    assert rebalance(old_a, new_b, new_c)[1:] == shares[:2]


def test_a_topic_that_only_new_workers_know_follows_the_owners_of_the_others(
    even: Callable[[str], Member],
) -> None:
    """Its partitions of an older worker have no reader until that one is replaced."""
    known = Cluster(dict.fromkeys({*TOPICS, "binance_quotes"}, PARTITIONS))
    older, newer = even("spread-0"), even("spread-1")
    newer.topics = {*TOPICS, "binance_quotes"}
    assert rebalance(older, newer, cluster=known) == [[0, 1], [2, 3]]


def test_a_topic_with_another_number_of_partitions_is_shared_by_itself(
    even: Callable[[str], Member],
) -> None:
    """One that does not exist yet is left out, as Faust does."""
    known = Cluster({**dict.fromkeys(TOPICS, PARTITIONS), "wide": 7})
    members = {name: even(name).assignor for name in ("spread-0", "spread-1", "spread-2")}
    joined = {name: each.metadata({*TOPICS, "wide", "to-come"}) for name, each in members.items()}
    assigned = members["spread-0"].assign(known, joined)
    shares = [dict(told.assignment) for told in assigned.values()]
    assert [len(share["wide"]) for share in shares] == [3, 2, 2]
    assert [len(share[CHANGELOG]) for share in shares] == [2, 1, 1]
    assert all("to-come" not in share for share in shares)
