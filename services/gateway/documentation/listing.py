"""The interface on one page, written from its descriptions: no script, nothing fetched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 56rem; margin: 2rem auto; padding: 0 1rem }
pre { overflow-x: auto; padding: .75rem; background: color-mix(in srgb, currentColor 7%, transparent) }
h2 { margin-top: 2.5rem; font-size: 1.1rem }
td, th { text-align: left; padding: .15rem .75rem .15rem 0; vertical-align: top }
"""  # noqa: E501 - one rule a line


def listing(openapi: dict[str, Any], asyncapi: dict[str, Any]) -> str:
    """Return the page."""
    return "".join(
        (
            "<!doctype html><html lang=en><meta charset=utf-8>",
            "<meta name=viewport content='width=device-width'>",
            f"<title>Cointide: the interface</title><style>{_STYLE}</style>",
            "<h1>Cointide</h1>",
            f"<p>{_text(openapi['info']['description'])}</p>",
            "<p><a href=/openapi.json>openapi.json</a>, <a href=/asyncapi.json>asyncapi.json</a>",
            *_operations(openapi),
            "<h2>Websocket <code>/v1/stream</code></h2>",
            *(f"<p>{_text(part)}</p>" for part in asyncapi["info"]["description"].split("\n\n")),
            *_messages(asyncapi),
            "</html>",
        )
    )


def _operations(openapi: dict[str, Any]) -> Iterator[str]:
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            yield f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
            yield f"<p>{_text(operation.get('description', ''))}</p>"
            parameters = operation.get("parameters", [])
            if parameters:
                yield "<table>"
            for each in parameters:
                about = each.get("description") or f"In the {each['in']}."
                yield f"<tr><th><code>{escape(each['name'])}</code><td>{_text(about)}"
            if parameters:
                yield "</table>"
            for kind in operation["responses"].get("200", {}).get("content", {}).values():
                if "example" in kind:
                    yield _pre(kind["example"])


def _messages(asyncapi: dict[str, Any]) -> Iterator[str]:
    for message in asyncapi["components"]["messages"].values():
        for example in message.get("examples", []):
            yield _pre(example["payload"])


def _pre(example: object) -> str:
    return f"<pre>{escape(json.dumps(example, indent=2))}</pre>"


def _text(markdown: str) -> str:
    """Return a sentence with its `code` as HTML."""
    parts = escape(markdown).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))
