"""`/ui/playground`: two models side by side, asked through the gateway's own front door; everything that comes is text.

With a script each column is a stream of events (control/play_run.py) that can be stopped; without one a page with both whole
answers. Not here: what is asked and how (control/playing.py, play_run.py).
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import ValidationError
from starlette.responses import StreamingResponse

from ....errors import PointsmanError
from ....kinds import ErrorKind
from ...control.arrivals import PLAYGROUND
from ...control.control_plane import ControlPlane
from ...control.play_run import PlayRun
from ...control.playing import MOST_IMAGES, Composed, PlayAsked, composed
from ...control.request_explained import RequestExplained
from ...control.routing_view import RoutingView
from ...routers.explain import PastedRequest, explained
from ..model_names import PRACTICE, model_windows
from ..rendering import ENVIRONMENT
from ..stream import event
from ..view import FormFields, Seen, Sent, View

router = APIRouter(include_in_schema=False)

PATH = "/ui/playground"
COLUMNS = (1, 2)
MOST_RUNS = 16
"""At a time, of all who are signed in."""
MOST_SHOWN = 200_000
"""Characters of one answer that are put on a page; with a script the rest can be downloaded."""
MOST_WIRE = 256 * 1024
"""Characters of an answer's bytes as they came that are shown."""
_VISIT = re.compile(r"[0-9a-f]{12}")

PROTOCOLS = (
    ("openai_chat", "Chat Completions"),
    ("openai_responses", "Responses"),
    ("anthropic_messages", "Messages"),
)
EFFORTS = (
    ("", "as the model likes"),
    ("none", "none"),
    ("low", "low"),
    ("medium", "medium"),
    ("high", "high"),
)


class Plays:
    """The questions that run, by their session's name in usage."""

    def __init__(self) -> None:
        self._runs: dict[str, PlayRun] = {}

    def begin(self, session: str, run: PlayRun) -> None:
        """Raises RATE_LIMITED, and CONFLICT where that column is still answering."""
        if session in self._runs:
            raise PointsmanError(ErrorKind.CONFLICT, "This column is still answering; stop it first.")
        if len(self._runs) >= MOST_RUNS:
            raise PointsmanError(ErrorKind.RATE_LIMITED, "Too many questions run; stop some.", retry_after=5)
        self._runs[session] = run

    def end(self, session: str) -> None:
        self._runs.pop(session, None)

    def stop(self, session: str) -> bool:
        """Whether it ran."""
        run = self._runs.get(session)
        if run is not None:
            run.stop()
        return run is not None


class ExplainedPlay(NamedTuple):
    """What would become of a question, and what its protocol has no place for."""

    told: RequestExplained
    losses: tuple[str, ...]


@router.api_route(PATH, methods=["GET", "HEAD"])
async def show(view: Seen, model: Annotated[str, Query(max_length=512)] = PRACTICE) -> HTMLResponse:
    """The page, with a model in its first column."""
    return await _page(view, FormFields([("model1", model or PRACTICE)]), {})


@router.post(PATH)
async def ask(request: Request, view: Seen, form: Sent) -> Response:
    """One column as a stream of events where a script asks, else the page with every column's whole answer."""
    visit = _visit(form)
    if form.has("column"):
        column = form.number("column")
        if column not in COLUMNS:
            raise PointsmanError(ErrorKind.INVALID, "column is 1 or 2.", param="column")
        if form.has("explain"):
            told, losses = await _explained(view, composed(_play(form, column)))
            return view.fragment("playground/explained.html", told=told, losses=losses)
        return _stream(request, view.control, composed(_play(form, column)), f"{visit}-{column}")
    asked = {column: _play(form, column) for column in COLUMNS if form.text(f"model{column}")}
    if form.has("explain"):
        told_of = {column: await _explained(view, composed(one)) for column, one in asked.items()}
        return await _page(view, form, {}, told_of)
    answers = await asyncio.gather(
        *(_whole(view.control, composed(one), f"{visit}-{column}") for column, one in asked.items())
    )
    return await _page(view, form, dict(zip(asked, answers, strict=True)))


@router.post(f"{PATH}/stop")
async def stop(request: Request, view: Seen, form: Sent) -> Response:
    """Close the connection of one column's question, as a client that leaves; its stream tells what came of it."""
    column = form.number("column")
    if not _plays(request).stop(f"{_visit(form)}-{column}"):
        raise PointsmanError(ErrorKind.NOT_FOUND, "Nothing runs in this column.")
    return Response(status_code=204)


async def _explained(view: View, asked: Composed) -> ExplainedPlay:
    routing: RoutingView = view.request.app.state.routing
    request = PastedRequest(
        request=asked.body.decode(), path=asked.path, headers={"user-agent": PLAYGROUND}, key=""
    )
    return ExplainedPlay(await explained(view.control, routing, request), asked.losses)


