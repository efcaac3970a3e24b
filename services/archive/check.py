"""Says what an archive holds, and whether the manifest and the files agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from agents.archive.manifest import Manifest
from agents.archive.store import Store
from models.archive.manifest import Entry
from services.archive.status import Amount, gap_between


class TopicReport(Amount):
    """What is archived of one topic partition; `wrong` says what is not as it should be."""

    topic: str
    partition: int
    first_offset: int
    last_offset: int
    undecodable: int = 0
    wrong: list[str] = msgspec.field(default_factory=list)


def check(store: Store, topics: Iterable[str]) -> Iterator[TopicReport]:
    """Yield a report a topic partition.

    Raises:
        OSError: the store cannot be read.
        InvariantError: the archive holds what none does.
    """
    manifest = Manifest(store)
    for topic in topics:
        reports: dict[int, TopicReport] = {}
        before: Entry | None = None
        for entry in manifest.entries(topic):
            report = reports.get(entry.partition)
            if report is None or before is None:
                report = TopicReport(topic, entry.partition, entry.first_offset, -1)
                reports[entry.partition] = report
            else:
                gaps = gap_between(before, entry)
                report.wrong += [f"offsets {g.first} to {g.last} are not there" for g in gaps]
            report.count(entry)
            report.last_offset = entry.last_offset
            report.undecodable += len(entry.undecodable)
            report.wrong += _wrong_files(store, entry)
            before = entry
        yield from reports.values()


def _wrong_files(store: Store, entry: Entry) -> Iterator[str]:
    for file in entry.files:
        size = store.size(file.path)
        if size != file.bytes:
            found = "none" if size is None else f"{size} bytes"
            yield f"{file.path}: expected {file.bytes} bytes, was {found}"
