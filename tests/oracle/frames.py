"""Readers of captured frames: every format a capture may have, as one list of `Frame`.

Formats: `ns payload` lines; `.cbcap`; bare frames, one a line, whose receive time is the newest
own time in the file so far; and the project's own JSON lines. Lines may be plain, .gz or .zst.
"""

from __future__ import annotations

import gzip
import heapq
import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import zstandard

from tests.oracle import wire

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DAY = 86_400 * wire.SECOND
_STAMPED = re.compile(r"(\d{16,20}) (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, or the opening or closing of its connection.

    `connection` names the connection: the file's place among the files, the exchange, and `c`.
    `kind` is `frame`, `rest`, `open`, `close`, or `end` (the last of this file was before it).
    """

    receive: int
    exchange: str
    text: str
    connection: tuple[int, str, str]
    kind: str = "frame"
    url: str = ""


def exchange_of(message: dict[str, Any]) -> str | None:
    """Return the exchange whose form `message` has, or None where none fits."""
    if message.get("stream") or "lastUpdateId" in message or "e" in message:
        return "binance"
    if ("result" in message and "id" in message) or {"u", "b", "a"} <= message.keys():
        return "binance"
    if "channel" in message or "method" in message:
        return "kraken"
    return "coinbase" if "type" in message else None


def own_time(exchange: str | None, message: dict[str, Any]) -> int | None:
    """Return the newest time the exchange itself put into a bare frame, snapshots included."""
    times: list[int] = []
    try:
        if exchange == "binance":
            data = message.get("data", message)
            times = [int(data[key]) * wire.MILLISECOND for key in ("E", "T") if key in data]
        elif exchange == "coinbase":
            times = [wire.rfc3339(message["time"])] if "time" in message else []
        elif exchange == "kraken" and isinstance(message.get("data"), list):
            stamps = (item.get("timestamp") for item in message["data"])
            times = [wire.rfc3339(stamp) for stamp in stamps if stamp is not None]
    except (wire.MalformedError, TypeError, ValueError, AttributeError):
        return None
    return max(times, default=None)


def _peek(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _fill(values: list[str | None]) -> list[str]:
    """Return `values` with what stood before in the holes; the first to come before any."""
    last = next((value for value in values if value is not None), "coinbase")
    filled = []
    for value in values:
        last = last if value is None else value
        filled.append(last)
    return filled


def _cbcap(content: bytes, place: int) -> list[Frame]:
    header, _, rest = content.partition(b"\n")
    magic, exchange, _symbol, wall = header.decode().split()
    if magic != "CBCAP1":
        raise ValueError(f"expected CBCAP1, was {magic}")
    records: list[tuple[int, str]] = []
    position = 0
    while position < len(rest):
        line_end = rest.index(b"\n", position)
        stamp, length = (int(part) for part in rest[position:line_end].split())
        start = line_end + 1
        records.append((stamp, rest[start : start + length].decode()))
        position = start + length + 1
    first = records[0][0] if records else 0
    shift = int(wall) - first if first < int(wall) - DAY else 0
    return [Frame(n + shift, exchange, text, (place, exchange, "")) for n, text in records]


def _stamped(lines: list[str], place: int) -> list[Frame]:
    parts = [match.groups() for line in lines if (match := _STAMPED.match(line))]
    names = _fill([exchange_of(_peek(text)) for _, text in parts])
    return [
        Frame(int(stamp), name, text, (place, name, ""))
        for (stamp, text), name in zip(parts, names, strict=True)
    ]


def _bare(lines: list[str], place: int) -> list[Frame]:
    messages = [_peek(line) for line in lines]
    names = _fill([exchange_of(message) for message in messages])
    times = [own_time(name, message) for name, message in zip(names, messages, strict=True)]
    newest = next((time for time in times if time is not None), 0)
    frames = []
    for line, name, time in zip(lines, names, times, strict=True):
        newest = newest if time is None else max(newest, time)
        frames.append(Frame(newest, name, line, (place, name, "")))
    return frames


def _own(lines: list[str], place: int) -> list[Frame]:
    frames = []
    for line in lines:
        entry = json.loads(line)
        name, text = entry["exchange"], entry.get("frame", "")
        connection = (place, name, str(entry.get("c", "")))
        if not isinstance(text, str):
            text = json.dumps(text)
        kind, url = entry.get("kind") or "frame", entry.get("url") or ""
        frames.append(Frame(int(entry["t"]), name, text, connection, kind, url))
    return frames


def read_frames(path: Path, place: int = 0) -> list[Frame]:
    """Return every frame of the capture `path`, in its order."""
    content = path.read_bytes()
    if content.startswith(b"CBCAP1 "):
        return _cbcap(content, place)
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    elif path.suffix == ".zst":
        content = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(content)).read()
    lines = [line for line in content.decode().split("\n") if line.strip()]
    if not lines:
        return []
    if _STAMPED.match(lines[0]):
        return _stamped(lines, place)
    first = _peek(lines[0])
    is_own = {"t", "exchange"} <= first.keys()
    return _own(lines, place) if is_own else _bare(lines, place)


def with_ends(frames: list[Frame]) -> list[Frame]:
    """Return `frames` with an `end` of every connection of the file behind the last frame."""
    connections: dict[tuple[int, str, str], None] = {}
    for frame in frames:
        if frame.kind == "open" or frame.connection not in connections:
            # In the order in which they opened; one that opened again stands at its last place.
            connections.pop(frame.connection, None)
            connections[frame.connection] = None
    last = frames[-1].receive if frames else 0
    ends = [Frame(last, connection[1], "", connection, "end") for connection in connections]
    return [*frames, *ends]


def merged(paths: Iterable[Path]) -> list[Frame]:
    """Return the frames of a replay of `paths`, by receive time; equal times by file."""
    files = [with_ends(read_frames(path, place)) for place, path in enumerate(paths)]
    return list(heapq.merge(*files, key=lambda frame: frame.receive))
