"""`/ui/sign-in` and `/ui/sign-out`: the admin token, or the code of `pointsman ui`, for a session's cookie."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from ....errors import PointsmanError
from ...control.control_plane import ControlPlane
from ...control.door import UI, cookie_name
from ...control.problems import retry_headers
from ..rendering import ENVIRONMENT
from ..view import Seen, Sent, inside

router = APIRouter(include_in_schema=False)


@router.get("/ui/sign-in")
async def show(request: Request, next: Annotated[str, Query(max_length=2000)] = UI) -> Response:
    """The form; who is signed in already goes on."""
    if request.scope["state"].get("session") is not None:
        return RedirectResponse(inside(next), status_code=303)
    return _form(inside(next), None)


@router.post("/ui/sign-in")
async def sign_in(request: Request, form: Sent) -> Response:
    """A session for the right word."""
    control: ControlPlane = request.app.state.control
    origin, host = request.headers["origin"].lower(), request.headers["host"]
    there = inside(form.text("next", UI))
    try:
        value = control.sessions.sign_in(form.text("word"), origin)
    except PointsmanError as error:
        return _form(there, error)
    answer = RedirectResponse(there, status_code=303)
    secure = origin.startswith("https:")
    answer.set_cookie(
        cookie_name(host, secure), value, httponly=True, samesite="strict", path=UI, secure=secure
    )
    return answer


@router.post("/ui/sign-out")
async def sign_out(view: Seen) -> Response:
    """Ends the session here and there."""
    view.control.sessions.end(view.session)
    answer = RedirectResponse("/ui/sign-in", status_code=303)
    secure = view.session.origin.startswith("https:")
    answer.delete_cookie(
        cookie_name(view.request.headers["host"], secure),
        path=UI,
        secure=secure,
        httponly=True,
        samesite="strict",
    )
    return answer


def _form(there: str, error: PointsmanError | None) -> HTMLResponse:
    text = ENVIRONMENT.get_template("sign_in.html").render(next=there, error=error)
    if error is None:
        return HTMLResponse(text)
    return HTMLResponse(text, status_code=error.status, headers=retry_headers(error, None))
