"""The events of a Responses stream, and its response object, as typed values: one decode each.

Items stay as the vendor wrote them: an item without a neutral form goes on as its exact JSON. Not here: what events
mean (seen.py), what they tell a client of another protocol (reader.py, reply.py).
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..decoding import UNREADABLE, decode_object, without

Item = dict[str, Any]
_STATUSES = ("completed", "incomplete", "failed", "cancelled", "queued", "in_progress")


class Response(msgspec.Struct):
    """The response object: a whole answer, and what a stream's first and last events repeat."""

    id: str | None = None
    model: str | None = None
    status: str | None = None
    output: list[msgspec.Raw] | None = None
    usage: Any = None
    error: Any = None
    incomplete_details: Any = None
    service_tier: Any = None

    @property
    def known(self) -> bool:
        """Has it anything that a response object must have?"""
        return self.output is not None or self.status in _STATUSES

    @property
    def reason(self) -> str | None:
        """Why it is incomplete."""
        details = self.incomplete_details
        found = details.get("reason") if isinstance(details, dict) else None
        return found if isinstance(found, str) else None

    def frames(self) -> list[Frame]:
        """The stream that it could have been: the event that ends it holds all of it."""
        if self.status is not None or self.output is not None:
            return [Frame(f"response.{self.status or 'completed'}", response=self)]
        if self.error:
            return [Frame("error", error=self.error)]
        return [Frame("response.created", response=self)]


class Frame(msgspec.Struct, gc=False):
    """Any event."""

    type: str = ""
    delta: Any = None
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    item: Item | None = None
    part: msgspec.Raw = msgspec.Raw()
    annotation: Any = None
    text: Any = None
    refusal: Any = None
    arguments: Any = None
    input: Any = None
    response: Response | None = None
    message: Any = None
    code: Any = None
    param: Any = None
    error: Any = None

    @property
    def said(self) -> str:
        """What a closing event repeats: all of a text, of a refusal, of a thought, of a call's arguments."""
        for found in (self.text, self.refusal, self.arguments, self.input):
            if isinstance(found, str) and found:
                return found
        return ""

    def whole_part(self) -> dict[str, Any]:
        """The content part that it repeats."""
        try:
            return decode_object(self.part)
        except UNREADABLE:
            return {}


decode = msgspec.json.Decoder(Frame).decode
"""Raises one of UNREADABLE."""
decode_whole = msgspec.json.Decoder(Response).decode
"""Raises one of UNREADABLE."""
_BESIDE = ("id", "model")


def bare(value: dict[str, Any]) -> bytes:
    """See decoding.without: of a frame, and of a whole answer."""
    return without(value, _BESIDE, "response")


# -- what stands in an item


def kind_of(item: Item) -> str:
    """Its type, "" when it names none."""
    return str(item.get("type") or "")


def objects(item: Item, key: str) -> list[dict[str, Any]]:
    """The objects of a list in an item; whatever else stands there is passed over."""
    found = item.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def arguments_of(item: Item) -> str:
    """A call's arguments, or its free text, as text. Servers send objects, too."""
    found = item.get("arguments" if kind_of(item) == "function_call" else "input") or ""
    return found if isinstance(found, str) else msgspec.json.encode(found).decode()


def words_of(part: dict[str, Any]) -> tuple[str, bool]:
    """A content part's (text, is it a refusal)."""
    refusal = part.get("type") == "refusal"
    found = part.get("refusal" if refusal else "text")
    return (found if isinstance(found, str) else ""), refusal


def thought_of(item: Item) -> str:
    """A reasoning item's words: its summary, else its content; parts apart by a blank line
    (docs/protocols/streams.md#parts-of-a-responses-answer)."""
    for key in ("summary", "content"):
        texts = [str(part.get("text") or "") for part in objects(item, key)]
        if any(texts):
            return "\n\n".join(texts)
    return ""


def text_alone_of(item: Item) -> str:
    """The words of a message that is one text and nothing else; "" of any other item."""
    content = item.get("content")
    if kind_of(item) != "message" or not isinstance(content, list) or len(content) != 1:
        return ""
    (part,) = content
    if not isinstance(part, dict) or part.get("type") != "output_text" or part.get("annotations"):
        return ""
    text = part.get("text")
    return text if isinstance(text, str) else ""


def searches(item: Item) -> bool:
    """Of a search of the web: is it charged (docs/protocols/usage.md#what-has-another-price)?"""
    action = item.get("action")
    return not isinstance(action, dict) or action.get("type") not in ("open_page", "find_in_page", "find")


def shell_of(raw: bytes) -> bytes:
    """The response object without its items, of a whole answer or of a stream's last event; b"" where it cannot be read."""
    try:
        value = decode_object(raw)
    except UNREADABLE:
        return b""
    inside = value.get("response")
    whole = inside if isinstance(inside, dict) else value
    return msgspec.json.encode({**whole, "output": []})
