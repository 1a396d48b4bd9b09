"""The declaration of what becomes of each neutral field (dialects/carries.py): complete, and true.

Each field is set in a small request, which is sent the way that the gateway sends it; what its row says must happen.
A field that is new needs a row there, a sample here, and nothing else to be watched over.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from pointsman.conversation.notes import Notes
from pointsman.conversation.parts import (
    Audio,
    CacheMark,
    Citation,
    Document,
    Foreign,
    Image,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolKind,
    ToolResult,
)
from pointsman.conversation.profile import Profile
from pointsman.conversation.request import (
    Message,
    OutputFormat,
    Request,
    Role,
    ServerTool,
    ThinkingMode,
    Tool,
    ToolChoice,
    WebSearch,
)
from pointsman.dialects.base import Translation
from pointsman.dialects.carries import How, gaps, reachable
from pointsman.dialects.registry import DIALECTS
from pointsman.errors import PointsmanError
from pointsman.kinds import Protocol
from pointsman.providers.profiles import profile_for
from pointsman.routing.specs import BackendSpec
from pointsman.translation.adapt import adapt
from pointsman.translation.losses import check
from tests.neutral import placed

CHAT, RESPONSES, MESSAGES = Protocol.OPENAI_CHAT, Protocol.OPENAI_RESPONSES, Protocol.ANTHROPIC_MESSAGES
TARGETS = (CHAT, RESPONSES, MESSAGES)
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
OTHER = {**SCHEMA, "properties": {"a": {"type": "integer"}}}
PICTURE = "iVBORw0KGgo="
OPENAI = BackendSpec("openai", "openai", "", "https://api.openai.com", stream_usage=True)
ANTHROPIC = BackendSpec("anthropic", "anthropic", "", "https://api.anthropic.com")
LOCAL = BackendSpec("local/box", "local", "box", "http://127.0.0.1:8080")
GROQ = BackendSpec("openai/groq", "openai", "groq", "https://api.groq.com")

_OPEN: dict[str, Any] = {
    "model": "", "sampling": "any", "temperature_max": 2.0, "top_k": True, "forced_tools": True, "prefill": True,
    "efforts": ("none", "minimal", "low", "medium", "high", "xhigh", "max"), "thinking_off": True, "cache_marks": True,
    "server_tools": frozenset({"web_search"}), "max_tokens_limit": None, "strict_tools": True, "structured": True,
}  # fmt: skip
GENEROUS: dict[Protocol, Profile] = {
    CHAT: msgspec.structs.replace(
        profile_for(OPENAI, CHAT, "gpt-5.6"), **_OPEN, penalties=True, stop=4, metadata=True, verbosity=True,
        custom_tools=True, replay_as="reasoning_content",
    ),
    RESPONSES: msgspec.structs.replace(
        profile_for(OPENAI, RESPONSES, "gpt-5.6"), **{**_OPEN, "top_k": False}, custom_tools=True, verbosity=True
    ),
    MESSAGES: msgspec.structs.replace(profile_for(ANTHROPIC, MESSAGES, "claude-sonnet-4-6"), **_OPEN),
}  # fmt: skip
"""Targets that take whatever their protocol has a place for."""


def half(target: Protocol) -> Translation:
    found = DIALECTS[target].translation
    assert found is not None
    return found


def sent(
    target: Protocol, request: Request, profile: Profile, strict: bool = False
) -> tuple[bytes, list[str]]:
    """As the gateway does: made to fit, losses told, written. What the gateway enforces itself counts as sent."""
    notes = Notes(strict)
    fitted, adaptation = adapt(placed(request), profile, notes)
    check(fitted, half(target).carries, notes)
    return half(target).render_request(fitted, profile) + repr(adaptation.stop).encode(), notes.warnings


# -- a small request around one value of each type


def said(*parts: Part, role: Role = Role.USER) -> Request:
    turns = [Message(Role.USER, [Text("hi")]), Message(role, list(parts))]
    if role is Role.ASSISTANT:
        turns.append(Message(Role.USER, [Text("go on")]))
    return Request("m", messages=turns, tools=[Tool("f", "d", SCHEMA), Tool("g", "d", SCHEMA)])


def replied(*parts: Part) -> Request:
    return said(*parts, role=Role.ASSISTANT)


def in_history(message: Message) -> Request:
    return msgspec.structs.replace(said(), messages=[Message(Role.USER, [Text("hi")]), message, Message(Role.USER, [Text("go on")])], phases=True)  # fmt: skip


def called(call: ToolCall) -> Request:
    turns = [Message(Role.USER, [Text("hi")]), Message(Role.ASSISTANT, [call]), Message(Role.USER, [ToolResult("c1", (Text("r"),))])]  # fmt: skip
    return msgspec.structs.replace(said(), messages=turns)


def answered(result: ToolResult) -> Request:
    turns = [Message(Role.USER, [Text("hi")]), Message(Role.ASSISTANT, [ToolCall("c1", "f", "{}")]), Message(Role.USER, [result])]  # fmt: skip
    return msgspec.structs.replace(said(), messages=turns)


def asking(**more: Any) -> Request:
    return msgspec.structs.replace(said(Text("go on")), **more)


HOSTS: dict[type, Callable[[Any], Request]] = {
    Request: lambda one: one,
    Message: in_history,
    Tool: lambda one: asking(tools=[one]),
    ServerTool: lambda one: asking(server_tools=[one]),
    WebSearch: lambda one: asking(web_search=one),
    ToolChoice: lambda one: asking(tool_choice=one, web_search=WebSearch()),
    ThinkingMode: lambda one: asking(thinking=one),
    OutputFormat: lambda one: asking(format=one),
    CacheMark: lambda one: said(Text("a", one)),
    Text: said,
    Refusal: replied,
    Thinking: lambda one: replied(one, Text("x")),
    Image: said,
    Document: said,
    Audio: said,
    ToolCall: called,
    ToolResult: answered,
    Foreign: lambda one: replied(Text("a"), one, Text("b")),
    Citation: lambda one: replied(Text("a", citations=(one,))),
    Opaque: lambda one: replied(Thinking("t", one), Text("x")),
}

# -- a value that says something, for each field

OWN_OPAQUE: dict[Protocol, Any] = {
    CHAT: {"type": "reasoning.text", "text": "t", "signature": "s"},
    RESPONSES: {"id": "rs_1", "encrypted_content": "s"},
    MESSAGES: {"type": "thinking", "thinking": "t", "signature": "s"},
}
OTHER_OPAQUE: dict[Protocol, Any] = {
    CHAT: {"type": "reasoning.text", "text": "t", "signature": "z"},
    RESPONSES: {"id": "rs_1", "encrypted_content": "z"},
    MESSAGES: {"type": "thinking", "thinking": "t", "signature": "z"},
}
MARK = CacheMark(path="mark")
PDF = "application/pdf"


def search(target: Protocol, **more: Any) -> ServerTool:
    return ServerTool(
        target.value, "web_search", "web_search", {"type": "web_search", **more}, path="tools[0]"
    )


Sample = tuple[Any, dict[str, Any]]
"""(a value of the type, what changes in it)."""
BASES: dict[type, Callable[[Protocol], Any]] = {
    Request: lambda target: said(Text("go on")),
    Message: lambda target: Message(Role.ASSISTANT, [Text("a")], path="messages[1]", phase="commentary"),
    Tool: lambda target: Tool("f", "d", SCHEMA, path="tools[0]"),
    ServerTool: search,
    WebSearch: lambda target: WebSearch(path="tools[0]"),
    ToolChoice: lambda target: ToolChoice("auto"),
    ThinkingMode: lambda target: ThinkingMode("enabled", 5000),
    OutputFormat: lambda target: OutputFormat("json_schema", "x", SCHEMA),
    CacheMark: lambda target: CacheMark(),
    Text: lambda target: Text("a"),
    Refusal: lambda target: Refusal("a"),
    Thinking: lambda target: Thinking("a", Opaque(target.value, OWN_OPAQUE[target])),
    Image: lambda target: Image("image/png", PICTURE),
    Document: lambda target: Document(text="x"),
    Audio: lambda target: Audio("AA==", "wav"),
    ToolCall: lambda target: ToolCall("c1", "f", "{}"),
    ToolResult: lambda target: ToolResult("c1", (Text("r"),)),
    Foreign: lambda target: Foreign(target.value, "compaction", {"type": "compaction", "id": "1"}),
    Citation: lambda target: Citation(
        raw={"type": "char_location", "cited_text": "a"}, protocol=MESSAGES.value
    ),
    Opaque: lambda target: Opaque(target.value, OWN_OPAQUE[target]),
}
VALUES: dict[str, Any] = {
    "Request.model": "other", "Request.system": [Text("be short")], "Request.messages": [Message(Role.USER, [Text("yo")])],
    "Request.tools": [Tool("h")], "Request.tool_choice": ToolChoice("any"), "Request.parallel_tools": False,
    "Request.max_tokens": 77, "Request.stop": ("END",), "Request.temperature": 0.5, "Request.top_p": 0.97, "Request.top_k": 7,
    "Request.seed": 7, "Request.frequency_penalty": 0.5, "Request.presence_penalty": 0.5, "Request.logit_bias": {"5": 1},
    "Request.n": 2, "Request.logprobs": True, "Request.top_logprobs": 3, "Request.effort": "high",
    "Request.thinking": ThinkingMode("enabled", 5000), "Request.summary": "detailed",
    "Request.format": OutputFormat("json_schema", "x", SCHEMA), "Request.verbosity": "low", "Request.user": "ann",
    "Request.cache_auto": CacheMark("1h"), "Request.service_tier": "default", "Request.metadata": {"a": "b"},
    "Request.stream": True, "Request.include_usage": True, "Request.max_tool_calls": 3, "Request.web_search": WebSearch(),
    "Request.legacy_functions": True, "Request.phases": True, "Request.raw": {"a": 1}, "Request.paths": {"n": "n"},
    "Message.role": Role.USER, "Message.parts": [Text("b")], "Message.name": "ann", "Message.phase": "final_answer",
    "Tool.name": "h", "Tool.description": "e", "Tool.schema": OTHER, "Tool.strict": True, "Tool.kind": ToolKind.CUSTOM,
    "Tool.namespace": "group", "Tool.cache": MARK, "Tool.strict_unsaid": True,
    "WebSearch.allowed_domains": ("a.org",), "WebSearch.blocked_domains": ("b.org",), "WebSearch.max_uses": 2,
    "WebSearch.location": {"city": "Rome"}, "WebSearch.context_size": "low", "WebSearch.live": False,
    "WebSearch.cache": MARK,
    "ToolChoice.mode": "any", "ToolChoice.allowed": ("f",),
    "ThinkingMode.display": "omitted",
    "OutputFormat.type": "json_object", "OutputFormat.name": "y", "OutputFormat.schema": OTHER, "OutputFormat.strict": False,
    "OutputFormat.description": "words", "CacheMark.ttl": "12h",
    "Text.text": "b", "Text.cache": MARK,
    "Text.citations": (Citation(raw={"type": "char_location"}, protocol=MESSAGES.value),), "Refusal.text": "b",
    "Thinking.text": "b",
    "Image.media_type": "image/jpeg", "Image.data": "iVBORw0KGgoAAAA=", "Image.detail": "low", "Image.cache": MARK,
    "Document.text": "y", "Document.title": "t", "Document.context": "c", "Document.citations": True, "Document.cache": MARK,
    "Audio.data": "BB==", "Audio.format": "mp3",
    "ToolCall.id": "c2", "ToolCall.name": "g", "ToolCall.arguments": '{"a":"1"}', "ToolCall.kind": ToolKind.CUSTOM,
    "ToolCall.namespace": "group", "ToolCall.cache": MARK,
    "ToolResult.call_id": "c2", "ToolResult.parts": (Text("s"),), "ToolResult.is_error": True,
    "ToolResult.kind": ToolKind.CUSTOM, "ToolResult.cache": MARK,
    "Foreign.value": {"type": "compaction", "id": "2"}, "Citation.raw": {"type": "char_location", "cited_text": "b"},
    "Citation.url": "https://e", "Citation.title": "t", "Citation.cited_text": "c", "Citation.start": 1, "Citation.end": 2,
}  # fmt: skip
PAIRS: dict[str, Callable[[Protocol], tuple[Any, Any]]] = {
    # where another value must stand beside it: (without, with)
    "Request.server_tools": lambda t: (asking(), asking(server_tools=[search(t)])),
    "Request.plain": lambda t: (asking(tools=[]), asking(tools=[], plain=True)),  # true of nothing else
    "Request.texts": lambda t: (asking(tools=[]), asking(tools=[], texts=True)),
    "Request.cache_key": lambda t: (asking(), asking(cache_key="k", raw={"cache_key": "k"})),
    "Request.max_tool_calls": lambda t: (
        asking(web_search=WebSearch()),
        asking(web_search=WebSearch(), max_tool_calls=3),
    ),
    "Tool.grammar": lambda t: (
        Tool("f", kind=ToolKind.CUSTOM),
        Tool(
            "f", kind=ToolKind.CUSTOM, grammar={"type": "grammar", "syntax": "lark", "definition": "start: X"}
        ),
    ),
    "Tool.namespace_description": lambda t: (
        Tool("f", "d", SCHEMA, namespace="g"),
        Tool("f", "d", SCHEMA, namespace="g", namespace_description="of them"),
    ),
    "ServerTool.value": lambda t: (search(t), search(t, max_uses=2)),
    "ToolChoice.allowed_server": lambda t: (
        ToolChoice("auto", allowed=("f",)),
        ToolChoice("auto", allowed=("f",), allowed_server=("web_search",)),
    ),
    "ToolChoice.name": lambda t: (ToolChoice("tool", "f"), ToolChoice("tool", "g")),
    "ThinkingMode.type": lambda t: (ThinkingMode("disabled"), ThinkingMode("enabled", 5000)),
    "ThinkingMode.budget": lambda t: (ThinkingMode("enabled", 1500), ThinkingMode("enabled", 5000)),
    "Thinking.text": lambda t: (
        BASES[Thinking](t) if t is not CHAT else Thinking("a"),
        msgspec.structs.replace(BASES[Thinking](t), text="b") if t is not CHAT else Thinking("b"),
    ),
    "Thinking.opaque": lambda t: (Thinking(), BASES[Thinking](t)),
    "Opaque.data": lambda t: (BASES[Opaque](t), Opaque(t.value, OTHER_OPAQUE[t])),
    "Image.url": lambda t: (Image(url="https://example.com/a"), Image(url="https://example.com/b")),
    "Image.file_id": lambda t: tuple(Image(file_id=x, file_of=GENEROUS[t].files) for x in "ab"),  # type: ignore[dict-item]
    "Document.media_type": lambda t: tuple(
        Document(kind, base64.b64encode(b"hi").decode()) for kind in (PDF, "text/plain")
    ),  # type: ignore[dict-item]
    "Document.data": lambda t: (Document(PDF, "JVBERi0="), Document(PDF, "JVBERi1x")),
    "Document.url": lambda t: (Document(url="https://example.com/a"), Document(url="https://example.com/b")),
    "Document.parts": lambda t: (Document(parts=(Text("a"),)), Document(parts=(Text("b"),))),
    "Document.file_id": lambda t: tuple(Document(file_id=x, file_of=GENEROUS[t].files) for x in "ab"),  # type: ignore[dict-item]
    "Foreign.value": lambda t: (
        Foreign("x" if t is CHAT else t.value, "c", {"type": "c", "id": "1"}, "words"),
        Foreign("x" if t is CHAT else t.value, "c", {"type": "c", "id": "2"}, "words"),
    ),
    "Foreign.text": lambda t: (Foreign("x", "c", {}, "words"), Foreign("x", "c", {}, "others")),
    "Foreign.shown": lambda t: (
        Foreign("x", "c", {}, "words"),
        Foreign("x", "c", {}, "words", (Image("image/png", PICTURE),)),
    ),
}
PROFILES: dict[tuple[str, Protocol], dict[str, Any]] = {
    ("ThinkingMode.budget", MESSAGES): {"reasoning": "budget"},
    ("ThinkingMode.type", MESSAGES): {"reasoning": "budget"},
    ("Request.thinking", MESSAGES): {"reasoning": "budget"},
    ("OutputFormat.type", CHAT): {"json_word": False},
    ("OutputFormat.type", RESPONSES): {"json_word": False},
    ("Request.seed", RESPONSES): {"penalties": True},
    ("Request.seed", MESSAGES): {"penalties": True},
    ("Request.verbosity", MESSAGES): {"verbosity": True},
    ("Request.metadata", MESSAGES): {"metadata": True},
    ("Request.top_k", RESPONSES): {"top_k": True},
}
"""Where a generation differs; and a profile that promises more than the protocol has: the declaration catches it."""


def fields() -> list[tuple[type[msgspec.Struct], str]]:
    return [(kind, name) for kind in reachable() for name in kind.__struct_fields__]


def pair(kind: type, name: str, target: Protocol) -> tuple[Any, Any]:
    """(without, with): two values of the type that differ in this field."""
    key = f"{kind.__name__}.{name}"
    if key in PAIRS:
        return PAIRS[key](target)
    base = BASES[kind](target)
    return base, msgspec.structs.replace(base, **{name: VALUES[key]})


each = pytest.mark.parametrize("target", TARGETS)
every = pytest.mark.parametrize(
    ("kind", "name"), fields(), ids=lambda value: value if isinstance(value, str) else value.__name__
)


@each
def test_every_field_has_its_place_and_every_place_its_field(target: Protocol) -> None:
    assert gaps(half(target).carries) == []


def test_every_field_has_a_sample() -> None:
    places = half(CHAT).carries
    unwatched = [
        f"{kind.__name__}.{name}"
        for kind, name in fields()
        if name != "path"
        and (name not in places.get(kind, {}) or places[kind][name].how is not How.FORM)
        and f"{kind.__name__}.{name}" not in VALUES.keys() | PAIRS.keys()
    ]
    assert unwatched == []
    assert HOSTS.keys() == BASES.keys() == reachable().keys()


@each
@every
def test_what_the_declaration_says_is_what_happens(
    kind: type[msgspec.Struct], name: str, target: Protocol
) -> None:
    place = half(target).carries[kind][name]
    if place.how is How.FORM or name == "path":
        return  # decides how its neighbour is written, which is seen there
    without, having = (HOSTS[kind](value) for value in pair(kind, name, target))
    changes = PROFILES.get((f"{kind.__name__}.{name}", target), {})
    profile = msgspec.structs.replace(GENEROUS[target], **changes)
    if place.how is How.REFUSED:
        with pytest.raises(PointsmanError) as caught:
            sent(target, having, profile)
        assert (caught.value.status, place.why in caught.value.public) == (400, True)
        return
    plain, before = sent(target, without, profile)
    body, warnings = sent(target, having, profile)
    if place.how is How.MAPPED:
        assert body != plain
        assert warnings == before
    elif place.how is How.EMULATED:
        assert body != plain
    elif place.how is How.APART:
        assert (body, warnings) == (plain, before)
    else:
        told = [entry for entry in warnings if entry.startswith("dropped:")]
        assert told, "nothing was told"
        with pytest.raises(PointsmanError) as caught:
            sent(target, having, profile, strict=True)
        assert f"dropped:{caught.value.param}" in told


REAL: list[tuple[Protocol, BackendSpec, str]] = [
    *((CHAT, OPENAI, model) for model in ("gpt-4.1", "gpt-3.5-turbo", "gpt-5-chat", "o1-mini", "gpt-5.6")),
    *((RESPONSES, OPENAI, model) for model in ("gpt-4.1", "gpt-5.6", "gpt-5-pro")),
    *((MESSAGES, ANTHROPIC, model) for model in ("claude-2", "claude-3-5-haiku", "claude-sonnet-4-5", "claude-opus-4-8", "claude-opus-5-5")),
    *((target, LOCAL, model) for target in TARGETS for model in ("llama", "qwen3", "gpt-oss", "magistral")),
    (CHAT, GROQ, "x"),
]  # fmt: skip
QUIET = {
    "cache": "a mark changes the price, never the answer",
    "cache_auto": "likewise",
    "ttl": "likewise",
    "opaque": "earlier reasoning goes to who made it",
    "data": "likewise",
    "text": "likewise",
    "display": "the answer is written as the client wants it shown",
    "summary": "what reasoning there is will be shown",
}
"""What a target that could have it may go without in silence; of `data` and `text`, those of reasoning only."""


@pytest.mark.parametrize(("target", "spec", "model"), REAL, ids=lambda value: getattr(value, "key", value))
def test_no_target_loses_a_field_in_silence(target: Protocol, spec: BackendSpec, model: str) -> None:
    assert [
        f"{kind.__name__}.{name}"
        for kind, name in fields()
        if half(target).carries[kind][name].how not in (How.FORM, How.APART)
        and (name not in QUIET or (name in ("data", "text") and kind not in (Opaque, Thinking)))
        and lost(kind, name, target, profile_for(spec, target, model))
    ] == []


def lost(kind: type[msgspec.Struct], name: str, target: Protocol, profile: Profile) -> bool:
    """Nothing is sent of it, and nothing is said."""
    if kind is Request and name == "model":
        profile = msgspec.structs.replace(profile, model="")
    without, having = (HOSTS[kind](value) for value in pair(kind, name, target))
    try:
        body, warnings = sent(target, having, profile)
    except PointsmanError as error:
        return error.status != 400
    try:
        plain, before = sent(target, without, profile)
    except PointsmanError:
        return False
    told = bool(set(warnings) - set(before)) or (
        bool(warnings) and warnings == before
    )  # the same of both values
    return body == plain and not told
