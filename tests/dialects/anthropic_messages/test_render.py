"""Requests of other protocols' clients as a Messages body: what the vendor demands, by Profile."""

from __future__ import annotations

import base64
from typing import Any

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
from pointsman.errors import PointsmanError

from .kit import CLAUDE, but, render

U, A, S, D = Role.USER, Role.ASSISTANT, Role.SYSTEM, Role.DEVELOPER
AM = "anthropic_messages"
MARK = {"type": "ephemeral"}
F = Tool("f", "d", {"type": "object"})


def ask(*messages: Message, **fields: Any) -> Request:
    return Request("m", messages=list(messages) or [user("hi")], **fields)


def user(*parts: Part | str) -> Message:
    return Message(U, [Text(p) if isinstance(p, str) else p for p in parts])


def said(*parts: Part | str) -> Message:
    return Message(A, [Text(p) if isinstance(p, str) else p for p in parts])


def system(text: str) -> Message:
    return Message(S, [Text(text)])


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def messages(*given: Message, profile: Profile = CLAUDE) -> list[tuple[str, list[Any]]]:
    """(role, contents in short) of every turn."""
    found = render(ask(*given), profile)["messages"]
    return [
        (m["role"], [b.get("text") or b.get("tool_use_id") or b["type"] for b in m["content"]]) for m in found
    ]


def warned(request: Request, profile: Profile = CLAUDE) -> list[str]:
    notes = Notes()
    render(request, profile, notes)
    return notes.warnings


def refused(request: Request, profile: Profile = CLAUDE) -> str:
    with pytest.raises(PointsmanError) as caught:
        render(request, profile)
    assert caught.value.status == 400
    return caught.value.public


# -- sizes and sampling


@pytest.mark.parametrize(
    ("asked", "limit", "sent", "warnings"),
    [
        (None, 64_000, 32_000, []),
        (None, 8192, 8192, []),
        (None, None, 32_000, []),
        (100, 8192, 100, []),
        (9999, 8192, 8192, ["changed:max_tokens"]),
    ],
)
def test_max_tokens(asked: int | None, limit: int | None, sent: int, warnings: list[str]) -> None:
    request, profile = ask(max_tokens=asked), but(max_tokens_limit=limit)
    assert render(request, profile)["max_tokens"] == sent
    assert warned(request, profile) == warnings


@pytest.mark.parametrize(
    ("profile", "sent", "warnings"),
    [
        (CLAUDE, {"temperature": 1.0, "top_p": 0.5, "top_k": 3}, ["changed:temperature"]),
        (but(sampling="one_of"), {"temperature": 1.0, "top_k": 3}, ["changed:temperature", "dropped:top_p"]),
        (but(sampling="default_only"), {}, ["dropped:temperature", "dropped:top_p", "dropped:top_k"]),
        (but(top_k=False), {"temperature": 1.0, "top_p": 0.5}, ["changed:temperature", "dropped:top_k"]),
    ],
)
def test_sampling(profile: Profile, sent: dict[str, Any], warnings: list[str]) -> None:
    request = ask(temperature=1.5, top_p=0.5, top_k=3)
    body = render(request, profile)
    assert {k: body[k] for k in ("temperature", "top_p", "top_k") if k in body} == sent
    assert warned(request, profile) == warnings


def test_defaults_go_silently_where_only_they_are_taken() -> None:
    request = ask(temperature=1, top_p=1.0)
    assert warned(request, but(sampling="default_only")) == []
    assert "temperature" not in render(request, but(sampling="default_only"))


def test_thinking_takes_only_default_sampling() -> None:
    request = ask(temperature=0, top_p=0.97, top_k=2, effort="high")
    assert "temperature" not in render(request)
    assert render(request)["top_p"] == 0.97
    assert warned(request) == ["dropped:temperature", "dropped:top_k"]


def test_stop_sequences() -> None:
    request = ask(stop=("END", "\n"))
    assert render(request)["stop_sequences"] == ["END"]
    assert warned(request) == ["dropped:stop"]
    assert "stop_sequences" not in render(ask(stop=("A", "B")), but(stop=1))  # the gateway enforces them


