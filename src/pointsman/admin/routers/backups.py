"""`/api/backups`: copies of the database, made and put back while the gateway serves; `/api/uploaded-backups`: one that was
made elsewhere. The master key is in none.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict

from ..control.restoring import examine, folder_of, restore, take_in
from ..store import backups
from ..store.backups import Backup, Inside
from ..store.values import Switch
from .base import Run, errors

router = APIRouter(prefix="/api/backups", tags=["backups"])
uploads_router = APIRouter(prefix="/api/uploaded-backups", tags=["backups"])

Name = Annotated[str, Path(max_length=160, description="As the list shows it.")]


_A_FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class BackupWish(BaseModel):
    """usage: with the usage records, which may be most of it."""

    model_config = ConfigDict(extra="forbid")

    usage: Switch = False


class RestoreWish(BaseModel):
    """usage: put the records back, too, where the backup has some. other_gateway: it may be another gateway's."""

    model_config = ConfigDict(extra="forbid")

    usage: Switch = False
    other_gateway: Switch = False


class Restored(Inside):
    """What was put back. kept_aside: the backup that has what was there."""

    kept_aside: str


@router.get("", responses=errors())
def show_list(control: Run) -> list[Backup]:
    """The backups in the data folder, the newest first; those made before an update, too."""
    return backups.listed(folder_of(control))


@router.post("", status_code=201, responses=errors())
def add(control: Run, response: Response, body: BackupWish | None = None) -> Backup:
    """Make one. Requests go on; a change waits until the database is copied."""
    usage = control.usage if body is not None and body.usage else None
    made = backups.make(control.store, usage, folder_of(control))
    response.headers["location"] = f"{router.prefix}/{made.name}"
    return made


@uploads_router.post("", status_code=201, responses=errors(), openapi_extra=_A_FILE)
async def upload(control: Run, request: Request, response: Response) -> Backup:
    """Take one in that was made elsewhere: the file as it is. It is looked at, and kept beside the others; 422 says why it
    cannot be used. Nothing is put back yet."""
    made = await take_in(control, request.stream())
    response.headers["location"] = f"{router.prefix}/{made.name}"
    return made


@router.get("/{name}", responses=errors(404))
def show(control: Run, name: Name) -> Inside:
    """What is in one: it is looked at as before putting it back. 422 says why it cannot be used."""
    return examine(control, name)


@router.get("/{name}/file", responses=errors(404), response_class=FileResponse)
def download(control: Run, name: Name) -> FileResponse:
    """The file."""
    path = backups.path_of(folder_of(control), name)
    return FileResponse(path, media_type="application/octet-stream", filename=name)


@router.post("/{name}/restore", responses=errors(404, 409))
def put_back(control: Run, name: Name, body: RestoreWish | None = None) -> Restored:
    """Put one back, whole; it is live when this answers. What was there is kept as another backup."""
    wish = body or RestoreWish()
    inside, aside = restore(control, name, usage=wish.usage, other_gateway=wish.other_gateway)
    return Restored(**inside.model_dump(), kept_aside=aside)


@router.delete("/{name}", status_code=204, responses=errors(404))
def remove(control: Run, name: Name) -> None:
    """Delete one, for good."""
    backups.path_of(folder_of(control), name).unlink(missing_ok=True)
