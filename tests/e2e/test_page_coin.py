"""One coin's view: candles, indicators, spread, venues and orders."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from services.gateway.web.dev import made
from services.gateway.web.dev.mock_gateway import Data, MockGateway, Query, Refusal, iso
from tests.e2e.page_values import (
    BTC,
    ETH,
    PHONE,
    WITHIN_MS,
    OpenPage,
    faint,
    now,
    spread,
    unseen,
    until,
)

COINBASE_BTC = "coinbase:BTC-USD"
HELD_S = 4 * 3_600


@pytest.fixture(autouse=True)
def answers(gateway: MockGateway) -> None:
    """Give the gateway two markets of BTC, and four hours of bars."""
    gateway.publish("spreads", [spread(m, now(), 100.0, 100.5) for m in (BTC, COINBASE_BTC, ETH)])
    gateway.answer("/v1/coins/BTC/bars", lambda _, query: made.bars(query, 100, now(), HELD_S))
    gateway.answer(
        "/v1/coins/BTC/indicators", lambda _, query: made.indicator_list(query, 100, now(), HELD_S)
    )
    quotes = [(BTC, 100.0, 100.5), (COINBASE_BTC, 101.0, 101.5)]
    gateway.answer("/v1/coins/BTC/venues", lambda *_: made.venues(quotes, now()))
    gateway.answer("/v1/orders/route", lambda _, query: made.route(query, now()))
    gateway.answer(
        "/v1/orders/suggestion", lambda _, query: made.suggestion(query, 100.0, 100.5, 0.1, now())
    )


def opened(open_page: OpenPage, **options: Any) -> Page:
    page = open_page("#/coin/BTC", **options)
    expect(page.locator(".ohlc")).to_contain_text("UTC", timeout=WITHIN_MS)
    return page


def tile(page: Page, group: str, title: str) -> Locator:
    group_node = page.locator(f"dl[aria-label='{group}']")
    return group_node.locator(".tile").filter(has=page.get_by_text(title, exact=True))


def seconds(query: Query, name: str) -> int:
    return made.seconds_of(query[name])


# How many strongly coloured pixels lie in a column of the candles, at this share of their width.
_COLOURED = """(host, share) => {
    const canvas = host.querySelector("td:nth-child(2) canvas");
    const x = Math.round(share * canvas.width);
    const { data } = canvas.getContext("2d").getImageData(x - 3, 0, 6, canvas.height);
    let found = 0;
    for (let i = 0; i < data.length; i += 4) {
        const colour = [data[i], data[i + 1], data[i + 2]];
        if (data[i + 3] > 60 && Math.max(...colour) - Math.min(...colour) > 60) found += 1;
    }
    return found;
}"""


def coloured(page: Page, share: float) -> int:
    return int(page.locator(".candles").evaluate(_COLOURED, share))


# The colour of the ground at the top of the candles, above all of them.
_GROUND = """(host, share) => {
    const canvas = host.querySelector("td:nth-child(2) canvas");
    const pixel = canvas.getContext("2d").getImageData(share * canvas.width, 2, 1, 1);
    return [...pixel.data];
}"""


def ground(page: Page, share: float) -> list[int]:
    found: list[int] = page.locator(".candles").evaluate(_GROUND, share)
    return found


def test_a_click_on_a_coin_opens_it_and_leaving_it_ends_what_it_began(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    page = open_page()
    page.get_by_role("row").filter(has_text="kraken").get_by_role(
        "link", name="BTC", exact=True
    ).click()
    expect(page).to_have_url(re.compile("#/coin/BTC$"))
    expect(page.get_by_role("heading", name="BTC", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="← All markets")).to_be_focused()
    expect(page.locator(".ohlc")).to_contain_text("UTC", timeout=WITHIN_MS)

    def channels() -> list[list[str]]:
        return sorted(sorted(s["channel"] for s in each) for each in gateway.wanted)

    at_coin = [["bars", "feeds", "indicators", "quotes", "spreads"], ["spreads"]]
    elements = "document.querySelectorAll('*').length"
    page.wait_for_function("document.querySelectorAll('.candles canvas').length > 0")
    until(page, lambda: channels()[-1:] == at_coin[1:] and at_coin[0] in channels())
    page.keyboard.press("Escape")
    expect(page.get_by_role("table")).to_be_visible()
    until(page, lambda: channels() == [["feeds", "quotes", "spreads"]])
    left = page.evaluate(elements)
    for _ in range(5):
        page.evaluate("location.hash = '#/coin/BTC'")
        expect(page.locator(".candles canvas").first).to_be_attached(timeout=WITHIN_MS)
        page.evaluate("location.hash = '#/kraken/ETH-USD'")
        expect(page.get_by_role("heading", name="ETH-USD kraken")).to_be_visible()
        page.evaluate("location.hash = '#/'")
        expect(page.get_by_role("table")).to_be_visible()
    until(page, lambda: channels() == [["feeds", "quotes", "spreads"]])
    # The market's tiles and plots are there once they have been shown.
    assert page.evaluate(elements) < left + 120


def test_candles_are_drawn_and_what_is_not_held_or_not_seen_is_empty(open_page: OpenPage) -> None:
    page = opened(open_page)
    # Six hours are asked for, four are held; of these 0.3 to 0.34 back was not seen.
    note = page.locator("#candles-note")
    expect(note).to_contain_text(re.compile(r"Held from .* on; what lies before is empty"))
    expect(note).to_contain_text(re.compile(r"\d+ of them from candles, \d+ of them from captures"))
    expect(note).to_contain_text(re.compile(r"\d+ not seen \(down: "))
    until(page, lambda: coloured(page, 0.45) > 0 and coloured(page, 0.95) > 0)
    assert coloured(page, 0.1) == 0
    # The line of an indicator goes over what was not seen; the candles do not.
    page.get_by_role("button", name="SMA 20").click()
    expect(page.get_by_role("button", name="SMA 20")).to_have_attribute("aria-pressed", "false")
    until(page, lambda: coloured(page, 1 - 0.32 * 4 / 6) == 0)
    assert coloured(page, 0.95) > 0
    assert ground(page, 0.11) == ground(page, 1 - 0.32 * 4 / 6) != ground(page, 0.93)
    expect(page.get_by_text("paler: from the exchange's candles")).to_be_visible()
    box = page.locator(".candles").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 100)
    expect(page.locator(".ohlc")).to_contain_text("nothing held")
    for age, words in ((0.9, "from the exchange's candles"), (0.76, "from a capture, not live")):
        page.mouse.move(box["x"] + (1 - age * 4 / 6) * box["width"], box["y"] + 100)
        expect(page.locator(".ohlc")).to_contain_text(words)
    expect(page.get_by_text("hollow: from a capture, not live")).to_be_visible()


def test_a_bar_that_ends_is_drawn_at_once(gateway: MockGateway, open_page: OpenPage) -> None:
    page = opened(open_page)
    page.get_by_label("Exchange", exact=True).first.select_option("kraken")
    key = f"{BTC}|1m"
    until(page, lambda: any(s["keys"] == [key] for s in gateway.subscriptions))
    until(page, lambda: gateway.asked("/v1/coins/BTC/bars")[-1].get("exchange") == "kraken")
    expect(page.locator(".candles")).to_have_attribute("aria-busy", "false")
    # Not before the last bar that was answered, if a minute has ended since.
    start = now() // 60 * 60
    bar = made.bar("1m", start, 100, close=123.4, high=123.9, market=BTC)
    gateway.publish("bars", [(key, start // 60, bar)])
    expect(page.locator(".ohlc")).to_contain_text("C 123.4")
    change = 100 * (123.4 / bar["open"] - 1)
    expect(page.locator(".ohlc")).to_contain_text(f"+{change:.2f}%")
    figures = {**made.indicators("1m", start, 100, 61), "sma_20": 111.7, "market": BTC}
    gateway.publish("indicators", [(key, start // 60, figures)])
    sma = page.get_by_role("button", name="SMA 20")
    expect(sma).to_contain_text("111.7")
    expect(sma).to_contain_text("n 61")
    gateway.publish("bars", [(key, start // 60, {**bar, "close": 124.5})])
    expect(page.locator(".ohlc")).to_contain_text("C 124.5")


def test_a_composite_is_asked_for_again_when_one_of_its_markets_has_a_bar(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    page = opened(open_page)
    keys = [f"{COINBASE_BTC}|1m", f"{BTC}|1m"]
    until(page, lambda: any(s["keys"] == keys for s in gateway.subscriptions))
    asked = len(gateway.asked("/v1/coins/BTC/bars"))
    start = now() // 60 * 60
    gateway.publish("bars", [(key, start // 60, made.bar("1m", start, 100)) for key in keys])
    until(page, lambda: len(gateway.asked("/v1/coins/BTC/bars")) > asked)
    query = gateway.asked("/v1/coins/BTC/bars")[-1]
    assert "exchange" not in query
    assert seconds(query, "end") - seconds(query, "start") <= 7 * 60


def test_hours_that_candles_have_filled_are_asked_for_again(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    page = opened(open_page)
    until(page, lambda: any("bars" in s["channel"] for s in gateway.subscriptions))
    asked = len(gateway.asked("/v1/coins/BTC/bars"))
    start = (now() // 60 - 200) * 60
    filled = {**made.bar("1m", start, 100), "source": "rest"}
    gateway.publish("bars", [(f"{BTC}|1m", start // 60, filled)])
    until(page, lambda: len(gateway.asked("/v1/coins/BTC/bars")) > asked)
    assert seconds(gateway.asked("/v1/coins/BTC/bars")[-1], "start") == start


def test_a_bar_that_ends_while_a_range_is_asked_for_does_not_stop_it(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    page = opened(open_page)
    held: list[Route] = []
    page.route("**/v1/coins/BTC/bars?*", lambda route: held.append(route), times=1)
    page.get_by_role("button", name="1 h").click()
    until(page, lambda: bool(held))
    expect(page.get_by_text("Asking for bars…")).to_be_visible()
    start = now() // 60 * 60
    gateway.publish("bars", [(f"{BTC}|1m", start // 60, made.bar("1m", start, 100))])
    # Longer than what comes of a minute is waited for.
    page.wait_for_timeout(1_500)
    held[0].continue_()
    expect(page.get_by_text("Asking for bars…")).to_be_hidden()
    expect(page.locator(".candles")).to_have_attribute("aria-busy", "false")


def test_what_an_indicator_rests_on_is_not_cut_off(open_page: OpenPage) -> None:
    page = opened(open_page, viewport={"width": 1440, "height": 900})
    remarks = page.locator(".indicator .remark")
    expect(remarks.first).to_contain_text("n ")
    cut = "nodes => nodes.filter(each => each.scrollWidth > each.clientWidth).length"
    assert remarks.evaluate_all(cut) == 0


def test_indicators_are_switched_on_and_off_and_say_what_they_rest_on(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    gateway.answer(
        "/v1/coins/BTC/indicators", lambda _, query: made.indicator_list(query, 100, now(), 1_260)
    )
    page = opened(open_page)
    group = page.get_by_role("group", name="Indicators")
    expect(group.get_by_role("button")).to_have_count(7)
    sma = group.get_by_role("button", name="SMA 20")
    expect(sma).to_have_attribute("aria-pressed", "true")
    expect(sma).to_contain_text(re.compile(r"n 2[0-2]"))
    volatility = group.get_by_role("button", name="Volatility")
    expect(volatility).to_contain_text("–")
    expect(volatility).to_contain_text(re.compile(r"warming, 2[0-2] of 61 bars"))
    panes = page.locator(".candles table tr:has(canvas)")
    before = panes.count()
    rsi = group.get_by_role("button", name="RSI 14")
    rsi.click()
    expect(rsi).to_have_attribute("aria-pressed", "true")
    # A pane and the line above it.
    expect(panes).not_to_have_count(before)
    rsi.click()
    expect(rsi).to_have_attribute("aria-pressed", "false")
    expect(panes).to_have_count(before)


def test_a_range_asks_for_bars_of_its_length(gateway: MockGateway, open_page: OpenPage) -> None:
    begun = now()
    page = opened(open_page)

    def asks_for(length: int) -> bool:
        query = gateway.asked("/v1/coins/BTC/bars")[-1]
        return seconds(query, "end") - seconds(query, "start") == length

    for name, length, interval in [
        ("1 h", 3_600, "1m"),
        ("24 h", 86_400, "5m"),
        ("7 d", 604_800, "1h"),
    ]:
        page.get_by_role("button", name=name, exact=True).click()
        until(page, partial(asks_for, length))
        query = gateway.asked("/v1/coins/BTC/bars")[-1]
        assert query["interval"] == interval
        assert query["quote"] == "USD"
        assert begun <= seconds(query, "end") <= now() + made.SECONDS[interval]
    page.get_by_role("button", name="Custom").click()
    page.get_by_label("From, UTC").fill("2026-01-05T10:00")
    page.get_by_label("To, UTC").fill("2026-01-05T12:30")
    page.get_by_role("button", name="Show", exact=True).click()
    until(page, lambda: gateway.asked("/v1/coins/BTC/bars")[-1]["start"] == "2026-01-05T10:00:00Z")
    assert gateway.asked("/v1/coins/BTC/bars")[-1]["end"] == "2026-01-05T12:30:00Z"
    page.get_by_label("To, UTC").fill("2026-01-05T09:00")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_text("The end must come after the start.")).to_be_visible()
    # What is past needs no live bars.
    until(page, lambda: gateway.unsubscriptions[-1]["channel"] in ("bars", "indicators"))


def test_a_refused_range_says_why(gateway: MockGateway, open_page: OpenPage) -> None:
    def refuse(_: tuple[str, ...], query: Query) -> Data:
        raise Refusal(422, f"expected bars that are held, was {query['interval']}")

    gateway.answer("/v1/coins/BTC/bars", refuse)
    page = open_page("#/coin/BTC")
    expect(page.get_by_text("No bars: expected bars that are held, was 1m")).to_be_visible()
    # Nobody need come and reload the page.
    gateway.answer("/v1/coins/BTC/bars", lambda _, query: made.bars(query, 100, now(), HELD_S))
    expect(page.locator(".ohlc")).to_contain_text("UTC", timeout=WITHIN_MS)
    expect(page.get_by_text("No bars:")).to_be_hidden()


def test_after_a_lost_line_bars_are_asked_for_again(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    page = opened(open_page)
    gateway.stop()
    expect(page.get_by_role("alert")).to_contain_text("lost", timeout=WITHIN_MS)
    asked = len(gateway.asked("/v1/coins/BTC/bars"))
    gateway.subscriptions.clear()
    gateway.start()
    until(page, lambda: len(gateway.asked("/v1/coins/BTC/bars")) > asked)
    until(page, lambda: {"bars", "indicators"} <= {s["channel"] for s in gateway.subscriptions})


def test_the_spread_is_shown_against_its_band_with_what_it_rests_on(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    costs = {
        "baseline_bps": 50.0, "baseline_sigma": 0.1, "z": -1.25, "z_n": 178, "half_life_s": None,
        "half_life_n": 12, "effective_bps": 0.734, "trades_n": 17, "realised_5s_bps": 0.5,
        "realised_5s_n": 15, "realised_60s_bps": None, "realised_60s_n": 0, "impact_5s_bps": 0.2,
        "trades_coverage": 1.0, "imbalance": -0.004,
        "reasons": {"half_life_s": "warming", "realised_60s_bps": "no_trades"},
    }  # fmt: skip
    end = now()
    for second in range(end - 300, end + 1):
        gateway.publish("spreads", [spread(BTC, second, 100.0, 100.5, **costs)])
    page = opened(open_page)
    page.get_by_label("Market", exact=True).first.select_option(BTC)
    figures = "Figures of the spread"
    expect(tile(page, figures, "z")).to_contain_text("−1.25")
    expect(tile(page, figures, "z")).to_contain_text("n 178")
    expect(tile(page, figures, "Half-life")).to_contain_text("–")
    expect(tile(page, figures, "Half-life")).to_contain_text("warming: not enough has been seen")
    expect(tile(page, figures, "Effective, bps")).to_contain_text("0.734")
    expect(tile(page, figures, "Effective, bps")).to_contain_text("n 17 trades · seen 100%")
    expect(tile(page, figures, "Realised 60 s, bps")).to_contain_text("no_trades: no trade fell")
    # What rounds to 0 has no sign.
    expect(tile(page, figures, "Imbalance").locator("dd").first).to_have_text("0.00")
    expect(page.locator("#band-note")).not_to_contain_text("No band yet")
    gateway.publish("spreads", [unseen(BTC, end + 1, "gap")])
    expect(tile(page, figures, "15 s mean, bps")).to_contain_text("gap: ")


def test_venues_show_the_best_prices_and_crossings_net_of_fees(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    page = opened(open_page)
    venues = page.locator(".venues-panel")
    expect(venues.locator(".best.bid")).to_contain_text("101")
    expect(venues.locator(".best.ask")).to_contain_text("100.5")
    expect(venues).to_contain_text("Buy on kraken, sell on coinbase: gross 49.75 bps")
    expect(venues).to_contain_text("net of fees −30.25 bps")
    assert gateway.asked("/v1/coins/BTC/venues")[0] == {"quote": "USD"}
    # While the system starts, and where prices have many digits.
    venues.get_by_role("link", name="kraken").focus()
    left_out = {"binance:BTC-USD": "warming", COINBASE_BTC: "down"}
    quotes = [(BTC, 0.00001734, 0.000017362)]
    gateway.answer("/v1/coins/BTC/venues", lambda *_: made.venues(quotes, now(), left_out))
    expect(venues.locator(".best.bid")).to_have_text("0.000017340 best")
    expect(venues.get_by_role("rowheader")).to_have_text(
        ["kraken", "binance waiting", "coinbase down"]
    )
    expect(venues.get_by_role("link", name="kraken")).to_be_focused()
    note = venues.locator(".chart-note")
    expect(note).to_contain_text("Left out: binance (not enough has been seen yet).")
    expect(note).to_contain_text("Left out: coinbase (the connection to the exchange is closed).")


def test_a_suggestion_takes_the_fees_that_were_edited(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    page = opened(open_page)
    box = page.get_by_role("region", name="Order suggestion")
    expect(box.get_by_text("indicative", exact=True)).to_be_visible()
    box.get_by_label("Market", exact=True).select_option(BTC)
    box.get_by_role("button", name="Suggest a price").click()
    expect(tile(page, "Suggestion", "Limit price")).to_contain_text("100.0")
    assert gateway.asked("/v1/orders/suggestion") == [
        {"market": BTC, "side": "buy", "horizon": "60"}
    ]
    # What the gateway assumed is there to be changed.
    expect(box.get_by_label("Maker fee, bps")).to_have_value("25")
    box.get_by_label("Maker fee, bps").fill("12.5")
    box.get_by_label("Taker fee, bps").fill("30")
    box.get_by_label("Side").select_option("sell")
    expect(tile(page, "Suggestion", "Limit price")).to_contain_text("100.5")
    expect(tile(page, "Suggestion", "Maker cost, bps")).to_contain_text("fee 12.50")
    expect(tile(page, "Suggestion", "Fill rate")).to_contain_text("58% to 66% · n 720")
    asked = gateway.asked("/v1/orders/suggestion")[-1]
    assert (asked["side"], asked["maker_bps"], asked["taker_bps"]) == ("sell", "12.5", "30")
    # Those fees were of one exchange.
    box.get_by_label("Market", exact=True).select_option(COINBASE_BTC)
    expect(box.get_by_label("Maker fee, bps")).to_have_value("25")
    assert "maker_bps" not in gateway.asked("/v1/orders/suggestion")[-1]


def test_a_refused_suggestion_is_told_in_words(gateway: MockGateway, open_page: OpenPage) -> None:
    def refuse(_: tuple[str, ...], query: Query) -> Data:
        raise Refusal(409, f"expected {query['market']} to be seen now, but: gap")

    gateway.answer("/v1/orders/suggestion", refuse)
    page = opened(open_page)
    box = page.get_by_role("region", name="Order suggestion")
    box.get_by_role("button", name="Suggest a price").click()
    expect(box.get_by_role("status")).to_have_text(
        f"Refused: expected {COINBASE_BTC} to be seen now, but: gap"
    )
    expect(page.locator("dl[aria-label='Suggestion']")).to_be_hidden()

    def starting(*_: Any) -> Data:
        detail = "expected to be ready, but still reading kraken_quotes"
        raise Refusal(503, detail, waiting_for=["kraken_quotes"])

    gateway.answer("/v1/orders/suggestion", starting)
    box.get_by_role("button", name="Suggest a price").click()
    expect(box.get_by_role("status")).to_have_text(
        "Refused: The gateway is still reading what there is, and answers in a moment."
    )


def test_routes_are_compared_and_the_cheapest_is_marked(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    page = opened(open_page)
    box = page.get_by_role("region", name="Route")
    box.get_by_label("To", exact=True).fill("eth")
    box.get_by_label("Exchange", exact=True).select_option("kraken")
    box.get_by_role("button", name="Compare routes").click()
    routes = box.locator(".routes > li")
    expect(routes).to_have_count(2)
    expect(routes.first).to_contain_text("46.00 bps in all cheapest")
    expect(routes.nth(1)).to_contain_text("kraken:BTC-USD")
    assert gateway.asked("/v1/orders/route") == [{"from": "USD", "to": "ETH", "exchange": "kraken"}]


def test_a_coin_without_markets_is_told(open_page: OpenPage) -> None:
    page = open_page("#/coin/NOPE")
    expect(page.get_by_text("No market of NOPE here.")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_a_coin_in_one_direction_only(open_page: OpenPage, scheme: str) -> None:
    page = opened(open_page, viewport=PHONE, color_scheme=scheme)
    page.get_by_role("button", name="Suggest a price").click()
    page.get_by_role("button", name="Compare routes").click()
    expect(page.locator(".routes > li")).to_have_count(2)
    page.get_by_role("button", name="Custom").click()
    wide = page.evaluate(
        """(parts) => [...document.querySelectorAll(parts)]
            .filter((part) => part.scrollWidth > part.clientWidth).map((part) => part.className)""",
        "html, body, header, .view-page, .columns, .column, .panel, .chart-head",
    )
    assert wide == []
    assert faint(page) == []
    shade = page.locator(".candles canvas").first.evaluate(
        "(canvas) => canvas.getContext('2d').getImageData(2, 40, 1, 1).data[0]"
    )
    assert (shade < 100) == (scheme == "dark")


def test_the_time_a_venue_was_asked_for_is_said(gateway: MockGateway, open_page: OpenPage) -> None:
    as_of = now() - 30
    quotes = [(BTC, 100.0, 100.5)]
    gateway.answer("/v1/coins/BTC/venues", lambda *_: made.venues(quotes, as_of))
    page = opened(open_page)
    note = page.locator(".venues-panel .chart-note")
    expect(note).to_have_text(
        f"No venue bids above what another one asks as of {iso(as_of)[11:19]} UTC."
    )
