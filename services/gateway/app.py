"""The composition root of REST, websocket and page."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

from fastapi import Depends, FastAPI
from starlette.middleware.cors import CORSMiddleware

from services.gateway import page
from services.gateway.bars.router import router as bars
from services.gateway.catalog.router import router as catalog
from services.gateway.coins.router import router as coins
from services.gateway.correlations.router import router as correlations
from services.gateway.dependencies import (
    LifespanState,
    refuse_unknown_parameters,
    require_key,
)
from services.gateway.documentation.openapi import describe
from services.gateway.documentation.router import router as documentation
from services.gateway.explain.router import router as explain
from services.gateway.feeds.router import router as feeds
from services.gateway.gateway import Gateway, keep_beating
from services.gateway.health.router import router as health
from services.gateway.history.answers import AGGREGATE, COMPLETE_FROM, GAPS
from services.gateway.history.reads import keep_looking
from services.gateway.history.router import router as history
from services.gateway.latencies import Timing
from services.gateway.limits.middleware import HEADERS, RateLimits
from services.gateway.markets.router import router as markets
from services.gateway.orders.router import router as orders
from services.gateway.problems import add_handlers
from services.gateway.spreads.router import router as spreads
from services.gateway.stream.router import router as stream
from services.gateway.venues.router import router as venues

Reading = Callable[[Gateway], AbstractAsyncContextManager[None]]
"""Given the gateway: reads records into it for as long as the context lasts."""


def create_app(gateway: Gateway, reading: Reading) -> FastAPI:
    """Return the app; `reading` begins when the server does."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[LifespanState]:
        tasks = [asyncio.create_task(keep_beating(gateway))]
        if gateway.history is not None:
            tasks.append(asyncio.create_task(keep_looking(gateway.reads, gateway.history.look)))
        for task in tasks:
            task.add_done_callback(partial(_tell_failure, gateway))
        try:
            async with reading(gateway):
                yield {"gateway": gateway}
        finally:
            for task in tasks:
                task.cancel()
            gateway.reads.close()
            gateway.rendering.close()

    app = FastAPI(
        title="Cointide",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    add_handlers(app)
    app.add_middleware(RateLimits, buckets=gateway.buckets, keys=gateway.keys)
    app.add_middleware(Timing, latencies=gateway.latencies)
    origins = gateway.settings.allowed_origins
    if origins:
        # Added last, so outermost: a page elsewhere must be able to read a 429 too.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key"],
            expose_headers=["Link", "Retry-After", COMPLETE_FROM, GAPS, AGGREGATE, *HEADERS],
        )
    strict = [Depends(refuse_unknown_parameters)]
    for router in (health, documentation):
        app.include_router(router, dependencies=strict)
    figures = (spreads, bars, correlations, venues, orders, history, explain)
    for router in (catalog, feeds, coins, markets, *figures):
        app.include_router(router, dependencies=[Depends(require_key), *strict])
    app.include_router(stream)
    # Last, since it takes every path that is left.
    app.include_router(page.router)
    describe(app)
    return app


def _tell_failure(gateway: Gateway, task: asyncio.Task[None]) -> None:
    """Tell what a task ended with that ends by itself only where something is broken."""
    if not task.cancelled() and (error := task.exception()) is not None:
        gateway.failed(error)
