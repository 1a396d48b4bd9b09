"""What another vendor's model searched and ran, as the two blocks that this protocol has for that, and
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
RUN = "code_execution"
"""The name of the tool by which those are told that ran code."""
_OTHER = Protocol.OPENAI_RESPONSES.value
_ACTION = ("type", "query", "queries", "url", "pattern")

Block = dict[str, Any]


def made_up_blocks(part: Foreign, request_id: str) -> list[Block]:
    """Of another vendor's call and what it gave; [] for kinds without such blocks. request_id: ours, from which the
    call gets an id of its own."""
    blocks = {"web_search_call": _search_blocks, "code_interpreter_call": _run_blocks}.get(part.type)
    if blocks is None or not part.value:  # a picture that it drew
        return []
    made = MADE_UP + marked_id(part.id or "call", request_id)
    return blocks(part.value, made)


def _search_blocks(value: Block, made: str) -> list[Block]:
    found = value.get("action")
    action: Block = found if isinstance(found, dict) else {}
    given = {"query": str(action.get("query") or "")}
    if action.get("type") not in (None, "search") or action.get("queries"):
        given |= {key: action[key] for key in _ACTION if action.get(key) is not None}
    results = [
        {
            "type": "web_search_result",
            "url": one["url"],
            "title": str(one.get("title") or one["url"]),
            "encrypted_content": "",
            "page_age": None,
        }
        for one in _objects(action.get("sources"))
        if isinstance(one.get("url"), str)
    ]
    return [
        {"type": "server_tool_use", "id": made, "name": "web_search", "input": given},
        {"type": "web_search_tool_result", "tool_use_id": made, "content": results},
    ]


def _run_blocks(value: Block, made: str) -> list[Block]:
    given = {"code": str(value.get("code") or "")}
    if isinstance(value.get("container_id"), str):
        given["container_id"] = value["container_id"]
    logs = (one.get("logs") for one in _objects(value.get("outputs")))
    content: Block = {
        "type": "code_execution_result",
        "stdout": "\n".join(one for one in logs if isinstance(one, str)),
        "stderr": "",
        "return_code": 0 if value.get("status") != "failed" else 1,
        "content": [],
    }
    return [
        {"type": "server_tool_use", "id": made, "name": RUN, "input": given},
        {"type": "code_execution_tool_result", "tool_use_id": made, "content": content},
    ]


def _objects(value: Any) -> list[Block]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def is_made_up(block: Block) -> bool:
    """Is it the call of one of those?"""
    return block.get("type") == "server_tool_use" and str(block.get("id")).startswith(MADE_UP)


def _own(made: Any) -> str:
    return upstream_id(str(made).removeprefix(MADE_UP))


def is_result_of(call: Foreign, block: Block) -> bool:
    """call: as restored() gave it."""
    answered = block.get("tool_use_id")
    ours = isinstance(answered, str) and answered.startswith(MADE_UP)
    return ours and call.protocol == _OTHER and _own(answered) == call.id


def restored(block: Block, words: str) -> Foreign:
    """The call as its vendor wrote it. block: its server_tool_use. words: what that says."""
    found = block.get("input")
    given: Block = found if isinstance(found, dict) else {}
    own = _own(block.get("id"))
    if block.get("name") == RUN:
        value = {"id": own, "type": "code_interpreter_call", "status": "completed", "outputs": [], **given}
        return Foreign(_OTHER, "code_interpreter_call", value, words)
    action: Block = {"type": "search", **given}
    if action["type"] != "search" and not action.get("query"):
        action.pop("query", None)
    value = {"id": own, "type": "web_search_call", "status": "completed", "action": action}
    return Foreign(_OTHER, "web_search_call", value, words)


def with_results(call: Foreign, block: Block, words: str) -> Foreign:
    """The restored call with what it gave. block: the result that follows it."""
    text = "\n".join(filter(None, (call.text, words)))
    return Foreign(call.protocol, call.type, {**call.value, **_given(call, block)}, text, path=call.path)


def _given(call: Foreign, block: Block) -> Block:
    content = block.get("content")
    if call.type == "code_interpreter_call":
        logs = content.get("stdout") if isinstance(content, dict) else None
        return {"outputs": [{"type": "logs", "logs": logs}]} if isinstance(logs, str) and logs else {}
    sources = [
        {"type": "url", "url": one["url"]} for one in _objects(content) if isinstance(one.get("url"), str)
    ]
    return {"action": {**call.value["action"], "sources": sources}} if sources else {}
