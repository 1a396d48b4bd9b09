"""Who may see a page: the session in a browser's cookie, and that a write comes from the gateway's own pages. Pure but for
the sessions. Not here: Host and Origin, which guard.py looks at first for every path, and the admin token of `/api`.

Cookies do not tell ports apart (RFC 6265 section 8.5), and pages of other ports of this machine are the same site to a
browser: so the cookie's name has the port, and a write needs the Origin that the session was made at.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from ...errors import PointsmanError
from ...kinds import ErrorKind
from .sessions import BrowserSession, Sessions

UI = "/ui"
OPEN = frozenset({"/ui/sign-in"})
"""What nobody needs a session for, beside STATIC."""
STATIC = "/ui/static/"

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""data: and blob: of pictures alone: the playground shows what was pasted."""

_READING = frozenset({"GET", "HEAD"})


def is_page(path: str) -> bool:
    """Whether a path is one of the pages or of what belongs to them."""
    return path == UI or path.startswith("/ui/")


def cookie_name(host: str, secure: bool) -> str:
    """host: a Host header. `__Secure-` makes a browser refuse it over http."""
    try:
        port = urlsplit(f"//{host}").port or (443 if secure else 80)
    except ValueError:
        port = 0
    return f"{'__Secure-' if secure else ''}pointsman_{port}"


def cookies(header: str) -> dict[str, str]:
    """The Cookie header's names and values."""
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return {name: value.strip('"') for name, _, value in pairs if name}


class Door:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def session(self, headers: dict[str, str]) -> BrowserSession | None:
        """The one whose cookie came, at the host that it was made at."""
        host = headers.get("host", "")
        sent = cookies(headers.get("cookie", ""))
        for secure in (True, False):
            value = sent.get(cookie_name(host, secure))
            found = self._sessions.find(value) if value else None
            if found is not None and found.origin == f"{'https' if secure else 'http'}://{host}".lower():
                return found
        return None

    def refusal(
        self, method: str, path: str, headers: dict[str, str], session: BrowserSession | None
    ) -> PointsmanError | None:
        """Why a page may not be seen or used so; None when it may."""
        reading = method in _READING
        if not reading and (refusal := _foreign(headers, session)) is not None:
            return refusal
        if session is not None or path in OPEN or (reading and path.startswith(STATIC)):
            return None
        return PointsmanError(ErrorKind.UNAUTHORIZED, "Your sign-in ended. Sign in, then do it again.")


def _foreign(headers: dict[str, str], session: BrowserSession | None) -> PointsmanError | None:
    """Of a write: it comes from a page of ours, and says so."""
    origin = headers.get("origin", "").lower()
    host = headers.get("host", "").lower()
    own = {session.origin} if session is not None else {f"http://{host}", f"https://{host}"}
    if origin in own and headers.get("sec-fetch-site", "same-origin") == "same-origin":
        return None
    return PointsmanError(
        ErrorKind.FORBIDDEN, "This was not sent by a page of this gateway, so nothing was done."
    )
