"""A neutral request as a Chat Completions body (docs/protocols/requests.md, reasoning.md,
caching.md). Pure and deterministic.

Not here: messages (messages_out.py).
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import msgspec

from ...conversation.parts import ToolKind
from ...conversation.profile import Profile
from ...conversation.request import Request, Tool, WebSearch
from ...jsonschema.rewrite import object_schema
from ...kinds import Protocol
from ..fields import maybe
from ..openai_request import NO_ACCOUNT, account_value, choice_value, format_value, of_account
from ..tool_memory import rendered
from .messages_out import render_messages


def render_request(request: Request, profile: Profile) -> bytes:
    """The body. request: fits the target (translation/adapt.py)."""
    body: dict[str, Any] = {"model": request.model, "messages": render_messages(request, profile)}
    if request.tools:
        body["tools"] = rendered(Protocol.OPENAI_CHAT, request.tools, _tools)
        if request.tool_choice is not None and not request.tool_choice.server:
            body["tool_choice"] = choice_value(request, nested=True)
        if request.parallel_tools is not None:
            body["parallel_tool_calls"] = request.parallel_tools
    if request.max_tokens is not None:
        body[profile.max_tokens_field] = request.max_tokens
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if not request.plain:
        _say_more(body, request, profile)
    elif request.top_p is not None:
        body["top_p"] = request.top_p
    if request.stream:
        body["stream"] = True
        if profile.stream_usage:
            body["stream_options"] = {"include_usage": True}
    return msgspec.json.encode(body)


_FIELDS = ("top_p", "top_k", "seed", "frequency_penalty", "presence_penalty", "logit_bias", "n", "verbosity")
_rare = attrgetter(*_FIELDS, "web_search", "stop")
_NONE = (*(None for _ in _FIELDS), None, ())


def _say_more(body: dict[str, Any], request: Request, profile: Profile) -> None:
    """What is not in conversation.request.PLAIN, but for tools, which stand before it; and top_p, which stands among it."""
    if _rare(request) != _NONE:
        _say_rare(body, request)
    if request.format is not None:
        body["response_format"] = format_value(request.format, nested=True)
    _reasoning(body, request, profile)
    if of_account(request) != NO_ACCOUNT:
        body |= account_value(request, profile)


def _say_rare(body: dict[str, Any], request: Request) -> None:
    """What most requests leave out."""
    body |= maybe({name: getattr(request, name) for name in _FIELDS})
    if request.stop:
        body["stop"] = list(request.stop)
    if request.web_search is not None:
        body["web_search_options"] = _search(request.web_search)


def _tools(tools: list[Tool]) -> list[dict[str, Any]]:
    return [_tool(tool) for tool in tools]


def _tool(tool: Tool) -> dict[str, Any]:
    if tool.kind is ToolKind.CUSTOM:
        grammar = tool.grammar
        form = None
        if grammar is not None:
            inner = {key: value for key, value in grammar.items() if key != "type"}
            form = {"type": "grammar", "grammar": inner}
        inside = maybe({"name": tool.name, "description": tool.description, "format": form})
        return {"type": "custom", "custom": inside}
    inside = maybe(
        {
            "name": tool.name,
            "description": tool.description,
            "parameters": object_schema(tool.schema) if tool.schema is not None else None,
            "strict": tool.strict,
        }
    )
    return {"type": "function", "function": inside}


def _search(found: WebSearch) -> dict[str, Any]:
    """Models that have it here search for every answer, so that no choice names it."""
    place = {"type": "approximate", "approximate": found.location} if found.location else None
    return maybe({"search_context_size": found.context_size, "user_location": place})


def _reasoning(body: dict[str, Any], request: Request, profile: Profile) -> None:
    if request.effort is None:
        return
    if profile.reasoning == "template":
        body["chat_template_kwargs"] = {profile.template_flag: request.effort != "none"}
    else:
        body["reasoning_effort"] = request.effort
