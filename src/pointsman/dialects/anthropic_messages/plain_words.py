"""What a block says in plain words, for models of other vendors that cannot read its kind. Not here: blocks with a
neutral form (content_in.py)."""

from __future__ import annotations

from typing import Any

import msgspec

from ..shown import fenced, paragraphs

_SAYING = (
    "title", "url", "text", "content", "stdout", "stderr", "error_code", "data", "tool_name", "tool_references", "tools",
    "name", "description",
)  # fmt: skip
"""Keys whose strings are words, in the order in which they are said."""
_BESIDE = frozenset({"type", "id", "tool_use_id", "cache_control", "signature", "caller"})
"""Keys that say nothing to a model."""
_CALLS = ("server_tool_use", "mcp_tool_use")


def words(block: dict[str, Any]) -> str:
    """The text of a server tool's result, a compaction, ...; "" when it has none (a server tool's call, an upload)."""
    found: list[str] = []
    _collect({key: value for key, value in block.items() if key in ("content", "text", "tools")}, found, 0)
    return "\n".join(found)


def said(block: dict[str, Any]) -> str:
    """The same; of a call what was asked, of any other block without words and files what can be read of its JSON."""
    if block.get("type") in _CALLS:
        whose = f" of {block['server_name']}" if block.get("server_name") else ""
        return f"Called {block.get('name')}{whose} with {compact(block.get('input') or {})}"
    found = words(block)
    if found or shown(block):
        return found
    left = _readable(block)
    return compact(left) if left else ""


RUNS = ("code_execution", "bash_code_execution", "text_editor_code_execution")


def answered(block: dict[str, Any]) -> str:
    """What a block of an answer shows to clients of other protocols: what was run, and what that gave. Searches
    say nothing here: what they found stands in the citations."""
    kind, given = str(block.get("type")), block.get("input")
    if kind == "server_tool_use" and block.get("name") in RUNS and isinstance(given, dict):
        for key, language in (("code", "python"), ("command", "sh")):
            if isinstance(given.get(key), str) and len(given) == 1:
                return fenced(given[key], language)
        return fenced(compact(given), "json")
    if kind == "mcp_tool_use":
        whose = f"Called {block.get('name')} of {block.get('server_name')}:"
        return paragraphs(whose, fenced(compact(given or {}), "json"))
    if kind == "compaction":
        return words(block)
    run = kind.removesuffix("_tool_result")
    return fenced(words(block)) if run in (*RUNS, "mcp") and run != kind else ""


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
            if key in value:
                _collect(value[key], found, depth + 1)
        if isinstance(value.get("file_id"), str) and value.get("type") not in ("document", "image", "file"):
            found.append(f"file {value['file_id']}")
        if value.get("return_code"):
            found.append(f"return code {value['return_code']}")
        if isinstance(value.get("source"), dict):
            _collect(value["source"], found, depth + 1)


def _readable(value: Any) -> Any:
    """The JSON value less what is nobody's to read; None where nothing is left."""
    if isinstance(value, dict):
        kept = {
            key: found
            for key, inner in value.items()
            if key not in _BESIDE
            and not key.startswith("encrypted_")
            and (found := _readable(inner)) is not None
        }
        return kept or None
    if isinstance(value, list):
        return [found for inner in value if (found := _readable(inner)) is not None] or None
    return value


def shown(value: Any, path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """(path, block) of the images, and of the documents that are no text, inside a block. path: of the value."""
    if isinstance(value, list):
        return [found for at, inner in enumerate(value) for found in shown(inner, f"{path}[{at}]")]
    if not isinstance(value, dict):
        return []
    source = value.get("source")
    if value.get("type") in ("image", "document") and isinstance(source, dict):
        return [] if source.get("type") == "text" else [(path, value)]
    inner = value.get("content")
    return shown(inner, f"{path}.content" if path else "content") if isinstance(inner, list | dict) else []


def search_result(title: str, source: str, texts: list[str]) -> str:
    """A search result as text: title, source line, content
    (docs/protocols/messages.md#content-parts)."""
    return "\n".join([line for line in (title, source) if line] + ["", *texts])


def compact(value: Any) -> str:
    """Any JSON value as text, keys in their order."""
    return msgspec.json.encode(value).decode()
