"""A request made to fit its target: names, ids, tool kinds, sampling and sizes, by what the Profile says the target takes.

Pure and deterministic: the same request for the same target gives the same result. The way back, for the answer, is
adaptation.py. Not here: how anything is written in a protocol.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec

from ..conversation.notes import Notes
from ..conversation.parts import Audio, Document, Image, Part, ToolCall, ToolKind, ToolResult
from ..conversation.profile import Profile
from ..conversation.request import Message, Request, Tool, ToolChoice
from ..jsonschema.rewrite import safe_for_grammar
from .adaptation import Adaptation

_SEARCHES = ("web_search", "web_search_preview")
_USER_MAX = 128
"""OpenAI's limit of `safety_identifier`; Claude Code's ids are longer (PROTOCOLS.md 3.1)."""

FORCED = 'tool_choice: type "tool" and "any" are not supported for this model.'
"""The vendor's own wording, which clients know (PROTOCOLS.md 5.2)."""


def adapt(request: Request, profile: Profile, notes: Notes) -> tuple[Request, Adaptation]:
    """The request for this target, and how to read its answer. Raises PointsmanError 400 for what it cannot take."""
    changes: dict[str, Any] = {"model": profile.model or request.model}
    adaptation = Adaptation()
    _sizes(request, profile, notes, changes)
    _sampling(request, profile, notes, changes)
    _account(request, profile, notes, changes)
    _format(request, profile, notes, changes)
    _stops(request, profile, changes, adaptation)
    if request.tools or request.server_tools or request.tool_choice:
        _tools(request, profile, notes, changes, adaptation)
    messages = _messages(request, profile, notes, adaptation)
    if messages is not None:
        changes["messages"] = messages
    return msgspec.structs.replace(request, **changes), adaptation


# -- sizes, sampling, account


def _sizes(request: Request, profile: Profile, notes: Notes, changes: dict[str, Any]) -> None:
    asked = request.max_tokens
    if asked is None:
        return
    if profile.max_tokens_limit is not None and asked > profile.max_tokens_limit:
        notes.change("max_tokens", f"the model gives at most {profile.max_tokens_limit} tokens")
        changes["max_tokens"] = profile.max_tokens_limit
    elif asked < profile.min_output_tokens:
        notes.change("max_tokens", f"the backend refuses less than {profile.min_output_tokens}")
        changes["max_tokens"] = profile.min_output_tokens


def _sampling(request: Request, profile: Profile, notes: Notes, changes: dict[str, Any]) -> None:
    temperature = request.temperature
    if temperature is not None:
        if profile.sampling in ("default_only", "none"):
            changes["temperature"] = None
            if temperature != 1:
                notes.drop("temperature", "the model takes only its default")
        elif temperature > profile.temperature_max:
            changes["temperature"] = profile.temperature_max
            notes.change("temperature", f"the backend takes at most {profile.temperature_max}")
    if request.top_p is not None:
        if profile.sampling in ("default_only", "none"):
            changes["top_p"] = None
            if request.top_p != 1:
                notes.drop("top_p", "the model takes only its default")
        elif profile.sampling == "one_of" and temperature is not None:
            changes["top_p"] = None
            notes.drop("top_p", "the model takes temperature or top_p, not both")
    if request.top_k is not None and (not profile.top_k or profile.sampling in ("default_only", "none")):
        changes["top_k"] = None
        notes.drop("top_k", "the backend does not take it")
    if not profile.penalties:
        for name in ("seed", "frequency_penalty", "presence_penalty", "logit_bias"):
            value = getattr(request, name)
            if value is not None:
                changes[name] = None
                if value not in (0, {}) or name == "seed":
                    notes.drop(name, "the backend does not take it")


def _account(request: Request, profile: Profile, notes: Notes, changes: dict[str, Any]) -> None:
    if request.user is not None and len(request.user) > _USER_MAX and profile.safety_id:
        changes["user"] = hashlib.sha256(request.user.encode()).hexdigest()
    if request.cache_key is not None and not profile.safety_id:
        changes["cache_key"] = None
        if notes.path("cache_key") in request.raw:  # else it came from a header that every request carries
            notes.drop("cache_key", "the backend does not know it")
    tier = request.service_tier
    if tier is not None and tier not in profile.service_tiers:
        changes["service_tier"] = None
        if tier != "auto":
            notes.drop("service_tier", "the backend does not know this tier")
    if request.metadata is not None and not profile.metadata:
        changes["metadata"] = None
        if request.metadata:
            notes.drop("metadata", "the backend does not keep it")
    if request.verbosity is not None and not profile.verbosity:
        changes["verbosity"] = None
        if request.verbosity != "medium":
            notes.drop("verbosity", "the backend does not take it")


def _format(request: Request, profile: Profile, notes: Notes, changes: dict[str, Any]) -> None:
    found = request.format
    if found is None or found.schema is None or not profile.safe_schemas:
        return
    schema, changed = safe_for_grammar(found.schema)
    if changed:
        notes.change("format", "its schema was reduced to what grammar compilers stand")
        changes["format"] = msgspec.structs.replace(found, schema=schema)


def _stops(request: Request, profile: Profile, changes: dict[str, Any], adaptation: Adaptation) -> None:
    told = tuple(one for one in request.stop if one)
    if len(told) > profile.stop:  # all of them, so that which one matched is known
        adaptation.stop = told
        told = ()
    if told != request.stop:
        changes["stop"] = told


# -- tools


