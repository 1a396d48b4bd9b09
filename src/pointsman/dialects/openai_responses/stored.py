"""Responses that are asked for again by their id, of those that this gateway has written and remembers
(docs/protocols/messages.md#responses-by-id). Pure.

Not here: the memory, and answers that a backend keeps itself (gateway/request/stored.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ..recall import ById, Given
from .retelling import streamed

_VERBS = {"": ("GET", "DELETE"), "cancel": ("POST",), "input_items": ("GET",)}
_PAGE, _LARGEST_PAGE = 20, 100
"""Of a list: "`limit` can range between 1 and 100, and the default is 20" [OpenAI API reference]."""


def not_found(name: str, why: str = "") -> PointsmanError:
    """In the vendor's words, with which clients know it."""
    return PointsmanError(ErrorKind.BAD_REQUEST, f"Response with id '{name}' not found.{why}", status=404)


def kept(given: Given, verb: str, method: str, query: Mapping[str, str], inputs: list[bytes] | None) -> bytes:
    """See ById."""
    if verb == "cancel":
        raise PointsmanError(ErrorKind.BAD_REQUEST, "Cannot cancel a synchronous response.")
    if verb == "input_items":
        if inputs is None:
            raise not_found(given.id, " Its answer is still known here, but no longer what was asked.")
        return _listed(given.id, inputs, query)
    if method == "DELETE":
        return msgspec.json.encode({"id": given.id, "object": "response", "deleted": True})
    if not given.shell:
        raise not_found(given.id, " Only its items are known here, and its backend keeps no responses.")
    value: dict[str, Any] = msgspec.json.decode(given.shell)
    value["output"] = [msgspec.Raw(item) for _, item in given.items]
    whole = msgspec.json.encode(value)
    if query.get("stream") != "true":
        return whole
    if "starting_after" in query:
        raise PointsmanError(
            ErrorKind.BAD_REQUEST,
            "This response was translated, and its stream cannot be gone on with: leave out 'starting_after'.",
            param="starting_after",
        )
    return streamed(whole, True)


def _listed(name: str, inputs: list[bytes], query: Mapping[str, str]) -> bytes:
    items = [_item(name, place, raw) for place, raw in enumerate(inputs)]
    if query.get("order", "desc") != "asc":
        items.reverse()
    after = query.get("after")
    if after is not None:
        places = [place for place, item in enumerate(items) if item["id"] == after]
        if not places:
            raise PointsmanError(ErrorKind.BAD_REQUEST, f"No item with id '{after}' found.", param="after")
        items = items[places[0] + 1 :]
    text = query.get("limit", str(_PAGE))
    limit = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
    if not 1 <= limit <= _LARGEST_PAGE:
        raise PointsmanError(ErrorKind.BAD_REQUEST, f"'limit' must be 1 to {_LARGEST_PAGE}.", param="limit")
    page = items[:limit]
    ends = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
    return msgspec.json.encode({"object": "list", "data": page, **ends, "has_more": len(items) > limit})


def _item(name: str, place: int, raw: bytes) -> dict[str, Any]:
    """With an id, and a message's text as a part, as the vendor gives them."""
    item: dict[str, Any] = msgspec.json.decode(raw)
    if "type" not in item and "role" in item:
        item["type"] = "message"
    if isinstance(item.get("content"), str):
        item["content"] = [{"type": "input_text", "text": item["content"]}]
    if not isinstance(item.get("id"), str):
        item["id"] = f"{item.get('type') or 'item'}_{name.removeprefix('resp_')}_{place}"
    return item


BY_ID = ById(_VERBS, frozenset({"input_tokens", "compact"}), not_found, kept)
