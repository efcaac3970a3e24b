"""Correlation of many coins: arrays in, matrices out; `docs/correlation.md`, sections 3 and 4.

`pearson`, `spearman` and `ewma` take `Rows`, `hayashi_yoshida` takes `Seconds`; all of them return
`Matrices`. Every function depends on nothing but its arguments: the same rows in the same order
give the same bytes, whatever was computed before.
"""

from models.statistics.correlation.change import average, change, distance
from models.statistics.correlation.ewma import ewma
from models.statistics.correlation.hayashi_yoshida import hayashi_yoshida
from models.statistics.correlation.interval import interval
from models.statistics.correlation.matrices import LEAST_EFFECTIVE_N, Matrices
from models.statistics.correlation.order import order
from models.statistics.correlation.pair_history import PairHistory, pair_history
from models.statistics.correlation.pearson import pearson
from models.statistics.correlation.repair import repair
from models.statistics.correlation.rows import Rows, Seconds, row_weight
from models.statistics.correlation.spearman import spearman

__all__ = [
    "LEAST_EFFECTIVE_N",
    "Matrices",
    "PairHistory",
    "Rows",
    "Seconds",
    "average",
    "change",
    "distance",
    "ewma",
    "hayashi_yoshida",
    "interval",
    "order",
    "pair_history",
    "pearson",
    "repair",
    "row_weight",
    "spearman",
]
