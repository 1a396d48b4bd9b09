"""`/api/captures`: whose requests' bodies are kept. `/api/captured`: the bodies, redacted."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from ..store import captures
from ..store.schemas import CaptureCreate, CapturedBodies, CapturedSummary, CaptureResponse
from ..store.tables import Capture
from .base import RowId, Run, errors

router = APIRouter(tags=["captures"])

RequestId = Annotated[str, Path(max_length=80, description="As x-request-id told it.")]


@router.get("/api/captures", responses=errors())
def show_list(control: Run) -> list[CaptureResponse]:
    """Whose bodies are kept now."""
    with control.read() as session:
        return [_shown(row) for row in captures.list_all(session)]


@router.post("/api/captures", status_code=201, responses=errors(404, 409))
def add(control: Run, body: CaptureCreate, response: Response) -> CaptureResponse:
    """Keep the bodies of a rule's or a client key's requests for a while, from this answer on."""
    control.vault.require()  # else nothing could be sealed
    with control.change() as session:
        answer = _shown(captures.create(session, body))
    response.headers["location"] = f"/api/captures/{answer.id}"
    return answer


@router.get("/api/captures/{capture_id}", responses=errors(404))
def show(control: Run, capture_id: RowId) -> CaptureResponse:
    """One of them."""
    with control.read() as session:
        return _shown(captures.get(session, capture_id))


@router.delete("/api/captures/{capture_id}", status_code=204, responses=errors(404))
def remove(control: Run, capture_id: RowId) -> None:
    """Keep no more of it. What was kept stays until it is cleared or too old."""
    with control.change() as session:
        captures.delete(session, capture_id)


@router.get("/api/captured", responses=errors())
def show_captured(control: Run) -> list[CapturedSummary]:
    """Requests whose bodies are kept, the newest first."""
    return [CapturedSummary.model_validate(one) for one in control.captured.list_all()]


@router.get("/api/captured/{request_id}", responses=errors(404))
def show_bodies(control: Run, request_id: RequestId) -> CapturedBodies:
    """What was asked and answered, without what looks like a key, an address or a number of a card."""
    return CapturedBodies.model_validate(control.captured.show(request_id))


@router.delete("/api/captured/{request_id}", status_code=204, responses=errors(404))
def forget(control: Run, request_id: RequestId) -> None:
    """Take out what was kept of one request."""
    control.captured.remove(request_id)


@router.delete("/api/captured", status_code=204, responses=errors())
def clear(control: Run) -> None:
    """Take out all that was kept."""
    control.captured.clear()


def _shown(row: Capture) -> CaptureResponse:
    return CaptureResponse.model_validate(row, from_attributes=True)
