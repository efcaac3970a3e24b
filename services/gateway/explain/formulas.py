"""Every figure of a row written out: its formula, what goes into it, and what comes out.

The names and rules are those of `docs/from-frames-to-figures.md`, sections 6 and 7.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np

from models.times import iso_nanoseconds
from services.audit.baseline import FEWEST, FLAT
from services.audit.pieces import SECOND
from services.audit.quotes import SHORTEST, WINDOWS
from services.audit.spreads import MarketPast
from services.audit.trades import HORIZONS
from services.gateway.documentation.explain_schemas import ExplainedPane
from services.gateway.explain.listing import Costs, WindowQuotes, number

Inputs = dict[str, float | str | None]


class Worked(msgspec.Struct, frozen=True):
    """A figure worked out: `value` is `formula` of `inputs`, None where it is undefined."""

    value: float | None
    formula: str
    inputs: Inputs


def worked_points(past: MarketPast, as_of: int) -> dict[str, Worked]:
    """Return the figures of the quote in force just before a second (ns)."""
    quotes = past.quotes
    piece = int(np.searchsorted(quotes.breaks, as_of - 1, "right")) - 1
    unseen = piece < 0 or bool(quotes.unseen[piece])
    place = int(quotes.quote[max(piece, 0)])
    found = {"stale": Worked(float(unseen), "1 where the time just before as_of is unseen", {})}
    read = {name: number(column[place]) for name, column in quotes.values.items()}
    bid, ask = read["bid"], read["ask"]
    inputs: Inputs = {
        "quote_time": iso_nanoseconds(int(quotes.time[place])),
        **{name: read[name] for name in ("bid", "ask", "bid_size", "ask_size")},
    }
    for name in ("bid", "ask", "bid_size", "ask_size"):
        is_told = not unseen and bool(quotes.two_sided[place])
        formula = f"{name} of the quote in force just before as_of"
        found[name] = Worked(read[name] if is_told else None, formula, inputs)
    is_good = not unseen and bool(quotes.good_quote[place]) and bid is not None and ask is not None
    spread, mid, bid_size, ask_size = (
        read[name] for name in ("spread", "mid", "bid_size", "ask_size")
    )
    values: dict[str, tuple[float | None, str]] = {
        "mid": (mid, "(bid + ask) ÷ 2, of the decimals"),
        "spread": (spread, "ask − bid, of the decimals"),
        "spread_bps": (
            None if spread is None or mid is None else 1e4 * spread / mid,
            "10⁴ (ask − bid) ÷ mid",
        ),
        "imbalance": (
            None
            if bid_size is None or ask_size is None or not bid_size + ask_size
            else (bid_size - ask_size) / (bid_size + ask_size),
            "(bid_size − ask_size) ÷ (bid_size + ask_size)",
        ),
    }
    for name, (value, formula) in values.items():
        found[name] = Worked(value if is_good else None, formula, inputs)
    return found


def worked_window(
    past: MarketPast, label: str, quotes: WindowQuotes, costs: Costs
) -> dict[str, Worked]:
    """Return the figures of one window."""
    length_s = WINDOWS[label] / SECOND
    found: dict[str, Worked] = {}
    for name, column, what in (
        ("mean", "spread", "spread"),
        ("mean_bps", "spread_bps", "spread_bps"),
        ("imbalance", "imbalance", "(bid_size − ask_size) ÷ (bid_size + ask_size)"),
        ("depth", "depth", "bid × bid_size + ask × ask_size"),
    ):
        total, seconds = quotes.weighted(column)
        found[name] = Worked(
            total / seconds if seconds else None,
            f"Σ {what} × seconds ÷ Σ seconds, over quotes",
            {"sum": total, "seconds": seconds},
        )
    good = float(quotes.seconds.sum())
    found["coverage"] = Worked(
        good / length_s, "Σ seconds ÷ length of the window", {"seconds": good, "length": length_s}
    )
    ticks = quotes.values["spread"][quotes.counted]
    found["n"] = Worked(float(len(ticks)), "quotes that are counted", {})
    found["tick_mean"] = _mean("Σ spread ÷ n, over quotes that are counted", ticks.tolist())
    spreads = quotes.spreads()
    for name, pick in (("min", min), ("max", max)):
        found[name] = Worked(
            float(pick(spreads)) if len(spreads) else None,
            f"the {name} of spread over quotes that are counted or have seconds above 0",
            {"quotes": float(len(spreads))},
        )
    prices = past.trades.price[costs.counting("trades", WINDOWS[label])]
    found["trades_n"] = Worked(float(len(prices)), "trades of the window that are not late", {})
    for name, pick in (("trade_low", min), ("trade_high", max)):
        found[name] = Worked(
            float(pick(prices)) if len(prices) else None,
            f"the {'least' if name == 'trade_low' else 'greatest'} price of those trades",
            {"trades": float(len(prices))},
        )
    return {f"windows.{label}.{name}": each for name, each in found.items()}


def worked_costs(past: MarketPast, as_of: int, costs: Costs, first: int) -> dict[str, Worked]:
    """Return what trades cost, over 15 s; `first` is the time of the market's first quote."""
    effective = costs.of("effective").tolist()
    found = {
        "effective_bps": _mean("Σ 2·10⁴ side (price − mid) ÷ mid ÷ n, over trades", effective),
        "trades_n": Worked(float(len(effective)), "trades whose mid is defined", {}),
    }
    for label in HORIZONS:
        seconds = label[:-1]
        paid = costs.of(f"realised_{label}").tolist()
        found[f"realised_{label}_bps"] = _mean(
            f"Σ 2·10⁴ side (price − mid_{label}) ÷ mid ÷ n, over trades {seconds} s earlier", paid
        )
        found[f"impact_{label}_bps"] = _mean(
            f"Σ 2·10⁴ side (mid_{label} − mid) ÷ mid ÷ n, over trades {seconds} s earlier",
            costs.of(f"impact_{label}").tolist(),
        )
        found[f"realised_{label}_n"] = Worked(
            float(len(paid)), f"trades {seconds} s earlier with a mid and a later one", {}
        )
    begin = np.array([min(max(first, as_of - SHORTEST), as_of)], np.int64)
    seen = float(past.trades.seen_ns(begin, np.array([as_of], np.int64))[0]) / SECOND
    found["trades_coverage"] = Worked(
        seen / (SHORTEST / SECOND),
        "seconds in which trades were seen ÷ 15, from the market's first quote on",
        {"seconds": seen, "length": SHORTEST / SECOND},
    )
    return found


