"""Streams whose clients go, take nothing, or whose source fails on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from agents.archive.store import Store, open_store
from models.errors import StoreError
from models.settings import Settings
from services.gateway.app import create_app
from services.gateway.history import answers
from services.history.series import History, HistoryAnswer
from services.history.source import Series
from tests.unit.gateway.calls import nothing_to_read
from tests.unit.gateway.made import BTC, market, spreads
from tests.unit.history.made import HistoryDesk, archive, records_of

Message = dict[str, Any]


@pytest.fixture
def desk(tmp_path: Path) -> HistoryDesk:
    """Return a gateway with some minutes of spreads in its archive."""
    store: Store = open_store(Settings(data_dir=tmp_path))
    archive(store, "spreads", records_of(spreads(n, [BTC]).value for n in range(300)))
    desk = HistoryDesk(store)
    desk.take(market())
    return desk


def call(
    desk: HistoryDesk,
    send: Callable[[Message, asyncio.Event], Awaitable[None]],
) -> None:
    """Ask for CSV; `send` gets every message, and an event that says that the client has gone."""
    app = create_app(desk.gateway, nothing_to_read)

    async def asked() -> None:
        gone = asyncio.Event()
        requested = False

        async def receive() -> Message:
            nonlocal requested
            if not requested:
                requested = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await gone.wait()
            return {"type": "http.disconnect"}

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/v1/spreads/kraken/BTC-USD/history",
            "raw_path": b"",
            "query_string": b"",
            "root_path": "",
            "headers": [(b"accept", b"text/csv")],
            "client": ("127.0.0.1", 1),
            "server": ("gateway", 80),
            "state": {"gateway": desk.gateway},
        }
        await app(scope, receive, lambda message: send(dict(message), gone))

    asyncio.run(asked())


def endless(monkeypatch: pytest.MonkeyPatch, fails_after: int | None = None) -> list[int]:
    """Let a series never end; return a list to which is added what has been read and closed."""
    read = History.read
    seen: list[int] = []

    def forever(self: History, series: Series, *rest: Any, **more: Any) -> HistoryAnswer:
        found = read(self, series, *rest, **more)
        batch = next(found.rows)

        def rows() -> Iterator[pa.RecordBatch]:
            try:
                while True:
                    seen.append(1)
                    if fails_after is not None and len(seen) > fails_after:
                        raise StoreError("expected a store, was none")
                    yield batch
            finally:
                seen.append(0)

        return msgspec.structs.replace(found, rows=rows())

    monkeypatch.setattr(History, "read", forever)
    return seen


def test_a_client_that_goes_ends_its_read(
    desk: HistoryDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = endless(monkeypatch)
    sent: list[Message] = []

    async def send(message: Message, gone: asyncio.Event) -> None:
        sent.append(message)
        if len(sent) > 5:
            gone.set()
        await asyncio.sleep(0)

    call(desk, send)
    assert seen[-1] == 0, "expected the read to be closed"
    assert desk.gateway.reads.open == 0
    assert desk.gateway.reads.broken_off == 1
    assert sent[-1]["more_body"]


def test_a_client_that_takes_nothing_ends_its_read(
    desk: HistoryDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = endless(monkeypatch)
    monkeypatch.setattr(answers, "_PATIENCE_S", 0.05)

    async def send(message: Message, gone: asyncio.Event) -> None:
        if message["type"] == "http.response.body":
            await gone.wait()

    call(desk, send)
    assert seen[-1] == 0, "expected the read to be closed"
    assert (desk.gateway.reads.open, desk.gateway.reads.broken_off) == (0, 1)


def test_a_stream_whose_source_fails_is_not_ended(
    desk: HistoryDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a client cannot take a part for the whole."""
    seen = endless(monkeypatch, fails_after=4)
    sent: list[Message] = []

    async def send(message: Message, gone: asyncio.Event) -> None:  # noqa: ARG001 - it stays
        sent.append(message)

    call(desk, send)
    assert seen[-1] == 0
    assert sent[0]["status"] == 200
    assert sent[-1]["more_body"], "expected no end"
    assert desk.gateway.reads.open == 0
    assert desk.gateway.reads.is_away
