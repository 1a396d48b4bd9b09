"""A Chat Completions request as a neutral one (docs/protocols/requests.md). Pure. Not here:
messages (messages_in.py), tools.

Vendors' extras that clients send to everybody (`thinking`, `cache_control`, `top_k`, `reasoning`) are understood.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ...conversation.notes import Notes
from ...conversation.parts import CacheMark
from ...conversation.request import EFFORTS, Request, ThinkingMode
from ..base import Reading
from ..fields import Fields
from ..openai_request import read_account, read_format
from ..plain_request import TextsBody, texts_of
from ..web_search import NAMES as SEARCH_NAMES
from .messages_in import read_messages
from .tools_in import read_tools

NAMES = {
    "max_tokens": "max_completion_tokens",
    "effort": "reasoning_effort",
    "format": "response_format",
    "user": "safety_identifier",
    "cache_key": "prompt_cache_key",
    "cache_auto": "prompt_cache_options",
    "parallel_tools": "parallel_tool_calls",
    "web_search": "web_search_options",
    "summary": "reasoning.summary",
    "Image.detail": "image_url.detail",
    "Tool.schema": "parameters",
    "Text.citations": "annotations",
    "OutputFormat.description": "json_schema.description",
    **SEARCH_NAMES,
}
_HINTS = ("prediction", "moderation", "prompt_cache_retention", "store")


def parse_request(body: dict[str, Any], reading: Reading) -> Request:
    """Raises PointsmanError 400 naming the field by its path."""
    fields, notes = Fields(body), reading.notes
    request = Request(model=fields.need_text("model"), raw=body)
    messages = fields.any("messages")
    if messages is None:  # Cursor posts Responses' `input` here (docs/protocols/clients.md#cursor)
        messages = _as_messages(fields.any("input"))
    read_messages(request, messages, fields, reading)
    request.stream = bool(fields.flag("stream"))
    _common(request, fields)
    if fields.empty:  # the commonest request by far
        request.plain = True
        return request
    read_tools(request, fields, reading)
    _numbers(request, fields)
    _reasoning(request, fields, notes)
    request.format = read_format(fields, "response_format", notes)
    read_account(request, fields, notes)
    _hints(request, fields, notes)
    _shape(request, fields, notes)
    fields.close(notes)
    return request


class _ChatTexts(TextsBody, forbid_unknown_fields=True):
    max_completion_tokens: int | None = None


_decode_texts = msgspec.json.Decoder(_ChatTexts).decode


def plain_request(body: bytes, header: Callable[[bytes], bytes | None]) -> Request | None:
    """See ClientHalf."""
    found = texts_of(body, _decode_texts, True)
    if found is None:
        return None
    request, newer = found
    older = request.max_tokens
    if newer is not None:
        request.max_tokens = newer
        return None if older is not None or newer < 1 else request
    if older is not None:
        request.paths = {"max_tokens": "max_tokens"}
        return None if older < 1 else request
    return request


def _as_messages(value: Any) -> Any:
    return [{"role": "user", "content": value}] if isinstance(value, str) else value


def _common(request: Request, fields: Fields) -> None:
    """What most clients say beside their messages."""
    newer, older = fields.integer("max_completion_tokens", 1), fields.integer("max_tokens", 1)
    request.max_tokens = newer if newer is not None else older
    if newer is None and older is not None:
        request.paths["max_tokens"] = "max_tokens"
    request.temperature = fields.number("temperature", 0, 2)
    request.top_p = fields.number("top_p", 0, 1)


def _numbers(request: Request, fields: Fields) -> None:
    request.top_k = fields.integer("top_k")
    request.seed = fields.integer("seed")
    request.frequency_penalty = fields.number("frequency_penalty", -2, 2)
    request.presence_penalty = fields.number("presence_penalty", -2, 2)
    request.logit_bias = fields.mapping("logit_bias")
    stop = fields.any("stop")
    if isinstance(stop, str):
        stop = [stop]
    if stop is not None:
        listed = Fields({"stop": stop}).items("stop")
        request.stop = tuple(
            Fields({f"stop[{at}]": one}).text(f"stop[{at}]") for at, one in enumerate(listed)
        )


def _reasoning(request: Request, fields: Fields, notes: Notes) -> None:
    request.effort = fields.choice("reasoning_effort", EFFORTS)
    reasoning = fields.object("reasoning")  # OpenRouter's form
    if reasoning is not None:
        if request.effort is None:
            request.effort = reasoning.choice("effort", EFFORTS)
            request.paths["effort"] = reasoning.at("effort")
        request.summary = reasoning.maybe_text("summary")
        budget = reasoning.integer("max_tokens", 1)
        if budget is not None:
            request.thinking = ThinkingMode("enabled", budget)
            request.paths["thinking"] = reasoning.at("max_tokens")
        if reasoning.flag("enabled") is False:
            request.effort, request.paths["effort"] = "none", reasoning.at("enabled")
        reasoning.ignore("exclude")
        reasoning.close(notes)
    thinking = fields.object("thinking")  # Anthropic's form
    if thinking is not None:
        kind = thinking.choice("type", ("adaptive", "enabled", "disabled", "between_tools"))
        budget, display = thinking.integer("budget_tokens", 1), thinking.maybe_text("display")
        if kind is not None:
            request.thinking = ThinkingMode(kind, budget, display)
            request.paths.pop("thinking", None)
        thinking.close(notes)
    request.verbosity = fields.choice("verbosity", ("low", "medium", "high"))


def _hints(request: Request, fields: Fields, notes: Notes) -> None:
    mark = fields.object("cache_control")
    if mark is not None:
        mark.ignore("type")
        request.cache_auto = CacheMark(mark.maybe_text("ttl"), path=mark.path)
        request.paths["cache_auto"] = "cache_control"
        mark.close(notes)
    for name in _HINTS:
        if fields.any(name) not in (None, False):
            notes.drop(name)


def _shape(request: Request, fields: Fields, notes: Notes) -> None:
    options = fields.object("stream_options")
    if options is not None:
        request.include_usage = bool(options.flag("include_usage"))
        options.ignore("include_obfuscation")
        options.close(notes)
    request.n = fields.integer("n", 1)
    request.logprobs = fields.flag("logprobs")
    request.top_logprobs = fields.integer("top_logprobs", 0)
    modalities = fields.items("modalities")
    audio = fields.mapping("audio")
    if audio is not None or any(one != "text" for one in modalities):
        name = "audio" if audio is not None else "modalities"
        notes.refuse(name, "this backend answers in text only; leave audio out.")
