"""`/ui/backends/disk`: model files on this disk, with what they take; removing one."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse

from ....errors import PointsmanError
from ....kinds import ErrorKind
from ...routers import stored_models
from ..view import Seen, Sent
from ..words import size
from .backends import PATH

router = APIRouter(include_in_schema=False)


@router.get(f"{PATH}/disk")
def show(view: Seen) -> HTMLResponse:
    """The page."""
    return view.page("stored_models.html", models=stored_models.show_list())


@router.post(f"{PATH}/disk/remove")
def remove(view: Seen, form: Sent) -> RedirectResponse:
    """Removes a model, once its name was typed."""
    name = form.text("name")
    if not name or form.text("typed") != name:
        raise PointsmanError(ErrorKind.INVALID, f"Type {name} to remove it.", param="typed")
    gone = stored_models.remove(form.text("path") or name)
    return view.done(f"{gone.name} is removed; {size(gone.freed)} are free again.", back=f"{PATH}/disk")
