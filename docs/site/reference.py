"""The API's reference as one page, out of the descriptions that the gateway itself serves."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from models.settings import Settings
from services.gateway.app import create_app
from services.gateway.documentation.asyncapi import asyncapi
from services.gateway.gateway import Gateway

_ABOUT = """\
# API reference

Made of `/openapi.json` and `/asyncapi.json`, which every gateway serves; what the answers mean
and how they hang together is in [The API](api.md).
"""


def openapi() -> dict[str, Any]:
    """Return the description of REST as a gateway with the default settings gives it."""

    @contextlib.asynccontextmanager
    async def nothing(_gateway: Gateway) -> AsyncIterator[None]:
        yield

    def never(delay_s: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        raise AssertionError((delay_s, call))

    return create_app(Gateway(Settings(), lambda: 0, never, []), nothing).openapi()


def reference() -> str:
    """Return the page as Markdown."""
    return "\n".join([_ABOUT, *_rest(openapi()), *_stream(asyncapi())])


def _rest(described: dict[str, Any]) -> Iterator[str]:
    yield "## REST\n"
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            yield f"### `{method.upper()} {path}`\n"
            yield f"{operation.get('description', '')}\n"
            parameters = operation.get("parameters", [])
            if parameters:
                yield "| parameter | where | meaning |\n|---|---|---|"
            for each in parameters:
                about = " ".join(each.get("description", "").split()).replace("|", "\\|")
                yield f"| `{each['name']}` | {each['in']} | {about} |"
            yield ""
            answers = operation["responses"].get("200", {}).get("content", {})
            for kind, content in answers.items():
                if "example" in content and "json" in kind:
                    yield _example(content["example"])


def _stream(described: dict[str, Any]) -> Iterator[str]:
    yield "## Websocket `/v1/stream`\n"
    yield f"{described['info']['description']}\n"
    for name, message in described["components"]["messages"].items():
        examples = message.get("examples", [])
        if examples:
            yield f"### `{name}`\n"
        for example in examples:
            yield _example(example["payload"])


def _example(value: object) -> str:
    return f"```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```\n"
