"""A Messages request, as its client wrote it, into a neutral one (docs/protocols/requests.md). Not
here: content blocks (content_in.py), tools (tools_in.py). Used only where the target speaks another
protocol: what Anthropic itself would get is passed through untouched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ...conversation.parts import Part, Text
from ...conversation.request import ROLES, Message, OutputFormat, Request, Role, ThinkingMode
from ..base import Reading
from ..fields import Fields, bad
from ..plain_request import TextsBody, texts_of
from ..turn_memory import Turns
from ..web_search import NAMES as SEARCH_NAMES
from .content_in import NO_CHANGES, blocks, mark, text
from .threads import refuse_thread
from .tools_in import read_tools, tool_choice

NAMES = {
    "stop": "stop_sequences",
    "user": "metadata.user_id",
    "effort": "output_config.effort",
    "format": "output_config.format",
    "parallel_tools": "tool_choice.disable_parallel_tool_use",
    "cache_auto": "cache_control",
    "cache_key": "x-claude-code-session-id",
    "summary": "thinking.display",
    "Tool.schema": "input_schema",
    **SEARCH_NAMES,
}
"""Neutral fields that Messages calls otherwise."""

_ATTRIBUTION = "x-anthropic-billing-header:"
_SESSION = b"x-claude-code-session-id"
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_THINKING = ("adaptive", "enabled", "disabled", "between_tools")
_ACCOUNT = ("inference_geo", "billing_policy", "workspace_id")
_DROPPED = (
    "container",
    "context_management",
    "fallbacks",
    "fallback_credit_token",
    "diagnostics",
    "user_profile_id",
)


def parse_request(value: dict[str, Any], reading: Reading) -> Request:
    """Raises PointsmanError 400 that names the field by its path. A missing max_tokens is let through: bodies that are
    only to be counted have none."""
    body = Fields(value)
    request = Request(body.need_text("model"), raw=value)
    request.max_tokens = body.integer("max_tokens", 0)
    request.system = _system(body, reading)
    _messages(body, reading, request)
    request.stream = request.include_usage = body.flag("stream") or False
    request.temperature = body.number("temperature", 0, 2)
    request.top_p = body.number("top_p", 0, 1)
    if body.empty and reading.header(_SESSION) is None:  # the commonest request by far
        request.plain = True
        return request
    read_tools(request, body, reading)
    request.tool_choice, request.parallel_tools = tool_choice(request, body, reading)
    request.stop = _stop(body)
    request.top_k = body.integer("top_k", 0)
    request.thinking = _thinking(body, reading)
    _output_config(body, reading, request)
    _metadata(body, reading, request)
    request.cache_auto = mark(body, reading)
    request.service_tier = _tier(body, reading)
    _vendor_only(body, reading)
    body.close(reading.notes)
    return request


class _MessagesTexts(TextsBody, forbid_unknown_fields=True):
    system: str | None = None


_decode_texts = msgspec.json.Decoder(_MessagesTexts).decode


def plain_request(body: bytes, header: Callable[[bytes], bytes | None]) -> Request | None:
    """See ClientHalf."""
    if header(_SESSION) is not None:
        return None
    found = texts_of(body, _decode_texts, False)
    if found is None:
        return None
    request, system = found
    request.include_usage = request.stream
    if system is not None:
        if not system or system.isspace() or system.startswith(_ATTRIBUTION):
            return None
        request.system.append(Text(system, path="system"))
    return request


def _system(body: Fields, reading: Reading) -> list[Text]:
    """Blocks stay apart: each may carry its own cache mark."""
    value = body.value.get("system")
    if value is None:
        return []
    found: list[Text]
    if isinstance(value, str):
        body.ignore("system")
        found = [Text(value, path="system")] if value else []
    elif isinstance(value, list):
        found = _text_blocks(body.objects("system"), reading)
    else:
        bad("system", "must be a string or a list of text blocks.")
    if found and found[0].text.startswith(_ATTRIBUTION):
        # Claude Code's attribution line means something to Anthropic only, and spoils prefix caches of local servers
        # (docs/protocols/clients.md#attribution-line). Its text, if any follows in the same block,
        # stays.
        rest = found[0].text.partition("\n")[2].lstrip("\n")
        found[:1] = [Text(rest, found[0].cache, path=found[0].path)] if rest else []
    return found


def _text_blocks(items: list[Fields], reading: Reading) -> list[Text]:
    found = []
    for block in items:
        kind = block.need_text("type")
        if kind in ("tool_addition", "tool_removal"):
            reading.notes.refuse(block.path, NO_CHANGES)
        if kind != "text":
            bad(block.at("type"), "must be text in a system prompt.")
        part = text(block, reading)
        part.path = block.path
        found.append(part)
        block.close(reading.notes)
    return found


def _messages(body: Fields, reading: Reading, request: Request) -> None:
    given = body.value.get("messages")
    turns = given if type(given) is Turns else None
    messages = body.any("messages") if turns is not None else body.items("messages")
    if not messages:
        bad("messages", "must be a list of at least one message.")
    for at, one in enumerate(messages):
        if type(one) is Message:
            request.messages.append(one)
            continue
        told = len(reading.notes.warnings)
        message = Fields(one, f"messages[{at}]", body)
        role = message.need_choice("role", ("user", "assistant", "system"))
        if role == "system":
            _system_message(message, reading, request)
        else:
            parts = blocks(message, "content", reading)
            request.messages.append(Message(ROLES[role], parts, path=message.path))
        message.close(reading.notes)
        if turns is not None and role != "system":
            turns.keep(at, request.messages[-1], reading.notes, told)


def _system_message(message: Fields, reading: Reading, request: Request) -> None:
    content = message.value.get("content")
    if isinstance(content, str):
        message.ignore("content")
        texts = [Text(content, path=message.at("content"))] if content else []
    else:
        texts = _text_blocks(message.objects("content"), reading)
    if not request.messages:
        request.system.extend(texts)
    elif texts:
        parts: list[Part] = list(texts)
        request.messages.append(Message(Role.SYSTEM, parts, path=message.path))


def _stop(body: Fields) -> tuple[str, ...]:
    found = body.items("stop_sequences")
    for index, one in enumerate(found):
        if type(one) is not str:
            bad(f"stop_sequences[{index}]", "must be a string.")
    return tuple(found)


def _thinking(body: Fields, reading: Reading) -> ThinkingMode | None:
    fields = body.object("thinking")
    if fields is None:
        return None
    kind = fields.need_choice("type", _THINKING)
    budget = fields.integer("budget_tokens", 0)
    if kind == "enabled" and budget is None:
        bad(fields.at("budget_tokens"), "must be a whole number when thinking is enabled.")
    display = fields.choice("display", ("summarized", "omitted"))
    fields.ignore("block_binding")  # about signatures, which another vendor's model does not make
    fields.close(reading.notes)
    return ThinkingMode(kind, budget, display)


def _output_config(body: Fields, reading: Reading, request: Request) -> None:
    config = body.object("output_config")
    if config is not None:
        request.effort = config.choice("effort", _EFFORTS)
        request.format = _format(config, "format", reading)
        if config.any("task_budget") is not None:
            reading.notes.drop(config.at("task_budget"))
        config.close(reading.notes)
    older = _format(body, "output_format", reading)
    if older is not None and request.format is None:
        request.format, request.paths["format"] = older, "output_format"


def _format(holder: Fields, key: str, reading: Reading) -> OutputFormat | None:
    fields = holder.object(key)
    if fields is None:
        return None
    kind = fields.choice("type", ("json_schema", "text"))
    schema, name = fields.mapping("schema"), fields.maybe_text("name")
    fields.close(reading.notes)
    if kind == "text":
        return None
    if schema is None:
        bad(fields.at("schema"), "must be an object, the JSON Schema of the output.")
    return OutputFormat("json_schema", name, schema, strict=True)  # always enforced in this protocol


def _metadata(body: Fields, reading: Reading, request: Request) -> None:
    fields = body.object("metadata")
    if fields is not None:
        request.user = fields.maybe_text("user_id") or None
        fields.close(reading.notes)
    session = reading.header(_SESSION)
    if session:
        # OpenAI sends requests of one key to one machine (docs/protocols/requests.md#cache-key)
        request.cache_key = session.decode("latin-1")


def _tier(body: Fields, reading: Reading) -> str | None:
    if body.choice("speed", ("standard", "fast")) == "fast":
        reading.notes.drop("speed", "it has another price elsewhere, and is not asked for unseen")
    tier = body.choice("service_tier", ("auto", "standard_only"))
    return "default" if tier == "standard_only" else tier


def _vendor_only(body: Fields, reading: Reading) -> None:
    """docs/protocols/requests.md#fields-for-one-vendor-only: what changes the conversation or the
    account is a 400, hints are told."""
    notes = reading.notes
    if body.any("compaction") is not None:
        notes.refuse("compaction", "this backend cannot compact a conversation; leave it out for this model.")
    if body.any("thread") is not None:  # whatever it is: the client goes on without
        refuse_thread()
    if body.items("mcp_servers"):
        notes.refuse(
            "mcp_servers", "this backend runs no MCP servers; connect them in the client for this model."
        )
    for key in _ACCOUNT:
        if body.any(key) is not None:
            notes.refuse(key, "it speaks of an Anthropic account; leave it out for this model.")
    for key in _DROPPED:
        if body.any(key) is not None:
            notes.drop(key)
