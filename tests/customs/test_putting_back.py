"""An answer gets back what placeholders stand for, in each protocol, wherever its stream and its text are cut."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.customs.finding import Finder
from pointsman.customs.placeholders import BEGINS, Placeholders
from pointsman.customs.putting_back import PuttingBack
from tests.vendor_bodies import chat, messages, responses

SECRETS = ('a"b\\c\nd', "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----")
BACK = Placeholders(b"k", "1")
NAMES = tuple(BACK.of(one.encode()).decode() for one in SECRETS)


def in_chat(pieces: list[str], call: bool) -> list[dict[str, Any]]:
    def delta(text: str) -> dict[str, Any]:
        calls = [{"index": 0, "function": {"arguments": text}}]
        return chat.delta(tool_calls=calls) if call else chat.delta(content=text)

    return [*map(delta, pieces), chat.delta("stop")]


def in_messages(pieces: list[str], call: bool) -> list[dict[str, Any]]:
    delta = messages.json_delta if call else messages.text_delta
    return messages.block(0, {"type": "tool_use" if call else "text"}, *map(delta, pieces))


def in_responses(pieces: list[str], call: bool) -> list[dict[str, Any]]:
    kind = "function_call_arguments" if call else "output_text"
    place = {"item_id": "i", "output_index": 0}
    events = [responses.event(f"{kind}.delta", **place, delta=one) for one in pieces]
    return [*events, responses.event(f"{kind}.done", **place)]


PROTOCOLS = [in_chat, in_messages, in_responses]


def texts(events: list[dict[str, Any]]) -> str:
    """What a client puts together."""
    said = ""
    for one in events:
        delta = one["choices"][0]["delta"] if "choices" in one else one.get("delta", {})
        if isinstance(delta, str):
            said += delta
            continue
        said += delta.get("content", "") + delta.get("text", "") + delta.get("partial_json", "")
        said += "".join(call["function"]["arguments"] for call in delta.get("tool_calls", ()))
    return said


def sse(events: list[dict[str, Any]], end: str) -> bytes:
    return "".join(f"event: x{end}data: {json.dumps(one)}{end}{end}" for one in events).encode()


def events_of(stream: bytes) -> list[dict[str, Any]]:
    lines = re.split(r"\r\n|\n|\r", stream.decode())
    return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]


def told(text: str, call: bool) -> str:
    for name, secret in zip(NAMES, SECRETS, strict=True):
        text = text.replace(name, json.dumps(secret)[1:-1] if call else secret)
    return text


@pytest.mark.parametrize("call", [False, True], ids=["text", "arguments"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_cut_at_every_character_and_every_byte(protocol: Any, call: bool) -> None:
    text = f"P{NAMES[0]}PM {NAMES[1]}PMSECRET_"
    for at in range(len(text)):
        events = protocol([text[:at], text[at:]] if at else list(text), call)
        raw = sse(events, "\n")
        back = PuttingBack(BACK.known)
        step = at % 37 + 1
        out = b"".join(back.feed(raw[one : one + step]) for one in range(0, len(raw), step)) + back.finish()
        found = events_of(out)
        assert texts(found) == told(text, call), at
        assert len(found) == len(events)


piece = st.one_of(
    st.sampled_from(
        [*NAMES, *(name[:n] for name in NAMES for n in (1, 5, 9, 12, 24)), BEGINS, "P", "PM", " "]
    ),
    st.text(max_size=6),
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(piece, max_size=8).map("".join),
    st.data(),
    st.sampled_from(PROTOCOLS),
    st.booleans(),
)
def test_whatever_is_said_and_wherever_it_is_cut(
    text: str, data: st.DataObject, protocol: Any, call: bool
) -> None:
    edges = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[a:b] for a, b in zip([0, *edges], [*edges, len(text)], strict=True)]
    events = protocol(pieces, call)
    raw = sse(events, data.draw(st.sampled_from(["\n", "\r\n", "\r"])))
    cut = data.draw(st.integers(1, 60))
    back = PuttingBack(BACK.known)
    out = b"".join(back.feed(raw[at : at + cut]) for at in range(0, len(raw), cut)) + back.finish()
    found = events_of(out)
    assert texts(found) == told(text, call)
    assert [one.get("type") for one in found] == [one.get("type") for one in events]
    if texts(events) == texts(found):
        assert out == raw  # byte for byte, where there is nothing to put back


def test_only_what_may_be_the_beginning_of_a_placeholder_is_held() -> None:
    back = PuttingBack(BACK.known)
    first, begun, more, last, _ = (
        sse([one], "\n") for one in in_chat(["Hello", " PMSEC", "URITY", "ends P"], False)
    )
    assert back.feed(first) == first
    assert back.feed(begun) == b""
    assert back.feed(b": ping\n\n") == b""
    assert back.feed(more) == begun + b": ping\n\n" + more
    assert back.feed(last) == b""
    assert back.finish() == last


def test_an_event_of_many_megabytes_is_no_more_work_for_each_piece_of_it() -> None:
    back = PuttingBack(BACK.known)
    raw = sse([chat.delta(content="x" * 8_000_000 + NAMES[0])], "\n")
    pieces = [raw[at : at + 65536] for at in range(0, len(raw), 65536)]
    began = time.process_time()
    out = b"".join(map(back.feed, pieces)) + back.finish()
    assert time.process_time() - began < 5, "it was looked through again and again"
    assert texts(events_of(out)).endswith("x" + SECRETS[0])


def test_texts_side_by_side_are_told_apart() -> None:
    def chunk(index: int, text: str) -> dict[str, Any]:
        return chat.choice(index, content=text)

    name = NAMES[0]
    events = [chunk(0, name[:7]), chunk(1, name[:9]), chunk(0, name[7:]), chunk(1, name[9:] + "!")]
    found = events_of(PuttingBack(BACK.known).stream(sse(events, "\n")))
    said = {
        n: "".join(one["choices"][0]["delta"]["content"] for one in found if one["choices"][0]["index"] == n)
        for n in (0, 1)
    }
    assert said == {0: SECRETS[0], 1: SECRETS[0] + "!"}


def test_lines_of_json_have_them_back_too() -> None:
    name = NAMES[0]
    lines = [
        {"message": {"content": name[:4]}, "done": False},
        {"message": {"content": name[4:]}, "done": False},
        {"done": True},
    ]
    raw = b"".join(json.dumps(one).encode() + b"\n" for one in lines)
    back = PuttingBack(BACK.known, lines=True)
    out = b"".join(back.feed(raw[at : at + 9]) for at in range(0, len(raw), 9)) + back.finish()
    said = "".join(json.loads(one).get("message", {}).get("content", "") for one in out.splitlines())
    assert said == SECRETS[0]


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_body_that_was_masked_and_put_back_says_the_same(before: str, behind: str) -> None:
    secret = "sk_live_" + "a8Kd02mfPq71LsXz93Wc"
    value = {"a": [before + " " + secret + " " + behind, {"arguments": json.dumps({"x": f"{secret}\n"})}]}
    body = json.dumps(value).encode()
    back = Placeholders(b"k", "1")
    masked = back.masked(body, Finder().look(body))
    assert secret.encode() not in masked
    assert json.loads(PuttingBack(back.known).body(masked)) == value


def test_placeholders_are_alike_for_the_same_and_tell_nothing() -> None:
    one, again, other = Placeholders(b"k", "1"), Placeholders(b"k", "1"), Placeholders(b"k", "2")
    assert one.of(b"x") == again.of(b"x") != one.of(b"y")
    assert one.of(b"x") != other.of(b"x")
    assert one.of(b"x") != Placeholders(b"other", "1").of(b"x")
