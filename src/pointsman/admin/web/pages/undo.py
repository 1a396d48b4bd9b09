"""`POST /ui/undo/{id}`: the Undo of a notice and of the audit's list. It shows nothing of its own."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

from ...routers import audit
from ...routers.base import RowId
from ..view import Seen, Sent, inside
from ..words import noun

router = APIRouter(include_in_schema=False)


@router.post("/ui/undo/{entry_id}")
def undo(view: Seen, entry_id: RowId, form: Sent) -> RedirectResponse:
    """Takes a change back; the page it was asked on says so."""
    done = audit.undo(view.control, entry_id)
    what = done.rows[0] if done.rows else None
    named = (
        "" if what is None else f": {noun(what.noun)} {what.name}" + (" and more" if done.changed > 1 else "")
    )
    return view.done(f"Undone{named}.", back=inside(form.text("back")), undo=done.id)
