"""A session of a websocket client that talks with a desk, without a socket."""

from __future__ import annotations

import json
from typing import Any

from services.gateway.stream.session import Session
from tests.unit.gateway.made import Desk, FakeOutlet


class Talk:
    """A session with a desk, of a client with this API key that takes messages in this form."""

    def __init__(self, desk: Desk, key: str | None = None, form: Any = "json") -> None:
        self.outlet: FakeOutlet
        client, self.outlet = desk.client(form, join=False)
        self.session = Session(client, desk.hub, desk.gateway.memory, desk.gateway.keys, key)

    def ask(self, **request: Any) -> list[dict[str, Any]]:
        """Send a request; return what is answered."""
        self.session.take(json.dumps(request))
        return self.outlet.messages()
