"""The bar of a coin in a quote currency, merged from the bars of its markets.

The rules are section 4 of `docs/bars-and-indicators.md`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from models.records.bars import BarSource
from models.records.reasons import Reason


class MarketBar(msgspec.Struct, frozen=True, kw_only=True):
    """A bar of one market over `[start, end)`; times are ns since the epoch.

    Undefined is None, `reasons` says why by field, as in the topic `bars`.
    """

    market: str
    start: int
    end: int
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    volume: float | None
    quote_volume: float | None
    n: int | None
    first_trade: int | None
    last_trade: int | None
    coverage: float
    source: BarSource
    reasons: dict[str, Reason]


class CompositeBar(msgspec.Struct, frozen=True, kw_only=True):
    """The composite over `[start, end)`; fields as in the topic `bars`.

    `markets` are those that took part, `missing` those without a bar; either is sorted. `coverage`
    is the mean over both, a missing market counting 0.
    """

    start: int
    end: int
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    volume: float | None
    quote_volume: float | None
    vwap: float | None
    n: int | None
    first_trade: int | None
    last_trade: int | None
    coverage: float
    source: BarSource
    markets: list[str]
    missing: list[str]
    reasons: dict[str, Reason]


def composite(bars: Sequence[MarketBar], missing: Sequence[str] = ()) -> CompositeBar:
    """Return the composite of `bars`, at least one, all of the same interval.

    A bar opens at its first trade and closes at its last one; one that does not tell those takes
    part with its start and its end. Of equal times the exchange first by name counts.
    """
    ordered = sorted(bars, key=lambda bar: bar.market)
    priced = [bar for bar in ordered if bar.open is not None]
    told = [bar for bar in ordered if bar.volume is not None]
    opening = min(priced, key=_opened, default=None)
    closing = max(priced, key=_closed, default=None)
    volume = sum(bar.volume or 0.0 for bar in told) if told else None
    values = [bar.quote_volume for bar in told]
    known = [value for value in values if value is not None]
    quote_volume = sum(known) if told and len(known) == len(values) else None
    counts = [bar.n for bar in told if bar.n is not None]
    fields: dict[str, float | int | None] = {
        "open": opening.open if opening else None,
        "high": max((bar.high for bar in priced if bar.high is not None), default=None),
        "low": min((bar.low for bar in priced if bar.low is not None), default=None),
        "close": closing.close if closing else None,
        "volume": volume,
        "quote_volume": quote_volume,
        "vwap": quote_volume / volume if volume and quote_volume is not None else None,
        "n": sum(counts) if told and len(counts) == len(told) else None,
        "first_trade": opening.first_trade if opening else None,
        "last_trade": closing.last_trade if closing else None,
    }
    return CompositeBar(
        start=ordered[0].start,
        end=ordered[0].end,
        coverage=sum(bar.coverage for bar in ordered) / (len(ordered) + len(missing)),
        source=_source(ordered),
        markets=[bar.market for bar in ordered],
        missing=sorted(missing),
        reasons={
            name: _reason(name, ordered, bool(priced))
            for name, value in fields.items()
            if value is None
        },
        **fields,  # type: ignore[arg-type]
    )


def _opened(bar: MarketBar) -> int:
    return bar.start if bar.first_trade is None else bar.first_trade


def _closed(bar: MarketBar) -> int:
    return bar.end if bar.last_trade is None else bar.last_trade


def _source(bars: Sequence[MarketBar]) -> BarSource:
    sources = {bar.source for bar in bars}
    return sources.pop() if len(sources) == 1 else "mixed"


def _reason(name: str, bars: Sequence[MarketBar], priced: bool) -> Reason:
    """Return why `name` is undefined, out of the reasons of those bars that say one."""
    said = [bar.reasons[name] for bar in bars if name in bar.reasons]
    if priced:
        said = [bar.reasons[name] for bar in bars if bar.open is not None and name in bar.reasons]
    elif "no_trades" in said:
        return "no_trades"
    return said[0] if said else "no_trades"
