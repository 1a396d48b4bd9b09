"""The admin token: made once, kept in `<data-dir>/admin-token` (0600), compared in constant time.

Not here: client keys (store/client_keys.py), which open the LLM paths and never this API.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from ...config import ADMIN_TOKEN_FILE
from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...process.private_files import mode_problem, write_new

PREFIX = "pma-"
_SHORTEST = 20  # an empty or cut file must never become a token that an empty bearer matches


class AdminToken:
    """The one secret that opens the admin API. Its text is only reached by `reveal`."""

    __slots__ = ("_digest", "_text")

    def __init__(self, text: str) -> None:
        if len(text) < _SHORTEST:
            raise ValueError("the admin token is too short")
        self._text = text
        self._digest = _bytes(text)

    def __repr__(self) -> str:
        return "AdminToken(***)"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("an admin token cannot be pickled")

    def reveal(self) -> str:
        """The token itself, for the one place that sends it."""
        return self._text

    def opens(self, authorization: str | None) -> bool:
        """True when an `Authorization` header carries this token as a bearer."""
        scheme, _, given = (authorization or "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(self._digest, _bytes(given.strip()))

    def mark(self) -> str:
        """Tells two tokens apart and gives neither away: half a SHA-256 of 256 random bits."""
        return hashlib.sha256(self._digest).hexdigest()[:32]

    @staticmethod
    def path(data_dir: Path) -> Path:
        """Where a data folder keeps it."""
        return data_dir / ADMIN_TOKEN_FILE

    @classmethod
    def read(cls, data_dir: Path) -> AdminToken | None:
        """The token on disk, None when there is none. Raises PointsmanError when others can read it."""
        path = cls.path(data_dir)
        try:
            problem = mode_problem(path)
            text = path.read_text(encoding="ascii", errors="replace").strip()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise PointsmanError(
                ErrorKind.UNAVAILABLE, f"{ADMIN_TOKEN_FILE} cannot be read: {error.strerror}"
            ) from None
        if problem is not None:
            raise PointsmanError(ErrorKind.INVALID, f"{problem}.")
        return cls(text) if len(text) >= _SHORTEST else None

    @classmethod
    def ensure(cls, data_dir: Path) -> AdminToken:
        """The token on disk; made when there is none. The caller holds the data folder's lock.

        Raises PointsmanError when it cannot be used or made."""
        found = cls.read(data_dir)
        if found is not None:
            return found
        token = cls(PREFIX + secrets.token_urlsafe(32))
        path = cls.path(data_dir)
        try:
            path.unlink(missing_ok=True)  # an empty or cut one
            write_new(path, token.reveal() + "\n")
        except OSError as error:
            raise PointsmanError(
                ErrorKind.UNAVAILABLE,
                f"{ADMIN_TOKEN_FILE} cannot be written ({error.strerror}); make the data folder writable.",
            ) from None
        return token


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
