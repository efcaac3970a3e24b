"""The Kraken capture: three named connections, books with checksums, every kind of ticker."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from zlib import crc32

from tests.captures.stage import Line, Stage, Tape, Walk, iso

if TYPE_CHECKING:
    from pathlib import Path

URL = "wss://ws.kraken.com/v2"
WALKS = {
    "BTC/USD": (847_376, 1),
    "ETH/USD": (196_902, 2),
    "SOL/USD": (14_213, 2),
    "ADA/USD": (610_120, 6),
    "ATOM/USD": (46_310, 4),
    "DOGE/USD": (2_213_400, 7),
    "UNI/USD": (5_212, 3),
    "FIL/USD": (2_719, 3),
}
TICKERS = {"ETH/USD": 0.3, "SOL/USD": 0.9, "ADA/USD": 1.5, "DOGE/USD": 0.8, "UNI/USD": 1.1}
BOOKS = {"BTC/USD": (10, 0.15), "ADA/USD": (25, 0.6)}
TRADED = ("BTC/USD", "ETH/USD", "SOL/USD")


class Book:
    """A book as Kraken keeps it: price in ticks to the text of the size, cut to its depth."""

    def __init__(self, walk: Walk, depth: int) -> None:
        self.walk, self.depth = walk, depth
        self.bids = {walk.bid - i: walk.size() for i in range(depth)}
        self.asks = {walk.ask + 1 + i: walk.size() for i in range(depth)}

    def set(self, side: str, price: int, size: str) -> str:
        """Set a level and return it as it is sent; a size of 0 removes it."""
        levels = self.bids if side == "bids" else self.asks
        if float(size) == 0:
            levels.pop(price, None)
        else:
            levels[price] = size
        return self.level(price, size)

    def level(self, price: int, size: str) -> str:
        """Return a level as it is sent."""
        return f'{{"price":{self.walk.text(price)},"qty":{size}}}'

    def cut(self) -> None:
        """Drop what lies deeper than the depth."""
        for levels, best_first in ((self.bids, True), (self.asks, False)):
            for price in sorted(levels, reverse=best_first)[self.depth :]:
                del levels[price]

    def checksum(self) -> int:
        """Return the CRC32 of the ten best asks and bids."""
        best = [(price, self.asks[price]) for price in sorted(self.asks)[:10]]
        best += [(price, self.bids[price]) for price in sorted(self.bids, reverse=True)[:10]]
        texts = [text for price, size in best for text in (self.walk.text(price), size)]
        return crc32("".join(text.replace(".", "").lstrip("0") for text in texts).encode())


class Script:
    """Plays all Kraken connections. `a` is followed by `b`; `c` serves two coins on its own."""

    def __init__(self) -> None:
        self.stage, self.tape = Stage(20260302), Tape()
        self.random = self.stage.random
        make = partial(Line, self.tape, self.random, "kraken")
        self.a = make("a", opens=0, closes=52, silences=((38, 45),))
        self.b = make("b", opens=55, closes=98, silences=((70, 91),))
        self.c = make("c", opens=8, closes=80)
        self.walks = {name: Walk(self.random, *shape) for name, shape in WALKS.items()}
        self.books: dict[str, Book] = {}
        self.deaf: set[str] = set()

    def line_of(self, symbol: str, now: float) -> Line:
        """Return the connection that carries a symbol."""
        if symbol in ("ATOM/USD", "FIL/USD"):
            return self.c
        return self.a if now < 53 else self.b

    def ack(self, now: float, symbol: str, channel: str, method: str = "subscribe") -> None:
        """Acknowledge a subscription or its end; `bbo` stands for the ticker by best."""
        extra = {"bbo": '"event_trigger":"bbo","snapshot":true,', "trade": '"snapshot":true,'}
        if channel == "ticker":
            extra["ticker"] = '"event_trigger":"trades","snapshot":true,'
        if channel == "book":
            extra["book"] = f'"depth":{BOOKS[symbol][0]},'
        name = "ticker" if channel == "bbo" else channel
        result = f'{{"channel":"{name}",{extra[channel]}"symbol":"{symbol}"}}'
        times = f'"time_in":"{iso(now - 0.02)}","time_out":"{iso(now - 0.01)}"'
        text = f'{{"method":"{method}","result":{result},"success":true,{times}}}'
        self.line_of(symbol, now).send(now, text)

    def ticker(
        self,
        now: float,
        symbol: str,
        kind: str = "update",
        own: float | None = None,
        sizes: tuple[str, str] | None = None,
        shift: int = 0,
    ) -> None:
        """Send a ticker; `shift` moves the bid up by so many ticks more than the spread."""
        walk = self.walks[symbol]
        walk.step()
        bid = walk.bid if not shift else walk.ask + shift - 1
        bid_size, ask_size = sizes or (walk.size(), walk.size())
        prices = f'"bid":{walk.text(bid)},"bid_qty":{bid_size},"ask":{walk.text(walk.ask)}'
        rest = f'"last":{walk.text(walk.bid)},"volume":9095630.20903971,"change_pct":5.25'
        stamp = f'"timestamp":"{iso(now if own is None else own)}"'
        item = f'{{"symbol":"{symbol}",{prices},"ask_qty":{ask_size},{rest},{stamp}}}'
        text = f'{{"channel":"ticker","type":"{kind}","data":[{item}]}}'
        self.line_of(symbol, now).send(now, text)

    def book(
        self, now: float, symbol: str, kind: str, bids: list[str], asks: list[str], checksum: int
    ) -> None:
        """Send a book frame."""
        sides = f'"bids":[{",".join(bids)}],"asks":[{",".join(asks)}],"checksum":{checksum}'
        item = f'{{"symbol":"{symbol}",{sides},"timestamp":"{iso(now)}"}}'
        text = f'{{"channel":"book","type":"{kind}","data":[{item}]}}'
        self.line_of(symbol, now).send(now, text)

    def snapshot(self, now: float, symbol: str) -> None:
        """Send a fresh book."""
        book = self.books[symbol] = Book(self.walks[symbol], BOOKS[symbol][0])
        self.deaf.discard(symbol)
        bids = [book.level(price, book.bids[price]) for price in sorted(book.bids, reverse=True)]
        asks = [book.level(price, book.asks[price]) for price in sorted(book.asks)]
        self.book(now, symbol, "snapshot", bids, asks, book.checksum())

    def update(self, now: float, symbol: str, wrong: int = 0) -> None:
        """Move the book to where its walk goes; `wrong` spoils the checksum."""
        if symbol not in self.books or symbol in self.deaf:
            return
        if not self.line_of(symbol, now).up(now):
            return
        walk, book = self.walks[symbol], self.books[symbol]
        bids, asks = [], []
        if self.random.random() < 1 / 4:
            deep = walk.bid - self.random.randint(2, 12)
            bids.append(book.set("bids", deep, walk.size()))
        else:
            walk.step()
            walk.ask += 1
            zero = "0.00000000"
            bids += [book.set("bids", p, zero) for p in sorted(book.bids) if p > walk.bid]
            asks += [book.set("asks", p, zero) for p in sorted(book.asks) if p < walk.ask]
            bids.append(book.set("bids", walk.bid, walk.size()))
            asks.append(book.set("asks", walk.ask, walk.size()))
        book.cut()
        self.book(now, symbol, "update", bids, asks, (book.checksum() + wrong) % 2**32)

    def crossed_then_empty(self, now: float) -> None:
        """Cross the book of BTC/USD, with right checksums; half a second later empty its asks."""
        book = self.books["BTC/USD"]
        self.deaf.add("BTC/USD")
        level = book.set("bids", max(book.asks) + 1, "0.70000000")
        book.cut()
        self.book(now, "BTC/USD", "update", [level], [], book.checksum())
        self.stage.at(now + 0.5, self.empty)
        self.stage.at(now + 1.7, self.mend)

    def empty(self, now: float) -> None:
        """Remove all asks."""
        book = self.books["BTC/USD"]
        asks = [book.set("asks", price, "0.00000000") for price in sorted(book.asks)]
        self.book(now, "BTC/USD", "update", [], asks, book.checksum())

    def mend(self, now: float) -> None:
        """Take the crossing bid back and give the asks a level again."""
        book = self.books["BTC/USD"]
        bid = book.set("bids", max(book.bids), "0.00000000")
        ask = book.set("asks", max(book.bids) + 3, "1.25000000")
        self.book(now, "BTC/USD", "update", [bid], [ask], book.checksum())
        self.deaf.discard("BTC/USD")

    def trades(self, now: float, symbol: str, kind: str = "update", again: bool = False) -> None:
        """Send one or two trades; with `again` the last id once more."""
        walk = self.walks[symbol]
        items = []
        for place in range(self.random.randint(1, 2)):
            side = self.random.choice(("buy", "sell"))
            price = walk.text(walk.ask if side == "buy" else walk.bid)
            number = walk.trade_id if again and place == 0 else walk.next_id()
            items.append(
                f'{{"symbol":"{symbol}","side":"{side}","price":{price},"qty":{walk.size()},'
                f'"ord_type":"limit","trade_id":{number},"timestamp":"{iso(now - 0.004 * place)}"}}'
            )
        text = f'{{"channel":"trade","type":"{kind}","data":[{",".join(items)}]}}'
        self.line_of(symbol, now).send(now, text)

    def heartbeat(self, now: float) -> None:
        """Send the heartbeat of every connection that is up."""
        for line in (self.a, self.b, self.c):
            line.send(now, '{"channel":"heartbeat"}')


def opening(script: Script, now: float, line: Line) -> None:
    """Open a connection with acknowledgements and snapshots."""
    status = '"system":"online","api_version":"v2","connection_id":18446744073709551000'
    line.mark("open", now, URL)
    line.send(now + 0.1, f'{{"channel":"status","type":"update","data":[{{{status}}}]}}')
    mine = [s for s in WALKS if script.line_of(s, now) is line]
    kinds = {"ETH/USD": "bbo", "DOGE/USD": "bbo", "SOL/USD": "ticker", "ATOM/USD": "bbo"}
    for step, symbol in enumerate(mine):
        later = now + 0.3 + 0.05 * step
        if symbol in kinds:
            script.stage.at(later, partial(script.ack, symbol=symbol, channel=kinds[symbol]))
            script.stage.at(later + 0.4, partial(script.ticker, symbol=symbol, kind="snapshot"))
        if symbol in BOOKS:
            script.stage.at(later, partial(script.ack, symbol=symbol, channel="book"))
            script.stage.at(later + 0.45, partial(script.snapshot, symbol=symbol))
        if symbol in TRADED:
            script.stage.at(later, partial(script.ack, symbol=symbol, channel="trade"))
            script.stage.at(later + 0.5, partial(script.trades, symbol=symbol, kind="snapshot"))


def hard_cases(script: Script) -> None:
    """Schedule everything that does not happen by itself."""
    stage, at = script.stage, script.stage.at
    at(6.2, script.crossed_then_empty)
    at(20.3, partial(script.update, symbol="BTC/USD", wrong=1))
    for later, method in ((23.1, "unsubscribe"), (23.15, "subscribe")):
        at(later, partial(script.ack, symbol="BTC/USD", channel="book", method=method))
    at(23.4, partial(script.snapshot, symbol="BTC/USD"))
    at(30.0, lambda _: script.deaf.add("BTC/USD"))
    for later, method in ((30.1, "unsubscribe"), (30.2, "subscribe")):
        at(later, partial(script.ack, symbol="BTC/USD", channel="book", method=method))
    at(31.4, partial(script.snapshot, symbol="BTC/USD"))
    at(33.0, partial(script.update, symbol="ADA/USD", wrong=7))  # not repaired on this connection
    at(12.0, partial(script.ack, symbol="UNI/USD", channel="bbo"))  # late; plain until then
    for second in (10, 25, 26, 40.0, 60.0):
        at(second, partial(script.ticker, symbol="ETH/USD"))
        at(second, partial(script.ticker, symbol="ATOM/USD"))
    for _ in range(3):
        at(14.5, partial(script.ticker, symbol="ETH/USD", own=14.5))
    at(16.1, partial(script.ticker, symbol="ETH/USD", own=15.2))
    at(17.3, partial(script.ticker, symbol="DOGE/USD", shift=3))
    at(18.6, partial(script.ticker, symbol="DOGE/USD", shift=1))
    at(19.2, partial(script.ticker, symbol="SOL/USD", sizes=("0.00000000", "3.10000000")))
    at(27.4, partial(script.ticker, symbol="ETH/USD", own=27.4 + 3.2))
    at(28.9, partial(script.trades, symbol="ETH/USD", again=True))
    at(9.0, partial(script.ticker, symbol="FIL/USD"))  # and nothing more of it
    at(35.0, lambda now: nonsense(script, now))
    stage.at(51.9, lambda _: script.books.clear())


def nonsense(script: Script, now: float) -> None:
    """Send what cannot be read, what is not known, and a refusal."""
    heads = '{"channel":"ticker","type":"update","data":[{"symbol":"ETH/USD","bid":'
    rest = '"bid_qty":1.0,"ask":1969.9,"ask_qty":1.0}]}'
    script.a.send(now, '{"channel":"ticker","type":"upd')
    script.a.send(now + 0.01, f"{heads}0,{rest}")
    script.a.send(now + 0.02, f'{heads}"1969.1",{rest}')
    script.a.send(now + 0.03, f"{heads}NaN,{rest}")
    script.a.send(now + 0.04, f'{heads}1969.1,"bid_qty":-1.0,"ask":1969.9,"ask_qty":1.0}}]}}')
    unknown = f'"data":[{{"symbol":"ETH/USD","timestamp":"{iso(now + 1)}"}}]'
    script.a.send(now + 0.05, f'{{"channel":"something_new","type":"update",{unknown}}}')
    refusal = '{"error":"Currency pair not supported XYZ/USD","method":"subscribe","success":false'
    script.a.send(now + 0.06, refusal + "}")
    script.a.send(now + 0.07, '{"method":"pong","req_id":42}')


def write(path: Path) -> None:
    """Write the Kraken capture."""
    script = Script()
    stage = script.stage
    for line in (script.a, script.c, script.b):
        stage.at(line.opens, partial(lambda line, now: opening(script, now, line), line))
    for line in (script.a, script.c):
        stage.at(line.closes, partial(line.mark, "close"))
    hard_cases(script)
    for symbol, mean in TICKERS.items():
        stage.often(1.5, mean, partial(script.ticker, symbol=symbol))
    stage.often(9.0, 1.4, partial(script.ticker, symbol="ATOM/USD"))
    for symbol, (_, mean) in BOOKS.items():
        stage.often(1.5, mean, partial(script.update, symbol=symbol))
    for symbol in TRADED:
        stage.often(1.5, 1.5, partial(script.trades, symbol=symbol))
    stage.every(0.7, 1.0, script.heartbeat)
    stage.run(98)
    script.tape.write(path)
