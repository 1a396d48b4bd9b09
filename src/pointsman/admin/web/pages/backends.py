"""`/ui/backends`: where requests may go and with which key. The page, its live lists, and what was found on this computer.

What is changed is in backend_changes.py, tests and the address as it is typed in backend_trials.py.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from ....errors import PointsmanError
from ....kinds import BackendType, ErrorKind, parse_backend_key
from ....process.tail import last_lines
from ....warden.recipe import log_path
from ...control.backend_states import BackendShown, backend_states
from ...control.destination import Destination, destination_of
from ...control.looking import look_around
from ...routers import credentials, engines, local, mappings, providers
from ...routers.providers import KnownBackend
from ..backend_form import CHOICES, BackendForm, StoredBackend, of_stored, typed_address
from ..trials import Trial
from ..view import Seen, View

router = APIRouter(include_in_schema=False)

PATH = "/ui/backends"
_LOG_LINES = 200
_LOG_BYTES = 64 * 1024

FIELDS = ("backend_type", "name", "base_url", "allow_http", "auth", "max_in_flight")
"""Of the form, less the key."""

Key = Annotated[str, Query(max_length=80)]


@router.api_route(PATH, methods=["GET", "HEAD"])
async def page(
    view: Seen, show: Key = "", add: Key = "", look: bool = False, edit: bool = False
) -> HTMLResponse:
    """show: the key of a backend, whose facts stand beside the lists, or its form with `edit`. add: of a known provider,
    `url` for any address, or `list` for the catalogue. look: look for servers on this computer first, for a browser without
    scripts."""
    form = of_stored(await asyncio.to_thread(stored, view, show)) if edit else None
    return await whole(view, show=show, add=add, near=await _looked_for(view) if look else None, edit=form)


async def whole(
    view: View,
    *,
    show: str = "",
    add: str = "",
    typed: dict[str, str] | None = None,
    trial: Trial | None = None,
    problem: str = "",
    status: int = 200,
    near: list[Unused] | None = None,
    edit: BackendForm | None = None,
) -> HTMLResponse:
    """The page. typed: what stood in the form, less its key. problem: why it was not saved. edit: the form of the one
    that is shown."""
    context = await listed(view, show)
    shown = next((one for one in context["backends"] if one.key == show), None)
    if show and shown is None:
        raise PointsmanError(ErrorKind.NOT_FOUND, "There is no such backend; it may have been removed.")
    if shown is not None:
        context |= await asyncio.to_thread(_beside, view, shown)
    elif add or typed is not None:
        context |= _form(view, add, typed)
    return view.page(
        "backends.html",
        status=status,
        shown=shown,
        add=add,
        trial=trial,
        problem=problem,
        known=providers.show_list(),
        near=_known_unused(view) if near is None else near,
        looked=near is not None,
        edit=edit,
        nodes=view.control.nodes is not None,
        **(CHOICES if edit is not None else {}),
        **context,
    )


@router.get(f"{PATH}/lists")
async def lists(view: Seen, show: Key = "") -> HTMLResponse:
    """The lists of the page, as they are now."""
    return view.fragment("backends/lists.html", **await listed(view, show))


@router.get(f"{PATH}/facts")
async def facts(view: Seen, show: Key) -> HTMLResponse:
    """Of one backend, as they are now; nothing where it is gone."""
    context = await listed(view, show)
    shown = next((one for one in context["backends"] if one.key == show), None)
    if shown is None:
        return HTMLResponse("")
    return view.fragment("backends/facts.html", shown=shown, **context)


@router.get(f"{PATH}/found")
async def found_here(view: Seen) -> HTMLResponse:
    """Servers on this computer that nobody has added, looked for now."""
    return view.fragment("backends/found.html", near=await _looked_for(view), looked=True)


@router.get(f"{PATH}/log")
def log(view: Seen, engine: Annotated[str, Query(max_length=64)]) -> HTMLResponse:
    """What an engine printed last."""
    return view.fragment("backends/log.html", log_of=engine, lines=_log(view, engine))


async def listed(view: View, show: str = "") -> dict[str, Any]:
    """What the lists are drawn of."""
    every = await backend_states(view.control, view.request.app.state.routing)
    started = await engines.show_list(view.control) if any(one.engine for one in every) else None
    return {
        "backends": [one for one in every if not (one.found or one.recording)],
        "engines": {} if started is None else {one.name: one for one in started.engines},
        "memory": started,
        "show": show,
    }


class Unused(NamedTuple):
    """A server on this computer that nobody has added. models: None where nobody has looked. reason: why it is not used by
    names that no rule matches; None where it is."""

    name: str
    title: str
    base_url: str
    models: list[str] | None
    reason: str | None


async def _looked_for(view: View) -> list[Unused]:
    return [
        Unused(one.name, one.title, one.base_url, [model.name for model in one.models], one.reason)
        for one in await look_around(view.control)
        if not one.stored
    ]


def _known_unused(view: View) -> list[Unused]:
    """What the gateway's own rounds have found."""
    found = view.control.found
    return [
        Unused(one.name, one.server.title, one.server.base_url, None, one.server.problem) for one in found
    ]


