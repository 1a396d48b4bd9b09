"""What stands in a credential's place: a word that tells nothing, is the same for the same credential, and that models,
shells and JSON leave as it is. Pure.

It is made with a key of the installation and of who asks, so that nobody else can tell whether two are alike, or try a
guess. Not here: how they come back (putting_back.py).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence

import msgspec

from .finding import Carrier, decoded

BEGINS = "PMSECRET_"
_RANDOM = 16
"""Characters of base 32 behind that: 80 bits."""
LENGTH = len(BEGINS) + _RANDOM


class Placeholders:
    """Of one request. key: of this installation; whose: of its client. known: placeholder -> credential."""

    __slots__ = ("_key", "known")

    def __init__(self, key: bytes, whose: str) -> None:
        self._key = hmac.digest(key, b"customs\0" + whose.encode(), hashlib.sha256)
        self.known: dict[str, str] = {}

    def of(self, credential: bytes) -> bytes:
        """From now on it is known."""
        digest = hmac.digest(self._key, credential, hashlib.sha256)[: _RANDOM * 5 // 8]
        name = BEGINS + base64.b32encode(digest).decode().lower()
        self.known[name] = credential.decode("utf-8", "replace")
        return name.encode()

    def masked(self, body: bytes, carriers: Sequence[Carrier]) -> bytes:
        """The body with placeholders; all else stays as it is, byte for byte."""
        pieces: list[bytes] = []
        at = 0
        for carrier in carriers:
            spans = _written(body, carrier)
            if spans is None:
                pieces += (body[at : carrier.start], msgspec.json.encode(self._said(carrier).decode()))
                at = carrier.end
                continue
            for start, end, credential in spans:
                pieces += (body[at:start], self.of(credential))
                at = end
        return b"".join((*pieces, body[at:]))

    def masked_text(self, text: bytes, carrier: Carrier) -> bytes:
        """Plain text that was looked through."""
        pieces: list[bytes] = []
        at = 0
        for one in carrier.found:
            pieces += (text[at : one.start], self.of(text[one.start : one.end]))
            at = one.end
        return b"".join((*pieces, text[at:]))

    def _said(self, carrier: Carrier) -> bytes:
        text, nested = carrier.text, carrier.nested
        return self.masked(text, nested) if nested else self.masked_text(text, carrier)


Span = tuple[int, int, bytes]
"""Where a credential is written, and what it is as it decodes."""
_UNIT = re.compile(rb"[^\\]+|\\u([dD][89abAB]..\\u[dD][c-fC-F]..|....)|\\.", re.DOTALL)


def _written(body: bytes, carrier: Carrier) -> list[Span] | None:
    """In the body, where escapes make what is written longer than what it says. None where that cannot be told: the string
    holds bytes that are no UTF-8."""
    text = carrier.text
    inside: list[Span] = [(one.start, one.end, text[one.start : one.end]) for one in carrier.found]
    for one in carrier.nested:
        deeper = _written(text, one)
        if deeper is None:
            return None
        inside += deeper
    string = body[carrier.start + 1 : carrier.end - 1]
    places = _places(string, [at for start, end, _ in inside for at in (start, end)])
    begins = carrier.start + 1
    spans: list[Span] = []
    for number, (start, end, said) in enumerate(inside):
        first, last = places[2 * number], places[2 * number + 1]
        if decoded(b'"' + string[first:last] + b'"') != text[start:end]:
            return None
        spans.append((begins + first, begins + last, said))
    return spans


def _places(written: bytes, wanted: Sequence[int]) -> list[int]:
    """Where in a string as it is written those places are of what it says, both in bytes; they rise."""
    found: list[int] = []
    says = 0
    for unit in _UNIT.finditer(written):
        before, escape = says, unit[1]
        if unit[0][:1] != b"\\":
            says += len(unit[0])
        elif escape is None:
            says += 1
        elif len(escape) > 4:
            says += 4
        else:
            code = int(escape, 16)
            says += 1 if code < 0x80 else 2 if code < 0x800 else 3
        while len(found) < len(wanted) and wanted[len(found)] < says:
            found.append(unit.start() + wanted[len(found)] - before)
    return found + [len(written)] * (len(wanted) - len(found))
