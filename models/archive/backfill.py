"""Entries of the backfill's manifest: which file holds the bars of a market's day."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, get_args

import msgspec

from models.archive.manifest import DataFile, decode_versioned
from models.markets import exchange_of

BACKFILL_VERSION = 1
DAY_SECONDS = 86_400
DAY_MINUTES = 1_440

BackfillSource = Literal["capture", "rest"]
SOURCES: tuple[BackfillSource, ...] = get_args(BackfillSource)
"""The one that goes before first."""


class BackfilledDay(msgspec.Struct, frozen=True):
    """The bars of a market that begin on one day; `day` is its start divided by 86,400 s."""

    source: BackfillSource
    market: str
    day: int

    @property
    def entry(self) -> str:
        """Return where its entry lies below the root.

        >>> BackfilledDay("rest", "kraken:BTC-USD", 20_000).entry
        'manifest/backfill/bars/source=rest/exchange=kraken/BTC-USD/2024-10-04.json'
        """
        return f"{entry_folder(self.source, self.market)}/{self.date}.json"

    def file(self, sha256: str) -> str:
        """Return where the file with these bytes lies: other bytes are another file.

        >>> BackfilledDay("rest", "kraken:BTC-USD", 20_000).file("89abcdef01234567" * 4)
        'backfill/bars/source=rest/exchange=kraken/date=2024-10-04/BTC-USD-89abcdef01234567.parquet'
        """
        exchange, pair = _parts(self.market)
        folder = f"backfill/bars/source={self.source}/exchange={exchange}/date={self.date}"
        return f"{folder}/{pair}-{sha256[:16]}.parquet"

    @property
    def date(self) -> str:
        """Return the day as ISO-8601."""
        return datetime.fromtimestamp(self.day * DAY_SECONDS, UTC).strftime("%Y-%m-%d")


def entry_folder(source: BackfillSource, market: str) -> str:
    """Return the folder of a market's entries below the root."""
    exchange, pair = _parts(market)
    return f"manifest/backfill/bars/source={source}/exchange={exchange}/{pair}"


def day_of_entry(file_name: str) -> int | None:
    """Return the day that an entry's file name says, None where it is none.

    >>> day_of_entry("2024-10-04.json"), day_of_entry(".2024-10-04.json.7.aside")
    (20000, None)
    """
    try:
        date = datetime.strptime(file_name, "%Y-%m-%d.json").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(date.timestamp()) // DAY_SECONDS


class BackfillEntry(msgspec.Struct, frozen=True):
    """What is there of a market's day: how many minutes and bars, and the file that counts.

    `least_time` and `greatest_time` are the first and last `as_of`, nanoseconds since the epoch.
    """

    version: int = msgspec.field(name="v")
    source: BackfillSource
    market: str
    date: str
    minutes: int
    rows: int
    least_time: int
    greatest_time: int
    file: DataFile


_decoder = msgspec.json.Decoder(BackfillEntry)


def decode_backfill_entry(data: bytes) -> BackfillEntry:
    """Return the entry of a file.

    Raises:
        InvariantError: it is none of ours.
    """
    return decode_versioned(data, _decoder, BACKFILL_VERSION, "the backfill")


def _parts(market: str) -> tuple[str, str]:
    exchange = exchange_of(market)
    return exchange, market[len(exchange) + 1 :]
