"""`/ui`: is it working?"""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from ...routers.status import status_of
from ..view import Seen

router = APIRouter(include_in_schema=False)


@router.api_route("/ui", methods=["GET", "HEAD"])
async def show(view: Seen) -> HTMLResponse:
    """The page."""
    return view.page("home.html", gateway=status_of(view.control))
