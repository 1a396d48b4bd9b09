"""Somebody else changed what a form was about: both are shown, and the person decides. A page needs two things for it: its
form's hidden `version` (the row's own), and to hand that on to the function that changes the row, which raises
ChangedMeanwhile.

Not here: what a version is (store/versions.py).
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse
from starlette.types import Scope

from ..store.row import shown_values
from ..store.versions import ChangedMeanwhile
from .rendering import ENVIRONMENT
from .view import FormFields, inside, request_by_htmx

_UNSAID = frozenset({"api_key", "secret", "word", "version"})
"""Fields that are never written into a page."""


class Difference(NamedTuple):
    """One field, as it was sent and as it stands."""

    name: str
    yours: str
    theirs: str


def changed_meanwhile(scope: Scope, error: ChangedMeanwhile, headers: dict[str, str]) -> HTMLResponse:
    """409, yours beside theirs, with `Save mine` where that can be sent again. headers: that put it into the page."""
    sent = scope["state"].get("sent", FormFields([]))
    part = request_by_htmx(scope)
    text = ENVIRONMENT.get_template("changed_part.html" if part else "changed.html").render(
        entry=error.entry,
        differences=_differences(sent, error),
        fields=[(name, value) for name, value in sent.pairs if name not in _UNSAID],
        again=not any(value and name in _UNSAID - {"version"} for name, value in sent.pairs),
        version=error.row.version,
        path=scope["path"],
        back=_back(scope),
    )
    return HTMLResponse(text, status_code=409, headers=headers if part else {})


def _differences(sent: FormFields, error: ChangedMeanwhile) -> list[Difference]:
    theirs = shown_values(error.row)
    names = [name for name in dict.fromkeys(name for name, _ in sent.pairs) if name in theirs]
    found = [Difference(name, _said(sent.all(name)), _said(theirs[name])) for name in names]
    return [one for one in found if one.yours != one.theirs]


def _said(value: object) -> str:
    """As a form has it, so that what stands as it was sent is no difference."""
    if value is None or value is False:
        return ""
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, list):
        return ", ".join(line.strip() for one in value for line in _said(one).splitlines())
    return "on" if value is True else str(value)


def _back(scope: Scope) -> str:
    referer = next((value for name, value in scope["headers"] if name == b"referer"), b"").decode("latin-1")
    parts = urlsplit(referer)
    return inside(parts.path + (f"?{parts.query}" if parts.query else ""))
