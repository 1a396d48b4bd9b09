"""What is sent for the rows of fidelity.py that are about a field inside another one, and about what stands in a history: (the
request without it, the same with it)."""

from __future__ import annotations

from typing import Any

from pointsman.kinds import Protocol

CHAT, RESPONSES, MESSAGES = Protocol.OPENAI_CHAT, Protocol.OPENAI_RESPONSES, Protocol.ANTHROPIC_MESSAGES
Body = dict[str, Any]
Pair = tuple[Body, Body]

PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABh6FO1AAAAABJRU5ErkJggg=="
SCHEMA: Body = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
OPEN: Body = {"type": "object", "properties": {"a": {"type": "string"}}}
HI, GO = {"role": "user", "content": "hi"}, {"role": "user", "content": "go on"}
DATA_URL = f"data:image/png;base64,{PICTURE}"
LINK = {"type": "url_citation", "url": "https://example.com", "title": "t", "start_index": 0, "end_index": 1}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}


def _said(*parts: Body) -> list[Body]:
    return [{"role": "user", "content": list(parts)}]


def _inside(outer: str, value: Body, **more: Any) -> Pair:
    """A field in the object under `outer`."""
    return {outer: value}, {outer: {**value, **more}}


def _tool(value: Body, **more: Any) -> Pair:
    return {"tools": [value]}, {"tools": [{**value, **more}]}


def _part(value: Body, key: str = "messages", **more: Any) -> Pair:
    return {key: _said(value)}, {key: _said({**value, **more})}


def _function(**more: Any) -> Body:
    return {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA, **more}}


def _json_schema(**more: Any) -> Body:
    inner = {"name": "x", "schema": SCHEMA, **more}
    return {"response_format": {"type": "json_schema", "json_schema": inner}}


FLAT: Body = {"type": "function", "name": "f", "description": "d", "parameters": SCHEMA, "strict": False}
OWN: Body = {"name": "f", "description": "d", "input_schema": SCHEMA}
FORM: Body = {"type": "json_schema", "name": "x", "schema": SCHEMA}
GROUP: Body = {"type": "namespace", "name": "g", "tools": [FLAT]}
FORMAT: Body = {"type": "json_schema", "schema": SCHEMA}
DOCUMENT: Body = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
TEXT: Body = {"type": "text", "text": "a"}

