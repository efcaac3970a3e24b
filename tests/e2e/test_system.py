"""The whole live system as its users meet it: one command, REST, websocket, page, oracle.

It runs for some 70 s. Within them a worker of every agent is killed with SIGKILL, and one exchange
falls silent (`story.py`). Then everything that it has published is recomputed from the raw topics,
and whatever it has answered is compared with what it has published.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from models.records.bursts import decode_quotes
from models.records.unpacked import quote_objects
from models.settings import Settings
from models.times import seconds_of
from models.topics import BARS, CORRELATIONS, INDICATORS, RETURNS
from services.local.ports import choose_port
from services.local.state import start_time_of
from tests.e2e import by_hand
from tests.e2e.agreement import (
    is_shown,
    objects_of,
    to_microseconds,
    told,
    unlike_the_description,
    values_of,
)
from tests.e2e.answers import faults
from tests.e2e.conftest import ARGUMENTS
from tests.e2e.follower import breaks
from tests.e2e.recomputed import TABLES, Recomputed
from tests.e2e.story import COINS, ENDS, LIVE_S, MARKET, MARKETS, Story, keys_followed, watched
from tests.e2e.system import System

COMPARED_BARS = 30
MINUTE_DIGITS = len("2026-11-21T10:00")
SIDES = {"buy": "ask", "sell": "bid"}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, jars_dir: Path) -> Iterator[System]:
    """Run the system until the markets live; it is stopped at the end, come what may."""
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("system"),
        jars_dir=jars_dir.absolute(),
        gateway_port=choose_port("gateway", 0, None, ()),
        partitions=4,
        # Enough for an hour of correlation; a day would take the oracle minutes.
        warm_start_hours=1.5,
    )
    running = System(settings, "--workers", "ingestion=2")
    try:
        running.until(
            lambda: (
                sum(
                    row["windows"].get("15s", {}).get("coverage", 0) > 0
                    for row in running.pages("/v1/spreads")
                )
                > 100
            ),
            "spreads of more than 100 markets",
        )
        running.live_since = time.monotonic()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def story(system: System) -> Iterator[Story]:
    """Watch it live for a time."""
    with watched(system) as found:
        yield found


@pytest.fixture(scope="module")
def recomputed(system: System, story: Story) -> Recomputed:
    """Read the topics when the story is over and no bar is on its way."""
    assert story.answers
    system.until(lambda: 10 < time.time() % 60 < 50, "a minute to be over for some seconds")
    return Recomputed(system)


def test_rest_websocket_and_page_show_the_same_live_spread(system: System) -> None:
    """The page of the gateway shows a market, and its figures move."""
    chromium = shutil.which("chromium")
    assert chromium is not None, "expected Debian's chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        try:
            page = browser.new_page()
            page.goto(f"http://{system.address}/")
            page.get_by_text("Simulated data").first.wait_for()
            row = page.get_by_role("row").filter(has_text="BTC-USD").filter(has_text="kraken").first
            row.wait_for()
            first = row.inner_text()
            page.wait_for_function(
                "([before]) => [...document.querySelectorAll('[role=row], tr')]"
                ".some(r => r.innerText.includes('kraken') && r.innerText.includes('BTC-USD')"
                " && r.innerText !== before)",
                arg=[first],
            )
        finally:
            browser.close()


def test_spreads_and_closes_equal_the_oracle_from_the_raw_topics(recomputed: Recomputed) -> None:
    """Every field of every market and second, after kills and an outage."""
    assert len(recomputed.spreads) > 3_000
    assert any(row["stale"] for row in recomputed.spreads), "expected the kills to leave a trace"
    assert not (found := recomputed.spread_differences()), told(found)
    assert not (found := recomputed.closes_differences()), told(found)


def test_bars_and_indicators_equal_the_oracle_from_the_raw_topics(recomputed: Recomputed) -> None:
    """Of every interval, live and from candles."""
    found, count = recomputed.bar_differences()
    assert count > 1_000
    assert not found, told(found)


@pytest.mark.parametrize("table", TABLES)
def test_correlations_equal_the_oracle_from_the_raw_topics(
    recomputed: Recomputed, table: str
) -> None:
    """Every price, return and cell of every step, given what was masked."""
    found, count = recomputed.correlation_differences(table)
    assert count >= LIVE_S / 10 - 1
    assert not found, told(found)


def test_bars_indicators_and_matrices_of_rest_are_those_in_kafka(
    system: System, story: Story
) -> None:
    """Field by field; of a bar that was published more than once, any of its versions."""
    published: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for topic in (BARS, INDICATORS):
        for row in objects_of(system, topic):
            key = topic.name, row["market"], row["interval"], row["as_of"]
            published.setdefault(key, []).append(row)
    compared = 0
    for answer in story.answers:
        kind = re.search(r"/(bars|indicators)\?.*exchange=", answer.path)
        if kind is None:
            continue
        for shown in answer.body["data"][-COMPARED_BARS:]:
            versions = published[kind[1], shown["market"], shown["interval"], shown["as_of"]]
            assert any(is_shown(row, shown) for row in versions), (answer.path, shown, versions)
            compared += 1
    assert compared > 100
    matrices = {
        (row["table"], row["as_of"], row["coin"]): row for row in objects_of(system, CORRELATIONS)
    }
    compared = 0
    for answer in story.answers:
        if not answer.path.startswith("/v1/correlations?") or "repair" in answer.path:
            continue
        body = answer.body
        for i, coin in enumerate(body["coins"]):
            matched = matrices.get((body["table"], body["as_of"], coin))
            for j, other in enumerate(body["coins"]):
                held = matched if matched and other in matched["coins"] else None
                place = held["coins"].index(other) if held else 0
                for name, nothing in (("matrix", None), ("n", 0), ("n_effective", 0)):
                    wanted = held[name][place] if held else nothing
                    assert body[name][i][j] == wanted, (answer.path, name, coin, other)
            assert body["sigma"][i] == (matched["sigma"] if matched else None)
            compared += matched is not None
    assert compared > 50


def test_reference_prices_of_rest_are_those_in_kafka(system: System, story: Story) -> None:
    """Price and currency as of the time that is told beside them."""
    prices: dict[tuple[str, str], set[tuple[Any, Any]]] = {}
    for row in objects_of(system, RETURNS):
        columns = zip(row["coins"], row["price"], row["quote_currency"], strict=True)
        for coin, *price in columns:
            prices.setdefault((coin, row["as_of"]), set()).add(tuple(price))
    checked = 0
    for answer in story.answers:
        if re.fullmatch(r"/v1/coins/\w+", answer.path) and answer.body["reference_as_of"]:
            body = answer.body
            shown = body["reference_price"], body["reference_quote_currency"]
            assert shown in prices[body["coin"], body["reference_as_of"]]
            checked += 1
    assert checked >= len(COINS)


def test_quotes_of_the_venues_are_those_in_kafka_and_the_best_follow(
    system: System, story: Story
) -> None:
    """Best prices, their sizes, the spread and crossings, made again from the venues shown."""
    venues = [answer.body for answer in story.answers if "/venues" in answer.path]
    assert len(venues) == 3 * len(COINS)
    wrong = [line for body in venues for line in by_hand.venues(body)]
    assert not wrong, told(wrong)
    shown = {
        (each["market"], each["time"], each["bid"], each["bid_size"], each["ask"], each["ask_size"])
        for body in venues
        for each in body["venues"]
        if each["mid"] is not None
    }
    there: set[Any] = set()
    for exchange in {market.partition(":")[0] for market, *_ in shown}:
        for record in system.topic(f"{exchange}_quotes"):
            for quote in quote_objects(decode_quotes(record.value)):
                sides = (quote[name] for name in ("bid", "bid_size", "ask", "ask_size"))
                there.add((quote["market"], to_microseconds(quote["time"]), *sides))
    assert shown
    assert not shown - there


def test_composite_bars_follow_from_the_bars_of_their_markets(system: System) -> None:
    """Every figure of those since the start, by hand."""
    compared = 0
    for coin in COINS:
        whole = system.get(f"/v1/coins/{coin}/bars", limit="10")["data"]
        markets = {market for bar in whole for market in (*bar["markets"], *bar["missing"])}
        parts: dict[str, list[dict[str, Any]]] = {}
        for market in markets:
            exchange = market.partition(":")[0]
            for bar in system.get(f"/v1/coins/{coin}/bars", exchange=exchange, limit="50")["data"]:
                parts.setdefault(bar["start"], []).append(bar)
        for bar in whole[:-1]:
            of_start = parts[bar["start"]]
            missing = len(markets) - len(of_start)
            wanted = by_hand.composite(of_start)
            wanted["coverage"] *= len(of_start) / (len(of_start) + missing)
            assert len(bar["missing"]) == missing
            assert not (wrong := by_hand.apart(bar, wanted)), (coin, bar["start"], wrong)
            compared += 1
    assert compared >= 20


def test_suggestions_follow_from_spreads_and_trades(story: Story, recomputed: Recomputed) -> None:
    """Price, costs, impact and fill rate, made again from what lies in the topics."""
    asked = [answer.body for answer in story.answers if "suggestion" in answer.path]
    assert len(asked) > len(MARKETS)
    for answer in asked:
        rows, trades = recomputed.past_of(answer["market"])
        newest = seconds_of(answer["as_of"]) // by_hand.STEP_S * by_hand.STEP_S
        # The past is read after the quote: it may be a step further.
        wrong = [
            by_hand.apart(answer, by_hand.suggestion(answer, rows, trades, step))
            for step in (newest, newest + by_hand.STEP_S)
        ]
        assert not all(wrong), (answer, wrong)
    assert any(answer["impact_n"] for answer in asked)


def test_routes_are_all_there_and_follow_from_spreads(
    system: System, story: Story, recomputed: Recomputed
) -> None:
    """Every route of one or two legs on one exchange, by hand; the best is first."""
    asked = [answer.body for answer in story.answers if "orders/route" in answer.path]
    assert len(asked) == 3 * len(ENDS)
    quoted = {
        (row["market"], side, row[side]) for row in recomputed.spreads for side in ("bid", "ask")
    }
    for body in asked:
        rates = [route["rate"] for route in body["routes"]]
        assert rates == sorted(rates, reverse=True)
        legs = [leg for route in body["routes"] for leg in route["legs"]]
        assert not {(leg["market"], SIDES[leg["side"]], leg["price"]) for leg in legs} - quoted
        prices = {leg["market"]: {"bid": leg["price"], "ask": leg["price"]} for leg in legs}
        fees = {leg["market"].partition(":")[0]: leg["fee_bps"] for leg in legs}
        wanted: dict[str, float] = {}
        for exchange in system.settings.exchanges:
            rows = {
                market: prices.get(market, {"bid": 0.0, "ask": 1.0})
                for market in system.get("/v1/catalog")["markets"]
                if market.startswith(f"{exchange}:") and market not in body["left_out"]
            }
            fee = {str(exchange): fees.get(exchange, 0.0)}
            wanted |= by_hand.routes(body["from"], body["to"], rows, fee)
        found = {
            "+".join(leg["market"] for leg in route["legs"]): route["rate"]
            for route in body["routes"]
        }
        assert by_hand.alike(found, wanted), (found, wanted)


def test_the_stream_loses_nothing_and_repeats_nothing_across_kills_and_a_resume(
    story: Story,
) -> None:
    """`seq` rises, `prev_seq` names the one before, and every value is the same to both clients."""
    assert not (found := breaks(story.always)), told(found)
    assert not (found := breaks(story.in_turns)), told(found)
    resumed = [is_snapshot for _, _, is_snapshot in story.in_turns[1].values()]
    assert not any(resumed), "expected what was missed, was a snapshot"
    whole = values_of(story.always)
    for (key, seq), data in values_of(story.in_turns).items():
        assert whole.get((key, seq), data) == data, (key, seq)
    assert {key for key, _ in whole} == keys_followed()


def test_everything_that_is_said_has_reasons_times_and_numbers_as_promised(
    system: System, story: Story
) -> None:
    """Fresh, while an exchange is silent, and later; REST and stream; the schema says the same."""
    assert not (found := unlike_the_description(system, story)), told(found)
    wrong = [
        f"{answer.when}: {answer.path} {line}"
        for answer in story.answers
        for line in faults(answer.body)
    ]
    wrong += [
        f"{key} {item['seq']}: {line}"
        for follower in (*story.always, *story.in_turns)
        for key, item, _ in follower.values()
        for line in faults(item)
    ]
    assert not wrong, told(wrong)


def test_bars_of_a_fresh_start_cover_no_more_than_was_seen(system: System, story: Story) -> None:
    """The minute in which the system began is not a whole one, though it has trades."""
    assert story.answers
    for exchange in system.settings.exchanges:
        live = [
            bar
            for bar in objects_of(system, BARS)
            if (bar["exchange"], bar["interval"], bar["source"]) == (exchange, "1m", "live")
        ]
        begun = min(bar["first_trade"] for bar in live if bar["n"])
        first = [bar for bar in live if bar["start"].startswith(begun[:MINUTE_DIGITS])]
        unseen = float(begun.removesuffix("Z").rpartition(":")[2]) / 60
        assert first
        assert not [bar for bar in first if bar["coverage"] > 1 - unseen + 1e-9]


def test_figures_of_a_fresh_start_say_that_they_are_warming(story: Story) -> None:
    """What needs half an hour is not made up out of a minute."""
    cells: set[float | None] = set()
    for answer in story.answers:
        if answer.path == "/v1/spreads":
            for row in answer.body["data"]:
                assert row["z"] is None
                assert row["reasons"]["z"] in ("warming", "stale", "down", "gap"), row
                for window, length in (("1m", 60), ("5m", 300)):
                    figures = row["windows"].get(window, {"coverage": 0.0})
                    assert figures["coverage"] * length <= LIVE_S * 4, row
        if answer.path.startswith("/v1/correlations?window=15m&"):
            cells |= {cell for row in answer.body["matrix"] for cell in row}
            assert answer.body["rest_share"] in (0.0, None)
        if answer.path.startswith("/v1/correlations?window=1h&sampling=60s") and answer.body["n"]:
            assert answer.body["rest_share"] is None or answer.body["rest_share"] > 0.5
    # Before the first whole minute there is no matrix yet.
    assert cells == {None}


def test_a_silent_exchange_is_stale_and_the_others_are_not(story: Story) -> None:
    """Its figures are null with the reason `stale`; venues leave it out."""
    during = {a.path: a.body for a in story.answers if a.when == "Kraken is silent"}
    row = during["/v1/spreads/kraken/BTC-USD"]
    assert row["stale"]
    assert row["bid"] is None
    assert row["reasons"]["bid"] == "stale"
    assert not during["/v1/spreads/coinbase/ETH-USD"]["stale"]
    venues = during["/v1/coins/BTC/venues"]
    assert venues["left_out"] == [{"market": MARKET, "reason": "stale"}]
    assert venues["best_bid"]["markets"] == ["coinbase:BTC-USD"]
    routes = during[f"/v1/orders/route?{ENDS[0]}"]["routes"]
    assert {route["exchange"] for route in routes} == {"coinbase"}
    refused = {answer.path for answer in story.refused if answer.when == "Kraken is silent"}
    assert {path for path in during if "suggestion" in path and "kraken" in path} == set()
    assert any(MARKET in path for path in refused)


def test_unknown_parameters_are_refused_everywhere(system: System) -> None:
    """A misspelt filter must not give everything."""
    names = {"exchange": "kraken", "pair": "BTC-USD", "coin": "BTC", "a": "BTC", "b": "ETH"}
    paths = system.get("/openapi.json")["paths"]
    assert len(paths) > 15
    for template in paths:
        path = template.format(**names)
        answer = system.ask(path, exchnage="kraken")
        assert answer.status_code == 422, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"].endswith("unknown-parameter"), answer.text


def test_nothing_is_left_running_after_the_supervisor_is_killed(system: System) -> None:
    """SIGKILL gives it no chance to stop anything."""
    pids = system.pids()
    assert len(pids) >= 6
    system.process.kill()
    system.process.wait()
    deadline = time.monotonic() + 30
    while any(start_time_of(pid) is not None for pid in pids):
        assert time.monotonic() < deadline, "expected every process to be gone"
        time.sleep(0.1)
