"""The commands that documentation shows, and for every program what makes a call of it right.

What cannot be told without running it somewhere else stands in `TAKEN_AS_IT_IS`, with why.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import itertools
import json
import re
import shlex
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import yaml

from docs.site.reference import openapi
from services.commands import COMMANDS
from tests.chart.rendering import CHART, TRIAL, Document, merged, render

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "clients").glob("*/README.md"),
        *(ROOT / "docker").glob("*.md"),
        *(ROOT / "helm").glob("*.md"),
    ]
)
TAKEN_AS_IT_IS = {
    "docker push": "needs a registry",
    "kind load": "needs a cluster of kind",
    "pip install": "installs what lies in a folder, which is looked for",
    "kafka-topics.sh": "Kafka's own",
    "rsync": "the operating system's",
    "head": "the operating system's",
}
_FENCE = re.compile(r"(?ms)^ *```(\w*)\n(.*?)^ *```$")
_PROGRAMS = r"cointide|make|\.venv/bin/\w+|helm|kubectl|kind|docker"
_IN_TEXT = re.compile(rf"`((?:{_PROGRAMS}) [^`]+)`")
_BRACKETS = str.maketrans("", "", "[]")
_OPERATORS = {"|", "&&", "&", ";"}
_HELM = {
    "install": "-n --create-namespace -f --set --wait --timeout --dry-run",
    # Not --reuse-values: it takes the old chart's defaults, so what is new has no value.
    "upgrade": "-n --reset-then-reuse-values -f --set --wait --timeout --dry-run --install",
    "rollback": "-n --wait --timeout",
    "test": "-n",
    "uninstall": "-n",
    "history": "-n",
    "template": "-n -f --set",
}
_KUBECTL = {"rollout", "get", "delete", "scale", "exec", "logs", "describe", "apply"}
_KINDS = {"deployment", "statefulset", "job", "service", "cronjob"}
_SWITCHES = {
    "--create-namespace",
    "--wait",
    "--dry-run",
    "--reset-then-reuse-values",
    "--install",
}


class CommandError(AssertionError):
    """A command is shown that does not work; the text says why."""


def fences(page: Path) -> Iterator[tuple[str, str]]:
    """Return the language and the text of each fenced block of a page."""
    for found in _FENCE.finditer(page.read_text(encoding="utf-8")):
        yield found[1], found[2]


def shown() -> Iterator[tuple[str, str]]:
    """Return page and line of every command, of blocks and of the text."""
    for page in PAGES:
        name = str(page.relative_to(ROOT))
        for language, text in fences(page):
            if language == "bash":
                for line in text.replace("\\\n", " ").splitlines():
                    if line.strip() and not line.lstrip().startswith("#"):
                        yield name, line.strip()
        prose = _FENCE.sub("", page.read_text(encoding="utf-8"))
        for found in _IN_TEXT.finditer(prose):
            # Of alternatives the first, and what may be left out as if it were not.
            yield name, re.sub(r"(?<=\S)\|\S+?(?=[\s\]]|$)", "", found[1]).translate(_BRACKETS)


def check(line: str) -> None:
    """Check every command of a line of shell.

    Raises:
        CommandError: one of them is unknown or not right.
    """
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word not in _OPERATORS:
            words.append(word)
            continue
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            _variable(words.pop(0).partition("=")[0])
        if words:
            _check_words(words)
        words = []


def _check_words(words: list[str]) -> None:
    program = Path(words[0]).name
    if {program, " ".join([program, *words[1:2]])} & set(TAKEN_AS_IT_IS):
        _places(words[1:])
        return
    checker = _CHECKERS.get(program)
    if checker is None:
        raise CommandError(f"expected one of {sorted(_CHECKERS)}, was {program}")
    checker(words[1:])


def _variable(name: str) -> None:
    from models.settings import ENVIRONMENT_PREFIX, Settings

    known = {f"{ENVIRONMENT_PREFIX}{each.upper()}" for each in Settings.model_fields}
    if name.startswith(ENVIRONMENT_PREFIX) and name not in known:
        raise CommandError(f"expected a setting, was {name}")


def _places(words: list[str]) -> None:
    for word in words:
        if word.startswith("./") and not (ROOT / word).exists():
            raise CommandError(f"expected {word} to be there")


def _cointide(words: list[str]) -> None:
    """Whole calls are parsed; of those with a placeholder options are looked up by name."""
    name = words[0] if words else ""
    if name == "--help":
        return
    if name not in COMMANDS:
        raise CommandError(f"expected a command of cointide, was {name}")
    parser = argparse.ArgumentParser(prog=f"cointide {name}", exit_on_error=False)
    importlib.import_module(COMMANDS[name].module).add_arguments(parser)
    named = _named(parser)
    for word in words[1:]:
        if word.startswith("--") and word.partition("=")[0] not in named:
            raise CommandError(f"expected one of {sorted(named)}, was {word}")
    if any(re.search(r"…|^[A-Z]+$|^\[|\.\.\.", word) for word in words) or len(words) == 1:
        return
    try:
        parser.parse_args(words[1:])
    except (argparse.ArgumentError, SystemExit) as error:
        # A command named in a sentence may leave out what it needs.
        missing = isinstance(error, SystemExit) or "required" in str(error)
        if not missing:
            raise CommandError(f"cointide {' '.join(words)}: {error}") from error


def _named(parser: argparse.ArgumentParser) -> set[str]:
    """Return the options of a parser and of the parsers below it."""
    named: set[str] = set()
    for action in parser._actions:
        named |= set(action.option_strings)
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                named |= _named(below)
    return named


def _make(words: list[str]) -> None:
    text = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"(?m)^([a-z][\w-]*):", text))
    variables = set(re.findall(r"(?m)^([A-Z]+) \?=", text)) | {"CAPTURE"}
    for word in words:
        variable, equals, _ = word.partition("=")
        if equals and variable not in variables:
            raise CommandError(f"expected one of {sorted(variables)}, was {variable}")
        if not equals and re.fullmatch(r"[a-z-]+", word) and word not in targets:
            raise CommandError(f"expected a target of the Makefile, was {word}")


def _python(words: list[str]) -> None:
    if words[:1] != ["-m"]:
        raise CommandError(f"expected python -m, was {words}")
    if importlib.util.find_spec(words[1]) is None:
        raise CommandError(f"expected a module, was {words[1]}")
    if words[1] == "pytest":
        for word in words[2:]:
            if not word.startswith("-") and not (ROOT / word).exists():
                raise CommandError(f"expected tests in {word}")


def _curl(words: list[str]) -> None:
    described = _paths()
    for word in words:
        if not word.startswith("http"):
            continue
        url = urlsplit(word)
        if url.path == "/":
            continue
        template = next((each for each in described if _fits(each, url.path)), None)
        if template is None:
            raise CommandError(f"expected a path of the API, was {url.path}")
        known = {each["name"] for each in described[template]["get"].get("parameters", [])}
        if unknown := {name for name, _ in parse_qsl(url.query)} - known:
            raise CommandError(f"expected parameters out of {sorted(known)}, was {unknown}")


@cache
def _paths() -> Document:
    paths: Document = openapi()["paths"]
    return paths


def _fits(template: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) is not None


def _helm(words: list[str]) -> None:
    """The release and its chart; the values given must render."""
    verb = words[0]
    if verb not in _HELM:
        raise CommandError(f"expected helm to be asked for one of {sorted(_HELM)}, was {verb}")
    options = _options(words[1:], set(_HELM[verb].split()))
    values: Document = {"kafka": {"brokers": ["kafka:9092"]}}
    for name, value in options:
        if name == "-f":
            if not (ROOT / value).is_file():
                raise CommandError(f"expected a file of values, was {value}")
            values = merged(values, yaml.safe_load((ROOT / value).read_text()))
            values["kafka"].pop("brokers", None)
        elif name == "--set":
            path, _, text = value.partition("=")
            values = merged(values, _set(path.split("."), text))
    if verb in {"install", "upgrade"} and len(words) > 2:
        if (ROOT / words[2]).resolve() != CHART.resolve():
            raise CommandError(f"expected {CHART.relative_to(ROOT)}, was {words[2]}")
        try:
            _objects(json.dumps(values))
        except Exception as error:
            raise CommandError(f"expected values that the chart takes, but {error}") from error


@cache
def _objects(values: str) -> list[Document]:
    return render(json.loads(values))


def _set(path: list[str], text: str) -> Document:
    value: object = text
    if text.startswith("{"):
        value = text.strip("{}").split(",")
    elif text.isdigit():
        value = int(text)
    elif text in {"true", "false"}:
        value = text == "true"
    for name in reversed(path):
        value = {name: value}
    assert isinstance(value, dict)
    return value


def _kubectl(words: list[str]) -> None:
    """Verbs, and objects that the chart makes."""
    plain = [word for _, word in _positional(words)]
    if plain[0] not in _KUBECTL:
        raise CommandError(f"expected kubectl to do one of {sorted(_KUBECTL)}, was {plain[0]}")
    objects = [*_objects(json.dumps(TRIAL)), *_objects('{"kafka": {"brokers": ["kafka:9092"]}}')]
    there = {f"{each['kind'].lower()}/{each['metadata']['name']}" for each in objects}
    for word in plain:
        kind, slash, _ = word.partition("/")
        if slash and kind in _KINDS and word not in there:
            raise CommandError(f"expected an object that the chart makes, was {word}")
    if "--" in words:
        _check_words(words[words.index("--") + 1 :])
    if "-l" in words:
        name, _, value = words[words.index("-l") + 1].partition("=")
        if not any(each["metadata"].get("labels", {}).get(name) == value for each in objects):
            raise CommandError(f"expected a label that the chart sets, was {name}={value}")


def _docker(words: list[str]) -> None:
    for before, word in itertools.pairwise(words):
        if before == "-f" and not (ROOT / word).is_file():
            raise CommandError(f"expected a file, was {word}")
    if words[0] not in {"build", "compose"}:
        raise CommandError(f"expected docker build or docker compose, was {words[0]}")


def _options(words: list[str], known: set[str]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for place, word in enumerate(words):
        if not word.startswith("-"):
            continue
        name, equals, value = word.partition("=")
        if name not in known:
            raise CommandError(f"expected one of {sorted(known)}, was {name}")
        if not equals and name not in _SWITCHES:
            value = words[place + 1] if place + 1 < len(words) else ""
        found.append((name, value))
    return found


def _positional(words: list[str]) -> Iterator[tuple[int, str]]:
    skip = False
    for place, word in enumerate(words):
        if word == "--":
            return
        if skip:
            skip = False
        elif word in {"-n", "-l", "-f", "--timeout", "--replicas"}:
            skip = True
        elif not word.startswith("-"):
            yield place, word


_CHECKERS: dict[str, Callable[[list[str]], None]] = {
    "cointide": _cointide,
    "make": _make,
    "python": _python,
    "curl": _curl,
    "helm": _helm,
    "kubectl": _kubectl,
    "docker": _docker,
}