INSIDE: dict[Protocol, dict[str, Pair]] = {
    CHAT: {
        "json_schema.description": (_json_schema(), _json_schema(description="d")),
        "json_schema.strict: true": (_json_schema(strict=False), _json_schema(strict=True)),
        "json_schema.strict: true of an open schema": (
            _json_schema(schema=OPEN, strict=False), _json_schema(schema=OPEN, strict=True),
        ),
        "function.strict: true": ({"tools": [_function()]}, {"tools": [_function(strict=True)]}),
        "function.strict: true of an open schema": (
            {"tools": [_function(parameters=OPEN)]}, {"tools": [_function(parameters=OPEN, strict=True)]},
        ),
        "tools: cache_control": _tool(_function(), cache_control={"type": "ephemeral"}),
        "tool_choice: allowed_tools": (
            {"tools": [_function(), _function(name="g")]},
            {"tools": [_function(), _function(name="g")],
             "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [_function()]}}},
        ),
        "file.filename": (
            {"messages": _said({"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0="}})},
            {"messages": _said({"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}})},
        ),
        "reasoning.max_tokens": _inside("reasoning", {"summary": "auto"}, max_tokens=9000),
        "thinking.budget_tokens": _inside("thinking", {"type": "enabled"}, budget_tokens=9000),
        "prompt_cache_options.ttl": _inside("prompt_cache_options", {"mode": "implicit"}, ttl="12h"),
        "stream_options.include_usage": (
            {"stream": True}, {"stream": True, "stream_options": {"include_usage": True}},
        ),
        "name of a leading system message": (
            {"messages": [{"role": "system", "content": "s"}, HI]},
            {"messages": [{"role": "system", "content": "s", "name": "bob"}, HI]},
        ),
    },
    RESPONSES: {
        "text.format.description": ({"text": {"format": FORM}}, {"text": {"format": {**FORM, "description": "d"}}}),
        "text.format.strict: true of an open schema": (
            {"text": {"format": {**FORM, "schema": OPEN, "strict": False}}},
            {"text": {"format": {**FORM, "schema": OPEN, "strict": True}}},
        ),
        "function.strict: true": _tool(FLAT, strict=True),
        "function.strict: true of an open schema": _tool({**FLAT, "parameters": OPEN}, strict=True),
        "custom.format": _tool(
            {"type": "custom", "name": "c"}, format={"type": "grammar", "syntax": "lark", "definition": "start: X"}
        ),
        "namespace.description": _tool(GROUP, description="d"),
        "tool_choice: allowed_tools": (
            {"tools": [FLAT, {**FLAT, "name": "g"}]},
            {"tools": [FLAT, {**FLAT, "name": "g"}],
             "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]}},
        ),
        "reasoning.context": _inside("reasoning", {"effort": "low"}, context="all"),
        "stream_options.include_obfuscation": ({"stream": True}, {"stream": True, "stream_options": {"include_obfuscation": False}}),
        "input_image.detail": _part({"type": "input_image", "image_url": DATA_URL}, "input", detail="low"),
        "input_file.filename": _part(
            {"type": "input_file", "file_data": "data:application/pdf;base64,JVBERi0="}, "input", filename="a.pdf"
        ),
        "prompt_cache_breakpoint": _part({"type": "input_text", "text": "a"}, "input", prompt_cache_breakpoint={"mode": "explicit"}),
    },
    MESSAGES: {
        "max_tokens: 0": ({"max_tokens": 50}, {"max_tokens": 0}),
        "thinking.display: omitted": _inside("thinking", {"type": "adaptive"}, display="omitted"),
        "thinking.budget_tokens": _inside("thinking", {"type": "enabled", "budget_tokens": 1024}, budget_tokens=9000),
        "output_config.task_budget": _inside("output_config", {}, task_budget={"type": "tokens", "total": 20_000}),
        "output_config.format of an open schema": ({}, {"output_config": {"format": {**FORMAT, "schema": OPEN}}}),
        "tools: strict": _tool(OWN, strict=True),
        "tools: strict of an open schema": _tool({**OWN, "input_schema": OPEN}, strict=True),
        "tools: cache_control": _tool(OWN, cache_control={"type": "ephemeral"}),
        "tools: defer_loading": _tool(OWN, defer_loading=True),
        "tools: input_examples": _tool(OWN, input_examples=[{"a": "x"}]),
        "tools: allowed_callers": _tool(OWN, allowed_callers=["code_execution_20250825"]),
        "tools: eager_input_streaming": _tool(OWN, eager_input_streaming=True),
        "document.title": _part(DOCUMENT, title="t"),
        "document.context": _part(DOCUMENT, context="c"),
        "cache_control.ttl: 1h": (
            {"messages": _said({**TEXT, "cache_control": {"type": "ephemeral"}})},
            {"messages": _said({**TEXT, "cache_control": {"type": "ephemeral", "ttl": "1h"}})},
        ),
        "cache_control at the top": ({}, {"cache_control": {"type": "ephemeral"}}),
    },
}  # fmt: skip


# -- what stands in a history


def _chat(without: list[Body], having: list[Body]) -> Pair:
    return {"messages": [HI, *without, GO]}, {"messages": [HI, *having, GO]}


def _reply(**more: Any) -> Pair:
    said = {"role": "assistant", "content": "b"}
    return _chat([said], [{**said, **more}])


def _item(*items: Body) -> Pair:
    said = {"role": "assistant", "content": "b"}
    return {"input": [HI, said, GO]}, {"input": [HI, *items, said, GO]}


def _block(*blocks: Body, last: bool = False) -> Pair:
    after = [] if last else [GO]
    said = {"role": "assistant", "content": [{"type": "text", "text": "b"}]}
    having = {"role": "assistant", "content": [{"type": "text", "text": "b"}, *blocks]}
    return {"messages": [HI, said, *after]}, {"messages": [HI, having, *after]}


def _thought(block: Body) -> Pair:
    said = {"role": "assistant", "content": [{"type": "text", "text": "b"}]}
    having = {"role": "assistant", "content": [block, {"type": "text", "text": "b"}]}
    return {"messages": [HI, said, GO]}, {"messages": [HI, having, GO]}


def _result(**more: Any) -> Pair:
    call = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]}
    plain = {"type": "tool_result", "tool_use_id": "t1", "content": "r"}
    turns = [HI, call]
    return (
        {"tools": [OWN], "messages": [*turns, {"role": "user", "content": [plain]}]},
        {"tools": [OWN], "messages": [*turns, {"role": "user", "content": [{**plain, **more}]}]},
    )


CALL: Body = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLING: Body = {"role": "assistant", "content": "", "tool_calls": [CALL]}
ANSWER: Body = {"role": "tool", "tool_call_id": "c1", "content": "r"}
FOUND: Body = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [
    {"type": "web_search_result", "url": "https://example.com", "title": "t", "encrypted_content": "x", "page_age": None},
]}  # fmt: skip
USE: Body = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}}

