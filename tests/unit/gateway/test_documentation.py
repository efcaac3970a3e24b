"""The descriptions say what is sent."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from services.gateway.app import create_app
from services.gateway.coins.service import coin_figures
from services.gateway.documentation import (
    derived_examples,
    derived_schemas,
    examples,
    explain_examples,
    explain_schemas,
    feed_schemas,
    history_examples,
    history_schemas,
    schemas,
)
from services.gateway.documentation.asyncapi import asyncapi
from services.gateway.documentation.listing import listing
from services.gateway.gateway import Gateway
from services.gateway.hub import messages
from services.gateway.hub.client import TRY_AGAIN_LATER
from services.gateway.items import Figures
from services.gateway.markets.service import market_figures
from services.gateway.stream.session import POLICY_VIOLATION, UNAUTHORIZED
from tests.unit.gateway.calls import served
from tests.unit.gateway.made import BTC, Desk, coin, feed, market, quote, quotes, spreads, trades
from tests.unit.gateway.made_derived import LONG_TABLE, TABLE, bars, blocks, indicators, returns

OF_COMPOSITES = {"markets", "missing"}


@contextlib.asynccontextmanager
async def nothing_to_read(_gateway: Gateway) -> AsyncIterator[None]:
    """Read nothing."""
    yield


def openapi() -> dict[str, Any]:
    """Return the description of REST."""
    return create_app(Desk().gateway, nothing_to_read).openapi()


@pytest.mark.parametrize(
    ("kind", "example"),
    [
        (schemas.Spread, examples.SPREAD),
        (schemas.Quote, examples.QUOTE),
        (schemas.Market, examples.MARKET),
        (schemas.Coin, examples.COIN),
        (feed_schemas.Feed, examples.FEED),
        (schemas.Catalog, examples.CATALOG),
        (schemas.Problem, examples.PROBLEM),
        (derived_schemas.Bar, derived_examples.BAR),
        (derived_schemas.Indicators, derived_examples.INDICATORS),
        (derived_schemas.Correlations, derived_examples.CORRELATIONS),
        (derived_schemas.Pair, derived_examples.PAIR),
        (derived_schemas.PairPoint, derived_examples.PAIR_POINT),
        (derived_schemas.Venues, derived_examples.VENUES),
        (explain_schemas.SpreadExplanation, explain_examples.SPREAD_EXPLANATION),
        (history_schemas.FeedHistory, history_examples.FEED_HISTORY),
        (history_schemas.SpreadHistory, history_examples.SPREAD_HISTORY),
        (history_schemas.QuoteTick, history_examples.QUOTE_TICK),
        (history_schemas.TradeTick, history_examples.TRADE_TICK),
    ],
)
def test_examples_fit_their_schemas(kind: type[msgspec.Struct], example: dict[str, Any]) -> None:
    """Every field is there, and is what it should be."""
    msgspec.convert(example, kind, strict=True)
    assert set(example) | OF_COMPOSITES == set(kind.__struct_fields__) | OF_COMPOSITES


def test_what_is_sent_fits_its_schema() -> None:
    """Spreads, quotes, trades, markets, coins and feeds of the gateway itself."""
    desk = Desk()
    desk.take(coin(), market(), feed(1), quotes(0, 1.0, {BTC: quote(0.5)}), spreads(1), trades(1))
    memory = desk.gateway.memory
    trade = memory.trades.newest(BTC)
    assert trade is not None
    sent: list[tuple[type, Figures | None]] = [
        (schemas.Spread, memory.spreads.figures(BTC)),
        (schemas.Quote, memory.quotes.figures(BTC)),
        (feed_schemas.Feed, memory.feeds.figures(BTC)),
        (schemas.Coin, coin_figures(memory, "BTC")),
        (schemas.Market, market_figures(memory, BTC)),
    ]
    for kind, figures in sent:
        msgspec.convert(figures, kind, strict=True)
    msgspec.convert(trade.figures()["trades"][0], schemas.Trade, strict=True)


def test_derived_figures_fit_their_schemas() -> None:
    """Bars and indicators of a market and of a composite, matrices, pairs, histories, venues."""
    desk = Desk()
    desk.take(quotes(0, 1.0, {BTC: quote(0.5)}), bars(0), indicators(0), returns(0, {"BTC": 1.0}))
    desk.take(*blocks(0, ["BTC", "ETH"], [[1.0, 0.5], [0.5, 1.0]]))
    desk.take(*blocks(10, ["BTC", "ETH"], [[1.0, 0.5], [0.5, 1.0]], table=LONG_TABLE))
    desk.take(*blocks(20, ["BTC", "ETH"], [[1.0, np.nan], [np.nan, 1.0]], why=[[0, 1], [1, 0]]))
    memory = desk.gateway.memory
    matrix = memory.correlations.matrix(TABLE)
    assert matrix is not None
    sent: list[tuple[type, Any]] = [
        (derived_schemas.BarList, page("/v1/coins/BTC/bars", desk)),
        (derived_schemas.BarList, page("/v1/coins/BTC/bars?exchange=kraken", desk)),
        (derived_schemas.IndicatorList, page("/v1/coins/BTC/indicators", desk)),
        (derived_schemas.IndicatorList, page("/v1/coins/BTC/indicators?exchange=kraken", desk)),
        (derived_schemas.Correlations, memory.matrix_figures(matrix).over(("BTC", "ETH"))),
        (derived_schemas.Correlations, page("/v1/correlations?coins=BTC,ETH&repair=true", desk)),
        (derived_schemas.Pair, page("/v1/correlations/BTC/ETH", desk)),
        (derived_schemas.PairHistory, page("/v1/correlations/BTC/ETH/history", desk)),
        (derived_schemas.Venues, page("/v1/coins/BTC/venues", desk)),
    ]
    for kind, figures in sent:
        msgspec.convert(figures, kind, strict=True)


def page(path: str, desk: Desk) -> Any:
    """Return what REST answers."""
    got = served(desk).get(path)
    assert got.status_code == 200, got.text
    return got.json()


def test_every_route_is_described() -> None:
    """With an example, and the form of errors; nothing of the page is in there."""
    paths = openapi()["paths"]
    assert set(paths) == {
        "/v1/live", "/v1/ready", "/metrics", "/docs", "/asyncapi.json", "/v1/catalog", "/v1/feeds",
        "/v1/coins", "/v1/coins/{coin}", "/v1/markets", "/v1/markets/{exchange}/{pair}",
        "/v1/spreads", "/v1/spreads/{exchange}/{pair}", "/v1/coins/{coin}/bars",
        "/v1/coins/{coin}/indicators", "/v1/coins/{coin}/venues", "/v1/correlations",
        "/v1/correlations/{a}/{b}", "/v1/correlations/{a}/{b}/history",
        "/v1/spreads/{exchange}/{pair}/history", "/v1/feeds/{exchange}/{pair}/history",
        "/v1/markets/{exchange}/{pair}/quotes", "/v1/markets/{exchange}/{pair}/trades",
        "/v1/explain/spreads/{exchange}/{pair}",
    } | {path for path in paths if path.startswith("/v1/orders/")}  # fmt: skip
    for path, operations in paths.items():
        responses = operations["get"]["responses"]
        assert "application/problem+json" in responses["default"]["content"]
        if path.startswith("/v1/"):
            assert "example" in responses["200"]["content"]["application/json"]


@pytest.mark.parametrize("describe", [openapi, asyncapi])
def test_every_reference_leads_somewhere(describe: Any) -> None:
    """Also those within schemas."""
    whole = describe()

    def check(part: Any) -> None:
        if isinstance(part, dict):
            if "$ref" in part:
                found = whole
                for name in part["$ref"].removeprefix("#/").split("/"):
                    found = found[name]
            for each in part.values():
                check(each)
        elif isinstance(part, list):
            for each in part:
                check(each)

    check(whole)


def test_the_page_for_people_fetches_nothing() -> None:
    """No script, and no address but of this gateway."""
    page = listing(openapi(), asyncapi())
    assert "/v1/spreads/{exchange}/{pair}" in page
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page


def test_every_message_and_closing_of_the_stream_is_in_its_page() -> None:
    """Who codes against `docs/api.md` alone meets nothing that it does not name."""
    page = (Path(__file__).parents[3] / "docs" / "api.md").read_text()
    kinds = {
        kind.__struct_config__.tag
        for kind in vars(messages).values()
        if isinstance(kind, type) and issubclass(kind, messages.Message)
    }
    told = {str(kind) for kind in kinds if kind and not str(kind).startswith("_")} - {"Message"}
    assert {"snapshot", "reconnect"} <= told
    codes = {POLICY_VIOLATION, UNAUTHORIZED, TRY_AGAIN_LATER, 1009}
    words = told | {"unknown_key", "unknown_channel", "unknown_coin", "bad_request", "malformed"}
    assert [word for word in sorted(words) if f"`{word}`" not in page] == []
    assert [code for code in sorted(codes) if str(code) not in page] == []
