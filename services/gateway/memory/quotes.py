"""The newest quote of every market, and whether it can be seen."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from models.markets import coin_of, exchange_of
from models.records.bursts import EVERY_MARKET, TickFlag, Unseen, UnseenReason
from models.times import iso_microseconds
from services.gateway.delay import LineDelay
from services.gateway.items import Figures, Item
from services.gateway.memory.sources import SourceView, SourceViews
from services.gateway.records import Quote, QuoteRecord

SECOND = 1_000_000_000

_NUMBERS = ("bid", "bid_size", "ask", "ask_size")


class Sight(msgspec.Struct, frozen=True):
    """A market's status changed: `reason` is why it is unseen, None when it is seen again."""

    market: str
    reason: UnseenReason | None
    as_of: int


class _Market(msgspec.Struct):
    """What is known of one market."""

    source: SourceView
    quote: Quote | None = None
    unseen: Unseen | None = None
    reason: UnseenReason | None = None
    seq: int | None = None
    prev_seq: int | None = None
    ts_publish: int = 0


class Quotes:
    """The newest quotes. `seq` is the offset of the burst that changed a market."""

    def __init__(self, delay: LineDelay) -> None:
        self._delay = delay
        self._sources = SourceViews()
        self._markets: dict[str, _Market] = {}
        self._of_source: dict[tuple[str, int], set[str]] = {}
        self._unseen: dict[tuple[str, int], set[str]] = {}

    @property
    def outdated(self) -> int:
        """How many bursts of former owners were ignored."""
        return self._sources.outdated

    def take(self, record: QuoteRecord) -> tuple[list[Item], list[Sight]]:
        """Take a burst; return the markets it changed, and those whose sight it changed."""
        source = self._sources.take(record.place, record.head)
        if source is None:
            return [], []
        quoted: dict[str, None] = {}
        for market, quote in record.quotes.items():
            known = self._market(market, source)
            if known.quote is None or quote.time >= known.quote.time:
                known.quote = quote
                quoted[market] = None
        changed = dict(quoted)
        for row in record.head.unseen:
            for market in self._markets_of(row, source):
                known = self._market(market, source)
                if known.unseen is None or row.end >= known.unseen.end:
                    known.unseen = row
                    changed[market] = None
        # Those unseen before may be seen again just because the clock has moved.
        unseen = self._unseen.setdefault((source.exchange, source.partition), set())
        changed.update(dict.fromkeys(sorted(unseen)))
        sights = []
        items = []
        for market in changed:
            known = self._markets[market]
            before, known.reason = known.reason, _why_unseen(known, source.clock)
            if known.reason is None:
                unseen.discard(market)
            else:
                unseen.add(market)
            if known.reason != before:
                sights.append(Sight(market, known.reason, source.clock))
            if known.reason != before or market in quoted:
                known.prev_seq, known.seq = known.seq, record.place.offset
                known.ts_publish = record.place.timestamp
                items.append(self._item(market, known))
        return items, sights

    def markets(self) -> Iterator[str]:
        """Yield the markets of which anything is known."""
        yield from self._markets

    def newest(self, market: str) -> Item | None:
        """Return the newest quote of a market, None if none is known."""
        known = self._markets.get(market)
        return None if known is None or known.seq is None else self._item(market, known)

    def figures(self, market: str) -> Figures | None:
        """Return the figures of the newest quote as of now, None if none is known."""
        known = self._markets.get(market)
        if known is None or known.quote is None:
            return None
        as_of = max(known.source.clock, known.quote.time)
        figures = _figures(market, known.quote, known.reason, as_of)
        return self._delay.marked(figures, as_of)

    def reason(self, market: str) -> UnseenReason | None:
        """Return why a market is unseen."""
        known = self._markets.get(market)
        return None if known is None else known.reason

    def unseen_until(self, market: str) -> int | None:
        """Return how far a market is known to be unseen (ns), None when it is seen."""
        known = self._markets.get(market)
        return None if known is None or known.reason is None else known.source.clock

    def clock(self, market: str) -> int | None:
        """Return how far a market's source is complete (ns)."""
        known = self._markets.get(market)
        return None if known is None else known.source.clock

    def _market(self, market: str, source: SourceView) -> _Market:
        known = self._markets.get(market)
        if known is None:
            known = self._markets[market] = _Market(source)
            self._of_source.setdefault((source.exchange, source.partition), set()).add(market)
        return known

    def _markets_of(self, row: Unseen, source: SourceView) -> list[str]:
        if row.market != EVERY_MARKET:
            return [row.market]
        return sorted(self._of_source.get((source.exchange, source.partition), ()))

    def _item(self, market: str, known: _Market) -> Item:
        quote, reason = known.quote, known.reason
        as_of = max(known.source.clock, quote.time) if quote else known.source.clock
        assert known.seq is not None, "only what has changed is an item"

        def render() -> Figures:
            return self._delay.marked(_figures(market, quote, reason, as_of), as_of)

        return Item(market, known.seq, known.prev_seq, as_of, known.ts_publish, render)


def _why_unseen(known: _Market, clock: int) -> UnseenReason | None:
    """Return why a market is unseen at its source's clock, None when it is seen."""
    row = known.unseen
    if row is None or (known.quote is not None and known.quote.time >= row.end):
        return None
    # An open interval is written down as far as the clock at every whole second: when one
    # passes and says nothing, a stale interval is over. The others last until the next quote.
    is_over = row.reason == "stale" and clock // SECOND > row.end // SECOND
    return None if is_over else row.reason


def _figures(market: str, quote: Quote | None, reason: UnseenReason | None, as_of: int) -> Figures:
    """Return a quote as the public interface shows it; what cannot be seen is null."""
    numbers: dict[str, float | None] = dict.fromkeys((*_NUMBERS, "mid"))
    reasons: dict[str, str] = {}
    if reason is not None:
        reasons = dict.fromkeys(numbers, reason)
    elif quote is None:
        reasons = dict.fromkeys(numbers, "warming")
    else:
        for name in _NUMBERS:
            number = getattr(quote, name)
            if number == number:  # NaN, a missing side, is not equal to itself
                numbers[name] = number
            else:
                reasons[name] = "thin"
        if numbers["bid"] is None or numbers["ask"] is None:
            reasons["mid"] = "thin"
        elif quote.bid > quote.ask:
            reasons["mid"] = "crossed"
        else:
            numbers["mid"] = (quote.bid + quote.ask) / 2
    return {
        "market": market,
        "exchange": exchange_of(market),
        "coin": coin_of(market),
        "quote_currency": market.rpartition("-")[2],
        "as_of": iso_microseconds(as_of),
        "time": None if quote is None else iso_microseconds(quote.time),
        "receive_time": None if quote is None else iso_microseconds(quote.receive_time),
        **numbers,
        "flags": [] if quote is None else flag_names(quote.flags),
        "stale": reason is not None,
        "reasons": reasons,
    }


def flag_names(flags: int) -> list[str]:
    """Return what is particular about a tick, in words.

    >>> flag_names(5)
    ['late', 'locked']
    """
    return [str(flag.name).lower() for flag in TickFlag if flags & flag]
