"""`/api/recordings`: recorded answers, which `replay/NAME` gives again (docs/replay.md)."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel

from ...errors import PointsmanError
from ...kinds import RECORDING_NAME, REPLAY, ErrorKind
from ...link.messages import RecordSpec
from ..control import recording_files
from ..control.control_plane import ControlPlane
from ..control.recorders import LEASE_SECONDS, Running
from ..control.recording_files import RecordingFile
from ..store import client_keys, mappings
from ..store.shapes import Input
from ..store.targets import targets_of
from ..store.values import Pattern, RowNumber
from .base import Run, errors

router = APIRouter(prefix="/api/recordings", tags=["recordings"])

Name = Annotated[str, Path(pattern=f"^{RECORDING_NAME.pattern}$", description="Of a recording.")]

_LAST_SECONDS = 1.3
"""How long is waited for what the data plane last counted: it tells once a second."""


class RecordingWish(Input):
    """Of which requests a recording is made: all, where nothing narrows it. model: a pattern of the names that clients ask
    by. key_id: of a client key."""

    model: Pattern | None = None
    key_id: RowNumber | None = None


class RecordingRun(BaseModel):
    """A recording that is being made. since: when that began. seconds: it ends by itself after so long, if nobody says again
    that it goes on. new, renewed: answers that were kept, for the first time or in an earlier one's place. Not kept: failed
    (no whole answer came), unfit (it cannot be told apart by its request), full (recordings have no more room), lost (the
    control plane took no more), broken (it could not be written; the log says why), gone (the recording was deleted)."""

    name: str
    since: datetime
    seconds: float
    model: str | None
    key_id: int | None
    new: int = 0
    renewed: int = 0
    failed: int = 0
    unfit: int = 0
    full: int = 0
    lost: int = 0
    broken: int = 0
    gone: int = 0


class RecordingSummary(BaseModel):
    """answers: how many; bytes: on disk. running: it is being made now. rules: ids of those that it answers for."""

    name: str
    answers: int
    bytes: int
    running: bool
    rules: list[int]


class AnswerSummary(BaseModel):
    """One answer of a recording. target: who gave it then, "" where a file did not say. asked_bytes, answered_bytes: of the
    request and of the answer."""

    number: int
    at: datetime
    path: str
    model: str
    stream: bool
    target: str
    asked_bytes: int
    answered_bytes: int


class RecordingShown(RecordingSummary):
    """With its answers, in the order in which they were recorded first. No prompt and no answer is shown: export it."""

    requests: list[AnswerSummary]


@router.get("", responses=errors())
def show_list(control: Run) -> list[RecordingSummary]:
    """All recordings."""
    rules = _rules(control)
    return [_summary(control, name, rules) for name in control.recordings.names()]


@router.post("", status_code=201, responses=errors(409))
def take_in(control: Run, body: RecordingFile, response: Response) -> RecordingSummary:
    """Take in one that was exported. It takes the place of one of that name."""
    recording_files.take_in(control.recordings, body)
    control.publish()
    response.headers["location"] = f"{router.prefix}/{body.name}"
    return _summary(control, body.name, _rules(control))


@router.get("/{name}", responses=errors(404))
def show(control: Run, name: Name) -> RecordingShown:
    """What one answers to."""
    found = [
        AnswerSummary(
            number=number,
            at=datetime.fromtimestamp(one.answer.at, UTC),
            path=one.path,
            model=one.model,
            stream=not one.answer.whole,
            target=one.answer.target,
            asked_bytes=len(one.asked),
            answered_bytes=len(one.answer.body),
        )
        for number, one in control.recordings.all_of(name)
    ]
    return RecordingShown(**_summary(control, name, _rules(control)).model_dump(), requests=found)


@router.get("/{name}/file", responses=errors(404))
def export(control: Run, name: Name) -> RecordingFile:
    """One with all that was asked and answered, in clear: for a file beside a program's tests."""
    return recording_files.export(control.recordings, name)


@router.delete("/{name}", status_code=204, responses=errors(404, 409))
def remove(control: Run, name: Name) -> None:
    """Delete one, for good. 409 while a rule names it, or it is being made."""
    rules = _rules(control).get(name)
    if rules:
        told = ", ".join(str(one) for one in rules)
        raise PointsmanError(
            ErrorKind.CONFLICT, f"Rule {told} answers out of this recording; change or remove that first."
        )
    if control.recorders.find(name) is not None:
        raise PointsmanError(ErrorKind.CONFLICT, "It is being made; end that first.")
    control.recordings.remove(name)
    control.publish()


@router.put("/{name}/running", responses=errors(404, 409))
def go_on(control: Run, name: Name, body: RecordingWish) -> RecordingRun:
    """Record from now on, or some seconds more. There is one of that name when this answers."""
    if body.key_id is not None:
        with control.read() as session:
            client_keys.get(session, body.key_id)
    control.recordings.make(name)
    if control.recorders.go_on(RecordSpec(name, body.model, body.key_id)):
        control.publish()
    return running(control, name)


@router.delete("/{name}/running", responses=errors(404))
async def end(control: Run, name: Name) -> RecordingRun:
    """Record no more. What was begun before is recorded when it is over."""
    running(control, name)
    spec = control.recorders.find(name)
    assert spec is not None
    await asyncio.sleep(_LAST_SECONDS if control.workers() else 0)
    told = running(control, name)
    control.recorders.end(name)
    await asyncio.to_thread(control.publish)
    return told


def running(control: ControlPlane, name: str) -> RecordingRun:
    """As it stands. Raises NOT_FOUND."""
    one = control.recorders.find(name)
    if one is None:
        raise PointsmanError(ErrorKind.NOT_FOUND, "Nothing is recorded under this name now.")
    return _told(one)


def _told(one: Running) -> RecordingRun:
    return RecordingRun(
        name=one.spec.name,
        since=datetime.fromtimestamp(one.since, UTC),
        seconds=max(0.0, min(LEASE_SECONDS, one.until - time.monotonic())),
        model=one.spec.pattern,
        key_id=one.spec.key_id,
        **one.counts,
    )


def _summary(control: ControlPlane, name: str, rules: dict[str, list[int]]) -> RecordingSummary:
    answers, size = control.recordings.size(name)
    making = control.recorders.find(name) is not None
    return RecordingSummary(name=name, answers=answers, bytes=size, running=making, rules=rules.get(name, []))


def _rules(control: ControlPlane) -> dict[str, list[int]]:
    """Recording's name -> the rules that name it."""
    found: dict[str, list[int]] = {}
    with control.read() as session:
        for rule in mappings.list_all(session):
            for key in {one.backend for one in targets_of(rule) if one.backend.startswith(REPLAY)}:
                found.setdefault(key.removeprefix(REPLAY), []).append(rule.id or 0)
    return found
