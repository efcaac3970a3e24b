"""Every command that the documentation shows is one that there is, and some of them are run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.documentation.commands import PAGES, ROOT, CommandError, check, fences, shown

_LANGUAGES = {"bash", "json", "python", "text", "yaml", "sql"}
_SHOWN = sorted(set(shown()))


@pytest.mark.parametrize("line", [line for _, line in _SHOWN], ids=[f"{p}: {c}" for p, c in _SHOWN])
def test_a_command_that_is_shown_works(line: str) -> None:
    """Its program is known here, its options and files are there, its values render."""
    check(line.partition("  #")[0])


@pytest.mark.parametrize(
    "wrong",
    [
        "cointide replya FILE",
        ".venv/bin/cointide up --sauce none",
        ".venv/bin/cointide ready --timeout soon",
        "make tset",
        "make run SPED=1",
        "curl -s http://127.0.0.1:8000/v1/spread/kraken/BTC-USD",
        "curl -s 'http://127.0.0.1:8000/v1/correlations?windows=1h'",
        "helm install cointide helm/cointide -n cointide --set kafka.partition=3",
        "helm install cointide helm/cointide -f helm/cointide/values-none.yaml",
        "helm upgrade cointide helm/cointide -n cointide --reuse-values",
        "kubectl -n cointide rollout status deployment/cointide-getaway",
        "kubectl delete pvc -l app.kubernetes.io/component=nothing",
        "COINTIDE_KAFKA_BROKER=x .venv/bin/cointide lag",
        ".venv/bin/python -m pytest tests/units",
        "docker compose -f docker/composed.yaml up",
        "curl -s http://127.0.0.1:8000/v1/catalog | jqq .",
    ],
)
def test_a_wrong_one_is_found(wrong: str) -> None:
    """The checkers object to what does not work."""
    with pytest.raises(CommandError):
        check(wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_says_its_language(page: Path) -> None:
    """Else a command could hide from these tests; JSON, YAML and Python are read."""
    for language, text in fences(page):
        assert language in _LANGUAGES, f"expected one of {_LANGUAGES}, was {language!r}:\n{text}"
        if language == "json":
            json.loads(text)
        elif language == "yaml":
            yaml.safe_load(text)
        elif language == "python":
            compile(text, str(page), "exec")


def test_the_commands_without_a_cluster_run(tmp_path: Path) -> None:
    """Those of the README, word by word, over prices that are made here."""
    prices = tmp_path / "prices.csv"
    rows = (f"{1772366400 + 60 * i},{100 + i % 7},{50 + i % 5}" for i in range(300))
    prices.write_text("\n".join(["timestamp,BTC,ETH", *rows]) + "\n")
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    blocks = [text for language, text in fences(ROOT / "README.md") if language == "bash"]
    (block,) = [text for text in blocks if "cointide correlate" in text]
    script = block.replace(".venv/bin/cointide", f"{sys.executable} -m services.cli")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "matrix.png").stat().st_size > 0
