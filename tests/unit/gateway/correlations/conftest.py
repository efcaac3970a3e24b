"""A gateway that knows one matrix."""

from __future__ import annotations

import pytest

from models.settings import Settings
from tests.unit.gateway.calls import Caller, served
from tests.unit.gateway.correlations.made_matrix import COINS, MATRIX, WHY
from tests.unit.gateway.made import Desk, coin, market
from tests.unit.gateway.made_derived import blocks, returns


@pytest.fixture
def desk() -> Desk:
    """Return a gateway that knows one matrix of three coins, and which of them is the largest."""
    desk = Desk(Settings(gateway_queue=64))
    desk.take(coin("ETH", 5e9), coin("BTC", 9e9), coin("SOL", 7e9), market())
    desk.take(returns(10, {"BTC": 60_000.0, "ETH": 3_000.0, "SOL": None}))
    desk.take(*blocks(10, COINS, MATRIX, why=WHY))
    return desk


@pytest.fixture
def client(desk: Desk) -> Caller:
    """Return a caller of it."""
    return served(desk)
