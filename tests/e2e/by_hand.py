"""Answers that are made of others, made again from those in plain Python."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import permutations
from typing import Any

Figures = Mapping[str, Any]

STEP_S = 5
_HOUR_STEPS = 3_600 // STEP_S
_Z_95 = 1.959963984540054


def apart(answer: Figures, wanted: Figures) -> list[str]:
    """Return one line for every wanted field that the answer has otherwise."""
    return [
        f"{name}: {answer.get(name)!r} instead of {value!r}"
        for name, value in wanted.items()
        if not alike(answer.get(name), value)
    ]


def alike(one: Any, other: Any) -> bool:
    """Return whether two values are the same but for rounding."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return bool(one == other)


def composite(bars: Sequence[Figures]) -> dict[str, Any]:
    """Return the composite of the bars of several markets of one start, as they are shown.

    Of whether a bar without trade times opened first it says nothing: those are left to others.
    """
    bars = sorted(bars, key=lambda bar: str(bar["market"]))
    traded = [bar for bar in bars if bar["open"] is not None]
    told = [bar for bar in bars if bar["volume"] is not None]
    first = min(traded, key=lambda bar: str(bar["first_trade"] or bar["start"]), default=None)
    newest = max((str(bar["last_trade"] or bar["as_of"]) for bar in traded), default=None)
    last = next((bar for bar in traded if str(bar["last_trade"] or bar["as_of"]) == newest), None)
    made: dict[str, Any] = {
        "open": first["open"] if first else None,
        "first_trade": first["first_trade"] if first else None,
        "close": last["close"] if last else None,
        "last_trade": last["last_trade"] if last else None,
        "high": max((bar["high"] for bar in traded), default=None),
        "low": min((bar["low"] for bar in traded), default=None),
        "coverage": sum(bar["coverage"] for bar in bars) / len(bars),
        "markets": [bar["market"] for bar in bars],
    }
    for name in ("volume", "quote_volume", "n"):
        values = [bar[name] for bar in told]
        made[name] = None if not told or None in values else sum(values)
    known = made["volume"] and made["quote_volume"] is not None
    made["vwap"] = made["quote_volume"] / made["volume"] if known else None
    return made


def limit_price(side: str, tick: float, row: Figures) -> float | None:
    """Return where the rule puts an order, given a row of a spread."""
    reference = row["baseline_bps"]
    if None in (reference, row["bid"], row["ask"], row["mid"]):
        return None
    step, sign = Decimal(repr(tick)), -1 if side == "buy" else 1
    wanted = row["mid"] * (1 + sign * reference / 20_000)
    rounding = ROUND_FLOOR if side == "buy" else ROUND_CEILING
    # Twelve digits: what is on the grid but for the noise of floats stays there.
    steps = (Decimal(f"{wanted:.12g}") / step).to_integral_value(rounding)
    bid, ask = Decimal(repr(row["bid"])) / step, Decimal(repr(row["ask"])) / step
    steps = min(max(steps, bid), ask - 1) if side == "buy" else max(min(steps, ask), bid + 1)
    return float(steps * step)


def suggestion(
    answer: Figures,
    rows: Mapping[int, Figures],
    trades: Sequence[tuple[int, float]],
    newest: int,
) -> dict[str, Any]:
    """Return what an answer must say, given what it says of quote, fees and horizon.

    `rows` are the market's spreads by second, `trades` its times (ns) and prices, `newest` the
    last multiple of 5 s that had been read.
    """
    side, sign = answer["side"], 1.0 if answer["side"] == "buy" else -1.0
    row = dict(answer) | {"baseline_bps": answer["reference_spread_bps"]}
    price = limit_price(side, answer["tick_size"], row)
    impact, impact_n = _impact(rows, newest)
    adverse = None if impact is None else impact / 2
    spread_bps = 1e4 * (answer["ask"] - answer["bid"]) / answer["mid"]
    taker = spread_bps / 2 + answer["taker_bps"]
    maker = None
    if price is not None and adverse is not None:
        maker = sign * 1e4 * (price / answer["mid"] - 1) + answer["maker_bps"] + adverse
    filled = _filled(answer, rows, trades, newest)
    chase = filled["miss_drift_bps"]
    probability = None
    if maker is not None and chase is not None and maker < taker:
        probability = max(chase, 0.0) / (taker + max(chase, 0.0) - maker)
    return {
        "price": price,
        "impact_n": impact_n,
        "adverse_selection_bps": adverse,
        "taker_cost_bps": taker,
        "maker_cost_bps": maker,
        "saving_bps": None if maker is None else taker - maker,
        "chase_bps": chase,
        "break_even_fill_probability": probability,
        "fill_rate": dict(answer["fill_rate"]) | filled,
    }


def _impact(rows: Mapping[int, Figures], newest: int) -> tuple[float | None, int]:
    held = [
        (row["impact_60s_bps"], row["realised_60s_n"])
        for second, row in rows.items()
        if second % 15 == 0 and newest - 3_600 < second <= newest
        if row["impact_60s_bps"] is not None
    ]
    n = sum(count for _, count in held)
    return (sum(bps * count for bps, count in held) / n if n else None), n


