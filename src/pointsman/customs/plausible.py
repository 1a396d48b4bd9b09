"""What a text must be besides its form to be taken for a credential: examples, names of variables and repeated letters are
none. Pure.

Each takes all that was found and the credential in it. Where a form has a checksum, that alone decides.
"""

from __future__ import annotations

import base64
import math
import re
import zlib
from collections import Counter

_BASE62 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_EXAMPLES = re.compile(
    rb"example|your(?:[_-]|key|api|token|secret|pass)|placeholder|redacted|changeme|change[_-]me|replace|dummy|insert|todo|xxxx|0000000|1234567|"
    rb"abcdef|\.\.\.|\*\*\*|<|>|\$\{|\{\{|%\(|deadbeef|secret[_-]?key|[_-]here",
    re.IGNORECASE,
)
_WORDS = frozenset(
    b"password passwd pass pwd passw0rd p4ssw0rd secret hunter2 admin root user username guest test testing tester "
    b"token key postgres mysql mariadb redis rabbitmq mongo mongodb minio docker none null true false foo bar baz "
    b"foobar pw psw pswd example changeme letmein qwerty default empty hidden value string prompt auto required "
    b"optional enabled disabled".split()
)
_VARIABLE = re.compile(
    rb"\$[({A-Za-z_]|\{\{|\A[{<\[$]|%\(|%[sdvr]\b|%[A-Z_]{3,}%|\*\*|process\.env|os\.environ|getenv|\benv\.|\bENV\b"
)
_ARMOUR = re.compile(rb"-----(?:BEGIN|END)[^-]{1,60}-----|\\{1,2}[nrt]|[^A-Za-z0-9+/=]")
_PLAIN = re.compile(rb"[A-Za-z][a-z]*(?:[_./:-][A-Za-z][a-z]*)*")


def entropy(text: bytes) -> float:
    """Shannon's, bits a byte."""
    size = len(text)
    return -sum(many / size * math.log2(many / size) for many in Counter(text).values()) if size else 0.0


def varied(found: bytes, credential: bytes) -> bool:
    """No example: its letters vary, as what chance has made does."""
    body = credential[-32:]
    if len(set(body)) < min(10, len(body) // 2) or _EXAMPLES.search(credential):
        return False
    return entropy(body) >= 2.8


def random(found: bytes, credential: bytes) -> bool:
    """The same of what nothing but its place tells: no words, no number alone."""
    if not varied(found, credential) or _PLAIN.fullmatch(credential):
        return False
    if not any(48 <= one < 58 for one in credential):
        return False
    letters = sum(65 <= one <= 90 or 97 <= one <= 122 for one in credential)
    return letters >= 4 and entropy(credential) >= 3.3


def armoured(found: bytes, credential: bytes) -> bool:
    """A private key has a body, and no line of dots stands for it."""
    body = _ARMOUR.sub(b"", found)
    return len(body) >= 40 and len(set(body)) >= 16


def aws(found: bytes, credential: bytes) -> bool:
    """AWS' own examples end so."""
    return not credential.endswith(b"EXAMPLE") and len(set(credential[4:])) >= 6


def github(found: bytes, credential: bytes) -> bool:
    """A token of GitHub's, or npm's: its last six characters are the CRC-32 of those before, in base 62 (GitHub, "Behind
    GitHub's new authentication token formats"). Longer ones have none that is told."""
    body = credential.partition(b"_")[2]
    if len(body) != 36:
        return varied(found, credential)
    return base62(zlib.crc32(body[:30]), 6) == body[30:]


def base62(number: int, width: int) -> bytes:
    """With leading zeros."""
    digits = bytearray()
    while number:
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    return bytes(reversed(digits)).rjust(width, b"0")


def pointsman(found: bytes, credential: bytes) -> bool:
    """A client key of this gateway, or of another: its last six characters are the CRC-32 of the rest."""
    crc = zlib.crc32(credential[:-6]).to_bytes(4, "big")
    return base64.urlsafe_b64encode(crc).rstrip(b"=") == credential[-6:]


def password(found: bytes, credential: bytes) -> bool:
    """Somebody's, not the word for it."""
    if credential.lower() in _WORDS or _VARIABLE.search(credential) or _EXAMPLES.search(credential):
        return False
    return len(set(credential)) >= 3


def set_value(found: bytes, credential: bytes) -> bool:
    """The value of a line of an `.env` file: made by chance, or a password that is no word."""
    value = credential.strip(b"\"'")
    kinds = sum(any(low <= one <= high for one in value) for low, high in ((48, 57), (65, 90), (97, 122)))
    if (
        kinds < 2 or len(value) < 8 or len(set(value)) < 6
    ):  # the cheapest first: a text may be full of such lines
        return False
    if not found.partition(b"=")[0].endswith((b"PASSWORD", b"PASSWD", b"_PASS", b"_PWD")) and (
        len(value) < 12 or entropy(value[:64]) < 3.0
    ):
        return False
    if _PLAIN.fullmatch(value) or value.startswith((b"/", b"./", b"~/")) or b"://" in value:
        return False
    return not (value.lower() in _WORDS or _VARIABLE.search(value) or _EXAMPLES.search(value))
