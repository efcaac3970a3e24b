"""The matrix of three coins that the tests of correlations begin with; one cell is null."""

from __future__ import annotations

from tests.unit.gateway.made import START
from tests.unit.gateway.made_derived import THIN

COINS = ["BTC", "ETH", "SOL"]
NAN = float("nan")
MATRIX = [[1.0, 0.8, NAN], [0.8, 1.0, 0.5], [NAN, 0.5, 1.0]]
WHY = [[0, 0, THIN], [0, 0, 0], [THIN, 0, 0]]
STEP = START // 10
