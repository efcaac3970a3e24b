"""The Coinbase capture: one connection, books and tickers, a short and a long silence."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.captures.stage import Line, Stage, Tape, Walk, iso

if TYPE_CHECKING:
    from pathlib import Path

TICKERS = {
    "ETH-USD": (196_900, 2, 0.25),
    "ADA-USD": (6_100, 4, 6.0),
    "NEAR-USD": (2_345, 3, 1.0),
    "UNI-USD": (5_210, 3, 0.7),
}
BOOKS = {"BTC-USD": (8_473_758, 2, 0.12), "SOL-USD": (14_210, 2, 0.3)}
SPARSE = "PEPE-USD"


class Script:
    """Plays the markets of one Coinbase connection."""

    def __init__(self) -> None:
        self.stage, self.tape = Stage(20260301), Tape()
        self.random = self.stage.random
        self.line = Line(self.tape, self.random, "coinbase", silences=((30, 37), (55, 76)))
        self.walks = {
            product: Walk(self.random, middle, decimals)
            for product, (middle, decimals, _) in {**TICKERS, **BOOKS}.items()
        }
        self.walks[SPARSE] = Walk(self.random, 812, 8)
        self.books: dict[str, tuple[set[int], set[int]]] = {}
        self.paused: set[str] = set()
        self.sequence = 1

    def send(self, now: float, **message: Any) -> None:
        """Send a message of the feed."""
        self.line.send(now, json.dumps(message, separators=(",", ":")))

    def ticker(self, now: float, product: str, own: float | None = None, **change: str) -> None:
        """Send a ticker whose own time is `own`, or `now`."""
        walk = self.walks[product]
        walk.step()
        self.sequence += self.random.randint(1, 900)
        message = {
            "sequence": self.sequence,
            "product_id": product,
            "price": walk.text(walk.bid),
            "best_bid": walk.text(walk.bid),
            "best_bid_size": walk.size(),
            "best_ask": walk.text(walk.ask),
            "best_ask_size": walk.size(),
            "side": "sell",
            "time": iso(now if own is None else own),
            "trade_id": walk.trade_id,
            "last_size": walk.size(),
        }
        self.send(now, type="ticker", **(message | change))

    def match(
        self, now: float, product: str, kind: str = "match", skipped: int = 0, own: float = 0
    ) -> None:
        """Send a match."""
        walk = self.walks[product]
        side = self.random.choice(("buy", "sell"))
        price = walk.bid if side == "buy" else walk.ask
        self.send(
            now,
            type=kind,
            trade_id=walk.next_id(skipped),
            maker_order_id="maker",
            taker_order_id="taker",
            side=side,
            size=walk.size(),
            price=walk.text(price),
            product_id=product,
            sequence=self.sequence,
            time=iso(own or now),
        )

    def snapshot(self, now: float, product: str) -> None:
        """Send the whole book."""
        walk = self.walks[product]
        book = {walk.bid - i for i in range(40)}, {walk.ask + i for i in range(1, 41)}
        self.books[product] = book
        bids = [[walk.text(level), walk.size()] for level in sorted(book[0], reverse=True)]
        asks = [[walk.text(level), walk.size()] for level in sorted(book[1])]
        self.send(now, type="snapshot", product_id=product, asks=asks, bids=bids, time=iso(now))

    def update(self, now: float, product: str, own: float | None = None) -> None:
        """Move the book to where its walk goes; every third update changes deep levels only."""
        if not self.line.up(now) or product in self.paused:
            return
        walk, (bids, asks) = self.walks[product], self.books[product]
        changes: list[list[str]] = []
        if self.random.random() < 1 / 3:
            deep = walk.bid - self.random.randint(20, 60)
            changes.append(["buy", walk.text(deep), walk.size()])
            bids.add(deep)
        else:
            walk.step()
            walk.ask += 1
            for level in sorted(level for level in bids if level > walk.bid):
                changes.append(["buy", walk.text(level), "0.00000000"])
                bids.discard(level)
            for level in sorted(level for level in asks if level < walk.ask):
                changes.append(["sell", walk.text(level), "0"])
                asks.discard(level)
            changes.append(["buy", walk.text(walk.bid), walk.size()])
            changes.append(["sell", walk.text(walk.ask), walk.size()])
            bids.add(walk.bid)
            asks.add(walk.ask)
        self.change(now, product, changes, own)

    def change(
        self, now: float, product: str, changes: list[list[str]], own: float | None = None
    ) -> None:
        """Send an l2update."""
        time = iso(now if own is None else own)
        self.send(now, type="l2update", product_id=product, changes=changes, time=time)

    def crossed_and_empty(self, now: float) -> None:
        """Cross the book of SOL-USD, then empty its bids, then mend it."""
        walk, (bids, asks) = self.walks["SOL-USD"], self.books["SOL-USD"]
        high = max(asks) + 2
        self.change(now, "SOL-USD", [["buy", walk.text(high), "1.50000000"]])
        remove = [["buy", walk.text(level), "0"] for level in sorted({*bids, high})]
        bids.clear()
        bids.add(walk.bid)
        mend = [["buy", walk.text(walk.bid), "2.50000000"]]
        self.paused.add("SOL-USD")
        self.stage.at(now + 1.3, lambda now: self.change(now, "SOL-USD", remove))
        self.stage.at(now + 2.9, lambda now: self.change(now, "SOL-USD", mend))
        self.stage.at(now + 3.0, lambda _: self.paused.discard("SOL-USD"))

    def heartbeat(self, now: float, product: str) -> None:
        """Send the heartbeat of a product."""
        walk = self.walks[product]
        message = {"last_trade_id": walk.trade_id, "product_id": product, "time": iso(now)}
        self.send(now, type="heartbeat", sequence=self.sequence, **message)

    def opening(self) -> None:
        """Send acknowledgements, snapshots and last matches."""
        books, tickers = list(BOOKS), [*TICKERS, SPARSE]
        channels = [
            {"name": "level2_50", "product_ids": books, "account_ids": None},
            {"name": "ticker", "product_ids": tickers, "account_ids": None},
            {"name": "matches", "product_ids": ["BTC-USD", "ETH-USD"], "account_ids": None},
        ]
        self.send(0.10, type="subscriptions", channels=channels[:1])
        self.heartbeat(0.12, "BTC-USD")
        self.send(0.15, type="subscriptions", channels=channels)
        for product in books:
            self.snapshot(0.2, product)
        for product in ("BTC-USD", "ETH-USD"):
            self.match(0.3, product, "last_match", own=-0.7)
        for product in TICKERS:
            self.ticker(0.5, product, own=-9.5)

    def hard_cases(self) -> None:
        """Schedule everything that does not happen by itself."""
        stage = self.stage
        stage.at(12.2, self.crossed_and_empty)
        stage.at(8.3, partial(self.ticker, product="NEAR-USD", best_bid="2.400"))
        stage.at(9.2, partial(self.ticker, product="NEAR-USD", best_bid="2.35", best_ask="2.35"))
        stage.at(11.4, partial(self.ticker, product="NEAR-USD", best_ask_size="0.00000000"))
        for second in (10, 25, 26, 40):  # whole seconds, and 15 s apart: on the window's border
            stage.at(second, lambda now: self.ticker(now, "ETH-USD"))
            stage.at(second, lambda now: self.ticker(now, "NEAR-USD"))
        for _ in range(3):  # several quotes of one time
            stage.at(14.5, lambda now: self.ticker(now, "ETH-USD", own=14.5))
        stage.at(16.0, lambda now: self.ticker(now, "ETH-USD", own=now - 0.75))
        stage.at(16.4, lambda now: self.match(now, "ETH-USD", own=now - 0.9))
        stage.at(17.1, lambda now: self.update(now, "BTC-USD", own=now - 0.4))
        stage.at(18.6, lambda now: self.ticker(now, "UNI-USD", own=now + 3.5))
        stage.at(21.7, lambda now: self.snapshot(now, "UNI-USD"))  # a better source, no ack
        stage.at(23.0, lambda now: self.match(now, "BTC-USD", skipped=2))
        stage.at(24.0, self.repeat_a_match)
        stage.at(2.0, lambda now: self.ticker(now, SPARSE))
        stage.at(84.0, lambda now: self.ticker(now, SPARSE))
        stage.at(27.5, self.nonsense)

    def repeat_a_match(self, now: float) -> None:
        """Send an id that was sent already."""
        self.walks["ETH-USD"].trade_id -= 1
        self.match(now, "ETH-USD")

    def nonsense(self, now: float) -> None:
        """Send what cannot be read and what is not known."""
        self.line.send(now, '{"type":"ticker","product_id":"ETH-USD","best_b')
        self.ticker(now + 0.01, "ETH-USD", best_bid="0.00")
        self.ticker(now + 0.02, "ETH-USD", best_ask_size="-1")
        self.ticker(now + 0.03, "NEAR-USD", best_ask="NaN")
        self.send(now + 0.04, type="ticker", product_id="ETH-USD", time=iso(now))
        self.send(now + 0.05, type="something_new", product_id="ETH-USD", time=iso(now + 1))
        self.send(now + 0.06, type="error", message="Failed to subscribe", reason="ETH-XYZ")

    def busy(self) -> None:
        """Schedule the usual traffic."""
        stage = self.stage
        for product, (_, _, mean) in TICKERS.items():
            stage.often(1, mean, partial(self.ticker, product=product))
        for product, (_, _, mean) in BOOKS.items():
            stage.often(1, mean, partial(self.update, product=product))
        for product in ("BTC-USD", "ETH-USD"):
            stage.often(1, 0.8, partial(self.match, product=product))
            stage.every(1, 1.0, partial(self.heartbeat, product=product))


def write(path: Path) -> None:
    """Write the Coinbase capture."""
    script = Script()
    script.opening()
    script.hard_cases()
    script.busy()
    script.stage.run(92)
    script.tape.write(path)
