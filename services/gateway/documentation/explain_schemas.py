"""The explanation of a row of spreads as OpenAPI describes it, and as it is sent."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from services.gateway.documentation.kinds import MarketKey, Reasons, Time


class TickPlace(msgspec.Struct, frozen=True):
    """Where in Kafka a tick lies: `row` is its place within the record at `offset`."""

    topic: str
    partition: int
    offset: int
    row: int


class ExplainedQuote(msgspec.Struct, frozen=True):
    """A quote that was in force within the window or whose time lies in it."""

    time: Time
    bid: float | None
    ask: float | None
    bid_size: float | None
    ask_size: float | None
    spread: float | None
    spread_bps: float | None
    state: Literal["good", "crossed", "one_sided"]
    seconds: Annotated[float, Meta(description="how long it was in force, good and seen")]
    counted: Annotated[bool, Meta(description="it counts in `n` and `tick_mean`")]
    carried: Annotated[bool, Meta(description="it was in force when the window began")]
    at: TickPlace


class ExplainedUnseen(msgspec.Struct, frozen=True):
    """An unseen interval that reaches into the window.

    After a `gap` or a `down` of quotes the market is unseen until its next quote, `dead_until`.
    """

    kind: Literal["quotes", "trades"]
    start: Time
    end: Time
    reason: str
    dead_until: Time | None
    at: TickPlace


class ExplainedTrade(msgspec.Struct, frozen=True):
    """A trade that counts in a figure, the mids that it met, and what it cost in bps of `mid`."""

    time: Time
    price: float
    size: float
    side: Annotated[int, Meta(description="+1 the taker bought, −1 sold")]
    mid: float | None
    mid_5s: float | None
    mid_60s: float | None
    effective_bps: float | None
    realised_5s_bps: float | None
    impact_5s_bps: float | None
    realised_60s_bps: float | None
    impact_60s_bps: float | None
    counts_in: Annotated[list[str], Meta(description="the figures in which it counts")]
    at: TickPlace


class ExplainedPane(msgspec.Struct, frozen=True):
    """Ten seconds of the baseline: the time-weighted mean spread, and x = ln of it."""

    start: Time
    mean_bps: float | None
    x: float | None


class ExplainedFigure(msgspec.Struct, frozen=True):
    """One figure: what was published, and the same from `inputs` by `formula`.

    `difference` is relative, absolute below 1, null where one side alone is null or where
    `recomputed` follows from what is not held any more.
    """

    published: float | None
    recomputed: float | None
    difference: float | None
    formula: str
    inputs: dict[str, float | str | None]
    reason: Annotated[str | None, Meta(description="why it is null")] = None


class SpreadExplanation(msgspec.Struct, frozen=True):
    """What stands behind one row of spreads; of the windows one is written out.

    Of quotes and trades the newest ones are listed, `…_total` says how many there are; sums are
    over all of them.
    """

    market: MarketKey
    exchange: str
    coin: str
    quote_currency: str
    as_of: Time
    window: str
    window_start: Time
    held_in: Annotated[list[str], Meta(description="where the ticks were read: archive, log")]
    agrees: Annotated[bool, Meta(description="no difference is above 1e-9")]
    not_held: Annotated[list[str], Meta(description="figures that follow from what is not held")]
    figures: dict[str, ExplainedFigure]
    quotes: list[ExplainedQuote]
    quotes_total: int
    unseen: list[ExplainedUnseen]
    trades: list[ExplainedTrade]
    trades_total: int
    panes: list[ExplainedPane]
    reasons: Reasons


EXPLANATIONS = (SpreadExplanation,)
