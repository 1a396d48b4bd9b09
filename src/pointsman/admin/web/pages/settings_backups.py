"""`/ui/settings/backups`: copies of the database, made and put back while the gateway serves."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse

from ....config import Limits
from ....errors import PointsmanError
from ....kinds import ErrorKind
from ...control.guard import MAX_UPLOAD
from ...control.restoring import take_in
from ...routers import backups
from ...routers.backups import BackupWish, Name, RestoreWish
from ..uploads import uploaded_file
from ..view import Seen, Sent

router = APIRouter(include_in_schema=False)

PATH = "/ui/settings/backups"
WORD = "restore"
"""Typed before everything that is there is replaced."""


@router.get(PATH)
def show_list(view: Seen) -> HTMLResponse:
    """Those in the data folder."""
    most = min(MAX_UPLOAD, Limits.from_environment().body_bytes)
    return view.page("settings/backups.html", found=backups.show_list(view.control), most=most)


@router.post(PATH)
def add(view: Seen, form: Sent) -> RedirectResponse:
    """Makes one."""
    made = backups.add(view.control, Response(), BackupWish(usage=form.has("usage")))
    return view.done(f"Saved {made.name}. The master key is not in it.", PATH)


@router.post(f"{PATH}/uploads")
async def upload(view: Seen) -> RedirectResponse:
    """Takes one in that was made elsewhere, and shows what it holds."""
    made = await take_in(view.control, uploaded_file(view.request))
    return view.done("The file is here, and nothing is changed yet.", f"{PATH}/{made.name}")


@router.get(f"{PATH}/{{name}}")
def show(view: Seen, name: Name) -> HTMLResponse:
    """What is in one, before it is put back."""
    return view.page("settings/backup.html", name=name, inside=backups.show(view.control, name), word=WORD)


@router.get(f"{PATH}/{{name}}/file")
def download(view: Seen, name: Name) -> FileResponse:
    """The file."""
    return backups.download(view.control, name)


@router.post(f"{PATH}/{{name}}/restore")
def put_back(view: Seen, name: Name, form: Sent) -> RedirectResponse:
    """Puts one back, whole, once the word was typed."""
    if form.text("typed") != WORD:
        raise PointsmanError(ErrorKind.INVALID, f"Type {WORD} to put it back.", param="typed")
    wish = RestoreWish(usage=form.has("usage"), other_gateway=form.has("other_gateway"))
    done = backups.put_back(view.control, name, wish)
    return view.done(f"Put back {name}. What was there is kept in {done.kept_aside}.", PATH)


@router.post(f"{PATH}/{{name}}/delete")
def remove(view: Seen, name: Name) -> RedirectResponse:
    """Deletes one, for good."""
    backups.remove(view.control, name)
    return view.done(f"Deleted {name}.", PATH)
