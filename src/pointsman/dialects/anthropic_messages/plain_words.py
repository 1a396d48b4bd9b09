"""What a block says in plain words, for models of other vendors that cannot read its kind. Not here: blocks with a
neutral form (content_in.py)."""

from __future__ import annotations

from typing import Any

import msgspec

_BOUND = 20_000
"""Characters kept of one block's words."""
_SAYING = ("title", "url", "text", "content", "stdout", "stderr", "error_code", "data")
"""Keys whose strings are words, in the order in which they are said."""
_SILENT = ("encrypted_content", "encrypted_stdout", "encrypted_index", "signature")


def words(block: dict[str, Any]) -> str:
    """The text of a server tool's result, a compaction, ...; "" when it has none (a server tool's call, an upload)."""
    if block.get("type") == "server_tool_use":
        return ""
    found: list[str] = []
    _collect({key: value for key, value in block.items() if key in ("content", "text")}, found, 0)
    return "\n".join(found)[:_BOUND]


def _collect(value: Any, found: list[str], depth: int) -> None:
    if depth > 8:
        return
    if isinstance(value, str):
        if value.strip():
            found.append(value)
    elif isinstance(value, list):
        for inner in value:
            _collect(inner, found, depth + 1)
    elif isinstance(value, dict):
        if value.get("type") == "base64":
            return
        for key in _SAYING:
            if key in value and key not in _SILENT:
                _collect(value[key], found, depth + 1)
        if isinstance(value.get("source"), dict):
            _collect(value["source"], found, depth + 1)


def search_result(title: str, source: str, texts: list[str]) -> str:
    """A search result as text: title, source line, content
    (docs/protocols/messages.md#content-parts)."""
    return "\n".join([line for line in (title, source) if line] + ["", *texts])


def compact(value: Any) -> str:
    """Any JSON value as text, keys in their order."""
    return msgspec.json.encode(value).decode()
