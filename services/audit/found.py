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
_EXAMPLES_A_FIGURE = 5


class Difference(msgspec.Struct, frozen=True):
    """One figure of one row, as it was published and as it should be; NaN is null.

    `market` is the series of the row: a market (with the interval of a bar), a table and a coin or
    a pair. `apart` is the relative difference (absolute below 1), infinite where one is null.
    """

    market: str
    as_of: int
    published: float
    expected: float
    apart: float

    def document(self) -> dict[str, object]:
        """Return the same as JSON has it."""
        return {
            **place(self.market, self.as_of),
            "published": _finite(self.published),
            "expected": _finite(self.expected),
            "difference": _finite(self.apart),
        }


class FigureFound(msgspec.Struct):
    """What was found of one figure.

    `rows` were compared, `beyond` could not be, since they follow from what the archive does not
    hold. `differing` are more than the tolerance apart, or null on one side alone; the first are
    `examples`. `largest` is the largest relative difference (absolute below 1), infinite where one
    of the two is null; `worst` is the row where it is.
    """

    rows: int = 0
    beyond: int = 0
    differing: int = 0
    largest: float = 0.0
    worst: Difference | None = None
    examples: list[Difference] = []

    @property
    def market(self) -> str | None:
        """Return the series in which the largest difference is."""
        return None if self.worst is None else self.worst.market

    @property
    def as_of(self) -> int | None:
        """Return when the largest difference is."""
        return None if self.worst is None else self.worst.as_of

    def take(
        self,
        market: str | Sequence[str],
        at: Times,
        sides: tuple[Floats, Floats],
        difference: Floats,
    ) -> None:
        """Take differences of rows: of one market, or each of its own.

        `sides` are what was published and what was expected.
        """

        def told(row: int) -> Difference:
            name = market if isinstance(market, str) else market[row]
            published, expected = (float(side[row]) for side in sides)
            return Difference(name, int(at[row]), published, expected, float(difference[row]))

        self.rows += len(difference)
        differing = np.flatnonzero(difference > TOLERANCE)
        self.differing += len(differing)
        room = max(0, _EXAMPLES_A_FIGURE - len(self.examples))
        self.examples += [told(row) for row in differing[:room].tolist()]
        if len(difference):
            worst = int(np.argmax(difference))
            if difference[worst] > self.largest or self.worst is None:
                self.largest = float(difference[worst])
                self.worst = told(worst)

    def document(self) -> dict[str, object]:
        """Return the same as JSON has it; where everything agrees exactly there is no place."""
        where = {} if self.worst is None else self.worst.document()
        return {
            "rows": self.rows,
            "beyond": self.beyond,
            "differing": self.differing,
            "largest_difference": _finite(self.largest),
            **{name: where.get(name) for name in ("market", "as_of", "published", "expected")},
            "examples": [each.document() for each in self.examples],
        }


class Places(msgspec.Struct):
    """How many rows of a kind there are, and where the first of them are."""

    count: int = 0
    at: list[tuple[str, int]] = []

    def take(self, market: str | Sequence[str], at: Times) -> None:
        """Take rows: of one market, or each of its own."""
        self.count += len(at)
        kept = at[: max(0, _EXAMPLES - len(self.at))].tolist()
        names = [market] * len(kept) if isinstance(market, str) else market
        self.at += [(name, each) for name, each in zip(names, kept, strict=False)]


class TopicFound(msgspec.Struct):
    """What was found of one topic; `missing` and `extra` are rows that only one side has.

    `doubled` are rows of which another one has the same series and time: with other values, or
    twice in one record. `repeated` are copies in a record of their own, which a worker leaves that
    was killed before it had noted what it had sent: they are told, and are no fault. `beyond` are
    rows that follow as a whole from what the archive does not hold, by why.
    """

    rows: int = 0
    beyond_of: dict[str, int] = {}
    missing: Places = msgspec.field(default_factory=Places)
    extra: Places = msgspec.field(default_factory=Places)
    doubled: Places = msgspec.field(default_factory=Places)
    repeated: Places = msgspec.field(default_factory=Places)
    figures: dict[str, FigureFound] = {}

    def figure(self, name: str) -> FigureFound:
        """Return what was found of a figure so far."""
        return self.figures.setdefault(name, FigureFound())

    def pass_over(self, why: str, count: int) -> None:
        """Take rows that nothing can be said about."""
        if count:
            self.beyond_of[why] = self.beyond_of.get(why, 0) + count

    def places(self) -> dict[str, Places]:
        """Return rows that are not as they should be, by what they are."""
        return {name: getattr(self, name) for name in PLACES}

    @property
    def beyond(self) -> int:
        """Return how many rows nothing can be said about."""
        return sum(self.beyond_of.values())

    @property
    def is_good(self) -> bool:
        """Return whether something was compared, no row is missing or too much, and all agree."""
        return self.rows > 0 and not self.is_wrong

    @property
    def is_wrong(self) -> bool:
        """Return whether a row is missing, extra or doubled, or a figure differs."""
        differ = any(figure.differing for figure in self.figures.values())
        return differ or any(getattr(self, name).count for name in FAULTS)

    def document(self) -> dict[str, object]:
        """Return the same as JSON has it: times in ISO-8601, null and infinite as null."""
        return {
            "good": self.is_good,
            "rows": self.rows,
            "beyond": self.beyond,
            "beyond_of": self.beyond_of,
            **{name: each.count for name, each in self.places().items()},
            **{
                f"{name}_at": [place(*where) for where in each.at]
                for name, each in self.places().items()
            },
            "figures": {name: each.document() for name, each in self.figures.items()},
        }


FAULTS = ("missing", "extra", "doubled")
"""What makes an audit fail, besides differences."""

PLACES = (*FAULTS, "repeated")

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
        figure, sides = found.figure(name), (published[name], column)
        apart = differences(*sides, (scales or {}).get(name, 1.0))
        if name in exact:
            apart = np.where(apart > 0, np.maximum(apart, np.abs(sides[0] - column)), 0.0)
        if known is not None and name in known:
            figure.beyond += int(np.count_nonzero(~known[name]))
            kept = np.flatnonzero(known[name])
            names = market if isinstance(market, str) else [market[i] for i in kept.tolist()]
            figure.take(names, at[kept], (sides[0][kept], column[kept]), apart[kept])
        else:
            figure.take(market, at, sides, apart)


def place(market: str, at: int) -> dict[str, object]:
    """Return a place as JSON has it."""
    return {"market": market, "as_of": iso_seconds(at // SECOND)}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