def worked_baseline(panes: Sequence[ExplainedPane], mean_bps: float | None) -> dict[str, Worked]:
    """Return the baseline's figures from its panes and the 15 s mean."""
    x = [pane.x for pane in panes]
    known = [value for value in x if value is not None]
    pairs = [(one, other) for one, other in pairwise(x) if one is not None and other is not None]
    n, mu, sigma = len(known), None, None
    if n:
        mu = math.fsum(known) / n
    if n > 1 and mu is not None:
        sigma = math.sqrt(math.fsum((value - mu) ** 2 for value in known) / (n - 1))
        sigma = sigma if sigma > FLAT else 0.0
    enough = n >= FEWEST
    inputs: Inputs = {"mu": mu, "sigma": sigma, "n": float(n)}
    z = None
    if enough and mu is not None and sigma and mean_bps:
        z = (math.log(mean_bps) - mu) / sigma
    slope = _slope(pairs)
    half_life = None
    if len(pairs) >= FEWEST and slope is not None and 0 < slope < 1:
        half_life = 10 * math.log(0.5) / math.log(slope)
    return {
        "baseline_bps": Worked(
            math.exp(mu) if enough and mu is not None else None,
            "e^mu, mu = Σ x ÷ n, of panes",
            inputs,
        ),
        "baseline_sigma": Worked(sigma if enough else None, "√(Σ (x − mu)² ÷ (n − 1))", inputs),
        "z": Worked(
            z, "(ln windows.15s.mean_bps − mu) ÷ sigma", inputs | {"windows.15s.mean_bps": mean_bps}
        ),
        "z_n": Worked(float(n), "panes that have an x", {}),
        "half_life_s": Worked(
            half_life,
            "10 s · ln 0.5 ÷ ln phi, phi the least-squares slope of x on the x before it",
            {"phi": slope, "n": float(len(pairs))},
        ),
        "half_life_n": Worked(float(len(pairs)), "pairs of neighbouring panes with an x", {}),
    }


def _mean(formula: str, values: Sequence[float]) -> Worked:
    total, n = math.fsum(values), len(values)
    return Worked(total / n if n else None, formula, {"sum": total, "n": float(n)})


def _slope(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Return the slope of the later on the earlier values, None where the earlier do not vary."""
    if len(pairs) < 2:
        return None
    before = math.fsum(one for one, _ in pairs) / len(pairs)
    after = math.fsum(other for _, other in pairs) / len(pairs)
    squares = math.fsum((one - before) ** 2 for one, _ in pairs)
    if math.sqrt(squares / (len(pairs) - 1)) <= FLAT:
        return None
    return math.fsum((one - before) * (other - after) for one, other in pairs) / squares