def test_account() -> None:
    assert render(ask(user="u"))["metadata"] == {"user_id": "u"}
    assert len(render(ask(user="u" * 300))["metadata"]["user_id"]) == 64
    assert render(ask(service_tier="default"))["service_tier"] == "standard_only"
    assert warned(ask(service_tier="flex")) == ["dropped:service_tier"]


# -- thinking (docs/protocols/reasoning.md#effort-toward-messages)

ALWAYS = but(thinking_off=False, omits_thinking=True)
MIDDLE = but(omits_thinking=True, efforts=("low", "medium", "high"))
BUDGET = but(reasoning="budget", max_tokens_limit=64_000)
NONE = but(reasoning="none")


def enabled(tokens: int) -> dict[str, Any]:
    return {"type": "enabled", "budget_tokens": tokens}


SHOWN = {"type": "adaptive", "display": "summarized"}
PLANS: list[tuple[Profile, dict[str, Any], Any, Any, list[str]]] = [
    # profile, what was asked, thinking sent, effort sent, warnings
    (CLAUDE, {}, None, None, []),
    (CLAUDE, {"effort": "high"}, {"type": "adaptive"}, "high", []),
    (MIDDLE, {"effort": "high"}, SHOWN, "high", []),
    (MIDDLE, {"effort": "max"}, SHOWN, "high", ["changed:effort"]),
    (CLAUDE, {"effort": "minimal"}, {"type": "adaptive"}, "low", ["changed:effort"]),
    (CLAUDE, {"effort": "none"}, {"type": "disabled"}, None, []),
    (ALWAYS, {"effort": "none"}, None, "low", ["changed:effort"]),
    (
        but(ALWAYS, between_tools=True),
        {"effort": "none"},
        {"type": "between_tools"},
        None,
        ["changed:effort"],
    ),
    (MIDDLE, {"summary": "auto"}, SHOWN, None, []),
    (CLAUDE, {"thinking": ThinkingMode("enabled", 9000)}, {"type": "adaptive"}, "high", ["changed:thinking"]),
    (
        CLAUDE,
        {"thinking": ThinkingMode("enabled", 99_000)},
        {"type": "adaptive"},
        "xhigh",
        ["changed:thinking"],
    ),
    (CLAUDE, {"thinking": ThinkingMode("between_tools")}, {"type": "adaptive"}, None, ["changed:thinking"]),
    (
        MIDDLE,
        {"thinking": ThinkingMode("adaptive", None, "omitted")},
        {"type": "adaptive", "display": "omitted"},
        None,
        [],
    ),
    (CLAUDE, {"thinking": ThinkingMode("disabled"), "effort": "low"}, {"type": "disabled"}, "low", []),
    (
        CLAUDE,
        {"thinking": ThinkingMode("disabled"), "effort": "xhigh"},
        {"type": "disabled"},
        "high",
        ["changed:effort"],
    ),
    (ALWAYS, {"thinking": ThinkingMode("disabled")}, None, "low", ["changed:thinking"]),
    (BUDGET, {"effort": "none"}, {"type": "disabled"}, None, []),
    (BUDGET, {"effort": "minimal"}, enabled(1024), None, []),
    (BUDGET, {"effort": "medium"}, enabled(8192), None, []),
    (BUDGET, {"effort": "xhigh", "max_tokens": 10_000}, enabled(8976), None, []),
    (BUDGET, {"effort": "max", "max_tokens": 10_000}, enabled(8976), None, []),
    (BUDGET, {"effort": "low", "max_tokens": 500}, None, None, ["dropped:effort"]),
    (BUDGET, {"thinking": ThinkingMode("enabled", 5000)}, enabled(5000), None, []),
    (BUDGET, {"thinking": ThinkingMode("enabled", 100)}, enabled(1024), None, ["changed:thinking"]),
    (BUDGET, {"thinking": ThinkingMode("adaptive")}, enabled(16384), None, ["changed:thinking"]),
    (BUDGET, {"summary": "auto"}, None, None, []),
    (NONE, {"effort": "high"}, None, None, ["dropped:effort"]),
    (NONE, {"effort": "none"}, None, None, []),
    (NONE, {"thinking": ThinkingMode("disabled")}, None, None, []),
    (NONE, {"thinking": ThinkingMode("adaptive")}, None, None, ["dropped:thinking"]),
    (but(reasoning="effort"), {"effort": "high"}, None, "high", []),
    (but(reasoning="effort"), {"effort": "none"}, {"type": "disabled"}, None, []),
]


