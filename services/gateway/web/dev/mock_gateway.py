"""A gateway of made-up data that speaks the page's part of the public interface, and nothing else.

For work on the page without Kafka, and for its tests, which decide every message themselves:

    npm --prefix services/gateway/web run watch
    .venv/bin/python -m services.gateway.web.dev --markets 60

It serves the built page, `/v1/catalog`, `/v1/coins` and `/v1/stream` on loopback, and over REST
whatever else it is given an answer for.
"""

from __future__ import annotations

import json
import mimetypes
import re
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

DIST = Path(__file__).resolve().parent.parent / "dist"
HISTORY_SECONDS = 900

Data = dict[str, Any]
Update = tuple[str, int, Data]
Query = dict[str, str]
# Given the groups of the path's pattern and the query.
Answer = Callable[[tuple[str, ...], Query], Data]


class Refusal(Exception):  # noqa: N818 - what an answer raises so that it becomes a problem
    """An answer that is a problem."""

    def __init__(self, status: int, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status = HTTPStatus(status)
        self.detail = detail
        self.more = more


def iso(seconds: float) -> str:
    """Return a time as the interface writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


class MockGateway:
    """Sends what it is told to; keeps the newest of every key, and 15 minutes of the spreads."""

    def __init__(
        self,
        source: str = "simulated",
        ranks: dict[str, int] | None = None,
        key: str | None = None,
    ) -> None:
        self.source = source
        self.key = key
        self.ranks = ranks or {}
        self.subscriptions: list[Data] = []
        self.unsubscriptions: list[Data] = []
        self.catalog: Data = {}
        self.requests: list[tuple[str, Query]] = []
        self._answers: list[tuple[re.Pattern[str], Answer]] = []
        self.heartbeats = True
        # Whoever wants to go on from before this second gets a snapshot, as from a gateway that
        # was started after it.
        self.held_from = 0
        self._newest: dict[str, dict[str, tuple[int, Data]]] = {}
        self._past: dict[str, deque[tuple[int, Data]]] = {}
        self._wanted: dict[ServerConnection, list[Data]] = {}
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self._server: Server | None = None
        self._threads: list[threading.Thread] = []
        self.port = 0

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen, at the port of the last time where there was one."""
        self._stopped.clear()
        self._server = serve(
            self._serve, "127.0.0.1", self.port, process_request=self._answer, compression=None
        )
        self.port = self._server.socket.getsockname()[1]
        self._threads = [
            threading.Thread(target=self._server.serve_forever, daemon=True),
            threading.Thread(target=self._beat, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Close everything; what was published stays known for the next start."""
        self._stopped.set()
        if self._server is not None:
            self._server.shutdown()
        self.drop()
        for thread in self._threads:
            thread.join(timeout=5)

    def drop(self) -> None:
        """Close every websocket; clients may come back at once."""
        with self._lock:
            connections = list(self._wanted)
        for connection in connections:
            connection.close()

    def publish(self, channel: str, updates: list[Update]) -> None:
        """Send one step of a channel to whoever subscribed it."""
        with self._lock:
            newest = self._newest.setdefault(channel, {})
            for key, seq, data in updates:
                newest[key] = (seq, data)
                if channel == "spreads":
                    past = self._past.setdefault(key, deque(maxlen=HISTORY_SECONDS))
                    past.append((seq, data))
            wanted = [
                (connection, subscription["keys"])
                for connection, subscriptions in self._wanted.items()
                for subscription in subscriptions
                if subscription["channel"] == channel
            ]
        for connection, keys in wanted:
            chosen = [update for update in updates if "*" in keys or update[0] in keys]
            self._send_items(connection, channel, chosen, "*" in keys)

    def answer(self, path: str, answer: Answer) -> None:
        """Answer a path, a pattern for all of it; the newest that fits is asked."""
        self._answers.insert(0, (re.compile(path), answer))

    def asked(self, path: str) -> list[Query]:
        """Return the queries of all requests for a path, oldest first."""
        with self._lock:
            return [query for each, query in self.requests if each == path]

    @property
    def wanted(self) -> list[list[Data]]:
        """What is subscribed now, by connection."""
        with self._lock:
            return [list(subscriptions) for subscriptions in self._wanted.values()]

    def _serve(self, connection: ServerConnection) -> None:
        with self._lock:
            self._wanted[connection] = []
        let_in = self.key is None
        try:
            for text in connection:
                message = json.loads(text)
                if message["op"] == "auth":
                    let_in = message["key"] == self.key
                if not let_in:
                    connection.close(4401, "expected a good API key")
                    return
                if message["op"] == "subscribe":
                    self._subscribe(connection, message)
                elif message["op"] == "unsubscribe":
                    self._unsubscribe(connection, message)
        finally:
            with self._lock:
                del self._wanted[connection]

    def _subscribe(self, connection: ServerConnection, message: Data) -> None:
        channel, keys = message["channel"], message["keys"]
        with self._lock:
            self.subscriptions.append(message)
            self._wanted[connection].append(message)
            newest = self._newest.get(channel, {})
            chosen = [key for key in newest if "*" in keys or key in keys]
            snapshots: list[Update] = [(key, *newest[key]) for key in chosen]
            missed: list[list[Update]] = []
            resume = message.get("resume", {})
            if channel == "spreads" and resume and min(resume.values()) >= self.held_from:
                # A resumed key gets what it missed in place of a snapshot, a second at a time.
                seconds: dict[int, list[Update]] = {}
                for key in chosen:
                    after = resume.get(key, resume.get("*"))
                    for seq, data in self._past[key] if after is not None else ():
                        if seq > after:
                            seconds.setdefault(seq, []).append((key, seq, data))
                missed = [seconds[second] for second in sorted(seconds)]
                snapshots = [
                    item for item in snapshots if item[0] not in resume and "*" not in resume
                ]
        self._send(connection, {"type": "subscribed", **_without(message, "op", "resume")})
        if "*" not in keys:
            for unknown in set(keys) - set(newest):
                error = {"code": "unknown_key", "detail": f"no {channel} of {unknown}"}
                self._send(connection, {"type": "error", "id": message["id"], **error})
        for key, seq, data in snapshots:
            item = {"channel": channel, "key": key, "seq": seq, "data": data}
            self._send(connection, {"type": "snapshot", **item})
        for step in missed:
            self._send_items(connection, channel, step, "*" in keys)

    def _unsubscribe(self, connection: ServerConnection, message: Data) -> None:
        with self._lock:
            self.unsubscriptions.append(message)
            self._wanted[connection] = [
                wanted
                for wanted in self._wanted[connection]
                if wanted["channel"] != message["channel"] or wanted["keys"] != message["keys"]
            ]
        self._send(connection, {"type": "unsubscribed", **_without(message, "op")})

    def _send_items(
        self, connection: ServerConnection, channel: str, updates: list[Update], batch: bool
    ) -> None:
        items = [
            {"key": key, "seq": seq, "prev_seq": seq - 1, "data": data}
            for key, seq, data in updates
        ]
        if batch and items:
            self._send(connection, {"type": "batch", "channel": channel, "items": items})
        elif not batch:
            for item in items:
                self._send(connection, {"type": "update", "channel": channel, **item})

    def _send(self, connection: ServerConnection, message: Data) -> None:
        try:
            connection.send(json.dumps(message))
        except ConnectionClosed:
            # Its own thread takes it out of the list.
            return

    def _beat(self) -> None:
        while not self._stopped.wait(1):
            with self._lock:
                connections = list(self._wanted) if self.heartbeats else []
            beat = {"type": "heartbeat", "ts": iso(datetime.now(UTC).timestamp())}
            for connection in connections:
                self._send(connection, beat)

    def _answer(self, _: ServerConnection, request: Request) -> Response | None:
        path, query = [*request.path.split("?", 1), ""][:2]
        if path == "/v1/stream":
            return None
        if path.startswith("/v1/") and self.key not in (None, request.headers.get("X-API-Key")):
            return _response(HTTPStatus.UNAUTHORIZED, "application/problem+json", b"{}")
        if path == "/v1/catalog":
            return _json({"source": self.source, **self.catalog})
        if path == "/v1/coins":
            coins = [{"coin": coin, "rank": rank} for coin, rank in self.ranks.items()]
            return _json({"data": coins, "next": None})
        if path.startswith("/v1/"):
            return self._answer_rest(path, dict(parse_qsl(query)))
        file = DIST / ("index.html" if path == "/" else path.lstrip("/"))
        if not file.resolve().is_relative_to(DIST) or not file.is_file():
            return _response(HTTPStatus.NOT_FOUND, "text/plain", b"not found")
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return _response(HTTPStatus.OK, kind, file.read_bytes())

    def _answer_rest(self, path: str, query: Query) -> Response:
        with self._lock:
            self.requests.append((path, query))
            answers = list(self._answers)
        for pattern, answer in answers:
            found = pattern.fullmatch(path)
            if found:
                try:
                    return _json(answer(tuple(map(unquote, found.groups())), query))
                except Refusal as refusal:
                    return _problem(refusal, path)
        return _problem(Refusal(404, f"expected a path of the interface, was {path}"), path)


def _problem(refusal: Refusal, path: str) -> Response:
    problem = {
        "type": "about:blank", "title": refusal.status.phrase, "status": int(refusal.status),
        "detail": refusal.detail, "instance": path, **refusal.more,
    }  # fmt: skip
    return _response(refusal.status, "application/problem+json", json.dumps(problem).encode())


def _json(body: Data) -> Response:
    return _response(HTTPStatus.OK, "application/json", json.dumps(body).encode())


def _response(status: HTTPStatus, kind: str, body: bytes) -> Response:
    headers = Headers({"Content-Type": kind, "Content-Length": str(len(body))})
    headers["Connection"] = "close"
    return Response(status, status.phrase, headers, body)


def _without(message: Data, *names: str) -> Data:
    return {name: value for name, value in message.items() if name not in names}
