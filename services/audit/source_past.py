"""One source's ticks, read slice by slice from the archive; what lasts longer is carried along."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.archive.manifest import Entry
from models.archive.tick_tables import Kind
from models.markets import coin_of
from services.audit.frames import is_on_time, tick_frame, unseen_frame
from services.audit.snapshot import Snapshot

_LASTING = ("gap", "down")


class Held(msgspec.Struct):
    """Ticks and unseen intervals of one topic partition from a time on.

    Before the oldest ones the last quote of every market is kept, and the last interval that
    kills it. `first` is the time of every market's first tick that was read (of trades: that is
    not late); it is the first of all where the archive holds everything from the topic's beginning
    on (`is_whole`).
    """

    ticks: pd.DataFrame
    unseen: pd.DataFrame
    until: int
    is_whole: bool
    first: dict[str, int] = {}


class TopicPast:
    """The archived ticks of one exchange, partition and kind; times are nanoseconds."""

    def __init__(
        self,
        archive: Snapshot,
        source: tuple[str, int],
        kind: Kind,
        since: int,
        market: str | None = None,
        coins: Collection[str] | None = None,
    ) -> None:
        """Hold nothing yet; `since` is from where on ticks are read, of a market or of coins."""
        exchange, self._partition = source
        self._archive = archive
        self._kind = kind
        self._topic = f"{exchange}_{kind}"
        self._market = market
        self._coins = coins
        self._epochs: dict[int, int] = {}
        is_whole = archive.is_whole(self._topic, self._partition, since)
        self.held = Held(tick_frame(kind, []), unseen_frame([]), since, is_whole)

    @property
    def epoch(self) -> int:
        """Return the newest owner's epoch that was met, 0 before the first."""
        return max(self._epochs.values(), default=0)

    def advance(self, since: int, until: int) -> Held:
        """Hold what lies in `[since, until)`; both rise from call to call."""
        held = self.held
        ticks, unseen = self._read(held.until, until)
        new = tick_frame(self._kind, ticks)
        counted = new if self._kind == "quotes" else new[is_on_time(new["flags"])]
        for name, time in counted.groupby("market")["time"].min().items():
            held.first.setdefault(str(name), int(time))
        merged = pd.concat([held.ticks, new], ignore_index=True) if len(held.ticks) else new
        intervals = unseen_frame(unseen)
        if len(held.unseen):
            # An interval that reaches from one slice into the next is read in both.
            both = pd.concat([held.unseen, intervals], ignore_index=True)
            intervals = both.drop_duplicates(["offset", "row"], ignore_index=True)
        self.held = Held(
            _since(merged, since, keeps_last=self._kind == "quotes"),
            _lasting(intervals, since),
            until,
            held.is_whole,
            held.first,
        )
        return self.held

    def _read(self, start: int, end: int) -> tuple[list[pa.Table], list[pa.Table]]:
        ticks, unseen = [], []
        for entry, owned in self._entries(start, end):
            table = (
                self._archive.table(entry, self._kind)
                if self._market is None
                else self._archive.rows_of_market(entry, self._kind, self._market)
            )
            if table is not None:
                table = self._of_coins(table)
                time = pc.cast(table["time"], pa.int64())
                kept = pc.and_(pc.greater_equal(time, start), pc.less(time, end))
                ticks.append(_owned(table.filter(kept), owned))
            table = self._archive.table(entry, "unseen")
            if table is not None:
                begin, stop = (pc.cast(table[name], pa.int64()) for name in ("start", "end"))
                kept = pc.and_(pc.less(begin, end), pc.greater_equal(stop, start))
                unseen.append(_owned(table.filter(kept), owned))
        return ticks, unseen

    def _of_coins(self, table: pa.Table) -> pa.Table:
        if self._coins is None:
            return table
        names = pc.unique(table["market"]).to_pylist()
        kept = [name for name in names if coin_of(name) in self._coins]
        return table.filter(pc.is_in(table["market"], pa.array(kept, pa.string())))

    def _entries(self, start: int, end: int) -> Iterator[tuple[Entry, NDArray[np.int64]]]:
        """Yield entries with the offsets of their bursts that are not of an owner of the past."""
        for entry in self._archive.of_partition(self._topic, self._partition, start, end):
            bursts = self._archive.table(entry, "bursts")
            if bursts is None:
                continue
            earlier = (e for offset, e in self._epochs.items() if offset < entry.first_offset)
            epochs = bursts["epoch"].to_numpy()
            newest = np.maximum.accumulate(np.concatenate([[max(earlier, default=0)], epochs]))
            self._epochs[entry.first_offset] = int(newest[-1])
            yield entry, bursts["offset"].to_numpy()[epochs >= newest[1:]]


def _owned(table: pa.Table, offsets: NDArray[np.int64]) -> pa.Table:
    return table.filter(pc.is_in(table["offset"], pa.array(offsets)))


def _since(ticks: pd.DataFrame, since: int, keeps_last: bool) -> pd.DataFrame:
    kept = ticks["time"] >= since
    if keeps_last:
        kept |= ~(ticks["market"].where(~kept).duplicated(keep="last") | kept)
    return ticks[kept].reset_index(drop=True)


def _lasting(unseen: pd.DataFrame, since: int) -> pd.DataFrame:
    """Return what reaches beyond `since`, and of what ended before the last that lasts."""
    kept = unseen["end"] >= since
    before = unseen[~kept & unseen["reason"].isin(_LASTING)]
    newest = before.sort_values("end", kind="stable").drop_duplicates("market", keep="last")
    return unseen.loc[kept.index[kept].union(newest.index)].reset_index(drop=True)
