"""What it costs to come from one currency to another: directly, or over a third one.

Each leg crosses the spread and pays the taker's fee; sizes beyond the best price are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from models.orders.limit_price import Side


class TopOfBook(msgspec.Struct, frozen=True):
    """A market's best prices: `base` is traded for `quote_currency`; `fee_bps` is the taker's."""

    market: str
    base: str
    quote_currency: str
    bid: float
    ask: float
    fee_bps: float


class Leg(msgspec.Struct, frozen=True):
    """One trade of a route at the price that crossing meets; costs in bps against the mid."""

    market: str
    side: Side
    price: float
    spread_bps: float
    fee_bps: float
    cost_bps: float


class Route(msgspec.Struct, frozen=True):
    """Legs in their order. `rate` is what one unit becomes net of fees, `mid_rate` at mids.

    `cost_bps` is the share that is lost between the two.
    """

    legs: tuple[Leg, ...]
    rate: float
    mid_rate: float
    cost_bps: float


def routes(books: Iterable[TopOfBook], start: str, end: str) -> list[Route]:
    """Return every route of one or two legs of one exchange, the one that gives most first.

    Only books of one exchange may be given: money does not move between exchanges in an instant.

    >>> books = [TopOfBook("k:ETH-USD", "ETH", "USD", 99.0, 101.0, 0.0)]
    >>> [round(route.cost_bps, 4) for route in routes(books, "USD", "ETH")]
    [99.0099]
    """
    from_start: dict[str, list[TopOfBook]] = {}
    to_end: dict[str, list[TopOfBook]] = {}
    found: list[Route] = []
    for book in books:
        ends = {book.base, book.quote_currency}
        if ends == {start, end}:
            found.append(_route([(book, start)]))
            continue
        if start in ends:
            from_start.setdefault(_other(book, start), []).append(book)
        if end in ends:
            to_end.setdefault(_other(book, end), []).append(book)
    found.extend(_over_a_third(from_start, to_end, start))
    return sorted(found, key=lambda route: (-route.rate, [leg.market for leg in route.legs]))


def _over_a_third(
    from_start: Mapping[str, list[TopOfBook]], to_end: Mapping[str, list[TopOfBook]], start: str
) -> Iterator[Route]:
    for third in sorted(from_start.keys() & to_end.keys()):
        for first in from_start[third]:
            for second in to_end[third]:
                yield _route([(first, start), (second, third)])


def _other(book: TopOfBook, one: str) -> str:
    return book.base if one == book.quote_currency else book.quote_currency


def _route(steps: Iterable[tuple[TopOfBook, str]]) -> Route:
    """Return the route that pays, step by step, in the currency beside each book."""
    legs: list[Leg] = []
    rate = mid_rate = 1.0
    for book, paid_in in steps:
        mid = (book.bid + book.ask) / 2
        is_buy = paid_in == book.quote_currency
        kept = 1 - book.fee_bps / 1e4
        gross = 1 / book.ask if is_buy else book.bid
        at_mid = 1 / mid if is_buy else mid
        rate *= gross * kept
        mid_rate *= at_mid
        legs.append(
            Leg(
                book.market,
                "buy" if is_buy else "sell",
                book.ask if is_buy else book.bid,
                1e4 * (book.ask - book.bid) / mid,
                book.fee_bps,
                1e4 * (1 - gross * kept / at_mid),
            )
        )
    return Route(tuple(legs), rate, mid_rate, 1e4 * (1 - rate / mid_rate))
