"""Plain columns for people: what the administrative commands print."""

from __future__ import annotations

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of text as columns, two spaces apart.

    >>> print(aligned([["topic", "lag"], ["spreads", "0"]]))
    topic    lag
    spreads  0
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)