@pytest.mark.parametrize(("profile", "asked", "thinking", "effort", "warnings"), PLANS)
def test_how_hard_it_thinks(
    profile: Profile, asked: dict[str, Any], thinking: Any, effort: Any, warnings: list[str]
) -> None:
    body = render(ask(**asked), profile)
    assert (body.get("thinking"), body.get("output_config", {}).get("effort")) == (thinking, effort)
    assert warned(ask(**asked), profile) == warnings


def test_a_budget_needs_the_thinking_of_the_turn_that_goes_on() -> None:
    history = (user("hi"), said(ToolCall("t", "f")), user(ToolResult("t")))
    assert "thinking" not in render(ask(*history, effort="high"), BUDGET)
    assert warned(ask(*history, effort="high"), BUDGET) == ["dropped:effort"]
    thought = Thinking("x", Opaque(AM, {"type": "thinking", "thinking": "x", "signature": "s"}))
    with_thinking = (user("hi"), said(thought, ToolCall("t", "f")), user(ToolResult("t")))
    assert render(ask(*with_thinking, effort="high"), BUDGET)["thinking"] == enabled(16384)


# -- tools


def test_tools_and_choice() -> None:
    request = ask(tools=[Tool("f"), Tool("g", "d", {"properties": {}})], parallel_tools=False)
    body = render(request)
    assert body["tools"] == [
        {"name": "f", "input_schema": {"type": "object", "properties": {}}},
        {"name": "g", "description": "d", "input_schema": {"type": "object", "properties": {}}},
    ]
    assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert "tool_choice" not in render(ask(tools=[F]))
    assert "tool_choice" not in render(ask(tool_choice=ToolChoice("any"), parallel_tools=False))
    none = ask(tools=[F], tool_choice=ToolChoice("none"), parallel_tools=False)
    assert render(none)["tool_choice"] == {"type": "none"}


def test_a_forced_tool_where_it_is_not_taken() -> None:
    request = ask(tools=[F], tool_choice=ToolChoice("tool", "f"))
    wording = 'tool_choice: type "tool" and "any" are not supported for this model.'
    assert wording in refused(request, but(forced_tools=False))
    forced = ask(tools=[F], tool_choice=ToolChoice("any"), effort="high")
    assert wording in refused(forced, BUDGET)
    body = render(forced)
    assert "thinking" not in body
    assert (body["tool_choice"], body["output_config"]) == ({"type": "any"}, {"effort": "high"})


def test_allowed_tools() -> None:
    request = ask(tools=[F, Tool("g")], tool_choice=ToolChoice("auto", None, ("g",)))
    assert [tool["name"] for tool in render(request)["tools"]] == ["g"]
    assert warned(request) == ["emulated:tool_choice"]
    assert warned(ask(tools=[F], tool_choice=ToolChoice("auto", None, ("f",)))) == []


def test_strict_tools() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
    tool = Tool("f", None, schema, True, path="tools[0].function")
    (found,) = render(ask(tools=[tool]))["tools"]
    assert found["strict"] is True
    assert found["input_schema"]["additionalProperties"] is False
    assert "minimum" not in found["input_schema"]["properties"]["n"]
    assert warned(ask(tools=[tool])) == ["changed:tools[0].function"]
    lax = render(ask(tools=[tool]), but(strict_tools=False))["tools"]
    assert lax == [{"name": "f", "input_schema": schema}]
    closed = {"type": "object", "properties": {}, "additionalProperties": False}
    many = render(ask(tools=[Tool(f"f{i}", None, closed, True) for i in range(25)]))["tools"]
    assert sum("strict" in one for one in many) == 20
    knot = {"type": "object", "properties": {"a": {"$ref": "#"}}}
    assert "strict" not in render(ask(tools=[Tool("f", None, knot, True)]))["tools"][0]


