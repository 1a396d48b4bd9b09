"""`/api/requests`: what runs now, and the end of one of it. What has run is `/api/usage`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path
from pydantic import BaseModel

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...link.messages import RunningFact
from ..store.shapes import with_fields
from .base import Run, errors

router = APIRouter(prefix="/api/requests", tags=["requests"])

RequestId = Annotated[str, Path(max_length=80, description="As x-request-id told it.")]

_FACTS = {field.name: (field.type, ...) for field in msgspec.structs.fields(RunningFact)}


@with_fields(_FACTS | {"at": (datetime, ...)})
class RunningRequest(BaseModel):
    """A request that runs. target: which is being asked, or answers; null before the first.
    attempt: its number, 0 before. output: its client has the beginning of the answer."""


class RunningList(BaseModel):
    """The newest first. count: of all that run; where those are more than 200, the ones that have run longest are told."""

    count: int
    requests: list[RunningRequest]


@router.get("/running", responses=errors())
async def show_running(control: Run) -> RunningList:
    """Requests that run now, in all processes."""
    now = await control.running.now()
    return RunningList(count=now.count, requests=[_shown(one) for one in now.requests])


@router.post("/{request_id}/cancel", status_code=204, responses=errors(404))
async def cancel(control: Run, request_id: RequestId) -> None:
    """End a request that runs: what it has asked is closed, its client gets an error in its own protocol, or a stream that
    breaks off, and its usage record says `cancelled`."""
    if not await control.running.end(request_id):
        raise PointsmanError(ErrorKind.NOT_FOUND, "No request with this id runs. It may just have ended.")


def _shown(fact: RunningFact) -> RunningRequest:
    values = msgspec.structs.asdict(fact) | {"at": datetime.fromtimestamp(fact.at, UTC)}
    return RunningRequest(**values)
