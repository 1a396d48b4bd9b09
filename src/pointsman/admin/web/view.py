"""What a page's view is given: the control plane, who looks, and how to answer. One dependency, `Seen`; a form's fields are
another, `Sent`.

Pages are whole and work without a script; forms are sent with POST and answered by a redirect to a page that says what was
done. With htmx the same forms swap `#main` of that page in (`hx-select`), so there is no second answer to write.
"""

from __future__ import annotations

import gzip
import time
import zoneinfo
from collections import OrderedDict
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.types import Scope

from ...errors import PointsmanError
from ...kinds import ErrorKind, Per
from ...ledger.periods import own_zone, period_at
from ..control.control_plane import ControlPlane
from ..control.door import UI, cookies, is_page
from ..control.sessions import MOST, BrowserSession
from ..store.values import MAX_ID
from .rendering import ENVIRONMENT

THEMES = ("light", "dark")


_WORTH = 4096
"""Bytes of a page from which on it is compressed."""


class PageNotice(NamedTuple):
    """What was done. undo: the audit's number, where it can be undone."""

    text: str
    undo: int | None


class Notices:
    """What each session has not been shown yet."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, PageNotice] = OrderedDict()

    def put(self, session: BrowserSession, notice: PageNotice) -> None:
        self._of[session.digest] = notice
        while len(self._of) > MOST:
            self._of.popitem(last=False)

    def take(self, session: BrowserSession) -> PageNotice | None:
        return self._of.pop(session.digest, None)


class View:
    """Of one request of a signed-in browser."""

    def __init__(self, request: Request, session: BrowserSession) -> None:
        self.request = request
        self.session = session
        self.control: ControlPlane = request.app.state.control
        self.live_mark = self.control.live.now
        self._notices: Notices = request.app.state.notices
        self._prefs = cookies(request.headers.get("cookie", ""))

    @property
    def htmx(self) -> bool:
        """Asked for by htmx: a fragment will do."""
        return request_by_htmx(self.request.scope)

    @property
    def origin(self) -> str:
        """How the browser reaches this gateway: `http://127.0.0.1:4480`."""
        return self.session.origin

    @property
    def zone(self) -> str:
        """The viewer's time zone as its browser told it (static/time.js), an IANA name; else this computer's."""
        told = self._prefs.get("zone", "")
        try:
            return zoneinfo.ZoneInfo(told).key
        except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
            return own_zone()

    @property
    def midnight(self) -> float:
        """When today began there, in unix seconds."""
        return period_at(Per.DAY, self.zone, time.time()).start

    @property
    def fixed_zone(self) -> str:
        """The one that was chosen for this browser; "" where its own holds."""
        return self._prefs.get("fixed", "")

    @property
    def theme(self) -> str:
        """`light`, `dark`, or "" where the system says."""
        told = self._prefs.get("theme", "")
        return told if told in THEMES else ""

    @property
    def keys_off(self) -> bool:
        """Single keys do nothing (WCAG 2.1.4)."""
        return self._prefs.get("keys") == "off"

    def page(self, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
        """A whole page within the shell."""
        notice = self._notices.take(self.session)
        text = ENVIRONMENT.get_template(template).render(
            view=self, here=self.request.url.path, notice=notice, **context
        )
        return self._html(text, status, self._address(notice))

    def _address(self, notice: PageNotice | None) -> dict[str, str]:
        """Of the page that a write goes on to, for the browser's address where htmx has followed the redirect."""
        url = self.request.url
        led = self.htmx and notice is not None
        return {"hx-push-url": f"{url.path}?{url.query}" if url.query else url.path} if led else {}

    def fragment(
        self, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **context: Any
    ) -> HTMLResponse:
        """A piece of a page."""
        text = ENVIRONMENT.get_template(template).render(view=self, here=self.request.url.path, **context)
        return self._html(text, status, dict(headers or {}))

    def _html(self, text: str, status: int, headers: dict[str, str]) -> HTMLResponse:
        """Compressed where that is much and the browser takes it: nothing of a page is secret beside what a stranger wrote
        there, for no other site's request brings the cookie."""
        body = text.encode()
        headers["vary"] = "accept-encoding"
        if len(body) > _WORTH and "gzip" in self.request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            body = gzip.compress(body, 5, mtime=0)
        return HTMLResponse(body, status_code=status, headers=headers)

    def done(self, text: str, back: str, undo: int | None = None) -> RedirectResponse:
        """After a write: the page `back` says the text, with an Undo where the audit has a number for it."""
        self._notices.put(self.session, PageNotice(text, undo))
        return RedirectResponse(back, status_code=303)


def inside(path: str) -> str:
    """A path of ours; whatever else was asked for is Home."""
    parts = urlsplit(path)
    plain = path.isascii() and path.isprintable() and "\\" not in path
    return path if plain and not parts.scheme and not parts.netloc and is_page(parts.path) else UI


def request_by_htmx(scope: Scope) -> bool:
    """Whether htmx asks, which says so itself."""
    return any(name == b"hx-request" for name, _ in scope["headers"])


def _seen(request: Request) -> View:
    session = request.scope["state"].get("session")
    if session is None:  # the guard let nobody through
        raise PointsmanError(ErrorKind.UNAUTHORIZED, "Sign in first.")
    return View(request, session)


def row_number(text: str) -> int | None:
    """A row's number as a form or an address has it; None for whatever is none (`²` is a digit to Python, and no number)."""
    plain = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_ID))
    return int(text) if plain and 1 <= int(text) <= MAX_ID else None


class FormFields:
    """A form's fields as they were sent: names may repeat, values are text."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self.pairs = pairs

    def text(self, name: str, default: str = "") -> str:
        """The last value of a name, without the spaces around it."""
        return next((value.strip() for one, value in reversed(self.pairs) if one == name), default)

    def all(self, name: str) -> list[str]:
        """Every value of a name that is not empty."""
        return [value.strip() for one, value in self.pairs if one == name and value.strip()]

    def has(self, name: str) -> bool:
        return any(one == name for one, _ in self.pairs)

    def number(self, name: str) -> int | None:
        """None where nothing was written. Raises INVALID."""
        text = self.text(name)
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            raise PointsmanError(ErrorKind.INVALID, f"{name}: write a whole number.", param=name) from None


async def _sent(request: Request) -> FormFields:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/x-www-form-urlencoded", ""):
        raise PointsmanError(ErrorKind.INVALID, "Send the form as application/x-www-form-urlencoded.")
    body = (await request.body()).decode("utf-8", "replace")
    try:
        sent = FormFields(parse_qsl(body, keep_blank_values=True, max_num_fields=1000))
    except ValueError:
        raise PointsmanError(ErrorKind.INVALID, "The form has too many fields.") from None
    request.scope["state"]["sent"] = sent  # for meanwhile.py
    return sent


Seen = Annotated[View, Depends(_seen)]
Sent = Annotated[FormFields, Depends(_sent)]
