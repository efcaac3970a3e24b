"""The documentation as a site: it builds strictly, its links lead somewhere, it fetches nothing."""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Request, sync_playwright

from tests.documentation.commands import ROOT, fences

_LOADS = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "link": "href",
    "source": "src",
    "form": "action",
}


class _Page(HTMLParser):
    """What a page links to, what it loads, and what can be linked to in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take one element."""
        found = dict(attrs)
        if identity := found.get("id"):
            self.anchors.add(identity)
        if tag == "a" and (target := found.get("href")):
            self.links.append(target)
        if place := found.get(_LOADS.get(tag, "")):
            self.loads.append(place)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it as `make docs` does, elsewhere."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, _Page]:
    """Return every page by its name."""
    # The page for what is not there has absolute addresses, as it may be shown anywhere.
    files = (each for each in site.rglob("*.html") if each.name != "404.html")
    return {str(each.relative_to(site)): _Page(each.read_text(encoding="utf-8")) for each in files}


def test_every_page_is_in_the_navigation(site: Path, pages: dict[str, _Page]) -> None:
    """Each of docs/*.md is a page that the start page's navigation leads to."""
    linked = {urlsplit(each).path for each in pages["index.html"].links}
    for page in (ROOT / "docs").glob("*.md"):
        assert f"{page.stem}.html" in linked, page.name
    assert {"api-reference.html", "contributing.html"} <= linked
    assert not list(site.rglob("*.py"))


def test_links_lead_somewhere(pages: dict[str, _Page]) -> None:
    """To a page that there is, and to an anchor in it."""
    for name, page in pages.items():
        for link in page.links:
            target = urlsplit(link)
            if target.scheme or link == "#":
                continue
            path = os.path.normpath(Path(name).parent / target.path) if target.path else name
            path = "index.html" if path == "." else path
            assert path in pages, f"{name} links to {link}"
            assert not target.fragment or unquote(target.fragment) in pages[path].anchors, (
                f"{name} links to {link}"
            )


def test_nothing_is_asked_of_anyone_else(pages: dict[str, _Page]) -> None:
    """Scripts, styles, images and fonts are the site's own."""
    for name, page in pages.items():
        foreign = [each for each in page.loads if urlsplit(each).netloc]
        assert not foreign, f"{name} loads {foreign}"


def test_lists_and_tables_are_read_as_such(site: Path) -> None:
    """Markdown that only some readers take for a list would be one long line here."""
    for page in site.rglob("*.html"):
        for paragraph in re.findall(r"<p>((?:(?!</p>).)*)</p>", page.read_text(), re.DOTALL):
            unread = re.search(r"\n(- |\d+\. |\|)|\|---|```", paragraph)
            assert unread is None, f"{page.name}: {paragraph}"


def test_a_browser_asks_only_this_site(site: Path) -> None:
    """Pages, search and all; whatever a script would fetch besides is seen here."""
    chromium = shutil.which("chromium")
    if chromium is None:
        reason = "expected the command chromium (Debian's package chromium), found none"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with _served(site) as address, sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        asked: list[str] = []

        def note(request: Request) -> None:
            asked.append(request.url)

        try:
            page = browser.new_page()
            page.on("request", note)
            page.goto(f"{address}/index.html")
            page.goto(f"{address}/operate.html#metrics")
            page.locator("input.md-search__input").click()
            page.locator("input.md-search__input").press_sequentially("lateness")
            page.locator(".md-search-result__link").first.wait_for()
        finally:
            browser.close()
    assert any(url.endswith("search_index.json") for url in asked)
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


@contextlib.contextmanager
def _served(folder: Path) -> Iterator[str]:
    """Serve a folder on a free port of the loopback."""
    handler = functools.partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_the_walk_through_of_a_statistic_works() -> None:
    """Its Python runs, block after block, and what it says is there is there."""
    page = ROOT / "docs" / "add-a-statistic.md"
    names: dict[str, object] = {"__name__": "walk"}
    for language, text in fences(page):
        if language == "python":
            exec(compile(text, str(page), "exec"), names)  # our own page
    assert "trade_sign" in names
    for path in re.findall(r"`((?:models|agents|services|tests)/[\w./-]+)`", page.read_text()):
        assert (ROOT / path).exists() or path == "models/statistics/trade_sign.py", path
    figures = (ROOT / "agents" / "spread" / "figures.py").read_text()
    rows = (ROOT / "agents" / "spread" / "rows.py").read_text()
    assert "def _pane(" in figures
    assert "def _put_window(" in rows
    assert "_IN_WINDOW = (" in rows
