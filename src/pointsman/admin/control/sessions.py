"""Who is signed in to the pages: sessions, the codes that `pointsman ui` opens one with, and how often a wrong word may be
tried.

A session is a random text in a browser's cookie; here only its SHA-256 is kept, in `<data-dir>/sessions.json` (0600): it
outlives a restart and a locked database. It belongs to the origin that it was made at, and ends by itself after
IDLE_SECONDS without a request, by signing out, or with the admin token that it was made by.

Not here: the cookie and what a page may do (guard.py).
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from ...config import SESSIONS_FILE
from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...process.private_files import mode_problem, write_over
from .auth import AdminToken

log = logging.getLogger("pointsman.control")

IDLE_SECONDS = 12 * 3600.0
CODE_SECONDS = 60.0
WRONG_A_MINUTE = 5
MOST = 100
"""Sessions at a time; the one that was idle longest makes place."""

_KEEP_SECONDS = 300.0
"""How often a session's last moment is written."""


class BrowserSession(msgspec.Struct):
    """origin: `http://127.0.0.1:4480`, as its browser named it. made_by: digest of the admin token. name: for the audit."""

    digest: str
    origin: str
    made_by: str
    made_at: float
    seen_at: float
    name: str


class Sessions:
    """Every method may be called from any thread."""

    def __init__(self, data_dir: Path, token: AdminToken, clock: Callable[[], float] = time.time) -> None:
        self._path = data_dir / SESSIONS_FILE
        self._token = token
        self._made_by = token.mark()
        self._clock = clock
        self._lock = threading.Lock()
        self._codes: dict[str, float] = {}
        self._wrong: deque[float] = deque(maxlen=WRONG_A_MINUTE)
        self._kept_at = 0.0
        self._all = {one.digest: one for one in self._read()}

    def sign_in(self, word: str, origin: str) -> str:
        """The cookie's value for whoever knows the admin token or a code. Raises UNAUTHORIZED, and RATE_LIMITED after
        WRONG_A_MINUTE wrong ones."""
        with self._lock:
            now = self._clock()
            if len(self._wrong) == WRONG_A_MINUTE and (wait := self._wrong[0] + 60.0 - now) > 0:
                raise PointsmanError(
                    ErrorKind.RATE_LIMITED,
                    "Too many wrong words. Wait a minute, then try again.",
                    retry_after=int(wait) + 1,
                )
            if not (self._token.opens(f"Bearer {word.strip()}") or self._code(word.strip(), now)):
                self._wrong.append(now)
                raise PointsmanError(
                    ErrorKind.UNAUTHORIZED,
                    "That is not the admin token. It is the text of the file admin-token in the data folder;"
                    " or run: pointsman ui",
                )
            made = secrets.token_urlsafe(32)
            digest = _digest(made)
            self._all[digest] = BrowserSession(digest, origin, self._made_by, now, now, digest[:6])
            while len(self._all) > MOST:
                del self._all[min(self._all.values(), key=lambda one: one.seen_at).digest]
            self._keep(now)
            return made

    def code(self) -> str:
        """A word that signs in once, within CODE_SECONDS."""
        with self._lock:
            now = self._clock()
            self._codes = {digest: until for digest, until in self._codes.items() if until > now}
            made = secrets.token_urlsafe(24)
            self._codes[_digest(made)] = now + CODE_SECONDS
            return made

    def find(self, value: str) -> BrowserSession | None:
        """The session of a cookie's value, which lives on by it; None when it has ended."""
        with self._lock:
            found = self._all.get(_digest(value))
            if found is None:
                return None
            now = self._clock()
            if now - found.seen_at > IDLE_SECONDS:
                del self._all[found.digest]
                self._keep(now)
                return None
            found.seen_at = now
            if now - self._kept_at > _KEEP_SECONDS:
                self._keep(now)
            return found

    def lives(self, session: BrowserSession) -> bool:
        """Whether it has not ended meanwhile."""
        with self._lock:
            return session.digest in self._all

    @property
    def count(self) -> int:
        """How many are signed in."""
        with self._lock:
            return len(self._all)

    def end(self, session: BrowserSession) -> None:
        with self._lock:
            self._all.pop(session.digest, None)
            self._keep(self._clock())

    def end_all(self) -> int:
        """Signs everybody out. Returns how many that were."""
        with self._lock:
            ended = len(self._all)
            self._all.clear()
            self._keep(self._clock())
            return ended

    def _code(self, word: str, now: float) -> bool:
        until = self._codes.pop(_digest(word), 0.0)
        return until > now

    def _read(self) -> list[BrowserSession]:
        try:
            if (problem := mode_problem(self._path)) is not None:
                log.warning("nobody is signed in any more: %s", problem)
                return []
            found = msgspec.json.decode(self._path.read_bytes(), type=list[BrowserSession])
        except FileNotFoundError:
            return []
        except (OSError, msgspec.MsgspecError):
            log.warning("%s cannot be read; everybody has to sign in again", SESSIONS_FILE)
            return []
        now = self._clock()
        return [one for one in found if one.made_by == self._made_by and now - one.seen_at <= IDLE_SECONDS]

    def _keep(self, now: float) -> None:
        self._kept_at = now
        try:
            write_over(self._path, msgspec.json.encode(list(self._all.values())).decode())
        except OSError as error:
            log.warning("sign-ins will not outlive this process: %s", error.strerror)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
