"""Stores for the archive's tests: a folder, and S3 on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.archive.store import Store, open_store
from models.settings import Settings
from tests.unit.archive.s3 import FailingS3, failing_s3


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[FailingS3]:
    """Return an S3 with an empty bucket, its keys in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with failing_s3() as running:
        yield running


@pytest.fixture(params=["folder", "s3"])
def store_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Return settings whose archive is a folder, then the same with S3."""
    if request.param == "folder":
        return Settings(data_dir=tmp_path, kafka_brokers="none")
    running: FailingS3 = request.getfixturevalue("s3")
    return Settings(data_dir=tmp_path, archive_url=running.url)


@pytest.fixture
def store(store_settings: Settings) -> Store:
    """Return an empty store."""
    return open_store(store_settings)
