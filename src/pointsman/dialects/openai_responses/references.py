"""`previous_response_id` and `item_reference`: what a Responses client need not send again, because its vendor keeps it
(docs/protocols/messages.md#the-memory-of-responses). Pure, on bytes; a body's other bytes stay.

Not here: what is remembered (translation/response_memory.py); the same in a translated request (items_in.py).
"""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec

from ...conversation.profile import Profile
from ...errors import PointsmanError
from ...kinds import ErrorKind
from ..recall import Recalled, References, Remembered

_REFERENCE = b"item_reference"
MARKS = (b"previous_response_id", _REFERENCE)
NEEDS_STORE = {
    "conversation": "this gateway keeps no conversations; send the whole conversation in 'input' instead.",
    "prompt": "this gateway keeps no prompt templates; send the prompt's text in 'instructions' and 'input'.",
}
"""Fields that mean something to the vendor alone, and what to do instead."""
STORED = (*MARKS, *(f'"{name}"'.encode() for name in NEEDS_STORE))
"""One of these stands in every body that only a backend with a store can serve as it is."""
UNKNOWN_RESPONSE = (
    "this gateway does not know that response (any more); send the whole conversation in 'input', "
    "and 'store: false', with which clients do so by themselves."
)
UNKNOWN_ITEM = (
    "this gateway does not know that item (any more); send the item itself, "
    "and 'store: false', with which clients do so by themselves."
)


class _Referring(msgspec.Struct):
    previous_response_id: Any = None
    input: Any = None


class _Item(msgspec.Struct):
    type: Any = None
    id: Any = None


class _Stored(msgspec.Struct):
    store: Any = None


class _Said(msgspec.Struct):
    input: msgspec.Raw = msgspec.Raw()


_referring = msgspec.json.Decoder(_Referring).decode
_said = msgspec.json.Decoder(_Said).decode
_stored = msgspec.json.Decoder(_Stored).decode
_item = msgspec.json.Decoder(_Item).decode
_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_NULL = b"null"
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def references(body: bytes) -> References:
    """See Remembered. Nothing where the body is not what it should be: who reads it says so."""
    try:
        found = _referring(body)
    except _UNREADABLE:
        return References()
    items = found.input if isinstance(found.input, list) else []
    ids = (one.get("id") for one in items if isinstance(one, dict) and one.get("type") == "item_reference")
    previous = found.previous_response_id
    return References(
        previous if isinstance(previous, str) else None, tuple(one for one in ids if isinstance(one, str))
    )


def own_items(body: bytes) -> list[bytes]:
    """See Remembered. A text alone is a user's message."""
    try:
        raw = bytes(_said(body).input)
        if raw[:1] == b'"':
            return [b'{"type":"message","role":"user","content":%b}' % raw]
        return [bytes(one) for one in _raws(raw)] if raw[:1] == b"[" else []
    except _UNREADABLE:
        return []


def reference(item: bytes) -> str | None:
    """See Remembered."""
    if _REFERENCE not in item:
        return None
    try:
        found = _item(item)
    except _UNREADABLE:
        return None
    return found.id if found.type == "item_reference" and isinstance(found.id, str) else None


def keeps(body: bytes) -> bool:
    """See Remembered: not with `store: false`."""
    if b'"store"' not in body:
        return True
    try:
        return _stored(body).store is not False
    except _UNREADABLE:
        return False


REMEMBERED = Remembered(MARKS, references, own_items, reference, keeps)


def with_items(body: bytes, profile: Profile, recalled: Recalled) -> bytes:
    """The body for a backend of this protocol: with the items themselves where the backend has not kept them.

    Raises PointsmanError 400 for what nobody knows; but not where the backend keeps responses, which may know them.
    Servers that keep none take `previous_response_id` and ignore it: they would answer the last words alone.
    """
    members = _members(body)
    if not profile.keeps_responses:
        for name, why in NEEDS_STORE.items():
            if bytes(members.get(name, _NULL)) != _NULL:
                _refuse(name, why)
    earlier: tuple[bytes, ...] = ()
    if bytes(members.get("previous_response_id", _NULL)) != _NULL:
        known = recalled.earlier
        there = known is None or recalled.holder == profile.backend
        if not (profile.keeps_responses and there):
            if known is None:
                _refuse("previous_response_id", UNKNOWN_RESPONSE)
            earlier = known
            del members["previous_response_id"]
    own = own_items(body)
    changed = [_resolved(one, f"input[{index}]", profile, recalled) for index, one in enumerate(own)]
    if not earlier and changed == own:
        return body
    members["input"] = msgspec.Raw(b"[" + b",".join((*earlier, *changed)) + b"]")
    return msgspec.json.encode(members)


def _resolved(item: bytes, path: str, profile: Profile, recalled: Recalled) -> bytes:
    name = reference(item)
    if name is None:
        return item
    found = recalled.items.get(name)
    if found is None:
        if profile.keeps_responses:
            return item
        _refuse(path, UNKNOWN_ITEM)
    known, holder = found
    return item if profile.keeps_responses and holder == profile.backend else known


def _refuse(path: str, why: str) -> NoReturn:
    raise PointsmanError(ErrorKind.BAD_REQUEST, f"'{path}': {why}", param=path)
