"""The oracle: what is published recomputed from captured frames, written another way.

It follows docs/from-frames-to-figures.md alone and imports nothing of what it checks but the
partition of a coin. Whole files at once, offline; simple before fast.
"""

from tests.oracle.compare import (
    Summary,
    compare,
    compare_closes,
    differences,
)
from tests.oracle.effective import effective_spreads
from tests.oracle.rows import (
    closes_of,
    figures_of_ticks,
    oracle_rows,
    rows_of,
    rows_of_ticks,
)
from tests.oracle.ticks import Ticks, ticks_of, ticks_of_frames

__all__ = [
    "Summary",
    "Ticks",
    "closes_of",
    "compare",
    "compare_closes",
    "differences",
    "effective_spreads",
    "figures_of_ticks",
    "oracle_rows",
    "rows_of",
    "rows_of_ticks",
    "ticks_of",
    "ticks_of_frames",
]
