"""Cache marks toward Anthropic: which blocks keep theirs, and for how long (PROTOCOLS.md 8). Not here: who asks for them."""

from __future__ import annotations

from typing import Any

from ...conversation.notes import Notes
from ...conversation.parts import CacheMark
from ...conversation.profile import Profile
from ...conversation.request import Request

_MOST = 4
"""Marks in one request, the automatic one included; a fifth is a 400."""
_TTL = {"1h": "1h", "12h": "1h", "5m": "5m", "30m": None}
"""OpenAI's 30m becomes the default of 5 minutes: writes for an hour cost twice as much."""


def put(block: dict[str, Any], mark: CacheMark | None) -> dict[str, Any]:
    """The block, with the mark standing on it until settle() decides."""
    if mark is not None:
        block["cache_control"] = mark
    return block


def settle(body: dict[str, Any], request: Request, profile: Profile, notes: Notes) -> None:
    """Turn the marks on the blocks of `body` into the vendor's form, at most four of them: the last ones, since each
    covers all that stands before it. Asks for automatic caching where the client or the profile wants it."""
    marked = [
        block
        for holder in (body.get("tools"), body.get("system"), *_contents(body))
        for block in holder or ()
        if "cache_control" in block
    ]
    automatic = _automatic(request, profile, bool(marked))
    kept = marked[-(_MOST - (automatic is not None)) :] if profile.cache_marks else []
    if profile.cache_marks and len(kept) < len(marked):
        notes.drop("cache_auto", "no more than four parts of a prompt can be marked for the cache")
    keeping = set(map(id, kept))
    short = False
    for block in marked:
        mark = block.pop("cache_control")
        if id(block) in keeping:
            control = _control(mark)
            if short and control.get("ttl") == "1h":
                control = {"type": "ephemeral"}  # longer times must stand before shorter ones
            short = short or control.get("ttl") != "1h"
            block["cache_control"] = control
    if automatic is not None:
        if short:
            automatic.pop("ttl", None)
        body["cache_control"] = automatic


def _contents(body: dict[str, Any]) -> list[list[dict[str, Any]]]:
    return [message["content"] for message in body["messages"]]


def _control(mark: Any) -> dict[str, Any]:
    if not isinstance(mark, CacheMark):
        return dict(mark)
    ttl = _TTL.get(mark.ttl) if mark.ttl is not None else None
    return {"type": "ephemeral", "ttl": ttl} if ttl is not None else {"type": "ephemeral"}


def _automatic(request: Request, profile: Profile, marked: bool) -> dict[str, Any] | None:
    """OpenAI's users expect caching without asking for it; it pays where tools make the prompt long."""
    if request.cache_auto is not None and (profile.cache_marks or profile.auto_cache):
        return _control(request.cache_auto)
    if profile.auto_cache and not marked and (request.tools or request.server_tools):
        return {"type": "ephemeral"}
    return None
