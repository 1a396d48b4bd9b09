"""`/ui/settings`: what is set and by whom, what can be changed without a restart, and how this browser shows it.

Not here: its parts, each a settings_*.py.
"""

from __future__ import annotations

import zoneinfo
from functools import cache

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from ....errors import PointsmanError
from ....kinds import ErrorKind
from ...control.door import UI
from ...routers import customs, hosts, nodes, origins, set_values, usage
from ...routers.base import RowId
from ...routers.customs import CustomsWish
from ...routers.hosts import HostWish
from ...routers.usage import KeepDays
from ...store import rows
from ...store.asking import last_entry
from ...store.schemas import AllowedOriginCreate, CustomsPattern
from ..view import THEMES, Seen, Sent

router = APIRouter(include_in_schema=False)

PATH = "/ui/settings"
_YEAR = 31_536_000


@router.api_route(PATH, methods=["GET", "HEAD"])
def show(view: Seen) -> HTMLResponse:
    """Everything that is set."""
    control = view.control
    return view.page(
        "settings.html",
        found=set_values.show(control),
        hosts=hosts.show_list(control),
        customs=customs.show(control),
        origins=origins.show_list(control),
        kept=usage.show_kept(control).days,
        nodes=nodes.show_list(control),
        sessions=control.sessions.count,
        themes=THEMES,
    )


@router.get(f"{PATH}/limits")
def show_limits(view: Seen) -> HTMLResponse:
    """Each bound of a request and of the gateway."""
    return view.page("settings/limits.html", found=set_values.show(view.control).limits)


@router.post(f"{PATH}/browser")
def look(view: Seen, form: Sent) -> RedirectResponse:
    """How this browser alone shows the pages: kept in its cookies, which the pages' scripts read, too."""
    theme, zone = form.text("theme"), form.text("zone")
    if zone and zone not in _zones():
        text = "There is no such time zone. Write one as Europe/Berlin, or leave it empty."
        raise PointsmanError(ErrorKind.INVALID, text, param="zone")
    answer = view.done("Saved for this browser.", PATH)
    wanted = {
        "theme": theme if theme in THEMES else "",
        "fixed": zone,
        "zone": zone,
        "keys": "" if form.has("keys") else "off",
    }
    for name, value in wanted.items():
        if value:
            answer.set_cookie(name, value, max_age=_YEAR, path=UI, samesite="strict")
        else:
            answer.delete_cookie(name, path=UI, samesite="strict")
    return answer


@router.post(f"{PATH}/nodes")
def tell_node(view: Seen, form: Sent) -> RedirectResponse:
    """Lets a node take no new clients, or take them again."""
    name, draining = form.text("node"), form.text("draining") == "yes"
    nodes.change(view.control, name, nodes.NodeChange(draining=draining))
    said = "takes no new clients, and finishes what it has" if draining else "takes clients again"
    return view.done(f"{name} {said}.", PATH)


@router.post(f"{PATH}/hosts")
def add_host(view: Seen, form: Sent) -> RedirectResponse:
    """Lets a Host name in, at once."""
    added = hosts.add(view.control, rows.valid(HostWish, {"host": form.text("host")}))
    return view.done(f"{added.host} is let in.", PATH, undo=last_entry())


@router.post(f"{PATH}/hosts/remove")
def remove_host(view: Seen, form: Sent) -> RedirectResponse:
    """Lets it in no more."""
    hosts.remove(view.control, form.text("host"))
    return view.done(f"{form.text('host')} is let in no more.", PATH, undo=last_entry())


@router.post(f"{PATH}/origins")
def add_origin(view: Seen, form: Sent) -> RedirectResponse:
    """Lets the pages of an origin use the model paths, at once."""
    wish = rows.valid(AllowedOriginCreate, {"origin": form.text("origin")})
    added = origins.add(view.control, wish, Response())
    return view.done(f"Pages of {added.origin} are let in.", PATH, undo=last_entry())


@router.post(f"{PATH}/origins/{{origin_id}}/remove")
def remove_origin(view: Seen, origin_id: RowId) -> RedirectResponse:
    """Lets them in no more."""
    gone = origins.show(view.control, origin_id).origin
    origins.remove(view.control, origin_id)
    return view.done(f"Pages of {gone} are let in no more.", PATH, undo=last_entry())


@router.post(f"{PATH}/customs")
def set_customs(view: Seen, form: Sent) -> RedirectResponse:
    """What is done about credentials in all that leaves this machine, at once."""
    customs.change(view.control, rows.valid(CustomsWish, {"mode": form.text("mode") or None}))
    return view.done("Saved what is done about credentials.", PATH, undo=last_entry())


@router.post(f"{PATH}/customs/add")
def add_pattern(view: Seen, form: Sent) -> RedirectResponse:
    """Looks for a pattern of the user's own, too."""
    wish = rows.valid(CustomsPattern, {"name": form.text("name"), "pattern": form.text("pattern")})
    customs.add(view.control, wish)
    return view.done(f"{wish.name} is looked for.", PATH, undo=last_entry())


@router.post(f"{PATH}/customs/remove")
def remove_pattern(view: Seen, form: Sent) -> RedirectResponse:
    """Looks for it no more."""
    customs.remove(view.control, form.text("name"))
    return view.done(f"{form.text('name')} is looked for no more.", PATH, undo=last_entry())


@router.post(f"{PATH}/usage")
def keep_usage(view: Seen, form: Sent) -> RedirectResponse:
    """How long usage is kept; what is older goes now, for good."""
    done = usage.keep(view.control, rows.valid(KeepDays, {"days": form.number("days")}))
    text = "Usage is kept for ever." if done.days is None else f"Usage is kept for {done.days} days."
    if done.records:
        text += f" {done.records:,} older records are deleted."
    return view.done(text, PATH, undo=last_entry())


@router.post(f"{PATH}/sign-out")
def sign_out(view: Seen) -> RedirectResponse:
    """Signs every browser out, this one too."""
    view.control.sessions.end_all()
    return RedirectResponse("/ui/sign-in", status_code=303)


@cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())
