"""`/api/mappings`: the rules; `/api/mapping-order`: how they stand among each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlmodel import Session

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...ledger.periods import own_zone
from ...models import BackendMappingCreate, BackendMappingMove, BackendMappingResponse, BackendMappingUpdate
from ..control.control_plane import ControlPlane
from ..control.rule_standing import RuleStanding, standing_of
from ..store import mappings, rule_order
from ..store.tables import BackendMapping
from ..store.targets import TargetRef, targets_of
from ..store.versions import expect
from .base import IfMatch, RowId, Run, errors

router = APIRouter(prefix="/api/mappings", tags=["mappings"])
order_router = APIRouter(prefix="/api/mapping-order", tags=["mappings"])


@router.get("", responses=errors())
def show_list(control: Run) -> list[BackendMappingResponse]:
    """All rules in the order in which they are asked: the first that matches a model's name decides."""
    with control.read() as session:
        return mappings.responses(session, mappings.list_all(session))


@router.post("", status_code=201, responses=errors())
def add(control: Run, body: BackendMappingCreate, response: Response) -> BackendMappingResponse:
    """Add a rule; it is live when this answers. `warnings` name backends that do not exist yet."""
    _refuse_unrecorded(control, targets_of(body))
    with control.change() as session:
        answer = _written(session, mappings.create(session, body))
    response.headers["location"] = f"{router.prefix}/{answer.id}"
    return answer


@router.get("/{mapping_id}", responses=errors(404))
def show(control: Run, mapping_id: RowId) -> BackendMappingResponse:
    """One rule."""
    with control.read() as session:
        return mappings.response(session, mappings.get(session, mapping_id))


@router.patch("/{mapping_id}", responses=errors(404, 412))
def change(
    control: Run, mapping_id: RowId, body: BackendMappingUpdate, version: IfMatch = None
) -> BackendMappingResponse:
    """Change what is named; the rest stays. A null clears what can be empty."""
    with control.change() as session:
        row = mappings.get(session, mapping_id)
        expect(session, row, version)
        before = set(targets_of(row))
        row = mappings.update(session, mapping_id, body)
        _refuse_unrecorded(control, [one for one in targets_of(row) if one not in before])
        return _written(session, row)


def _refuse_unrecorded(control: ControlPlane, targets: Iterable[TargetRef]) -> None:
    """A recording is there before a rule answers out of it. Raises INVALID."""
    for name in control.recordings.missing(one.backend for one in targets):
        raise PointsmanError(
            ErrorKind.INVALID,
            f"There is no recording {name!r}. Make it with: pointsman record {name}, or take it in: "
            "pointsman recording import FILE.",
            param="backend_name",
        )


def _written(session: Session, row: BackendMapping) -> BackendMappingResponse:
    """With what the change means for this rule and for others."""
    answer = mappings.response(session, row)
    answer.warnings += rule_order.told_when_written(mappings.list_all(session), row)
    return answer


@router.delete("/{mapping_id}", status_code=204, responses=errors(404))
def remove(control: Run, mapping_id: RowId) -> None:
    """Remove a rule."""
    with control.change() as session:
        mappings.delete(session, mapping_id)


@router.post("/{mapping_id}/move", responses=errors(404))
def move(control: Run, mapping_id: RowId, body: BackendMappingMove) -> list[BackendMappingResponse]:
    """Put a rule directly before or behind another; all others keep their order. Answers the rules whose priority had to
    change: as few as possible, none where it stood there already."""
    beside, behind = body.beside
    with control.change() as session:
        return mappings.responses(session, rule_order.move(session, mapping_id, beside, behind=behind))


@order_router.get("", responses=errors())
def show_order(
    control: Run,
    zone: Annotated[
        str | None, Query(max_length=64, description="Whose day is counted; left out, this computer's.")
    ] = None,
) -> list[RuleStanding]:
    """All rules in that order: whether any request can get to each, which others take its names, and what it did today."""
    return standing_of(control, own_zone() if zone is None else zone)
