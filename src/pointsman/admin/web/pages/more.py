"""`/ui/more`: every page as a list, for a phone, whose bar has room for four."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from ..view import Seen

router = APIRouter(include_in_schema=False)


@router.get("/ui/more")
async def show(view: Seen) -> HTMLResponse:
    """The list."""
    return view.page("more.html")
