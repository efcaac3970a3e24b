"""The page in a real browser, against a gateway whose every message the test decides."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from services.gateway.web.dev.mock_gateway import DIST, MockGateway
from tests.e2e.page_values import DESKTOP, WITHIN_MS, OpenPage

ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not (DIST / "index.html").is_file():
        pytest.fail(f"expected the built page in {DIST}, found none: run `make web`")
    chromium = shutil.which("chromium")
    if chromium is None:
        reason = "expected the command chromium (Debian's package chromium), found none"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    expect.set_options(timeout=WITHIN_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture
def gateway() -> Iterator[MockGateway]:
    gateway = MockGateway("live", ranks={"BTC": 1, "ETH": 2, "SHIB": 3})
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.stop()


@pytest.fixture
def open_page(browser: Browser, gateway: MockGateway) -> Iterator[OpenPage]:
    """Open the page; what it throws fails the test."""
    errors: list[str] = []
    contexts = []

    def opened(address: str = "#/", viewport: Any = DESKTOP, **options: Any) -> Page:
        context = browser.new_context(viewport=viewport, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{gateway.url}/{address}")
        return page

    try:
        yield opened
    finally:
        for context in contexts:
            context.close()
    assert errors == []
