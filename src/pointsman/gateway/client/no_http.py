"""What somebody is told who speaks something else than HTTP to this port."""

from __future__ import annotations

import functools
import logging

log = logging.getLogger("pointsman.gateway")

METHOD_BEGINS = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
"""What a method is made of (RFC 9110 section 5.6.2)."""
_TLS = b"\x16\x03"
"""How a TLS client begins: a handshake record of version 3 (RFC 8446 section 5.1)."""


def no_http(buffer: bytes) -> str:
    """What to tell somebody who speaks something else. In clear text: TLS clients show that as "wrong version number" or
    say that it is no TLS, at once."""
    if not _TLS.startswith(buffer[:2]):
        return "This is not HTTP."
    _tell_of_tls()
    return "This port speaks plain HTTP, and TLS began: write http:// in the client's base URL."


@functools.cache
def _tell_of_tls() -> None:
    """Once: such a client tries again and again."""
    log.warning("a client speaks TLS to this port, which is plain HTTP: its base URL must begin with http://")
