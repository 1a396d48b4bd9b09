"""`/ui/models`: what can be asked for, across backends, and as one client sees it."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from ....kinds import Protocol
from ...control.model_list import ABILITIES, USUAL, ModelsAsked, list_models
from ..model_names import live_keys
from ..price_form import price_link
from ..view import Seen, row_number

router = APIRouter(include_in_schema=False)

PATH = "/ui/models"
_WAIT_SECONDS = 0.3
"""Who has not answered then is shown when it has."""
_ROWS = 50


@router.api_route(PATH, methods=["GET", "HEAD"])
async def show(
    view: Seen,
    q: Annotated[str, Query(max_length=512)] = "",
    can: Annotated[str, Query(max_length=20)] = "",
    backend: Annotated[str, Query(max_length=80)] = "",
    loaded: Annotated[str, Query(max_length=5)] = "",
    key: Annotated[str, Query(max_length=20)] = "",
    protocol: Protocol = USUAL,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> HTMLResponse:
    """The page, or with htmx the part of it that is swapped."""
    asked = ModelsAsked(
        q=q,
        can=can if can in ABILITIES else "",
        backend=backend,
        loaded=bool(loaded),
        key_id=row_number(key),
        protocol=protocol,
        offset=offset,
        limit=_ROWS,
        wait=_WAIT_SECONDS,
    )
    state = view.request.app.state
    found = await list_models(view.control, state.routing, state.model_names, asked)
    return view.page(
        "models.html",
        found=found,
        asked=asked,
        abilities=ABILITIES,
        price_link=price_link,
        protocols=list(Protocol),
        backends=sorted({one.key for one in view.control.snapshot.backends if not one.login_only}),
        keys=live_keys(view.control),
        here_with=_address(asked),
        before=_address(asked, max(0, offset - _ROWS)) if offset else None,
        after=_address(asked, offset + _ROWS) if offset + _ROWS < found.matched else None,
    )


def _address(asked: ModelsAsked, offset: int | None = None) -> str:
    """Of the page with these filters."""
    said: dict[str, Any] = {
        "q": asked.q,
        "can": asked.can,
        "backend": asked.backend,
        "loaded": "1" if asked.loaded else "",
        "key": asked.key_id or "",
        "protocol": "" if asked.protocol is USUAL else asked.protocol.value,
        "offset": (asked.offset if offset is None else offset) or "",
    }
    query = urlencode({name: value for name, value in said.items() if value})
    return f"{PATH}?{query}" if query else PATH
