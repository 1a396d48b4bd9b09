"""What is measured of translation: a small request, an agent's turn of 100 KB, and the answers to them.

An agent sends the same tools and the same history each turn, and more at its end: the variants of a workload
differ in their last message. Shapes of the declarations are those that Claude Code, Codex and their MCP servers
send (`$schema`, nested lists of objects, enums, a custom tool); their words are made by rule.
Not here: requests that pass as they are (payloads.py).
"""

from __future__ import annotations

import json
from typing import Any

from tests.vendor_bodies import chat, messages, responses

from .payloads import VARIANTS, Workload, _json, _text

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
SIZE = 100 * 1024
CALLED = "mcp__tracker__search_issues"
_DRAFT = "http://json-schema.org/draft-07/schema#"

Json = dict[str, Any]


# -- the tools of an agent


def _string(words: int = 12, **more: object) -> Json:
    return {"type": "string", "description": _text(words, words), **more}


def _list(items: Json, **more: object) -> Json:
    return {"type": "array", "items": items, **more}


def _object(properties: Json, required: list[str]) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


_NUMBER = {"type": "number", "description": _text(5, 14)}
_FLAG = {"type": "boolean", "description": _text(6, 20)}
_TODO = _object(
    {
        "content": {"type": "string", "minLength": 1},
        "status": {"type": "string", "enum": ["pending", "in_progress", "completed"]},
        "activeForm": {"type": "string", "minLength": 1},
    },
    ["content", "status", "activeForm"],
)
_CHOICE = _object({"label": _string(20), "description": _string(25)}, ["label", "description"])
_QUESTION = _object(
    {
        "question": _string(40),
        "header": _string(18),
        "options": _list(_CHOICE, minItems=2, maxItems=4, description=_text(3, 30)),
        "multiSelect": {**_FLAG, "default": False},
    },
    ["question", "header", "options", "multiSelect"],
)
_EDIT = _object(
    {"old_string": _string(6), "new_string": _string(8), "replace_all": {**_FLAG, "default": False}},
    ["old_string", "new_string"],
)
_FILTER: Json = {
    "anyOf": [{"type": "string", "enum": ["open", "closed", "all"]}, {"type": "null"}],
    "description": _text(9, 16),
}
_PATH = _string(9)
# (name, words of its description, properties, required)
_TOOLS: tuple[tuple[str, int, Json, list[str]], ...] = (
    ("Task", 420, {"description": _string(8), "prompt": _string(7), "subagent_type": _string(9)}, ["prompt"]),
    (
        "Bash",
        700,
        {
            "command": _string(4),
            "timeout": _NUMBER,
            "description": _string(60),
            "run_in_background": _FLAG,
        },
        ["command"],
    ),
    ("Glob", 90, {"pattern": _string(8), "path": _string(40)}, ["pattern"]),
    (
        "Grep",
        170,
        {
            "pattern": _string(10),
            "path": _string(11),
            "glob": _string(12),
            "output_mode": _string(30, enum=["content", "files_with_matches", "count"]),
            "-B": _NUMBER,
            "-A": _NUMBER,
            "-n": _FLAG,
            "-i": _FLAG,
            "type": _string(22),
            "head_limit": _NUMBER,
            "multiline": _FLAG,
        },
        ["pattern"],
    ),
    ("Read", 260, {"file_path": _PATH, "offset": _NUMBER, "limit": _NUMBER}, ["file_path"]),
    ("Edit", 180, {"file_path": _PATH, **_EDIT["properties"]}, ["file_path", "old_string", "new_string"]),
    (
        "MultiEdit",
        330,
        {"file_path": _PATH, "edits": _list(_EDIT, minItems=1, description=_text(2, 10))},
        ["file_path", "edits"],
    ),
    ("Write", 100, {"file_path": _PATH, "content": _string(7)}, ["file_path", "content"]),
    (
        "NotebookEdit",
        100,
        {
            "notebook_path": _PATH,
            "cell_id": _string(25),
            "new_source": _string(6),
            "cell_type": _string(20, enum=["code", "markdown"]),
            "edit_mode": _string(16, enum=["replace", "insert", "delete"]),
        },
        ["notebook_path", "new_source"],
    ),
    ("WebFetch", 180, {"url": _string(5, format="uri"), "prompt": _string(8)}, ["url", "prompt"]),
    ("TodoWrite", 650, {"todos": _list(_TODO, description=_text(1, 4))}, ["todos"]),
    ("AskUserQuestion", 190, {"questions": _list(_QUESTION, minItems=1, maxItems=4)}, ["questions"]),
    ("BashOutput", 80, {"bash_id": _string(9), "filter": _string(30)}, ["bash_id"]),
    ("KillShell", 40, {"shell_id": _string(7)}, ["shell_id"]),
    ("ExitPlanMode", 190, {"plan": _string(25)}, ["plan"]),
    ("Skill", 160, {"command": _string(16)}, ["command"]),
    (
        CALLED,
        60,
        {
            "query": _string(14),
            "state": _FILTER,
            "labels": _list({"type": "string"}, description=_text(4, 8)),
            "page": {"type": "integer", "minimum": 1, "default": 1},
            "per_page": {"type": "integer", "minimum": 1, "maximum": 100},
        },
        ["query"],
    ),
    ("mcp__tracker__get_issue", 30, {"owner": _string(3), "repo": _string(3), "number": _NUMBER}, ["number"]),
    (
        "mcp__tracker__create_comment",
        35,
        {"number": _NUMBER, "body": _string(9), "internal": {**_FLAG, "nullable": True}},
        ["number", "body"],
    ),
    ("mcp__docs__resolve", 240, {"name": _string(20), "tokens": _NUMBER}, ["name"]),
)


