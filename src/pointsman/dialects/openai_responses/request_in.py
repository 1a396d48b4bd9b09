"""A Responses request as a neutral one (docs/protocols/requests.md). Pure. Not here: items
(items_in.py), tools (tools_in.py)."""

from __future__ import annotations

from typing import Any

from ...conversation.notes import Notes
from ...conversation.parts import Text
from ...conversation.request import EFFORTS, Request
from ..base import Reading
from ..fields import Fields
from ..openai_request import read_account, read_format
from ..web_search import NAMES as SEARCH_NAMES
from .items_in import Later, read_earlier, read_input
from .references import NEEDS_STORE
from .tools_in import read_tools

NAMES = {
    "max_tokens": "max_output_tokens",
    "effort": "reasoning.effort",
    "summary": "reasoning.summary",
    "format": "text.format",
    "verbosity": "text.verbosity",
    "user": "safety_identifier",
    "cache_key": "prompt_cache_key",
    "cache_auto": "prompt_cache_options",
    "parallel_tools": "parallel_tool_calls",
    "logprobs": "include",
    "Tool.schema": "parameters",
    "Text.citations": "annotations",
    "messages": "input",
    **SEARCH_NAMES,
    "WebSearch.allowed_domains": "filters.allowed_domains",
    "WebSearch.blocked_domains": "filters.blocked_domains",
}
_HINTS = (
    "access_programs", "image", "moderation", "background_options", "prompt_cache_retention", "context_management",
    "max_messages", "personality",
)  # fmt: skip
_SILENT = ("client_metadata",)
"""Of the client program, for its vendor's statistics: means nothing to a model."""


def parse_request(body: dict[str, Any], reading: Reading) -> Request:
    """Raises PointsmanError 400 naming the field by its path."""
    fields, notes = Fields(body), reading.notes
    request = Request(model=fields.need_text("model"), raw=body, include_usage=True)
    for name, advice in NEEDS_STORE.items():
        if fields.any(name) is not None:
            notes.refuse(name, advice)
    if fields.flag("background"):
        notes.refuse("background", "this backend cannot answer later; leave it out and wait for the answer.")
    instructions = fields.text("instructions")
    if instructions:
        request.system.append(Text(instructions, path="instructions"))
    later = Later()
    read_earlier(request, fields, later, reading)
    read_input(request, fields, later, reading)
    _common(request, fields, notes)
    if fields.empty and not later.tools and not later.updates:  # the commonest request of a library
        request.plain = True
        return request
    read_tools(request, fields, later.tools, reading)
    _numbers(request, fields, notes)
    _reasoning(request, fields, notes)
    _text(request, fields, notes)
    _include(request, fields, notes)
    read_account(request, fields, notes)
    _hints(fields, notes)
    fields.close(notes)
    for update in later.updates:
        _update(request, update, notes)
    return request


def _common(request: Request, fields: Fields, notes: Notes) -> None:
    """What most clients say beside their items."""
    request.max_tokens = fields.integer("max_output_tokens", 1)
    request.temperature = fields.number("temperature", 0, 2)
    request.top_p = fields.number("top_p", 0, 1)
    request.stream = bool(fields.flag("stream"))
    if fields.flag("store"):
        notes.drop("store", "this gateway keeps responses for the next turn only")


def _numbers(request: Request, fields: Fields, notes: Notes) -> None:
    request.top_logprobs = fields.integer("top_logprobs", 0)
    request.max_tool_calls = fields.integer("max_tool_calls", 0)
    options = fields.object("stream_options")
    if options is not None:
        options.ignore("include_obfuscation")
        options.close(notes)


def _reasoning(request: Request, fields: Fields, notes: Notes) -> None:
    found = fields.object("reasoning")
    if found is None:
        return
    request.effort = found.choice("effort", EFFORTS)
    summary, older = found.maybe_text("summary"), found.maybe_text("generate_summary")
    request.summary = summary or older
    if older and not summary:
        request.paths["summary"] = found.at("generate_summary")
    for name in ("context", "mode"):
        if found.any(name) not in (None, "auto"):
            notes.drop(found.at(name))
    found.close(notes)


def _text(request: Request, fields: Fields, notes: Notes) -> None:
    found = fields.object("text")
    if found is None:
        return
    request.verbosity = found.choice("verbosity", ("low", "medium", "high"))
    request.format = read_format(found, "format", notes)
    found.close(notes)


def _update(request: Request, update: Fields, notes: Notes) -> None:
    """ "Each setting stays in effect until a later update replaces it"; supplied are "reasoning,
    text, or both". What the last of them says holds for the answer that is asked for."""
    reasoning, text = update.object("reasoning"), update.object("text")
    if reasoning is not None:
        effort = reasoning.choice("effort", EFFORTS)
        if effort is not None:
            request.effort, request.paths["effort"] = effort, reasoning.at("effort")
        reasoning.close(notes)
    if text is not None:
        request.format, request.paths["format"] = read_format(text, "format", notes), text.at("format")
        text.close(notes)
    update.ignore("id", "type")
    update.close(notes)


def _include(request: Request, fields: Fields, notes: Notes) -> None:
    for index, one in enumerate(fields.items("include")):
        if one == "message.output_text.logprobs":
            request.logprobs = True
        elif one != "reasoning.encrypted_content":
            notes.drop(f"include[{index}]")


def _hints(fields: Fields, notes: Notes) -> None:
    if fields.maybe_text("truncation") not in (None, "disabled"):
        notes.drop("truncation")
    for name in _HINTS:
        if fields.any(name) not in (None, [], {}):
            notes.drop(name)
    fields.ignore(*_SILENT)
