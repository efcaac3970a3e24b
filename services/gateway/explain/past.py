"""The ticks behind a row: from the archive, and from Kafka's log what is not archived yet."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pandas as pd
import pyarrow.compute as pc

from agents.archive.store import Store
from agents.runtime.topic_reader import ReadFrom, TopicReader
from models.archive.manifest import Entry
from models.archive.tick_tables import ArchivedBurst, Kind, tick_table, unseen_table
from models.errors import RecordError, StoreError, TransportError
from models.markets import coin_of, exchange_of
from models.partition import partition_of
from models.records.bursts import EVERY_MARKET, decode_quotes, decode_trades
from models.settings import Settings
from models.topics import topic_name
from services.audit.audit_spreads import LOOKBACK
from services.audit.frames import of_market, tick_frame, unseen_frame
from services.audit.snapshot import Snapshot
from services.audit.source_past import TopicPast
from services.audit.spreads import HISTORY, MarketPast
from services.history.entries import EntryIndex


class HeldTicks(msgspec.Struct, frozen=True):
    """Ticks of a market of one kind up to a moment, in event-time order, and unseen intervals.

    `is_whole` says that there were none before; `places` are where they were read.
    """

    ticks: pd.DataFrame
    unseen: pd.DataFrame
    is_whole: bool
    places: frozenset[str]


class HeldPast(msgspec.Struct, frozen=True):
    """What stands behind the rows of a market up to a moment."""

    market: str
    partition: int
    quotes: HeldTicks
    trades: HeldTicks

    @property
    def exchange(self) -> str:
        """Return the market's exchange."""
        return exchange_of(self.market)

    @property
    def places(self) -> list[str]:
        """Return where it was read: `archive`, `log` or both."""
        return sorted(self.quotes.places | self.trades.places)

    def past(self) -> MarketPast | None:
        """Return what figures follow from, None where no quote is held."""
        quotes = self.quotes
        if not len(quotes.ticks):
            return None
        return MarketPast(
            quotes.ticks,
            self.trades.ticks,
            quotes.unseen,
            self.trades.unseen,
            int(quotes.ticks["time"].iloc[0]) if quotes.is_whole else None,
        )


class MarketPasts:
    """Reads what stands behind rows. Any thread may ask; it blocks."""

    def __init__(self, store: Store, brokers: str | None, settings: Settings) -> None:
        """Without `brokers` what the archive holds is all."""
        self._store = store
        self._brokers = brokers
        self._settings = settings
        self._index = EntryIndex(store)

    def of(self, market: str, as_of: int) -> HeldPast:
        """Return what stands behind the row of a market at a second (ns).

        Raises:
            StoreError: the archive or the log cannot be read now.
        """
        partition = partition_of(coin_of(market), self._settings.partitions)
        since = as_of - HISTORY - LOOKBACK
        try:
            quotes, trades = (self._held(kind, market, partition, since, as_of) for kind in _KINDS)
        except OSError as error:
            raise StoreError(f"expected to read the archive, but {error}") from error
        except TransportError as error:
            raise StoreError(f"expected the log of {market}, but {error}") from error
        return HeldPast(market, partition, quotes, trades)

    def _held(self, kind: Kind, market: str, partition: int, since: int, until: int) -> HeldTicks:
        exchange = exchange_of(market)
        topic = f"{exchange}_{kind}"
        archive = _IndexedArchive(self._store, self._index)
        past = TopicPast(archive, (exchange, partition), kind, since, market)
        held = past.advance(since, until)
        ticks, unseen = held.ticks, of_market(held.unseen, market)
        is_whole = held.is_whole
        places = {"archive"} if len(ticks) or len(unseen) else set()
        chunks = self._index.of(topic, partition, kind)
        reached = chunks.until() or 0
        if self._brokers is not None and reached < until:
            after = chunks.next_offset
            log = _Log(self._brokers, self._settings, kind, market, partition)
            bursts, begins = log.read(after, past.epoch, since, until)
            if begins is not None and begins > after:
                # What lies between is gone, or was not asked for since it is so old.
                is_whole = False
                if not chunks.is_empty:
                    ticks, unseen = ticks.iloc[:0], unseen.iloc[:0]
                    places = set()
            elif chunks.is_empty:
                is_whole = begins == 0
            if bursts:
                places.add("log")
                ticks, unseen = _with(kind, bursts, market, since, until, ticks, unseen)
        return HeldTicks(ticks, unseen, is_whole, frozenset(places))


