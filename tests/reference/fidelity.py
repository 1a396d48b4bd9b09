"""What becomes of every request field in every pair of protocols, by doing it. pages.py writes it down.

A field is sent alone on top of a small request. mapped: the backend gets it (its body differs, nothing is told). changed,
emulated, dropped: told in x-pointsman-warnings. refused: a 400. silent: means nothing to a model, left out without a word.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import msgspec

from pointsman.conversation.notes import Notes
from pointsman.dialects.capsule import Capsules
from pointsman.dialects.registry import DIALECTS
from pointsman.errors import PointsmanError
from pointsman.kinds import Protocol
from pointsman.providers.profiles import profile_for
from pointsman.routing.specs import BackendSpec
from pointsman.translation.adapt import adapt
from pointsman.translation.crossing import Asked, Crossing
from pointsman.upstream.backend import Backend
from pointsman.upstream.candidates import needs_of, translated_to
from pointsman.wire.key_mask import KeyMask

from .nested import CHAT, HISTORY, INSIDE, MESSAGES, PICTURE, RESPONSES, SCHEMA, Pair

TITLES = {CHAT: "Chat Completions", RESPONSES: "Responses", MESSAGES: "Messages"}
TARGETS: tuple[tuple[str, Protocol, BackendSpec, str], ...] = (
    ("OpenAI, Chat (gpt-4.1)", CHAT, BackendSpec("openai", "openai", "", "https://api.openai.com", stream_usage=True), "gpt-4.1"),
    ("OpenAI, Responses (gpt-5.6)", RESPONSES, BackendSpec("openai", "openai", "", "https://api.openai.com"), "gpt-5.6"),
    ("Anthropic (claude-sonnet-4-5)", MESSAGES, BackendSpec("anthropic", "anthropic", "", "https://api.anthropic.com"), "claude-sonnet-4-5"),
    ("Anthropic (claude-opus-5-5)", MESSAGES, BackendSpec("anthropic", "anthropic", "", "https://api.anthropic.com"), "claude-opus-5-5"),
    ("local server, Chat", CHAT, BackendSpec("local/box", "local", "box", "http://127.0.0.1:8080"), "llama"),
)  # fmt: skip


def said(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


FUNCTION = {"name": "f", "description": "d", "parameters": SCHEMA}
CHAT_TOOL = {"tools": [{"type": "function", "function": FUNCTION}]}
FLAT_TOOL = {"tools": [{"type": "function", **FUNCTION}]}
OWN_TOOL = {"tools": [{"name": "f", "description": "d", "input_schema": SCHEMA}]}
FIELDS: dict[Protocol, dict[str, dict[str, Any]]] = {
    CHAT: {
        "max_tokens": {"max_tokens": 50},
        "max_completion_tokens": {"max_completion_tokens": 50},
        "temperature": {"temperature": 0.5},
        "top_p": {"top_p": 0.5},
        "stop": {"stop": ["END"]},
        "seed": {"seed": 7},
        "frequency_penalty": {"frequency_penalty": 0.5},
        "presence_penalty": {"presence_penalty": 0.5},
        "logit_bias": {"logit_bias": {"5": 1}},
        "n: 2": {"n": 2},
        "logprobs": {"logprobs": True},
        "reasoning_effort": {"reasoning_effort": "high"},
        "verbosity": {"verbosity": "low"},
        "response_format: json_schema": {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}},
        "response_format: json_object": {"response_format": {"type": "json_object"}},
        "tools: function": CHAT_TOOL,
        "tools: custom": {"tools": [{"type": "custom", "custom": {"name": "c", "description": "d"}}]},
        "tool_choice: required": {**CHAT_TOOL, "tool_choice": "required"},
        "tool_choice: a function": {**CHAT_TOOL, "tool_choice": {"type": "function", "function": {"name": "f"}}},
        "tool_choice: none": {**CHAT_TOOL, "tool_choice": "none"},
        "parallel_tool_calls: false": {**CHAT_TOOL, "parallel_tool_calls": False},
        "functions": {"functions": [FUNCTION]},
        "web_search_options": {"web_search_options": {}},
        "web_search_options.user_location": {"web_search_options": {"user_location": {"type": "approximate", "approximate": {"city": "Rome"}}}},
        "web_search_options.search_context_size": {"web_search_options": {"search_context_size": "high"}},
        "image by data": {"messages": said({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}})},
        "image by URL": {"messages": said({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}})},
        "image detail": {"messages": said({"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}})},
        "file (PDF)": {"messages": said({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}})},
        "file id": {"messages": said({"type": "file", "file": {"file_id": "file-1"}})},
        "input audio": {"messages": said({"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}})},
        "system in the middle": {"messages": [*said({"type": "text", "text": "a"}), {"role": "system", "content": "b"}]},
        "assistant refusal": {"messages": [*said({"type": "text", "text": "a"}), {"role": "assistant", "refusal": "no"}, *said({"type": "text", "text": "b"})]},
        "message name": {"messages": [{"role": "user", "name": "ann", "content": "hi"}]},
        "audio out": {"modalities": ["text", "audio"], "audio": {"voice": "x", "format": "wav"}},
        "user": {"user": "u1"},
        "safety_identifier": {"safety_identifier": "u1"},
        "prompt_cache_key": {"prompt_cache_key": "k"},
        "prompt_cache_breakpoint": {"messages": said({"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}})},
        "service_tier: flex": {"service_tier": "flex"},
        "metadata": {"metadata": {"a": "b"}},
        "store": {"store": True},
        "prediction": {"prediction": {"type": "content", "content": "x"}},
        "an unknown field": {"made_up": 1},
    },
    RESPONSES: {
        "instructions": {"instructions": "be short"},
        "max_output_tokens": {"max_output_tokens": 50},
        "temperature": {"temperature": 0.5},
        "top_p": {"top_p": 0.5},
        "reasoning.effort": {"reasoning": {"effort": "high"}},
        "reasoning.summary": {"reasoning": {"effort": "high", "summary": "detailed"}},
        "text.format: json_schema": {"text": {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA}}},
        "text.format: json_object": {"text": {"format": {"type": "json_object"}}},
        "text.verbosity": {"text": {"verbosity": "low"}},
        "tools: function": FLAT_TOOL,
        "tools: custom with a grammar": {"tools": [{"type": "custom", "name": "c", "format": {"type": "grammar", "syntax": "lark", "definition": "start: X"}}]},
        "tools: namespace": {"tools": [{"type": "namespace", "name": "g", "tools": FLAT_TOOL["tools"]}]},
        "tools: web_search": {"tools": [{"type": "web_search"}]},
        "web_search: filters.allowed_domains": {"tools": [{"type": "web_search", "filters": {"allowed_domains": ["a.org"]}}]},
        "web_search: user_location": {"tools": [{"type": "web_search", "user_location": {"type": "approximate", "city": "Rome"}}]},
        "web_search: search_context_size": {"tools": [{"type": "web_search", "search_context_size": "high"}]},
        "web_search: external_web_access: false": {"tools": [{"type": "web_search", "external_web_access": False}]},
        "tools: local_shell": {"tools": [{"type": "local_shell"}]},
        "tools: apply_patch": {"tools": [{"type": "apply_patch"}]},
        "tools: file_search": {"tools": [{"type": "file_search", "vector_store_ids": ["v"]}]},
        "tool_choice: required": {**FLAT_TOOL, "tool_choice": "required"},
        "tool_choice: a function": {**FLAT_TOOL, "tool_choice": {"type": "function", "name": "f"}},
        "parallel_tool_calls: false": {**FLAT_TOOL, "parallel_tool_calls": False},
        "max_tool_calls": {"max_tool_calls": 3},
        "input_image by data": {"input": said({"type": "input_image", "image_url": f"data:image/png;base64,{PICTURE}"})},
        "input_file by URL": {"input": said({"type": "input_file", "file_url": "https://example.com/a.pdf"})},
        "reasoning item of its vendor": {"input": [{"role": "user", "content": "a"}, {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]},
        "phase": {"input": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "phase": "commentary"}, {"role": "user", "content": "c"}]},
        "include: encrypted reasoning": {"include": ["reasoning.encrypted_content"]},
        "include: logprobs": {"include": ["message.output_text.logprobs"]},
        "top_logprobs": {"top_logprobs": 3},
        "previous_response_id": {"previous_response_id": "resp_1"},
        "conversation": {"conversation": "conv_1"},
        "background": {"background": True},
        "prompt": {"prompt": {"id": "p"}},
        "store: true": {"store": True},
        "truncation: auto": {"truncation": "auto"},
        "context_management": {"context_management": [{"type": "compaction"}]},
        "metadata": {"metadata": {"a": "b"}},
        "prompt_cache_key": {"prompt_cache_key": "k"},
        "safety_identifier": {"safety_identifier": "u1"},
        "service_tier: flex": {"service_tier": "flex"},
        "an unknown field": {"made_up": 1},
    },
    MESSAGES: {
        "system": {"system": "be short"},
        "max_tokens": {"max_tokens": 50},
        "temperature": {"temperature": 0.5},
        "top_p": {"top_p": 0.5},
        "top_k": {"top_k": 5},
        "stop_sequences": {"stop_sequences": ["END"]},
        "thinking: adaptive": {"thinking": {"type": "adaptive"}},
        "thinking: enabled": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        "thinking: disabled": {"thinking": {"type": "disabled"}},
        "output_config.effort": {"output_config": {"effort": "high"}},
        "output_config.format": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        "tools": OWN_TOOL,
        "tools: bash": {"tools": [{"type": "bash_20250124", "name": "bash"}]},
        "tools: web_search": {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        "web_search: allowed_domains": {"tools": [{"type": "web_search_20250305", "name": "web_search", "allowed_domains": ["a.org"]}]},
        "web_search: blocked_domains": {"tools": [{"type": "web_search_20250305", "name": "web_search", "blocked_domains": ["a.org"]}]},
        "web_search: max_uses": {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}]},
        "web_search: user_location": {"tools": [{"type": "web_search_20250305", "name": "web_search", "user_location": {"type": "approximate", "city": "Rome"}}]},
        "tools: code_execution": {"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]},
        "tool_choice: any": {**OWN_TOOL, "tool_choice": {"type": "any"}},
        "tool_choice: tool": {**OWN_TOOL, "tool_choice": {"type": "tool", "name": "f"}},
        "disable_parallel_tool_use": {**OWN_TOOL, "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        "image by data": {"messages": said({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}})},
        "image by URL": {"messages": said({"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}})},
        "image by file id": {"messages": said({"type": "image", "source": {"type": "file", "file_id": "f"}})},
        "document (PDF)": {"messages": said({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}})},
        "document (text)": {"messages": said({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}})},
        "document citations": {"messages": said({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}, "citations": {"enabled": True}})},
        "search_result": {"messages": said({"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "x"}]})},
        "cache_control": {"messages": said({"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}})},
        "metadata.user_id": {"metadata": {"user_id": "u1"}},
        "service_tier: standard_only": {"service_tier": "standard_only"},
        "speed: fast": {"speed": "fast"},
        "context_management": {"context_management": {"edits": []}},
        "mcp_servers": {"mcp_servers": [{"type": "url", "url": "https://example.com", "name": "x"}]},
        "container": {"container": "c"},
        "inference_geo": {"inference_geo": "us"},
        "an unknown field": {"made_up": 1},
    },
}  # fmt: skip
BASE: dict[Protocol, dict[str, Any]] = {
    CHAT: {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
    RESPONSES: {"model": "m", "input": "hi"},
    MESSAGES: {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]},
}


class _Head:
    def get(self, name: bytes) -> bytes | None:
        return None


def outcome(
    client: Protocol,
    upstream: Protocol,
    spec: BackendSpec,
    model: str,
    more: dict[str, Any],
    without: dict[str, Any],
) -> str:
    """One cell: what happens of what `more` says beyond `without`, both on top of a small request."""
    dialect = DIALECTS[client]
    assert dialect.translation is not None

    profile = profile_for(spec, upstream, model)

    other = otherwise(client, upstream, spec, model, more)
    if other is not None:
        return f"{outcome(client, other, spec, model, more, without)} (by {TITLES[other]})"

    def crossed(body: dict[str, Any]) -> tuple[Crossing, bool]:
        """The translation, and whether the gateway enforces a part of it itself (stop sequences)."""
        asked = Asked(dialect.translation, msgspec.json.encode(body), _Head(), "req", Capsules(b"k"))  # type: ignore[arg-type]
        enforced = bool(adapt(asked.request, profile, Notes())[1].stop)
        return Crossing(asked, dialect, DIALECTS[upstream], profile, None, KeyMask(b"")), enforced

    def told(made: Crossing, but: Crossing) -> str:
        new = set(made.warnings.decode().split(",")) - set(but.warnings.decode().split(",")) - {""}
        return " and ".join(sorted({entry.partition(":")[0] for entry in new}))

    try:
        plain, _ = crossed({**BASE[client], **without})
        made, enforced = crossed({**BASE[client], **without, **more})
    except PointsmanError as error:
        assert error.status == 400, error
        return "refused"
    if found := told(made, plain):
        return found
    if made.body != plain.body or enforced:
        return "mapped"
    bare, _ = crossed(BASE[client])
    return told(plain, bare) or "silent"  # what is said of the whole holds for what is in it


def otherwise(
    client: Protocol, upstream: Protocol, spec: BackendSpec, model: str, more: dict[str, Any]
) -> Protocol | None:
    """The protocol that the backend gets instead, since it runs a tool in that one only."""
    half = DIALECTS[client].translation
    assert half is not None
    try:
        body = msgspec.json.encode({**BASE[client], **more})
        needs = needs_of(Asked(half, body, _Head(), "req", Capsules(b"k")).request)  # type: ignore[arg-type]
    except PointsmanError:
        return None
    chosen = translated_to(Backend(spec), model, client, needs)
    if chosen is None or needs.hosted <= profile_for(spec, upstream, model).server_tools:
        return None
    return chosen if needs.hosted <= profile_for(spec, chosen, model).server_tools else None


def page() -> str:
    lines = [
        "# What becomes of a request's fields",
        "",
        "Made by `make docs` from the code itself: each field is sent through the translation and the outcome noted.",
        "",
        "- **mapped**: the backend gets it, in its own words (or the gateway does it in the backend's place).",
        "- **changed**, **emulated**, **repaired**: it reaches the backend in another form; `x-pointsman-warnings` says so.",
        "- **dropped**: a hint the backend has no place for; `x-pointsman-warnings` says so.",
        "- **refused**: leaving it out would change what the answer is: a 400 that names the field.",
        "- **silent**: nothing is lost by leaving it out (it is a default there, or means nothing to a model).",
        "",
        "With `x-pointsman-strict: 1` everything that is told here becomes a 400. Same protocol on both ends: nothing is",
        "translated and every byte passes, but for references to state that the backend does not keep:",
        "[message threads](../protocols/requests.md#message-threads), [earlier",
        "responses](../protocols/messages.md#the-memory-of-responses). `previous_response_id` is refused below because",
        "nobody knows it; one that this gateway has given is mapped.",
    ]
    for part in tables():
        lines += ["", f"## A client of {part['client']}"]
        for table in part["tables"]:
            lines += ["", f"| {table['title']} | " + " | ".join(part["targets"]) + " |"]
            lines.append("|---" * (len(part["targets"]) + 1) + "|")
            lines += [f"| `{name}` | " + " | ".join(cells) + " |" for name, *cells in table["rows"]]
    return "\n".join(lines) + "\n" + PLAINLY


@cache
def tables() -> list[dict[str, Any]]:
    """By client: its name, the backends' names, and tables of rows: a field's name, then its outcome at each backend."""
    found = []
    for client in FIELDS:
        targets = [target for target in TARGETS if target[1] is not client]
        found.append(
            {
                "client": TITLES[client],
                "targets": [name for name, *_ in targets],
                "tables": [
                    {
                        "title": title,
                        "rows": [
                            [name, *(outcome(client, *target[1:], more, without) for target in targets)]
                            for name, (without, more) in rows.items()
                        ],
                    }
                    for title, rows in rows_of(client).items()
                ],
            }
        )
    return found


def data() -> str:
    """The same for the page `/ui/settings/fidelity`."""
    return json.dumps(tables(), indent=0) + "\n"


def rows_of(client: Protocol) -> dict[str, dict[str, Pair]]:
    """Title of a table -> its rows."""
    plain: dict[str, Pair] = {name: ({}, more) for name, more in FIELDS[client].items()}
    return {"field": plain, "inside a field": INSIDE[client], "in a history": HISTORY[client]}


PLAINLY = """
## Said plainly

