"""A text put before another one inside a JSON body, by position. Not here: where in a protocol it belongs."""

from __future__ import annotations

import msgspec

from ..wire.splice import find_values, set_member

_BETWEEN = b"\\n\\n"
"""As it stands in JSON: an empty line."""


def before(value: bytes, text: str, *, parts: bool) -> bytes | None:
    """value: JSON of a text, of a list of text parts where the protocol has these, or null; the same with that text first.
    None where it is anything else, which its backend may know."""
    made = msgspec.json.encode(text)
    if value.startswith(b'"'):
        return made if value == b'""' else made[:-1] + _BETWEEN + value[1:]
    if parts and value.startswith(b"["):
        comma = b"," if value[1:].strip(b"] \t\r\n") else b""
        return b'[{"type":"text","text":%b}%b%b' % (made, comma, value[1:])
    return made if value == b"null" else None


def member_before(body: bytes, member: str, text: str, *, parts: bool) -> bytes | None:
    """The body with that text before what its member holds, of which `before` says what it may be."""
    spans = find_values(body, member)
    changed = before(body[slice(*spans[-1])] if spans else b"null", text, parts=parts)
    return None if changed is None else set_member(body, member, changed)


def holds(body: bytes, member: str, *none: bytes) -> bool:
    """Does the member hold anything else than null, an empty text, or one of these?"""
    return any(body[start:end] not in (b"null", b'""', *none) for start, end in find_values(body, member))