def _beside(view: View, shown: BackendShown) -> dict[str, Any]:
    """Of the backend that is shown: the rules that name it, and what its engine printed."""
    rules = {rule.id: rule for rule in mappings.show_list(view.control)} if shown.rules else {}
    return {
        "rules": [rules[one] for one in shown.rules if one in rules],
        "lines": _log(view, shown.engine) if shown.engine else [],
    }


def _log(view: View, engine: str) -> list[str]:
    try:
        lines = last_lines(log_path(view.control.data_dir, engine), _LOG_LINES)
    except OSError as error:
        raise PointsmanError(
            ErrorKind.UNAVAILABLE, f"The log of {engine} cannot be read: {error.strerror}"
        ) from None
    return "\n".join(lines)[-_LOG_BYTES:].splitlines()


def _form(view: View, add: str, typed: dict[str, str] | None) -> dict[str, Any]:
    """What the form is filled with: what was typed, else the provider's row."""
    row = known_provider(add)
    values = typed or dict.fromkeys(FIELDS, "") | {
        "backend_type": row.backend_type.value if row else BackendType.OPENAI.value,
        "name": row.name if row else "",
        "base_url": row.base_url if row else "",
        "auth": (row.auth.value if row.auth else "") if row else "",
    }
    if values["backend_type"] not in set(BackendType):
        values |= {"backend_type": BackendType.OPENAI.value}  # what the list of types then shows
    return {"form": values, "row": row, "destination": destination(values), "was": ""}


def destination(values: dict[str, str]) -> Destination:
    """Where the key of a form goes, as it stands. Raises PointsmanError for a type that is none."""
    try:
        return destination_of(typed_address(BackendType(values["backend_type"]), values))
    except ValueError:
        raise PointsmanError(ErrorKind.INVALID, "Choose what it speaks.", param="backend_type") from None


def known_provider(add: str) -> KnownBackend | None:
    """By the key that it would have; None for `url`, `list`, and what is not known."""
    try:
        kind, name = parse_backend_key(add)
    except ValueError:
        return None
    return next((one for one in providers.show_list() if (one.backend_type, one.name) == (kind, name)), None)


def stored(view: View, key: str) -> StoredBackend:
    """Its row, without the key. Raises PointsmanError 404 where nobody has added one."""
    kind, name = named(key)
    if kind is BackendType.LOCAL:
        return local.show(view.control, name)
    return credentials.show(view.control, kind, name)


def named(key: str) -> tuple[BackendType, str]:
    """Type and name of a backend's key. Raises PointsmanError 404 of what is none."""
    try:
        return parse_backend_key(key)
    except ValueError:
        raise PointsmanError(
            ErrorKind.NOT_FOUND, "There is no such backend; it may have been removed."
        ) from None
