"""A request made to fit a target and its answer read back: adapt.py, adaptation.py, jsontext.py; capsules, notes, fold and unfold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.conversation.events import Delta, Event, PartEnd, PartKind, PartStart, Stop
from pointsman.conversation.notes import Notes
from pointsman.conversation.parts import (
    Document,
    Foreign,
    Image,
    Opaque,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolKind,
    ToolResult,
)
from pointsman.conversation.profile import Profile
from pointsman.conversation.reply import CutShort, Reply, fold, unfold
from pointsman.conversation.request import Message, Request, Role, ServerTool, Tool, ToolChoice, WebSearch
from pointsman.conversation.usage import TokenUsage
from pointsman.dialects.capsule import Capsules, Forged, is_capsule
from pointsman.errors import PointsmanError
from pointsman.kinds import ErrorKind
from pointsman.translation.adapt import adapt
from pointsman.wire.jsontext import StringReader
from tests.neutral import placed

quick = settings(max_examples=200, deadline=None)
LONG = "mcp__a_server_with_a_long_name__and_a_tool_whose_name_is_longer_still_than_that"


def request(**more: Any) -> Request:
    return Request("m", messages=[Message(Role.USER, [Text("hi")])], **more)


def warned(profile: Profile, asked: Request) -> tuple[Request, list[str]]:
    notes = Notes()
    found, _ = adapt(placed(asked), profile, notes)
    return found, notes.warnings


def refused(profile: Profile, asked: Request) -> PointsmanError:
    with pytest.raises(PointsmanError) as caught:
        adapt(placed(asked), profile, Notes())
    assert caught.value.kind is ErrorKind.BAD_REQUEST
    return caught.value


# -- values


@pytest.mark.parametrize(
    ("profile", "more", "changed", "warnings"),
    [
        ({"max_tokens_limit": 100}, {"max_tokens": 500}, {"max_tokens": 100}, ["changed:max_tokens"]),
        ({"min_output_tokens": 16}, {"max_tokens": 1}, {"max_tokens": 16}, ["changed:max_tokens"]),
        ({"temperature_max": 1.0}, {"temperature": 1.5}, {"temperature": 1.0}, ["changed:temperature"]),
        ({"sampling": "default_only"}, {"temperature": 0.5, "top_p": 0.5}, {"temperature": None, "top_p": None}, ["dropped:temperature", "dropped:top_p"]),
        ({"sampling": "default_only"}, {"temperature": 1, "top_p": 1}, {"temperature": None, "top_p": None}, []),
        ({"sampling": "one_of"}, {"temperature": 0.5, "top_p": 0.5}, {"temperature": 0.5, "top_p": None}, ["dropped:top_p"]),
        ({"sampling": "one_of"}, {"top_p": 0.5}, {"top_p": 0.5}, []),
        ({"top_k": False}, {"top_k": 5}, {"top_k": None}, ["dropped:top_k"]),
        ({"penalties": False}, {"seed": 1, "presence_penalty": 0}, {"seed": None, "presence_penalty": None}, ["dropped:seed"]),
        ({}, {"service_tier": "flex"}, {"service_tier": None}, ["dropped:service_tier"]),
        ({"service_tiers": ("flex",)}, {"service_tier": "flex"}, {"service_tier": "flex"}, []),
        ({}, {"metadata": {"a": "b"}}, {"metadata": None}, ["dropped:metadata"]),
        ({"stop": 4}, {"stop": ("a", "b")}, {"stop": ("a", "b")}, []),
        ({"stop": 1}, {"stop": ("a", "b")}, {"stop": ()}, []),
    ],
)  # fmt: skip
def test_values_are_made_to_fit_and_told(
    profile: dict[str, Any], more: dict[str, Any], changed: dict[str, Any], warnings: list[str]
) -> None:
    found, told = warned(Profile(**profile), request(**more))
    assert {name: getattr(found, name) for name in changed} == changed
    assert told == warnings


def test_a_users_id_that_is_too_long_becomes_a_stable_hash() -> None:
    profile = Profile(safety_id=True, user_max=128)
    first, _ = warned(profile, request(user="u" * 200))
    second, _ = warned(profile, request(user="u" * 200))
    assert first.user == second.user
    assert first.user is not None
    assert len(first.user) == 64


def test_stop_sequences_that_do_not_fit_are_the_gateways_to_keep() -> None:
    _, adaptation = adapt(request(stop=("a", "b")), Profile(stop=0), Notes())
    assert adaptation.stop == ("a", "b")


def test_a_forced_choice_that_a_model_refuses_is_refused_in_its_words() -> None:
    asked = request(tools=[Tool("f")], tool_choice=ToolChoice("tool", "f"))
    assert 'type "tool" and "any" are not supported' in refused(Profile(forced_tools=False), asked).public


def test_server_tools() -> None:
    search = WebSearch(path="tools[0]")
    run = ServerTool("p", "code_execution_20250825", "x", {}, path="tools[0]")
    assert warned(Profile(), request(web_search=search))[1] == ["dropped:tools[0]"]
    assert "code_execution" in refused(Profile(), request(server_tools=[run])).public
    kept, told = warned(Profile(server_tools=frozenset({"web_search"})), request(web_search=search))
    assert (kept.web_search, told) == (search, [])
    kept, told = warned(Profile(server_tools=frozenset({"code_execution"})), request(server_tools=[run]))
    assert (kept.server_tools, told) == ([run], [])


def test_what_a_model_cannot_see_is_refused_never_lost() -> None:
    picture = Request("m", messages=[Message(Role.USER, [Image(url="https://example.com/a.png")])])
    paper = Request("m", messages=[Message(Role.USER, [Document(media_type="application/pdf", data="JVBE")])])
    assert refused(Profile(images=False), picture).param == "messages[0].content[0]"
    assert refused(Profile(documents=False), paper).param == "messages[0].content[0]"


# -- names and ids, there and back


def through(profile: Profile, asked: Request, *events: Event) -> tuple[Request, list[Event]]:
    found, adaptation = adapt(asked, profile, Notes())
    back = adaptation.start()
    return found, [out for event in events for out in back.back(event)]


@pytest.mark.parametrize(
    ("name", "namespace"),
    [(LONG, None), ("has spaces and \u00fcmlauts", None), ("f", "group"), (LONG, "group"), ("f", None)],
)
def test_tool_names_come_back_as_they_were(name: str, namespace: str | None) -> None:
    asked = request(tools=[Tool(name, namespace=namespace)], tool_choice=ToolChoice("tool", name))
    found, _ = adapt(asked, Profile(), Notes())
    sent = found.tools[0].name
    assert len(sent) <= 64
    assert sent.replace("-", "_").replace("_", "a").isascii()
    assert found.tool_choice == ToolChoice("tool", sent)
    _, events = through(Profile(), asked, PartStart(0, PartKind.TOOL, "c", sent), Delta(0, "{}"), PartEnd(0))
    assert events[0] == PartStart(0, PartKind.TOOL, "c", name, namespace=namespace)


def test_two_long_names_stay_apart_and_the_history_uses_the_same_ones() -> None:
    asked = Request(
        "m",
        tools=[Tool(LONG + "_1"), Tool(LONG + "_2")],
        messages=[
            Message(Role.USER, [Text("a")]),
            Message(Role.ASSISTANT, [ToolCall("c", LONG + "_2", "{}")]),
        ],
    )
    found, _ = adapt(asked, Profile(), Notes())
    assert len({tool.name for tool in found.tools}) == 2
    part = found.messages[1].parts[0]
    assert isinstance(part, ToolCall)
    assert part.name == found.tools[1].name


@pytest.mark.parametrize("style", ["any", "short", "forty", "nine"])
@pytest.mark.parametrize(
    "call_id", ["call_1", "toolu_x", "a" * 50, "a" * 90, "with:colon", "\u00fc", "abcdefgh9"]
)
def test_call_ids_fit_and_results_keep_theirs(style: str, call_id: str) -> None:
    turn = [
        Message(Role.ASSISTANT, [ToolCall(call_id, "f", "{}")]),
        Message(Role.USER, [ToolResult(call_id, (Text("x"),))]),
    ]
    found, _ = adapt(Request("m", messages=turn, tools=[Tool("f")]), Profile(tool_id=style), Notes())
    call, result = found.messages[0].parts[0], found.messages[1].parts[0]
    assert isinstance(call, ToolCall)
    assert isinstance(result, ToolResult)
    assert call.id == result.call_id
    assert style != "nine" or (len(call.id) == 9 and call.id.isalnum())
    assert style != "short" or (len(call.id) <= 64 and call.id.isascii())
    assert style != "forty" or (len(call.id) <= 40 and call.id.isascii())


def test_a_custom_tool_is_a_function_there_and_free_text_back() -> None:
    tool = Tool(
        "patch",
        "d",
        kind=ToolKind.CUSTOM,
        grammar={"type": "grammar", "syntax": "lark", "definition": "start: X"},
    )
    turn = Message(Role.ASSISTANT, [ToolCall("c", "patch", 'a "b"\n', ToolKind.CUSTOM)])
    asked = Request("m", tools=[tool], messages=[Message(Role.USER, [Text("x")]), turn])
    pieces = [
        PartStart(0, PartKind.TOOL, "c", "patch"),
        Delta(0, '{"inp'),
        Delta(0, 'ut": "a \\"b'),
        Delta(0, '\\"\\u00e9\\n"}'),
        PartEnd(0),
    ]
    found, events = through(Profile(), asked, *pieces)
    assert found.tools[0].kind is ToolKind.FUNCTION
    assert "start: X" in (found.tools[0].description or "")
    call = found.messages[1].parts[0]
    assert isinstance(call, ToolCall)
    assert json.loads(call.arguments) == {"input": 'a "b"\n'}
    assert events[0] == PartStart(0, PartKind.TOOL, "c", "patch", ToolKind.CUSTOM)
    assert "".join(event.text for event in events if isinstance(event, Delta)) == 'a "b"\u00e9\n'


def test_what_fits_already_is_left_alone() -> None:
    asked = request(tools=[Tool("f", schema={"type": "object"})], temperature=0.5)
    found, adaptation = adapt(asked, Profile(), Notes())
    assert adaptation.identity
    assert found.messages is asked.messages
    assert found.tools == asked.tools


@quick
@given(
    text=st.text(max_size=40),
    cuts=st.lists(st.integers(0, 400), max_size=8),
    spaced=st.booleans(),
    ascii_only=st.booleans(),
)
def test_a_json_string_streams_out_decoded_however_it_is_cut(
    text: str, cuts: list[int], spaced: bool, ascii_only: bool
) -> None:
    clean = text.encode("utf-8", "replace").decode()
    raw = json.dumps(
        {"input": clean}, ensure_ascii=ascii_only, separators=(", ", ": ") if spaced else (",", ":")
    )
    places = sorted({0, len(raw), *(cut % (len(raw) + 1) for cut in cuts)})
    reader = StringReader("input")
    out = "".join(reader.feed(raw[a:b]) for a, b in zip(places, places[1:], strict=False))
    assert out + reader.finish() == clean


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("just text", "just text"),
        ('"a string"', "a string"),
        ('{"other": 1, "input": "x"}', "x"),
        ("{}", ""),
        ("", ""),
        ('{"input": "cut off', "cut off"),
    ],
)
def test_a_model_that_does_not_keep_to_the_wrapper_gets_its_text_through(raw: str, text: str) -> None:
    reader = StringReader("input")
    assert reader.feed(raw) + reader.finish() == text


# -- capsules

OPAQUES = st.builds(
    Opaque,
    st.text(max_size=8),
    st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3),
    st.text(max_size=8),
)


@quick
@given(opaque=OPAQUES)
def test_a_capsule_gives_back_what_was_put_in(opaque: Opaque) -> None:
    capsules = Capsules(b"key")
    sealed = capsules.seal(opaque)
    assert is_capsule(sealed)
    assert sealed.isascii()
    assert capsules.open(sealed) == opaque
    with pytest.raises(Forged):
        Capsules(b"other key").open(sealed)


@quick
@given(at=st.integers(0, 10_000), to=st.sampled_from("abcXYZ019-_."))
def test_a_changed_capsule_does_not_open(at: int, to: str) -> None:
    capsules = Capsules(b"key")
    sealed = capsules.seal(Opaque("p", {"a": "b"}))
    at %= len(sealed)
    changed = sealed[:at] + to + sealed[at + 1 :]
    if changed == sealed:
        return
    try:
        assert capsules.open(changed) == Opaque("p", {"a": "b"})  # the last characters' unused bits
    except Forged:
        pass


def test_an_empty_capsule_holds_nothing() -> None:
    assert Capsules(b"k").open(Capsules(b"k").seal(None)) is None


# -- notes


def test_notes_are_a_bounded_header_and_a_400_under_strict() -> None:
    notes = Notes(names={"effort": "reasoning_effort"})
    notes.drop("effort")
    notes.drop("effort")
    notes.change("a,b\n\u00fc", "x")
    assert notes.header() == b"dropped:reasoning_effort,changed:a_b__"
    for number in range(1000):
        notes.drop(f"messages[{number}].something")
    assert len(notes.header()) < 4100
    assert b"more:" in notes.header()
    with pytest.raises(PointsmanError) as caught:
        Notes(True, {"effort": "reasoning_effort"}).drop("effort")
    assert caught.value.param == "reasoning_effort"


# -- fold and unfold

PARTS = st.one_of(
    st.builds(Text, st.text(max_size=9)),
    st.builds(Refusal, st.text(max_size=9)),
    st.builds(Thinking, st.text(max_size=9), st.one_of(st.none(), OPAQUES), st.booleans()),
    st.builds(ToolCall, st.text(max_size=9), st.text(max_size=9), st.text(max_size=9), st.sampled_from(list(ToolKind)), st.one_of(st.none(), st.text(max_size=3))),
    st.builds(Foreign, st.text(max_size=3), st.text(max_size=3), st.integers()),
)  # fmt: skip


@quick
@given(
    parts=st.lists(PARTS, max_size=5),
    stop=st.sampled_from(list(Stop)),
    counted=st.one_of(st.none(), st.builds(TokenUsage, st.integers(0, 9))),
)
def test_a_reply_unfolded_folds_to_itself(parts: list[Any], stop: Stop, counted: TokenUsage | None) -> None:
    reply = Reply("id", "m", parts, stop, "s", "e", counted, "tier")
    assert fold(unfold(reply)) == reply


def test_events_without_an_end_are_cut_short() -> None:
    events = list(unfold(Reply("id", "m", [Text("x")])))
    with pytest.raises(CutShort):
        fold(events[:-1])