def test_web_search_of_another_vendor() -> None:
    place = {"city": "Rome", "country": "IT"}
    request = ask(web_search=WebSearch(("a.org",), location=place, context_size="low", path="tools[0]"))
    request.max_tool_calls = 2
    assert render(request)["tools"] == [
        {
            "type": "web_search_20250305",
            "name": "web_search",
            "max_uses": 2,
            "allowed_domains": ["a.org"],
            "user_location": {"type": "approximate", "city": "Rome", "country": "IT"},
        }
    ]
    assert warned(request) == ["dropped:tools[0].context_size"]
    nothing = but(server_tools=frozenset())
    assert warned(request, nothing) == ["dropped:tools[0]", "dropped:max_tool_calls"]
    chat = ask(web_search=WebSearch(location={"country": "IT"}))
    assert render(chat)["tools"][0]["user_location"] == {"type": "approximate", "country": "IT"}
    assert warned(chat, nothing) == ["dropped:web_search"]
    other = ask(
        server_tools=[ServerTool("openai_responses", "computer_use_preview", "c", {}, path="tools[0]")]
    )
    assert "computer_use_preview" in refused(other)


# -- output format


def test_formats() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 9}}, "required": ["n"]}
    request = ask(format=OutputFormat("json_schema", "x", schema, True))
    sent = render(request)["output_config"]["format"]
    assert sent["type"] == "json_schema"
    assert sent["schema"]["additionalProperties"] is False
    assert warned(request) == ["changed:format"]
    assert render(request, but(schema_subset="full"))["output_config"]["format"]["schema"] == schema


@pytest.mark.parametrize(
    ("form", "profile"),
    [
        (OutputFormat("json_object"), CLAUDE),
        (OutputFormat("json_schema", "x", {"type": "object"}), but(structured=False)),
        (OutputFormat("json_schema", "x", {"type": "object", "properties": {"a": {"$ref": "#"}}}), CLAUDE),
    ],
)
def test_formats_that_are_asked_for_in_words(form: OutputFormat, profile: Profile) -> None:
    request = ask(format=form, system=[Text("s")])
    body = render(request, profile)
    assert "output_config" not in body
    assert body["system"][0] == text("s")
    assert "JSON" in body["system"][1]["text"]
    assert warned(request, profile) == ["emulated:format"]


# -- caching


def test_at_most_four_marks_and_the_longer_first() -> None:
    five = [Text(str(i), CacheMark("5m", path=f"messages[0].content[{i}].cache_control")) for i in range(5)]
    tool = Tool("f", cache=CacheMark(path="tools[0].cache_control"))
    request = ask(
        user(*five), tools=[tool], system=[Text("s", CacheMark("12h", path="system[0].cache_control"))]
    )
    body = render(request)
    assert "cache_control" not in body["tools"][0]
    assert "cache_control" not in body["system"][0]
    assert [b.get("cache_control") for b in body["messages"][0]["content"]] == [None] + 4 * [
        {"type": "ephemeral", "ttl": "5m"}
    ]
    assert warned(request) == [
        "dropped:tools[0].cache_control",
        "dropped:system[0].cache_control",
        "dropped:messages[0].content[0].cache_control",
    ]
    mixed = ask(user(Text("a", CacheMark("12h")), Text("b", CacheMark("30m")), Text("c", CacheMark("1h"))))
    marks = [b["cache_control"] for b in render(mixed)["messages"][0]["content"]]
    assert marks == [{"type": "ephemeral", "ttl": "1h"}, MARK, MARK]


def test_no_marks_where_they_are_not_taken() -> None:
    request = ask(user(Text("a", CacheMark())), tools=[Tool("f", cache=CacheMark())])
    assert "cache_control" not in str(render(request, but(cache_marks=False)))


