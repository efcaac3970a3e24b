"""What a system lives through while it is watched from the outside, and what is seen."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from tests.e2e.answers import parsed
from tests.e2e.follower import Follower, Key
from tests.e2e.recomputed import TABLES
from tests.e2e.system import System
from tests.oracle.rows import iso

LIVE_S = 70.0
SILENCE_S = 9
"""Longer than Kraken may be silent without being stale."""
MARKET = "kraken:BTC-USD"
FOLLOWED = {
    "spreads": [MARKET, "coinbase:ETH-USD", "binance:SOL-USDT"],
    "bars": [f"{MARKET}|1m", "coinbase:ETH-USD|1m"],
    "indicators": [f"{MARKET}|1m", "coinbase:ETH-USD|1m"],
    "correlations": ["1h.pearson", "15m.10s.pearson"],
}
MARKETS = ("kraken:BTC-USD", "coinbase:ETH-USD", "binance:SOL-USDT", "kraken:SOL-BTC")
COINS = ("BTC", "ETH", "SOL")
ENDS = ("from=USD&to=SOL", "from=SOL&to=BTC")


@dataclass
class Answer:
    """What REST answered: `when` in the story, the path asked for, and the body."""

    when: str
    path: str
    body: Any


@dataclass
class Story:
    """What was seen from the outside while the system lived."""

    answers: list[Answer] = field(default_factory=list)
    always: list[Follower] = field(default_factory=list)
    in_turns: list[Follower] = field(default_factory=list)
    refused: list[Answer] = field(default_factory=list)


def asked_for() -> Iterator[str]:
    """Yield what a sceptical user asks for."""
    yield from ("/v1/live", "/v1/ready", "/v1/catalog", "/v1/feeds", "/v1/coins", "/v1/markets")
    yield from ("/v1/spreads", *(f"/v1/orders/route?{ends}" for ends in ENDS))
    for market in MARKETS:
        exchange, _, pair = market.partition(":")
        coin, _, quote = pair.rpartition("-")
        yield from (f"/v1/markets/{exchange}/{pair}", f"/v1/spreads/{exchange}/{pair}")
        for side in ("buy", "sell"):
            yield f"/v1/orders/suggestion?market={market}&side={side}&horizon=10"
        for interval in ("1m", "5m", "1h", "1d"):
            words = urlencode({"exchange": exchange, "quote": quote, "interval": interval})
            yield f"/v1/coins/{coin}/bars?{words}"
            yield f"/v1/coins/{coin}/indicators?{words}"
    for coin in COINS:
        yield from (f"/v1/coins/{coin}", f"/v1/coins/{coin}/venues")
        for what in ("bars", "indicators?start=2020-01-01T00:00:00Z", "bars?interval=1h"):
            yield f"/v1/coins/{coin}/{what}"
    for table in (*TABLES, "24h.5m.pearson", "1h.60s.ewma", "1h.1s.hayashi_yoshida"):
        window, sampling, method = table.split(".")
        words = urlencode({"window": window, "sampling": sampling, "method": method})
        yield f"/v1/correlations?{words}"
        yield f"/v1/correlations?{words}&coins=*&repair=true&order=cluster"
        yield from (f"/v1/correlations/BTC/ETH{what}?{words}" for what in ("", "/history"))


def ask_everything(system: System, story: Story, when: str) -> None:
    """Ask for all of that, and keep the answers."""
    for path in asked_for():
        answer = system.ask(path)
        if "suggestion" in path and answer.status_code == HTTPStatus.CONFLICT:
            story.refused.append(Answer(when, path, parsed(answer.content)))
            continue
        body = parsed(answer.raise_for_status().content)
        story.answers.append(Answer(when, path, body))


@contextmanager
def watched(system: System) -> Iterator[Story]:
    """Let the system live through kills and an outage; the stream is followed all the while."""
    found = Story()
    ask_everything(system, found, "fresh")
    found.always.append(Follower(system.address, FOLLOWED))
    found.in_turns.append(Follower(system.address, FOLLOWED))
    try:
        system.kill("spread-0", "correlation-0")
        first = found.in_turns[0]
        system.until(lambda: set(first.newest()) >= keys_followed(), "a value of every key")
        first.leave()
        system.kill("bars-0", "ingestion-0")
        found.in_turns.append(Follower(system.address, FOLLOWED, first.newest()))
        spread = "/v1/spreads/kraken/BTC-USD"
        after = iso(int(time.time()) + 2)

        def is_followed_again() -> bool:
            row = system.get(spread)
            return str(row["as_of"]) > after and not row["stale"]

        # A silence that nobody listens to makes nothing stale.
        system.until(is_followed_again, "Kraken to be followed after the kills")
        system.break_something("silence", exchange="kraken", seconds=str(SILENCE_S))
        system.until(lambda: system.get(spread)["reasons"].get("bid") == "stale", "a stale Kraken")
        ask_everything(system, found, "Kraken is silent")

        back = iso(int(time.time()) + SILENCE_S)

        def everything_is_seen() -> bool:
            rows = system.pages("/v1/spreads")
            return all(str(row["as_of"]) > back and not row["stale"] for row in rows)

        system.until(everything_is_seen, "every market to be seen again")
        system.until(
            lambda: time.monotonic() - system.live_since > LIVE_S, f"{LIVE_S:g} s to be over"
        )
        system.until(lambda: has_impacts(system), "an impact of trades a minute later")
        ask_everything(system, found, "later")
        yield found
    finally:
        for follower in (*found.always, *found.in_turns):
            follower.leave()


def has_impacts(system: System) -> bool:
    """Return whether what trades moved within a minute is known of any market asked for."""
    for market in MARKETS:
        answer = system.ask(f"/v1/orders/suggestion?market={market}&side=buy&horizon=10")
        if answer.status_code == HTTPStatus.OK and parsed(answer.content)["impact_n"]:
            return True
    return False


def keys_followed() -> set[Key]:
    """Return every channel and key that is followed."""
    return {(channel, key) for channel, keys in FOLLOWED.items() for key in keys}
