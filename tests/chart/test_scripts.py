"""The small programs that the chart runs in pods."""

from __future__ import annotations

import json
import runpy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from confluent_kafka import KafkaException

from models.settings import Settings
from models.topics import declared_topics
from tests.chart.rendering import CHART, containers_of, objects_of, of_kind

_KEY = "k" * 40
_SPREAD = {"market": "kraken:BTC-USD", "as_of": "2026-03-01T12:00:02Z", "spread": 0.06}


@contextmanager
def _gateway(spreads: list[dict[str, Any]], *, ready: bool = True) -> Iterator[str]:
    """Serve two paths of the interface, the second of which wants a key."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/v1/ready":
                self._answer(200 if ready else 503, {"ready": ready, "degraded": []})
            elif self.headers.get("X-API-Key") != _KEY:
                self._answer(401, {})
            else:
                assert self.path == "/v1/spreads?limit=1"
                self._answer(200, {"data": spreads, "next": None})

        def _answer(self, status: int, body: object) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _try(gateway: str, key: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("COINTIDE_API_KEYS", json.dumps([key]))
    script = runpy.run_path(str(CHART / "files" / "try_gateway.py"))
    return int(script["main"](gateway, 0.0))


def test_helm_test_reads_a_spread(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the first key of the secret it prints the spread of a market."""
    with _gateway([_SPREAD]) as gateway:
        assert _try(gateway, _KEY, monkeypatch) == 0
    assert capsys.readouterr().out == "kraken:BTC-USD as of 2026-03-01T12:00:02Z: 0.06\n"


@pytest.mark.parametrize(
    ("spreads", "ready", "key", "reason"),
    [
        ([], True, _KEY, "there is no spread yet"),
        ([_SPREAD], False, _KEY, "503"),
        ([_SPREAD], True, "wrong", "401"),
    ],
)
def test_helm_test_says_why_it_failed(
    spreads: list[dict[str, Any]],
    ready: bool,
    key: str,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It fails where there is no figure, no readiness, or no good key."""
    with _gateway(spreads, ready=ready) as gateway:
        assert _try(gateway, key, monkeypatch) == 1
    assert reason in capsys.readouterr().err


class _Metadata:
    def __init__(self, topics: list[str]) -> None:
        self.topics = dict.fromkeys(topics)


def test_agents_wait_until_every_topic_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a Kafka that does not answer and one that lacks a topic, in the namespace."""
    settings = Settings(namespace="n", exchanges=["kraken"])
    names = [f"n.{topic.name}" for topic in declared_topics(["kraken"])]
    answers: list[Any] = [KafkaException("away"), _Metadata(names[:-1]), _Metadata(names)]

    class Client:
        def __init__(self, _: object) -> None: ...

        def list_topics(self, timeout: float) -> _Metadata:
            assert timeout > 0
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            assert isinstance(answer, _Metadata)
            return answer

    monkeypatch.setattr("confluent_kafka.admin.AdminClient", Client)
    monkeypatch.setattr("time.sleep", lambda _: None)
    script = runpy.run_path(str(CHART / "files" / "wait_for_topics.py"))
    script["wait"](settings)
    assert not answers


def test_the_scripts_arrive_whole() -> None:
    """What stands in the manifest is the file."""
    waiting = {
        container["args"][0]
        for each in of_kind(objects_of("trial"), "StatefulSet")
        for container in containers_of(each["spec"]["template"]["spec"])
        if container["name"] == "wait-for-topics"
    }
    (pod,) = of_kind(objects_of("trial"), "Pod")
    trying, address = pod["spec"]["containers"][0]["args"]
    assert waiting == {(CHART / "files" / "wait_for_topics.py").read_text()}
    assert trying == (CHART / "files" / "try_gateway.py").read_text()
    assert address == "http://cointide-gateway:80"
