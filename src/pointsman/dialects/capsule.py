"""Capsules: opaque reasoning of one vendor carried through a client of another, in a field that client replays.

A capsule is `pm1.` + base64url(zlib(JSON)) + `.` + base64url(MAC). It is authenticated, not secret: its content has
been the client's to see anyway. Not here: where a dialect puts it (`signature`, `encrypted_content`).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import zlib

import msgspec

from ..conversation.parts import Opaque

PREFIX = "pm1."
_MAC_BYTES = 16
_MAX_BYTES = 8 * 1024 * 1024
"""Of a capsule's content once unpacked; a client could send a bomb."""


class Forged(ValueError):
    """It has our prefix but is not ours: changed on the way, or made under another key."""


def is_capsule(text: str) -> bool:
    """Does it claim to be ours?"""
    return text.startswith(PREFIX)


class Capsules:
    """key: any bytes, the same in every process and after a restart."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = hmac.digest(key, b"pointsman capsule v1", "sha256")

    def seal(self, opaque: Opaque | None) -> str:
        """The capsule; None gives the one that holds nothing (where a protocol requires some signature)."""
        content = b"" if opaque is None else zlib.compress(msgspec.json.encode(opaque), 1)
        body = PREFIX + _encode(content)
        return f"{body}.{_encode(self._mac(body))}"

    def open(self, text: str) -> Opaque | None:
        """What seal() was given. Raises Forged."""
        body, dot, mac = text.rpartition(".")
        try:
            if not dot or not hmac.compare_digest(_decode(mac), self._mac(body)):
                raise Forged("not ours")
            content = _decode(body.removeprefix(PREFIX))
            if not content:
                return None
            unpacker = zlib.decompressobj()
            data = unpacker.decompress(content, _MAX_BYTES)
            if unpacker.unconsumed_tail:
                raise Forged("too large")
            return msgspec.json.decode(data, type=Opaque)
        except (binascii.Error, UnicodeEncodeError, zlib.error, msgspec.DecodeError) as error:
            raise Forged("not ours") from error

    def _mac(self, body: str) -> bytes:
        return hmac.digest(self._key, body.encode(), "sha256")[:_MAC_BYTES]


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
