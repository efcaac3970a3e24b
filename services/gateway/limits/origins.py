"""Which sites' pages may talk to the gateway: its own, and those that a setting names."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def allows_origin(headers: Headers, allowed: Collection[str]) -> bool:
    """Return whether a websocket may be opened.

    A browser opens one for any page and sends along whom it belongs to; what is no browser sends
    no `Origin`. Without this check every site could read what the visitor may (cross-site
    websocket hijacking).
    """
    origin = headers.get("origin")
    if origin is None or origin in allowed:
        return True
    parts = urlsplit(origin)
    if parts.scheme not in _PORTS or not parts.hostname:
        return False
    host = urlsplit(f"//{headers.get('host', '')}")
    try:
        default = _PORTS[parts.scheme]
        ports = parts.port or default, host.port or default
    except ValueError:
        return False
    return parts.hostname == host.hostname and ports[0] == ports[1]
