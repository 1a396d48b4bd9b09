"""`previous_response_id` and `item_reference`: what a Responses client need not send again, because its vendor keeps it
(docs/protocols/messages.md#the-memory-of-responses). Pure, on bytes; a body's other bytes stay.

Not here: what is remembered (translation/response_memory.py); the same in a translated request (items_in.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NoReturn

import msgspec

from ...conversation.profile import Profile
from ...errors import PointsmanError
from ...kinds import ErrorKind
from ..decoding import UNREADABLE
from ..recall import Recalled, References, Remembered

NEEDS_STORE = {
    "conversation": "this gateway keeps no conversations; send the whole conversation in 'input' instead.",
    "prompt": "this gateway keeps no prompt templates; send the prompt's text in 'instructions' and 'input'.",
}
"""Fields that mean something to the vendor alone, and what to do instead."""
UNKNOWN_RESPONSE = (
    "this gateway does not know that response (any more); send the whole conversation in 'input', "
    "and 'store: false', with which clients do so by themselves."
)
UNKNOWN_ITEM = (
    "this gateway does not know that item (any more); send the item itself, "
    "and 'store: false', with which clients do so by themselves."
)


_NULL = b"null"
_NONE = msgspec.Raw(_NULL)


class _Item(msgspec.Struct, gc=False):
    type: Any = None
    id: Any = None
    role: Any = None


class _Top(msgspec.Struct, gc=False):
    previous_response_id: Any = None
    conversation: msgspec.Raw = _NONE
    prompt: msgspec.Raw = _NONE
    store: Any = None
    input: list[_Item] | str | None = None


class _Said(msgspec.Struct):
    input: msgspec.Raw = msgspec.Raw()


_top = msgspec.json.Decoder(_Top).decode
_said = msgspec.json.Decoder(_Said).decode
_item = msgspec.json.Decoder(_Item).decode
_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def references(body: bytes) -> References:
    """See Remembered. Nothing where the body is not what it should be: who reads it says so. One pass over the body."""
    try:
        found = _top(body)
    except UNREADABLE:
        return References()
    given = found.input if isinstance(found.input, list) else ()
    names = [_name(item) for item in given if _refers(item)]
    items = tuple(name for name in names if name)
    previous = found.previous_response_id
    stored = (
        previous is not None
        or bool(names)
        or any(bytes(one) != _NULL for one in (found.conversation, found.prompt))
    )
    known = previous if isinstance(previous, str) else None
    return References(known, items, stored, found.store is not False)


def is_reference(kind: object, role: object, name: object) -> bool:
    """Does an item of this type, role and id only refer to another? `type` may be left out, or null: "The type of item to
    reference. Always `item_reference`", optional [OpenAI SDK, response_input_item_param.py]. A message without a type has
    a role."""
    return kind == "item_reference" or (kind is None and role is None and isinstance(name, str))


def _refers(item: _Item) -> bool:
    return is_reference(item.type, item.role, item.id)


def _name(item: _Item) -> str:
    """ "" where it is no name: nothing is known by that."""
    return item.id if isinstance(item.id, str) else ""


def own_items(body: bytes) -> list[bytes]:
    """See Remembered. A text alone is a user's message."""
    try:
        raw = bytes(_said(body).input)
        if raw[:1] == b'"':
            return [b'{"type":"message","role":"user","content":%b}' % raw]
        return [bytes(one) for one in _raws(raw)] if raw[:1] == b"[" else []
    except UNREADABLE:
        return []


def reference(item: bytes) -> str | None:
    """See Remembered."""
    try:
        found = _item(item)
    except UNREADABLE:
        return None
    return _name(found) if _refers(found) else None


_WORDS = (b'previous_response_id"', b'conversation"', b'prompt"', b'item_reference"')
_names_itself = re.compile(rb'"id"[ \t\r\n]*:[ \t\r\n]*"').search
_escapes_a_letter = re.compile(rb"\\u00[4-7]").search


class _Store(msgspec.Struct):
    store: Any = None


_store = msgspec.json.Decoder(_Store).decode


def _seen(body: bytes, hinted: bool) -> References:
    """See Remembered. Most bodies refer to nothing, and need not be decoded to know it."""
    if (
        hinted
        or _names_itself(body) is not None
        or (b"\\u00" in body and _escapes_a_letter(body) is not None)
    ):
        return references(body)
    at = body.find(b'"store"')
    if at < 0:
        return References(keeps=True)
    try:
        # What follows a top-level member, and nothing else, is an object where a brace stands before it.
        said = _store(b"{" + body[at:]).store
    except UNREADABLE:
        return references(body)
    return References(keeps=said is not False)


def _keeps(members: Mapping[str, Any]) -> bool:
    return members.get("store") is not False


REMEMBERED = Remembered(references, own_items, reference, _WORDS, _seen, _keeps)


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
