"""`/docs` for people and `/asyncapi.json`; nothing is fetched from anywhere else."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from services.gateway.answers import answer
from services.gateway.documentation.asyncapi import asyncapi
from services.gateway.documentation.listing import listing

router = APIRouter(tags=["documentation"])


@router.get("/asyncapi.json", response_class=Response)
async def described_stream() -> Response:
    """The websocket's description."""
    return answer(asyncapi())


@router.get("/docs", response_class=HTMLResponse)
async def docs(request: Request) -> Response:
    """The interface on one page."""
    return HTMLResponse(listing(request.app.openapi(), asyncapi()))
