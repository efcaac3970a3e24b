"""The Python of a page, to be executed as it stands."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def python_of(page: str, section: str) -> list[str]:
    """Return the blocks of Python in a section (`## section`) of a page, at least one."""
    text = (ROOT / page).read_text()
    parts = re.split(r"^## ", text, flags=re.MULTILINE)
    (found,) = [part for part in parts if part.startswith(section)]
    blocks = re.findall(r"```python\n(.*?)```", found, re.DOTALL)
    assert blocks, f"expected Python in {section!r} of {page}"
    return blocks


def executed(page: str, blocks: Iterable[str]) -> dict[str, Any]:
    """Execute blocks one after the other, as a reader does; return their names."""
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    return names
