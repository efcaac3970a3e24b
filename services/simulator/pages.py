"""Which path of the simulator's port is what.

`/coinbase`, `/kraken`, `/binance` and `/coingecko` are the exchanges' own (websocket or REST by how
they are asked for). Its own are `/ready`, `/metrics`, `/log` (counters), `/truth` (what the market
really is) and, by POST, the faults:

- `/faults/drop?exchange=E` cuts all connections of an exchange without a word;
- `/faults/silence?exchange=E&seconds=S` sends nothing on them; it is sent afterwards;
- `/faults/refuse?exchange=E&seconds=S` takes no new ones (503);
- `/faults/checksum?count=N` makes the checksums of Kraken's next N book frames wrong;
- `/faults/rest?exchange=E&status=N&seconds=S` answers every REST request with that status.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.simulator.connections import Connections
from services.simulator.metrics import registry_of
from services.simulator.play import Playback
from services.simulator.rest.answer import Answer, answer
from services.simulator.world import World

_SECOND = 1_000_000_000
_JSON = "application/json"


class Pages:
    """The handlers of all paths."""

    def __init__(
        self,
        world: World,
        connections: Connections,
        playback: Playback | None,
        now: Callable[[], int],
    ) -> None:
        self._world = world
        self._connections = connections
        self._playback = playback
        self._now = now

    def add_to(self, application: web.Application) -> None:
        """Declare the paths."""
        application.router.add_get("/ready", self._ready)
        application.router.add_get("/metrics", self._metrics)
        application.router.add_get("/log", self._log)
        application.router.add_get("/truth", self._truth)
        application.router.add_post("/faults/{fault}", self._fault)
        for exchange in self._world.rest:
            application.router.add_get(f"/{exchange}", self._exchange)
            application.router.add_get(f"/{exchange}/{{path:.*}}", self._exchange)

    async def _exchange(self, request: web.Request) -> web.StreamResponse:
        """Serve an exchange: its websocket where an upgrade is asked for, else its REST."""
        exchange = request.path.split("/")[1]
        path = request.match_info.get("path", "")
        if request.headers.get("Upgrade", "").lower() == "websocket":
            if self._playback is not None and exchange in self._playback.exchanges:
                return await self._playback.serve(request, exchange)
            if exchange in self._world.feeds:
                return await self._connections.serve(request, exchange, path)
        now = self._world.now
        status = self._world.faults.rest_status(exchange, now)
        if status is not None:
            headers = {"Retry-After": "1"} if status == 429 else {}
            found = answer({"message": "failed by request"}, status, headers)
        else:
            found = self._world.rest[exchange].answer(path, request.query, now)
        response = _response(found)
        # An exchange's clock is the simulated one, which may run behind ours.
        response.headers["Date"] = formatdate(now // _SECOND, usegmt=True)
        return response

    async def _ready(self, request: web.Request) -> web.Response:  # noqa: ARG002
        return _response(answer({"ready": True}))

    async def _metrics(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """Tell the counters as Prometheus wants them."""
        text = generate_latest(registry_of(self._world, self._connections, self._now))
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _log(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """Tell counters, and how far the simulation is behind the clock."""
        model = self._world.model
        return _response(
            answer(
                {
                    "seed": model.settings.seed,
                    "coins": len(model.coins),
                    "markets": len(model.markets),
                    "events": self._world.events,
                    "simulated_s": (model.time - model.start) / _SECOND,
                    "behind_s": (self._now() - model.time) / _SECOND,
                    "cpu_s": time.process_time(),
                    "exchanges": self._connections.shown(),
                }
            )
        )

    async def _truth(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """Tell what an estimate should find."""
        model = self._world.model
        return _response(
            answer(
                {
                    "coins": [coin.symbol for coin in model.coins],
                    "correlation": model.true_correlation().tolist(),
                    "volatility_of_a_second": [coin.volatility for coin in model.coins],
                    "spread_half_life_s": {
                        each.market: each.spread_half_life_s for each in model.listings
                    },
                }
            )
        )

    async def _fault(self, request: web.Request) -> web.Response:
        """Break something; see the top of this page."""
        faults, now = self._world.faults, self._world.now
        exchange = request.query.get("exchange", "")
        try:
            until = now + int(float(request.query.get("seconds", "5")) * _SECOND)
            count = int(request.query.get("count", "1"))
            status = int(request.query.get("status", "500"))
        except (ValueError, OverflowError):
            return _response(answer({"error": "expected numbers"}, 400))
        fault = request.match_info["fault"]
        known = self._world.rest if fault == "rest" else self._world.feeds
        if fault != "checksum" and exchange not in known:
            expected = f"expected exchange={'|'.join(known)}"
            return _response(answer({"error": f"{expected}, was {exchange!r}"}, 400))
        done: dict[str, object] = {"fault": fault, "exchange": exchange}
        match fault:
            case "drop":
                done["dropped"] = self._connections.drop(exchange)
            case "silence":
                faults.silence(exchange, until)
            case "refuse":
                faults.refuse(exchange, until)
            case "checksum":
                faults.checksums += count
            case "rest":
                faults.fail_rest(exchange, status, until)
            case _:
                return _response(answer({"error": f"no such fault: {fault}"}, 404))
        return _response(answer(done))


def _response(found: Answer) -> web.Response:
    return web.Response(
        body=found.body, status=found.status, headers=dict(found.headers), content_type=_JSON
    )
