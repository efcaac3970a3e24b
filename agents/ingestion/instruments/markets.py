"""Instrument lists of the exchanges as markets.

Sources: Coinbase Exchange `/products`; Kraken `/0/public/AssetPairs`; Binance
`/api/v3/exchangeInfo`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from models.errors import FrameError
from models.markets import KRAKEN_ALIASES, market_name
from models.records.reference import Market

Decoded = TypeVar("Decoded")


class InstrumentList(msgspec.Struct, frozen=True):
    """Where an exchange's instrument list is, and how it is read."""

    path: str
    read: Callable[[bytes], list[Market]]


class _Product(msgspec.Struct):
    id: str
    base_currency: str
    quote_currency: str
    quote_increment: str
    base_increment: str
    min_market_funds: str | None = None
    status: str = "online"
    trading_disabled: bool = False


class _Pair(msgspec.Struct):
    wsname: str | None = None
    tick_size: str | None = None
    lot_decimals: int | None = None
    ordermin: str | None = None
    status: str = "online"


class _Pairs(msgspec.Struct):
    error: list[str]
    result: dict[str, _Pair] = {}


class _Filter(msgspec.Struct):
    filterType: str  # noqa: N815 - Binance's name
    tickSize: str | None = None  # noqa: N815 - Binance's name
    stepSize: str | None = None  # noqa: N815 - Binance's name
    minQty: str | None = None  # noqa: N815 - Binance's name


class _Symbol(msgspec.Struct):
    symbol: str
    status: str
    baseAsset: str  # noqa: N815 - Binance's name
    quoteAsset: str  # noqa: N815 - Binance's name
    filters: list[_Filter] = []


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Symbol]


def coinbase_markets(body: bytes) -> list[Market]:
    """Return the markets of `/products`.

    Raises:
        FrameError: it is none.
    """
    return list(_named(_coinbase(_decoded(body, list[_Product]))))


def kraken_markets(body: bytes) -> list[Market]:
    """Return the markets of `AssetPairs`; Kraken's own coin names become the usual ones.

    Raises:
        FrameError: it is none, or Kraken tells an error.
    """
    pairs = _decoded(body, _Pairs)
    if pairs.error:
        raise FrameError("malformed_frame", f"expected pairs, Kraken says {pairs.error}")
    return list(_named(_kraken(pairs)))


def binance_markets(body: bytes) -> list[Market]:
    """Return the markets of `exchangeInfo`.

    Raises:
        FrameError: it is none.
    """
    return list(_named(_binance(_decoded(body, _ExchangeInfo))))


INSTRUMENTS = {
    "coinbase": InstrumentList("/products", coinbase_markets),
    "kraken": InstrumentList("/0/public/AssetPairs", kraken_markets),
    "binance": InstrumentList("/api/v3/exchangeInfo", binance_markets),
}


class _Named(msgspec.Struct, frozen=True):
    exchange: str
    base: str
    quote: str
    symbol: str
    tick_size: str | None
    lot_size: str | None
    least_size: str | None
    online: bool


def _coinbase(products: list[_Product]) -> Iterator[_Named]:
    for each in products:
        yield _Named(
            "coinbase",
            each.base_currency,
            each.quote_currency,
            each.id,
            each.quote_increment,
            each.base_increment,
            None,
            each.status == "online" and not each.trading_disabled,
        )


def _kraken(pairs: _Pairs) -> Iterator[_Named]:
    for each in pairs.result.values():
        if each.wsname is None:
            continue
        base, _, quote = each.wsname.partition("/")
        base, quote = KRAKEN_ALIASES.get(base, base), KRAKEN_ALIASES.get(quote, quote)
        lot = None if each.lot_decimals is None else f"1e-{each.lot_decimals}"
        yield _Named(
            "kraken",
            base,
            quote,
            f"{base}/{quote}",
            each.tick_size,
            lot,
            each.ordermin,
            each.status == "online",
        )


def _binance(info: _ExchangeInfo) -> Iterator[_Named]:
    for each in info.symbols:
        filters = {one.filterType: one for one in each.filters}
        price, lot = filters.get("PRICE_FILTER"), filters.get("LOT_SIZE")
        yield _Named(
            "binance",
            each.baseAsset,
            each.quoteAsset,
            each.symbol,
            price.tickSize if price else None,
            lot.stepSize if lot else None,
            lot.minQty if lot else None,
            each.status == "TRADING",
        )


def _named(instruments: Iterator[_Named]) -> Iterator[Market]:
    for each in instruments:
        try:
            name = market_name(each.exchange, each.base, each.quote)
        except FrameError:
            # Exchanges list a few things that are no coins; they are not followed.
            continue
        yield Market(
            market=name,
            exchange=each.exchange,
            coin=each.base,
            quote_currency=each.quote,
            symbol=each.symbol,
            tick_size=_number(each.tick_size),
            lot_size=_number(each.lot_size),
            least_size=_number(each.least_size),
            status="online" if each.online else "offline",
            source=each.exchange,
            source_time=None,
        )


def _decoded(body: bytes, kind: type[Decoded]) -> Decoded:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FrameError("malformed_frame", f"expected an instrument list, {error}") from error


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
