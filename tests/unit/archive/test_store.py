"""The store: a folder and S3 behave alike, and what fails leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agents.archive.store import Store, open_store
from models.errors import SettingsError
from models.settings import Settings
from tests.unit.archive.s3 import FailingS3

_AWS = r"(?i)aws|timeout|timed"


def test_what_is_written_is_read_listed_and_deleted(store: Store) -> None:
    assert store.files("") == []
    store.write("a/b/one.parquet", b"1")
    store.write("a/two.json", b"22")
    store.write("a/two.json", b"333")
    assert [(file.path, file.bytes) for file in store.files("a")] == [
        ("a/b/one.parquet", 1),
        ("a/two.json", 3),
    ]
    assert [file.path for file in store.files("a", recursive=False)] == ["a/two.json"]
    assert store.read("a/two.json") == b"333"
    assert store.size("a/b/one.parquet") == 1
    store.delete("a/b/one.parquet")
    store.delete("a/b/one.parquet")
    assert store.size("a/b/one.parquet") is None
    with pytest.raises(OSError, match="one"):
        store.read("a/b/one.parquet")


def test_a_large_file_is_written_in_parts(store: Store) -> None:
    """More than S3 takes in one part."""
    content = os.urandom(12 * 1024 * 1024)
    store.write("large", content)
    assert store.read("large") == content


def test_every_namespace_has_an_archive_of_its_own(store_settings: Settings) -> None:
    trial = open_store(store_settings.model_copy(update={"namespace": "trial"}))
    trial.write("manifest/t/x", b"1")
    assert open_store(store_settings).files("manifest") == []
    assert [file.path for file in open_store(store_settings).files("trial")] == [
        "trial/manifest/t/x"
    ]


@pytest.mark.parametrize("mode", ["500", "silent"])
def test_an_s3_that_fails_is_an_os_error_and_leaves_no_object(s3: FailingS3, mode: str) -> None:
    store = open_store(Settings(archive_url=f"{s3.url}&request_timeout=1"))
    store.write("there", b"1")
    s3.fail(mode)
    with pytest.raises(OSError, match=_AWS):
        store.write("not", b"22")
    with pytest.raises(OSError, match=_AWS):
        store.files("")
    assert s3.failed >= 2
    s3.work()
    assert [file.path for file in store.files("")] == ["there"]


def test_a_full_disk_is_an_os_error_and_leaves_no_file(tmp_path: Path) -> None:
    """The limit on the size of a file stands for a disk: the kernel refuses the write."""
    script = f"""
import resource, signal
from agents.archive.store import open_store
from models.settings import Settings
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
store = open_store(Settings(data_dir={str(tmp_path)!r}))
store.write("a/small", b"1" * 900)
try:
    store.write("a/large", b"1" * 2000)
except OSError as error:
    print([file.path for file in store.files("")], error.errno)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "['a/small'] 27\n"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["small"]


@pytest.mark.parametrize(
    "url",
    ["ftp://host/x", "s3://", "s3://bucket?password=x", "s3://bucket?request_timeout=soon"],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="archive_url"):
        open_store(Settings(archive_url=url))
