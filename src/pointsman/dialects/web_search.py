"""A web search that the backend runs, as clients of the three protocols ask for it
(docs/protocols/tools.md#web-search).

Messages and Responses have a tool, Chat an object of its own, and the same settings stand in each
at another place: one reading takes them wherever they stand, so that none is overlooked. Not here:
how a protocol writes them; searches in a history.
"""

from __future__ import annotations

import re

from ..conversation.request import Request, WebSearch
from .base import Reading
from .fields import Fields, bad
from .openai_parts import cache_mark

NAMES = {
    "WebSearch.location": "user_location",
    "WebSearch.context_size": "search_context_size",
    "WebSearch.live": "external_web_access",
}
"""What its fields are called wherever they exist."""
PLACE = ("city", "region", "country", "timezone")
_TYPE = re.compile(r"web_search(?:_preview)?(?:_\d{8}|_\d{4}_\d{2}_\d{2})?").fullmatch


def is_search(kind: str) -> bool:
    """Is this type of tool a web search, of whichever version and vendor?"""
    return _TYPE(kind) is not None


def take_search(request: Request, tool: Fields, reading: Reading) -> None:
    """The client's wish into request.web_search; a second one is told. Raises PointsmanError 400
    for values that nobody takes."""
    if request.web_search is not None:
        reading.notes.drop(tool.path, "a request has one web search")
        return
    tool.ignore("type", "name")
    filters = tool.object("filters")
    holder = filters or tool
    found = WebSearch(
        _domains(holder, "allowed_domains"), _domains(holder, "blocked_domains"), path=tool.path
    )
    if filters is not None:
        filters.close(reading.notes)
    found.max_uses = tool.integer("max_uses", 1)
    found.context_size = tool.choice("search_context_size", ("low", "medium", "high"))
    found.live = tool.flag("external_web_access")
    found.location = _location(tool, reading)
    found.cache = cache_mark(tool, reading)
    tool.close(reading.notes)
    request.web_search = found


def _domains(holder: Fields, key: str) -> tuple[str, ...]:
    found = holder.items(key)
    if not all(isinstance(one, str) and one for one in found):
        bad(holder.at(key), "must be a list of domains.")
    return tuple(found)


def _location(tool: Fields, reading: Reading) -> dict[str, str] | None:
    """Chat nests it under its type's name."""
    place = tool.object("user_location")
    if place is None:
        return None
    place.ignore("type")
    inner = place.object("approximate") or place
    told = {key: inner.maybe_text(key) for key in PLACE}
    if inner is not place:
        inner.close(reading.notes)
    place.close(reading.notes)
    return {key: value for key, value in told.items() if value}


def searches(found: WebSearch, others: int | None) -> int | None:
    """The most that one answer may do, of the search's own limit and the request's. others:
    Request.max_tool_calls."""
    return min((one for one in (found.max_uses, others) if one is not None), default=None)
