"""`/ui/keys`: who may use the gateway, and how much. A key is in one answer only: of the form that makes it, or rotates it.

Not here: groups of keys (key_groups.py), the words of a line (limit_lines.py), the form's fields (limit_forms.py).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from ....errors import PointsmanError
from ....kinds import ErrorKind
from ....models import ClientKeyCreate, ClientKeyCreated, ClientKeyResponse, ClientKeyRotate, ClientKeyUpdate
from ...routers import groups, keys
from ...routers.base import RowId
from ...store import client_keys, rows
from ...store.asking import last_entry
from ..limit_forms import GRACE, PERIODS, key_fields, written
from ..limit_lines import group_line, key_line
from ..view import FormFields, Seen, Sent, View

router = APIRouter(include_in_schema=False)

PATH = "/ui/keys"
Which = Literal["good", "revoked", "all"]


@router.api_route(PATH, methods=["GET", "HEAD"])
def show_list(view: Seen, show: Annotated[Which, Query()] = "good") -> HTMLResponse:
    """The keys, the newest first, and the groups that share limits."""
    every = sorted(keys.show_list(view.control), key=lambda key: key.id, reverse=True)
    revoked = [key for key in every if key.revoked_at is not None]
    good = [key for key in every if key.revoked_at is None]
    shown = {"good": good, "revoked": revoked, "all": every}[show]
    return view.page(
        "client_keys.html",
        lines=[key_line(key) for key in shown],
        good=len(good),
        revoked=len(revoked),
        show=show,
        groups=[group_line(group) for group in groups.show_list(view.control)],
    )


@router.get(f"{PATH}/new")
def show_new(view: Seen) -> HTMLResponse:
    """The form of a new key."""
    return view.page("client_keys/new.html", stands=written(None, view.zone), **_choices(view))


@router.post(PATH)
def add(view: Seen, form: Sent) -> HTMLResponse:
    """Makes it; this answer alone shows it."""
    body = rows.valid(ClientKeyCreate, key_fields(form, view.zone))
    return _made(view, keys.add(view.control, body, Response()))


@router.get(f"{PATH}/{{key_id}}")
def show(view: Seen, key_id: RowId) -> HTMLResponse:
    """One key: how it stands, its form, a new secret for it, its end."""
    return _page(view, keys.show(view.control, key_id))


@router.post(f"{PATH}/{{key_id}}")
def change(view: Seen, key_id: RowId, form: Sent) -> RedirectResponse:
    """Saves the form, unless the key was changed after it was shown."""
    update = rows.valid(ClientKeyUpdate, key_fields(form, view.zone))
    after = keys.change(view.control, key_id, update, form.text("version"))
    return view.done(f"Saved {key_line(after).title}.", f"{PATH}/{key_id}", undo=last_entry())


@router.post(f"{PATH}/{{key_id}}/rotate")
def rotate(view: Seen, key_id: RowId, form: Sent) -> HTMLResponse:
    """A new secret, in this answer alone."""
    _named(form, keys.show(view.control, key_id), "rotated")
    body = rows.valid(ClientKeyRotate, {"grace_seconds": form.number("grace_seconds") or 0})
    return _made(view, keys.rotate(view.control, key_id, body))


@router.post(f"{PATH}/{{key_id}}/revoke")
def revoke(view: Seen, key_id: RowId, form: Sent) -> RedirectResponse:
    """For good."""
    key = keys.show(view.control, key_id)
    _named(form, key, "revoked")
    keys.revoke(view.control, key_id)
    return view.done(f"Revoked {key_line(key).title}. It is worthless from now on.", PATH)


def _made(view: View, key: ClientKeyCreated) -> HTMLResponse:
    answer = _page(view, key, key.secret)
    answer.headers["hx-push-url"] = f"{PATH}/{key.id}"
    return answer


def _page(view: View, key: ClientKeyResponse, secret: str | None = None) -> HTMLResponse:
    return view.page(
        "client_keys/key.html",
        line=key_line(key),
        stands=written(key, view.zone),
        secret=secret,
        grace=GRACE,
        **_choices(view),
    )


def _choices(view: View) -> dict[str, Any]:
    with view.control.read() as session:
        first = not client_keys.list_all(session)
    return {
        "periods": PERIODS,
        "group_names": [group.name for group in groups.show_list(view.control)],
        "first": first,
    }


def _named(form: FormFields, key: ClientKeyResponse, done: str) -> None:
    """What cannot be undone asks for the name. Raises INVALID."""
    title = key_line(key).title
    if form.text("typed") != title:
        raise PointsmanError(
            ErrorKind.INVALID, f"Nothing was {done}: type the key's name, {title}, to go on.", param="typed"
        )
