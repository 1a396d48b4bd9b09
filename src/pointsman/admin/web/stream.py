"""`/ui/live`: server-sent events that say which topics have changed, at most two a second; what has become of them a page
asks for itself, by the filters it has. Not here: what changes (control/live.py).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

from fastapi import APIRouter
from starlette.responses import StreamingResponse

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ..control.live import Ear
from .view import Seen, View

router = APIRouter(include_in_schema=False)

_BEAT_SECONDS = 10.0
_LEAST_SECONDS = 0.5


@router.get("/ui/live")
async def listen(view: Seen, at: str = "") -> StreamingResponse:
    """`event: hello` with the control plane's epoch, then `event: changed` with a JSON list of topics; a comment each
    10 s. at: the mark that the page was made with; what has changed since is told first. Ends with the session. Raises
    RATE_LIMITED while too many pages are open."""
    ear = view.control.live.listen(at)
    if ear is None:
        raise PointsmanError(ErrorKind.RATE_LIMITED, "Too many pages are open; close some.", retry_after=10)
    return StreamingResponse(
        _events(view, ear), media_type="text/event-stream", headers={"cache-control": "no-store"}
    )


async def _events(view: View, ear: Ear) -> AsyncIterator[str]:
    try:
        yield event("hello", view.control.epoch)
        while view.control.sessions.lives(view.session):
            began = time.monotonic()
            topics = await ear.changed(_BEAT_SECONDS)
            if topics is None:
                return
            yield event("changed", sorted(topics)) if topics else ": still here\n\n"
            await asyncio.sleep(max(0.0, _LEAST_SECONDS - (time.monotonic() - began)))
    finally:
        ear.close()


def event(name: str, data: object) -> str:
    """One server-sent event, its data as JSON."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
