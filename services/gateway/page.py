"""The page: what was built into `web/dist`, served at `/`."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

DIST = Path(__file__).parent / "web" / "dist"

# A file whose name holds a hash of its content never changes.
_HASHED = re.compile(r"[-.][A-Za-z0-9_-]{8,}\.\w+$")
_FOREVER = "public, max-age=31536000, immutable"
_ASK_FIRST = "no-cache"
_NOT_BUILT = (
    "<!doctype html><title>Cointide</title><p>The page has not been built: run "
    "<code>make setup</code>. The interface is described in <a href='/docs'>/docs</a>."
)

router = APIRouter(include_in_schema=False)


@router.get("/{path:path}")
async def page(path: str, request: Request) -> Response:
    """Serve a file of the page; `/` is the page itself.

    Raises:
        HTTPException: 404, there is no such file.
    """
    files = StaticFiles(directory=DIST, check_dir=False)
    try:
        response = await files.get_response(path or "index.html", request.scope)
    except HTTPException as error:
        if not path:
            return HTMLResponse(_NOT_BUILT, headers={"Cache-Control": "no-store"})
        detail = f"expected a path of the interface, was /{path}"
        raise HTTPException(error.status_code, detail) from error
    response.headers["Cache-Control"] = _FOREVER if _HASHED.search(path) else _ASK_FIRST
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
