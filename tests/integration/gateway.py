"""A gateway under test as a process of its own, and clients that nobody here wrote."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from itertools import zip_longest
from types import TracebackType
from typing import Any

import httpx
from confluent_kafka import Producer
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from models.settings import Settings
from models.topics import topic_name
from services.local.ports import LOOPBACK, choose_port
from tests.integration.commands import ROOT, command, environment
from tests.integration.waiting import tail_of, until

LIMIT_S = 60.0
_SMALL_BUFFER = 4_096


class GatewayProcess:
    """`cointide gateway` with these settings; ended when the context is left."""

    def __init__(self, settings: Settings, port: int | None = None) -> None:
        """Start it on this port, else on a free one; its log is `logs/gateway.log`."""
        self.port = port or choose_port("gateway", 0, None, ())
        self.log = settings.data_dir / "logs" / "gateway.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        own = settings.model_copy(update={"gateway_port": self.port})
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command("gateway"),
                cwd=ROOT,
                env=environment(own),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> GatewayProcess:
        """Wait until it is ready."""
        until(self.is_ready, "the gateway to be ready", lambda: tail_of(self.log), LIMIT_S)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End it if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(LIMIT_S)

    @property
    def address(self) -> str:
        """Where it listens, without a scheme."""
        return f"{LOOPBACK}:{self.port}"

    def is_ready(self) -> bool:
        """Return whether it says that it is ready."""
        assert self.process.poll() is None, f"the gateway ended\n{tail_of(self.log)}"
        try:
            with urllib.request.urlopen(f"http://{self.address}/v1/ready", timeout=2.0) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def get(self, path: str, **rest: Any) -> Any:
        """Return what REST answers, which must be 200."""
        got = httpx.get(f"http://{self.address}{path}", **rest)
        assert got.status_code == 200, got.text
        return got.json()

    def metric(self, name: str) -> float:
        """Return a metric by its name with labels; 0 without it."""
        lines = httpx.get(f"http://{self.address}/metrics").text.splitlines()
        return float(next((x.rpartition(" ")[2] for x in lines if x.startswith(f"{name} ")), 0))

    def stop(self) -> int:
        """Ask it to stop (SIGTERM); return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(LIMIT_S)


class StreamClient:
    """A websocket client; use it as a context."""

    def __init__(
        self, gateway: GatewayProcess, query: str = "", slow: bool = False, **options: Any
    ) -> None:
        """Connect; a slow one has small buffers and reads only when it is asked to."""
        if slow:
            plain = socket.socket()
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
            plain.connect((LOOPBACK, gateway.port))
            options |= {"sock": plain, "max_queue": 1}
        options.setdefault("max_size", None)
        # A test that waits for something else reads nothing, so it would miss pings and pongs.
        options.setdefault("max_queue", None)
        options.setdefault("ping_interval", None)
        self._stack = ExitStack()
        self.connection: ClientConnection = self._stack.enter_context(
            connect(f"ws://{gateway.address}/v1/stream{query}", compression=None, **options)
        )

    def __enter__(self) -> StreamClient:
        """Return the client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._stack.close()

    def send(self, **request: Any) -> None:
        """Send a request."""
        self.connection.send(json.dumps(request))

    def next(self, *ignored: str, limit_s: float = LIMIT_S) -> dict[str, Any]:
        """Return the next message that is no heartbeat and of none of these types."""
        deadline = time.monotonic() + limit_s
        while True:
            data = self.connection.recv(timeout=max(0.0, deadline - time.monotonic()))
            message: dict[str, Any] = json.loads(data)
            if message["type"] not in {"heartbeat", *ignored}:
                return message

    def subscribe(self, channel: str, *keys: str, **rest: Any) -> dict[str, Any]:
        """Subscribe; return the acknowledgement."""
        self.send(op="subscribe", id=1, channel=channel, keys=keys, **rest)
        ack = self.next("status", "update", "batch", "conflated")
        assert ack == {"type": "subscribed", "id": 1, "channel": channel, "keys": list(keys)}
        return ack


def items_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the values of a message: those of a batch, or the one of an update or snapshot."""
    if message["type"] == "batch":
        return list(message["items"])
    return [message] if message["type"] in {"update", "snapshot"} else []


def closed(client: StreamClient) -> int:
    """Read until the connection is closed; return the code."""
    with suppress(ConnectionClosed):
        while True:
            client.next()
    code = client.connection.close_code
    assert code is not None
    return code


def send(
    settings: Settings, topic: str, values: Sequence[bytes], keys: Sequence[bytes | None] = ()
) -> None:
    """Put records into partition 2 of a topic; a compacted one takes none without a key."""
    producer = Producer({"bootstrap.servers": settings.kafka_brokers, "linger.ms": 1})
    failed: list[Any] = []

    def delivered(error: Any, _message: Any) -> None:
        if error is not None:
            failed.append(error)

    name = topic_name(topic, settings.namespace)
    for value, key in zip_longest(values, keys):
        producer.produce(name, value, key, partition=2, on_delivery=delivered)
    assert producer.flush(LIMIT_S) == 0
    assert not failed, failed