- **`pause_turn`**: a Messages backend pauses when one of its own tools wants another round. To the
  other two protocols' clients that is an answer that was cut (`finish_reason: length`, `status:
  incomplete`); the gateway does not go on by itself. A Messages client that sends a paused turn
  back to a backend of another protocol gets a new answer, with what the turn had said so far as
  history, and is told so. No other protocol's backend ever pauses.
- **`max_tokens: 0`** of Messages only fills Anthropic's cache. No other protocol can ask for no
  answer: one token is asked for, 16 at OpenAI's Responses, which is told as `changed:max_tokens`.
  Toward Anthropic itself, in its own protocol, it goes as it is.
- **PDFs and local servers**: no local engine reads a PDF, in Chat, in Responses or in Messages, so
  that one is a 400 that names it, in a message as in a tool's result; never an answer about a file
  that nobody has read. Text files become text and go everywhere.
- **What a Chat client loses between turns**: Chat has no place for signed or encrypted reasoning.
  What the model thought before it called a tool is kept here by the call's id, for an hour and in
  16 MB, and put back. Lost are: the reasoning of turns without calls, that of a call whose hour or
  memory is over, and with several workers that of a turn which another one answered. A client that
  sends `reasoning_details` back loses nothing. Searches and other server tools' results of earlier
  turns are not in a Chat history either: only the text that came of them.
"""
