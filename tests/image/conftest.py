"""What `make image-test` has prepared, and one engine for the whole run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.image.engine import Engine, lacking
from tests.image.prepare import IMAGE, STORAGE, WHY_NOT


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Start an engine in a network of its own that has our image."""
    reason = WHY_NOT.read_text() if WHY_NOT.exists() else lacking()
    if reason is None and not STORAGE.is_dir():
        reason = f"expected images in {STORAGE}; `make image-test` makes them"
    if reason is not None:
        pytest.skip(reason)
    with Engine(STORAGE, isolated=True) as started:
        assert started.has(IMAGE), f"expected {IMAGE}; `make image-test` builds it"
        yield started
