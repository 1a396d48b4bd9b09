"""`/api/mappings`: the rules."""

from __future__ import annotations

from fastapi import APIRouter, Response

from ...models import BackendMappingCreate, BackendMappingResponse, BackendMappingUpdate
from ..store import mappings
from .base import RowId, Run, errors

router = APIRouter(prefix="/api/mappings", tags=["mappings"])


@router.get("", responses=errors())
def show_list(control: Run) -> list[BackendMappingResponse]:
    """All rules, highest priority first."""
    with control.read() as session:
        return [mappings.response(session, row) for row in mappings.list_all(session)]


@router.post("", status_code=201, responses=errors())
def add(control: Run, body: BackendMappingCreate, response: Response) -> BackendMappingResponse:
    """Add a rule; it is live when this answers. `warnings` name backends that do not exist yet."""
    with control.change() as session:
        answer = mappings.response(session, mappings.create(session, body))
    response.headers["location"] = f"{router.prefix}/{answer.id}"
    return answer


@router.get("/{mapping_id}", responses=errors(404))
def show(control: Run, mapping_id: RowId) -> BackendMappingResponse:
    """One rule."""
    with control.read() as session:
        return mappings.response(session, mappings.get(session, mapping_id))


@router.patch("/{mapping_id}", responses=errors(404))
def change(control: Run, mapping_id: RowId, body: BackendMappingUpdate) -> BackendMappingResponse:
    """Change what is named; the rest stays. A null clears what can be empty."""
    with control.change() as session:
        return mappings.response(session, mappings.update(session, mapping_id, body))


@router.delete("/{mapping_id}", status_code=204, responses=errors(404))
def remove(control: Run, mapping_id: RowId) -> None:
    """Remove a rule."""
    with control.change() as session:
        mappings.delete(session, mapping_id)
