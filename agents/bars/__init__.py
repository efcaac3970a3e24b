"""Bars and indicators of every market: `docs/bars-and-indicators.md` says what they are."""
