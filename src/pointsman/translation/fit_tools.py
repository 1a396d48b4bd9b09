"""Tools, the backend's own ones and the choice among them made to fit (docs/protocols/tools.md).
See adapt.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from ..conversation.known import KnownList
from ..conversation.notes import Notes, Told
from ..conversation.parts import ToolKind
from ..conversation.profile import Profile
from ..conversation.request import SEARCH, Request, Tool, ToolChoice
from ..dialects.code_runs import in_words_of
from ..jsonschema.rewrite import (
    Room,
    Unsupported,
    for_anthropic,
    is_openai_strict,
    object_schema,
    safe_for_grammar,
    with_items,
)
from .adaptation import Adaptation, ToolNames

FORCED = 'tool_choice: type "tool" and "any" are not supported for this model.'
"""The vendor's own wording, which clients know (docs/protocols/tools.md#forced-tools)."""


def fit_tools(made: Request, profile: Profile, notes: Notes, adaptation: Adaptation, room: Room) -> None:
    """Changes `made`. room: of the request's strict schemas. Raises PointsmanError 400 for a tool or
    a choice that the target does not take."""
    if made.web_search is not None:
        adaptation.reserve(SEARCH)
    if made.tools:
        _client_tools(made, profile, notes, adaptation, room)
    if made.server_tools:
        _server_tools(made, profile, notes)
    if made.web_search is not None and SEARCH not in profile.server_tools:
        notes.drop(made.web_search.path or "web_search", "the backend has no web search")
        made.web_search = None
    searches = made.web_search is not None
    if made.max_tool_calls is not None and profile.max_tool_calls == "searches" and not searches:
        notes.drop("max_tool_calls")
        made.max_tool_calls = None
    if made.tool_choice is not None:
        made.tool_choice = _choice(made, made.tool_choice, profile, notes, adaptation)
    if made.parallel_tools is not None and not _has_tools(made):
        made.parallel_tools = None


def _server_tools(made: Request, profile: Profile, notes: Notes) -> None:
    renamed: dict[str | None, str] = {}
    tools = []
    for tool in made.server_tools:
        if tool.kind not in profile.server_tools:
            why = f"the backend cannot run the tool type '{tool.type}'; leave it out for this model."
            notes.refuse(tool.path, why)
        fitted = in_words_of(tool, profile.protocol, notes)
        renamed |= {tool.name: fitted.name, tool.type: fitted.name}
        tools.append(fitted)
    made.server_tools = tools
    choice = made.tool_choice
    if choice is not None and (choice.server or choice.allowed_server):
        name = renamed.get(choice.name, choice.name) if choice.server else choice.name
        allowed = tuple(renamed.get(one, one) for one in choice.allowed_server)
        made.tool_choice = msgspec.structs.replace(choice, name=name, allowed_server=allowed)


def _has_tools(made: Request) -> bool:
    return bool(made.tools or made.server_tools or made.web_search is not None)


def _choice(
    made: Request, choice: ToolChoice, profile: Profile, notes: Notes, adaptation: Adaptation
) -> ToolChoice | None:
    """None: there is nothing to choose from, or the tool that it names was left out."""
    if choice.allowed is not None:
        _only(made, choice.allowed, choice.allowed_server, notes, adaptation)
    if not _has_tools(made):  # "tool_choice without tools toward OpenAI is a 400"
        if choice.mode in ("any", "tool"):
            notes.drop("tool_choice", "there is no tool to choose")
        return None
    if choice.server and choice.name not in _server_names(made):
        notes.drop("tool_choice", "the tool that it names is not there")
        return None
    if choice.mode in ("any", "tool") and not profile.forced_tools:
        notes.refuse("tool_choice", FORCED)
    name = choice.name
    if name is not None and not choice.server:
        name = adaptation.upstream_name(name)
    return ToolChoice(choice.mode, name, server=choice.server)


def _server_names(made: Request) -> set[str]:
    names = {tool.name for tool in made.server_tools}
    return names | {SEARCH} if made.web_search is not None else names


def _only(
    made: Request, allowed: tuple[str, ...], server: tuple[str, ...], notes: Notes, adaptation: Adaptation
) -> None:
    """Leave out all tools but these."""
    wanted = {adaptation.upstream_name(name) for name in allowed}
    kept = [tool for tool in made.tools if tool.name in wanted]
    others = [tool for tool in made.server_tools if tool.name in server]
    search = made.web_search if SEARCH in server else None
    before = (len(made.tools), len(made.server_tools), made.web_search)
    if (len(kept), len(others), search) != before:
        why = "the other tools are left out, which changes what the backend has cached"
        notes.emulate("tool_choice", why)
        made.tools, made.server_tools, made.web_search = kept, others, search


# -- the client's tools


