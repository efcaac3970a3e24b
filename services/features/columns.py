"""The columns of the table of features, and what each one says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec
import pyarrow as pa

Kind = Literal["number", "count", "flag"]

RETURNS_S: Mapping[str, int] = {"1s": 1, "10s": 10, "1m": 60, "5m": 300}
FUTURES_S: Mapping[str, int] = {"10s": 10, "1m": 60, "5m": 300}

FRESH_S = 5
"""A spread row is in force for so long."""

AGE_INTERVALS = 2
"""A bar and its indicators are in force for so many intervals after its end."""

AGE_STEPS = 3
"""A correlation is in force for so many steps of its table."""

TYPES: dict[Kind, pa.DataType] = {
    "number": pa.float64(),
    "count": pa.int64(),
    "flag": pa.bool_(),
}


class Column(msgspec.Struct, frozen=True):
    """A column: its name (of a market's without the exchange), what it holds, what it says.

    `source` is the column of the archive that it comes from, empty where it is computed.
    """

    name: str
    kind: Kind
    says: str
    source: str = ""


MARKET = (
    Column("bid", "number", "best bid just before", "bid"),
    Column("ask", "number", "best ask just before", "ask"),
    Column("mid", "number", "mean of bid and ask", "mid"),
    Column("spread_bps", "number", "quoted spread, bps of the mid", "spread_bps"),
    Column("imbalance", "number", "of the sizes at the best, −1 to 1", "imbalance"),
    Column("mean_bps", "number", "spread over 15 s, time-weighted", "windows_15s_mean_bps"),
    Column("depth", "number", "value quoted over 15 s, quote currency", "windows_15s_depth"),
    Column("coverage", "number", "share of the 15 s that was seen", "windows_15s_coverage"),
    Column("effective_bps", "number", "effective spread of the trades of 15 s", "effective_bps"),
    Column("trades_n", "count", "how many trades those are", "trades_n"),
    Column("z", "number", "spread against its half hour, in σ", "z"),
    Column("half_life_s", "number", "of a wide spread, seconds", "half_life_s"),
    Column("stale", "flag", "the market was out of sight", "stale"),
    Column("age_s", "number", f"age of this row; null, as all of it, above {FRESH_S} s"),
)
INDICATOR = (
    Column("sma_20", "number", "see docs/bars-and-indicators.md, as the rest", "sma_20"),
    Column("ema_20", "number", "", "ema_20"),
    Column("bollinger_upper", "number", "", "bollinger_upper"),
    Column("bollinger_lower", "number", "", "bollinger_lower"),
    Column("rsi_14", "number", "", "rsi_14"),
    Column("atr_14", "number", "", "atr_14"),
    Column("realised_volatility", "number", "", "realised_volatility"),
    Column("vwap_20", "number", "", "vwap_20"),
    Column("indicators_n", "count", "bars in a row behind these", "n"),
    Column("indicators_age_s", "number", "age of these; null above two intervals"),
)
COMPOSITE = (
    Column("mid", "number", "median of the markets' mids"),
    Column("venues", "count", "how many markets have one"),
    Column("best_bid", "number", "highest bid of the markets"),
    Column("best_ask", "number", "lowest ask of the markets"),
    Column("best_spread_bps", "number", "between those two, bps of their mean; below 0 if crossed"),
)
BAR = (
    Column("bar_open", "number", "of the last closed bar, all markets together", "open"),
    Column("bar_high", "number", "", "high"),
    Column("bar_low", "number", "", "low"),
    Column("bar_close", "number", "", "close"),
    Column("bar_volume", "number", "in the coin", "volume"),
    Column("bar_vwap", "number", "", "vwap"),
    Column("bar_n", "count", "trades", "n"),
    Column("bar_coverage", "number", "mean over its markets", "coverage"),
    Column("bar_markets", "count", "how many took part"),
    Column("bar_age_s", "number", "since its end; null, as all of it, above two intervals"),
)
CORRELATION = (
    Column("correlation", "number", "Pearson's, with the coin of `--against`"),
    Column("correlation_low", "number", "95 % interval"),
    Column("correlation_high", "number", ""),
    Column("correlation_n", "count", "rows of the window with a return of both"),
    Column("correlation_age_s", "number", "age of its last row; null above three steps"),
)
RETURN = tuple(
    Column(f"return_{name}", "number", f"log return of `mid` over the last {name}")
    for name in RETURNS_S
)
FUTURE = tuple(
    Column(f"future_return_{name}", "number", f"log return of `mid` over the next {name}: a label")
    for name in FUTURES_S
)


def all_columns(exchanges: Sequence[str]) -> Iterator[Column]:
    """Yield every column but `time` and `coin`, in their order."""
    yield from COMPOSITE
    yield from RETURN
    for exchange in exchanges:
        for column in (*MARKET, *INDICATOR):
            yield msgspec.structs.replace(column, name=f"{exchange}_{column.name}")
    yield from BAR
    yield from CORRELATION
    yield from FUTURE


def schema(exchanges: Sequence[str], metadata: Mapping[str, str]) -> pa.Schema:
    """Return the schema of the table; fields say what they hold."""
    fields = [pa.field("time", pa.timestamp("us", "UTC")), pa.field("coin", pa.string())]
    fields += [
        pa.field(each.name, TYPES[each.kind], metadata={"description": each.says})
        for each in all_columns(exchanges)
    ]
    return pa.schema(fields, metadata=dict(metadata))
