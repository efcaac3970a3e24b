"""The bars of a coin in a quote currency, merged when they are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from models.markets import coin_of
from models.records.bars import INTERVAL_SECONDS, BarInterval
from models.statistics.composite import CompositeBar, MarketBar, composite
from models.times import iso_microseconds, iso_seconds
from services.gateway.bars.series import IntervalStore
from services.gateway.delay import LineDelay
from services.gateway.filters import quote_of
from services.gateway.items import Figures
from services.gateway.memory.intervals import MISSING, SECOND, SOURCES, UNSEEN

_PRICES = ("open", "high", "low", "close", "volume", "quote_volume")
_TIMES = ("first_trade", "last_trade")


class CompositeSeries:
    """Bars merged from those of these markets, at least one."""

    def __init__(
        self,
        store: IntervalStore,
        delay: LineDelay,
        markets: Sequence[str],
        interval: BarInterval,
    ) -> None:
        self.interval = interval
        self._delay = delay
        self._store = store
        self._markets = list(markets)
        self._rows: dict[str, dict[int, Any]] = {
            market: {int(row["seq"]): row for row in store.rows(market, interval)}
            for market in markets
        }

    def numbers(self) -> Sequence[int]:
        """Return the numbers of which any market has a bar, in order."""
        return sorted({number for rows in self._rows.values() for number in rows})

    def figures(self, numbers: Sequence[int]) -> Iterator[Figures]:
        """Yield composites as the public interface shows them."""
        newest = self.numbers()[-1] if numbers else 0
        length = INTERVAL_SECONDS[self.interval]
        for number in numbers:
            figures = self._figures(self.bar(number), number * length)
            if number == newest:
                figures = self._delay.marked(figures, (number + 2) * length * SECOND)
            yield figures

    def bar(self, number: int) -> CompositeBar:
        """Return the composite of a number of which a market has a bar."""
        start = number * INTERVAL_SECONDS[self.interval] * SECOND
        end = start + INTERVAL_SECONDS[self.interval] * SECOND
        bars = [
            market_bar(self._store, market, rows[number], start, end)
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


def market_bar(
    store: IntervalStore,
    market: str,
    row: Any,
    start: int,
    end: int,
) -> MarketBar:
    """Return a row that is held as a bar; times are in nanoseconds."""
    values = row["values"]
    prices = {
        name: number if (number := float(values[name])) == number else None for name in _PRICES
    }
    return MarketBar(
        market=market,
        start=start,
        end=end,
        coverage=float(values["coverage"]),
        source=SOURCES[values["source"]],
        reasons=store.reasons_of(row),
        n=_counted(values["n"]),
        first_trade=_counted(values["first_trade"]),
        last_trade=_counted(values["last_trade"]),
        **prices,
    )


def _counted(value: Any) -> int | None:
    return None if value == MISSING else int(value)
