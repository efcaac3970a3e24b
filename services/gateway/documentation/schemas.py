"""The answers as OpenAPI and AsyncAPI describe them. Fields may be added to what is sent."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from models.records.reference import CoinFlag
from services.gateway.documentation.derived_schemas import DERIVED
from services.gateway.documentation.explain_schemas import EXPLANATIONS
from services.gateway.documentation.feed_schemas import Feed
from services.gateway.documentation.history_schemas import HISTORY
from services.gateway.documentation.kinds import Cursor, MarketKey, Reasons, Time
from services.gateway.documentation.order_schemas import ORDERS


class SpreadWindow(msgspec.Struct):
    """Figures over one rolling window that ends at `as_of`."""

    mean: Annotated[float | None, Meta(description="time-weighted")]
    mean_bps: float | None
    tick_mean: Annotated[float | None, Meta(description="plain mean over the quotes in it")]
    min: float | None
    max: float | None
    n: int
    coverage: Annotated[float, Meta(ge=0, le=1)]
    imbalance: Annotated[float | None, Meta(description="time-weighted, -1 to 1")]
    depth: Annotated[float | None, Meta(description="in the quote currency, time-weighted")]
    trade_low: float | None
    trade_high: float | None
    trades_n: int


class Spread(msgspec.Struct):
    """The spread figures of one market and second."""

    market: MarketKey
    exchange: str
    coin: str
    quote_currency: str
    as_of: Time | None
    bid: float | None
    ask: float | None
    mid: float | None
    spread: float | None
    spread_bps: float | None
    bid_size: float | None
    ask_size: float | None
    imbalance: Annotated[float | None, Meta(description="-1 to 1")]
    windows: dict[str, SpreadWindow]
    effective_bps: Annotated[float | None, Meta(description="mean over `trades_n` trades")]
    trades_n: int
    trades_coverage: Annotated[float, Meta(ge=0, le=1)]
    realised_5s_bps: Annotated[float | None, Meta(description="over `realised_5s_n` trades")]
    realised_5s_n: int
    impact_5s_bps: float | None
    realised_60s_bps: Annotated[float | None, Meta(description="over `realised_60s_n` trades")]
    realised_60s_n: int
    impact_60s_bps: float | None
    baseline_bps: Annotated[float | None, Meta(description="the usual spread of 30 min")]
    baseline_sigma: Annotated[float | None, Meta(description="of the logarithm")]
    z: Annotated[float | None, Meta(description="against the baseline of `z_n` panes of 10 s")]
    z_n: int
    half_life_s: float | None
    half_life_n: int
    stale: bool
    reasons: Reasons


class Quote(msgspec.Struct):
    """The newest quote of a market; `as_of` is how far its source is complete."""

    market: MarketKey
    exchange: str
    coin: str
    quote_currency: str
    as_of: Time
    time: Time | None
    receive_time: Time | None
    bid: float | None
    bid_size: float | None
    ask: float | None
    ask_size: float | None
    mid: float | None
    flags: list[str]
    stale: bool
    reasons: Reasons


class Trade(msgspec.Struct):
    """One trade; `side` is the taker's."""

    market: MarketKey
    exchange: str
    coin: str
    quote_currency: str
    as_of: Time
    time: Time
    receive_time: Time
    price: float
    size: float
    side: Literal["buy", "sell"]
    trade_id: int
    flags: list[str]
    stale: bool
    reasons: Reasons


class Market(msgspec.Struct):
    """An instrument with its newest quote."""

    market: MarketKey
    exchange: str
    coin: str
    quote_currency: str
    symbol: Annotated[str | None, Meta(description="the exchange's own name")]
    tick_size: float | None
    lot_size: float | None
    least_size: float | None
    status: Literal["online", "offline"] | None
    source: str | None
    source_time: Time | None
    as_of: Time | None
    quote: Quote | None
    stale: bool
    reasons: Reasons


class Coin(msgspec.Struct):
    """One coin; money is in US dollars, `change_24h` in percent."""

    coin: str
    id: str | None
    name: str | None
    rank: int | None
    market_value: float | None
    volume_24h: float | None
    change_24h: float | None
    reference_price: Annotated[
        float | None, Meta(description="median of its markets' mids in one quote currency")
    ]
    reference_quote_currency: str | None
    reference_as_of: Time | None
    flags: list[CoinFlag]
    source: str | None
    source_time: Time | None
    as_of: Time | None
    stale: bool
    reasons: Reasons


class CorrelationTable(msgspec.Struct):
    """A correlation table; `key` is how channel and page call it."""

    table: str
    key: str
    window: str
    sampling: str
    method: str
    step_s: int
    coins: Annotated[int, Meta(description="how many its newest matrix has")]


class Catalog(msgspec.Struct):
    """What there is. `source` says whether the data are simulated, live or a replay."""

    source: Literal["simulated", "live", "replay"]
    is_simulated: bool
    exchanges: list[str]
    coins: list[str]
    markets: list[MarketKey]
    quote_currencies: list[str]
    windows: list[str]
    methods: list[str]
    intervals: list[str]
    tables: list[CorrelationTable]
    channels: list[str]


class SpreadList(msgspec.Struct):
    """A page of spreads."""

    data: list[Spread]
    next: Cursor


class MarketList(msgspec.Struct):
    """A page of markets."""

    data: list[Market]
    next: Cursor


class CoinList(msgspec.Struct):
    """A page of coins."""

    data: list[Coin]
    next: Cursor


class FeedList(msgspec.Struct):
    """A page of feeds."""

    data: list[Feed]
    next: Cursor


class Live(msgspec.Struct):
    """The process runs."""

    live: bool


class Ready(msgspec.Struct):
    """Every topic was read to its end once; `degraded` names what is away all the same."""

    ready: bool
    degraded: list[str]


class Problem(msgspec.Struct):
    """RFC 9457: what was expected, and what came."""

    type: str
    title: str
    status: int
    detail: str
    instance: str


ANSWERS = (
    Spread, SpreadList, Quote, Trade, Market, MarketList, Coin, CoinList, Feed, FeedList,
    Catalog, Live, Ready, Problem, *DERIVED, *EXPLANATIONS, *HISTORY, *ORDERS,
)  # fmt: skip


def schema_components(template: str = "#/components/schemas/{name}") -> dict[str, Any]:
    """Return the JSON schema of every answer, by name."""
    return msgspec.json.schema_components(ANSWERS, ref_template=template)[1]
