"""The composition root of REST, websocket and page."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

from fastapi import Depends, FastAPI

from services.gateway import page
from services.gateway.catalog.router import router as catalog
from services.gateway.coins.router import router as coins
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
from services.gateway.markets.router import router as markets
from services.gateway.problems import add_handlers
from services.gateway.spreads.router import router as spreads
from services.gateway.stream.router import router as stream

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
    strict = [Depends(refuse_unknown_parameters)]
    for router in (health, documentation):
        app.include_router(router, dependencies=strict)
    for router in (catalog, feeds, coins, markets, spreads):
        app.include_router(router, dependencies=[Depends(require_key), *strict])
    app.include_router(stream)
    # Last, since it takes every path that is left.
    app.include_router(page.router)
    describe(app)
    return app
