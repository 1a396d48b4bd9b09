"""`/api/programs`: programs that ask models: how each is pointed at this gateway, and whether it has arrived."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, WithJsonSchema

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...programs.program import YOUR_KEY, Pointed, Program, filled
from ...programs.registry import BY_NAME, PROGRAMS
from ..control.arrivals import Arrival, arrival_of
from ..control.control_plane import ControlPlane
from ..store.values import MAX_ID
from .base import Run, errors

router = APIRouter(prefix="/api/programs", tags=["programs"])

ProgramName = Annotated[str, Path(max_length=64, description="As the list has it.")]


class ProgramShown(BaseModel):
    """A program. kind: the list's heading. first: how to send its first request."""

    name: str
    title: str
    kind: str
    first: str


class SnippetShown(BaseModel):
    """What to copy. where: into which file or field. writing: what it is written in."""

    where: str
    writing: str
    text: str


class ProgramSnippets(ProgramShown):
    """With what to copy. problem: why the program cannot reach this gateway at its address, and what to do. needs_key:
    whether the gateway wants a client key, whose place then says so."""

    snippets: list[SnippetShown]
    notes: list[str]
    problem: str | None
    needs_key: bool


class Pointing(BaseModel):
    """What the snippets are filled in with. url: how clients reach this gateway, None: as it was started. window: of the
    model, in tokens."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str, Field(min_length=1, max_length=200)] = "practice"
    url: Annotated[str | None, Field(max_length=300, pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$")] = None
    window: Annotated[int | None, Field(ge=1, le=100_000_000)] = None


@router.get("", responses=errors())
def show_list() -> list[ProgramShown]:
    """Every program that there are snippets of."""
    return [ProgramShown(name=p.name, title=p.title, kind=p.kind, first=p.first) for p in PROGRAMS]


@router.get("/{name}", responses=errors(404))
def show(control: Run, name: ProgramName, pointing: Annotated[Pointing, Query()]) -> ProgramSnippets:
    """One program's snippets, filled in. A key is never in them: its place is marked."""
    return snippets_of(control, program_of(name), pointing)


@router.get("/{name}/arrival", responses=errors(404))
def show_arrival(
    control: Run,
    name: ProgramName,
    since: Annotated[
        AwareDatetime,
        Query(description="ISO 8601 with a time zone, or unix seconds."),
        WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]}),
    ],
    key_id: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
) -> Arrival:
    """The first answered request of a program since then, else the newest that failed, with what to do."""
    return arrived(control, program_of(name), since, key_id)


def arrived(control: ControlPlane, program: Program, since: datetime, key_id: int | None) -> Arrival:
    """See show_arrival."""
    return arrival_of(control.usage, program, since, key_id)


def program_of(name: str) -> Program:
    """Raises PointsmanError 404."""
    program = BY_NAME.get(name)
    if program is None:
        raise PointsmanError(ErrorKind.NOT_FOUND, "There is no such program; GET /api/programs lists them.")
    return program


def snippets_of(
    control: ControlPlane, program: Program, pointing: Pointing, secret: str | None = None
) -> ProgramSnippets:
    """secret: of a key that has just been made. Raises PointsmanError 422 for a name that no snippet can hold."""
    url = (pointing.url or control.options.url or "http://127.0.0.1:4480").rstrip("/")
    needs_key = control.snapshot.keys_required
    at = Pointed(url, pointing.model, secret or (YOUR_KEY if needs_key else None), pointing.window)
    try:
        snippets = [
            SnippetShown(where=one.where, writing=one.writing, text=filled(one, at))
            for one in program.snippets
        ]
    except ValueError as error:
        raise PointsmanError(ErrorKind.INVALID, f"{error}.", param="model") from None
    return ProgramSnippets(
        name=program.name,
        title=program.title,
        kind=program.kind,
        first=program.first,
        snippets=snippets,
        notes=list(program.notes),
        problem=program.problem(url),
        needs_key=needs_key,
    )
