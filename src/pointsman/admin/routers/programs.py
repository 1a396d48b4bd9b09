"""`/api/programs`: programs that ask models: how each is pointed at this gateway, and whether it has arrived."""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, WithJsonSchema

from ...config import default_data_dir
from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...programs.program import YOUR_KEY, Pointed, Program, Writing, filled
from ...programs.registry import BY_NAME, PROGRAMS
from ..control import program_files
from ..control.arrivals import Arrival, arrival_of
from ..control.control_plane import ControlPlane
from ..control.nearness import why_far
from ..control.program_files import FilesChanged, FilesShown
from ..store.schemas import ClientKeyCreate
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
    """With what to copy. commands: of the command line, that do the same. problem: why the program cannot reach this gateway
    at its address, and what to do. needs_key: whether the gateway wants a client key, whose place then says so."""

    snippets: list[SnippetShown]
    commands: list[SnippetShown]
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


class FilesWrite(Pointing):
    """digest: of the look that showed what is written. key_name: of the client key that is made where one is needed and none
    is in the files, None: the program's. only_model: that key may ask for this model only."""

    digest: Annotated[str, Field(max_length=64)]
    key_name: Annotated[str | None, Field(max_length=100)] = None
    only_model: bool = False


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


@router.get("/{name}/settings", responses=errors(404))
def show_files(
    control: Run, request: Request, name: ProgramName, pointing: Annotated[Pointing, Query()]
) -> FilesShown:
    """The program's settings files on the gateway's own computer, and what would change in them, as `pointsman connect`
    shows it. Only to who asks there: else `why_not` says where."""
    program, far = program_of(name), why_far(request.headers, control.environ)
    if far is not None:
        return FilesShown(why_not=far)
    return program_files.look(control, program, pointed(control, pointing))


@router.post("/{name}/settings", responses=errors(404, 409))
def write_files(control: Run, request: Request, name: ProgramName, body: FilesWrite) -> FilesChanged:
    """Make the change that was shown; a copy from before is kept beside each file. A client key that is made for it stands
    in the file alone. 409 where it is not what was shown any more, or a file may not be changed."""
    program = program_of(name)
    refuse_far(control, request)
    made = key_of(program, body.key_name, body.model if body.only_model else None)
    return program_files.write(control, program, pointed(control, body), body.digest, made)


@router.delete("/{name}/settings", responses=errors(404, 409))
def undo_files(control: Run, request: Request, name: ProgramName) -> FilesChanged:
    """Put back what was there, as `pointsman connect --undo` does. 409 where that cannot be."""
    program = program_of(name)
    refuse_far(control, request)
    return program_files.undo(control, program)


def refuse_far(control: ControlPlane, request: Request) -> None:
    """Raises FORBIDDEN for who may not see and change files here."""
    far = why_far(request.headers, control.environ)
    if far is not None:
        raise PointsmanError(ErrorKind.FORBIDDEN, far)


def key_of(program: Program, name: str | None, only_model: str | None = None) -> ClientKeyCreate:
    """The client key that is made for a program."""
    return ClientKeyCreate(name=name or program.title, models=[only_model] if only_model else [])


def pointed(control: ControlPlane, pointing: Pointing, secret: str | None = None) -> Pointed:
    """At this gateway, by the address that is said, or the one it was started with."""
    url = (pointing.url or control.options.url or "http://127.0.0.1:4480").rstrip("/")
    return Pointed(url, pointing.model, secret, pointing.window)


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
    at = pointed(control, pointing, secret)
    needs_key = control.snapshot.keys_required
    options = f" --model {shlex.quote(pointing.model)}"
    if control.data_dir != default_data_dir():
        options += f" --data-dir {shlex.quote(str(control.data_dir))}"
    if needs_key:
        options += " --key -" if secret else f" --key {shlex.quote(program.title)}"
    if needs_key and secret is None:
        at = Pointed(at.url, at.model, YOUR_KEY, at.window)
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
        commands=[
            SnippetShown(where=when, writing=Writing.SH, text=text)
            for when, text in program.commands(options)
        ],
        notes=list(program.notes),
        problem=program.problem(at.url),
        needs_key=needs_key,
    )
