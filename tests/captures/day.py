"""A long quiet capture of the simulated market: hours of event time at a few ticks a second.

The market model (`services/simulator/market`) runs as always, but each of its slices of 25 ms is
told as one second, so a day takes seconds to make; the protocols of the simulator write the
frames, with the told times. Half-lives are 40 times as long as the model says, and volatility over
a day as small as the model's over 36 minutes.

Two coins on three exchanges, in `MARKETS`. Every three hours the holes of `HOLES` come again, and
once, after 14 hours, Kraken is away for 35 minutes. About one trade in a hundred arrives too late.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import msgspec
import zstandard

from services.simulator.exchanges.binance import BinanceFeed
from services.simulator.exchanges.coinbase import CoinbaseFeed
from services.simulator.exchanges.kraken import KrakenFeed
from services.simulator.exchanges.session import Feed, Session
from services.simulator.market.history import History
from services.simulator.market.model import (
    SLICE_NS,
    TICKS_AN_EVENT,
    TRADE_SHARE,
    MarketModel,
    ModelSettings,
)
from services.simulator.market.state import Market, MarketEvent

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 1_000_000_000
MINUTE, HOUR = 60, 3_600
START = 1_775_001_600  # 2026-04-01T00:00:00Z
SEED = 20260401
TICKS_A_SECOND = 3.0
"""Top-of-book changes and trades of all `MARKETS` together."""
MARKETS = (
    "binance:BTC-USDT",
    "binance:ETH-USDT",
    "coinbase:BTC-USD",
    "coinbase:ETH-USD",
    "kraken:BTC-USD",
    "kraken:ETH-USD",
)

ROUND = 3 * HOUR
HOLES = (
    # Second of the round, exchange, what happens, for how many seconds.
    (40 * MINUTE + 7, "coinbase", "closed", 90),
    (65 * MINUTE, "kraken", "silent", 61),
    (80 * MINUTE + 3, "binance", "silent", 100),
    (95 * MINUTE, "kraken", "book lost", 25),
    (110 * MINUTE + 11, "coinbase", "closed", 7 * MINUTE),
    (130 * MINUTE, "binance", "closed", 45),
    (150 * MINUTE + 30, "coinbase", "trade lost", 0),
    (155 * MINUTE, "kraken", "closed", 12),
)
LONG_HOLE = (13 * HOUR + 58 * MINUTE, "kraken", "closed", 35 * MINUTE)

_LATENCY = {"binance": 0.020, "coinbase": 0.045, "kraken": 0.070}
_HEARTBEAT_S = 2
_LATE_TRADES = 0.01
_MENDED_AFTER_S = 25
_STRETCH = SECOND // SLICE_NS
_COINBASE = (
    '{"type":"subscribe","product_ids":["BTC-USD","ETH-USD"],'
    '"channels":["level2_batch","matches","heartbeat"]}'
)
_KRAKEN = (
    '{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD"],"depth":10}}',
    (
        '{"method":"subscribe","params":'
        '{"channel":"ticker","symbol":["ETH/USD"],"event_trigger":"bbo"}}'
    ),
    '{"method":"subscribe","params":{"channel":"trade","symbol":["BTC/USD","ETH/USD"]}}',
)
_BINANCE = "streams=btcusdt@bookTicker/btcusdt@trade/ethusdt@bookTicker/ethusdt@trade"


Hole = tuple[int, str, str, int]


def holes_until(end: int, long_hole: Hole = LONG_HOLE) -> list[Hole]:
    """Return every hole that has passed by the second `end`, by its second."""
    rounds = range(0, end, ROUND)
    holes = [
        (begin + at, exchange, what, length)
        for begin in rounds
        for at, exchange, what, length in HOLES
    ]
    return sorted(hole for hole in [*holes, long_hole] if hole[0] + hole[3] < end - MINUTE)


@dataclass
class _Line:
    """The connection of an exchange, as a client sees it."""

    exchange: str
    number: int = 0
    session: Session | None = None
    silent: bool = False
    lose_trade: bool = False
    last: int = 0


class Day:
    """The market and the three connections; `write` lets it happen."""

    def __init__(self, hours: float, long_hole: Hole = LONG_HOLE) -> None:
        self.end = round(hours * HOUR)
        self.long_hole = long_hole
        self.random = Random(SEED)
        self.model = _model_of()
        self.first = self.model.start
        self.now = self.first
        self.spoil = False
        history = History(self.model)
        self.feeds: dict[str, Feed] = {
            "binance": BinanceFeed(self._markets("binance"), history),
            "coinbase": CoinbaseFeed(self._markets("coinbase"), history),
            "kraken": KrakenFeed(
                self._markets("kraken"), history, lambda: self.now, self._spoils_checksum
            ),
        }
        self.lines = {exchange: _Line(exchange) for exchange in self.feeds}
        self.entries: list[tuple[int, int, str]] = []
        self.acts: dict[int, list[Callable[[], None]]] = {}

    def write(self, path: Path) -> None:
        """Let all of it happen and write it down by receive time, as JSON lines."""
        self._plan()
        for second in range(self.end):
            for act in self.acts.get(second, ()):
                act()
            for event in self.model.advance(self.model.time + SLICE_NS):
                self._event(event)
            self.now = self._told(self.model.time)
            if second % _HEARTBEAT_S == 0:
                for exchange in ("coinbase", "kraken"):
                    self.feeds[exchange].second_end(self.now)
            for line in self.lines.values():
                self._receive(line)
        self.entries.sort()
        with path.open("wb") as file, zstandard.ZstdCompressor(level=1).stream_writer(file) as out:
            out.write("\n".join([text for _, _, text in self.entries]).encode() + b"\n")

    def _markets(self, exchange: str) -> list[Market]:
        return [each for each in self.model.markets if each.listing.exchange == exchange]

    def _plan(self) -> None:
        for line in self.lines.values():
            self._at(0, partial(self._open, line))
        for second, exchange, what, length in holes_until(self.end, self.long_hole):
            line, over = self.lines[exchange], second + length
            match what:
                case "closed":
                    self._at(second, partial(self._close, line))
                    self._at(over, partial(self._open, line))
                case "silent":
                    self._at(second, partial(setattr, line, "silent", True))
                    self._at(over, partial(setattr, line, "silent", False))
                    if exchange == "kraken":
                        # Updates are missing, so the next one shows that the book is lost.
                        self._at(over + _MENDED_AFTER_S, self._subscribe_book_again)
                case "book lost":
                    self._at(second, partial(setattr, self, "spoil", True))
                    self._at(over, self._subscribe_book_again)
                case "trade lost":
                    self._at(second, partial(setattr, line, "lose_trade", True))

    def _at(self, second: int, act: Callable[[], None]) -> None:
        self.acts.setdefault(second, []).append(act)

    def _told(self, time: int) -> int:
        return self.first + (time - self.first) * _STRETCH

    def _event(self, event: MarketEvent) -> None:
        time = self.now = self._told(event.time)
        fills = tuple(msgspec.structs.replace(fill, time=time) for fill in event.fills)
        told = MarketEvent(event.market, time, event.changes, fills, event.best_changed)
        exchange = event.market.listing.exchange
        self.feeds[exchange].event(told)
        # A batch of Coinbase's is over at once: of a second it would be late.
        self.feeds[exchange].slice_end(0)
        self._receive(self.lines[exchange])

    def _open(self, line: _Line) -> None:
        line.number += 1
        line.session = session = Session(line.exchange, f"{line.exchange}-{line.number}", self.now)
        self._mark(line, "open")
        feed = self.feeds[line.exchange]
        feed.open(session, "stream", _BINANCE)
        requests = {"coinbase": (_COINBASE,), "kraken": _KRAKEN}.get(line.exchange, ())
        for request in requests:
            feed.receive(session, request, self.now)
        self._receive(line)

    def _close(self, line: _Line) -> None:
        assert line.session is not None
        self._mark(line, "close")
        self.feeds[line.exchange].close(line.session)
        line.session = None

    def _subscribe_book_again(self) -> None:
        line = self.lines["kraken"]
        assert line.session is not None
        for method in ("unsubscribe", "subscribe"):
            request = _KRAKEN[0].replace("subscribe", method, 1)
            self.feeds["kraken"].receive(line.session, request, self.now)
        self._receive(line)

    def _spoils_checksum(self) -> bool:
        spoil, self.spoil = self.spoil, False
        return spoil

    def _mark(self, line: _Line, kind: str) -> None:
        line.last = max(self.now, line.last + 1_000)
        self._note(line.last, line, kind=kind)

    def _receive(self, line: _Line) -> None:
        if line.session is None or not line.session.outgoing:
            return
        frames, line.session.outgoing = line.session.outgoing, []
        line.session.ticks = []
        for text in [] if line.silent else map(_text_in, frames):
            is_trade = '"match"' in text or '"e":"trade"' in text or '"trade","type":"u' in text
            if is_trade and line.lose_trade:
                line.lose_trade = False
                continue
            delay = _LATENCY[line.exchange] + min(self.random.expovariate(80.0), 0.1)
            receive = max(self.now + round(delay * 1e6) * 1_000, line.last + 3_000)
            if is_trade and self.random.random() < _LATE_TRADES:
                receive += 2 * SECOND
            else:
                line.last = receive
            self._note(receive, line, frame=text)

    def _note(self, receive: int, line: _Line, **what: str) -> None:
        name = f"{line.exchange}-{line.number}"
        entry = {"t": receive, "exchange": line.exchange, "c": name, **what}
        self.entries.append((receive, len(self.entries), json.dumps(entry, separators=(",", ":"))))


def _model_of() -> MarketModel:
    """Return the market whose `MARKETS` have `TICKS_A_SECOND` of told time."""
    settings = ModelSettings(seed=SEED, coins=2, rate=1.0, crossed=0.01)
    share = sum(shares_of(MarketModel(settings, START * SECOND)).values())
    rate = TICKS_A_SECOND * _STRETCH / share
    return MarketModel(msgspec.structs.replace(settings, rate=rate), START * SECOND)


def shares_of(model: MarketModel) -> dict[str, float]:
    """Return by market of `MARKETS` its share of all events of the model."""
    pairs = zip(model.listings, model.shares.tolist(), strict=True)
    shares = {listing.market: share for listing, share in pairs}
    return {market: shares[market] for market in MARKETS}


def takers_a_second() -> dict[str, float]:
    """Return by market of how many takers there are trades a second of told time, on average."""
    return {market: rate * TRADE_SHARE for market, rate in _events_a_second().items()}


def quotes_a_second() -> dict[str, float]:
    """Return by market how many good quotes a second there are of told time, at least.

    Of the events that are no trades at least four in five change a best level.
    """
    return {market: 0.8 * (1 - TRADE_SHARE) * rate for market, rate in _events_a_second().items()}


def _events_a_second() -> dict[str, float]:
    shares = shares_of(_model_of())
    per_share = TICKS_A_SECOND / TICKS_AN_EVENT / sum(shares.values())
    return {market: share * per_share for market, share in shares.items()}


def _text_in(frame: bytes) -> str:
    """Return the text of a websocket frame as a server sends it."""
    length_bytes = {126: 2, 127: 8}.get(frame[1], 0)
    return frame[2 + length_bytes :].decode()


def write(path: Path, hours: float, long_hole: Hole = LONG_HOLE) -> None:
    """Write the capture of so many hours: the same bytes every time."""
    Day(hours, long_hole).write(path)
