"""What both of OpenAI's chat protocols have alike in a request beside its messages: account fields,
output format, tools, tool choice.

Where Chat nests what Responses writes flat, either form is read. Not here: the parts of messages
(openai_parts.py); what one of the two calls otherwise.
"""

from __future__ import annotations

from collections.abc import Collection
from operator import attrgetter
from typing import Any

from ..conversation.notes import Notes
from ..conversation.parts import CacheMark, ToolKind
from ..conversation.profile import Profile
from ..conversation.request import SEARCH, OutputFormat, Request, Tool, ToolChoice
from .base import Reading
from .fields import Fields, bad, maybe
from .openai_parts import cache_mark
from .web_search import is_search

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
        mode = options.maybe_text("mode")
        if mode == "implicit":
            request.cache_auto = CacheMark(options.maybe_text("ttl"), path=options.path)
        elif options.maybe_text("ttl") == "12h" or mode == "explicit":
            notes.drop(options.path, "the backend's cache has no such setting")
        if options.flag("prewarm"):
            advice = "this backend cannot fill its cache without an answer; leave it out."
            notes.refuse(options.at("prewarm"), advice)
        options.close(notes)


of_account = attrgetter("user", "cache_key", "cache_auto", "service_tier", "metadata")
"""What account_value() tells."""
NO_ACCOUNT = (None,) * 5


def account_value(request: Request, profile: Profile) -> dict[str, Any]:
    """The same for a backend."""
    return maybe(
        {
            "safety_identifier" if profile.safety_id else "user": request.user,
            "prompt_cache_key": request.cache_key,
            "prompt_cache_options": None if request.cache_auto is None else _implicit(request.cache_auto),
            "service_tier": request.service_tier,
            "metadata": request.metadata,
        }
    )


def _implicit(mark: CacheMark) -> dict[str, Any]:
    return maybe({"mode": "implicit", "ttl": "12h" if mark.ttl == "12h" else None})


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
        said = "strict" in inner.value
        made.strict, made.strict_unsaid = (
            (inner.flag("strict") if said else strict),
            bool(strict and not said),
        )
    if inner.flag("defer_loading"):
        reading.notes.drop(inner.at("defer_loading"), "this backend sees all tools from the start")
    inner.close(reading.notes)
    tool.close(reading.notes)
    return made


def _grammar(found: dict[str, Any] | None) -> dict[str, Any] | None:
    if found is None or found.get("type") == "text":
        return None
    inner = found.get("grammar")
    return {"type": "grammar", **inner} if isinstance(inner, dict) else found


def read_choice(choice: Any, *, client_run: Collection[str] | None = None) -> ToolChoice:
    """client_run: types of tools that are functions by another name; any other kind is then one that
    the backend runs. None: such kinds are not known, but for a web search."""
    if isinstance(choice, str):
        if choice not in _MODES:
            bad("tool_choice", "must be auto, required, none, or an object that names a tool.")
        return ToolChoice(_MODES[choice])
    found = Fields(choice, "tool_choice")
    kind = found.need_text("type")
    if kind in _MODES:
        return ToolChoice(_MODES[kind])
    if kind == "allowed_tools":
        return _allowed(found.object(kind) or found, client_run or ())
    if client_run is None and kind not in _CALLED and not is_search(kind):
        bad("tool_choice.type", f"is not a kind of choice that is known: {kind[:60]!r}.")
    name, server = _named_tool(found, kind, client_run or ())
    return ToolChoice("tool", name, server=server)


def _allowed(inner: Fields, client_run: Collection[str]) -> ToolChoice:
    mode = inner.choice("mode", ("auto", "required")) or "auto"
    named = [_named_tool(tool, tool.text("type", "function"), client_run) for tool in inner.objects("tools")]
    functions, others = (
        tuple(name for name, server in named if server is wanted) for wanted in (False, True)
    )
    return ToolChoice(_MODES[mode], None, functions, allowed_server=others)


_CALLED = ("function", "custom", "tool")


def _named_tool(tool: Fields, kind: str, client_run: Collection[str]) -> tuple[str, bool]:
    """(name, does the backend run it?): a function by its name, any other by its type."""
    if kind in _CALLED:
        return (tool.object(kind) or tool).need_text("name"), False
    if is_search(kind):
        return SEARCH, True
    return (kind, False) if kind in client_run else (tool.text("name") or kind, True)


def choice_value(request: Request, *, nested: bool) -> Any:
    """The same for a backend."""
    choice = request.tool_choice
    assert choice is not None
    if choice.mode != "tool":
        return _WORDS[choice.mode]
    if choice.server:
        return {"type": choice.name}
    kind = next((tool.kind.value for tool in request.tools if tool.name == choice.name), "function")
    return _named(kind, {"name": choice.name}, nested=nested)


def _named(kind: str, inner: dict[str, Any], *, nested: bool) -> dict[str, Any]:
    """Chat writes under its type's name what Responses writes beside the type."""
    return {"type": kind, kind: inner} if nested else {"type": kind, **inner}
