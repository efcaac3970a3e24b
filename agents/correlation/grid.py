"""The closes of one partition by second and source, and the rows that tables make of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from agents.correlation.prices import NO_CURRENCY, Markets, reference_prices
from agents.correlation.tables import TableDefinition
from agents.runtime.ordered_taker import OrderedTaker
from models.errors import RecordError
from models.records.closes import CLOSES_VERSION, Closes, decode_closes
from models.times import seconds_of

# How far tables may stay behind while Kafka holds closes that are not read yet.
_BACKLOG_S = 120


class SourceSecond(msgspec.Struct, frozen=True):
    """The closes of one source and second; one value a market."""

    numbers: NDArray[np.intp]
    mid: NDArray[np.float64]
    quotes: NDArray[np.int64]


class Row(msgspec.Struct, frozen=True):
    """What a table makes of one step, for all coins; columns are coin numbers.

    `price`, `currency` and `venues` have one line a row of the table (of most tables a step has
    one); `quotes` are the good quotes of the whole step. `late` are the sources that later steps
    do not wait for either; `sources` says up to which second, at most `time`, each one was read.
    """

    time: int
    masked: list[str]
    late: list[str]
    sources: dict[str, int]
    price: NDArray[np.float64]
    currency: NDArray[np.int8]
    venues: NDArray[np.uint16]
    quotes: NDArray[np.int64]


class Grid(OrderedTaker):
    """The closes that some table still needs. `newest` says how far each source was read."""

    def __init__(self, markets: Markets, first_offset: int) -> None:
        """Hold nothing yet; `first_offset` is the first to be taken."""
        self.markets = markets
        self.newest: dict[str, int] = {}
        super().__init__(first_offset)
        self._held: dict[int, dict[str, SourceSecond]] = {}
        self._offsets: dict[int, int] = {}
        self._names: dict[str, tuple[list[str], NDArray[np.intp]]] = {}

    def _take(self, offset: int, value: bytes | None) -> None:
        try:
            closes = decode_closes(value or b"")
            second = seconds_of(closes.as_of)
            source = f"{closes.exchange}|{closes.partition}"
            found = self._source_second(source, closes)
        except (msgspec.DecodeError, ValueError, OverflowError) as error:
            raise RecordError("undecodable_record", f"expected closes, {error}") from error
        if closes.version != CLOSES_VERSION:
            raise RecordError(
                "unknown_schema_version",
                f"expected version {CLOSES_VERSION} of closes, was {closes.version}",
            )
        if second <= self.newest.get(source, second - 1):
            return
        self.newest[source] = second
        self._held.setdefault(second, {})[source] = found
        self._offsets.setdefault(second, offset)

    @property
    def seconds_held(self) -> int:
        """Return of how many seconds something is held."""
        return len(self._held)

    def position(self, second: int) -> int:
        """Return the offset from which a table that has made the row of `second` reads on."""
        later = [offset for held, offset in self._offsets.items() if held > second]
        return min(later, default=self.next_offset)

    def forget(self, second: int) -> None:
        """Drop everything up to `second`."""
        for held in [held for held in self._held if held <= second]:
            del self._held[held], self._offsets[held]

    def first_after(self, second: int) -> int | None:
        """Return the first second after this one of which something is held."""
        return min((held for held in self._held if held > second), default=None)

    def held(self, second: int, without: Iterable[str]) -> list[SourceSecond]:
        """Return the closes of a second, in the order of the sources' names."""
        left_out = set(without)
        sources = self._held.get(second, {})
        return [sources[name] for name in sorted(sources) if name not in left_out]

    def _source_second(self, source: str, closes: Closes) -> SourceSecond:
        names = closes.markets
        mid, quotes = np.array(closes.mid, np.float64), np.array(closes.n, np.int64)
        if not len(names) == len(mid) == len(quotes):
            raise ValueError("columns of one length")
        # A source names the same markets second after second.
        kept = self._names.get(source)
        if kept is None or kept[0] != names:
            kept = self._names[source] = (names, self.markets.numbers(names))
        return SourceSecond(kept[1], mid, quotes)


