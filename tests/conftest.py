"""What every kind of test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parent.parent
_VARIABLE = "COINTIDE_TEST_DATA"
_DEFAULT = "../shared/data"


# Files that take a minute or so each, some with a single test: begun last, they would keep one
# process busy when the others have nothing left. Those of the most processes are apart.
_LONG_FILES = (
    "tests/e2e/test_system.py",
    "tests/integration/test_local_stack.py",
    "tests/integration/test_candles.py",
    "tests/integration/test_rebalance.py",
    "tests/integration/test_lossless.py",
    "tests/integration/test_kills.py",
    "tests/integration/test_broker_outage.py",
    "tests/integration/test_exactness.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long files, then with all else that starts processes."""

    def rank(item: pytest.Item) -> tuple[bool, int]:
        name = item.nodeid.partition("::")[0]
        place = _LONG_FILES.index(name) if name in _LONG_FILES else len(_LONG_FILES)
        return not name.startswith(("tests/integration/", "tests/e2e/")), place

    items.sort(key=rank)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Return the folder of the captured frames.

    Without it the test is skipped and says so; under continuous integration (`CI` is set) it
    fails, as a test that nobody runs proves nothing.
    """
    named = os.environ.get(_VARIABLE) or _DEFAULT
    folder = (_ROOT / named).resolve()
    if not folder.is_dir():
        reason = f"expected captured frames in {folder} ({_VARIABLE}), found no such folder"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def jars_dir() -> Path:
    """Return the folder of the Java parts; its absence is a failure, not a reason to skip."""
    folder = Path(os.environ.get("COINTIDE_JARS_DIR", _ROOT / ".jars"))
    for part in ("kafka", "cassandra"):
        assert (folder / part).is_dir(), f"expected {part}'s jars in {folder}; run `make setup`"
    return folder


LONG_CAPTURE_HOURS = float(os.environ.get("COINTIDE_TEST_HOURS", "3"))
"""`make day` asks for 26."""


@pytest.fixture(scope="session")
def long_capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a capture of hours of six quiet markets on three exchanges, with holes.

    `tests/captures/day.py` says what is in it. It takes half a second an hour to make.
    """
    from tests.captures import day

    path = tmp_path_factory.mktemp("long") / "day.jsonl.zst"
    day.write(path, LONG_CAPTURE_HOURS)
    return path
