"""A program's settings files, pointed at this gateway from its page or its API: looked at, changed as they were shown, put
back. The same as `pointsman connect` does, by the same functions (programs/files).

Not here: who may (nearness.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum

from pydantic import BaseModel

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...programs.files.connecting import (
    NEW_KEY,
    InFile,
    diff_of,
    digest_of,
    in_files,
    kept_key,
    led_elsewhere,
    planned,
    put_back,
    seen_by_others,
    takes_key,
    telling,
)
from ...programs.files.settings_file import Planned, check_writable, is_changed, moved_by
from ...programs.files.settings_file import write as write_file
from ...programs.program import YOUR_KEY, Pointed, Program
from ..store import client_keys
from ..store.recording import note_file
from ..store.schemas import ClientKeyCreate
from .control_plane import ControlPlane
from .nearness import user


class KeyGoing(StrEnum):
    """What becomes of a client key in a program's file. none: it needs none there; kept: the one that stands there is good;
    given: one that was just made; new: one is made with the change."""

    NONE = "none"
    KEPT = "kept"
    GIVEN = "given"
    NEW = "new"


class FileShown(BaseModel):
    """One settings file. moved_by: the variable of the gateway's environment that says where it is; variable: the one that
    could. diff: what would change, with the keys in it shortened, empty where it says all of it. problem: why it cannot be
    changed, and what to do. written: this gateway has changed it; undo_problem: why that cannot be taken back."""

    path: str
    is_there: bool = False
    moved_by: str | None = None
    variable: str | None = None
    diff: str = ""
    problem: str | None = None
    warnings: list[str] = []
    written: bool = False
    undo_problem: str | None = None


class FilesShown(BaseModel):
    """A program's settings files. why_not: why none is shown here; null where they are. user: whose they are. digest: what a
    write is sent with; null where there is nothing to write. key: see there."""

    why_not: str | None
    user: str | None = None
    files: list[FileShown] = []
    key: KeyGoing = KeyGoing.NONE
    digest: str | None = None


class ShownNoMore(PointsmanError):
    """What was shown is not what would be written now."""

    def __init__(self) -> None:
        super().__init__(
            ErrorKind.CONFLICT,
            "It has changed since it was shown here, so nothing was written. Look at it again.",
            param="digest",
        )


class FilesChanged(BaseModel):
    """Which files were changed or put back, and the client key that was made for it, which stands in them alone."""

    files: list[str]
    key_id: int | None = None


def look(control: ControlPlane, program: Program, at: Pointed) -> FilesShown:
    """What would change. at: its key is one that was just made, or None. Raises INVALID for a model's name that no file can
    hold."""
    files = in_files(program, control.environ)
    key, at = _with_key(control, files, at)
    shown, plan = [], []
    for one in files:
        told = _told(control, one)
        try:
            change = planned([one], at)[0]
            check_writable(change.now)
            plan.append(change)
            told.is_there, told.diff = change.now.raw is not None, diff_of(change, [at.key or ""])
            told.warnings = _warnings(control, program, change, at.key)
        except PointsmanError as error:
            if error.param is not None:
                raise
            told.problem = error.public
        shown.append(told)
    changes = len(plan) == len(files) and any(one.changes for one in plan)
    digest = digest_of(plan) if changes else None
    return FilesShown(why_not=None, user=user(), files=shown, key=key, digest=digest)


def write(
    control: ControlPlane, program: Program, at: Pointed, digest: str, made: ClientKeyCreate
) -> FilesChanged:
    """Changes what was shown under that digest. made: the key that is made where one is needed and none is in the files.
    Raises CONFLICT where a file, or what would be written, is another one by now."""
    files = in_files(program, control.environ)
    key, at = _with_key(control, files, at)
    plan = planned(files, at)
    if digest_of(plan) != digest:
        raise ShownNoMore()
    done = [str(one.now.path) for one in plan if one.changes]
    said = {"file": ", ".join(done)}
    with control.change() as session:
        number = None
        if key is KeyGoing.NEW:
            row, secret = client_keys.create(session, made)
            number = row.id
            plan = planned(files, _at(at, secret))
            said["with client key"] = str(number)
        note_file(session, program.name, program.title, said)
        for one in plan:  # at last: where one cannot be written nothing is made and nothing entered
            if one.changes:
                write_file(one)
    return FilesChanged(files=done, key_id=number)


def undo(control: ControlPlane, program: Program) -> FilesChanged:
    """Puts back what was there. Raises PointsmanError as `pointsman connect --undo` does."""
    files = in_files(program, control.environ)
    changed = [str(one.path) for one in files if is_changed(one.path)]
    if not changed:
        raise PointsmanError(
            ErrorKind.CONFLICT, f"Nothing to put back: no file of {program.title}'s was changed."
        )
    with control.change() as session:
        note_file(session, program.name, program.title, {"put back": ", ".join(changed)})
        back = put_back(files)
    return FilesChanged(files=[str(one.now.path) for one in back])


def _told(control: ControlPlane, one: InFile) -> FileShown:
    moved = moved_by(one.file, control.environ)
    told = FileShown(
        path=str(one.path), moved_by=moved, variable=one.file.variable or None, written=is_changed(one.path)
    )
    try:
        one.undoing()
    except PointsmanError as error:
        told.undo_problem = error.public
    return told


def _with_key(control: ControlPlane, files: Sequence[InFile], at: Pointed) -> tuple[KeyGoing, Pointed]:
    """What becomes of a key, and what the files are filled in with: a new one's place is marked."""
    if not control.snapshot.keys_required:
        return KeyGoing.NONE, _at(at, None)
    if not takes_key(files):
        return KeyGoing.NONE, _at(at, YOUR_KEY)
    with control.read() as session:
        live = [row.prefix for row in client_keys.list_all(session) if row.revoked_at is None]
    if at.key is not None:
        if not at.key.startswith(telling(live)):
            raise PointsmanError(
                ErrorKind.INVALID, "That is no client key of this gateway's.", param="secret"
            )
        return KeyGoing.GIVEN, at
    for one in files:
        with suppress(PointsmanError):  # a file that cannot be read is told of where it would be changed
            if (key := kept_key([one], telling(live))) is not None:
                return KeyGoing.KEPT, _at(at, key)
    return KeyGoing.NEW, _at(at, NEW_KEY)


def _at(at: Pointed, key: str | None) -> Pointed:
    return Pointed(at.url, at.model, key, at.window)


def _warnings(control: ControlPlane, program: Program, change: Planned, key: str | None) -> list[str]:
    text = change.new.decode("utf-8", "replace")
    found = led_elsewhere(program, text, control.environ, "this gateway's environment")
    seen = seen_by_others(change, key)
    return found if seen is None else [*found, seen]