def _filled(
    answer: Figures, rows: Mapping[int, Figures], trades: Sequence[tuple[int, float]], newest: int
) -> dict[str, Any]:
    side, horizon = answer["side"], answer["fill_rate"]["horizon_s"] // STEP_S
    traded: dict[int, list[float]] = {}
    for time, price in trades:
        traded.setdefault(time // (STEP_S * 1_000_000_000) + 1, []).append(price)
    sign = 1.0 if side == "buy" else -1.0
    fills: list[bool] = []
    drifts: list[float] = []
    end = newest // STEP_S - horizon
    for step in range(end - _HOUR_STEPS + 1, end + 1):
        row = rows.get(step * STEP_S)
        placed = None if row is None else limit_price(side, answer["tick_size"], row)
        ahead = range(step + 1, step + horizon + 1)
        if row is None or placed is None or not all(_is_seen(rows.get(k * STEP_S)) for k in ahead):
            continue
        met = [each for k in ahead for each in traded.get(k, [])]
        fills.append(any(sign * (each - placed) < 0 for each in met))
        if not fills[-1]:
            later = rows[(step + horizon) * STEP_S]["mid"]
            drifts.append(sign * 1e4 * (later / row["mid"] - 1))
    n = len(fills)
    if not n:
        nothing = dict.fromkeys(("rate", "low", "high", "miss_drift_bps"))
        return nothing | {"n": 0, "coverage": 0.0, "misses": 0}
    rate = sum(fills) / n
    low, high = _wilson(rate, max(1.0, n / horizon))
    return {
        "rate": rate,
        "n": n,
        "coverage": n / _HOUR_STEPS,
        "low": low,
        "high": high,
        "miss_drift_bps": sum(drifts) / len(drifts) if drifts else None,
        "misses": len(drifts),
    }


def _is_seen(row: Figures | None) -> bool:
    return row is not None and row["mid"] is not None and row["trades_coverage"] > 1 - 1e-9


def _wilson(rate: float, n: float) -> tuple[float, float]:
    """Return the two shares p with (rate − p)² = z² p (1 − p) / n."""
    a, b, c = 1 + _Z_95**2 / n, 2 * rate + _Z_95**2 / n, rate**2
    root = math.sqrt(max(b * b - 4 * a * c, 0.0))
    return max(0.0, min(rate, (b - root) / (2 * a))), min(1.0, max(rate, (b + root) / (2 * a)))


def routes(
    start: str, end: str, rows: Mapping[str, Figures], fees: Mapping[str, float]
) -> dict[str, float]:
    """Return what one unit becomes over every route of two legs at most, by their markets.

    `rows` are the spreads of the markets of one exchange that are seen, `fees` its taker's in bps.
    """
    found: dict[str, float] = {}
    for first, second in permutations([*rows, None], 2):
        if first is None:
            continue
        legs = [first] if second is None else [first, second]
        held, rate = start, 1.0
        for market in legs:
            if held == end:
                held = ""
                break
            base, _, quote = market.partition(":")[2].rpartition("-")
            row, kept = rows[market], 1 - fees[market.partition(":")[0]] / 1e4
            if held == quote:
                held, rate = base, rate / row["ask"] * kept
            elif held == base:
                held, rate = quote, rate * row["bid"] * kept
            else:
                held = ""
                break
        if held == end:
            found["+".join(legs)] = rate
    return found


def venues(answer: Figures) -> Iterator[str]:
    """Yield what does not follow from the venues of an answer."""
    usable = [each for each in answer["venues"] if each["mid"] is not None and not each["stale"]]
    if not usable:
        return
    bid, ask = max(each["bid"] for each in usable), min(each["ask"] for each in usable)
    for side, price in (("bid", bid), ("ask", ask)):
        there = [each for each in usable if each[side] == price]
        wanted = {
            "price": price,
            "size": sum(each[f"{side}_size"] for each in there),
            "markets": [each["market"] for each in there],
            "age_s": max(each["age_s"] for each in there),
        }
        yield from apart(answer[f"best_{side}"], wanted)
    if not alike(answer["spread_bps"], 2e4 * (ask - bid) / (ask + bid)):
        yield f"spread_bps: {answer['spread_bps']}"
    crossed = {
        (buy["market"], sell["market"]): min(buy["ask_size"], sell["bid_size"])
        for buy, sell in permutations(usable, 2)
        if sell["bid"] > buy["ask"]
    }
    shown = {(each["buy"], each["sell"]): each["size"] for each in answer["crossings"]}
    if crossed != shown:
        yield f"crossings: {shown} instead of {crossed}"
    left_out = {each["market"] for each in answer["left_out"]}
    if left_out != {each["market"] for each in answer["venues"]} - {e["market"] for e in usable}:
        yield f"left_out: {left_out}"