class RowMaker:
    """Decides when a table's next row is made, and of which sources.

    `time` is that of the last row, None before the first one.
    """

    def __init__(
        self,
        definition: TableDefinition,
        grid: Grid,
        limit_s: float,
        time: int | None = None,
        sources: Mapping[str, int] | None = None,
        late: Iterable[str] = (),
    ) -> None:
        """Go on after `time`, following these sources."""
        self._definition = definition
        self._grid = grid
        self._limit_s = limit_s
        self.time = time
        self._sources = dict(sources or {})
        self._late = frozenset(late)

    def next_row(self, at_end: bool) -> Row | None:
        """Return the next row, None as long as a source must be waited for.

        `at_end` says that everything Kafka holds was read. Before that no source is late, unless
        so much has been read that it cannot be waited for.
        """
        grid, step = self._grid, self._definition.step_s
        newest = {**self._sources}
        for source, second in grid.newest.items():
            newest[source] = max(second, newest.get(source, second))
        if not newest:
            return None
        furthest = max(newest.values())
        time = self._first_time() if self.time is None else self.time + step
        while time is not None and time <= furthest:
            masked = self._masked(time, newest, furthest, at_end)
            if masked is None:
                return None
            # Late is who is far behind, until it is not any more.
            self._late = frozenset(
                source
                for source in self._late.union(masked)
                if furthest - newest[source] > self._limit_s
            )
            seconds = {
                second: grid.held(second, masked) for second in range(time - step + 1, time + 1)
            }
            if any(seconds.values()):
                self.time = time
                # What comes after `time` is read again after a recovery.
                self._sources = {source: min(second, time) for source, second in newest.items()}
                return self._row(time, seconds, masked)
            # Nobody gives closes in this step: it is passed over.
            self.time = time
            time = self._first_time()
        return None

    def _first_time(self) -> int | None:
        """Return the first step at or after the first second held that no row is made of."""
        after = -1 if self.time is None else self.time
        first = self._grid.first_after(after)
        return (
            None
            if first is None
            else -(-first // self._definition.step_s) * (self._definition.step_s)
        )

    def _masked(
        self, time: int, newest: Mapping[str, int], furthest: int, at_end: bool
    ) -> list[str] | None:
        """Return the sources without which the row is made, None when one is waited for."""
        patience = self._limit_s if at_end else max(self._limit_s, _BACKLOG_S)
        masked = []
        for source, second in newest.items():
            if second >= time:
                continue
            is_late = source in self._late and furthest - second > self._limit_s
            if not is_late and furthest - time <= patience:
                return None
            masked.append(source)
        return sorted(masked)

    def _row(self, time: int, seconds: Mapping[int, list[SourceSecond]], masked: list[str]) -> Row:
        definition, markets = self._definition, self._grid.markets
        width = len(markets.coins)
        shape = (definition.step_s // definition.row_s, width)
        price = np.full(shape, np.nan)
        currency = np.full(shape, NO_CURRENCY, np.int8)
        venues = np.zeros(shape, np.uint16)
        for line in range(shape[0]):
            second = time - (shape[0] - 1 - line) * definition.row_s
            held = seconds[second]
            if held:
                found = reference_prices(
                    markets,
                    np.concatenate([each.numbers for each in held]),
                    np.concatenate([each.mid for each in held]),
                )
                price[line], currency[line], venues[line] = (
                    found.price,
                    found.currency,
                    found.venues,
                )
        every = [each for held in seconds.values() for each in held]
        quotes = np.zeros(width, np.int64)
        np.add.at(
            quotes,
            markets.coin[np.concatenate([each.numbers for each in every])],
            np.concatenate([each.quotes for each in every]),
        )
        return Row(
            time,
            masked,
            sorted(self._late),
            dict(self._sources),
            price,
            currency,
            venues,
            quotes,
        )
