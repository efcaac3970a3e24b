"""How long the gateway takes to answer, and how old what it reads is when it comes."""

from __future__ import annotations

import time

from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ANSWER_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_AGE_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60)
_NO_ROUTE = "other"


class Latencies:
    """The histograms of one gateway."""

    def __init__(self) -> None:
        """Nothing is counted yet, and nothing is registered."""
        self.answers = Histogram(
            "cointide_gateway_answer_seconds",
            "From a request to the first byte of its answer",
            ["path"],
            buckets=_ANSWER_S,
            registry=None,
        )
        self.ages = Histogram(
            "cointide_gateway_record_age_seconds",
            "From a record's being produced to its being in the gateway's memory",
            ["topic"],
            buckets=_AGE_S,
            registry=None,
        )

    def took(self, topic: str, age_s: float) -> None:
        """Note how old a record was; clocks of two machines may make it less than nothing."""
        self.ages.labels(topic).observe(max(0.0, age_s))


class Timing:
    """Measures every request of REST by the path of its route, so that no client adds a label."""

    def __init__(self, app: ASGIApp, latencies: Latencies) -> None:
        """Measure what `app` answers."""
        self._app = app
        self._latencies = latencies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; its answer is measured when its head goes out."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                path = getattr(scope.get("route"), "path", _NO_ROUTE)
                self._latencies.answers.labels(path).observe(time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, measured)
