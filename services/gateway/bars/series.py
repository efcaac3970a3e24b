"""Series of bars or indicators: numbered, in order, paged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from models.markets import coin_of
from models.records.bars import INTERVAL_SECONDS, BarInterval
from models.times import iso_seconds
from services.gateway.filters import expect_known, quote_of
from services.gateway.items import Figures
from services.gateway.lists import Window, cursor_of, number_of
from services.gateway.memory.interval_rows import HeldRows
from services.gateway.memory.memory import Memory
from services.gateway.problems import RefusedError, UnknownThingError


class Series(Protocol):
    """Figures of one interval by number (start ÷ interval)."""

    interval: BarInterval

    def numbers(self) -> Sequence[int]:
        """Return the numbers of which there are figures, in order."""

    def figures(self, numbers: Sequence[int]) -> Iterator[Figures]:
        """Yield the figures of these numbers, in their order."""


class MarketSeries:
    """What a topic says of one market."""

    def __init__(self, held: HeldRows, market: str) -> None:
        self.interval = held.interval
        self._held = held
        self._market = market
        self._rows = {row[0]: row for row in held.plain(market)}

    def numbers(self) -> Sequence[int]:
        """Return the numbers of the rows that are held, in order."""
        return list(self._rows)

    def figures(self, numbers: Sequence[int]) -> Iterator[Figures]:
        """Yield rows as the public interface shows them."""
        yield from self._held.figures(self._market, [self._rows[number] for number in numbers])


class SeriesPage(msgspec.Struct, frozen=True):
    """A page of a series; `complete_from` is where the oldest bar that is held begins."""

    data: list[Figures]
    next: str | None
    complete_from: str | None
    gaps: list[list[str]] = []


class Chosen(msgspec.Struct, frozen=True):
    """The numbers of a page, and the cursor of the next one."""

    numbers: list[int]
    next: str | None


def chosen_numbers(series: Series, first: int | None, last: int | None, window: Window) -> Chosen:
    """Return a page of the numbers in `[first, last)`; without `first` the newest.

    Raises:
        RefusedError: `bad_cursor`.
    """
    begin = -1 if first is None else first
    if window.cursor is not None:
        begin = max(begin, number_of(window.cursor) + 1)
    found = [n for n in series.numbers() if n >= begin and (last is None or n < last)]
    if first is None and window.cursor is None:
        return Chosen(found[-window.limit :], None)
    page = found[: window.limit]
    return Chosen(page, cursor_of(str(page[-1])) if len(found) > len(page) else None)


def page_of_series(series: Series, chosen: Chosen) -> SeriesPage:
    """Return a page with its figures."""
    return SeriesPage(list(series.figures(chosen.numbers)), chosen.next, complete_from(series))


def complete_from(series: Series) -> str | None:
    """Return where the oldest bar that is held begins; what was before is not here."""
    numbers = series.numbers()
    return iso_seconds(numbers[0] * INTERVAL_SECONDS[series.interval]) if numbers else None


def chosen_market(memory: Memory, coin: str, quote: str, exchange: str | None) -> str | None:
    """Return the market that is meant, None where all of the quote currency are.

    Raises:
        UnknownThingError: there is no such coin, or no such market.
        RefusedError: the exchange or quote currency is unknown.
    """
    if coin not in memory.all_coins():
        raise UnknownThingError("unknown_coin", f"expected a coin, was {coin!r}")
    if exchange is None:
        if not markets_of(memory, coin, quote):
            expected = sorted({quote_of(m) for m in memory.markets() if coin_of(m) == coin})
            raise RefusedError(
                "unknown_quote_currency",
                f"expected one of {', '.join(expected) or 'no quote currency'}, was {quote!r}",
            )
        return None
    expect_known(exchange, "exchange", {*memory.exchanges})
    market = f"{exchange}:{coin}-{quote}"
    if not memory.knows_market(market):
        raise UnknownThingError("unknown_market", f"expected a market, was {market}")
    return market


def markets_of(memory: Memory, coin: str, quote: str) -> list[str]:
    """Return the markets of a coin in a quote currency, by name."""
    return [m for m in memory.markets() if coin_of(m) == coin and quote_of(m) == quote]
