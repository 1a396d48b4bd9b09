"""A search that another vendor's model made, as the two blocks that this protocol has for one, and
back (docs/protocols/tools.md#tools-that-a-server-runs).

The id tells that it is ours, is unique as that of any call (ids.py), and holds the vendor's own, so that the call comes
back to who made it with the reasoning that belongs to it. Anthropic itself must never see such blocks (capsules.py).
"""

from __future__ import annotations

from typing import Any

from ...conversation.parts import Foreign
from ...kinds import Protocol
from ..ids import marked_id, upstream_id

MADE_UP = "srvtoolu_pm_"
"""How ids of server tool calls begin that another vendor's model made."""
_OTHER = Protocol.OPENAI_RESPONSES.value
_ACTION = ("type", "query", "queries", "url", "pattern")


def search_blocks(value: dict[str, Any], request_id: str) -> list[dict[str, Any]]:
    """value: a `web_search_call`. request_id: ours, of the answer that it is part of."""
    made = MADE_UP + marked_id(str(value.get("id") or "ws"), request_id)
    found = value.get("action")
    action: dict[str, Any] = found if isinstance(found, dict) else {}
    given = {"query": str(action.get("query") or "")}
    if action.get("type") not in (None, "search") or action.get("queries"):
        given |= {key: action[key] for key in _ACTION if action.get(key) is not None}
    sources = action.get("sources")
    results = [
        {
            "type": "web_search_result",
            "url": one["url"],
            "title": str(one.get("title") or one["url"]),
            "encrypted_content": "",
            "page_age": None,
        }
        for one in (sources if isinstance(sources, list) else [])
        if isinstance(one, dict) and isinstance(one.get("url"), str)
    ]
    return [
        {"type": "server_tool_use", "id": made, "name": "web_search", "input": given},
        {"type": "web_search_tool_result", "tool_use_id": made, "content": results},
    ]


def is_made_up(block: dict[str, Any]) -> bool:
    """Is it the call of one of those?"""
    return block.get("type") == "server_tool_use" and str(block.get("id")).startswith(MADE_UP)


def is_result_of(call: Foreign, block: dict[str, Any]) -> bool:
    """call: as restored() gave it."""
    answered = block.get("tool_use_id")
    return call.protocol == _OTHER and isinstance(answered, str) and _own(answered) == call.id


def restored(block: dict[str, Any], words: str) -> Foreign:
    """The call as its vendor wrote it. block: its server_tool_use. words: what that says."""
    given = block.get("input")
    action: dict[str, Any] = {"type": "search", **(given if isinstance(given, dict) else {})}
    if action["type"] != "search" and not action.get("query"):
        action.pop("query", None)
    value = {
        "id": _own(str(block.get("id"))),
        "type": "web_search_call",
        "status": "completed",
        "action": action,
    }
    return Foreign(_OTHER, "web_search_call", value, words)


def _own(made: str) -> str:
    return upstream_id(made.removeprefix(MADE_UP))


def with_results(call: Foreign, block: dict[str, Any], words: str) -> Foreign:
    """The restored call with what it found. block: the web_search_tool_result that follows it."""
    results = block.get("content")
    sources = [
        {"type": "url", "url": one["url"]}
        for one in (results if isinstance(results, list) else [])
        if isinstance(one, dict) and isinstance(one.get("url"), str)
    ]
    text = "\n".join(filter(None, (call.text, words)))
    if not sources:
        return Foreign(call.protocol, call.type, call.value, text, path=call.path)
    action = {**call.value["action"], "sources": sources}
    return Foreign(call.protocol, call.type, {**call.value, "action": action}, text, path=call.path)