def _schema(properties: Json, required: list[str]) -> Json:
    return {"$schema": _DRAFT, **_object(properties, required)}


def _chat_tools() -> list[Json]:
    return [
        {"type": "function", "function": {"name": name, "description": _text(at, words), "parameters": _schema(*rest)}}
        for at, (name, words, *rest) in enumerate(_TOOLS)
    ]  # fmt: skip


def _messages_tools() -> list[Json]:
    return [
        {"name": name, "description": _text(at, words), "input_schema": _schema(*rest)}
        for at, (name, words, *rest) in enumerate(_TOOLS)
    ]


def _responses_tools() -> list[Json]:
    functions: list[Json] = [
        {
            "type": "function",
            "name": name,
            "description": _text(at, words),
            "strict": False,
            "parameters": _schema(*rest),
        }
        for at, (name, words, *rest) in enumerate(_TOOLS[1:])
    ]
    grammar = {"type": "grammar", "syntax": "lark", "definition": 'start: "*** Begin Patch" line+\n' * 20}
    patch = {"type": "custom", "name": "apply_patch", "description": _text(4, 30), "format": grammar}
    return [*functions, patch]


# -- a long history: what was said, one call or two, what they gave back


def _arguments(index: int) -> Json:
    return {"file_path": f"/home/dev/pool/src/part_{index}.py", "offset": 100 * index, "limit": 2000}


def _output(index: int) -> str:
    lines = [f'{line:6}→\tif "{_text(index + line, 3)}" not in seen:\n' for line in range(40)]
    return "".join(lines)


def _chat_turn(index: int) -> list[Json]:
    call = {"name": "Read", "arguments": json.dumps(_arguments(index))}
    made = [{"id": f"call_{index:022d}", "type": "function", "function": call}]
    return [
        {"role": "assistant", "content": _text(index, 30), "tool_calls": made},
        {"role": "tool", "tool_call_id": made[0]["id"], "content": _output(index)},
    ]


def _messages_turn(index: int) -> list[Json]:
    call = {"type": "tool_use", "id": f"toolu_01{index:022d}", "name": "Read", "input": _arguments(index)}
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": _output(index)}
    return [
        {"role": "assistant", "content": [{"type": "text", "text": _text(index, 30)}, call]},
        {"role": "user", "content": [result]},
    ]


def _responses_turn(index: int) -> list[Json]:
    name = {"call_id": f"call_{index:022d}"}
    said = {"type": "output_text", "text": _text(index, 30)}
    arguments = json.dumps(_arguments(index))
    return [
        {"type": "message", "role": "assistant", "content": [said]},
        {"type": "function_call", "name": "Read", "arguments": arguments, **name},
        {"type": "function_call_output", "output": _output(index), **name},
    ]


