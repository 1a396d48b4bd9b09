"""How a backend's key travels: one pure function a scheme."""

from __future__ import annotations

from ..kinds import AuthScheme


def auth_header(scheme: AuthScheme, key: str) -> tuple[bytes, bytes]:
    """(lower-case name, value) of the header that carries the key. Raises ValueError when it cannot stand in one."""
    if not key.isascii() or any(c < "!" or c == "\x7f" for c in key):
        raise ValueError("the key has a character that cannot stand in a header; set it again")
    value = key.encode("ascii")
    match scheme:
        case AuthScheme.X_API_KEY:
            return b"x-api-key", value
        case AuthScheme.API_KEY:
            return b"api-key", value
        case AuthScheme.BEARER | AuthScheme.NONE:
            return b"authorization", b"Bearer " + value
