"""`/ui/connect`: how a program is pointed at this gateway, its settings file with what would change
in it, what to copy, and whether its first request has arrived.

Not here: the snippets (programs/), the file (control/program_files.py) and what counts as an arrival (control/arrivals.py).
"""

from __future__ import annotations

import asyncio
import math
import time
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel

from ....errors import PointsmanError
from ....kinds import ErrorKind
from ....link.messages import ClientKeySpec
from ....models import ClientKeyCreated
from ....programs.program import Pointed, Program
from ....programs.registry import PROGRAMS
from ...control import program_files
from ...control.arrivals import Arrival
from ...control.nearness import why_far
from ...control.program_files import FilesChanged, FilesShown
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
    body = programs.key_of(program, form.text("name"), asked.model if form.has("only_model") else None)
    made = await asyncio.to_thread(keys.add, view.control, body, Response())
    return await _page(view, asked.model_copy(update={"key": made.id}), made)


@router.post(f"{PATH}/write", response_model=None)
async def write(view: Seen, form: Sent) -> Response:
    """Writes into the program's settings files what the page has shown; where it is not that any more the page shows it
    anew."""
    asked = ConnectAsked(
        program=form.text("program"), model=form.text("model", PRACTICE), key=_key_id(form.text("key"))
    )
    program = programs.program_of(asked.program)
    programs.refuse_far(view.control, view.request)
    secret = form.text("secret") or None
    body = programs.key_of(program, form.text("name"), asked.model if form.has("only_model") else None)
    at = programs.pointed(view.control, _pointing(view, asked, await model_windows(view)), secret)
    try:
        done = await asyncio.to_thread(
            program_files.write, view.control, program, at, form.text("digest"), body
        )
    except program_files.ShownNoMore as error:
        return await _page(view, asked, secret=secret, problem=error.public)
    query = {"program": program.name, "model": asked.model, "key": done.key_id or asked.key or ""}
    return view.done(_written(program, done), f"{PATH}?{urlencode(query)}")


def _written(program: Program, done: FilesChanged) -> str:
    key = "" if done.key_id is None else f" with client key {done.key_id}, which was made for it"
    return f"Wrote {' and '.join(done.files)}{key}. {program.title} reads it when it starts."


@router.post(f"{PATH}/undo")
async def undo(view: Seen, form: Sent) -> RedirectResponse:
    """Puts the program's settings files back."""
    program = programs.program_of(form.text("program"))
    programs.refuse_far(view.control, view.request)
    done = await asyncio.to_thread(program_files.undo, view.control, program)
    query = {"program": program.name, "model": form.text("model", PRACTICE), "key": form.text("key")}
    return view.done(f"Put back: {', '.join(done.files)}.", f"{PATH}?{urlencode(query)}")


def _pointing(view: View, asked: ConnectAsked, windows: dict[str, int | None]) -> programs.Pointing:
    said = {"url": view.origin, "model": asked.model, "window": windows.get(asked.model)}
    return programs.Pointing.model_validate(said)


async def _page(
    view: View,
    asked: ConnectAsked,
    made: ClientKeyCreated | None = None,
    *,
    secret: str | None = None,
    problem: str | None = None,
) -> HTMLResponse:
    """secret: of a key that was just made, which nobody else knows. problem: why nothing was written."""
    program = programs.program_of(asked.program)
    secret = secret if made is None else made.secret
    windows = await model_windows(view)
    pointing = _pointing(view, asked, windows)
    shown = programs.snippets_of(view.control, program, pointing, secret)
    at = programs.pointed(view.control, pointing, secret)
    since = math.floor(time.time() * 1000) / 1000 if asked.since is None else asked.since
    arrival, before, listed = await asyncio.to_thread(_looked_up, view, program, asked, since)
    files = await asyncio.to_thread(_files, view, program, at)
    if made is not None:
        before = None  # with this key nothing has come yet
    return view.page(
        "connect.html",
        status=200 if problem is None else 409,
        kinds=_KINDS,
        program=program,
        shown=shown,
        asked=asked,
        made=made,
        files=files,
        secret=secret,
        problem=problem,
        keys=listed,
        names=list(windows),
        arrival=arrival,
        before=before,
        since=since,
        key=asked.key,
        model=asked.model,
    )


def _files(view: View, program: Program, at: Pointed) -> FilesShown:
    far = why_far(view.request.headers, view.control.environ)
    return FilesShown(why_not=far) if far else program_files.look(view.control, program, at)


def _looked_up(
    view: View, program: Program, asked: ConnectAsked, since: float
) -> tuple[Arrival, Arrival | None, list[ClientKeySpec]]:
    """(the arrival, what it asked within the last day before that, the keys that there are). A program that does not say
    who it is has no before: it may have been anybody."""
    live = live_keys(view.control)
    if asked.since is not None:
        moment = datetime.fromtimestamp(since, UTC)
        return programs.arrived(view.control, program, moment, asked.key), None, live
    if not program.is_told_apart:
        return Arrival(), None, live
    before = programs.arrived(view.control, program, datetime.now(UTC) - _SEEN_BEFORE, asked.key)
    return Arrival(), None if before.state == "waiting" else before, live


def _key_id(text: str) -> int | None:
    if not text:
        return None
    if (number := row_number(text)) is None:
        raise PointsmanError(ErrorKind.INVALID, "key is the number of a client key.", param="key")
    return number
