"""What both of OpenAI's chat protocols have alike in a request beside its messages: account fields,
output format, tools, tool choice.

Where Chat nests what Responses writes flat, either form is read. Not here: the parts of messages
(openai_parts.py); what one of the two calls otherwise.
"""

from __future__ import annotations

from typing import Any

from ..conversation.notes import Notes
from ..conversation.parts import CacheMark, ToolKind
from ..conversation.profile import Profile
from ..conversation.request import OutputFormat, Request, Tool, ToolChoice
from .base import Reading
from .fields import Fields, bad, maybe
from .openai_parts import cache_mark

_MODES = {"auto": "auto", "required": "any", "any": "any", "none": "none"}
_WORDS = {"auto": "auto", "any": "required", "none": "none"}


def read_account(request: Request, fields: Fields, notes: Notes) -> None:
    """Who asks, what is billed, and the hints for its caches."""
    identifier, user = fields.maybe_text("safety_identifier"), fields.maybe_text("user")
    request.user = identifier or user
    if user and not identifier:
        request.paths["user"] = "user"
    request.cache_key = fields.maybe_text("prompt_cache_key")
    request.service_tier = fields.maybe_text("service_tier")
    request.metadata = fields.mapping("metadata")
    options = fields.object("prompt_cache_options")
    if options is not None:
        if options.maybe_text("mode") == "implicit":
            request.cache_auto = CacheMark(options.maybe_text("ttl"))
        options.ignore("ttl", "prewarm")
        options.close(notes)


def account_value(request: Request, profile: Profile) -> dict[str, Any]:
    """The same for a backend."""
    return maybe(
        {
            "safety_identifier" if profile.safety_id else "user": request.user,
            "prompt_cache_key": request.cache_key,
            "prompt_cache_options": None if request.cache_auto is None else {"mode": "implicit"},
            "service_tier": request.service_tier,
            "metadata": request.metadata,
        }
    )


def read_format(holder: Fields, key: str, notes: Notes) -> OutputFormat | None:
    """The output format; None for plain text."""
    found = holder.object(key)
    if found is None:
        return None
    kind = found.choice("type", ("text", "json_object", "json_schema"))
    form = OutputFormat(kind) if kind == "json_object" else None
    if kind == "json_schema":
        inner = found.object("json_schema") or found
        if inner is found and "schema" not in found.value:
            bad(found.at("json_schema"), "must be an object with the JSON Schema of the output.")
        schema = inner.mapping("schema") or {}
        strict, description = inner.flag("strict"), inner.maybe_text("description")
        form = OutputFormat(kind, inner.maybe_text("name"), schema, strict, description)
        inner.close(notes)
    found.close(notes)
    return form


def format_value(found: OutputFormat, *, nested: bool) -> dict[str, Any]:
    """The same for a backend."""
    if found.type == "json_object":
        return {"type": "json_object"}
    inner = {
        "name": found.name or "output",  # required here; Messages has none
        "description": found.description,
        "schema": found.schema or {},
        "strict": found.strict,
    }
    return _named("json_schema", maybe(inner), nested=nested)


def read_tool(
    tool: Fields, kind: str, reading: Reading, *, strict: bool | None = None, namespace: str | None = None
) -> Tool:
    """kind: function or custom. strict: of a function that does not say."""
    inner = tool.object(kind) or tool
    name, description = inner.need_text("name"), inner.maybe_text("description")
    made = Tool(name, description, namespace=namespace, path=inner.path, cache=cache_mark(tool, reading))
    if kind == "custom":
        made.kind, made.grammar = ToolKind.CUSTOM, _grammar(inner.mapping("format"))
    else:
        made.schema = inner.mapping("parameters")
        made.strict = inner.flag("strict") if "strict" in inner.value else strict
    inner.ignore("defer_loading")
    inner.close(reading.notes)
    tool.close(reading.notes)
    return made


def _grammar(found: dict[str, Any] | None) -> dict[str, Any] | None:
    if found is None or found.get("type") == "text":
        return None
    inner = found.get("grammar")
    return {"type": "grammar", **inner} if isinstance(inner, dict) else found


def read_choice(choice: Any, *, hosted: bool) -> ToolChoice:
    """hosted: a kind that is none of these names a tool that the backend runs."""
    if isinstance(choice, str):
        if choice not in _MODES:
            bad("tool_choice", "must be auto, required, none, or an object that names a tool.")
        return ToolChoice(_MODES[choice])
    found = Fields(choice, "tool_choice")
    kind = found.need_text("type")
    if kind in _MODES:
        return ToolChoice(_MODES[kind])
    if kind in ("function", "custom", "tool"):
        return ToolChoice("tool", (found.object(kind) or found).need_text("name"))
    if kind == "allowed_tools":
        inner = found.object(kind) or found
        mode = inner.choice("mode", ("auto", "required")) or "auto"
        return ToolChoice(_MODES[mode], None, tuple(map(_name_of, inner.objects("tools"))))
    if not hosted:
        bad("tool_choice.type", f"is not a kind of choice that is known: {kind[:60]!r}.")
    return ToolChoice("tool", kind)


def _name_of(tool: Fields) -> str:
    """Of a function; a tool that the backend runs is named by its type."""
    kind = tool.text("type", "function")
    if kind in ("function", "custom"):
        return (tool.object(kind) or tool).need_text("name")
    return tool.text("name") or kind


def choice_value(request: Request, *, nested: bool) -> Any:
    """The same for a backend."""
    choice = request.tool_choice
    assert choice is not None
    if choice.mode != "tool":
        return _WORDS[choice.mode]
    kind = next((tool.kind.value for tool in request.tools if tool.name == choice.name), "function")
    return _named(kind, {"name": choice.name}, nested=nested)


def _named(kind: str, inner: dict[str, Any], *, nested: bool) -> dict[str, Any]:
    """Chat writes under its type's name what Responses writes beside the type."""
    return {"type": kind, kind: inner} if nested else {"type": kind, **inner}