def _client_tools(made: Request, profile: Profile, notes: Notes, adaptation: Adaptation, room: Room) -> None:
    """The same tools for the same target, with the same room left for strict ones, are made to fit once."""
    tools = made.tools
    if type(tools) is not KnownList or notes.strict:
        made.tools = _fitted(tools, profile, notes, adaptation, room)
        return

    def make() -> _Fitted:
        recorder, names, left = notes.recorder(), Adaptation(), room.copy()
        if reserved:
            names.reserve(SEARCH)
        fitted = _fitted(tools, profile, recorder, names, left)
        same = all(one is other for one, other in zip(fitted, tools, strict=True))
        return _Fitted(tools if same else KnownList(fitted), tuple(recorder.told), names.of_tools(), left)

    reserved = made.web_search is not None
    found = tools.once((profile, reserved, room.optional, room.unions), make)
    notes.replay(found.told)
    adaptation.take(found.names)
    room.optional, room.unions = found.room.optional, found.room.unions
    made.tools = found.tools


@dataclass(frozen=True, slots=True)
class _Fitted:
    """Known tools as one target takes them. told: their losses. room: what they left."""

    tools: KnownList[Tool]
    told: tuple[Told, ...]
    names: ToolNames
    room: Room


def _fitted(
    given: list[Tool], profile: Profile, notes: Notes, adaptation: Adaptation, room: Room
) -> list[Tool]:
    tools = []
    strict, most = 0, profile.strict_tools_max
    for tool in given:
        left = room if most is None or strict < most else None
        fitted = _tool(tool, profile, notes, adaptation, left)
        strict += bool(fitted.strict)
        tools.append(fitted)
    return tools


def _tool(tool: Tool, profile: Profile, notes: Notes, adaptation: Adaptation, room: Room | None) -> Tool:
    """room: None where no more tools can be strict."""
    name = adaptation.shorten(tool.name, tool.namespace, profile)
    if tool.kind is ToolKind.CUSTOM:
        if not profile.custom_tools:
            adaptation.wrap(name)
            said = _with_grammar(tool, tool.description if profile.namespaces else _with_group(tool))
            return Tool(name, said, WRAPPED, cache=tool.cache, path=tool.path)
        schema, strict = tool.schema, tool.strict
    else:
        schema, strict = _schema(tool, profile, notes, adaptation, room)
    changes: dict[str, Any] = {}
    if not profile.namespaces and tool.namespace is not None:
        changes = {"namespace": None, "namespace_description": None, "description": _with_group(tool)}
    if (name, strict) == (tool.name, tool.strict) and schema is tool.schema and not changes:
        return tool
    return msgspec.structs.replace(tool, name=name, schema=schema, strict=strict, **changes)


def _schema(
    tool: Tool, profile: Profile, notes: Notes, adaptation: Adaptation, room: Room | None
) -> tuple[dict[str, Any] | None, bool | None]:
    """The schema, and whether it is enforced strictly."""
    schema, strict = tool.schema, tool.strict
    if strict and not (profile.strict_tools and room is not None):
        notes.drop(notes.inside(tool, "strict"), "the backend does not know it, or not for so many tools")
        strict = None
    if schema is not None and profile.safe_schemas:
        safe, changed = safe_for_grammar(schema)
        if changed:
            notes.change(
                notes.inside(tool, "schema"), "its schema was reduced to what grammar compilers stand"
            )
            adaptation.rewritten[tool.name, tool.namespace] = schema
            schema = safe
    if strict and profile.schema_subset == "closed":
        try:
            schema, rewritten = for_anthropic(object_schema(schema), room)
        except Unsupported:
            notes.drop(notes.inside(tool, "strict"), "its schema cannot be enforced there")
            return schema, None
        if rewritten:
            adaptation.rewritten.setdefault((tool.name, tool.namespace), tool.schema or {})
            notes.change(tool.path, "constraints its grammar does not know were put into descriptions")
    if schema is not None and profile.schema_subset == "required" and not profile.safe_schemas:
        schema = with_items(schema)
    if strict and profile.schema_subset == "required" and not is_openai_strict(schema or {}):
        # Strict needs every property required there, elsewhere not.
        if not tool.strict_unsaid:
            notes.change(notes.inside(tool, "strict"), "its schema cannot be enforced strictly there")
        strict = False
    return schema, strict


WRAPPED: dict[str, Any] = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "The whole input of the tool, as free text."}},
    "required": ["input"],
    "additionalProperties": False,
}


def _with_group(tool: Tool) -> str | None:
    """Where groups are unknown, what is said of one is said with its first tool."""
    if not tool.namespace_description:
        return tool.description
    text = f"(Of all tools whose names begin with {tool.namespace}: {tool.namespace_description})"
    return f"{tool.description}\n\n{text}" if tool.description else text


def _with_grammar(tool: Tool, description: str | None) -> str | None:
    grammar = tool.grammar or {}
    definition = grammar.get("definition")
    if not isinstance(definition, str):
        return description
    syntax = grammar.get("syntax") or "grammar"
    text = f"The `input` must match this {syntax}:\n{definition}"
    return f"{description}\n\n{text}" if description else text
