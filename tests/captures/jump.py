"""The capture of time itself: three exchanges without names, sparse markets, a jump, new skews.

Half a minute of quotes, three minutes of little but heartbeats, six minutes of nothing, half a
minute with slower lines (the skew's 300 s are over), then at once with faster ones.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from tests.captures.stage import Line, Stage, Tape, Walk, iso, nanoseconds

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = 600.0  # long after the other captures have ended
QUIET, NOTHING, SLOW, FAST, END = (BEGIN + t for t in (30, 210, 570, 600, 630))
WALKS = {
    "coinbase:BTC-USD": (8_474_000, 2),
    "coinbase:FIL-USD": (2_718, 3),
    "kraken:BTC/USD": (847_400, 1),
    "kraken:TRX/USD": (330_120, 6),
    "binance:BTCUSDT": (8_474_100, 2),
    "binance:TRXUSDT": (3_301, 4),
}


class Script:
    """Plays one connection of every exchange."""

    def __init__(self) -> None:
        self.stage, self.tape = Stage(20260304), Tape()
        self.random = self.stage.random
        silence = ((NOTHING, SLOW),)
        self.lines = {
            name: Line(self.tape, self.random, name, silences=silence, offset=offset)
            for name, offset in (("coinbase", 0.05), ("kraken", 0.08), ("binance", 0.02))
        }
        self.walks = {
            name: Walk(self.random, *shape, trade_id=500_000) for name, shape in WALKS.items()
        }
        self.update_id = 60_000_000_000

    def faster(self, offset: float, _now: float) -> None:
        """Let every line take `offset` more, or less, than at first."""
        for line, usual in zip(self.lines.values(), (0.05, 0.08, 0.02), strict=True):
            line.offset = usual + offset

    def quote(self, now: float, market: str, own: float | None = None) -> None:
        """Send a quote the way its exchange does."""
        exchange, _, symbol = market.partition(":")
        walk = self.walks[market]
        walk.step()
        time = iso(now if own is None else own)
        bid, ask = walk.text(walk.bid), walk.text(walk.ask)
        if exchange == "kraken":
            text = (
                f'{{"channel":"ticker","type":"update","data":[{{"symbol":"{symbol}","bid":{bid},'
                f'"bid_qty":{walk.size()},"ask":{ask},"ask_qty":{walk.size()},'
                f'"timestamp":"{time}"}}]}}'
            )
        elif exchange == "coinbase":
            message = {"type": "ticker", "product_id": symbol, "best_bid": bid, "best_ask": ask}
            message |= {"best_bid_size": walk.size(), "best_ask_size": walk.size(), "time": time}
            text = json.dumps(message)
        else:
            self.update_id += self.random.randint(1, 5)
            data = {"u": self.update_id, "s": symbol, "b": bid, "B": "1.5", "a": ask, "A": "2.5"}
            text = json.dumps({"stream": f"{symbol.lower()}@bookTicker", "data": data})
        self.lines[exchange].send(now, text)

    def trade(self, now: float) -> None:
        """Send a Binance trade: the only frames of it that carry a time."""
        walk = self.walks["binance:BTCUSDT"]
        stamp = nanoseconds(now) // 1_000_000
        data = {"e": "trade", "E": stamp, "s": "BTCUSDT", "t": walk.next_id(), "T": stamp}
        data |= {"p": walk.text(walk.ask), "q": walk.size(5), "m": False, "M": True}
        self.lines["binance"].send(now, json.dumps({"stream": "btcusdt@trade", "data": data}))

    def heartbeat(self, now: float) -> None:
        """Send a heartbeat on the two exchanges that have them."""
        beat = {"type": "heartbeat", "product_id": "BTC-USD", "last_trade_id": 1, "time": iso(now)}
        self.lines["coinbase"].send(now, json.dumps(beat))
        self.lines["kraken"].send(now, '{"channel":"heartbeat"}')

    def busy(self, now: float, market: str) -> None:
        """Send a quote unless it is the quiet time."""
        if not QUIET <= now < NOTHING:
            self.quote(now, market)


def write(path: Path) -> None:
    """Write the capture of the jump."""
    script = Script()
    stage = script.stage
    for market in WALKS:
        if "BTC" in market:
            stage.often(BEGIN, 0.4, partial(script.busy, market=market))
    stage.often(BEGIN, 1.1, script.trade)
    stage.every(BEGIN + 0.5, 1.0, script.heartbeat)
    stage.every(BEGIN + 0.6, 9.7, partial(script.quote, market="binance:BTCUSDT"))
    for sparse in ("coinbase:FIL-USD", "kraken:TRX/USD", "binance:TRXUSDT"):
        for later in (BEGIN + 4, BEGIN + 4.4, BEGIN + 175, SLOW + 3, FAST + 9):
            stage.at(later, partial(script.quote, market=sparse))
    for market in ("coinbase:BTC-USD", "kraken:BTC/USD"):
        # As old as the lines are slow: below the clock, which went on with the skew of before.
        stage.at(SLOW + 0.02, partial(script.quote, market=market, own=SLOW - 0.1))
    stage.at(SLOW, partial(script.faster, 0.24))
    stage.at(FAST, partial(script.faster, -0.015))
    stage.run(END)
    script.tape.write(path)
