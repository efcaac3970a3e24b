"""Candles of the past by REST into `candles`: at the start, after an outage, and as allowed.

Where nothing depends on Kafka the worker runs in this process beside a log in memory, and some
tests let the clock of simulator and worker run faster: an outage takes minutes.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from models.partition import partition_of
from models.records.candles import Candles, decode_candles
from models.settings import Settings
from services.local.ports import choose_port
from services.local.workers import answers_ready
from services.simulator.market.history import MINUTE_NS
from services.simulator.urls import simulated_urls
from tests.integration.commands import cointide
from tests.integration.ingestion_in_memory import SECOND, Clock, Ingestion, simulator_of
from tests.integration.processes import processes
from tests.integration.topic_records import read_topic

DAY_MINUTES = 24 * 60


def first_records(line: Ingestion) -> dict[str, Candles]:
    """Return the first record of every market."""
    return {record.market: record for record in reversed(line.log.candles())}


async def warm(line: Ingestion) -> dict[str, Candles]:
    """Wait until every market has its first record."""
    wanted = {market.market for market in line.markets()}
    await line.until(lambda: set(first_records(line)) == wanted, f"candles of {wanted}")
    return first_records(line)


def test_a_start_brings_the_last_day_of_every_market_as_far_as_its_exchange_reaches() -> None:
    """Kraken gives 720 minutes; the unfinished minute is nobody's; Coinbase tells no counts."""

    async def run() -> None:
        clock = Clock(1.0)
        async with (
            simulator_of(clock) as simulator,
            Ingestion(simulator, clock, exchanges=["binance", "coinbase", "kraken"]) as line,
        ):
            records = await warm(line)
            for market, record in records.items():
                line.assert_is_history(record)
                exchange = market.partition(":")[0]
                reach = 719 if exchange == "kraken" else DAY_MINUTES
                span = (record.start[-1] - record.start[0]) // 60 + 1
                assert span <= reach
                assert exchange == "coinbase" or len(record.start) == span >= reach - 1
                assert (record.start[-1] + 60) * SECOND <= clock()
                told = [value is not None for value in record.quote_volume]
                assert set(told) == {exchange != "coinbase"}
            partitions = {partition for partition, _, _ in line.log.sent["candles"]}
            assert partitions == {0, 1}
            for exchange in line.settings.exchanges:
                own = [r for r in line.log.candles() if r.market.startswith(exchange)]
                written = sum(len(record.start) for record in own)
                assert line.metric("cointide_candles_total", exchange=exchange) == written
                assert line.metric("cointide_candle_requests_total", exchange=exchange) >= len(own)
            await line.until(
                lambda: all(line.log.sent[f"{each}_quotes"] for each in line.settings.exchanges),
                "quotes of every exchange: the line goes on meanwhile",
            )

    asyncio.run(run())


def test_an_outage_of_more_than_a_minute_brings_the_minutes_of_the_hole_once_they_are_over() -> (
    None
):
    """Every connection is cut and refused for 90 s; the clock runs 10 times as fast."""

    async def run() -> None:
        # A frame that waits to be read is seen when it is: at 30 times minutes later.
        clock = Clock(10.0)
        async with simulator_of(clock) as simulator, Ingestion(simulator, clock) as line:
            wanted = set(await warm(line))
            world = simulator.world

            def newest() -> dict[str, int]:
                return {r.market: r.start[-1] for r in line.log.candles()}

            first = newest()
            await line.until(
                lambda: all(start > first[market] for market, start in newest().items()),
                "every market's minute of the start",
            )
            before = len(line.log.candles())
            begin = world.now
            world.faults.refuse("kraken", begin + 90 * SECOND)
            assert simulator.connections.drop("kraken") > 0
            last = begin // MINUTE_NS * 60 + 60
            await line.until(lambda: min(newest().values()) >= last, "candles of the hole")
            holes: defaultdict[str, list[int]] = defaultdict(list)
            for record in line.log.candles()[before:]:
                line.assert_is_history(record)
                over = time.gmtime(record.start[-1] + 60)
                assert record.fetched_at >= time.strftime("%Y-%m-%dT%H:%M:%S", over)
                holes[record.market] += record.start
            assert set(holes) == wanted
            minute = begin // MINUTE_NS * 60
            for minutes in holes.values():
                # The last frame may have been one of the minute before.
                assert minutes[0] in {minute - 60, minute}
                assert minutes == list(range(minutes[0], minutes[-1] + 1, 60))

    asyncio.run(run())


