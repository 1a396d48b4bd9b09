"""What this gateway put into a conversation, taken out again before Anthropic itself sees it: thinking blocks whose
signature is one of our capsules, searches and citations that were made up for another vendor's model. A session that
moves from a local model to Anthropic would get a 400 for them.

By position: every other byte of the body stays as it is.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...errors import PointsmanError
from ...wire.splice import find_values
from ..capsule import PREFIX
from ..shown import MARKED
from .made_up import MADE_UP, RUN
from .plain_words import said
from .plain_words import words as plain

_HINTS = (b"encrypted_index", MADE_UP.encode(), f'"{PREFIX}'.encode())
"""One of these stands in every body that holds something of ours; long ones are found fastest."""
CAPSULE_WORDS = tuple(hint.removeprefix(b'"') for hint in _HINTS)
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_SPACE = b" \t\r\n"


class _Block(msgspec.Struct):
    type: str = ""
    signature: Any = None
    data: Any = None
    id: Any = None
    tool_use_id: Any = None
    citations: Any = None


def without_capsules(body: bytes) -> bytes | None:
    """The body less those, or None when there are none. body: has passed wire.splice.peek()."""
    if not any(hint in body for hint in _HINTS):
        return None
    try:
        spans = find_values(body, "messages")
        if len(spans) != 1:
            return None
        start, end = spans[0]
        messages = _filtered(body[start:end], _message)
    except (msgspec.DecodeError, UnicodeDecodeError, PointsmanError):
        return None  # not what it should be: the vendor's own error is the better answer
    return None if messages is None else body[:start] + messages + body[end:]


def _message(value: bytes) -> bytes | None:
    """One message, None when nothing of it is left."""
    spans = find_values(value, "content")
    if len(spans) != 1 or value[spans[0][0] : spans[0][0] + 1] != b"[":
        return value
    start, end = spans[0]
    content = _filtered(value[start:end], _block)
    if content is None:
        return value
    return None if not content.strip(b"[]" + _SPACE) else value[:start] + content + value[end:]


def _block(value: bytes) -> bytes | None:
    """One content block, None when it is ours."""
    try:
        block = msgspec.json.decode(value, type=_Block)
    except msgspec.ValidationError:
        return value
    if block.type in ("thinking", "redacted_thinking"):
        carried = block.signature if block.type == "thinking" else block.data
        return None if isinstance(carried, str) and carried.startswith(PREFIX) else value
    for made in (block.id, block.tool_use_id):
        if isinstance(made, str) and made.startswith(MADE_UP):
            return _in_words(value)
    if block.type == "text" and isinstance(block.citations, list):
        kept = [
            one for one in block.citations if not (isinstance(one, dict) and one.get("encrypted_index") == "")
        ]
        if len(kept) < len(block.citations):
            ((start, end),) = find_values(value, "citations")
            return value[:start] + (msgspec.json.encode(kept) if kept else b"null") + value[end:]
    return value


def _in_words(value: bytes) -> bytes | None:
    """What was run for another vendor's model: what the conversation knows of it stands nowhere else. Searches are
    left out; what they found is cited."""
    block = msgspec.json.decode(value)
    if block.get("name") == RUN:
        words = said(block)
    elif block.get("type") == f"{RUN}_tool_result":
        words = plain(block)
    else:
        return None
    return msgspec.json.encode({"type": "text", "text": MARKED.format(RUN, words)}) if words.strip() else None


def _filtered(array: bytes, change: Any) -> bytes | None:
    """The array with each item changed or left out, and the separators of those that stay. None: nothing changed."""
    if array[:1] != b"[":
        return None
    kept: list[bytes] = []
    changed = False
    at = _skip(array, 1)
    head = array[:at]
    separator = b""
    end = at
    for raw in _items(array):
        item = bytes(raw)
        begin = array.index(item, end)
        between = array[end:begin] if end != at or begin != at else b""
        end = begin + len(item)
        new = change(item) if item[:1] == b"{" else item
        changed = changed or new is not item
        if new is None:
            continue
        separator = between if kept else b""
        kept.append(separator + new)
    return head + b"".join(kept) + array[end:] if changed else None


def _skip(data: bytes, at: int) -> int:
    while data[at : at + 1] in (b" ", b"\t", b"\r", b"\n"):
        at += 1
    return at
