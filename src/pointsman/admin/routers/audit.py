"""`/api/audit`: every change of what the database holds, who made it, and taking it back."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from ..store import audit, undoing
from ..store.asking import Who
from ..store.asking import last_entry as entry_of_last_change
from ..store.audit import Audited
from ..store.values import MAX_ID
from .base import RowId, Run, errors

router = APIRouter(prefix="/api/audit", tags=["audit"])


class AuditPage(BaseModel):
    """Which changes, and which piece of the list."""

    model_config = ConfigDict(extra="forbid")

    noun: Annotated[str | None, Query(max_length=64, description="`mapping`, `credential`, `key`, ...")] = (
        None
    )
    row: Annotated[str | None, Query(max_length=256, description="The row's id; of a setting its name.")] = (
        None
    )
    who: Who | None = None
    cursor: Annotated[int | None, Field(ge=1, le=MAX_ID, description="Where an earlier page ended.")] = None
    limit: Annotated[int, Field(ge=1, le=500)] = 50


@router.get("", responses=errors())
def show_list(
    control: Run, request: Request, response: Response, page: Annotated[AuditPage, Query()]
) -> list[Audited]:
    """Changes, newest first. When there is more, `x-next-cursor` and `Link: <...>; rel="next"` say where."""
    found, cursor = listed(control, page)
    if cursor is not None:
        pairs = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        response.headers["x-next-cursor"] = str(cursor)
        response.headers["link"] = f'<{router.prefix}?{urlencode([*pairs, ("cursor", cursor)])}>; rel="next"'
    return found


def listed(control: Run, page: AuditPage) -> tuple[list[Audited], int | None]:
    """The page, and where the next one begins."""
    with control.read() as session:
        found = audit.page(
            session,
            noun=page.noun,
            row=page.row,
            who=page.who,
            before=page.cursor,
            limit=page.limit + 1,
        )
    return found[: page.limit], found[page.limit - 1].id if len(found) > page.limit else None


@router.get("/{entry_id}", responses=errors(404))
def show(control: Run, entry_id: RowId) -> Audited:
    """One change, with every row that it changed."""
    with control.read() as session:
        return audit.get(session, entry_id)


@router.post("/{entry_id}/undo", responses=errors(404, 409))
def undo(control: Run, entry_id: RowId) -> Audited:
    """Take a change back, whole. 409 where a row has changed since, or what it was is not kept. The answer is the new
    entry, which can be undone, too."""
    with control.change() as session:
        undoing.undo(session, audit.entry(session, entry_id), keys_needed=control.options.require_keys)
    done = entry_of_last_change()
    return show(control, done or entry_id)
