"""What a protocol's clients are answered without asking a backend (ClientHalf.at_once): that a model be loaded, which is its
server's own affair, and is told as lost. Not here: pages (pages.py)."""

from __future__ import annotations

from functools import partial

from ...conversation.notes import Notes
from ...dialects.fields import load
from ..request.job import Job, warning_lines
from ..request.offload import LARGE, offload
from .pages import JSON


async def answered_at_once(job: Job) -> bool:
    """Has the client been answered? Raises PointsmanError 400 where it wants no losses, or sent no JSON object."""
    request = job.request
    half = request.route.half or request.route.bridge
    if half is None or half.at_once is None:
        return False
    large = len(request.body) >= LARGE
    body = (
        await offload(partial(load, peeked=True), request.body) if large else load(request.body, peeked=True)
    )
    answer = half.at_once(body, int(request.wall))
    if answer is None:
        return False
    notes = Notes(request.head.get(b"x-pointsman-strict") == b"1")
    notes.drop("load", "this gateway loads no models: their servers do, with the first request")
    lines = JSON + warning_lines(notes.header())
    job.delivery.send(200, b"", lines, answer)
    return True
