"""Answers of history: a page of rows, or a range of any length, streamed as it is read.

What blocks runs in a thread of `HistoryReads`, a step at a time: between two steps a slow client
holds no thread, and one that takes nothing for half a minute, or has gone, ends its read.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

import msgspec
import pyarrow as pa
import structlog
from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from models.times import iso_microseconds
from services.gateway.dependencies import HistoryWindow
from services.gateway.gateway import Gateway
from services.gateway.history.formats import MEDIA_TYPES, Form, encoded
from services.gateway.history.reads import HistoryAwayError, HistoryReads
from services.gateway.history.rows import HistoryRows, Objects, Place, gaps_of
from services.gateway.limits.clients import client_of
from services.gateway.lists import cursor_of, next_link, numbers_of
from services.gateway.problems import RefusedError

COMPLETE_FROM = "Cointide-Complete-From"
GAPS = "Cointide-Gaps"
AGGREGATE = "Cointide-Aggregate"

_PIECE_BYTES = 256 * 1024
_PATIENCE_S = 30.0
_encode = msgspec.json.Encoder().encode

OpenRows = Callable[[Place | None], HistoryRows]
"""Given the place behind which rows are wanted, None for all: opens them. It blocks."""


class HistoryPage(msgspec.Struct, frozen=True):
    """Rows in a row; `about` is added to the answer as it is."""

    rows: list[pa.RecordBatch]
    next: str | None
    source: HistoryRows

    def objects(self) -> Objects:
        """Return what JSON shows of the rows."""
        return [each for batch in self.rows for each in self.source.objects(batch)]


async def history_answer(
    request: Request,
    gateway: Gateway,
    form: Form,
    window: HistoryWindow,
    open_rows: OpenRows,
    *,
    parts: int = 1,
) -> Response:
    """Return a page as JSON, or all rows as a stream; with a `limit` a page in any form.

    Raises:
        RefusedError: a bad cursor, no room for a read, or a place is away.
    """
    try:
        response = await _answered(request, gateway, form, window, open_rows, parts)
    except RefusedError as error:
        gateway.reads.reads[form, error.reason] += 1
        raise
    gateway.reads.reads[form, "answered"] += 1
    return response


async def _answered(
    request: Request,
    gateway: Gateway,
    form: Form,
    window: HistoryWindow,
    open_rows: OpenRows,
    parts: int,
) -> Response:
    reads = gateway.reads
    after = None if window.cursor is None else numbers_of(window.cursor, parts)
    client = client_of(request, gateway.keys)
    if form == "json" or window.limit is not None or after is not None:
        with reads.room(client):
            return await reads.run(
                lambda: _page_answer(request, form, _page(open_rows, after, window.rows))
            )
    release = reads.take(client)
    try:
        return await reads.run(lambda: _stream(reads, form, open_rows(None), release))
    except BaseException:
        release()
        raise


class StreamedRead(Response):
    """The bytes of a read, made while they are sent."""

    def __init__(
        self,
        reads: HistoryReads,
        steps: _Steps,
        first: bytes,
        headers: Mapping[str, str],
        media_type: str,
        release: Callable[[], None],
    ) -> None:
        """`release` gives the place of the read back."""
        super().__init__(None, 200, headers, media_type)
        del self.headers["content-length"]
        self._reads = reads
        self._steps = steps
        self._first = first
        self._release = release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send; what breaks off is not ended properly, so that the client sees it."""
        gone = asyncio.create_task(_disconnected(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if await self._send_all(send, gone):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                self._reads.broken_off += 1
        finally:
            gone.cancel()
            try:
                await self._reads.run_to_the_end(self._steps.close)
            finally:
                self._release()

    async def _send_all(self, send: Send, gone: asyncio.Task[None]) -> bool:
        chunk: bytes | None = self._first
        while chunk is not None:
            for begin in range(0, len(chunk), _PIECE_BYTES):
                piece = chunk[begin : begin + _PIECE_BYTES]
                message = {"type": "http.response.body", "body": piece, "more_body": True}
                try:
                    await asyncio.wait_for(send(message), _PATIENCE_S)
                except TimeoutError:
                    return False
                self._reads.bytes += len(piece)
                if gone.done():
                    return False
            try:
                chunk = await self._reads.run(self._steps.next)
            except HistoryAwayError as error:
                structlog.get_logger().warning("history_broken_off", detail=error.detail)
                return False
        return True


def _stream(
    reads: HistoryReads, form: Form, rows: HistoryRows, release: Callable[[], None]
) -> Response:
    def counted() -> Iterator[pa.RecordBatch]:
        for batch in rows.batches:
            reads.rows += batch.num_rows
            yield batch

    steps = _Steps(encoded(form, rows.schema, counted()), rows)
    try:
        # The begin of a form is made without a row; what cannot be read is to be refused.
        first = (steps.next() or b"") + (steps.next() or b"")
    except BaseException:
        steps.close()
        raise
    return StreamedRead(reads, steps, first, _headers(rows), MEDIA_TYPES[form], release)


class _Steps:
    """A read, one step at a time; it is not closed while a step is made."""

    def __init__(self, chunks: Generator[bytes, None, None], rows: HistoryRows) -> None:
        self._chunks = chunks
        self._rows = rows
        self._lock = threading.Lock()

    def next(self) -> bytes | None:
        """Return the next bytes, None at the end."""
        with self._lock:
            return next(self._chunks, None)

    def close(self) -> None:
        """Read no more."""
        with self._lock:
            self._chunks.close()
            self._rows.close()


def _page(open_rows: OpenRows, after: Place | None, limit: int) -> HistoryPage:
    rows = open_rows(after)
    found: list[pa.RecordBatch] = []
    count = 0
    try:
        for batch in rows.batches:
            if after is not None:
                batch = _behind(rows, batch, after)
            if batch.num_rows:
                found.append(batch)
                count += batch.num_rows
            if count > limit:
                break
    finally:
        rows.close()
    if count <= limit:
        return HistoryPage(found, None, rows)
    found[-1] = found[-1].slice(0, found[-1].num_rows - (count - limit))
    if not found[-1].num_rows:
        found.pop()
    last = rows.place_of(found[-1], found[-1].num_rows - 1)
    return HistoryPage(found, cursor_of(".".join(map(str, last))), rows)


def _behind(rows: HistoryRows, batch: pa.RecordBatch, after: Place) -> pa.RecordBatch:
    """Return the rows of a batch behind a place; rows are in the order of their places."""
    low, high = 0, batch.num_rows
    while low < high:
        middle = (low + high) // 2
        if rows.place_of(batch, middle) <= after:
            low = middle + 1
        else:
            high = middle
    return batch.slice(low)


def _page_answer(request: Request, form: Form, page: HistoryPage) -> Response:
    rows = page.source
    if form != "json":
        body = b"".join(encoded(form, rows.schema, page.rows))
        headers = _headers(rows) | next_link(request.url, page.next)
        return Response(body, headers=headers, media_type=MEDIA_TYPES[form])
    complete_from = rows.complete_from
    shown: dict[str, Any] = {
        "data": page.objects(),
        "next": page.next,
        "complete_from": None if complete_from is None else iso_microseconds(complete_from),
        "gaps": gaps_of(rows.gaps),
        **rows.about,
    }
    headers = {"Cache-Control": "no-store"}
    return Response(_encode(shown), headers=headers, media_type=MEDIA_TYPES["json"])


def _headers(rows: HistoryRows) -> dict[str, str]:
    complete_from = rows.complete_from
    return {
        "Cache-Control": "no-store",
        COMPLETE_FROM: "" if complete_from is None else iso_microseconds(complete_from),
        GAPS: _encode(gaps_of(rows.gaps)).decode(),
        **({AGGREGATE: _encode(rows.about).decode()} if rows.about else {}),
    }


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
