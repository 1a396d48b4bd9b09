"""Events of a Responses stream that are the one before but for their text: read by who knows them and by who does not, the
same is told, kept and passed on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.conversation.events import Delta
from pointsman.conversation.profile import Profile
from pointsman.conversation.reply import fold
from pointsman.dialects.openai_responses.reader import ResponsesReader
from pointsman.dialects.openai_responses.seen import ResponsesSeen
from pointsman.dialects.registry import DIALECTS
from pointsman.gateway.attempt.relay import Passing
from pointsman.wire.chunks import CHUNK_END
from pointsman.wire.key_mask import KeyMask
from tests.vendor_bodies import responses

from .knowing import RESPONSES, TEXTS, event_of, read, written

DELTAS = {
    "text": ("output_text.delta", {"content_index": 0, "logprobs": []}),
    "next text": ("output_text.delta", {"content_index": 1}),
    "no": ("refusal.delta", {"content_index": 0}),
    "thought": ("reasoning_text.delta", {"content_index": 0}),
    "summary": ("reasoning_summary_text.delta", {"summary_index": 0}),
    "next summary": ("reasoning_summary_text.delta", {"summary_index": 1}),
    "arguments": ("function_call_arguments.delta", {}),
    "input": ("custom_tool_call_input.delta", {}),
    "new": ("new_tool.delta", {}),
}
ALL_OF_IT = {
    "text.": ("output_text.done", "text"),
    "no.": ("refusal.done", "refusal"),
    "summary.": ("reasoning_summary_text.done", "text"),
    "arguments.": ("function_call_arguments.done", "arguments"),
}
ITEMS: dict[str, dict[str, Any]] = {
    "message": responses.message(""),
    "call": {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": ""},
    "custom": {"type": "custom_tool_call", "id": "ct_1", "call_id": "c2", "name": "g", "input": ""},
    "reasoning": {"type": "reasoning", "id": "rs_1", "summary": []},
    "search": {"type": "web_search_call", "id": "ws_1", "status": "completed"},
}
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["same"] * 20 + list(DELTAS) * 2 + list(ALL_OF_IT) + list(ITEMS) + ["done", "cited", "broke"]
        ),
        TEXTS,
        st.sampled_from([0, 0, 0, 1]),
    ),
    max_size=24,
)


def step_of(kind: str, text: str, place: int, told: dict[int, str]) -> dict[str, Any]:
    """told: all texts of a place so far, which what closes it repeats, with some more."""
    where = {"item_id": f"it_{place}", "output_index": place}
    if kind in DELTAS:
        told[place] = told.get(place, "") + text
        return responses.event(DELTAS[kind][0], **where, **DELTAS[kind][1], delta=text)
    if kind in ALL_OF_IT:
        return responses.event(
            ALL_OF_IT[kind][0], **where, **{ALL_OF_IT[kind][1]: told.get(place, "") + text}
        )
    if kind in ITEMS:
        told.pop(place, None)
        return responses.event("output_item.added", output_index=place, item=ITEMS[kind])
    if kind == "cited":
        note = {"type": "url_citation", "url": "https://a.example", "start_index": 0, "end_index": 1}
        return responses.event("output_text.annotation.added", **where, content_index=0, annotation=note)
    if kind == "broke":
        return {"type": "error", "code": "server_error", "message": text}
    item = responses.message(told.get(place, "") + text, id=f"it_{place}")
    return responses.event("output_item.done", output_index=place, item=item)


def responses_events(steps: list[tuple[str, str, int]], form: str, ascii: bool) -> list[bytes]:
    """form: where the number of each event stands, and what else is another in each."""
    told: dict[int, str] = {}
    values, last = [responses.event("created", response=responses.response([], "in_progress"))], "text"
    for kind, text, place in steps:
        last = last if kind == "same" else kind
        values.append(step_of(last, text, place, told))
    values.append(responses.ended(output=[responses.message("", id="it_0")]))
    events = []
    for number, value in enumerate(values):
        if form == "before":
            kind = value.pop("type")
            value = {"type": kind, "sequence_number": number, **value, "obfuscation": "x" * (number % 5)}
        elif form == "behind":
            value = {**value, "sequence_number": number}
        events.append(b"event: " + value["type"].encode() + b"\n" + event_of(value, ascii, False))
    return events


FORMS = ["before", "behind", "without"]


@given(STEPS, st.sampled_from(FORMS), st.booleans())
@settings(max_examples=400, deadline=None)
def test_responses_read_the_same_however_much_they_know(steps: list[Any], form: str, ascii: bool) -> None:
    events = responses_events(steps, form, ascii)
    one, other = ResponsesReader(Profile()), ResponsesReader(Profile())
    kept: list[list[Any]] = [[], []]
    one.remembered_by(lambda *told: kept[0].append(told))
    other.remembered_by(lambda *told: kept[1].append(told))
    assert repr(read(one, events, learns=True)) == repr(read(other, events, learns=False))
    assert kept[0] == kept[1]
    assert written(RESPONSES, events, learns=True) == written(RESPONSES, events, learns=False)


class Passed:
    """What came of a stream that is passed on as it is, as a lane does it."""

    def __init__(self, events: list[bytes], *, learns: bool) -> None:
        kept: list[Any] = []
        seen = ResponsesSeen()
        seen.remembered_by(lambda *told: kept.append(told))
        relay = Passing(DIALECTS[RESPONSES], seen, KeyMask(b""))
        self.unread, out = 0, []
        for event in events:
            data = event + b"\n\n" + CHUNK_END
            if learns and relay.same.inside(data, 0, len(data)):
                self.unread += 1
                out.append(event + b"\n\n")
            else:
                out.append(relay.take(event + b"\n\n"))
            if relay.complete:
                break
        facts = (seen.verdict, seen.malformed, seen.answer_id, seen.called, seen.stop_word, seen.concluded)
        self.told = (b"".join([*out, relay.end()]), repr(facts), relay.said, repr(kept), repr(relay.untold))


@given(STEPS, st.sampled_from(FORMS), st.booleans())
@settings(max_examples=400, deadline=None)
def test_responses_pass_the_same_however_much_is_known(steps: list[Any], form: str, ascii: bool) -> None:
    events = responses_events(steps, form, ascii)
    assert Passed(events, learns=True).told == Passed(events, learns=False).told


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["text", "summary", "thought", "arguments", "input"])
def test_pieces_of_a_response_are_not_read_in_full_once_they_are_known(kind: str, form: str) -> None:
    begun = [("call" if kind == "arguments" else "custom", "", 0)] if kind in ("arguments", "input") else []
    steps = [*begun, *((kind, f"w{number}", 0) for number in range(120))]
    events = responses_events(steps, form, True)
    reader = ResponsesReader(Profile())
    assert sum(bool(reader.more(event) or not reader.read(event)) for event in events[2:-1]) >= 113
    passed = Passed(events, learns=True)
    assert passed.told == Passed(events, learns=False).told
    if kind in ("arguments", "input"):
        assert not passed.unread  # whether a call's arguments are closed depends on each
    else:
        assert passed.unread >= 110


@pytest.mark.parametrize("form", FORMS)
def test_no_byte_of_a_piece_that_is_another_is_overlooked(form: str) -> None:
    """In a stream that is passed on, and in one that is translated; each byte another one, and each cut."""
    steps = [("text", word, 0) for word in ("Hello", " you", " and", " all", " there")]
    *events, last, end = responses_events(steps, form, True)
    bits = (b'"', b"\\", b"}", b",", b"0", b"x", b"\xff", b"", b" ", b'","delta":"y')
    for at in range(len(last)):
        for bit in (*bits[at % 3 :: 3], None):
            other = last[:at] if bit is None else last[:at] + bit + last[at + 1 :]
            stream = [*events, other, end]
            assert Passed(stream, learns=True).told == Passed(stream, learns=False).told, other
            one, two = ResponsesReader(Profile()), ResponsesReader(Profile())
            assert repr(read(one, stream, learns=True)) == repr(read(two, stream, learns=False)), other


ENDING: dict[str, tuple[str, str, dict[str, Any]]] = {
    "text": ("output_text.done", "text", responses.message("abcdefgh", id="it_0")),
    "no": (
        "refusal.done",
        "refusal",
        {"type": "message", "content": [{"type": "refusal", "refusal": "abcdefgh"}]},
    ),
    "thought": ("reasoning_text.done", "text", {"type": "reasoning", "content": [{"text": "abcdefgh"}]}),
    "summary": (
        "reasoning_summary_text.done",
        "text",
        {"type": "reasoning", "summary": [{"text": "abcdefgh"}]},
    ),
    "arguments": ("function_call_arguments.done", "arguments", ITEMS["call"] | {"arguments": "abcdefgh"}),
    "input": ("custom_tool_call_input.done", "input", ITEMS["custom"] | {"input": "abcdefgh"}),
}
"""Kind of the pieces -> the event that repeats them, its member, and the item that does."""


@pytest.mark.parametrize("repeats", [True, False])
@pytest.mark.parametrize("kind", ENDING)
def test_what_closes_a_part_says_the_rest_of_it_though_its_pieces_were_not_read_in_full(
    kind: str, repeats: bool
) -> None:
    done, member, item = ENDING[kind]
    begun = [("call" if kind == "arguments" else "custom", "", 0)] if kind in ("arguments", "input") else []
    *events, end = responses_events([*begun, *((kind, word, 0) for word in "abcdef")], "before", True)
    last = [responses.event(done, output_index=0, **{member: "abcdefg"})] if repeats else []
    last.append(responses.event("output_item.done", output_index=0, item=item))
    events += [event_of(one, True, False) for one in last]
    told, _, _ = read(ResponsesReader(Profile()), [*events, end], learns=True)
    assert "".join(one.text for one in told if type(one) is Delta) == "abcdefgh"


@pytest.mark.parametrize(("arguments", "whole"), [('{"a":"b"}', True), ('{"a":"b"', False)])
def test_whether_a_call_is_closed_is_known_though_its_pieces_were_not_read_in_full(
    arguments: str, whole: bool
) -> None:
    pieces = [
        "{",
        *"     ",
        arguments[1:],
    ]  # escaped ones are read in full, and so are those before they are known
    steps = [("call", "", 0), *(("arguments", piece, 0) for piece in pieces)]
    reader = ResponsesReader(Profile())
    read(reader, responses_events(steps, "before", True), learns=True)
    assert reader.calls_whole is whole
    assert (reader.error is None) is whole


@pytest.mark.parametrize("form", FORMS)
def test_white_space_is_no_output_however_often_it_comes(form: str) -> None:
    events = responses_events([("text", " ", 0)] * 12, form, True)
    passed = Passed(events[:-1], learns=True)
    assert passed.unread == 0
    assert passed.told == Passed(events[:-1], learns=False).told
    reader = ResponsesReader(Profile())
    for event in events[:-1]:
        reader.read(event)
    assert not reader.output
    reader.read(events[5].replace(b'"delta":" "', b'"delta":" word"'))
    assert reader.output


@pytest.mark.parametrize(
    "output",
    [
        [],
        [responses.message("a")],
        [responses.message("a"), responses.message(" ", id="msg_2")],
        [responses.message("")],
        [responses.message("a"), ITEMS["search"]],
        [responses.message("a") | {"content": [responses.text_part("a"), responses.text_part("b")]}],
        [responses.message("a") | {"content": [{"type": "refusal", "refusal": "no"}]}],
    ],
    ids=str,
)
@pytest.mark.parametrize("more", [{}, {"service_tier": "flex"}, {"status": "incomplete"}], ids=str)
def test_a_whole_response_is_what_its_stream_folds_to(
    output: list[dict[str, Any]], more: dict[str, Any]
) -> None:
    """A stream that tells all of it in its last event, too: texts alone are put together in one step."""
    value = {**responses.response(output), **more}
    events = [event_of(responses.event("completed", response=value), True, False)]
    told, _, _ = read(ResponsesReader(Profile()), events, learns=True)
    assert ResponsesReader(Profile()).reply(json.dumps(value).encode()) == fold(told)


@pytest.mark.parametrize("streamed", [False, True])
def test_what_is_no_item_is_not_kept_and_keeps_nothing_else_from_it(streamed: bool) -> None:
    kept: list[Any] = []
    seen = ResponsesSeen()
    seen.remembered_by(lambda *told: kept.append(told))
    items = [responses.message("a"), "word", responses.message("b", id="msg_2")]
    value = responses.response([]) | {"output": items}
    if streamed:
        seen.event(event_of(responses.event("output_item.done", output_index=0, item=items[0]), True, False))
        seen.event(event_of(responses.event("completed", response=value), True, False))
    else:
        seen.whole(json.dumps(value).encode())
    ((name, found, _),) = kept
    assert name == value["id"]
    assert [(one, json.loads(item)) for one, item in found] == [("msg_1", items[0]), ("msg_2", items[2])]
    assert seen.malformed == 1