_KINDS: tuple[Kind, Kind] = ("quotes", "trades")


class _IndexedArchive(Snapshot):
    """An archive whose manifest is remembered from request to request."""

    def __init__(self, store: Store, index: EntryIndex) -> None:
        super().__init__(store)
        self._index = index

    def of_partition(
        self, topic: str, partition: int | None, start: int, end: int
    ) -> Iterator[Entry]:
        """Yield the entries of a partition that may hold something of `[start, end)`."""
        chunks = self._index.of(topic, partition or 0, topic.rpartition("_")[2])
        for chunk in chunks.touching(start, end):
            yield self.manifest.entry(topic, chunk.name)

    def is_whole(self, topic: str, partition: int, since: int | None = None) -> bool:
        """Return whether a partition is archived from its beginning on."""
        chunks = self._index.of(topic, partition, topic.rpartition("_")[2])
        first = chunks.first()
        if first is None or first.begins_after:
            return False
        return since is None or (first.least_time or 0) >= since


class _Log:
    """The end of one tick topic partition in Kafka."""

    def __init__(
        self, brokers: str, settings: Settings, kind: Kind, market: str, partition: int
    ) -> None:
        self._brokers = brokers
        self._settings = settings
        self._market = market
        self._partition = partition
        self._decode = decode_quotes if kind == "quotes" else decode_trades
        self._topic = topic_name(f"{exchange_of(market)}_{kind}", settings.namespace)

    def read(
        self, after: int, epoch: int, since: int, until: int
    ) -> tuple[list[ArchivedBurst], int | None]:
        """Return the bursts from offset `after` on that tell of the market up to `until` (ns).

        And the offset of the first record that was read, None where there was none. Bursts of an
        owner of the past, older than `epoch` or than one before, are left out.
        """
        # Nothing is said before it happened; but a replay puts days into a minute.
        since_ms = None if self._settings.source == "none" else since // 1_000_000
        bursts: list[ArchivedBurst] = []
        begins: int | None = None
        with TopicReader(self._brokers, self._settings) as reader:
            for record in reader.read([ReadFrom(self._topic, self._partition, after, since_ms)]):
                begins = record.offset if begins is None else begins
                try:
                    burst = self._decode(record.value)
                except RecordError:
                    continue  # the archive tells it
                if burst.epoch < epoch:
                    continue
                epoch = burst.epoch
                about = {*burst.markets, *(row.market for row in burst.unseen)}
                if self._market in about or EVERY_MARKET in about:
                    bursts.append(ArchivedBurst(record.offset, record.timestamp, burst))
                if burst.clock >= until:
                    break  # nothing that comes later is of an earlier time
        return bursts, begins


def _with(
    kind: Kind,
    bursts: list[ArchivedBurst],
    market: str,
    since: int,
    until: int,
    ticks: pd.DataFrame,
    unseen: pd.DataFrame,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what is archived and what these bursts tell, as one."""
    table = tick_table(kind, bursts)
    new = tick_frame(kind, [table.filter(pc.equal(table["market"], market))])
    new = new[(new["time"] >= since) & (new["time"] < until)]
    away = of_market(unseen_frame([unseen_table(bursts)]), market)
    away = away[(away["start"] < until) & (away["end"] >= since)]
    every = pd.concat([ticks, new], ignore_index=True) if len(ticks) else new
    return (
        every.sort_values(["time", "offset", "row"], ignore_index=True),
        pd.concat([unseen, away], ignore_index=True) if len(unseen) else away,
    )
