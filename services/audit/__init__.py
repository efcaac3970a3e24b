"""Recomputes published figures from the raw archive, and says where they differ.

A way of its own: integrals over pieces of time in which nothing changes, exact decimals, pandas;
nothing is shared with `models.statistics` or with the agents' figures.
"""
