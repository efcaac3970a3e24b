"""Where the archive lies: a folder, or a bucket that speaks S3, through `pyarrow.fs`.

What is written is there as a whole or not at all: a folder's file is written aside, brought to the
disk and renamed, an object of S3 appears when its upload is complete.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, urlsplit

import msgspec
import pyarrow.fs as pafs

from models.archive.manifest import ARCHIVE_MARK, MANIFEST_ROOT
from models.errors import SettingsError
from models.settings import Settings

ASIDE = ".aside"
"""Suffix of a file that is not complete."""

_MARK_CONTENT = b'{"v": 1}\n'
_NO_ARCHIVE = ("backfill",)
"""Below the manifest what may be there without an archive."""

_LISTINGS = 5
_S3_TRIES = 2
_S3_OPTIONS = ("endpoint_override", "scheme", "region")
_S3_TIMEOUTS_S = {"connect_timeout": 5.0, "request_timeout": 20.0}


class StoredFile(msgspec.Struct, frozen=True):
    """A file below the root, its size in bytes, when it was changed (seconds since the epoch)."""

    path: str
    bytes: int
    changed: float


class Store:
    """The files of one archive; paths are relative to its root, with `/`.

    A folder that is not mounted and a bucket that was deleted look like an empty archive: so an
    archive has a mark, and where one has been and now is none, that is an outage.

    Every method raises OSError where the store cannot be reached, read or written.
    """

    def __init__(
        self,
        filesystem: pafs.FileSystem,
        folder: Path | None,
        name: str,
        was_written: Callable[[], bool] = lambda: False,
    ) -> None:
        """`filesystem` begins at the root; `folder` is the root where it is a local one.

        `name` is the root as people know it. `was_written` says whether there has been an archive,
        from elsewhere than the store; it may raise OSError.
        """
        self.filesystem = filesystem
        self._folder = folder
        self.name = name
        self._was_written = was_written
        self._was_there = False

    def is_there(self) -> bool:
        """Return whether an archive is there: its mark, or entries from before there were marks."""
        selector = pafs.FileSelector(MANIFEST_ROOT, recursive=False, allow_not_found=True)
        is_there = any(found.base_name not in _NO_ARCHIVE for found in self._listed(selector))
        if is_there:
            self.seen()
        return is_there

    def seen(self) -> None:
        """Remember that an archive is there."""
        self._was_there = True

    def look(self) -> None:
        """See that an archive is there, if there has been one.

        Raises:
            FileNotFoundError: there has been one, and now there is none.
        """
        if not self.is_there() and (self._was_there or self._was_written()):
            raise FileNotFoundError(
                f"expected the archive in {self.name} that has been there, was none: "
                "mount or restore it (`cointide archive create` begins a new one)"
            )

    def require(self) -> None:
        """See that an archive is there.

        Raises:
            FileNotFoundError: there is none.
        """
        if not self.is_there():
            raise FileNotFoundError(f"expected an archive in {self.name}, was none")

    def begin(self) -> None:
        """Begin an archive where there is none; as `look` where there has been one."""
        self.look()
        self.create()

    def create(self) -> bool:
        """Begin an archive where there is none; return whether there was none."""
        is_new = not self.is_there()
        if self.size(ARCHIVE_MARK) is None:
            self.write(ARCHIVE_MARK, _MARK_CONTENT)
        return is_new

    def write(self, path: str, content: bytes) -> None:
        """Write a file as a whole, in the place of one that is there."""
        if self._folder is not None:
            _write_local(self._folder / path, content)
            return
        with self.filesystem.open_output_stream(path) as stream:
            stream.write(content)

    def read(self, path: str) -> bytes:
        """Return what a file holds."""
        with self.filesystem.open_input_stream(path) as stream:
            return bytes(stream.read())

    def files(self, folder: str, recursive: bool = True) -> list[StoredFile]:
        """Return the files in a folder in the order of their paths; none where it is not there."""
        selector = pafs.FileSelector(folder, recursive=recursive, allow_not_found=True)
        files = (
            StoredFile(found.path, found.size, found.mtime.timestamp() if found.mtime else 0.0)
            for found in self._listed(selector)
            if found.type == pafs.FileType.File
        )
        return sorted(files, key=lambda file: file.path)

    def size(self, path: str) -> int | None:
        """Return how many bytes a file has, None where it is not there."""
        found = self.filesystem.get_file_info(path)
        return found.size if found.type == pafs.FileType.File else None

    def delete(self, path: str) -> None:
        """Delete a file; one that is not there is as good."""
        if self.size(path) is not None:
            self.filesystem.delete_file(path)

    def _listed(self, selector: pafs.FileSelector) -> list[pafs.FileInfo]:
        for _ in range(_LISTINGS - 1):
            # A folder that comes, or a file that goes, while it is listed is not a fault.
            with contextlib.suppress(FileNotFoundError):
                return list(self.filesystem.get_file_info(selector))
        return list(self.filesystem.get_file_info(selector))


def open_store(settings: Settings, was_written: Callable[[], bool] = lambda: False) -> Store:
    """Return the store that the settings name; with a namespace it is a folder within.

    `was_written` says whether there has been an archive, where the store itself does not.

    Raises:
        SettingsError: the address is neither a folder nor an address of S3.
    """
    url = settings.archive_url or str((settings.data_dir / "archive").absolute())
    if "://" not in url:
        folder = (Path(url) / settings.namespace).absolute()
        filesystem = pafs.SubTreeFileSystem(str(folder), pafs.LocalFileSystem())
        return Store(filesystem, folder, str(folder), was_written)
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.hostname:
        raise SettingsError(
            "expected archive_url to be a folder or s3://bucket/prefix, "
            f"was the scheme {parts.scheme!r}"
        )
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    allowed = [*_S3_OPTIONS, *_S3_TIMEOUTS_S]
    others = sorted(options.keys() - set(allowed))
    if others:
        raise SettingsError(
            f"expected {', '.join(allowed)} in the query of archive_url, was {', '.join(others)}"
        )
    try:
        timeouts = {
            name: float(options.pop(name, default)) for name, default in _S3_TIMEOUTS_S.items()
        }
    except ValueError as error:
        raise SettingsError(f"expected seconds in the query of archive_url, {error}") from error
    endpoint = urlsplit(options.get("endpoint_override", ""))
    if endpoint.netloc:
        options["endpoint_override"] = endpoint.netloc
        options.setdefault("scheme", endpoint.scheme)
    bucket = pafs.S3FileSystem(
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=_S3_TRIES),
        **timeouts,
        **options,
    )
    root = PurePosixPath(parts.hostname, parts.path.strip("/"), settings.namespace)
    return Store(pafs.SubTreeFileSystem(str(root), bucket), None, f"s3://{root}", was_written)


def _write_local(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}{ASIDE}")
    try:
        with aside.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
