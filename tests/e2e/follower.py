"""A client of the stream that keeps everything it is sent."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.e2e.answers import parsed

LIMIT_S = 60.0
Key = tuple[str, str]
"""Channel and key."""


class Follower:
    """Subscribes and reads in a thread of its own, until it is left."""

    def __init__(
        self,
        address: str,
        keys: Mapping[str, Sequence[str]],
        resume: Mapping[Key, int] | None = None,
    ) -> None:
        """Subscribe `keys` by channel; `resume` has the last `seq` by channel and key."""
        self._texts: list[str | bytes] = []
        self._open = ExitStack()
        self._socket = self._open.enter_context(connect(f"ws://{address}/v1/stream", max_size=None))
        for number, (channel, names) in enumerate(keys.items()):
            request: dict[str, Any] = {"op": "subscribe", "id": number, "channel": channel}
            request["keys"] = list(names)
            points = {key: seq for (of, key), seq in (resume or {}).items() if of == channel}
            self._socket.send(json.dumps(request | ({"resume": points} if points else {})))
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def leave(self) -> None:
        """Close the connection."""
        self._open.close()
        self._thread.join(LIMIT_S)

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield everything that came."""
        yield from map(parsed, self._texts)

    def values(self) -> Iterator[tuple[Key, dict[str, Any], bool]]:
        """Yield every value with its channel and key, and whether it was a snapshot."""
        for message in self.messages():
            if message["type"] == "batch":
                for item in message["items"]:
                    yield (message["channel"], item["key"]), item, False
            elif message["type"] in ("snapshot", "update"):
                is_snapshot = message["type"] == "snapshot"
                yield (message["channel"], message["key"]), message, is_snapshot

    def newest(self) -> dict[Key, int]:
        """Return the last `seq` by channel and key."""
        return {
            key: item["seq"]
            for key, item, _ in self.values()
            if item["seq"] is not None and not item.get("revised")
        }

    def _read(self) -> None:
        try:
            while True:
                self._texts.append(self._socket.recv())
        except ConnectionClosed:
            pass


def breaks(followers: Sequence[Follower]) -> list[str]:
    """Return where the chain of `seq` and `prev_seq` is broken, over connections in their order."""
    found: list[str] = []
    last: dict[Key, int] = {}
    for follower in followers:
        fresh: dict[Key, int] = defaultdict(int)
        for key, item, is_snapshot in follower.values():
            seq = item["seq"]
            if seq is None or item.get("revised"):
                continue
            fresh[key] += 1
            before = last.get(key)
            if is_snapshot and fresh[key] > 1:
                found.append(f"{key}: a snapshot at {seq} after {before}")
            elif before is not None and seq <= before and not is_snapshot:
                found.append(f"{key}: {seq} after {before}")
            elif before is not None and not is_snapshot and item["prev_seq"] != before:
                found.append(f"{key}: {seq} follows {item['prev_seq']}, but {before} was before")
            last[key] = seq
    return found
