"""Conversations as clients really send them, good and bad, in each client's protocol: a Hypothesis strategy a protocol.

A conversation is drawn once as turns and then written in the protocol. Odd on purpose: texts of nothing, ids that nobody
else takes, calls without results and results without calls, arguments that are no object, histories that begin or end with
the wrong side, schemas of every kind, marks for caches in any order, limits that are too small.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from pointsman.kinds import Protocol

CHAT, RESPONSES, MESSAGES = Protocol.OPENAI_CHAT, Protocol.OPENAI_RESPONSES, Protocol.ANTHROPIC_MESSAGES
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABh6FO1AAAAABJRU5ErkJggg=="
Value = dict[str, Any]

TEXTS = st.sampled_from(["hi", "go on", "say it as JSON", "ends in a blank ", "é 😀", "", " ", "\n"])
IDS = st.sampled_from(["call_1", "call_2", "toolu_3", "functions.f:0", "x" * 70, "ünï", "abcdefgh9"])
NAMES = ("f", "g", "get_weather", "has space", "mcp__a_server__" + "n" * 60, "dots.are.odd", "apply")
ARGUMENTS = st.sampled_from(
    ["{}", '{"a": "1"}', "", '{"a": {"b": [1, null]}}', "nope", "[1]", '"{}"', '{"cut']
)


def _closed(count: int, sub: Value, required: int) -> Value:
    properties = {f"p{number}": sub for number in range(count)}
    names = list(properties)[:required]
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


STRING = {"type": "string"}
SCHEMAS: list[Any] = [
    _closed(1, STRING, 1),
    _closed(9, STRING, 0),
    _closed(30, STRING, 2),
    _closed(7, {"type": ["string", "null"]}, 7),
    _closed(3, {"anyOf": [STRING, {"type": "integer"}]}, 3),
    _closed(2, {"type": "array"}, 2),
    _closed(2, {"type": ["array", "null"], "description": "d"}, 1),
    _closed(1, {"type": "array", "items": {"type": "array"}}, 1),
    _closed(1, {"type": "array", "items": [STRING, {"type": "array"}]}, 1),
    _closed(1, {"type": "integer", "minimum": 1, "maximum": 9}, 1),
    _closed(1, {"type": "array", "items": STRING, "minItems": 2, "uniqueItems": True}, 1),
    {"type": "object", "properties": {"a": STRING}},
    {"type": "object", "properties": {"m": {"type": "object", "additionalProperties": STRING}}, "required": ["m"]},
    {"type": "object"},
    {"anyOf": [_closed(1, STRING, 1), _closed(2, STRING, 2)]},
    {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}}}},
    _closed(1, {"type": "object", "properties": {"deep": {"type": "array"}}}, 1),
    {},
]  # fmt: skip


@dataclass
class Turn:
    """role: user, assistant, system or results. marks: the ttl of a cache mark on the last text, "" for the default."""

    role: str
    texts: list[str] = field(default_factory=list)
    image: bool = False
    mark: str | None = None
    thinking: str = ""
    calls: list[tuple[str, str, str]] = field(default_factory=list)  # id, name, arguments
    results: list[tuple[str, str, bool]] = field(default_factory=list)  # id, text, error


MARKS = st.sampled_from([None, None, None, "", "5m", "1h"])


@st.composite
def _turns(draw: st.DrawFn, names: list[str]) -> list[Turn]:
    turns: list[Turn] = []
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["user", "user", "assistant", "assistant", "calls", "calls", "system"]))
        if kind == "calls":
            turns += _called(draw, names)
        elif kind == "assistant":
            turns.append(
                Turn(
                    "assistant", draw(st.lists(TEXTS, max_size=2)), thinking=draw(st.sampled_from(["", "hm"]))
                )
            )
        elif kind == "system":
            turns.append(Turn("system", [draw(TEXTS)], mark=draw(MARKS)))
        else:
            texts = draw(st.lists(TEXTS, min_size=1, max_size=3))
            turns.append(Turn("user", texts, draw(st.sampled_from([False, False, True])), draw(MARKS)))
    if draw(st.integers(0, 9)):
        turns.append(Turn("user", ["and now?"], mark=draw(MARKS)))
    return turns


def _called(draw: st.DrawFn, names: list[str]) -> list[Turn]:
    name = st.sampled_from(names or ["gone"])
    calls = [(draw(IDS), draw(name), draw(ARGUMENTS)) for _ in range(draw(st.integers(1, 3)))]
    answered = draw(st.permutations([one[0] for one in calls]))
    missing = draw(st.sampled_from([0, 0, 0, 1]))
    results = [(one, draw(TEXTS), draw(st.booleans())) for one in answered[missing:]]
    if draw(st.integers(0, 7)) == 0:
        results.append(("call_orphan", "x", False))
    said = Turn(
        "assistant",
        draw(st.lists(TEXTS, max_size=1)),
        thinking=draw(st.sampled_from(["", "hm"])),
        calls=calls,
    )
    between = [Turn("user", ["wait"])] if draw(st.integers(0, 7)) == 0 else []
    return [said, *between, Turn("results", results=results)] if results else [said]


# -- the same in each protocol


def _chat(turns: list[Turn]) -> list[Value]:
    out: list[Value] = []
    for turn in turns:
        if turn.role == "results":
            out += [{"role": "tool", "tool_call_id": one, "content": text} for one, text, _ in turn.results]
            continue
        message: Value = {"role": turn.role, "content": turn.texts[0] if len(turn.texts) == 1 else None}
        if turn.role == "assistant":
            message["content"] = "".join(turn.texts)
            if turn.thinking:
                message["reasoning_content"] = turn.thinking
            if turn.calls:
                message["tool_calls"] = [
                    {"id": one, "type": "function", "function": {"name": name, "arguments": arguments}}
                    for one, name, arguments in turn.calls
                ]
        elif len(turn.texts) != 1 or turn.image or turn.mark is not None:
            parts: list[Value] = [{"type": "text", "text": text} for text in turn.texts]
            if turn.image:
                parts.append(
                    {
                        "type": "image_url",
                        "image_url": {"url": f"data:image/png;base64,{PICTURE}", "detail": "low"},
                    }
                )
            if turn.mark is not None:
                parts[-1]["cache_control"] = _mark(turn.mark)
            message["content"] = parts
        out.append(message)
    return out


def _mark(ttl: str) -> Value:
    return {"type": "ephemeral", "ttl": ttl} if ttl else {"type": "ephemeral"}


def _items(turns: list[Turn]) -> list[Value]:
    out: list[Value] = []
    for turn in turns:
        if turn.role == "results":
            out += [
                {"type": "function_call_output", "call_id": one, "output": text}
                for one, text, _ in turn.results
            ]
            continue
        if turn.thinking:
            summary = [{"type": "summary_text", "text": turn.thinking}]
            out.append({"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "theirs"})
        kind = "output_text" if turn.role == "assistant" else "input_text"
        parts: list[Value] = [{"type": kind, "text": text} for text in turn.texts]
        if turn.image:
            parts.append({"type": "input_image", "image_url": f"data:image/png;base64,{PICTURE}"})
        if turn.role == "user" and turn.mark is not None:
            parts[-1]["prompt_cache_breakpoint"] = {
                "mode": "explicit",
                **({"ttl": turn.mark} if turn.mark else {}),
            }
        if parts:
            out.append({"type": "message", "role": turn.role, "content": parts})
        for one, name, arguments in turn.calls:
            out.append({"type": "function_call", "call_id": one, "name": name, "arguments": arguments})
    return out


def _blocks(turns: list[Turn]) -> list[Value]:
    out: list[Value] = []
    for turn in turns:
        if turn.role == "results":
            blocks: list[Value] = [
                {"type": "tool_result", "tool_use_id": one, "content": text, "is_error": error}
                for one, text, error in turn.results
            ]
            out.append({"role": "user", "content": blocks})
            continue
        blocks = (
            [{"type": "thinking", "thinking": turn.thinking, "signature": "theirs"}] if turn.thinking else []
        )
        blocks += [{"type": "text", "text": text} for text in turn.texts]
        if turn.image:
            source = {"type": "base64", "media_type": "image/png", "data": PICTURE}
            blocks.append({"type": "image", "source": source})
        if turn.mark is not None and blocks:
            blocks[-1]["cache_control"] = _mark(turn.mark)
        for one, name, arguments in turn.calls:
            blocks.append({"type": "tool_use", "id": one, "name": name, "input": {"a": arguments}})
        out.append({"role": turn.role, "content": blocks})
    return out


# -- what stands beside the conversation


@st.composite
def _tools(draw: st.DrawFn, client: Protocol) -> tuple[list[str], list[Value]]:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=5))
    tools: list[Value] = []
    for name in names:
        schema, strict = draw(st.sampled_from(SCHEMAS)), draw(st.sampled_from([None, True, True, False]))
        inner: Value = {"name": name, "description": "does it"}
        if strict is not None:
            inner["strict"] = strict
        if client is MESSAGES:
            tool = {**inner, "input_schema": schema}
            mark = draw(MARKS)
            tools.append(tool if mark is None else {**tool, "cache_control": _mark(mark)})
            continue
        inner["parameters"] = schema
        if client is CHAT:
            tools.append({"type": "function", "function": inner})
        elif draw(st.integers(0, 5)) == 0:
            group = {
                "type": "namespace",
                "name": "group",
                "description": "of them",
                "tools": [{"type": "function", **inner}],
            }
            tools.append(group)
        else:
            tools.append({"type": "function", **inner})
    return names, tools


_COMMON: dict[str, st.SearchStrategy[Any]] = {
    "temperature": st.sampled_from([0, 0.5, 1, 1.7]),
    "top_p": st.sampled_from([0.5, 0.97, 1]),
    "stream": st.booleans(),
    "service_tier": st.sampled_from(["auto", "flex"]),
}
_LIMITS = st.sampled_from([1, 5, 500, 1025, 2047, 2048, 3000, 16_000, 20_000, 40_000, 70_000, 300_000])
_EFFORTS = st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max"])
_STOPS = st.sampled_from([["END"], [" "], ["a", "b", "c", "d", "e"]])
_FORMS = st.sampled_from(SCHEMAS).map(lambda schema: {"name": "out", "schema": schema, "strict": True})
_THINKING: st.SearchStrategy[Value] = st.one_of(
    st.sampled_from([{"type": "adaptive"}, {"type": "disabled"}]),
    st.sampled_from([1024, 5000, 40_000]).map(lambda budget: {"type": "enabled", "budget_tokens": budget}),
)
_OPTIONS: dict[Protocol, dict[str, st.SearchStrategy[Any]]] = {
    CHAT: {
        **_COMMON, "max_completion_tokens": _LIMITS, "reasoning_effort": _EFFORTS, "stop": _STOPS, "thinking": _THINKING,
        "response_format": st.one_of(
            st.just({"type": "json_object"}), _FORMS.map(lambda form: {"type": "json_schema", "json_schema": form})
        ),
        "user": st.sampled_from(["ann", "u" * 300]), "seed": st.just(3), "logit_bias": st.just({"5": 1}),
        "frequency_penalty": st.just(0.5), "stream_options": st.just({"include_usage": True}),
        "cache_control": st.sampled_from([{"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}]),
        "max_tokens": _LIMITS, "verbosity": st.just("low"), "metadata": st.just({"a": "b"}),
    },
    RESPONSES: {
        **_COMMON, "max_output_tokens": _LIMITS, "instructions": st.sampled_from(["be short", "answer in JSON", ""]),
        "reasoning": _EFFORTS.map(lambda effort: {"effort": effort, "summary": "auto"}),
        "text": st.one_of(
            st.just({"format": {"type": "json_object"}}),
            _FORMS.map(lambda form: {"format": {"type": "json_schema", **form}}),
        ),
        "safety_identifier": st.sampled_from(["ann", "u" * 300]), "prompt_cache_key": st.just("k"),
        "prompt_cache_options": st.just({"mode": "implicit"}),
    },
    MESSAGES: {
        **_COMMON, "service_tier": st.just("auto"), "temperature": st.sampled_from([0, 0.5, 1]), "top_k": st.just(4),
        "stop_sequences": _STOPS, "thinking": _THINKING,
        "output_config": st.one_of(
            st.sampled_from(["low", "high", "xhigh", "max"]).map(lambda effort: {"effort": effort}),
            _FORMS.map(lambda form: {"format": {"type": "json_schema", "schema": form["schema"]}}),
        ),
        "metadata": st.sampled_from([{"user_id": "ann"}, {"user_id": "u" * 300}]),
        "cache_control": st.sampled_from([{"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}]),
        "system": st.sampled_from(["be short", "", [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]]),
    },
}  # fmt: skip


def _choices(client: Protocol, names: list[str]) -> st.SearchStrategy[Any]:
    named = st.sampled_from(names)
    if client is MESSAGES:
        plain: st.SearchStrategy[Any] = st.sampled_from(["auto", "any", "none"]).map(
            lambda kind: {"type": kind}
        )
        return st.one_of(plain, named.map(lambda name: {"type": "tool", "name": name}))
    plain = st.sampled_from(["auto", "required", "none"])
    if client is CHAT:
        return st.one_of(plain, named.map(lambda name: {"type": "function", "function": {"name": name}}))
    return st.one_of(plain, named.map(lambda name: {"type": "function", "name": name}))


@st.composite
def bodies(draw: st.DrawFn, client: Protocol) -> Value:
    """A request of a client of this protocol."""
    names, tools = draw(_tools(client))
    turns = draw(_turns(names))
    body: Value = {"model": "m"}
    if client is MESSAGES:
        body |= {"max_tokens": draw(_LIMITS), "messages": _blocks(turns)}
    elif client is CHAT:
        body["messages"] = _chat(turns)
    else:
        body["input"] = _items(turns) if draw(st.integers(0, 19)) else draw(st.sampled_from(["hi", ""]))
    options = _OPTIONS[client]
    for name in draw(st.lists(st.sampled_from(sorted(options)), unique=True, max_size=5)):
        body[name] = draw(options[name])
    if tools:
        body["tools"] = tools
        if draw(st.booleans()):
            body["tool_choice"] = draw(_choices(client, names))
        if client is not MESSAGES and draw(st.booleans()):
            body["parallel_tool_calls"] = draw(st.booleans())
    return body
