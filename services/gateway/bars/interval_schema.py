"""What rows of bars and indicators have: in memory, and as the columns of an answer."""

from __future__ import annotations

from typing import Literal

import pyarrow as pa

from services.gateway.memory.interval_rows import BARS, INDICATORS

Topic = Literal["bars", "indicators"]

SHAPES = {"bars": BARS, "indicators": INDICATORS}
"""By topic the figures that memory has of a row."""

_TIME = pa.timestamp("us", "UTC")
_NAMES = pa.list_(pa.string())


def series_schema(topic: Topic, is_composite: bool) -> pa.Schema:
    """Return the columns of bars or indicators, of a market or of several."""
    shape = SHAPES[topic]
    of_market = [] if is_composite else [("market", pa.string()), ("exchange", pa.string())]
    of_several = [("markets", _NAMES), ("missing", _NAMES)] if is_composite else []
    return pa.schema(
        [
            *of_market,
            ("coin", pa.string()),
            ("quote_currency", pa.string()),
            ("interval", pa.string()),
            ("start", _TIME),
            ("as_of", _TIME),
            *((name, pa.float64()) for name in shape.floats),
            *((name, pa.int64()) for name in shape.counts),
            *((name, _TIME) for name in shape.times),
            ("source", pa.string()),
            *of_several,
            ("stale", pa.bool_()),
            ("reasons", pa.map_(pa.string(), pa.string())),
        ]
    )
