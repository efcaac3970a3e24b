"""The composition root of REST, websocket and page."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

from fastapi import Depends, FastAPI
from starlette.middleware.cors import CORSMiddleware

from services.gateway import page
from services.gateway.bars.router import COMPLETE_FROM
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
from services.gateway.feeds.router import router as feeds
from services.gateway.gateway import Gateway, keep_beating
from services.gateway.health.router import router as health
from services.gateway.indicators.router import router as indicators
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
        beating = asyncio.create_task(keep_beating(gateway))
        try:
            async with reading(gateway):
                yield {"gateway": gateway}
        finally:
            beating.cancel()

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
    origins = gateway.settings.allowed_origins
    if origins:
        # Added last, so outermost: a page elsewhere must be able to read a 429 too.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key"],
            expose_headers=["Link", "Retry-After", COMPLETE_FROM, *HEADERS],
        )
    strict = [Depends(refuse_unknown_parameters)]
    for router in (health, documentation):
        app.include_router(router, dependencies=strict)
    figures = (spreads, bars, indicators, correlations, venues, orders)
    for router in (catalog, feeds, coins, markets, *figures):
        app.include_router(router, dependencies=[Depends(require_key), *strict])
    app.include_router(stream)
    # Last, since it takes every path that is left.
    app.include_router(page.router)
    describe(app)
    return app
