"""The number of pods that an autoscaler asks for, as it goes."""

from __future__ import annotations

import itertools
import time

from tests.cluster.follower import Follower
from tests.cluster.release import Release, is_ready


class ReplicaHistory(Follower):
    """Follows `spec.replicas` of a StatefulSet while it is entered, in a thread of its own."""

    def __init__(self, release: Release, name: str) -> None:
        super().__init__()
        self.changes: list[tuple[float, int]] = []
        self._release = release
        self._name = name

    @property
    def counts(self) -> list[int]:
        """Return every number in turn."""
        return [count for _, count in self.changes]

    def pauses(self) -> list[float]:
        """Return the seconds between one change and the next."""
        times = [at for at, _ in self.changes]
        return [later - earlier for earlier, later in itertools.pairwise(times)]

    def tell(self) -> str:
        """Return the history in words."""
        if not self.changes:
            return "nothing seen"
        first = self.changes[0][0]
        return ", ".join(f"{count} at {at - first:.0f} s" for at, count in self.changes)

    def _follow(self) -> None:
        while not self._ended.wait(0.2):
            found = self._release.get("apps/v1/statefulsets", self._name)["spec"]["replicas"]
            if not self.changes or self.changes[-1][1] != found:
                self.changes.append((time.monotonic(), found))


class PodHistory(Follower):
    """Follows the pods of a component while it is entered: started, ready (once), ended."""

    def __init__(self, release: Release, component: str) -> None:
        super().__init__()
        self.story: list[tuple[str, str]] = []
        self._release = release
        self._component = component

    def _follow(self) -> None:
        there: set[str] = set()
        while not self._ended.wait(0.2):
            pods = {pod["metadata"]["name"]: pod for pod in self._release.pods(self._component)}
            for name in sorted(pods):
                self._tell(name, "started")
                if is_ready(pods[name]):
                    self._tell(name, "ready")
            for name in sorted(there - pods.keys()):
                self._tell(name, "ended")
            there = set(pods)

    def _tell(self, pod: str, event: str) -> None:
        if (pod, event) not in self.story:
            self.story.append((pod, event))
