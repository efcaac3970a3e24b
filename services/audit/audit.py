"""Compares what is published with what the raw archive says it should be, slice by slice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from models.archive.tick_tables import KINDS
from models.topics import BARS, CORRELATIONS, INDICATORS, RETURNS, SPREADS
from services.audit.audit_bars import BarsAudit
from services.audit.audit_correlations import CorrelationsAudit
from services.audit.audit_indicators import IndicatorsAudit
from services.audit.audit_returns import ReturnsAudit
from services.audit.audit_spreads import SpreadsAudit
from services.audit.audit_strangers import StrangersAudit
from services.audit.audited_source import AuditedSource
from services.audit.found import Found, TopicFound
from services.audit.pieces import SECOND
from services.audit.snapshot import Snapshot

SLICE = 3600 * SECOND
"""Memory is bounded by a slice of one source and what its figures reach back."""


class Wanted(msgspec.Struct, frozen=True):
    """What is to be audited: rows with an `as_of` in `[start, end)` ns, of a market or of all."""

    exchanges: Sequence[str]
    partitions: int
    start: int
    end: int
    market: str | None = None
    reference_currencies: tuple[str, ...] = ("USD", "USDT")
    many_coins: int = 50

    def sources(self) -> list[tuple[str, int]]:
        """Return exchange and partition of every source."""
        numbers = range(self.partitions)
        return [(exchange, partition) for partition in numbers for exchange in self.exchanges]

    def slices(self) -> list[tuple[int, int]]:
        """Return the slices in their order."""
        begins = range(self.start, self.end, SLICE)
        return [(begin, min(self.end, begin + SLICE)) for begin in begins]


class SlicedAudit(Protocol):
    """The audit of a part of a topic; slices are taken in their order."""

    def take(self, begin: int, until: int, found: TopicFound) -> None:
        """Audit the rows in `[begin, until)`."""


Parts = Callable[[Snapshot, Wanted], Iterator[tuple[str, SlicedAudit]]]


def _by_source(topic: str, part: Callable[[AuditedSource], SlicedAudit]) -> Parts:
    def parts(archive: Snapshot, wanted: Wanted) -> Iterator[tuple[str, SlicedAudit]]:
        for exchange, partition in wanted.sources():
            ticks = [f"{exchange}_{kind}" for kind in KINDS]
            # Of a source of which nothing at all is archived there is nothing to be found.
            if any(archive.names(name, partition) for name in (topic, *ticks)):
                source = AuditedSource(
                    archive, exchange, partition, wanted.start, wanted.end, wanted.market
                )
                yield f"{exchange} {partition}", part(source)
        yield "", StrangersAudit(archive, topic, wanted.sources(), wanted.market)

    return parts


def _returns(archive: Snapshot, wanted: Wanted) -> Iterator[tuple[str, SlicedAudit]]:
    # A reference price is of all markets of a coin.
    if wanted.market is None:
        currencies = list(wanted.reference_currencies)
        yield "", ReturnsAudit(archive, currencies, wanted.many_coins, wanted.start)


def _correlations(archive: Snapshot, wanted: Wanted) -> Iterator[tuple[str, SlicedAudit]]:
    if wanted.market is None:
        span = (wanted.start, wanted.end)
        currencies = wanted.reference_currencies
        for partition in sorted({name.partition for name in archive.names(CORRELATIONS.name)}):
            audited = CorrelationsAudit(archive, partition, wanted.sources(), currencies, span)
            yield str(partition), audited


AUDITS: Mapping[str, Parts] = {
    SPREADS.name: _by_source(SPREADS.name, SpreadsAudit),
    BARS.name: _by_source(BARS.name, BarsAudit),
    INDICATORS.name: _by_source(INDICATORS.name, IndicatorsAudit),
    RETURNS.name: _returns,
    CORRELATIONS.name: _correlations,
}
"""By topic what audits it, part by part: one is over before the next one begins."""


def _no_matter(part: str, begin: int) -> None:
    """Take notice of nothing."""


def audit(
    archive: Snapshot,
    wanted: Wanted,
    topics: Iterable[str] = tuple(AUDITS),
    tell: Callable[[str, int], None] = _no_matter,
) -> Found:
    """Audit these topics; one of which nothing at all is archived is left out.

    `tell` is called before each slice with what is audited and where the slice begins, ns. At the
    end of the archive a source is audited up to the last that it has published.

    Raises:
        OSError: the store cannot be read.
        InvariantError: the archive holds what none does.
    """
    found: Found = {}
    for topic in topics:
        if not archive.names(topic):
            continue
        of_topic = found[topic] = TopicFound()
        for name, part in AUDITS[topic](archive, wanted):
            for begin, until in wanted.slices():
                tell(f"{topic} {name}".strip(), begin)
                part.take(begin, until, of_topic)
    return found
