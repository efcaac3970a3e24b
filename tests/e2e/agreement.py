"""What was answered beside what was published, and beside the description of the answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import jsonschema

from models.records.unpacked import unpack
from models.topics import Topic
from tests.e2e.follower import Follower, Key
from tests.e2e.story import Story
from tests.e2e.system import System

SHOWN = 20


def told(lines: list[str]) -> str:
    """Return how many there are, and the first of them."""
    return "\n".join([f"{len(lines)} of them", *lines[:SHOWN]])


def objects_of(system: System, topic: Topic) -> Iterator[dict[str, Any]]:
    """Yield what people read of every record of a topic."""
    for record in system.topic(topic.name):
        yield from unpack(topic.codec, record.value or b"")


def is_shown(row: dict[str, Any], shown: dict[str, Any]) -> bool:
    """Return whether REST shows what a row of a topic says; it may add that the line is late."""
    wanted = dict(row)
    for name in ("first_trade", "last_trade"):
        if wanted.get(name) is not None:
            wanted[name] = to_microseconds(wanted[name])
    reasons = {name: why for name, why in shown["reasons"].items() if why != "line_delayed"}
    return wanted == {name: shown[name] for name in wanted} | {"reasons": reasons}


def to_microseconds(time_ns: str) -> str:
    """Return a time with nanoseconds as REST writes it."""
    return re.sub(r"(\.\d{6})\d*", r"\1", time_ns).replace(".000000Z", "Z")


def values_of(followers: Iterable[Follower]) -> dict[tuple[Key, int], Any]:
    """Return the figures by key and `seq`, but for whether they were late when they were sent."""
    found: dict[tuple[Key, int], Any] = {}
    for follower in followers:
        for key, item, _ in follower.values():
            if item["seq"] is not None and not item.get("revised"):
                data = dict(item["data"])
                if data["reasons"].get("as_of") == "line_delayed":
                    data["reasons"] = dict(data["reasons"])
                    del data["reasons"]["as_of"]
                found.setdefault((key, item["seq"]), data | {"stale": None})
    return found


def unlike_the_description(system: System, story: Story) -> list[str]:
    """Return the answers that OpenAPI describes otherwise."""
    description = system.get("/openapi.json")
    kinds = [
        (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), operations["get"])
        for path, operations in description["paths"].items()
    ]
    found: list[str] = []
    for answer in story.answers:
        path = answer.path.partition("?")[0]
        operation = next(each for kind, each in kinds if kind.fullmatch(path))
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        whole = {**schema, "components": description["components"]}
        errors = jsonschema.Draft202012Validator(whole).iter_errors(answer.body)
        found += [f"{answer.path} {list(each.path)}: {each.message[:200]}" for each in errors]
    return found