def _tools(
    request: Request, profile: Profile, notes: Notes, changes: dict[str, Any], adaptation: Adaptation
) -> None:
    tools = [_tool(tool, profile, notes, adaptation) for tool in request.tools]
    choice = request.tool_choice
    if choice is not None and choice.allowed is not None:
        wanted = {adaptation.upstream_name(name) for name in choice.allowed}
        if {tool.name for tool in tools} - wanted:
            notes.emulate(
                "tool_choice", "the other tools are left out, which changes what the backend has cached"
            )
            tools = [tool for tool in tools if tool.name in wanted]
        choice = ToolChoice(choice.mode, choice.name)
    changes["tools"] = tools
    changes["server_tools"] = _server_tools(request, profile, notes)
    if choice is not None:
        if choice.name is not None:
            choice = ToolChoice(choice.mode, adaptation.upstream_name(choice.name))
        if not tools and not changes["server_tools"]:
            choice = None  # "tool_choice without tools toward OpenAI is a 400: drop it" (PROTOCOLS.md 5.2)
        elif choice.mode in ("any", "tool") and not profile.forced_tools:
            notes.refuse("tool_choice", FORCED)
        changes["tool_choice"] = choice
    if request.parallel_tools is not None and not tools:
        changes["parallel_tools"] = None


def _tool(tool: Tool, profile: Profile, notes: Notes, adaptation: Adaptation) -> Tool:
    name = adaptation.shorten(tool.name, tool.namespace, profile)
    if tool.kind is ToolKind.CUSTOM and not profile.custom_tools:
        adaptation.wrap(name)
        return Tool(name, _with_grammar(tool), _WRAPPED, path=tool.path)
    if tool.strict and not profile.strict_tools:
        notes.drop(notes.inside(tool, "strict"), "the backend does not know it")
        tool = msgspec.structs.replace(tool, strict=None)
    schema = tool.schema
    if schema is not None and profile.safe_schemas:
        schema, changed = safe_for_grammar(schema)
        if changed:
            notes.change(
                notes.inside(tool, "schema"),
                "its schema was reduced to what grammar compilers stand",
            )
    if name == tool.name and schema is tool.schema and not (tool.namespace and not profile.namespaces):
        return tool
    namespace = tool.namespace if profile.namespaces else None
    return msgspec.structs.replace(tool, name=name, schema=schema, namespace=namespace)


_WRAPPED: dict[str, Any] = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "The whole input of the tool, as free text."}},
    "required": ["input"],
    "additionalProperties": False,
}


def _with_grammar(tool: Tool) -> str | None:
    grammar = tool.grammar or {}
    definition = grammar.get("definition")
    if not isinstance(definition, str):
        return tool.description
    syntax = grammar.get("syntax") or "grammar"
    text = f"The `input` must match this {syntax}:\n{definition}"
    return f"{tool.description}\n\n{text}" if tool.description else text


def _server_tools(request: Request, profile: Profile, notes: Notes) -> list[Any]:
    kept = []
    for tool in request.server_tools:
        plain = re.sub(r"_\d{8}$|_\d{4}_\d{2}_\d{2}$", "", tool.type)
        if plain in profile.server_tools:
            kept.append(tool)
        elif plain in _SEARCHES:
            notes.drop(tool.path or tool.type, "the backend has no web search")
        else:
            notes.refuse(
                tool.path or "tools",
                f"the backend cannot run the tool type '{tool.type}'; leave it out for this model.",
            )
    return kept


# -- messages


def _messages(
    request: Request, profile: Profile, notes: Notes, adaptation: Adaptation
) -> list[Message] | None:
    """The history with what the target does not take changed; None where nothing was."""
    plain = adaptation.identity and profile.images and profile.documents
    if plain and profile.tool_id == "any":
        return None
    changed = False
    messages = []
    for message in request.messages:
        parts: list[Part] = []
        for part in message.parts:
            kind = type(part)
            new = part
            if kind is ToolCall or kind is ToolResult:
                new = _call(part, profile, adaptation)  # type: ignore[arg-type]
            elif kind is Image or kind is Document or kind is Audio:
                _refuse_kind(part, profile, notes)
            changed = changed or new is not part
            parts.append(new)
        messages.append(msgspec.structs.replace(message, parts=parts))
    return messages if changed else None


def _call(part: ToolCall | ToolResult, profile: Profile, adaptation: Adaptation) -> ToolCall | ToolResult:
    if isinstance(part, ToolResult):
        call_id = adaptation.id_for(part.call_id, profile.tool_id)
        kind = part.kind if profile.custom_tools else ToolKind.FUNCTION
        if call_id == part.call_id and kind is part.kind:
            return part
        return msgspec.structs.replace(part, call_id=call_id, kind=kind)
    call_id = adaptation.id_for(part.id, profile.tool_id)
    name = adaptation.shorten(part.name, part.namespace, profile)
    if part.kind is ToolKind.CUSTOM and not profile.custom_tools:
        arguments = msgspec.json.encode({"input": part.arguments}).decode()
        return ToolCall(call_id, name, arguments, cache=part.cache, path=part.path)
    if call_id == part.id and name == part.name and (part.namespace is None or profile.namespaces):
        return part
    namespace = part.namespace if profile.namespaces else None
    return msgspec.structs.replace(part, id=call_id, name=name, namespace=namespace)


def _refuse_kind(part: Part, profile: Profile, notes: Notes) -> None:
    """An image that cannot go is an error, never nothing (FIELD.md 1.4)."""
    if isinstance(part, Image) and not profile.images:
        notes.refuse(part.path, "this model takes no images; leave it out or use a model that does.")
    if isinstance(part, Document) and not profile.documents and part.text is None and part.parts is None:
        notes.refuse(
            part.path, "this model takes no files; send their text instead, or use a model that does."
        )
