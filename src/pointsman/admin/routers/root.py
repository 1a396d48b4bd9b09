"""`/`, where browsers and Claude Code ask first."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

router = APIRouter(include_in_schema=False)


@router.get("/")
async def home() -> Response:
    """Browsers start here."""
    return RedirectResponse("/ui", status_code=307)


@router.head("/")
async def home_head() -> Response:
    """Claude Code asks whether anybody is here."""
    return Response()