def test_the_exchanges_clock_says_what_is_finished_not_ours() -> None:
    """Ours is 100 s ahead: what is not over there yet comes when it is."""

    async def run() -> None:
        begin = time.time_ns()
        theirs = Clock(30.0, begin)

        def ours() -> int:
            return theirs() + 100 * SECOND

        async with simulator_of(theirs) as simulator, Ingestion(simulator, ours) as line:
            wanted = {market.market for market in line.markets()}
            over = (begin + 100 * SECOND) // MINUTE_NS * 60

            def all_there() -> bool:
                records = line.log.candles()
                now = simulator.world.now // SECOND
                assert all(record.start[-1] + 60 <= now for record in records)
                return wanted == {r.market for r in records if r.start[-1] + 60 >= over}

            await line.until(all_there, "the minutes that were over by our clock")
            for record in line.log.candles():
                line.assert_is_history(record)

    asyncio.run(run())


@pytest.mark.parametrize("status", [429, 418, 503])
def test_a_refusal_is_obeyed_and_the_candles_come_afterwards(status: int) -> None:
    """Every request is refused for a time; with `Retry-After: 1` at most one a second is made."""

    async def run() -> None:
        clock = Clock(1.0)
        async with simulator_of(clock) as simulator:
            world = simulator.world
            world.faults.fail_rest("kraken", status, world.now + 3_600 * SECOND)
            begun = time.monotonic()
            async with Ingestion(simulator, clock) as line:

                def refused() -> float:
                    labels = {"exchange": "kraken", "reason": f"status_{status}"}
                    return line.metric("cointide_candle_failures_total", **labels)

                await line.until(lambda: refused() >= 3, "three refusals")
                if status == 429:
                    assert refused() <= 1 + time.monotonic() - begun
                world.faults.fail_rest("kraken", status, world.now)
                await warm(line)
                assert not line.log.letters()

    asyncio.run(run())


def test_an_answer_that_is_no_candles_is_a_dead_letter_and_does_not_stop_the_line() -> None:
    """Kraken answers 404 to everything; no candle comes, ticks do."""

    async def run() -> None:
        clock = Clock(1.0)
        async with simulator_of(clock) as simulator:
            simulator.world.faults.fail_rest("kraken", 404, simulator.world.now + 3_600 * SECOND)
            async with Ingestion(simulator, clock) as line:
                await line.until(lambda: len(line.log.letters()) == 2, "the first two letters")
                letter = line.log.letters()[0]
                assert letter["reason"] == "malformed_frame"  # type: ignore[index]
                assert "status 404" in letter["detail"]  # type: ignore[index]
                ticks = line.log.sent["kraken_trades"]
                before = len(ticks)
                await line.until(lambda: len(ticks) > before + 4, "bursts")
                assert not line.log.candles()
                failures = line.metric(
                    "cointide_candle_failures_total", exchange="kraken", reason="malformed_frame"
                )
                assert failures >= 2

    asyncio.run(run())


def test_what_a_rebalance_leaves_here_is_not_fetched_again_and_what_it_takes_is() -> None:
    """Revoked and given back at once; then taken away, and given back later."""

    async def run() -> None:
        clock = Clock(1.0)
        async with simulator_of(clock) as simulator, Ingestion(simulator, clock) as line:
            await warm(line)
            before = {r.market: r.start[0] for r in line.log.candles()}
            count = len(line.log.candles())
            requests = line.metric("cointide_candle_requests_total", exchange="kraken")
            await line.own([0, 1])
            moved = {m.market for m in line.markets() if partition_of(m.coin, 2) == 1}
            assert moved
            assert moved != set(before)

            def days(market: str) -> int:
                return sum(
                    record.market == market and len(record.start) > 600
                    for record in line.log.candles()[count:]
                )

            for times in (1, 2):
                await line.own([0])
                await line.own([0, 1])
                await line.until(
                    lambda times=times: all(days(m) == times for m in moved),  # type: ignore[misc]
                    f"candles of {moved}",
                )
            # Their turn would have come before the second time.
            assert not [market for market in before if market not in moved and days(market)]
            more = line.metric("cointide_candle_requests_total", exchange="kraken") - requests
            # A minute of the start may have come to its end meanwhile.
            assert 2 * len(moved) <= more <= 2 * len(moved) + len(before)

    asyncio.run(run())


