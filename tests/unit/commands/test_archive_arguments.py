"""What `cointide archive` and `cointide markets` take as a time between two runs."""

from __future__ import annotations

import argparse

import pytest

from models.errors import SettingsError
from models.settings import Settings
from services.commands import archive, markets


@pytest.mark.parametrize("command", [archive, markets])
@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon"])
def test_a_time_between_two_runs_is_above_zero(
    command: object, seconds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With 0 it would do nothing else, with infinity it would never do it again."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)  # type: ignore[attr-defined]
    action = "compact" if command is archive else "sync"
    with pytest.raises(SystemExit):
        parser.parse_args([action, "--every", seconds])
    assert f"expected a number above 0, was '{seconds}'" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["status", "files", "create", "schema"])
def test_only_compaction_is_repeated(what: str) -> None:
    """Nobody shall wait for a second list that never comes."""
    parser = argparse.ArgumentParser()
    archive.add_arguments(parser)
    arguments = parser.parse_args([what, "--every", "60"])
    with pytest.raises(SettingsError, match=f"with `compact` alone, was with `{what}`"):
        archive.run(arguments, Settings())
