"""The documentation of the settings is the settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.settings import ENVIRONMENT_PREFIX, Settings

_PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "settings.md"


def _row(name: str) -> str:
    field = Settings.model_fields[name]
    default = field.get_default()
    shown = json.dumps(default) if isinstance(default, list | dict) else str(default)
    text = (field.description or "").replace("|", "\\|")
    return f"| `{ENVIRONMENT_PREFIX}{name.upper()}` | {f'`{shown}`' if shown else ''} | {text} |"


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_has_its_row(name: str) -> None:
    """Each setting stands in docs/settings.md with its variable, default and meaning."""
    assert _row(name) in _PAGE.read_text(encoding="utf-8").splitlines(), (
        f"expected this row in docs/settings.md:\n{_row(name)}"
    )


def test_every_row_is_a_setting() -> None:
    """No row describes a setting that there is not."""
    variables = {ENVIRONMENT_PREFIX + name.upper() for name in Settings.model_fields}
    text = _PAGE.read_text(encoding="utf-8")
    rows = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `COINTIDE_")}
    assert rows <= variables
