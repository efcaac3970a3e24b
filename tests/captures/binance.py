"""The Binance capture: a rotation with overlap, a silence, a loss, depth with and without sync."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.captures.stage import Line, Stage, Tape, Walk, nanoseconds

if TYPE_CHECKING:
    from pathlib import Path

URL = "wss://data-stream.binance.vision/stream"
REST = "https://data-api.binance.vision/api/v3/depth?symbol={}&limit=1000"
AHEAD = 0.4  # the exchange's clock is this much ahead: the skew is negative
WALKS = {
    "BTCUSDT": (8_473_700, 2),
    "ETHUSDT": (196_900, 2),
    "SOLUSDT": (14_210, 2),
    "ADAUSDT": (6_103, 4),
    "XRPUSDT": (24_071, 4),
    "NEARFDUSD": (2_345, 3),
    "UNIUSDC": (5_210, 3),
    "TRXBTC": (391, 8),
}
QUOTED = {"BTCUSDT": 0.12, "ETHUSDT": 0.25, "SOLUSDT": 0.8, "UNIUSDC": 2.5}
EXACT = (10, 25, 26, 40)
TRADED = {"BTCUSDT": ("trade",), "ETHUSDT": ("aggTrade",), "SOLUSDT": ("aggTrade", "trade")}


class Script:
    """Plays all Binance connections; `2` takes over from `1` with an overlap, `3` comes later."""

    def __init__(self) -> None:
        self.stage, self.tape = Stage(20260303), Tape()
        self.random = self.stage.random
        make = partial(Line, self.tape, self.random, "binance")
        # Nothing else is on its way where a frame must arrive exactly on the second.
        pauses = tuple((second - 0.12, second) for second in EXACT)
        self.lines = [
            make("1", opens=0, closes=47, silences=pauses),
            make("2", opens=44, closes=106, silences=((62, 90),)),
            make("3", opens=112, closes=124),
        ]
        self.walks = {name: Walk(self.random, *shape, width=3) for name, shape in WALKS.items()}
        self.update_id = 50_093_239_000
        self.depth_ids: dict[str, int] = {}

    def send(self, now: float, stream: str, data: dict[str, Any], *, exactly: bool = False) -> None:
        """Send a frame of the combined stream on every connection that is up."""
        text = json.dumps({"stream": stream, "data": data}, separators=(",", ":"))
        for line in self.lines:
            line.send(now, text, exactly=exactly)

    def quote(
        self,
        now: float,
        symbol: str,
        shift: int | None = None,
        size: str = "",
        exactly: bool = False,
        again: bool = False,
    ) -> None:
        """Send a bookTicker; `shift` is the spread in ticks, `again` repeats the last `u`."""
        walk = self.walks[symbol]
        walk.step()
        self.update_id += 0 if again else self.random.randint(1, 9)
        data = {
            "u": self.update_id,
            "s": symbol,
            "b": walk.text(walk.bid),
            "B": size or walk.size(),
            "a": walk.text(walk.ask if shift is None else walk.bid + shift),
            "A": walk.size(),
        }
        self.send(now, f"{symbol.lower()}@bookTicker", data, exactly=exactly)

    def trade(
        self,
        now: float,
        symbol: str,
        kind: str,
        skipped: int = 0,
        late: float = 0,
        again: bool = False,
    ) -> None:
        """Send a trade or an aggregated one; `late` seconds old, `again` with the last id."""
        walk = self.walks[symbol]
        maker = self.random.random() < 0.5
        number = walk.trade_id if again else walk.next_id(skipped)
        stamp = nanoseconds(now + AHEAD - late) // 1_000_000
        data: dict[str, Any] = {"e": kind, "E": stamp, "s": symbol}
        if kind == "trade":
            data["t"] = number
        else:
            data["a"] = number // 2
        data |= {"p": walk.text(walk.bid if maker else walk.ask), "q": walk.size(5)}
        if kind == "aggTrade":
            data |= {"f": number, "l": number}
        data |= {"T": stamp, "m": maker, "M": True}
        self.send(now, f"{symbol.lower()}@{kind}", data)

    def depth(self, now: float, symbol: str, lost: int = 0) -> None:
        """Send a depth event; `lost` of the ids before it are missing."""
        walk = self.walks[symbol]
        walk.step()
        first = self.depth_ids.get(symbol, 7_000) + 1 + lost
        last = self.depth_ids[symbol] = first + self.random.randint(0, 4)
        data = {
            "e": "depthUpdate",
            "E": nanoseconds(now + AHEAD) // 1_000_000,
            "s": symbol,
            "U": first,
            "u": last,
            "b": [[walk.text(walk.bid), walk.size()], [walk.text(walk.bid - 9), "0.00000000"]],
            "a": [[walk.text(walk.ask), walk.size()]],
        }
        self.send(now, f"{symbol.lower()}@depth@100ms", data)

    def rest(self, now: float, symbol: str, behind: int) -> None:
        """Write down a REST book that is `behind` ids behind the last depth event."""
        walk = self.walks[symbol]
        book = {
            "lastUpdateId": self.depth_ids[symbol] - behind,
            "bids": [[walk.text(walk.bid - i), walk.size()] for i in range(5)],
            "asks": [[walk.text(walk.ask + i), walk.size()] for i in range(5)],
        }
        text = json.dumps(book, separators=(",", ":"))
        line = next(line for line in self.lines if line.up(now))
        line.rest(now, REST.format(symbol), text)

    def depth_at_first(self, now: float, symbol: str) -> None:
        """Send depth on the first connection only."""
        if now < 40:
            self.depth(now, symbol)


def hard_cases(script: Script) -> None:
    """Schedule everything that does not happen by itself."""
    at = script.stage.at
    at(2.05, partial(script.rest, symbol="ADAUSDT", behind=2))  # the next events follow it
    at(2.06, partial(script.rest, symbol="XRPUSDT", behind=900))  # far too old: no sync
    at(9.05, partial(script.depth, symbol="ADAUSDT", lost=3))
    script.stage.often(20.0, 1.2, partial(script.quote, symbol="ADAUSDT"))  # a better source
    for second in EXACT:
        symbol = "UNIUSDC" if second == 26 else "BTCUSDT"
        at(second, partial(script.quote, symbol=symbol, exactly=True))
    at(12.95, partial(script.quote, symbol="SOLUSDT", shift=-4))
    at(13.6, partial(script.quote, symbol="SOLUSDT", shift=0))
    at(15.93, partial(script.quote, symbol="UNIUSDC", size="0.00000000"))
    at(16.4, partial(script.quote, symbol="ETHUSDT", again=True))
    at(17.5, partial(script.trade, symbol="BTCUSDT", kind="trade", skipped=3))
    at(18.5, partial(script.trade, symbol="BTCUSDT", kind="trade", late=0.8))
    at(19.5, partial(script.trade, symbol="BTCUSDT", kind="trade", late=-3.0))  # 3.4 s ahead
    at(21.5, partial(script.trade, symbol="ETHUSDT", kind="aggTrade", again=True))
    at(3.0, partial(script.quote, symbol="NEARFDUSD"))
    at(98.0, partial(script.quote, symbol="NEARFDUSD"))
    at(5.0, partial(script.quote, symbol="TRXBTC"))  # and nothing more of it
    at(28.0, lambda now: nonsense(script, now))


def nonsense(script: Script, now: float) -> None:
    """Send what cannot be read and what is not known."""
    line = script.lines[0]
    best = '"b":"1968.10","B":"1.0","a":"1968.20","A":"1.0"'
    head = '{"stream":"ethusdt@bookTicker","data":{"u":99000000000,"s":"ETHUSDT",'
    line.send(now, head + best[:20])
    line.send(now + 0.01, head + best.replace("1968.10", "0.00") + "}}")
    line.send(now + 0.02, head + best.replace('"1968.20"', "null") + "}}")
    line.send(now + 0.03, head + best.replace('"1.0"', '"-1.0"') + "}}")
    line.send(now + 0.04, '{"stream":"ethusdt@something_new","data":{"e":"somethingNew","E":1}}')
    line.send(now + 0.05, '{"error":{"code":2,"msg":"Invalid request: unknown"},"id":9}')


def write(path: Path) -> None:
    """Write the Binance capture."""
    script = Script()
    stage = script.stage
    for line in script.lines:
        stage.at(line.opens, partial(line.mark, "open", url=URL))
        stage.at(line.opens + 0.1, partial(line.send, text='{"result":null,"id":1}'))
    for line in script.lines[:2]:
        stage.at(line.closes, partial(line.mark, "close"))
    hard_cases(script)
    for symbol, mean in QUOTED.items():
        stage.often(0.5, mean, partial(script.quote, symbol=symbol))
    for symbol, kinds in TRADED.items():
        for place, kind in enumerate(kinds):
            stage.often(0.6 + 30 * place, 0.9, partial(script.trade, symbol=symbol, kind=kind))
    for symbol in ("ADAUSDT", "XRPUSDT"):
        stage.often(0.8, 0.7, partial(script.depth_at_first, symbol=symbol))
    stage.run(123)
    script.tape.write(path)