def test_automatic_caching() -> None:
    auto = but(auto_cache=True)
    assert render(ask(tools=[F]), auto)["cache_control"] == MARK
    assert "cache_control" not in render(ask(), auto)
    assert "cache_control" not in render(ask(user(Text("a", CacheMark())), tools=[F]), auto)
    assert render(ask(cache_auto=CacheMark("1h")))["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    four = ask(user(*(Text(str(i), CacheMark()) for i in range(4))), cache_auto=CacheMark())
    body = render(four)
    assert sum("cache_control" in b for b in body["messages"][0]["content"]) == 3


def test_a_mark_inside_a_result_stands_on_the_result() -> None:
    history = (user("hi"), said(ToolCall("t", "f")), user(ToolResult("t", (Text("r", CacheMark()),))))
    result = render(ask(*history))["messages"][-1]["content"][0]
    assert result["cache_control"] == MARK
    assert result["content"] == [text("r")]


# -- turns


def test_system_blocks_are_never_joined() -> None:
    request = ask(system=[Text("a"), Text(" "), Text("b", CacheMark())])
    assert render(request)["system"] == [text("a"), {**text("b"), "cache_control": MARK}]


def test_later_system_messages_where_they_are_legal() -> None:
    assert messages(user("a"), system("s"), said("b"), user("c")) == [
        ("user", ["a"]),
        ("system", ["s"]),
        ("assistant", ["b"]),
        ("user", ["c"]),
    ]
    assert messages(user("a"), system("s"), Message(D, [Text("t")]))[1] == ("system", ["s", "t"])
    note = "<system-reminder>\ns\n</system-reminder>"
    assert messages(user("a"), said("b"), system("s"), user("c"))[2:] == [("user", [note]), ("user", ["c"])]
    assert messages(user("a"), system("s"), user("c")) == [("user", ["a", note]), ("user", ["c"])]
    assert messages(user("a"), system("s"), profile=but(mid_system=False)) == [("user", ["a", note])]


def test_results_come_first() -> None:
    note = "<system-reminder>\ns\n</system-reminder>"
    found = messages(
        user("hi"),
        said(ToolCall("t", "f"), ToolCall("u", "f")),
        user(ToolResult("t")),
        system("s"),
        user(ToolResult("u"), "x"),
    )
    assert found[2:] == [("user", ["t", "u", note, "x"])]
    assert messages(user("hi"), said(ToolCall("t", "f")), user("x", ToolResult("t")))[2] == (
        "user",
        ["t", "x"],
    )


def test_neighbours() -> None:
    assert messages(user("a"), user("b")) == [("user", ["a"]), ("user", ["b"])]
    assert messages(user("a"), user("b"), profile=but(merge_turns=True)) == [("user", ["a", "b"])]


def test_empty_turns() -> None:
    assert messages(user("a"), said(" ", ""), user("b")) == [("user", ["a"]), ("user", ["b"])]
    assert "must say something" in refused(ask(user("a"), user(" ")))
    assert "at least one message" in refused(Request("m", messages=[said(" ")]))


def test_a_prompt_of_system_messages_alone() -> None:
    request = Request("m", system=[Text("a"), Text("b")])
    body = render(request)
    assert (body["system"], body["messages"]) == ([text("a")], [{"role": "user", "content": [text("b")]}])
    assert warned(request) == ["changed:messages"]


def test_a_history_that_begins_with_the_assistant() -> None:
    assert [role for role, _ in messages(said("hello"), user("hi"))] == ["user", "assistant", "user"]
    assert warned(ask(said("hello"), user("hi"))) == ["repaired:messages"]


def test_prefill() -> None:
    assert messages(user("a"), said("b \n"))[-1] == ("assistant", ["b"])
    assert "must end with a user message" in refused(ask(user("a"), said("b")), but(prefill=False))
    paused = Foreign(
        AM, "server_tool_use", {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    )
    assert messages(user("a"), said("b", paused), profile=but(prefill=False))[-1][0] == "assistant"


# -- content


def test_thinking_goes_back_to_its_maker_only_and_in_its_place() -> None:
    blocks = [
        {"type": "thinking", "thinking": "a", "signature": "1"},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "thinking", "thinking": "", "signature": "2"},
    ]
    own = [Thinking("a", Opaque(AM, one, "anthropic")) for one in blocks]
    turn = said(own[0], "t", own[1], ToolCall("c", "f"), own[2], ToolCall("d", "f"))
    results = user(ToolResult("c"), ToolResult("d"))
    sent = render(ask(user("hi"), turn, results))["messages"][1]["content"]
    assert [b for b in sent if b in blocks] == blocks
    assert [b["type"] for b in sent] == [
        "thinking",
        "text",
        "redacted_thinking",
        "tool_use",
        "thinking",
        "tool_use",
    ]
    others = [
        Thinking("b"),
        Thinking("b", Opaque("openai_responses", {}, "anthropic")),
        Thinking("b", Opaque(AM, blocks[0], "anthropic/other")),
    ]
    assert messages(user("hi"), said(*others, "x"), user("y"))[1] == ("assistant", ["x"])
    told = warned(ask(user("hi"), said(*others, "x"), user("y")))
    assert told == ["dropped:messages[1].content[0]"]  # of the one without a signature


def test_a_turn_that_was_cut_in_its_thinking() -> None:
    thought = Thinking("a", Opaque(AM, {"type": "thinking", "thinking": "a", "signature": "1"}))
    assert messages(user("hi"), said("x", thought), user("y"))[1] == ("assistant", ["x"])
    assert [role for role, _ in messages(user("hi"), said(thought), user("y"))] == ["user", "user"]


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ("", {}),
        (" ", {}),
        ('{"b": 1, "a": 2}', {"b": 1, "a": 2}),
        ("nope", {"INVALID_JSON": "nope"}),
        ("[1]", {"INVALID_JSON": "[1]"}),
    ],
)
def test_arguments(arguments: str, sent: dict[str, Any]) -> None:
    history = (user("hi"), said(ToolCall("t", "f", arguments)), user(ToolResult("t")))
    assert render(ask(*history))["messages"][1]["content"][0]["input"] == sent


