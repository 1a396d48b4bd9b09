"""A tool that runs the model's code in a container of its vendor's, in the words of another vendor
(docs/protocols/tools.md#code-that-a-server-runs). Not here: what it ran, in answers and histories.
"""

from __future__ import annotations

from typing import Any

from ..conversation.notes import Notes
from ..conversation.request import ServerTool
from ..kinds import Protocol

_MESSAGES, _RESPONSES = Protocol.ANTHROPIC_MESSAGES.value, Protocol.OPENAI_RESPONSES.value
_NAME, _TYPE = "code_execution", "code_interpreter"
_VALUES: dict[str, tuple[str, str, dict[str, Any]]] = {
    # protocol: (type, name, the exact JSON); of several versions the one that every model with such a tool has
    _MESSAGES: (f"{_NAME}_20250825", _NAME, {"type": f"{_NAME}_20250825", "name": _NAME}),
    _RESPONSES: (_TYPE, _TYPE, {"type": _TYPE, "container": {"type": "auto"}}),
}
_SILENT = ("type", "name", "container", "cache_control", "strict", "defer_loading")
"""Members that change nothing of what is run."""
_OWN = "a container, and files in it, are known to their own vendor only; leave it out for this model."


def in_words_of(tool: ServerTool, protocol: str, notes: Notes) -> ServerTool:
    """The same tool for a backend of that protocol. Raises PointsmanError 400 for a container or files that only one
    vendor has."""
    found = _VALUES.get(protocol)
    if found is None or tool.protocol == protocol:
        return tool
    container = tool.value.get("container")
    if isinstance(container, str):
        notes.refuse(f"{tool.path}.container", _OWN)
    if isinstance(container, dict):
        if container.get("file_ids"):
            notes.refuse(f"{tool.path}.container.file_ids", _OWN)
        for key in container.keys() - {"type", "file_ids"}:
            notes.drop(f"{tool.path}.container.{key}")
    callers = tool.value.get("allowed_callers")
    told = {*tool.value} - {*_SILENT} - ({"allowed_callers"} if callers in (None, ["direct"]) else set())
    for key in sorted(told):
        notes.drop(f"{tool.path}.{key}")
    kind, name, value = found
    return ServerTool(protocol, kind, name, value, path=tool.path)
