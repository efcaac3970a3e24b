"""The newest spread figures of every market, as a table or as lines."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from rich.table import Table

from models.records.spreads import Spreads

_WINDOW = "15s"
_WINDOW_SECONDS = 15
_UNDEFINED = "–"


class Figures(msgspec.Struct, frozen=True):
    """What is shown of one market at one second; None is undefined, and `reasons` say why."""

    market: str
    as_of: str
    bid: float | None
    ask: float | None
    spread: float | None
    spread_bps: float | None
    mean: float | None
    coverage: float
    n: int
    reasons: str

    @property
    def rate(self) -> float:
        """Quotes a second, over the seen part of the window."""
        return self.n / (self.coverage * _WINDOW_SECONDS) if self.coverage else 0.0


def figures_of(spreads: Spreads) -> Iterator[Figures]:
    """Yield the figures of every market of one record."""
    window = spreads.windows[_WINDOW]
    for i, market in enumerate(spreads.markets):
        yield Figures(
            market=market,
            as_of=spreads.as_of,
            bid=spreads.bid[i],
            ask=spreads.ask[i],
            spread=spreads.spread[i],
            spread_bps=spreads.spread_bps[i],
            mean=window.mean[i],
            coverage=window.coverage[i],
            n=window.n[i],
            reasons=", ".join(sorted(set(spreads.reasons[i].values()))),
        )


def line_of(figures: Figures) -> str:
    """Return the figures of a market as one line of text."""
    fields = {
        "bid": _number(figures.bid),
        "ask": _number(figures.ask),
        "spread": _number(figures.spread),
        "spread_bps": _number(figures.spread_bps, 4),
        "mean_15s": _number(figures.mean, 6),
        "coverage": f"{figures.coverage:.2f}",
        "n": str(figures.n),
        "rate": f"{figures.rate:.1f}/s",
    }
    if figures.reasons:
        fields["reasons"] = figures.reasons.replace(", ", ",")
    rest = " ".join(f"{name}={value}" for name, value in fields.items())
    return f"{figures.as_of} {figures.market} {rest}"


class Board:
    """The newest figures of every market seen so far."""

    def __init__(self) -> None:
        self._newest: dict[str, Figures] = {}

    def update(self, figures: Figures) -> None:
        """Put the figures in the place of the market's last ones."""
        self._newest[figures.market] = figures

    def table(self, title: str) -> Table:
        """Return the table of all markets, by name."""
        table = Table(title=title, title_justify="left", expand=False)
        table.add_column("market", no_wrap=True)
        for name in ("bid", "ask", "spread", "bps", "15 s mean", "coverage", "n", "rate"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("as of", no_wrap=True)
        table.add_column("why undefined")
        for market in sorted(self._newest):
            figures = self._newest[market]
            table.add_row(
                market,
                _number(figures.bid),
                _number(figures.ask),
                _number(figures.spread),
                _number(figures.spread_bps, 4),
                _number(figures.mean, 6),
                f"{figures.coverage:.2f}",
                str(figures.n),
                f"{figures.rate:.1f}/s",
                figures.as_of,
                figures.reasons,
            )
        return table


def _number(value: float | None, digits: int = 10) -> str:
    """Return a figure in so many significant digits, without an exponent where that is short."""
    return _UNDEFINED if value is None else f"{value:.{digits}g}"