@pytest.mark.parametrize(
    "changes",
    [
        {"source": "none"},
        {"warm_start_hours": 0.0},
        {"kraken_rest_url": Settings.model_fields["kraken_rest_url"].get_default()},
    ],
)
def test_nothing_is_fetched_without_a_source_when_it_is_off_or_from_an_exchange_unasked(
    changes: dict[str, object],
) -> None:
    async def run() -> None:
        clock = Clock(1.0)
        async with (
            simulator_of(clock) as simulator,
            Ingestion(simulator, clock, **changes) as line,
        ):
            await line.until(lambda: len(line.log.sent["kraken_quotes"]) > 8, "bursts")
            assert line.metric("cointide_candle_requests_total", exchange="kraken") == 0
            assert not line.log.candles()

    asyncio.run(run())


def test_through_kafka_every_partition_has_the_candles_that_the_exchange_answers_with(
    namespaced: Settings, create_topics_for: Callable[[Settings], Any]
) -> None:
    """A worker as a process; every partition of `candles` gets the same records."""
    port = choose_port("simulator", 0, None, ())
    agent_port = choose_port("worker", 0, None, ())
    settings = namespaced.model_copy(
        update={
            "source": "simulated",
            "simulator_port": port,
            "agent_port": agent_port,
            **simulated_urls(port),
        }
    )
    create_topics_for(settings)
    with processes(settings) as running:
        running.start("simulator", ["simulator", "--coins", "3"], settings)
        running.until(lambda: answers_ready(port), "the simulator to be ready")
        assert cointide(settings, "markets", "sync").returncode == 0
        markets = {str(r.key, "utf-8") for r in read_topic(settings, "markets") if r.key}
        assert len(markets) > 10
        running.start("ingestion", ["agent", "ingestion"], settings)

        def copies() -> dict[int, dict[str, Candles]]:
            found: dict[int, dict[str, Candles]] = defaultdict(dict)
            for record in read_topic(settings, "candles"):
                assert record.value is not None
                candles = decode_candles(record.value)
                found[record.partition].setdefault(candles.market, candles)
            return found

        everything = set(range(settings.partitions))
        running.until(
            lambda: {p for p, found in copies().items() if set(found) == markets} == everything,
            "candles of every market in every partition",
        )
        found = copies()
        assert all(found[partition] == found[0] for partition in everything)
        running.end("ingestion", signal.SIGTERM)
        for market, candles in found[0].items():
            expected = asked(port, market, candles, running.until)
            rows = list(
                zip(
                    candles.start, candles.open, candles.high, candles.low, candles.close,
                    candles.volume, strict=True,
                )
            )  # fmt: skip
            assert rows[-100:] == expected[-100:], market


def asked(
    port: int, market: str, candles: Candles, until: Callable[[Callable[[], bool], str], None]
) -> list[tuple[float, ...]]:
    """Return the last rows up to that of a record's end, as the exchange itself answers."""
    exchange, _, pair = market.partition(":")
    base, quote = pair.split("-")
    last = candles.start[-1]
    first = last - 199 * 60
    names = {"BTC": "XBT", "DOGE": "XDG"}
    kraken_pair = names.get(base, base) + names.get(quote, quote)
    until_ms = last * 1_000
    path = {
        "binance": f"api/v3/klines?symbol={base}{quote}&interval=1m&endTime={until_ms}&limit=200",
        "coinbase": f"products/{pair}/candles?granularity=60&start={first}&end={last}",
        "kraken": f"0/public/OHLC?pair={kraken_pair}&interval=1&since={first}",
    }[exchange]
    answers: list[Any] = []

    def comes() -> bool:
        try:
            url = f"http://127.0.0.1:{port}/{exchange}/{path}"
            with urllib.request.urlopen(url, timeout=10) as answer:
                answers.append(json.load(answer))
        except urllib.error.HTTPError as error:
            if error.code != 429:
                raise
            return False
        return exchange != "kraken" or not answers[-1]["error"]

    until(comes, f"candles of {market}")
    rows = answers[-1]
    if exchange == "coinbase":
        return [(t, o, h, low, c, v) for t, low, h, o, c, v in reversed(rows)]
    if exchange == "binance":
        return [(row[0] // 1000, *map(float, row[1:6])) for row in rows]
    (kept,) = [value for key, value in rows["result"].items() if key != "last"]
    return [(row[0], *map(float, row[1:5]), float(row[6])) for row in kept if row[0] <= last]
