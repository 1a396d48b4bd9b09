"""`/ui/keys/groups`: client keys that share their limits. Not here: the list (client_keys.py)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from ....models import KeyGroupCreate, KeyGroupUpdate
from ...routers import groups, keys
from ...store import rows
from ...store.asking import last_entry
from ..limit_forms import PERIODS, limits, written
from ..limit_lines import group_line, key_line
from ..view import FormFields, Seen, Sent, View

router = APIRouter(include_in_schema=False)

LIST = "/ui/keys"
NEW = f"{LIST}/new-group"
PATH = f"{LIST}/groups"


@router.get(NEW)
def show_new(view: Seen) -> HTMLResponse:
    """The form of a new group."""
    return view.page("client_keys/group.html", line=None, stands=written(None, view.zone), periods=PERIODS)


@router.post(PATH)
def add(view: Seen, form: Sent) -> RedirectResponse:
    """Adds it."""
    group = groups.add(view.control, rows.valid(KeyGroupCreate, _fields(view, form)), Response())
    return view.done(
        f"Added the group {group.name}. Put keys into it on their own pages.", LIST, undo=last_entry()
    )


@router.get(f"{PATH}/{{name}}")
def show(view: Seen, name: str) -> HTMLResponse:
    """One group: its form, and its keys."""
    group = groups.show(view.control, name)
    lines = [key_line(keys.show(view.control, key)) for key in group.keys]
    return view.page(
        "client_keys/group.html",
        line=group_line(group),
        keys=lines,
        stands=written(group, view.zone),
        periods=PERIODS,
    )


@router.post(f"{PATH}/{{name}}")
def change(view: Seen, name: str, form: Sent) -> RedirectResponse:
    """Saves the form."""
    update = rows.valid(KeyGroupUpdate, _fields(view, form))
    group = groups.change(view.control, name, update, form.text("version"))
    return view.done(
        f"Saved the group {group.name}.", f"{PATH}/{quote(group.name, safe='')}", undo=last_entry()
    )


@router.post(f"{PATH}/{{name}}/remove")
def remove(view: Seen, name: str) -> RedirectResponse:
    """Removes a group that no live key is in."""
    groups.remove(view.control, name)
    return view.done(f"Removed the group {name}.", LIST, undo=last_entry())


def _fields(view: View, form: FormFields) -> dict[str, Any]:
    return limits(form, view.zone) | {"name": form.text("name")}
