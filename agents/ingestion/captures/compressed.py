"""Plain, gzip and zstd files, read alike; which one it is, the first bytes say."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import zstandard

_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_CHUNK = 131_072

BROKEN = (OSError, EOFError, zlib.error, zstandard.ZstdError)
"""What reading raises on a file that is not there, is broken or ends too early."""


class _ZstdFrames(io.RawIOBase):
    """The content of a file of zstd frames; one that ends within a frame is an EOFError.

    The library's own reader takes such an end for a good one.
    """

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._compressed = b""
        self._content = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._content:
            if not self._compressed:
                self._compressed = self._source.read(_CHUNK)
            if not self._compressed:
                if self._frame is not None:
                    raise EOFError("the file ends within a zstd frame")
                return 0
            if self._frame is None:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._content = self._frame.decompress(self._compressed)
            self._compressed = b""
            if self._frame.eof:
                self._compressed = self._frame.unused_data
                self._frame = None
        size = min(len(buffer), len(self._content))
        buffer[:size] = self._content[:size]
        self._content = self._content[size:]
        return size


@contextmanager
def open_decompressed(path: Path) -> Iterator[io.BufferedReader]:
    """Open a file for reading what it holds.

    Raises:
        OSError: it cannot be opened; reading then raises what `BROKEN` lists.
    """
    with path.open("rb") as file:
        magic = file.read(4)
        file.seek(0)
        if magic.startswith(_GZIP_MAGIC):
            with gzip.open(file) as plain:
                yield io.BufferedReader(plain, _CHUNK)
        elif magic == _ZSTD_MAGIC:
            yield io.BufferedReader(_ZstdFrames(file), _CHUNK)
        else:
            yield file
