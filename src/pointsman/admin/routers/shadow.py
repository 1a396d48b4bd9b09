"""`/api/shadow`: what came of asking local targets what clouds had answered. Numbers; never a prompt or an answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from ..control.control_plane import ControlPlane
from ..control.shadow_report import RuleShadow, report
from ..store import mappings
from ..store.snapshot import mapping_spec
from ..store.usage_query import Time
from ..store.values import MAX_ID, PATTERN_LENGTH
from .base import Run, errors

router = APIRouter(prefix="/api/shadow", tags=["shadow"])


@router.get("", responses=errors())
def show(
    control: Run,
    since: Annotated[Time, Query()] = None,
    model: Annotated[str | None, Query(max_length=PATTERN_LENGTH)] = None,
) -> list[RuleShadow]:
    """One for each rule and local target. model: only requests for this name; since: only from then on."""
    return shadows(control, None if since is None else since.timestamp(), model)


@router.delete("", status_code=204, responses=errors())
def clear(control: Run, mapping_id: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None) -> None:
    """Begin anew: take out all that was compared, or that of one rule."""
    control.shadows.clear(mapping_id)


def shadows(control: ControlPlane, since: float | None = None, model: str | None = None) -> list[RuleShadow]:
    """See show()."""
    kept = control.shadows
    with control.read() as session:
        rules = [mapping_spec(row) for row in mappings.list_all(session)]  # those that are off, too
    return report(kept.compared(since, model), kept.not_asked(since, model), rules)