_SYSTEM = _text(3, 1500)
_EPHEMERAL = {"cache_control": {"type": "ephemeral"}}


def _chat_body() -> Json:
    return {
        "model": "bench-agent",
        "messages": [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _text(2, 40)}],
        "tools": _chat_tools(),
        "tool_choice": "auto",
        "max_completion_tokens": 8192,
    }


def _messages_body() -> Json:
    asked = [{"type": "text", "text": _text(2, 40), **_EPHEMERAL}]
    return {
        "model": "bench-agent",
        "system": [{"type": "text", "text": _SYSTEM, **_EPHEMERAL}],
        "messages": [{"role": "user", "content": asked}],
        "tools": _messages_tools(),
        "metadata": {"user_id": "user_bench_account__session_0000"},
        "max_tokens": 8192,
    }


def _responses_body() -> Json:
    asked = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": _text(2, 40)}]}
    return {
        "model": "bench-agent",
        "instructions": _SYSTEM,
        "input": [asked],
        "tools": _responses_tools(),
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "store": False,
        "prompt_cache_key": "00000000-bench",
    }


_AGENTS = {
    CHAT: ("messages", _chat_body, _chat_turn),
    MESSAGES: ("messages", _messages_body, _messages_turn),
    RESPONSES: ("input", _responses_body, _responses_turn),
}


def agent(path: str, size: int = SIZE) -> Workload:
    """An agent's turn in the protocol that is spoken at `path`: 20 tools, and history up to `size` bytes."""
    key, made, turn = _AGENTS[path]
    body = made()
    history: list[Json] = body[key]
    index = 0
    while len(_json(body)) < size - 4096:
        history.extend(turn(index))
        index += 1

    def variant(number: int) -> bytes:
        last: Json = {"role": "user", "content": ""}
        fill = size - len(_json(body | {key: [*history, last]})) - number
        last["content"] = (_text(1, 1000) * 2)[:fill]
        return _json(body | {key: [*history, last]})

    return Workload("translated agent", path, tuple(variant(one) for one in range(VARIANTS)), translated=True)


def small(path: str, *, stream: bool = False) -> Workload:
    """A short chat in the protocol that is spoken at `path`."""
    more: Json = {"stream": True} if stream else {}

    def body(number: int) -> bytes:
        text = "Say hello in one short sentence" + "." * number
        if path == CHAT:
            return _json(chat.ask("bench-small", text, max_tokens=32, temperature=0.7, **more))
        if path == MESSAGES:
            return _json(messages.ask("bench-small", text, max_tokens=32, temperature=0.7, **more))
        return _json(responses.ask("bench-small", text, max_output_tokens=64, temperature=0.7, **more))

    name = f"translated {'stream' if stream else 'small'}"
    return Workload(name, path, tuple(map(body, range(VARIANTS))), stream=stream, translated=True)


# -- the answers of an agent's model


def called_chat() -> bytes:
    """Words and a call, as Chat backends write them."""
    call = {"name": CALLED, "arguments": json.dumps({"query": _text(1, 6), "page": 2})}
    message = {
        "content": _text(2, 20),
        "tool_calls": [{"id": "call_bench000000000000000000", "type": "function", "function": call}],
    }
    head = {"id": "chatcmpl-bench0000000000000001", "created": 1790000000, "model": "bench-agent"}
    return _json(chat.whole(message, "tool_calls", **head))


def called_messages() -> bytes:
    """The same of Messages backends."""
    call = {
        "type": "tool_use",
        "id": "toolu_01bench00000000000000000",
        "name": CALLED,
        "input": {"query": _text(1, 6), "page": 2},
    }
    content = [{"type": "text", "text": _text(2, 20)}, call]
    return _json(messages.whole(content, "tool_use", id="msg_01bench0000000000000", model="bench-agent"))


def called_responses() -> bytes:
    """The same of Responses backends."""
    item = responses.message(_text(2, 20), id="msg_bench000000000000000")
    call = {
        "id": "fc_bench0000000000000000",
        "type": "function_call",
        "status": "completed",
        "call_id": "call_bench000000000000000000",
        "name": CALLED,
        "arguments": json.dumps({"query": _text(1, 6), "page": 2}),
    }
    return _json(responses.response([item, call], id="resp_bench00000000000000", model="bench-agent"))
