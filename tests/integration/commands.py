"""Commands of `cointide` as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from models.settings import Settings, environment_of
from tests.integration.waiting import LIMIT_S

ROOT = Path(__file__).resolve().parent.parent.parent


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment of a process with these settings."""
    return {**os.environ, **environment_of(settings), "PYTHONUNBUFFERED": "1"}


def command(*words: str, module: str = "services.cli") -> list[str]:
    """Return the command line of `cointide …` with the interpreter of the tests."""
    return [sys.executable, "-m", module, *words]


def cointide(
    settings: Settings, *words: str | Path, limit_s: float = LIMIT_S
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as a user does, and return its status and output."""
    return subprocess.run(
        command(*map(str, words)),
        cwd=ROOT,
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )
