"""An error on a page, as HTML: for htmx a text into `#notice`, else a page with the way back. Never JSON, and never what
was sent. Not here: the errors of `/api` (control/problems.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Scope

from ...errors import PointsmanError
from ..control.door import OPEN
from ..control.problems import request_id, retry_headers
from ..store.versions import ChangedMeanwhile
from .meanwhile import changed_meanwhile
from .menu import MENU
from .rendering import ENVIRONMENT
from .view import FormFields, request_by_htmx

_PRESSED = frozenset({"back", "version", "put", "rule", "on", "off", "order", "typed"})
"""Fields of forms that are a button and nothing else, and the word that confirms one."""


def page_error(
    scope: Scope,
    error: PointsmanError,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """What a browser is answered. errors: `param` and `detail` of each wrong field."""
    extra = retry_headers(error, headers)
    path = scope["path"]
    signed_out = error.status == 401 and path not in OPEN
    into_notice = {"hx-retarget": "#notice", "hx-reswap": "innerHTML", "hx-reselect": "#said"}
    if isinstance(error, ChangedMeanwhile):
        return changed_meanwhile(scope, error, into_notice)
    if request_by_htmx(scope):
        extra |= into_notice
        return _html("notice_error.html", scope, error, errors, extra, signed_out)
    if signed_out and scope["method"] in ("GET", "HEAD") and not path.startswith("/ui/live"):
        return _to_sign_in(scope, extra)
    return _html("error.html", scope, error, errors, extra, signed_out)


def _to_sign_in(scope: Scope, extra: dict[str, str]) -> Response:
    """A click on another site's link brings no strict cookie: the page asks once more by itself, and is then ours."""
    if (b"sec-fetch-site", b"cross-site") in scope["headers"]:
        return HTMLResponse(
            ENVIRONMENT.get_template("again.html").render(), headers={**extra, "refresh": "0"}
        )
    query = scope.get("query_string", b"")
    there = scope["path"] + ("?" + query.decode("latin-1") if query else "")
    return RedirectResponse(f"/ui/sign-in?next={quote(there, safe='')}", status_code=303, headers=extra)


def _html(
    template: str,
    scope: Scope,
    error: PointsmanError,
    errors: Sequence[Mapping[str, str]],
    extra: dict[str, str],
    signed_out: bool,
) -> Response:
    text = ENVIRONMENT.get_template(template).render(
        error=error,
        wrong=errors if len(errors) > 1 else (),
        request_id=request_id(scope),
        signed_out=signed_out,
        write=scope["method"] not in ("GET", "HEAD"),
        typed=_typed(scope),
        pages=[entry for entry in MENU if entry.path != "/ui" and scope["path"].startswith(entry.path)],
    )
    return HTMLResponse(text, status_code=error.status, headers=extra)


def _typed(scope: Scope) -> bool:
    """Whether what was sent has something in it that a person wrote, which would be a pity to lose. A form that was not
    read is taken for one."""
    sent = scope.get("state", {}).get("sent")
    if not isinstance(sent, FormFields):
        return "/undo/" not in scope["path"]
    return any(value not in ("", "on") and name not in _PRESSED for name, value in sent.pairs)
