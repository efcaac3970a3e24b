"""Sources as their bursts show them: who owns them, how far they are complete."""

from __future__ import annotations

import msgspec

from services.gateway.records import BurstHead, Place


class SourceView(msgspec.Struct):
    """One exchange × one partition, on one topic. `clock` is in nanoseconds."""

    exchange: str
    partition: int
    epoch: int = 0
    clock: int = 0


class SourceViews:
    """The sources of one kind of tick."""

    def __init__(self) -> None:
        self._views: dict[tuple[str, int], SourceView] = {}
        self.outdated = 0

    def take(self, place: Place, head: BurstHead) -> SourceView | None:
        """Return the source of a burst, its clock moved on; None for a burst of a former owner.

        Epochs are compared within one topic partition, in the order of its log.
        """
        view = self._views.get((place.topic, place.partition))
        if view is None:
            view = SourceView(head.exchange, place.partition)
            self._views[place.topic, place.partition] = view
        if head.epoch < view.epoch:
            self.outdated += 1
            return None
        view.epoch = head.epoch
        view.clock = max(view.clock, head.clock)
        return view
