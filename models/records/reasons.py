"""Why a figure is undefined: the closed list of the public interface."""

from __future__ import annotations

from typing import Literal

Reason = Literal[
    "thin",
    "warming",
    "quiet",
    "gap",
    "stale",
    "down",
    "crossed",
    "no_trades",
    "not_mean_reverting",
    "line_delayed",
]
