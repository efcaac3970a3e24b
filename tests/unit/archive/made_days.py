"""Manifests of many days: an entry an hour, whose files are small or not there at all."""

from __future__ import annotations

from agents.archive.manifest import Manifest
from agents.archive.store import Store
from models.archive.chunks import ArchivedRecord, Chunk
from models.archive.manifest import MANIFEST_VERSION, DataFile, Entry
from models.archive.rendering import render
from tests.unit.gateway.made import BTC, START, spreads

HOUR = 3_600
SECOND = 1_000_000_000
DAY_START = START - START % 86_400


def hour_entry(partition: int, number: int) -> Entry:
    """Return the entry of an hour of spreads: a record a second, files that nobody wrote."""
    first, start = number * HOUR, DAY_START + number * HOUR
    name = f"p{partition:03}-{first:016}-{first + HOUR - 1:016}"
    return Entry(
        version=MANIFEST_VERSION,
        topic="spreads",
        partition=partition,
        first_offset=first,
        last_offset=first + HOUR - 1,
        begins_after=first,
        start=start,
        records=HOUR,
        rows=HOUR,
        least_time=start * SECOND,
        greatest_time=(start + HOUR - 1) * SECOND,
        undecodable=[],
        files=[DataFile(f"spreads/made/{name}.parquet", "spreads", HOUR, 1_000, "0" * 64)],
    )


def real_hour(store: Store, entry: Entry) -> Entry:
    """Return an hour's entry with few rows, at its beginning and its end, and their file."""
    rendered = render(
        Chunk(
            "spreads",
            entry.partition,
            entry.start,
            entry.begins_after,
            [
                ArchivedRecord(
                    entry.first_offset + second,
                    (entry.start + second) * 1_000,
                    b"key",
                    spreads(entry.start - START + second, (BTC,)).value,
                )
                for second in (*range(119), HOUR - 1)
            ],
        )
    )
    Manifest(store).write_files(rendered)
    return rendered.entry
