"""Faust's partition assignor, with even shares.

Only the leader of a group plans. What members tell it and what it answers is in Faust's own format
under Faust's own name, so during an upgrade workers with Faust's assignor are in one group with
these, and either may lead: shares become even with the first rebalance that one of these leads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import cast

from aiokafka.cluster import ClusterMetadata
from faust.assignor.client_assignment import ClientAssignment, ClientMetadata
from faust.assignor.partition_assignor import (
    MemberAssignmentMapping,
    MemberMetadataMapping,
    PartitionAssignor,
)

from agents.runtime.shares import even_shares


class EvenAssignor(PartitionAssignor):
    """Gives every member an even share of the partition numbers, the same ones of all its topics.

    Topics with as many partitions are one line: the owner of a partition number, and of its
    changelog, reads that partition of every topic it subscribes. While an upgrade adds a topic, its
    partitions have a reader where their owner is a new member; positions are in the state, so
    nothing is missed. There are no standbys: Faust reads a changelog from its beginning when a
    standby becomes active, so they would save nothing.
    """

    def _perform_assignment(
        self, cluster: ClusterMetadata, member_metadata: MemberMetadataMapping
    ) -> MemberAssignmentMapping:
        """Answer each member with its share and with those of all others, as Faust does."""
        clients = {
            member: self._get_client_metadata(metadata)
            for member, metadata in member_metadata.items()
        }
        self._update_member_urls(clients)
        topics = {
            member: set(cast("list[str]", metadata.subscription))
            for member, metadata in member_metadata.items()
        }
        lines = _lines(cluster, set().union(*topics.values()))
        assignments = {member: ClientAssignment(actives={}, standbys={}) for member in clients}
        for partitions, line in lines.items():
            held = {member: _held(client, line) for member, client in clients.items()}
            for member, share in even_shares(held, partitions).items():
                mine = [topic for topic in line if topic in topics[member]]
                assignments[member].actives.update({topic: list(share) for topic in mine})
        groups = {topic: group for group, line in enumerate(lines.values()) for topic in line}
        return self._protocol_assignments(
            assignments,
            self._get_changelog_distribution(assignments),
            self._get_external_topic_distribution(assignments),
            groups,
        )


def _lines(cluster: ClusterMetadata, topics: Iterable[str]) -> Mapping[int, list[str]]:
    """Return the topics that there are by their number of partitions, ascending."""
    lines: dict[int, list[str]] = defaultdict(list)
    for topic in sorted(topics):
        # One that is made later changes the metadata, and that asks for an assignment again.
        if partitions := cluster.partitions_for_topic(topic):
            lines[len(partitions)].append(topic)
    return dict(sorted(lines.items()))


def _held(client: ClientMetadata, line: Iterable[str]) -> set[int]:
    """Return the partition numbers of these topics that a member says it owns."""
    actives = client.assignment.actives
    return {partition for topic in line for partition in actives.get(topic, ())}
