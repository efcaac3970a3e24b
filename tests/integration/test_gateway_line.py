"""The gateway behind a real line: REST and websocket say what the topics say."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain, pairwise
from typing import Any

from models.records.bursts import decode_quotes, decode_trades
from models.records.spreads import decode_spreads
from models.records.unpacked import quote_objects, spread_objects, trade_objects
from models.settings import Settings
from models.times import seconds_of
from tests.burst_log import MADE_CAPTURES
from tests.integration.feed import Feed
from tests.integration.gateway import GatewayProcess, StreamClient, items_of
from tests.integration.line import Line
from tests.integration.topic_records import read_topic

KRAKEN = next(path for path in MADE_CAPTURES if path.name.startswith("kraken"))
_FIRST = 0.6

Series = dict[str, list[tuple[int, Any]]]


def published_spreads(line: Line) -> Series:
    """Return `seq` and figures of every market as they lie in the topic, each second once."""
    series: dict[str, dict[int, Any]] = defaultdict(dict)
    for record in line.published():
        for figures in spread_objects(decode_spreads(record.value or b"")):
            series[figures["market"]][seconds_of(figures["as_of"])] = figures
    return {market: sorted(seconds.items()) for market, seconds in series.items()}


Got = dict[str, list[dict[str, Any]]]


def collect(client: StreamClient, lasts: dict[str, int], *before: dict[str, Any]) -> Got:
    """Return the values of every key, until each of them has come to its last `seq`.

    `before` are messages that were taken already.
    """
    got: Got = defaultdict(list)
    left = dict(lasts)
    messages = chain(before, iter(lambda: client.next("status"), None))
    while left:
        for item in items_of(next(messages)):
            got[item["key"]].append(item)
            if item["seq"] == left.get(item["key"]):
                del left[item["key"]]
    return got


def assert_chain(items: list[dict[str, Any]]) -> None:
    """See that each value follows the one before."""
    for before, item in pairwise(items):
        assert item["prev_seq"] == before["seq"] < item["seq"]


def test_spreads_are_those_of_the_topic(namespaced: Settings) -> None:
    """From the very first second on, and from a snapshot in the middle on; the newest over REST."""
    with Line(namespaced) as line:
        worker = line.start_worker()
        line.wait_until_ready(worker)
        feed = Feed(namespaced, [KRAKEN])
        with GatewayProcess(namespaced) as gateway, StreamClient(gateway) as early:
            early.subscribe("spreads", "*")
            feed.send(_FIRST)
            market = "kraken:BTC-USD"
            before = [early.next("status")]
            while market not in {item["key"] for item in items_of(before[-1])}:
                before.append(early.next("status"))
            with StreamClient(gateway) as late:
                late.subscribe("spreads", market)
                snapshot = late.next("status")
                assert snapshot["type"] == "snapshot"
                feed.send(1.0)
                line.wait_until_done()
                series = published_spreads(line)
                lasts = lasts_of(series)
                got = collect(early, lasts, *before)
                followed = collect(late, {market: lasts[market]})[market]
            for key, rows in series.items():
                assert [(item["seq"], item["data"]) for item in got[key]] == rows
                assert got[key][0]["prev_seq"] is None
                assert_chain(got[key])
                exchange, _, pair = key.partition(":")
                assert gateway.get(f"/v1/spreads/{exchange}/{pair}") == rows[-1][1]
            values = [snapshot, *followed]
            assert_chain(values)
            tail = [row for row in series[market] if row[0] >= snapshot["seq"]]
            assert [(item["seq"], item["data"]) for item in values] == tail
            whole = gateway.get("/v1/spreads")["data"]
            assert whole == [series[key][-1][1] for key in sorted(series)]
        # Another gateway, which reads all of it later, says the same under the same numbers.
        with GatewayProcess(namespaced) as again, StreamClient(again) as client:
            assert again.get("/v1/spreads")["data"] == whole
            client.subscribe("spreads", market)
            assert client.next()["seq"] == series[market][-1][0]


def published_trades(settings: Settings) -> Series:
    """Return every trade of every market under its number."""
    series: Series = defaultdict(list)
    for record in read_topic(settings, "kraken_trades"):
        for row, trade in enumerate(trade_objects(decode_trades(record.value))):
            series[trade["market"]].append((record.offset * 65_536 + row, trade))
    return series


def published_quotes(settings: Settings) -> Series:
    """Return of every burst and market the quote in force after it, where it has changed."""
    series: Series = defaultdict(list)
    in_force: dict[str, str] = {}
    for record in read_topic(settings, "kraken_quotes"):
        newest: dict[str, Any] = {}
        for quote in sorted(quote_objects(decode_quotes(record.value)), key=lambda x: x["time"]):
            # One of an earlier time than that in force changes nothing.
            if quote["time"] >= in_force.get(quote["market"], ""):
                newest[quote["market"]] = quote
                in_force[quote["market"]] = quote["time"]
        for market, quote in newest.items():
            series[market].append((record.offset, quote))
    return series


def lasts_of(series: Series) -> dict[str, int]:
    """Return the last number of every market."""
    return {market: rows[-1][0] for market, rows in series.items()}


def test_ticks_are_those_of_the_topics(namespaced: Settings) -> None:
    """Every trade with a number of its own; of quotes the newest of each burst."""
    with (
        Line(namespaced),
        GatewayProcess(namespaced) as gateway,
        StreamClient(gateway) as trades,
        StreamClient(gateway) as quotes,
    ):
        trades.subscribe("trades", "*")
        quotes.subscribe("quotes", "*")
        Feed(namespaced, [KRAKEN]).send(1.0)
        traded = published_trades(namespaced)
        got = collect(trades, lasts_of(traded))
        for market, rows in traded.items():
            assert [item["seq"] for item in got[market]] == [seq for seq, _ in rows]
            assert_chain(got[market])
            for item, (_, trade) in zip(got[market], rows, strict=True):
                for name in ("price", "size", "side", "trade_id", "flags"):
                    assert item["data"][name] == trade[name]
        quoted = published_quotes(namespaced)
        seen = collect(quotes, lasts_of(quoted))
        for market, rows in quoted.items():
            assert_chain(seen[market])
            data = {item["seq"]: item["data"] for item in seen[market]}
            # Besides these there are values for going out of sight, under other numbers.
            for seq, quote in rows:
                expected = (None, None) if data[seq]["stale"] else (quote["bid"], quote["ask"])
                assert (data[seq]["bid"], data[seq]["ask"]) == expected
        assert gateway.metric('cointide_gateway_undecodable_total{topic="kraken_quotes"}') == 0
