"""Small servers that do what a real gateway cannot be brought to do."""

from __future__ import annotations

import contextlib
import io
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pyarrow as pa
import pyarrow.ipc

PROBLEM = "application/problem+json"
ARROW = "application/vnd.apache.arrow.stream"


@dataclass
class Answer:
    """One answer; `breaks_off` closes the connection without the end of the body."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    breaks_off: bool = False


def problem(status: int, kind: str, **headers: str) -> Answer:
    """Return a problem as the gateway words it."""
    body = {
        "type": f"urn:cointide:problem:{kind}",
        "title": "A title",
        "status": status,
        "detail": "expected one, was another",
        "instance": "/v1/here",
    }
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, json.dumps(body).encode(), {"Content-Type": PROBLEM, **named})


def arrow(table: pa.Table, **headers: str) -> Answer:
    """Return a table as an Arrow stream."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, 2)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(200, sink.getvalue(), {"Content-Type": ARROW, **named})


class ScriptedServer:
    """Gives its answers one after the other; `requests` are the paths and headers that came."""

    def __init__(self, answers: list[Answer]) -> None:
        self.answers = answers
        self.requests: list[tuple[str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                """Give the next answer, in chunks."""
                outer.requests.append((self.path, dict(self.headers)))
                answer = outer.answers.pop(0)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for begin in range(0, len(answer.body), 100):
                    part = answer.body[begin : begin + 100]
                    self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
                if answer.breaks_off:
                    self.close_connection = True
                else:
                    self.wfile.write(b"0\r\n\r\n")

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextlib.contextmanager
    def running(self) -> Iterator[ScriptedServer]:
        """Serve while the context lasts."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()
