"""`/ui/connect`: how a program is pointed at this gateway, what to copy, and whether its first request has arrived.

Not here: the snippets (programs/) and what counts as an arrival (control/arrivals.py).
"""

from __future__ import annotations

import asyncio
import math
import time
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from ....errors import PointsmanError
from ....kinds import ErrorKind
from ....link.messages import ClientKeySpec
from ....models import ClientKeyCreate, ClientKeyCreated
from ....programs.program import Program
from ....programs.registry import PROGRAMS
from ...control.arrivals import Arrival
from ...routers import keys, programs
from ..model_names import PRACTICE, live_keys, model_windows
from ..view import Seen, Sent, View, row_number

router = APIRouter(include_in_schema=False)

PATH = "/ui/connect"
_SEEN_BEFORE = timedelta(days=1)
_KINDS = [(kind, list(some)) for kind, some in groupby(PROGRAMS, key=lambda program: program.kind)]
_Since = Annotated[float, Query(ge=0, le=4e9)]


class ConnectAsked(BaseModel):
    """What the page is about. key: whose requests count, None: anybody's. since: unix seconds, None: from now on."""

    program: str = PROGRAMS[0].name
    model: str = PRACTICE
    key: int | None = None
    since: float | None = None


@router.api_route(PATH, methods=["GET", "HEAD"])
async def show(
    view: Seen,
    program: Annotated[str, Query(max_length=64)] = PROGRAMS[0].name,
    model: Annotated[str, Query(max_length=512)] = PRACTICE,
    key: Annotated[str, Query(max_length=20)] = "",
    since: Annotated[float | None, Query(ge=0, le=4e9)] = None,
) -> HTMLResponse:
    """The page: programs, the snippets of one, and its arrival, from now on unless another moment is said."""
    asked = ConnectAsked(program=program, model=model or PRACTICE, key=_key_id(key), since=since)
    return await _page(view, asked)


@router.get(f"{PATH}/arrival")
def show_arrival(
    view: Seen,
    program: Annotated[str, Query(max_length=64)],
    since: _Since,
    key: Annotated[str, Query(max_length=20)] = "",
) -> HTMLResponse:
    """Whether it has come since then; asked again while it has not."""
    found = programs.program_of(program)
    key_id = _key_id(key)
    arrival = programs.arrived(view.control, found, datetime.fromtimestamp(since, UTC), key_id)
    return view.fragment(
        "connect/arrival.html", program=found, arrival=arrival, since=since, key=key_id, model="", before=None
    )


@router.post(f"{PATH}/key")
async def make_key(view: Seen, form: Sent) -> HTMLResponse:
    """A key for a program, shown in this one answer and in its snippets."""
    asked = ConnectAsked(program=form.text("program"), model=form.text("model", PRACTICE))
    program = programs.program_of(asked.program)
    body = ClientKeyCreate(
        name=form.text("name") or program.title, models=[asked.model] if form.has("only_model") else []
    )
    made = await asyncio.to_thread(keys.add, view.control, body, Response())
    return await _page(view, asked.model_copy(update={"key": made.id}), made)


async def _page(view: View, asked: ConnectAsked, made: ClientKeyCreated | None = None) -> HTMLResponse:
    program = programs.program_of(asked.program)
    windows = await model_windows(view)
    window = windows.get(asked.model)
    pointing = programs.Pointing.model_validate({"url": view.origin, "model": asked.model, "window": window})
    shown = programs.snippets_of(view.control, program, pointing, made.secret if made else None)
    since = math.floor(time.time() * 1000) / 1000 if asked.since is None else asked.since
    arrival, before, listed = await asyncio.to_thread(_looked_up, view, program, asked, since)
    if made is not None:
        before = None  # with this key nothing has come yet
    return view.page(
        "connect.html",
        kinds=_KINDS,
        program=program,
        shown=shown,
        asked=asked,
        made=made,
        keys=listed,
        names=list(windows),
        arrival=arrival,
        before=before,
        since=since,
        key=asked.key,
        model=asked.model,
    )


def _looked_up(
    view: View, program: Program, asked: ConnectAsked, since: float
) -> tuple[Arrival, Arrival | None, list[ClientKeySpec]]:
    """(the arrival, what it asked within the last day before that, the keys that there are). A program that does not say
    who it is has no before: it may have been anybody."""
    live = live_keys(view.control)
    if asked.since is not None:
        moment = datetime.fromtimestamp(since, UTC)
        return programs.arrived(view.control, program, moment, asked.key), None, live
    if not program.agents:
        return Arrival(), None, live
    before = programs.arrived(view.control, program, datetime.now(UTC) - _SEEN_BEFORE, asked.key)
    return Arrival(), None if before.state == "waiting" else before, live


def _key_id(text: str) -> int | None:
    if not text:
        return None
    if (number := row_number(text)) is None:
        raise PointsmanError(ErrorKind.INVALID, "key is the number of a client key.", param="key")
    return number
