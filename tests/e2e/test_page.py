"""The table of all markets and one market's chart."""

from __future__ import annotations

import re
from functools import partial

import pytest
from playwright.sync_api import Locator, Page, expect

from services.gateway.web.dev.mock_gateway import MockGateway, iso
from tests.e2e.page_values import (
    BTC,
    DESKTOP,
    ETH,
    PHONE,
    SHIB,
    WITHIN_MS,
    OpenPage,
    ahead,
    faint,
    feed,
    now,
    quote,
    spread,
    unseen,
    until,
)


def row(page: Page, market: str) -> Locator:
    exchange, _, pair = market.partition(":")
    return page.get_by_role("row").filter(
        has=page.get_by_role("link", name=pair, exact=True),
        has_text=exchange,
    )


def cell(page: Page, market: str, name: str) -> Locator:
    return row(page, market).locator(f".cell.{name}")


def number(locator: Locator) -> float:
    return float(locator.inner_text().replace(",", "").rstrip("×%"))


def test_every_value_shown_is_the_one_that_was_sent(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    sent = {BTC: (63507.6, 63507.7), ETH: (3120.41, 3121.0), SHIB: (0.00001734, 0.00001736)}
    gateway.publish("spreads", [spread(m, ahead(), *prices) for m, prices in sent.items()])
    page = open_page()
    for market, (bid, ask) in sent.items():
        expect(row(page, market)).to_be_visible()
        assert number(cell(page, market, "bid")) == bid
        assert number(cell(page, market, "ask")) == ask
        assert number(cell(page, market, "spread")) == pytest.approx(ask - bid)
        bps = 1e4 * (ask - bid) / ((ask + bid) / 2)
        assert number(cell(page, market, "bps")) == pytest.approx(bps, rel=0.01)
        assert number(cell(page, market, "mean")) == pytest.approx(bps, rel=0.01)
        assert number(cell(page, market, "against")) == 1
        assert number(cell(page, market, "coverage")) == 100
        assert number(cell(page, market, "n")) == 212
        expect(cell(page, market, "state")).to_contain_text("live")


def test_a_newer_quote_moves_the_row_and_an_older_one_does_not(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    as_of = ahead()
    gateway.publish("spreads", [spread(BTC, as_of, 100.0, 100.5)])
    gateway.publish("quotes", [quote(BTC, as_of - 0.1, 90.0, 91.0, 1)])
    page = open_page()
    expect(cell(page, BTC, "bid")).to_have_text("100.0")
    gateway.publish("quotes", [quote(BTC, as_of + 0.3, 101.0, 102.0, 2)])
    expect(cell(page, BTC, "bid")).to_have_text("101.0")
    expect(cell(page, BTC, "spread")).to_have_text("1.0")
    gateway.publish("quotes", [quote(BTC, as_of + 0.4, 103.0, 102.0, 3)])
    expect(cell(page, BTC, "bid")).to_have_text("103.0")
    expect(cell(page, BTC, "spread")).to_have_text("–")
    expect(cell(page, BTC, "spread")).to_have_attribute("title", re.compile("^crossed"))
    expect(cell(page, BTC, "state")).to_contain_text("crossed")


@pytest.mark.parametrize("reason", ["gap", "stale", "down"])
def test_null_is_a_dash_with_its_reason(
    gateway: MockGateway, open_page: OpenPage, reason: str
) -> None:
    as_of = ahead()
    gateway.publish("spreads", [spread(BTC, as_of - 1, 100.0, 100.5), spread(ETH, as_of, 5.0, 6.0)])
    page = open_page()
    expect(cell(page, BTC, "bid")).to_have_text("100.0")
    gateway.publish("spreads", [unseen(BTC, as_of, reason)])
    for name in ("bid", "ask", "spread", "bps", "mean", "against"):
        expect(cell(page, BTC, name)).to_contain_text("–")
        explained = cell(page, BTC, name).locator("xpath=descendant-or-self::*[@title][1]")
        expect(explained).to_have_attribute("title", re.compile(f"^{reason}: "))
    expect(cell(page, BTC, "state").locator(".badge")).to_have_text(reason)
    expect(cell(page, ETH, "state").locator(".badge")).to_have_text("live")


def test_figures_that_stand_still_are_said_to_be_delayed(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    gateway.publish("spreads", [spread(BTC, now(), 100.0, 100.5)])
    page = open_page()
    badge = cell(page, BTC, "state").locator(".badge")
    expect(badge).to_have_text("delayed", timeout=WITHIN_MS)
    expect(badge).to_have_attribute("title", re.compile("^line_delayed"))
    expect(page.get_by_role("status")).to_have_text("Connected")


def test_a_lost_line_is_told_and_the_page_goes_on_from_where_it_was(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    as_of = now()
    gateway.publish("spreads", [spread(BTC, as_of, 100.0, 100.5)])
    page = open_page()
    expect(cell(page, BTC, "bid")).to_have_text("100.0")
    expect(page.get_by_role("alert")).to_be_hidden()
    gateway.stop()
    expect(page.get_by_role("alert")).to_contain_text("lost", timeout=WITHIN_MS)
    expect(page.get_by_role("status")).to_have_text("Disconnected")
    expect(cell(page, BTC, "state").locator(".badge")).to_have_text("line lost")
    assert page.title().startswith("No connection")

    gateway.publish("spreads", [spread(BTC, as_of + 1, 101.0, 101.5)])
    gateway.subscriptions.clear()
    gateway.start()
    expect(page.get_by_role("status")).to_have_text("Connected", timeout=WITHIN_MS)
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(cell(page, BTC, "bid")).to_have_text("101.0")
    asked = [s for s in gateway.subscriptions if s["channel"] == "spreads" and s["keys"] == ["*"]]
    # Another connection may ask as well, to fill the sparklines again.
    # What came last need not have come of all sources.
    assert {"*": as_of - 5} in [subscription["resume"] for subscription in asked]


def test_a_gateway_that_falls_silent_is_told(gateway: MockGateway, open_page: OpenPage) -> None:
    gateway.publish("spreads", [spread(BTC, now(), 100.0, 100.5)])
    page = open_page()
    expect(page.get_by_role("status")).to_have_text("Connected", timeout=WITHIN_MS)
    gateway.heartbeats = False
    expect(page.get_by_role("alert")).to_contain_text("stopped sending", timeout=WITHIN_MS)
    expect(cell(page, BTC, "state").locator(".badge")).to_have_text("line lost")


def test_simulated_data_are_called_so_and_live_data_are_not(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    page = open_page()
    expect(page.get_by_text("Live data", exact=True)).to_be_visible()
    expect(page.get_by_role("note")).to_be_hidden()
    gateway.source = "simulated"
    for viewport in (DESKTOP, PHONE):
        page = open_page(viewport=viewport)
        expect(page.get_by_role("note")).to_contain_text("Simulated data")


def test_a_replay_lives_in_its_own_time(gateway: MockGateway, open_page: OpenPage) -> None:
    gateway.source = "replay"
    gateway.publish("spreads", [spread(BTC, 1723075200, 100.0, 100.5)])
    page = open_page()
    expect(page.get_by_role("timer")).to_have_text("2024-08-08 00:00:00 UTC, event time")
    gateway.publish("spreads", [spread(BTC, 1723075201, 100.0, 100.5)])
    expect(page.get_by_role("timer")).to_contain_text("00:00:01")
    expect(cell(page, BTC, "state").locator(".badge")).to_have_text("live")
    # When nothing follows, the end of the replay does not look like the present either.
    expect(cell(page, BTC, "state").locator(".badge")).to_have_text("delayed", timeout=WITHIN_MS)


def test_the_feeds_of_each_exchange_are_in_the_header(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    gateway.publish("feeds", [feed(BTC, "live"), feed(ETH, "live"), feed(SHIB, "down")])
    page = open_page()
    feeds = page.get_by_role("list", name="Feeds of the exchanges").get_by_role("listitem")
    expect(feeds).to_have_text(["binance down", "coinbase live", "kraken live"])
    # A market is listed before its first figures, and says that it has none.
    expect(cell(page, SHIB, "state").locator(".badge")).to_have_text("waiting")
    expect(cell(page, SHIB, "bid")).to_have_text("–")


def test_sorting_filtering_and_the_keyboard(gateway: MockGateway, open_page: OpenPage) -> None:
    rows = [spread(BTC, now(), 100.0, 100.1), spread(ETH, now(), 100.0, 103.0)]
    gateway.publish("spreads", [*rows, spread(SHIB, now(), 100.0, 101.0)])
    page = open_page()
    names = page.locator(".body .market")
    expect(names).to_have_text(["BTC-USD", "ETH-USD", "SHIB-USDT"])
    page.get_by_role("button", name="bps", exact=True).click()
    expect(names).to_have_text(["ETH-USD", "SHIB-USDT", "BTC-USD"])
    header = page.get_by_role("columnheader", name="bps", exact=True)
    expect(header).to_have_attribute("aria-sort", "descending")
    page.get_by_role("button", name="bps", exact=True).click()
    expect(names).to_have_text(["BTC-USD", "SHIB-USDT", "ETH-USD"])
    page.keyboard.press("/")
    page.keyboard.type("USD coinbase")
    expect(names).to_have_text(["ETH-USD"])
    expect(page.get_by_text("1 of 3 markets")).to_be_visible()
    page.keyboard.press("Escape")
    expect(names).to_have_count(3)
    page.get_by_role("link", name="BTC-USD").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="SHIB-USDT")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#/binance/SHIB-USDT$"))
    expect(page.get_by_role("heading", name="SHIB-USDT binance")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="SHIB-USDT")).to_be_focused()


def test_a_thousand_markets_take_no_more_rows_than_are_in_sight(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    markets = [f"kraken:C{index:04d}-USD" for index in range(1000)]
    gateway.publish("spreads", [spread(market, now(), 1.0, 1.01) for market in markets])
    page = open_page()
    expect(page.get_by_role("table")).to_have_attribute("aria-rowcount", "1001")
    page.get_by_role("link", name="C0000-USD").focus()
    page.keyboard.press("End")
    expect(page.get_by_role("link", name="C0999-USD")).to_be_focused()
    expect(page.get_by_role("link", name="C0500-USD")).to_have_count(0)
    assert page.locator(".body .row").count() < 60


def test_no_price_is_cut_off_and_the_state_is_in_sight(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    gateway.publish("spreads", [spread(SHIB, ahead(), 0.0000223572, 0.0000223594)])
    gateway.publish("feeds", [feed(BTC, "live"), feed(ETH, "stale"), feed(SHIB, "down")])
    page = open_page()
    expect(cell(page, SHIB, "ask")).to_have_text("0.0000223594")
    for width in (1440, 1301, 1300, 1024, 390):
        page.set_viewport_size({"width": width, "height": 800})
        cut = page.evaluate(
            """() => [...document.querySelectorAll(".body .cell, .scroller")]
                .filter((part) => part.scrollWidth > part.clientWidth)
                .map((part) => part.className)"""
        )
        assert (width, cut) == (width, [])


@pytest.mark.parametrize("address", ["#/", "#/kraken/BTC-USD"])
def test_a_phone_scrolls_in_one_direction_only(
    gateway: MockGateway, open_page: OpenPage, address: str
) -> None:
    seconds = range(now() - 60, now())
    for second in seconds:
        gateway.publish("spreads", [spread(BTC, second, 63507.65, 63507.75)])
    gateway.publish("spreads", [spread(SHIB, now(), 0.000017341, 0.000017362)])
    gateway.publish("feeds", [feed(BTC, "live"), feed(ETH, "stale"), feed(SHIB, "down")])
    page = open_page(address, viewport=PHONE)
    shown = page.locator("#readout") if address != "#/" else page.get_by_role("row").nth(1)
    expect(shown).to_contain_text("63,507.65")
    wide = page.evaluate(
        """(parts) => [...document.querySelectorAll(parts)]
            .filter((part) => part.scrollWidth > part.clientWidth).map((part) => part.className)""",
        "html, body, header, .tools, .scroller, .chart-page, .plots",
    )
    assert wide == []


def test_the_chart_opens_with_fifteen_minutes_and_leaves_holes(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    end = now()
    hole = range(end - 500, end - 400)
    for second in range(end - 899, end + 1):
        # Of a market that cannot be seen one row says so, then there is none.
        if second == hole[0]:
            gateway.publish("spreads", [unseen(BTC, second, "down")])
        elif second not in hole:
            gateway.publish("spreads", [spread(BTC, second, 100.0, 100.5)])
    page = open_page()
    row(page, BTC).click(position={"x": 300, "y": 10})
    expect(page).to_have_url(re.compile("#/kraken/BTC-USD$"))
    note = page.locator("#chart-note")
    expect(note).to_contain_text(re.compile(r"79\d of 900 s seen\. 100 s left out \(down: "))
    plots = page.get_by_role("img", name=re.compile("over the last 15 minutes"))
    expect(plots).to_have_count(2)

    def drawn(plot: Locator, share: float) -> bool:
        """Whether a line goes through this share of the plot's width."""
        return bool(plot.locator("canvas").evaluate(_DRAWN, share))

    for plot in plots.all():
        until(page, partial(drawn, plot, 0.2))
        assert drawn(plot, 0.8)
        assert not drawn(plot, 0.5)
    box = plots.first.locator(".u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 40)
    readout = page.locator("#readout")
    expect(readout.locator(".bid dd")).to_have_text("–")
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 40)
    expect(readout.locator(".bid dd")).to_have_text("100.0")
    expect(readout.locator(".time dd")).not_to_have_text(iso(end)[11:19])
    page.mouse.move(5, 5)
    expect(readout.locator(".time dd")).to_have_text(iso(end)[11:19])
    page.get_by_role("link", name="All markets", exact=False).last.click()
    expect(row(page, BTC)).to_be_visible()


def test_what_is_seen_and_what_is_left_out_are_of_the_same_minutes(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    end = now()
    for second in range(end - 899, end + 1):
        gateway.publish("spreads", [spread(BTC, second, 100.0, 100.5)])
    page = open_page("#/kraken/BTC-USD")
    note = page.locator("#chart-note")
    expect(note).to_contain_text(re.compile(r"8[89]\d of 900 s seen\.$"))
    for second in range(end + 1, end + 40):
        gateway.publish("spreads", [spread(BTC, second, 100.0, 100.5)])
    gateway.publish("spreads", [unseen(BTC, end + 40, "down"), spread(ETH, end + 99, 5.0, 6.0)])
    expect(note).to_contain_text("840 of 900 s seen. 60 s left out (down: ")


def test_of_a_young_gateway_the_chart_has_what_there_is(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    end = now()
    gateway.held_from = end - 300
    for second in range(end - 300, end + 1):
        gateway.publish("spreads", [spread(BTC, second, 100.0, 100.5)])
    page = open_page("#/kraken/BTC-USD")
    # 15 minutes are not there, 5 are.
    note = page.locator("#chart-note")
    begin = iso(end - 299)[11:19]
    expect(note).to_contain_text(f" 300 of 900 s seen. What is held begins at {begin}.")
    # A laptop that slept for longer than what is kept has lost nothing of that.
    gateway.stop()
    for second in range(end + 1, end + 1001):
        gateway.publish("spreads", [spread(BTC, second, 100.0, 100.5)])
    gateway.held_from = end + 101
    gateway.start()
    expect(note).to_contain_text(re.compile(r"8[89]\d of 900 s seen"), timeout=WITHIN_MS)


# Grid and shade are the same all over a column of pixels, up to the grid's lines: a line of the
# plot is what has strong colour or contrast to the pixel beside it.
_DRAWN = """(canvas, share) => {
    const over = canvas.parentElement.querySelector(".u-over");
    const scale = canvas.width / canvas.clientWidth;
    const x = Math.round((over.offsetLeft + share * over.offsetWidth) * scale);
    const top = Math.round(over.offsetTop * scale), height = Math.round(over.offsetHeight * scale);
    const { data } = canvas.getContext("2d").getImageData(x, top, 1, height);
    for (let i = 0; i < data.length; i += 4) {
        const colour = [data[i], data[i + 1], data[i + 2]];
        if (data[i + 3] > 200 && Math.max(...colour) - Math.min(...colour) > 60) return true;
    }
    return false;
}"""


def test_the_theme_follows_the_system_until_the_reader_chooses(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    late = {"stale": True, "reasons": {"as_of": "line_delayed"}}
    rows = [spread(BTC, ahead(), 100.0, 100.5), unseen(ETH, ahead(), "gap")]
    gateway.publish("spreads", [*rows, spread(SHIB, ahead(), 1.0, 1.1, **late)])
    gateway.publish("feeds", [feed(BTC, "live"), feed(ETH, "gap"), feed(SHIB, "quiet")])
    page = open_page(color_scheme="dark")
    root = page.locator("html")
    expect(root).to_have_attribute("data-theme", "dark")
    expect(cell(page, SHIB, "state")).to_contain_text("delayed")
    assert faint(page) == []
    page.get_by_role("button", name="Dark theme").click()
    expect(root).to_have_attribute("data-theme", "light")
    assert faint(page) == []
    page.evaluate("location.hash = '#/binance/SHIB-USDT'")
    expect(page.locator("#readout .bid dd")).to_have_text("1.0")
    assert faint(page) == []
    page.reload()
    expect(root).to_have_attribute("data-theme", "light")


def test_a_market_that_becomes_known_later_is_shown_then(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    end = now()
    gateway.publish("spreads", [spread(ETH, end, 5.0, 6.0)])
    page = open_page("#/kraken/BTC-USD")
    note = page.locator("#chart-note")
    expect(note).to_have_text("No market kraken:BTC-USD here.")
    gateway.publish("spreads", [spread(BTC, end + 1, 100.0, 100.5)])
    expect(note).to_contain_text(re.compile(r" 1 of 900 s seen"))


def test_a_machine_that_slept_goes_on_with_what_is_now(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    """Its timers stand still meanwhile, the clock on the wall does not."""
    as_of = now()
    gateway.publish("spreads", [spread(BTC, as_of, 100.0, 100.5)])
    page = open_page()
    page.evaluate(
        """() => {
            const now = Date.now;
            Object.assign(window, { slept: 0, told: [] });
            Date.now = () => now() + window.slept;
            const alarm = document.querySelector("#alarm");
            const note = () => window.told.push(alarm.textContent);
            new MutationObserver(note).observe(alarm, { characterData: true, subtree: true });
        }"""
    )
    expect(cell(page, BTC, "bid")).to_have_text("100.0")
    gateway.heartbeats = False
    gateway.subscriptions.clear()

    def resumed(from_: dict[str, int] | None) -> bool:
        found = [each for each in gateway.subscriptions if each["channel"] == "spreads"]
        return from_ in [each.get("resume") for each in found]

    page.evaluate("slept = 3_600_000")
    until(page, lambda: resumed(None))
    # It does not wait for a line first that ended in its sleep.
    assert not [words for words in page.evaluate("told") if "stopped sending" in words]
    gateway.stop()
    page.evaluate("slept = 7_200_000")
    gateway.publish("spreads", [spread(BTC, as_of + 7_200, 101.0, 101.5)])
    gateway.start()
    expect(cell(page, BTC, "bid")).to_have_text("101.0")
    # What the sparklines show is asked for as at opening.
    until(page, lambda: resumed({"*": as_of + 7_200 - 178}))


def test_a_gateway_that_wants_a_key_is_given_one(gateway: MockGateway, open_page: OpenPage) -> None:
    gateway.key = "a/good key"
    gateway.publish("spreads", [spread(BTC, now(), 100.0, 100.5)])
    page = open_page()
    page.get_by_label("asks for a key").press_sequentially("a/good key")
    page.get_by_role("button", name="Connect").click()
    expect(cell(page, BTC, "bid")).to_have_text("100.0")
    expect(page.get_by_text("Live data", exact=True)).to_be_visible()
    assert "good" not in page.url
