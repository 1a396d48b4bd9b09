"""`/`, where browsers and Claude Code ask first, and the API's own document."""

from __future__ import annotations

import threading

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

router = APIRouter(include_in_schema=False)
_making = threading.Lock()


@router.get("/api/openapi.json")
def document(request: Request) -> Response:
    """Made at the first question, in a thread: it takes two seconds of a core, and a control plane whose loop stands still
    for so long on a small or busy computer is taken for dead."""
    with _making:
        found = request.app.openapi()
    return JSONResponse(found)


@router.get("/")
async def home() -> Response:
    """Browsers start here."""
    return RedirectResponse("/ui", status_code=307)


@router.head("/")
async def home_head() -> Response:
    """Claude Code asks whether anybody is here."""
    return Response()
