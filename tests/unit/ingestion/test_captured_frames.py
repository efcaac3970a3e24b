"""The parsers over every captured file: nothing is refused, and their books are the exchanges'."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.ingestion.captures.captured import CapturedFrame
from agents.ingestion.captures.detect import read_capture
from agents.ingestion.exchanges.binance import BinanceConnection
from agents.ingestion.exchanges.coinbase import CoinbaseConnection
from agents.ingestion.exchanges.events import (
    Connection,
    Event,
    GapBegins,
    Notice,
    ParsedFrame,
    Quote,
    Trade,
    TradesLost,
)
from agents.ingestion.exchanges.kraken import KrakenConnection
from agents.ingestion.exchanges.memory import ExchangeMemory
from agents.ingestion.exchanges.registry import EXCHANGES, open_connection
from tests.unit.ingestion.frames import all_of, only

HFTBACKTEST = [
    f"hftbacktest_binance_2024/spot_{pair}_20240808.gz" for pair in ("btcusdt", "ethusdt")
]
CROSSBOOK = [
    f"crossbook_kraken_2026/kraken_{name}.cbcap"
    for name in ("btcusd_l2", "btcusd_sample", "ethusd_sample", "xrpusd_sample")
]
FLASHBOOK = {exchange: f"flashbook_2026/{exchange}_live-btc-eth.ndjson" for exchange in EXCHANGES}
BOOKS_OF_KRAKEN = [*CROSSBOOK, FLASHBOOK["kraken"]]


def parse(
    connections: dict[str, Connection], path: Path
) -> Iterator[tuple[CapturedFrame, ParsedFrame]]:
    for frame in read_capture(path):
        connection = connections[frame.exchange]
        if frame.kind == "rest":
            yield frame, connection.receive_rest(frame.t, frame.frame, frame.url)
        else:
            yield frame, connection.receive(frame.t, frame.frame)


def events_of(path: Path) -> Counter[type[Event]]:
    connections = {name: open_connection(name, ExchangeMemory()) for name in EXCHANGES}
    return Counter(type(event) for _, parsed in parse(connections, path) for event in parsed.events)


@pytest.mark.parametrize(
    ("name", "quotes", "trades", "gaps"),
    [
        (HFTBACKTEST[0], 28_040, 9_757, 1),
        (HFTBACKTEST[1], 24_077, 6_106, 0),
        (CROSSBOOK[0], 134, 0, 4),
        (CROSSBOOK[1], 382, 0, 0),
        (CROSSBOOK[2], 223, 0, 0),
        (CROSSBOOK[3], 175, 0, 0),
        (FLASHBOOK["binance"], 0, 1_163, 2),
        (FLASHBOOK["coinbase"], 521, 435, 0),
        (FLASHBOOK["kraken"], 731, 17, 0),
        ("live_frames_2026-10/frames.jsonl", 3, 1, 0),
    ],
)
def test_every_captured_file_parses_whole(
    test_data: Path, name: str, quotes: int, trades: int, gaps: int
) -> None:
    counts = events_of(test_data / name)
    assert (counts[Quote], counts[Trade], counts[GapBegins]) == (quotes, trades, gaps)
    assert counts[TradesLost] == 0


@pytest.mark.parametrize("name", BOOKS_OF_KRAKEN)
def test_every_checksum_of_kraken_holds(test_data: Path, name: str) -> None:
    connection = KrakenConnection(ExchangeMemory())
    books = 0
    for frame, _ in parse({"kraken": connection}, test_data / name):
        books += '"channel":"book","type"' in frame.frame
    assert connection.checksums == {True: books, False: 0}
    assert books > 250


@pytest.mark.parametrize("name", BOOKS_OF_KRAKEN)
def test_one_flipped_digit_is_a_gap_until_the_next_snapshot(test_data: Path, name: str) -> None:
    connection = KrakenConnection(ExchangeMemory())
    frames = read_capture(test_data / name)
    market = ""
    for frame in frames:
        quotes = all_of(connection.receive(frame.t, frame.frame), Quote)
        if quotes:
            market, snapshot = quotes[0].market, frame
            break
    # The same best levels once more, as an update, but for one digit of a size.
    digit = re.search(r'"qty":(\d)', snapshot.frame)
    assert digit is not None
    flipped = str(9 - int(digit[1]))
    text = snapshot.frame[: digit.start(1)] + flipped + snapshot.frame[digit.end(1) :]
    wrong = text.replace('"type":"snapshot"', '"type":"update"')
    lost = connection.receive(snapshot.t, wrong)
    assert only(lost, GapBegins).market == market
    methods = [json.loads(reply)["method"] for reply in lost.replies]
    assert methods == ["unsubscribe", "subscribe"]
    ignored = 0
    for frame in frames:
        if '"channel":"book","type":"snapshot"' in frame.frame and market in frame_markets(frame):
            snapshot = frame
            break
        parsed = connection.receive(frame.t, frame.frame)
        ignored += market in frame_markets(frame)
        assert not [quote for quote in all_of(parsed, Quote) if quote.market == market]
        assert not all_of(parsed, GapBegins)
    assert ignored > 10
    recovered = connection.receive(snapshot.t, snapshot.frame)
    assert [type(event) for event in recovered.events] == [Notice, Quote]
    assert connection.checksums[False] == 1


def frame_markets(frame: CapturedFrame) -> list[str]:
    """Return the markets that a Kraken book frame names."""
    message = json.loads(frame.frame)
    if message.get("channel") != "book":
        return []
    return [f"kraken:{item['symbol'].replace('/', '-')}" for item in message["data"]]


def test_coinbases_best_is_that_of_a_plain_recomputation_at_every_frame(test_data: Path) -> None:
    connection = CoinbaseConnection(ExchangeMemory())
    books: dict[str, dict[str, dict[float, float]]] = {}
    last: dict[str, tuple[float, float, float, float]] = {}
    compared = 0
    for frame, parsed in parse({"coinbase": connection}, test_data / FLASHBOOK["coinbase"]):
        message = json.loads(frame.frame)
        product = message.get("product_id", "")
        if message["type"] == "snapshot":
            books[product] = {
                side: {float(price): float(size) for price, size in message[levels]}
                for side, levels in (("buy", "bids"), ("sell", "asks"))
            }
        elif message["type"] == "l2update":
            for side, price, size in message["changes"]:
                books[product][side][float(price)] = float(size)
                if float(size) == 0:
                    del books[product][side][float(price)]
        else:
            continue
        bids, asks = books[product]["buy"], books[product]["sell"]
        bid, ask = max(bids), min(asks)
        best = (bid, bids[bid], ask, asks[ask])
        book = connection.book(product)
        assert book is not None
        assert book.best() == best
        quotes = [event for event in parsed.events if isinstance(event, Quote)]
        assert bool(quotes) == (best != last.get(product))
        last[product] = best
        compared += 1
    assert compared == 1_900


@pytest.mark.parametrize("name", HFTBACKTEST)
def test_binances_depth_book_agrees_with_its_book_ticker(test_data: Path, name: str) -> None:
    connection = BinanceConnection(ExchangeMemory(), {})
    by_update: dict[int, tuple[float, float, float, float]] = {}
    depths: list[tuple[int, tuple[float, float, float, float]]] = []
    for frame, parsed in parse({"binance": connection}, test_data / name):
        message = json.loads(frame.frame)
        for event in parsed.events:
            if isinstance(event, Quote):
                quote = (event.bid, event.bid_size, event.ask, event.ask_size)
                by_update[message["data"]["u"]] = quote
        if "depth" in message.get("stream", ""):
            book = connection.depth(message["data"]["s"])
            assert book is not None
            if book.in_step:
                depths.append((book.last_id, book.prices.best()))
    compared = [(best, by_update[update]) for update, best in depths if update in by_update]
    assert len(depths) > 3_400, "the book came into step with its REST snapshot and stayed so"
    assert len(compared) > 500
    assert all(best == quote for best, quote in compared)


def test_a_rest_snapshot_newer_than_every_update_leaves_the_gap(test_data: Path) -> None:
    connection = BinanceConnection(ExchangeMemory(), {})
    path = test_data / FLASHBOOK["binance"]
    seen: defaultdict[type[Event], int] = defaultdict(int)
    last = 0
    for frame, parsed in parse({"binance": connection}, path):
        last = frame.t
        for event in parsed.events:
            seen[type(event)] += 1
    body = (test_data / "flashbook_2026/binance_rest-depth-btc.json").read_text()
    url = "https://data-api.binance.vision/api/v3/depth?symbol=BTCUSDT&limit=100"
    assert connection.receive_rest(last, body, url).events == ()
    book = connection.depth("BTCUSDT")
    assert book is not None
    assert not book.in_step
    assert (seen[GapBegins], seen[Quote], seen[Notice]) == (2, 0, 0)
