"""What the tests of the page have in common: names, and messages as the gateway sends them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page

from services.gateway.web.dev.mock_gateway import Data, Update, iso

BTC, ETH, SHIB = "kraken:BTC-USD", "coinbase:ETH-USD", "binance:SHIB-USDT"
PRICES = ("bid", "ask", "mid", "spread", "spread_bps")
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
# The page says a loss within seconds; a busy machine gets more.
WITHIN_MS = 15_000

OpenPage = Callable[..., Page]


def now() -> int:
    return int(time.time())


def ahead() -> int:
    """A time that is not late for a minute, however long a busy machine takes to show it."""
    return now() + 60


def until(page: Page, condition: Callable[[], Any]) -> None:
    """Wait for what the page says to no locator."""
    deadline = time.monotonic() + 2 * WITHIN_MS / 1_000
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come within its limit"
        page.wait_for_timeout(50)


# The texts in sight with less than 4.5 of contrast to their ground, both as they are blended.
_FAINT = """() => {
    const parse = (colour) => {
        const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
        return { rgb: [r, g, b], a };
    };
    const over = (above, below, a) => above.map((value, i) => value * a + below[i] * (1 - a));
    const luminance = (rgb) => {
        const [r, g, b] = rgb.map((value) => {
            const share = value / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const grounds = (element) => {
        const found = [];
        for (let each = element; each; each = each.parentElement) {
            found.push(parse(getComputedStyle(each).backgroundColor));
        }
        return found.reverse().reduce((below, { rgb, a }) => over(rgb, below, a), [255, 255, 255]);
    };
    const opacity = (element) => {
        let found = 1;
        for (let each = element; each; each = each.parentElement) {
            found *= Number(getComputedStyle(each).opacity);
        }
        return found;
    };
    const faint = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const element = node.parentElement;
        const { width, height } = element.getBoundingClientRect();
        if (!node.data.trim() || width < 2 || height < 2 || !element.checkVisibility()) continue;
        const ground = grounds(element);
        const { rgb, a } = parse(getComputedStyle(element).color);
        const text = over(rgb, ground, a * opacity(element));
        const [less, more] = [luminance(text), luminance(ground)].sort((x, y) => x - y);
        const contrast = (more + 0.05) / (less + 0.05);
        if (contrast < 4.5) faint.push(`${node.data} (${element.className}): ${contrast}`);
    }
    return faint;
}"""


def faint(page: Page) -> list[str]:
    """Return the texts that are hard to read."""
    found: list[str] = page.evaluate(_FAINT)
    return found


def spread(market: str, as_of: int, bid: float, ask: float, **changes: Any) -> Update:
    exchange, _, pair = market.partition(":")
    mid = (bid + ask) / 2
    bps = 1e4 * (ask - bid) / mid
    window = {"mean": ask - bid, "mean_bps": bps, "tick_mean": ask - bid, "min": ask - bid}
    data: Data = {
        "market": market,
        "exchange": exchange,
        "coin": pair.rpartition("-")[0],
        "quote_currency": pair.rpartition("-")[2],
        "as_of": iso(as_of),
        "bid": bid,
        "ask": ask,
        "mid": mid,
        "spread": ask - bid,
        "spread_bps": bps,
        "windows": {"15s": {**window, "max": ask - bid, "n": 212, "coverage": 1.0}},
        "stale": False,
        "reasons": {},
    }
    return market, as_of, {**data, **changes}


def unseen(market: str, as_of: int, reason: str) -> Update:
    """A row of a market of which the whole window could not be seen."""
    fields = ("mean", "mean_bps", "tick_mean", "min", "max")
    window = {**dict.fromkeys(fields), "n": 0, "coverage": 0.0}
    reasons = dict.fromkeys([*PRICES, *(f"windows.15s.{field}" for field in fields)], reason)
    _, _, data = spread(market, as_of, 1.0, 2.0)
    data |= dict.fromkeys(PRICES) | {"windows": {"15s": window}, "reasons": reasons, "stale": True}
    return market, as_of, data


def quote(market: str, at: float, bid: float | None, ask: float | None, seq: int) -> Update:
    data = {"market": market, "time": iso(at), "bid": bid, "bid_size": 1, "ask": ask, "ask_size": 1}
    return market, seq, data


def feed(market: str, status: str) -> Update:
    counters = ("quotes", "trades", "late", "crossed", "gaps", "trades_lost", "reconnects")
    data = dict.fromkeys(counters, 0) | {
        "market": market, "exchange": market.partition(":")[0], "status": status, "detail": None,
        "since": iso(now()), "as_of": iso(now()), "last_frame": None, "clock_skew_ms": None,
    }  # fmt: skip
    return market, 1, data
