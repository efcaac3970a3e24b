"""Answers made of random numbers, in the shapes of the public interface."""

from __future__ import annotations

import math
import random
import zlib
from collections.abc import Sequence
from datetime import datetime
from itertools import combinations
from typing import Any

import numpy as np

from services.gateway.web.dev.mock_gateway import Data, iso

SECONDS = {"1m": 60, "5m": 300, "1h": 3_600, "1d": 86_400}
TABLES = (
    "15m.10s.pearson", "1h.60s.pearson", "24h.5m.pearson", "1h.60s.spearman", "1h.60s.ewma",
    "1h.1s.hayashi_yoshida",
)  # fmt: skip
_INDICATORS = {
    "sma_20": 20, "ema_20": 20, "bollinger_upper": 20, "bollinger_lower": 20, "rsi_14": 15,
    "atr_14": 15, "realised_volatility": 61, "vwap_20": 20,
}  # fmt: skip
_PRICES = ("open", "high", "low", "close", "vwap")


def seconds_of(time: str) -> int:
    """Return a time of a query in seconds since the epoch."""
    return int(datetime.fromisoformat(time).timestamp())


def bar(interval: str, start: int, price: float, **changes: Any) -> Data:
    """Return a bar that wanders about a price; the same one each time it is asked for."""
    chance = random.Random(f"{interval} {start}")
    wave = price * (1 + 0.01 * math.sin(start / 7_200))
    close, opened = (wave * (1 + chance.gauss(0, 6e-4)) for _ in range(2))
    high = max(opened, close) * (1 + abs(chance.gauss(0, 3e-4)))
    low = min(opened, close) * (1 - abs(chance.gauss(0, 3e-4)))
    volume = round(chance.lognormvariate(1, 0.7), 4)
    return {
        "interval": interval, "start": iso(start), "as_of": iso(start + SECONDS[interval]),
        "open": round(opened, 1), "high": round(high, 1), "low": round(low, 1),
        "close": round(close, 1), "volume": volume, "quote_volume": volume * close,
        "vwap": close, "n": chance.randint(5, 400), "first_trade": iso(start),
        "last_trade": iso(start + 1), "coverage": 1.0, "source": "live", "stale": False,
        "reasons": {}, **changes,
    }  # fmt: skip


def unseen_bar(interval: str, start: int, reason: str) -> Data:
    """Return a bar of a time that could not be seen."""
    fields = (*_PRICES, "volume", "quote_volume", "n", "first_trade", "last_trade")
    reasons = dict.fromkeys(fields, reason)
    return bar(interval, start, 1.0, **dict.fromkeys(fields), coverage=0.0, reasons=reasons)


def _source(age: float) -> str:
    """Return where a bar is from that is so old, as a share of what is held."""
    if age < 0.66:
        return "live"
    return "capture" if age < 0.76 else "rest"


def bars(query: Data, price: float, now: int, held_s: int) -> Data:
    """Answer a range of bars: the first third of what is held not live, a few unseen."""
    interval = query.get("interval", "1m")
    length = SECONDS[interval]
    held_from = (now - held_s) // length * length
    first = max(seconds_of(query["start"]), held_from)
    found = []
    for start in range(first, min(seconds_of(query["end"]), now - length + 1), length):
        age = (now - start) / held_s
        if 0.3 < age < 0.34:
            found.append(unseen_bar(interval, start, "down"))
        else:
            found.append(bar(interval, start, price, source=_source(age)))
    return {"data": found, "next": None, "complete_from": iso(held_from)}


def indicators(interval: str, start: int, price: float, n: int) -> Data:
    """Return the indicators at the end of a bar with `n` bars in a row behind them."""
    wave = price * (1 + 0.01 * math.sin((start - 600) / 7_200))
    values: dict[str, float | None] = {
        "sma_20": wave, "ema_20": wave * 1.0003, "bollinger_upper": wave * 1.002,
        "bollinger_lower": wave * 0.998, "rsi_14": 50 + 20 * math.sin(start / 5_000),
        "atr_14": price * 7e-4, "realised_volatility": 0.42 + 0.05 * math.sin(start / 3_000),
        "vwap_20": wave * 0.9996,
    }  # fmt: skip
    reasons = {name: "warming" for name, least in _INDICATORS.items() if n < least}
    values |= dict.fromkeys(reasons)
    return {
        "interval": interval, "start": iso(start), "as_of": iso(start + SECONDS[interval]),
        "n": n, **values, "source": "live", "stale": False, "reasons": reasons,
    }  # fmt: skip


