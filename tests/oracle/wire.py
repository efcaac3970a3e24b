"""What the three exchanges have in common on the wire: JSON, numbers, times and market names.

Numbers keep their text (`Number`), because Kraken's checksum runs over it.
"""

from __future__ import annotations

import json
import math
import re
from calendar import timegm
from typing import Any

SECOND = 1_000_000_000
MILLISECOND = 1_000_000

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)\Z"
)
_BINANCE_QUOTES = (
    "FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USD1", "DAI", "EUR", "GBP", "TRY", "BRL", "JPY",
    "USD", "BTC", "ETH", "BNB",
)  # fmt: skip
_KRAKEN_NAMES = {"XBT": "BTC", "XDG": "DOGE"}


class Number(str):
    """A JSON number as the text it had on the wire."""

    __slots__ = ()


class MalformedError(Exception):
    """The frame cannot be read."""


class UnknownError(Exception):
    """The frame's type is not known."""


def _refuse(name: str) -> Any:
    raise MalformedError(f"{name} is no JSON")


def load(text: str) -> dict[str, Any]:
    """Return the JSON object in `text`, its numbers as `Number`; anything else is malformed."""
    try:
        value = json.loads(text, parse_float=Number, parse_int=Number, parse_constant=_refuse)
    except ValueError as error:
        raise MalformedError(str(error)) from error
    if not isinstance(value, dict):
        raise MalformedError("no JSON object")
    return value


def field(message: dict[str, Any], name: str, kind: type) -> Any:
    """Return `message[name]`, which must be there and be a `kind`."""
    value = message.get(name)
    if not isinstance(value, kind) or (kind is str and isinstance(value, Number)):
        raise MalformedError(f"{name} is {value!r}")
    return value


def _finite(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise MalformedError(f"{name} is {text!r}") from error
    if not math.isfinite(value) or value < 0:
        raise MalformedError(f"{name} is {text!r}")
    return value


def price(message: dict[str, Any], name: str, kind: type) -> float:
    """Return the price under `name`: finite and above 0."""
    value = _finite(field(message, name, kind), name)
    if value == 0:
        raise MalformedError(f"{name} is 0")
    return value


def size(message: dict[str, Any], name: str, kind: type) -> float:
    """Return the size under `name`: finite, 0 or more."""
    return _finite(field(message, name, kind), name)


def integer(message: dict[str, Any], name: str) -> int:
    """Return the JSON integer under `name`."""
    text = field(message, name, Number)
    try:
        return int(text)
    except ValueError as error:
        raise MalformedError(f"{name} is {text!r}") from error


def items(message: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the list of objects under `name`."""
    values: list[dict[str, Any]] = field(message, name, list)
    if not all(isinstance(value, dict) for value in values):
        raise MalformedError(f"{name} holds no objects")
    return values


def levels(message: dict[str, Any], name: str) -> list[tuple[str, str]]:
    """Return `[["price", "size", …], …]` under `name` as pairs of checked texts."""
    pairs = []
    for entry in field(message, name, list):
        if not isinstance(entry, list) or len(entry) < 2:
            raise MalformedError(f"{name} holds {entry!r}")
        level = {"price": entry[0], "size": entry[1]}
        price(level, "price", str)
        size(level, "size", str)
        pairs.append((entry[0], entry[1]))
    return pairs


def rfc3339(text: str) -> int:
    """Return the nanoseconds since the epoch of a time such as `2026-10-03T20:58:31.127510Z`."""
    match = _RFC3339.match(text)
    if match is None:
        raise MalformedError(f"time is {text!r}")
    *calendar, fraction, zone = match.groups()
    seconds = timegm((*(int(part) for part in calendar), 0, 0, 0))
    if zone != "Z":
        shift = int(zone[1:3]) * 3600 + int(zone[4:]) * 60
        seconds += -shift if zone[0] == "+" else shift
    return seconds * SECOND + int((fraction or "").ljust(9, "0"))


def optional_time(message: dict[str, Any], name: str) -> int | None:
    """Return the time under `name`, or None where the message has none."""
    return rfc3339(field(message, name, str)) if name in message else None


def kraken_market(symbol: str) -> str:
    """Return `kraken:BTC-USD` for `BTC/USD` (and for `XBT/USD`)."""
    base, slash, quote = symbol.partition("/")
    if not (base and slash and quote):
        raise MalformedError(f"symbol is {symbol!r}")
    return f"kraken:{_KRAKEN_NAMES.get(base, base)}-{_KRAKEN_NAMES.get(quote, quote)}"


def coinbase_market(product: str) -> str:
    """Return `coinbase:BTC-USD` for `BTC-USD`."""
    base, dash, quote = product.partition("-")
    if not (base and dash and quote):
        raise MalformedError(f"product_id is {product!r}")
    return f"coinbase:{product}"


def binance_market(symbol: str) -> str:
    """Return `binance:BTC-USDT` for `BTCUSDT`; the longest known quote currency wins."""
    for quote in sorted(_BINANCE_QUOTES, key=len, reverse=True):
        if symbol.endswith(quote) and len(symbol) > len(quote):
            return f"binance:{symbol[: -len(quote)]}-{quote}"
    raise MalformedError(f"symbol is {symbol!r}")


def coin_of(market: str) -> str:
    """Return the base asset of `exchange:BASE-QUOTE`."""
    return market.partition(":")[2].rpartition("-")[0]