async def _page(
    view: View,
    form: FormFields,
    answers: dict[int, PlayAnswer],
    told_of: dict[int, ExplainedPlay] | None = None,
) -> HTMLResponse:
    return view.page(
        "playground.html",
        form=form,
        answers=answers,
        explained=told_of or {},
        columns=COLUMNS,
        names=list(await model_windows(view)),
        visit=secrets.token_hex(6),
        protocols=PROTOCOLS,
        efforts=EFFORTS,
        most_images=MOST_IMAGES,
        most_shown=MOST_SHOWN,
    )


def _play(form: FormFields, column: int) -> PlayAsked:
    """Raises PointsmanError naming the field."""
    values: dict[str, Any] = {
        "model": form.text(f"model{column}"),
        "protocol": form.text("protocol", "openai_chat"),
        "system": form.text("system"),
        "prompt": form.text("prompt"),
        "tools": form.text("tools"),
        "images": form.all("image"),
        "temperature": form.text("temperature") or None,
        "max_tokens": form.text("max_tokens") or None,
        "effort": form.text("effort"),
    }
    try:
        return PlayAsked.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = str(first["loc"][0])
        raise PointsmanError(
            ErrorKind.INVALID, f"{_FIELDS.get(field, field)}: {first['msg']}.", param=field
        ) from None


_FIELDS = {
    "model": "The model",
    "prompt": "What you ask",
    "max_tokens": "The longest answer",
    "images": "Pictures",
}


def _visit(form: FormFields) -> str:
    visit = form.text("visit")
    if not _VISIT.fullmatch(visit):
        raise PointsmanError(ErrorKind.INVALID, "Load the page anew: it does not say which one it is.")
    return f"playground-{visit}"


def _plays(request: Request) -> Plays:
    found: Plays = request.app.state.plays
    return found


def _stream(request: Request, control: ControlPlane, asked: Composed, session: str) -> StreamingResponse:
    run, plays = PlayRun(control, asked, session), _plays(request)
    plays.begin(session, run)
    events = _events(run, plays, session)
    return StreamingResponse(events, media_type="text/event-stream", headers={"cache-control": "no-store"})


async def _events(run: PlayRun, plays: Plays, session: str) -> AsyncIterator[str]:
    answer = PlayAnswer()
    try:
        async for what, value in run.happenings():
            told = answer.take(what, value, keep=False)
            if told is not None:
                yield event(what, told)
        yield event("facts", facts(answer))
    except PointsmanError as error:
        yield event("error", error.public)
    finally:
        plays.end(session)


def facts(answer: PlayAnswer) -> str:
    """What came of a question, as HTML."""
    return ENVIRONMENT.get_template("playground/facts.html").render(answer=answer)


class PlayAnswer:
    """A whole answer, bounded: its parts by their index (kind, name, text), what usage says, and its bytes."""

    def __init__(self) -> None:
        self.parts: dict[int, list[str]] = {}
        self.sent: dict[str, Any] = {}
        self.head: dict[str, Any] = {}
        self.usage: dict[str, Any] | None = None
        self.stopped: dict[str, Any] | None = None
        self.error: str | None = None
        self.wire = ""
        self.received = 0
        self.cut = 0

    @property
    def headers(self) -> dict[str, str]:
        return dict(self.head.get("headers", ()))

    @property
    def losses(self) -> list[str]:
        """What translation changed or lost: `dropped:seed`."""
        told = self.headers.get("x-pointsman-warnings", "")
        return [word.strip() for word in told.split(",") if word.strip()]

    def take(self, what: str, value: Any, *, keep: bool = True) -> Any:
        """One happening; what of it a page is told, None: nothing. keep: its text, too."""
        if what == "parts":
            if keep:
                self._keep(value)
        elif what == "wire":
            room = max(0, MOST_WIRE - self.received)
            self.received += len(value)
            if keep:
                self.wire += value[:room]
            return value[:room] or None
        elif what == "record":
            self.usage, self.stopped = value["usage"], value["stopped"]
            return None
        elif what == "sent":
            value["cut"] = max(0, len(value["body"]) - MOST_WIRE)
            value["body"] = value["body"][:MOST_WIRE]
            self.sent = value
        elif what == "head":
            self.head = value
        else:
            self.error = value
        return value

    def _keep(self, value: Any) -> None:
        for index, kind, name, text in value:
            part = self.parts.setdefault(index, [kind, name, ""])
            room = max(0, MOST_SHOWN - len(part[2]))
            part[2] += text[:room]
            self.cut += len(text) - len(text[:room])


async def _whole(control: ControlPlane, asked: Composed, session: str) -> PlayAnswer:
    answer = PlayAnswer()
    async for what, value in PlayRun(control, asked, session).happenings():
        answer.take(what, value)
    return answer
