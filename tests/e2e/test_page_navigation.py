"""From view to view."""

from __future__ import annotations

import re

from playwright.sync_api import Route, expect

from services.gateway.web.dev import made
from services.gateway.web.dev.mock_gateway import MockGateway
from tests.e2e.page_values import BTC, WITHIN_MS, OpenPage, now, spread


def test_views_are_reached_by_links_and_by_the_browsers_own_history(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    gateway.publish("spreads", [spread(BTC, now(), 100.0, 100.5)])
    gateway.answer("/v1/correlations", lambda *_: made.matrix(["BTC", "ETH"], now()))
    page = open_page()
    views = page.get_by_role("navigation", name="Views")
    expect(views.get_by_role("link", name="Markets")).to_have_attribute("aria-current", "page")
    views.get_by_role("link", name="Correlations").click()
    expect(page.get_by_role("heading", name="Correlations")).to_be_visible()
    expect(views.get_by_role("link", name="Correlations")).to_have_attribute("aria-current", "page")
    expect(views.get_by_role("link", name="Markets")).not_to_have_attribute("aria-current", "page")
    expect(page).to_have_title("Cointide · correlations", timeout=WITHIN_MS)
    page.go_back()
    expect(page.get_by_role("table", name="Spreads of every market")).to_be_visible()
    page.get_by_role("link", name="BTC-USD").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="BTC-USD kraken")).to_be_visible()
    page.get_by_role("link", name="BTC over all venues").click()
    expect(page).to_have_url(re.compile("#/coin/BTC$"))
    expect(page.get_by_role("heading", name="BTC", exact=True)).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="BTC-USD kraken")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="BTC-USD")).to_be_focused()


def test_a_view_is_fetched_when_it_is_first_gone_to(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    gateway.publish("spreads", [spread(BTC, now(), 100.0, 100.5)])
    page = open_page()
    expect(page.get_by_role("link", name="BTC-USD")).to_be_visible()
    scripts = """performance.getEntriesByType("resource")
        .filter(({ name }) => name.endsWith(".js"))
        .map(({ name, decodedBodySize }) => [name, decodedBodySize])"""
    first = page.evaluate(scripts)
    assert 10_000 < sum(size for _, size in first) < 60_000
    page.get_by_role("link", name="BTC", exact=True).click()
    expect(page.get_by_role("heading", name="BTC", exact=True)).to_be_visible()
    later = page.evaluate(scripts)
    assert sum(size for _, size in later) > 200_000
    assert not [name for name, _ in later if "correlation-view-" in name]


def test_a_part_that_is_long_in_coming_is_told(gateway: MockGateway, open_page: OpenPage) -> None:
    gateway.publish("spreads", [spread(BTC, now(), 100.0, 100.5)])
    page = open_page()
    held: list[Route] = []
    page.route("**/chart-view-*.js", lambda route: held.append(route))
    page.get_by_role("link", name="BTC-USD", exact=True).click()
    expect(page.get_by_text("Loading this part of the page…")).to_be_visible()
    expect(page.get_by_text("Bid and ask")).to_be_hidden()
    held[0].continue_()
    expect(page.get_by_role("heading", name="BTC-USD kraken")).to_be_visible()
    expect(page.get_by_text("Loading this part of the page…")).to_be_hidden()


def test_a_part_that_cannot_be_fetched_is_told(gateway: MockGateway, open_page: OpenPage) -> None:
    gateway.publish("spreads", [spread(BTC, now(), 100.0, 100.5)])
    page = open_page()
    page.route("**/coin-view-*.js", lambda route: route.abort())
    page.get_by_role("link", name="BTC", exact=True).click()
    expect(page.get_by_text("could not be loaded")).to_be_visible()
    page.get_by_role("link", name="Cointide, all markets").click()
    expect(page.get_by_role("table")).to_be_visible()
    expect(page.get_by_text("could not be loaded")).to_be_hidden()
