"""The vendor's tools that the client runs (a shell, patches) spelt out as plain functions, for
models that were not trained on them by type, and their calls as the items that the client acts on
(docs/protocols/tools.md#client-tools-by-name). Not here: tools that only the vendor can run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from ...conversation.known import KnownList
from ...conversation.request import Request


@dataclass(frozen=True, slots=True)
class ClientTool:
    """type: of the tool, and its name as a function. item: the type of a call's item; its output's
    is that with `_output`. key: the call's arguments are the object that stands there."""

    type: str
    item: str
    key: str
    description: str
    schema: dict[str, Any]


def _inside(key: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {key: schema}, "required": [key]}


_TEXTS = {"type": "array", "items": {"type": "string"}}
_WAIT = {"type": "integer", "description": "Milliseconds after which it is stopped."}
_LOCAL_SHELL = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "enum": ["exec"]},
        "command": {**_TEXTS, "description": "The program and its arguments."},
        "working_directory": {"type": "string"},
        "env": {"type": "object", "additionalProperties": {"type": "string"}},
        "timeout_ms": _WAIT,
    },
    "required": ["type", "command"],
}
_SHELL = {
    "type": "object",
    "properties": {
        "commands": {**_TEXTS, "description": "Shell commands, run in this order."},
        "timeout_ms": _WAIT,
        "max_output_length": {"type": "integer", "description": "Most characters of output to keep."},
    },
    "required": ["commands"],
}
_PATCH = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "enum": ["create_file", "update_file", "delete_file"]},
        "path": {"type": "string", "description": "Relative to the root of the workspace."},
        "diff": {
            "type": "string",
            "description": "For create_file and update_file: the change as a unified diff.",
        },
    },
    "required": ["type", "path"],
}
TOOLS = {
    tool.type: tool
    for tool in (
        ClientTool(
            "local_shell",
            "local_shell_call",
            "action",
            "Runs a command on the user's computer and returns its output.",
            _inside("action", _LOCAL_SHELL),
        ),
        ClientTool(
            "shell",
            "shell_call",
            "action",
            "Runs shell commands on the user's computer and returns their output.",
            _inside("action", _SHELL),
        ),
        ClientTool(
            "apply_patch",
            "apply_patch_call",
            "operation",
            "Creates, changes or deletes one file.",
            _inside("operation", _PATCH),
        ),
    )
}
ITEMS = {tool.item: tool for tool in TOOLS.values()}
_HOSTED = ("container_auto", "container_reference")
"""Environments of a shell that the vendor keeps."""


def run_by_client(tool: dict[str, Any]) -> ClientTool | None:
    """The tool as the client declared it; None where the vendor would run it."""
    place = tool.get("environment")
    if isinstance(place, dict) and place.get("type") in _HOSTED:
        return None
    return TOOLS.get(str(tool.get("type")))


def declared(request: Request) -> dict[str, ClientTool]:
    """Those that this client declared, by the name of their function. Nobody changes what it gives."""
    tools = request.raw.get("tools")
    if type(tools) is KnownList:
        known: KnownList[Any] = tools
        return known.once(declared, lambda: _declared(msgspec.json.decode(known.text)))
    return _declared(tools)


def _declared(tools: Any) -> dict[str, ClientTool]:
    found = (run_by_client(one) for one in tools if isinstance(one, dict)) if isinstance(tools, list) else ()
    return {tool.type: tool for tool in found if tool is not None}


def call_item(tool: ClientTool, call_id: str, arguments: str, status: str) -> dict[str, Any] | None:
    """A call as its own item; None where the model's arguments are not the tool's, which the
    client is then told as a call of a function."""
    try:
        value = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    inner = value.get(tool.key, value) if isinstance(value, dict) else None
    required = tool.schema["properties"][tool.key]["required"]
    if not isinstance(inner, dict):
        return None
    if tool.type == "local_shell":
        inner = {"type": "exec", "env": {}, **inner}
    if any(name not in inner for name in required):
        return None
    made = {"id": f"{_PREFIXES[tool.type]}{call_id}", "type": tool.item, "status": status}
    return {**made, "call_id": call_id, tool.key: inner}


_PREFIXES = {"local_shell": "lsh_", "shell": "sh_", "apply_patch": "apc_"}
