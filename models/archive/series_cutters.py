"""Which cutter each topic has whose series are kept in Cassandra."""

from __future__ import annotations

from models.archive.minute_cutting import MinuteCutter
from models.archive.row_cutting import RowCutter
from models.archive.series_cutting import ResumePoint, SeriesCutter
from models.topics import BARS, CORRELATIONS, FEEDS, INDICATORS, RETURNS, SPREADS

CUTTERS: dict[str, type[SeriesCutter]] = {
    SPREADS.name: MinuteCutter,
    BARS.name: RowCutter,
    INDICATORS.name: RowCutter,
    RETURNS.name: RowCutter,
    CORRELATIONS.name: MinuteCutter,
    FEEDS.name: RowCutter,
}
"""By topic how its records are cut."""


def series_cutter(resume: ResumePoint) -> SeriesCutter:
    """Return the cutter of a partition of one of these topics."""
    return CUTTERS[resume.topic](resume)
