"""`encoding_format`: numbers or base64, as the client's program asked, or as its library did where the program asked for
nothing (docs/protocols/requests.md#embeddings). Pure."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from typing import Any

import msgspec

from ...conversation.profile import Profile
from ..recall import Recalled

_NAME = "encoding_format"
FORMAT = _NAME.encode()
_MEMBER = b'"%b"' % FORMAT


class _Wish(msgspec.Struct):
    encoding_format: Any = None


_wish = msgspec.json.Decoder(_Wish).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_data = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode
_numbers = msgspec.json.Decoder(list[float]).decode
_NOT_OURS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError, struct.error)


def may_have_null(body: bytes, recalled: Recalled) -> bool:
    """Is it worth a look?"""
    return body.find(_MEMBER) >= 0


def without_null(body: bytes, profile: Profile, recalled: Recalled) -> bytes:
    """The body without an `encoding_format` of null. The vendor takes null for no wish, which gives numbers; servers that
    check it ("must be float or base64") refuse what libraries send when nobody asked."""
    members = _members(body)
    if bytes(members.get(_NAME, b"")) != b"null":
        return body
    del members[_NAME]
    return msgspec.json.encode(members)


def revision(body: bytes) -> Callable[[bytes], bytes] | None:
    """See Dialect.revision: base64 was asked for, and some servers give numbers all the same."""
    if b'"base64"' not in body or _wish(body).encoding_format != "base64":
        return None
    return as_base64


def as_base64(answer: bytes) -> bytes:
    """An answer's vectors as OpenAI encodes them, 32-bit floats, the least byte first. What is no list of numbers stays
    as it is, byte for byte."""
    if b'"embedding"' not in answer or b"[" not in answer:
        return answer
    try:
        members = _members(answer)
        data = _data(members.get("data", b"[]"))
        if not any(bytes(one.get("embedding", b""))[:1] == b"[" for one in data):
            return answer
        encoded = [
            {name: _encoded(raw) if name == "embedding" else raw for name, raw in one.items()} for one in data
        ]
    except _NOT_OURS:
        return answer
    return msgspec.json.encode({**members, "data": encoded})


def _encoded(vector: msgspec.Raw) -> msgspec.Raw | str:
    if bytes(vector)[:1] != b"[":
        return vector
    numbers = _numbers(vector)
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
