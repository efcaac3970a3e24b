"""The bars of a coin in a quote currency, merged when they are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from models.markets import coin_of
from models.records.bars import INTERVAL_SECONDS
from models.statistics.composite import CompositeBar, MarketBar, composite
from models.times import iso_microseconds, iso_seconds
from services.gateway.filters import quote_of
from services.gateway.items import Figures
from services.gateway.memory.interval_rows import (
    BARS,
    MISSING,
    SECOND,
    SOURCES,
    UNSEEN,
    HeldRows,
    Plain,
)

_PRICES = ("open", "high", "low", "close", "volume", "quote_volume")
_TIMES = ("first_trade", "last_trade")
_COUNTED = ("n", *_TIMES)


class CompositeSeries:
    """Bars merged from those of these markets, at least one."""

    def __init__(self, held: HeldRows, markets: Sequence[str]) -> None:
        self.interval = held.interval
        self._held = held
        self._markets = list(markets)
        self._rows = {market: {row[0]: row for row in held.plain(market)} for market in markets}
        self._numbers = sorted({number for rows in self._rows.values() for number in rows})

    def numbers(self) -> Sequence[int]:
        """Return the numbers of which any market has a bar, in order."""
        return self._numbers

    def figures(self, numbers: Sequence[int]) -> Iterator[Figures]:
        """Yield composites as the public interface shows them."""
        length = INTERVAL_SECONDS[self.interval]
        for number in numbers:
            figures = self._figures(self.bar(number), number * length)
            yield self.marked(figures, number)

    def marked(self, figures: Figures, number: int) -> Figures:
        """Return figures of a number; those of the newest say whether the line is late."""
        if number != self._numbers[-1]:
            return figures
        due = (number + 2) * INTERVAL_SECONDS[self.interval] * SECOND
        return self._held.delay.marked(figures, due)

    def bar(self, number: int) -> CompositeBar:
        """Return the composite of a number of which a market has a bar."""
        start = number * INTERVAL_SECONDS[self.interval] * SECOND
        end = start + INTERVAL_SECONDS[self.interval] * SECOND
        bars = [
            market_bar(self._held, market, rows[number], start, end)
            for market, rows in self._rows.items()
            if number in rows
        ]
        return composite(bars, [m for m, rows in self._rows.items() if number not in rows])

    def _figures(self, bar: CompositeBar, start: int) -> Figures:
        return {
            "coin": coin_of(self._markets[0]),
            "quote_currency": quote_of(self._markets[0]),
            "interval": self.interval,
            "start": iso_seconds(start),
            "as_of": iso_seconds(start + INTERVAL_SECONDS[self.interval]),
            **{name: getattr(bar, name) for name in (*_PRICES, "vwap", "n")},
            **{
                name: None if (time := getattr(bar, name)) is None else iso_microseconds(time)
                for name in _TIMES
            },
            "coverage": bar.coverage,
            "source": bar.source,
            "markets": bar.markets,
            "missing": bar.missing,
            "stale": bar.reasons.get("close") in UNSEEN,
            "reasons": bar.reasons,
        }


def market_bar(held: HeldRows, market: str, row: Plain, start: int, end: int) -> MarketBar:
    """Return a row of bars as a bar; times are in nanoseconds."""
    *columns, source, code = row[3]
    values = dict(zip(BARS.names, columns, strict=True))
    return MarketBar(
        market=market,
        start=start,
        end=end,
        coverage=values["coverage"],
        source=SOURCES[source],
        reasons=held.reasons[code],
        **{name: None if values[name] != values[name] else values[name] for name in _PRICES},
        **{name: None if values[name] == MISSING else values[name] for name in _COUNTED},
    )