def indicator_list(query: Data, price: float, now: int, held_s: int) -> Data:
    """Answer a range of indicators; what is not held makes the row shorter."""
    interval = query.get("interval", "1m")
    length = SECONDS[interval]
    held_from = (now - held_s) // length * length
    first = max(seconds_of(query["start"]) - length, held_from)
    last = min(seconds_of(query["end"]) - length, now - length + 1)
    found = [
        indicators(interval, start, price, (start - held_from) // length + 1)
        for start in range(first, last, length)
    ]
    return {"data": found, "next": None, "complete_from": iso(held_from)}


def matrix(
    coins: Sequence[str], as_of: int, table: str = "1h.60s.pearson", thin: Sequence[str] = ()
) -> Data:
    """Return a matrix of coins in a few groups; cells of the `thin` ones are undefined."""
    chance = np.random.default_rng(zlib.crc32(table.encode()))
    size = len(coins)
    factors = chance.normal(0.35, 0.5, (size, 4)) * (np.arange(size)[:, None] % 4 == np.arange(4))
    factors[:, 0] += 0.5
    covariance = factors @ factors.T + np.diag(chance.uniform(0.1, 1.2, size))
    spread = np.sqrt(np.diag(covariance))
    r = covariance / np.outer(spread, spread)
    n_effective = np.full((size, size), 57.0)
    thin_at = [i for i, coin in enumerate(coins) if coin in thin]
    n_effective[thin_at, :] = n_effective[:, thin_at] = 12.5
    width = 1.96 / np.sqrt(n_effective - 3)
    z = np.arctanh(np.clip(r, -0.999, 0.999))
    undefined = n_effective < 30
    reasons = {f"matrix.{coins[i]}.{coins[j]}": "thin" for i, j in np.argwhere(undefined)}
    changed = [pair for pair in combinations(range(size), 2) if sum(pair) % 17 == 3]

    def nullable(cells: Any) -> list[Any]:
        listed = np.round(cells, 6).astype(object)
        listed[undefined] = None
        return list(listed.tolist())

    window, sampling, method = table.split(".")
    return {
        "table": table, "window": window, "sampling": sampling, "method": method,
        "as_of": iso(as_of), "coins": list(coins), "matrix": nullable(r),
        "sigma": np.round(spread, 4).tolist(),
        "n": (342 - 329 * undefined).tolist(), "n_effective": n_effective.tolist(),
        "low": nullable(np.tanh(z - width)), "high": nullable(np.tanh(z + width)),
        "repaired": False, "masked": [], "rest_share": 0.25, "stale": [], "reasons": reasons,
        "change": {
            "against": "24h.5m.pearson",
            "average": {"z": 0.1, "distance": 0.3, "is_changed": False},
            "pairs": [
                {"coins": [coins[i], coins[j]], "z": 2.5, "correlation": r[i, j], "against": 0.1}
                for i, j in changed
                if not undefined[i, j]
            ],
        },
    }  # fmt: skip


def pair(a: str, b: str, as_of: int, table: str = "1h.60s.pearson") -> Data:
    """Return one pair now."""
    whole = matrix((a, b), as_of, table)
    part = {name: whole[name][0][1] for name in ("n", "n_effective", "low", "high")}
    return {
        **whole, **part, "correlation": whole["matrix"][0][1],
        "change": {
            "against": "24h.5m.pearson", "correlation": 0.31, "z": 2.4, "is_changed": True,
        },
    }  # fmt: skip


def pair_history(a: str, b: str, query: Data) -> Data:
    """Answer a pair over time, a point a minute, with the returns it came from."""
    chance = random.Random(f"{a} {b}")
    points = []
    r = 0.5
    for second in range(seconds_of(query["start"]) // 60 * 60, seconds_of(query["end"]), 60):
        r = max(-0.9, min(0.9, r + chance.gauss(0, 0.02)))
        points.append({
            "as_of": iso(second), "correlation": r, "low": r - 0.15, "high": min(1, r + 0.12),
            "n": 342, "n_effective": 57.0, "stale": False, "reasons": {},
        })  # fmt: skip
    common = [chance.gauss(0, 5e-4) for _ in range(120)]
    returns = [[x + chance.gauss(0, 3e-4), x + chance.gauss(0, 3e-4)] for x in common]
    return {"data": points, "next": None, "complete_from": query["start"], "returns": returns}


def venues(
    quotes: Sequence[tuple[str, float, float]], as_of: int, left_out: Data | None = None
) -> Data:
    """Answer what these markets bid and ask, at a taker's fee of 40 bps everywhere.

    `left_out` has the markets that cannot be seen, and why.
    """
    unseen = left_out or {}

    def best(side: int, price: float) -> Data:
        return {"price": price, "markets": [quote[0] for quote in quotes if quote[side] == price]}

    crossings = [
        {"buy": buy[0], "sell": sell[0], "ask": buy[2], "bid": sell[1], "size": 0.5,
         "gross_bps": 1e4 * (sell[1] / buy[2] - 1), "net_bps": 1e4 * (sell[1] / buy[2] - 1) - 80}
        for buy in quotes
        for sell in quotes
        if sell[1] > buy[2]
    ]  # fmt: skip
    return {
        "as_of": iso(as_of) if quotes else None,
        "best_bid": best(1, max(quote[1] for quote in quotes)) if quotes else None,
        "best_ask": best(2, min(quote[2] for quote in quotes)) if quotes else None,
        "venues": [
            {"market": market, "exchange": market.partition(":")[0], "bid": bid, "ask": ask,
             "taker_bps": 40.0, "stale": False, "reasons": {}}
            for market, bid, ask in quotes
        ] + [
            {"market": market, "exchange": market.partition(":")[0], "bid": None, "ask": None,
             "taker_bps": 40.0, "stale": True, "reasons": {"bid": reason, "ask": reason}}
            for market, reason in unseen.items()
        ],
        "crossings": crossings, "stale": not quotes, "reasons": {},
        "left_out": [{"market": market, "reason": unseen[market]} for market in unseen],
    }  # fmt: skip


def suggestion(query: Data, bid: float, ask: float, tick: float, as_of: int) -> Data:
    """Answer a suggestion at the near side of a quote."""
    maker, taker = float(query.get("maker_bps", 25)), float(query.get("taker_bps", 40))
    mid = (bid + ask) / 2
    half = 5_000 * (ask - bid) / mid
    price = bid if query["side"] == "buy" else ask
    return {
        "market": query["market"], "side": query["side"], "as_of": iso(as_of), "price": price,
        "tick_size": tick, "bid": bid, "ask": ask, "mid": mid,
        "saving_bps": half + taker - (maker - half + 0.4), "taker_cost_bps": half + taker,
        "maker_cost_bps": maker - half + 0.4, "adverse_selection_bps": 0.4,
        "break_even_fill_probability": 0.21,
        "fill_rate": {
            "horizon_s": int(query["horizon"]), "window_s": 3_600, "rate": 0.62, "n": 720,
            "low": 0.58, "high": 0.66,
            "assumption": "filled when a trade goes through the price within the horizon",
        },
        "maker_bps": maker, "taker_bps": taker, "indicative": True, "stale": False, "reasons": {},
    }  # fmt: skip


def route(query: Data, as_of: int) -> Data:
    """Answer the direct market and two legs over BTC."""

    def leg(market: str, price: float, spread: float) -> Data:
        cost = spread / 2 + 40
        return {
            "market": market, "side": "buy", "price": price, "spread_bps": spread, "fee_bps": 40,
            "cost_bps": cost,
        }  # fmt: skip

    start, end = query["from"], query["to"]
    venue = query.get("exchange", "kraken")
    direct = [leg(f"{venue}:{end}-{start}", 0.5231, 12.0)]
    over = [leg(f"{venue}:BTC-{start}", 63507.6, 0.1), leg(f"{venue}:{end}-BTC", 8.2e-6, 9.0)]
    routes = [
        {"exchange": venue, "legs": legs, "cost_bps": sum(each["cost_bps"] for each in legs),
         "indicative": True, "reasons": {}}
        for legs in (direct, over)
    ]  # fmt: skip
    return {
        "from": start, "to": end, "as_of": iso(as_of), "routes": routes, "best": 0,
        "left_out": {}, "indicative": True, "reasons": {},
    }  # fmt: skip
