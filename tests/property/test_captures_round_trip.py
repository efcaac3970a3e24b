"""What is written to a capture is what is read from it, and merged files lose nothing."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.ingestion.captures.captured import CapturedFrame
from agents.ingestion.captures.detect import read_capture
from agents.ingestion.captures.merge import merge_captures
from agents.ingestion.captures.writer import CaptureWriter
from agents.ingestion.exchanges.registry import EXCHANGES
from models.errors import CaptureError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@st.composite
def captures(draw: st.DrawFn) -> list[CapturedFrame]:
    """Return frames of a file, in the order of their times."""
    frames = []
    for t in sorted(draw(st.lists(st.integers(0, 2**63 - 1) | st.integers(0, 5), max_size=12))):
        kind = draw(st.sampled_from(["open", "frame", "frame", "rest", "close"]))
        exchange = draw(st.sampled_from(EXCHANGES))
        frames.append(
            CapturedFrame(
                t,
                exchange,
                draw(st.just(exchange) | TEXTS),
                kind,  # type: ignore[arg-type]
                draw(TEXTS) if kind in {"frame", "rest"} else "",
                draw(st.none() | TEXTS) if kind == "rest" else None,
            )
        )
    return frames


def write(path: Path, frames: list[CapturedFrame]) -> Path:
    with CaptureWriter(path) as writer:
        for frame in frames:
            writer.write(frame)
    return path


@settings(deadline=None)
@given(captures(), st.sampled_from(["", ".gz", ".zst"]))
def test_what_is_written_is_read_again(frames: list[CapturedFrame], suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / f"capture{suffix}", frames)
        assert list(read_capture(path)) == frames


@settings(deadline=None)
@given(st.lists(captures(), max_size=3))
def test_merged_files_keep_every_frame_in_order_and_close_what_was_open(
    files: list[list[CapturedFrame]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = [write(Path(folder) / f"{n}", frames) for n, frames in enumerate(files)]
        merged = list(merge_captures(paths))
    assert [frame.t for frame in merged] == sorted(frame.t for frame in merged)
    for position, frames in enumerate(files):
        prefix = f"{position}:"
        of_file = [frame for frame in merged if frame.connection.startswith(prefix)]
        restored = [
            msgspec.structs.replace(
                frame, connection=frame.connection.removeprefix(f"{prefix}{frame.exchange}:")
            )
            for frame in of_file
        ]
        assert restored[: len(frames)] == frames
        last = {(frame.exchange, frame.connection): frame.kind for frame in restored}
        assert set(last.values()) <= {"close"}
        assert all(frame.kind == "close" for frame in restored[len(frames) :])


@settings(deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"CBCAP1 ", b"1 ", b'{"t":1,', b"{"]))
def test_any_bytes_are_read_or_refused(content: bytes, start: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "capture"
        for whole in (start + content, b"\x1f\x8b" + content, b"\x28\xb5\x2f\xfd" + content):
            path.write_bytes(whole)
            with contextlib.suppress(CaptureError):
                list(read_capture(path))
