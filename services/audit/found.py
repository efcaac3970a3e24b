"""What an audit finds: by topic and figure the largest difference, and where it is."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import msgspec
import numpy as np

from models.times import iso_seconds
from services.audit.pieces import SECOND, Flags, Floats, Times

TOLERANCE = 1e-9
_EXAMPLES = 20


class FigureFound(msgspec.Struct):
    """What was found of one figure.

    `rows` were compared, `beyond` could not be, since they follow from what the archive does not
    hold. `differing` are more than the tolerance apart, or null on one side alone. `largest` is
    the largest relative difference (absolute below 1), infinite where one of the two is null;
    `market` (of correlations the pair) and `as_of` (ns) say where it is.
    """

    rows: int = 0
    beyond: int = 0
    differing: int = 0
    largest: float = 0.0
    market: str | None = None
    as_of: int | None = None

    def take(self, market: str | Sequence[str], at: Times, difference: Floats) -> None:
        """Take differences of rows: of one market, or each of its own."""
        self.rows += len(difference)
        self.differing += int(np.count_nonzero(difference > TOLERANCE))
        if len(difference):
            worst = int(np.argmax(difference))
            if difference[worst] > self.largest or self.market is None:
                self.largest = float(difference[worst])
                self.market = market if isinstance(market, str) else market[worst]
                self.as_of = int(at[worst])


class TopicFound(msgspec.Struct):
    """What was found of one topic; `missing` and `extra` are rows that only one side has.

    `beyond` are rows that follow as a whole from what the archive does not hold.
    """

    rows: int = 0
    beyond: int = 0
    missing: int = 0
    extra: int = 0
    missing_at: list[tuple[str, int]] = []
    extra_at: list[tuple[str, int]] = []
    figures: dict[str, FigureFound] = {}

    def figure(self, name: str) -> FigureFound:
        """Return what was found of a figure so far."""
        return self.figures.setdefault(name, FigureFound())

    def miss(self, market: str, at: Times) -> None:
        """Take rows that were to be published and are not there; the first are told."""
        self.missing += len(at)
        self.missing_at += [
            (market, int(each)) for each in at[: max(0, _EXAMPLES - len(self.missing_at))]
        ]

    def exceed(self, market: str, at: Times) -> None:
        """Take rows that were published and should not be there; the first are told."""
        self.extra += len(at)
        self.extra_at += [
            (market, int(each)) for each in at[: max(0, _EXAMPLES - len(self.extra_at))]
        ]

    @property
    def is_good(self) -> bool:
        """Return whether something was compared, no row is missing or extra, and all agree."""
        return self.rows > 0 and not self.is_wrong

    @property
    def is_wrong(self) -> bool:
        """Return whether a row is missing or extra, or a figure differs."""
        differ = any(figure.differing for figure in self.figures.values())
        return differ or self.missing > 0 or self.extra > 0

    def document(self) -> dict[str, object]:
        """Return the same as JSON has it: times in ISO-8601, infinite as null."""
        return {
            "good": self.is_good,
            **{name: getattr(self, name) for name in ("rows", "beyond", "missing", "extra")},
            "missing_at": [_place(*each) for each in self.missing_at],
            "extra_at": [_place(*each) for each in self.extra_at],
            "figures": {
                name: {
                    "rows": each.rows,
                    "beyond": each.beyond,
                    "differing": each.differing,
                    "largest_difference": each.largest if math.isfinite(each.largest) else None,
                    **({} if each.as_of is None else _place(str(each.market), each.as_of)),
                }
                for name, each in self.figures.items()
            },
        }


Found = dict[str, TopicFound]
"""By topic."""


def differences(published: Floats, expected: Floats, scale: Floats | float = 1.0) -> Floats:
    """Return relative differences, absolute below `scale`; infinite where one is undefined.

    >>> one, other = np.array([2.0, np.nan, 0.5]), np.array([4.0, 1.0, 0.25])
    >>> differences(one, other).tolist()
    [0.5, inf, 0.25]
    """
    absent, unknown = np.isnan(published), np.isnan(expected)
    apart = np.abs(published - expected) / np.maximum(scale, np.abs(expected))
    found: Floats = np.where(absent | unknown, np.where(absent == unknown, 0.0, np.inf), apart)
    return found


def compare(
    found: TopicFound,
    market: str | Sequence[str],
    at: Times,
    published: Mapping[str, Floats],
    expected: Mapping[str, Floats],
    known: Mapping[str, Flags] | None = None,
    scales: Mapping[str, Floats] | None = None,
    exact: Collection[str] = (),
) -> None:
    """Take rows of which there are both sides: of one market, or each of its own.

    `known` says of a figure which rows can be compared, `scales` below what a difference counts
    as absolute. Figures in `exact` are whole numbers: every difference counts.
    """
    found.rows += len(at)
    for name, column in expected.items():
        figure = found.figure(name)
        apart = differences(published[name], column, (scales or {}).get(name, 1.0))
        if name in exact:
            apart = np.where(apart > 0, np.maximum(apart, np.abs(published[name] - column)), 0.0)
        if known is not None and name in known:
            figure.beyond += int(np.count_nonzero(~known[name]))
            kept = np.flatnonzero(known[name])
            names = market if isinstance(market, str) else [market[i] for i in kept.tolist()]
            figure.take(names, at[kept], apart[kept])
        else:
            figure.take(market, at, apart)


def _place(market: str, at: int) -> dict[str, str]:
    return {"market": market, "as_of": iso_seconds(at // SECOND)}
