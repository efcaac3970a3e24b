"""The correlations: a matrix of hundreds of coins, and one pair at a time."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from services.gateway.web.dev import made
from services.gateway.web.dev.mock_gateway import Data, MockGateway, Query, Refusal, iso
from tests.e2e.page_values import BTC, ETH, PHONE, WITHIN_MS, OpenPage, faint, now, spread, until

COINS = ["BTC", "ETH", "SOL", "XRP", "ADA", "DOGE", "LTC", "DOT", "LINK", "SHIB"]
MANY = [f"C{index:03d}" for index in range(500)]
TABLE = "1h.60s.pearson"
GUTTER = 50


@pytest.fixture(autouse=True)
def answers(gateway: MockGateway) -> None:
    """Give the gateway matrices: ten coins without a choice, 500 for all of them."""
    gateway.catalog = {"tables": [{"table": table} for table in made.TABLES]}
    gateway.publish("spreads", [spread(m, now(), 100.0, 100.5) for m in (BTC, ETH)])

    def matrix(_: tuple[str, ...], query: Query) -> Data:
        coins = MANY if query.get("coins") == "*" else COINS
        coins = list(reversed(coins)) if query.get("order") == "cluster" else coins
        table = f"{query['window']}.{query['sampling']}.{query['method']}"
        return made.matrix(coins, now(), table, thin=["DOT", "C007"])

    def pair(names: tuple[str, ...], _: Query) -> Data:
        unknown = next((name for name in names if name not in COINS), None)
        if unknown:
            raise Refusal(404, f"expected a coin, was '{unknown}'")
        return made.pair(names[0], names[1], now())

    def history(names: tuple[str, ...], query: Query) -> Data:
        return made.pair_history(names[0], names[1], query)

    gateway.answer("/v1/correlations", matrix)
    gateway.answer("/v1/correlations/([^/]+)/([^/]+)", pair)
    gateway.answer("/v1/correlations/([^/]+)/([^/]+)/history", history)


def opened(open_page: OpenPage, coins: int = 10, **options: Any) -> Page:
    page = open_page("#/correlations", **options)
    if coins > 10:
        expect(about(page)).to_contain_text("coins")
        page.get_by_label("Coins", exact=True).select_option("*")
    expect(about(page)).to_contain_text(f"{coins} coins", timeout=WITHIN_MS)
    # It is drawn when it has been given its size.
    page.wait_for_function("document.querySelector('.heatmap canvas').width > 300")
    return page


def about(page: Page) -> Locator:
    return page.locator(".heat-panel .chart-note")


def canvas(page: Page) -> Locator:
    return page.get_by_role("application")


def shown(r: float) -> str:
    """Return a correlation as the page writes it."""
    return f"{r:.3f}".replace("-", "−")


def place(page: Page, row: int, column: int, coins: int) -> tuple[float, float]:
    """Return where the middle of a cell lies on the canvas."""
    box = canvas(page).bounding_box()
    assert box is not None
    cell = (box["width"] - GUTTER) / coins
    return GUTTER + (column + 0.5) * cell, GUTTER + (row + 0.5) * cell


def colour(page: Page, row: int, column: int, coins: int) -> list[int]:
    x, y = place(page, row, column, coins)
    # Beside the middle, where a number may stand.
    shift = 0.3 * (place(page, row, column + 1, coins)[0] - x)
    found: list[int] = canvas(page).evaluate(
        """(canvas, [x, y]) => {
            const scale = canvas.width / canvas.clientWidth;
            const data = canvas.getContext("2d").getImageData(x * scale, y * scale, 1, 1).data;
            return [...data.slice(0, 3)];
        }""",
        [x - shift, y + shift],
    )
    return found


def is_grey(rgb: list[int]) -> bool:
    return max(rgb) - min(rgb) < 6


def test_five_hundred_coins_are_drawn_and_the_cell_under_the_pointer_is_told(
    open_page: OpenPage,
) -> None:
    page = opened(open_page, 500)
    matrix = made.matrix(MANY, 0, TABLE, thin=["C007"])
    for row, column in [(0, 0), (3, 250), (499, 498), (120, 77)]:
        x, y = place(page, row, column, 500)
        canvas(page).hover(position={"x": x, "y": y})
        told = page.get_by_role("status").filter(has_text=f"{MANY[row]} – {MANY[column]}")
        expect(told).to_contain_text(f"r {shown(matrix['matrix'][row][column])}")
        expect(told).to_contain_text("n 342")
        expect(told).to_contain_text("effective n 57")
        expect(told).to_contain_text(re.compile(r"95 %: −?[01]\.\d{3} to −?[01]\.\d{3}"))
    drawn = {tuple(colour(page, 499 - i, i, 500)) for i in range(0, 500, 7)}
    assert len(drawn) > 10


def test_what_is_undefined_is_grey_and_says_why(open_page: OpenPage) -> None:
    page = opened(open_page)
    thin = COINS.index("DOT")
    assert is_grey(colour(page, thin, 1, 10))
    assert is_grey(colour(page, 2, thin, 10))
    assert not is_grey(colour(page, 2, 2, 10))
    x, y = place(page, thin, 1, 10)
    canvas(page).hover(position={"x": x, "y": y})
    told = page.get_by_role("status").filter(has_text="DOT – ETH")
    expect(told).to_contain_text("r –")
    expect(told).to_contain_text("thin: too few observations")
    expect(told).to_contain_text("effective n 12.5")


def test_a_negative_correlation_looks_other_than_a_positive_one(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    matrix = made.matrix(COINS[:3], now(), TABLE)
    matrix["matrix"] = [[1, 0.8, -0.8], [0.8, 1, 0.0], [-0.8, 0.0, 1]]
    gateway.answer("/v1/correlations", lambda *_: matrix)
    page = opened(open_page, 3)
    positive, negative, none = (colour(page, *cell, 3) for cell in [(0, 1), (0, 2), (1, 2)])
    # Orange has more red than blue; both are as far from 0.
    assert positive[0] - positive[2] > 60
    assert negative[2] - negative[0] > 60
    assert is_grey(none)
    assert min(none) > 230


def test_window_method_order_and_coins_are_asked_for(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    page = opened(open_page)
    assert gateway.asked("/v1/correlations")[0] == {
        "window": "1h", "sampling": "60s", "method": "pearson"
    }  # fmt: skip
    methods = page.get_by_label("Method", exact=True).locator("option")
    expect(methods).to_have_text(["Pearson", "Spearman", "EWMA", "Hayashi–Yoshida"])
    page.get_by_label("Method", exact=True).select_option("hayashi_yoshida")
    expect(about(page)).to_contain_text("1h.1s.hayashi_yoshida")
    assert gateway.asked("/v1/correlations")[-1]["sampling"] == "1s"
    page.get_by_label("Window", exact=True).select_option("24h")
    expect(about(page)).to_contain_text("24h.5m.pearson")
    expect(methods).to_have_text(["Pearson"])
    page.get_by_label("Order", exact=True).select_option("cluster")
    x, y = place(page, 0, 0, 10)
    canvas(page).hover(position={"x": x, "y": y})
    expect(page.get_by_role("status").filter(has_text="SHIB – SHIB")).to_be_visible()
    assert gateway.asked("/v1/correlations")[-1]["order"] == "cluster"


def test_a_new_step_is_shown_with_what_it_rests_on(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    page = opened(open_page)
    expect(about(page)).to_contain_text("25% of the returns from candles.")
    expect(about(page)).to_contain_text("pairs have changed against 24h.5m.pearson.")

    def asked() -> list[Data]:
        return [s for s in gateway.subscriptions if s["channel"] == "correlations"]

    until(page, asked)
    assert [(s["keys"], s["coins"]) for s in asked()] == [([TABLE], COINS)]
    panel = page.locator(".changed-panel")
    panel.get_by_role("button").last.click()
    until(page, lambda: any(path.endswith("/history") for path, _ in gateway.requests))
    panel.get_by_role("button").last.focus()
    asked_before = len(gateway.requests)
    later = now() + 70
    step = {**made.matrix(COINS, later, TABLE), "masked": ["kraken/2"], "rest_share": 0.5}
    gateway.publish("correlations", [(TABLE, later // 10, step)])
    expect(about(page)).to_contain_text(iso(later)[11:19])
    expect(about(page)).to_contain_text("Made without kraken/2, which came late.")
    expect(about(page)).to_contain_text("50% of the returns from candles.")
    expect(panel.get_by_role("button").last).to_be_focused()
    # An open pair does not stay behind the matrix.
    until(page, lambda: len(gateway.requests) == asked_before + 2)
    page.get_by_role("link", name="← All markets").click()
    expect(page.get_by_role("table")).to_be_visible()
    until(page, lambda: gateway.unsubscriptions)
    assert [s["channel"] for s in gateway.unsubscriptions] == ["correlations"]


def test_a_pair_is_looked_up_by_keyboard(gateway: MockGateway, open_page: OpenPage) -> None:
    page = opened(open_page)
    page.get_by_label("First coin").fill("btc")
    page.get_by_label("First coin").press("Tab")
    page.keyboard.type("sol")
    page.keyboard.press("Enter")
    panel = page.get_by_role("region", name="BTC – SOL")
    expect(panel).to_be_visible()
    now_pair = made.pair("BTC", "SOL", 0)
    expect(panel.locator(".tile.r")).to_contain_text(shown(now_pair["correlation"]))
    expect(panel.locator(".tile.r")).to_contain_text("z 2.4: changed")
    expect(panel.locator(".tile.observations")).to_contain_text("342")
    expect(panel.locator(".tile.effective")).to_contain_text("57")
    expect(panel.get_by_role("img", name=re.compile("^Correlation of BTC and SOL"))).to_be_visible()
    expect(panel.get_by_role("img", name=re.compile("^Returns of BTC"))).to_be_visible()
    asked = gateway.asked("/v1/correlations/BTC/SOL/history")[-1]
    assert (asked["window"], asked["method"]) == ("1h", "pearson")
    page.get_by_label("Second coin").fill("NOPE")
    page.keyboard.press("Enter")
    panel = page.get_by_role("region", name="BTC – NOPE")
    expect(panel.get_by_role("status")).to_contain_text("expected a coin, was 'NOPE'")


def test_returns_that_are_not_given_are_not_drawn(
    gateway: MockGateway, open_page: OpenPage
) -> None:
    def history(names: tuple[str, ...], query: Query) -> Data:
        found = made.pair_history(names[0], names[1], query)
        del found["returns"]
        return found

    gateway.answer("/v1/correlations/([^/]+)/([^/]+)/history", history)
    page = opened(open_page)
    x, y = place(page, 0, 1, 10)
    canvas(page).click(position={"x": x, "y": y})
    panel = page.get_by_role("region", name="BTC – ETH")
    expect(panel.locator(".pair-plot canvas")).to_be_visible()
    expect(panel.locator(".scatter")).to_be_hidden()


def test_the_keyboard_goes_from_cell_to_cell(open_page: OpenPage) -> None:
    page = opened(open_page)
    canvas(page).focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    expect(page.get_by_role("status").filter(has_text="SOL – ETH")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="SOL – ETH")).to_be_focused()


def test_few_coins_are_a_table_of_text_too(open_page: OpenPage) -> None:
    page = opened(open_page)
    page.get_by_text("As a table").click()
    table = page.get_by_role("table", name="Correlations")
    expect(table.get_by_role("columnheader")).to_have_text(COINS)
    expect(table.get_by_role("rowheader")).to_have_text(COINS)
    matrix = made.matrix(COINS, 0, TABLE, thin=["DOT"])["matrix"]
    row = table.get_by_role("row").nth(1)
    expect(row.get_by_role("cell").nth(1)).to_contain_text(shown(matrix[0][1]))
    expect(row.get_by_role("cell").nth(COINS.index("DOT"))).to_have_text("– thin")
    page.get_by_label("Coins", exact=True).select_option("*")
    expect(about(page)).to_contain_text("500 coins")
    expect(page.get_by_text("As a table")).to_be_hidden()


def test_a_part_can_be_enlarged(open_page: OpenPage) -> None:
    page = opened(open_page, 500)
    for _ in range(3):
        page.get_by_role("button", name="Enlarge").click()
    box = canvas(page).bounding_box()
    assert box is not None
    # An eighth about the middle is in sight: its middle is the whole's.
    middle = GUTTER + (box["width"] - GUTTER) / 2 + 1
    canvas(page).hover(position={"x": middle, "y": middle})
    expect(page.get_by_role("status").filter(has_text="C250 – C250")).to_be_visible()
    canvas(page).hover(position={"x": GUTTER + 2, "y": GUTTER + 2})
    expect(page.get_by_role("status").filter(has_text="C218 – C218")).to_be_visible()
    page.get_by_role("button", name="Whole matrix").click()
    canvas(page).hover(position={"x": GUTTER + 0.5, "y": GUTTER + 0.5})
    expect(page.get_by_role("status").filter(has_text="C000 – C000")).to_be_visible()


def test_a_refused_matrix_says_why(gateway: MockGateway, open_page: OpenPage) -> None:
    def refuse(*_: Any) -> Data:
        raise Refusal(404, "expected a table out of none yet, was 1h.60s.pearson")

    gateway.answer("/v1/correlations", refuse)
    page = open_page("#/correlations")
    expect(page.get_by_text("No matrix: expected a table out of none yet")).to_be_visible()
    # Nobody need come and reload the page.
    gateway.answer("/v1/correlations", lambda *_: made.matrix(COINS, now(), TABLE))
    expect(about(page)).to_contain_text("10 coins", timeout=WITHIN_MS)
    expect(page.get_by_text("No matrix:")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_correlations_in_one_direction_only(
    open_page: OpenPage, scheme: str
) -> None:
    page = opened(open_page, viewport=PHONE, color_scheme=scheme, has_touch=True)
    x, y = place(page, 0, 1, 10)
    canvas(page).tap(position={"x": x, "y": y})
    expect(page.get_by_role("heading", name="BTC – ETH")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="BTC – ETH  ·  r")).to_be_attached()
    # What has come to lie under the finger was not clicked.
    table = page.locator("details.as-table")
    expect(table).not_to_have_attribute("open", "")
    table.locator("summary").click()
    expect(table.get_by_role("table")).to_be_visible()
    wide = page.evaluate(
        """(parts) => [...document.querySelectorAll(parts)]
            .filter((part) => part.scrollWidth > part.clientWidth).map((part) => part.className)""",
        "html, body, header, .view-page, .columns, .column, .panel, .chart-head",
    )
    assert wide == []
    assert faint(page) == []
    # 0 lies near the ground's own shade, in either theme.
    expect(page.locator("html")).to_have_attribute("data-theme", scheme)
    weakest = colour(page, 0, 9, 10)
    assert (max(weakest) < 128) == (scheme == "dark")