def test_images() -> None:
    def source(image: Image, profile: Profile = CLAUDE) -> Any:
        return render(ask(user(image)), profile)["messages"][0]["content"][0]["source"]

    assert source(Image("image/jpg", "/9j/4A"))["media_type"] == "image/jpeg"
    assert source(Image(None, "iVBORw"))["media_type"] == "image/png"
    assert source(Image(url="https://i")) == {"type": "url", "url": "https://i"}
    assert "image/tiff" in refused(ask(user(Image("image/tiff", "x"))))
    assert "its own vendor" in refused(ask(user(Image(file_id="file-1", file_of="openai_chat"))))
    assert "no images" in refused(ask(user(Image("image/png", "x"))), but(images=False))
    assert "fetches no images" in refused(ask(user(Image(url="https://i"))), but(image_urls=False))
    assert warned(ask(user(Image("image/png", "x", detail="high")))) == [
        "dropped:messages[0].content[0].detail"
    ]
    assert warned(ask(user(Image("image/png", "x", detail="auto")))) == []


def test_documents() -> None:
    def source(document: Document) -> Any:
        return render(ask(user(document)))["messages"][0]["content"][0]["source"]

    data = base64.b64encode("grüß".encode()).decode()
    assert source(Document("text/markdown", data)) == {
        "type": "text",
        "media_type": "text/plain",
        "data": "grüß",
    }
    assert source(Document(None, "JVBERi0"))["media_type"] == "application/pdf"
    assert "application/zip" in refused(ask(user(Document("application/zip", "UEs"))))
    assert "its own vendor" in refused(ask(user(Document(file_id="f", file_of="openai_chat"))))
    assert "no files" in refused(ask(user(Document("application/pdf", "x"))), but(documents=False))
    assert render(ask(user(Document(text="x"))), but(documents=False))


def test_sound_is_refused() -> None:
    assert "takes no sound" in refused(ask(user(Audio("x", "wav"))))


def test_refusals_names_and_foreign_blocks() -> None:
    assert messages(user("a"), said(Refusal("no")), user("b"))[1] == ("assistant", ["no"])
    assert warned(ask(Message(U, [Text("a")], "bob"))) == ["dropped:messages[0].name"]
    spoken = Foreign("openai_responses", "web_search_call", {}, "found it")
    silent = Foreign("openai_responses", "image_generation_call", {})
    marked = '\n<block type="web_search_call">\nfound it\n</block>\n'
    assert messages(user("a"), said(spoken), user("b"))[1] == ("assistant", [marked])
    assert warned(ask(user("a"), said("x", spoken), user("b"))) == ["changed:messages[1].content[1]"]
    assert "'messages[1].content[1]'" in refused(ask(user("a"), said("x", silent), user("b")))


def test_citations_without_the_vendors_index_stay_here() -> None:
    cited = Text("x", None, (Citation("https://t", "t", "c"),))
    assert render(ask(user("a"), said(cited), user("b")))["messages"][1]["content"] == [text("x")]
