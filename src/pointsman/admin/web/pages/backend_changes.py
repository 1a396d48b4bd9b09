"""What the Backends page changes: adding, editing, a new key, on and off, removing; engines are started and stopped. Each
is the API's own function. A key comes in here and is never put back into a form."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError

from ....errors import PointsmanError
from ....kinds import BackendType, ErrorKind, backend_key
from ....models import (
    CloudCredentialCreate,
    CloudCredentialUpdate,
    LocalBackendCreate,
    LocalBackendResponse,
    LocalBackendUpdate,
)
from ...control.problems import invalid
from ...routers import credentials, engines, local
from ...store import rows
from ...store.asking import last_entry
from ...store.versions import ChangedMeanwhile
from ..backend_form import StoredBackend, address_of, check_address, columns_of, of_sent
from ..view import FormFields, Seen, Sent, View
from .backend_trials import created, typed_values
from .backends import PATH, named, stored, whole

router = APIRouter(include_in_schema=False)


@router.post(f"{PATH}/add", response_model=None)
async def add(view: Seen, form: Sent) -> HTMLResponse | RedirectResponse:
    """Stores what the form says."""
    try:
        data = created(form)
        key, undo = await asyncio.to_thread(_added, view, data)
    except (PointsmanError, ValidationError) as error:
        if view.htmx:
            raise  # the form stands as it is
        told = error if isinstance(error, PointsmanError) else invalid(error)[0]
        typed = typed_values(form)
        return await whole(view, add=form.text("add"), typed=typed, problem=told.public, status=told.status)
    goes = "" if isinstance(data, LocalBackendCreate) else " Its key is stored and is not shown again."
    return view.done(
        f"{key} is added.{goes} Test it, and make a rule for it.", back=f"{PATH}?show={key}", undo=undo
    )


def _added(view: View, data: CloudCredentialCreate | LocalBackendCreate) -> tuple[str, int | None]:
    """Its key, and the audit's number."""
    if isinstance(data, LocalBackendCreate):
        local.add(view.control, data, Response())
        return backend_key(BackendType.LOCAL, data.name), last_entry()
    credentials.add(view.control, data, Response())
    return backend_key(data.backend_type, data.name), last_entry()


@router.post(f"{PATH}/use")
def use(view: Seen, form: Sent) -> RedirectResponse:
    """Keeps a server that was found on this computer."""
    body = LocalBackendCreate.model_validate({"name": form.text("name"), "base_url": form.text("base_url")})
    made = local.add(view.control, body, Response())
    return view.done(f"local/{made.name} is added.", back=f"{PATH}?show=local/{made.name}", undo=last_entry())


@router.post(f"{PATH}/edit", response_model=None)
async def edit(view: Seen, form: Sent) -> HTMLResponse | RedirectResponse:
    """Every column of a stored backend. Its key stays, unless the address is another."""
    key = form.text("key")
    row = await asyncio.to_thread(stored, view, key)
    try:
        undo = await asyncio.to_thread(_edited, view, row, form)
    except ChangedMeanwhile:
        raise
    except PointsmanError as error:
        if error.kind is not ErrorKind.INVALID or (view.htmx and form.text("api_key")):
            raise  # the form stands as it is, the key in it too
        return await whole(view, show=key, edit=of_sent(row, form, error.public), status=error.status)
    return _done(view, key, "is saved.", undo)


def _edited(view: View, row: StoredBackend, form: FormFields) -> int | None:
    """The audit's number; None where a key was forgotten, which nobody can bring back."""
    moves, keyed = check_address(row, form)
    columns, version = columns_of(row, form), form.text("version")
    secret = {"api_key": form.text("api_key") or None} if keyed else {}
    if isinstance(row, LocalBackendResponse):
        local.change(view.control, row.name, rows.valid(LocalBackendUpdate, columns | secret), version)
    elif moves:
        whole_row = {"backend_type": row.backend_type, "name": row.name} | columns | address_of(form) | secret
        body = rows.valid(CloudCredentialCreate, whole_row).model_dump(mode="json")
        credentials.put(view.control, row.backend_type, row.name, body, version)
    else:
        update = rows.valid(CloudCredentialUpdate, columns)
        credentials.change(view.control, row.backend_type, row.name, update, version)
    return None if keyed else last_entry()


@router.post(f"{PATH}/rotate")
def rotate(view: Seen, form: Sent) -> RedirectResponse:
    """A new key for the same address, once the backend's name was typed where it has one; all else stays."""
    key = form.text("key")
    kind, name = named(key)
    secret = form.text("api_key")
    if not secret:
        raise PointsmanError(ErrorKind.INVALID, "Paste the new key first.", param="api_key")
    if kind is BackendType.LOCAL:
        had = local.show(view.control, name).key_fingerprint is not None
        _named(form, key, "to replace its key", needed=had)
        local.change(view.control, name, LocalBackendUpdate.model_validate({"api_key": secret}))
        if not had:
            return _done(view, key, "has a key.")
    else:
        stored = credentials.show(view.control, kind, name).model_dump(mode="json")
        _named(form, key, "to replace its key")
        kept = {one: stored[one] for one in CloudCredentialCreate.model_fields if one in stored}
        credentials.put(view.control, kind, name, {**kept, "api_key": secret})
    return _done(view, key, "has a new key; the old one is forgotten here. Revoke it at its provider.")


@router.post(f"{PATH}/switch")
def switch(view: Seen, form: Sent) -> RedirectResponse:
    """A local server on or off."""
    kind, name = named(form.text("key"))
    if kind is not BackendType.LOCAL:
        raise PointsmanError(
            ErrorKind.INVALID, "Only local servers are switched off; remove the key instead."
        )
    on = form.text("on") == "1"
    local.change(view.control, name, LocalBackendUpdate.model_validate({"enabled": on}))
    return _done(view, form.text("key"), "is on." if on else "is off: nothing is sent there.", last_entry())


@router.post(f"{PATH}/remove")
def remove(view: Seen, form: Sent) -> RedirectResponse:
    """Forgets a backend, once its name was typed."""
    key = form.text("key")
    kind, name = named(key)
    _named(form, key, "to remove it")
    if kind is BackendType.LOCAL:
        local.remove(view.control, name)
    else:
        credentials.remove(view.control, kind, name)
    return view.done(f"{key} is removed.", back=PATH)


@router.post(f"{PATH}/engine")
async def order(view: Seen, form: Sent) -> RedirectResponse:
    """Starts or stops an engine."""
    name, order, key = form.text("engine"), form.text("order"), form.text("key")
    named(key)
    if order == "start":
        await engines.start(view.control, name)
        text = f"{name} starts."
    elif order == "stop":
        await engines.stop(view.control, name)
        text = f"{name} stops when what is under way has ended."
    else:
        raise PointsmanError(ErrorKind.INVALID, "An engine is started or stopped.", param="order")
    return view.done(text, back=f"{PATH}?show={key}")


def _named(form: FormFields, key: str, why: str, *, needed: bool = True) -> None:
    """What cannot be undone goes by the name that was typed."""
    if needed and form.text("typed") != key:
        raise PointsmanError(ErrorKind.INVALID, f"Type {key} {why}.", param="typed")


def _done(view: View, key: str, words: str, undo: int | None = None) -> RedirectResponse:
    return view.done(f"{key} {words}", back=f"{PATH}?show={key}", undo=undo)