HISTORY: dict[Protocol, dict[str, Pair]] = {
    CHAT: {
        "reasoning_content": _reply(reasoning_content="hm"),
        "reasoning_details (signed elsewhere)": _reply(
            reasoning_details=[{"type": "reasoning.text", "text": "hm", "signature": "s"}]
        ),
        "annotations": _reply(annotations=[LINK]),
        "audio of an assistant": _reply(audio={"id": "audio_1"}),
        "a call and its result": _chat([], [CALLING, ANSWER]),
        "a call without a result": _chat([], [CALLING]),
        "a result without a call": _chat([], [ANSWER]),
        "arguments that are no object": (
            {"messages": [HI, CALLING, ANSWER]},
            {"messages": [HI, {**CALLING, "tool_calls": [{**CALL, "function": {"name": "f", "arguments": "[1"}}]}, ANSWER]},
        ),
        "an image in a result": (
            {"messages": [HI, CALLING, ANSWER]},
            {"messages": [HI, CALLING, {**ANSWER, "content": [{"type": "image_url", "image_url": {"url": DATA_URL}}]}]},
        ),
        "an assistant's message at the end": ({"messages": [HI]}, {"messages": [HI, {"role": "assistant", "content": "b"}]}),
        "an empty user message at the end": (
            {"messages": [HI, {"role": "assistant", "content": "b"}]},
            {"messages": [HI, {"role": "assistant", "content": "b"}, {"role": "user", "content": ""}]},
        ),
        "a system message alone": ({}, {"messages": [{"role": "system", "content": "s"}]}),
    },
    RESPONSES: {
        "reasoning (encrypted)": _item({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}),
        "reasoning (text alone)": _item({"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}),
        "annotations": (
            {"input": [HI, {"role": "assistant", "content": [{"type": "output_text", "text": "b"}]}, GO]},
            {"input": [HI, {"role": "assistant", "content": [{"type": "output_text", "text": "b", "annotations": [LINK]}]}, GO]},
        ),
        "function_call and its output": _item(
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "r"},
        ),
        "custom_tool_call and its output": _item(
            {"type": "custom_tool_call", "call_id": "c1", "name": "f", "input": "x"},
            {"type": "custom_tool_call_output", "call_id": "c1", "output": "r"},
        ),
        "local_shell_call and its output": _item(
            {"type": "local_shell_call", "id": "l1", "call_id": "c1", "action": {"type": "exec", "command": ["ls"], "env": {}}, "status": "completed"},
            {"type": "local_shell_call_output", "id": "c1", "call_id": "c1", "output": "r"},
        ),
        "web_search_call": _item({"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}}),
        "file_search_call": _item({"type": "file_search_call", "id": "fs_1", "status": "completed", "queries": ["q"], "results": None}),
        "code_interpreter_call": _item(
            {"type": "code_interpreter_call", "id": "ci_1", "status": "completed", "container_id": "c", "code": "1", "outputs": [{"type": "logs", "logs": "1"}]}
        ),
        "image_generation_call": _item({"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": PICTURE}),
        "mcp_call": _item({"type": "mcp_call", "id": "mcp_1", "server_label": "s", "name": "f", "arguments": "{}", "output": "r"}),
        "computer_call_output": _item(
            {"type": "computer_call", "id": "cu_1", "call_id": "c1", "action": {"type": "screenshot"}, "pending_safety_checks": [], "status": "completed"},
            {"type": "computer_call_output", "call_id": "c1", "output": {"type": "computer_screenshot", "image_url": DATA_URL}},
        ),
        "compaction": _item({"type": "compaction", "id": "cmp_1", "encrypted_content": "x"}),
        "item_reference": _item({"type": "item_reference", "id": "msg_1"}),
        "an assistant's message at the end": ({"input": [HI]}, {"input": [HI, {"role": "assistant", "content": "b"}]}),
        "an empty input": ({}, {"input": []}),
    },
    MESSAGES: {
        "thinking (signed)": _thought({"type": "thinking", "thinking": "hm", "signature": "s"}),
        "thinking (not signed)": _thought({"type": "thinking", "thinking": "hm", "signature": ""}),
        "redacted_thinking": _thought({"type": "redacted_thinking", "data": "x"}),
        "citations": (
            {"messages": [HI, {"role": "assistant", "content": [TEXT]}, GO]},
            {"messages": [HI, {"role": "assistant", "content": [{**TEXT, "citations": [{"type": "char_location", "cited_text": "a"}]}]}, GO]},
        ),
        "server_tool_use and its result": _block(USE, FOUND),
        "a paused turn (pause_turn)": _block(USE, FOUND, last=True),
        "code_execution_tool_result": _block(
            {**USE, "name": "code_execution", "input": {"code": "1"}},
            {"type": "code_execution_tool_result", "tool_use_id": "s1", "content": {"type": "code_execution_result", "stdout": "1", "stderr": "", "return_code": 0, "content": []}},
        ),
        "mcp_tool_use and its result": _block(
            {"type": "mcp_tool_use", "id": "m1", "name": "f", "server_name": "s", "input": {}},
            {"type": "mcp_tool_result", "tool_use_id": "m1", "is_error": False, "content": [{"type": "text", "text": "r"}]},
        ),
        "container_upload": ({"messages": _said(TEXT)}, {"messages": _said(TEXT, {"type": "container_upload", "file_id": "f"})}),
        "tool_result: is_error": _result(is_error=True),
        "tool_result: image": _result(content=[{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}}]),
        "tool_result: document (PDF)": _result(content=[{"type": "document", "source": PDF}]),
        "tool_result: search_result": _result(
            content=[{"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "x"}]}]
        ),
        "a system message in the middle": ({"messages": [HI]}, {"messages": [HI, {"role": "system", "content": "s"}]}),
        "an assistant's message at the end": ({"messages": [HI]}, {"messages": [HI, {"role": "assistant", "content": "b"}]}),
    },
}  # fmt: skip
