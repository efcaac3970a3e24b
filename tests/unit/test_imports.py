"""Imports go one way, and `models` is the vocabulary and the mathematics alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parent.parent.parent
_NOT_IN_MODELS = {"aiokafka", "asyncio", "confluent_kafka", "faust", "httpx", "socket", "time"}


@cache
def imported(package: str) -> dict[str, set[str]]:
    """Return by module of a package what it imports, whole names."""
    found: dict[str, set[str]] = {}
    for path in sorted((_ROOT / package).rglob("*.py")):
        if "node_modules" not in path.parts:
            name = ".".join(path.relative_to(_ROOT).with_suffix("").parts)
            found[name] = set(_imports(ast.parse(path.read_text())))
    assert len(found) > 20, f"expected the modules of {package}, was {sorted(found)}"
    return found


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _folder(name: str, depth: int) -> str:
    return ".".join(name.split(".")[:depth])


@pytest.mark.parametrize(
    ("package", "forbidden"), [("models", {"agents", "services"}), ("agents", {"services"})]
)
def test_services_import_agents_and_agents_import_models(package: str, forbidden: set[str]) -> None:
    wrong = {
        (name, other)
        for name, others in imported(package).items()
        for other in others
        if _folder(other, 1) in forbidden
    }
    assert not wrong


def test_models_know_no_kafka_no_socket_no_clock_and_no_asyncio() -> None:
    wrong = {
        (name, other)
        for name, others in imported("models").items()
        for other in others
        if _folder(other, 1) in _NOT_IN_MODELS
    }
    assert not wrong


def test_agents_meet_in_topics() -> None:
    """An agent imports itself and what every agent is made of, no other agent."""
    wrong = {
        (name, other)
        for name, others in imported("agents").items()
        for other in others
        if other.startswith("agents.")
        and _folder(other, 2) not in {_folder(name, 2), "agents.runtime"}
    }
    assert not wrong


@pytest.mark.parametrize("package", ["models", "agents", "services"])
def test_the_folders_of_a_package_import_each_other_in_no_circle(package: str) -> None:
    graph: dict[str, set[str]] = {}
    for name, others in imported(package).items():
        folder = _folder(name, 2)
        below = {_folder(other, 2) for other in others if other.startswith(f"{package}.")}
        graph.setdefault(folder, set()).update(below - {folder})
    TopologicalSorter(graph).prepare()  # says which circle there is
