"""Correlations of a file of prices, by the mathematics of the line and without it."""
