"""How a backend's key travels: one row a scheme."""

from __future__ import annotations

from ..kinds import AuthScheme
from ..secret import SecretBytes

_HEADERS: dict[AuthScheme, tuple[bytes, bytes]] = {
    AuthScheme.BEARER: (b"authorization", b"Bearer "),
    AuthScheme.X_API_KEY: (b"x-api-key", b""),
    AuthScheme.API_KEY: (b"api-key", b""),
}
"""Scheme -> (name of the header, what stands before the key)."""


def auth_line(scheme: AuthScheme, key: SecretBytes) -> SecretBytes:
    """The header line that carries the key, b"" for the scheme that has none. Raises ValueError when the key cannot
    stand in a header."""
    if scheme not in _HEADERS:
        return SecretBytes()
    if any(not 0x21 <= byte < 0x7F for byte in key):
        raise ValueError("the key has a character that cannot stand in a header; set it again")
    name, before = _HEADERS[scheme]
    return SecretBytes(name + b": " + before + key + b"\r\n")
