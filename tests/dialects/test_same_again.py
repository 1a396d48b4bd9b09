"""Events that are the one before but for their text are read as any other would be: same events, same facts; and a client
of another protocol gets the same bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.conversation.profile import Profile
from pointsman.dialects.anthropic_messages.reader import MessagesReader
from pointsman.dialects.anthropic_messages.writer import MOVES as MESSAGES_MOVES
from pointsman.dialects.openai_chat.reader import ChatReader
from pointsman.dialects.openai_chat.writer import MOVES as CHAT_MOVES
from pointsman.dialects.same_again import SameAgain
from tests.vendor_bodies import chat, messages

from .knowing import CHAT, MESSAGES, TEXTS, event_of, read, written

BESIDE: list[dict[str, Any]] = [
    {},
    {},
    {},
    {"refusal": "no"},
    {"reasoning_content": "hm"},
    {"annotations": [{"type": "url_citation", "url": "https://a.example"}]},
    {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]},
]
AROUND: list[dict[str, Any]] = [
    {},
    {},
    {},
    {"usage": {"prompt_tokens": 1, "completion_tokens": 2}},
    {"content": "word"},
    {"choices": []},
    {"error": {"message": "it broke"}},
    {"obfuscation": "xyz"},
]

PIECES = {
    "text": messages.text_delta(""),
    "thought": {"type": "thinking_delta", "thinking": ""},
    "json": messages.json_delta(""),
}


@given(
    st.lists(
        st.tuples(
            TEXTS,
            st.sampled_from(BESIDE),
            st.sampled_from(AROUND),
            st.sampled_from([None, None, None, None, "stop"]),
            st.booleans(),
        ),
        max_size=12,
    ),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_chat_reads_the_same_however_much_it_knows(steps: list[Any], spaced: bool) -> None:
    events = []
    for text, beside, around, finish, ascii in steps:
        chunk = chat.headed(chat.delta(finish, content=text, **beside)) | around
        events.append(event_of(chunk, ascii, spaced))
    events.append(b"data: [DONE]")
    one, other = ChatReader(Profile()), ChatReader(Profile())
    assert repr(read(one, events, learns=True)) == repr(read(other, events, learns=False))
    assert written(CHAT, events, learns=True) == written(CHAT, events, learns=False)


@given(
    st.lists(
        st.tuples(
            TEXTS,
            st.integers(0, 1),
            st.sampled_from(
                ["same", "same", "same", "text", "thought", "json", "stop", "start", "think", "call"]
            ),
        ),
        max_size=16,
    ),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_messages_read_the_same_however_much_they_know(steps: list[Any], ascii: bool) -> None:
    values = [messages.started(), messages.opened(0, type="text", text="")]
    last = "text"
    for text, index, step in steps:
        kind = last = last if step == "same" else step
        if kind in PIECES:
            values.append(
                messages.piece(index, **{**PIECES[kind], **dict.fromkeys(list(PIECES[kind])[1:], text)})
            )
        elif kind == "think":
            values.append(messages.opened(index, type="thinking", thinking=""))
        elif kind == "stop":
            values.append({"type": "content_block_stop", "index": index})
        elif kind == "start":
            values.append(messages.opened(index, type="text", text=text))
        else:
            values.append(messages.opened(index, type="tool_use", id="t", name="f", input={}))
    events = [event_of(value, ascii, False) for value in (*values, *messages.ended())]
    one, other = MessagesReader(Profile()), MessagesReader(Profile())
    assert repr(read(one, events, learns=True)) == repr(read(other, events, learns=False))
    assert written(MESSAGES, events, learns=True) == written(MESSAGES, events, learns=False)


@pytest.mark.parametrize("moves", [CHAT_MOVES, MESSAGES_MOVES], ids=["chat", "messages"])
def test_a_piece_may_follow_another_of_its_kind(moves: dict[str, frozenset[str]]) -> None:
    """Moves.again() does not ask."""
    pieces = {
        "content",
        "reasoning",
        "refusal",
        "arguments",
        "text_delta",
        "thinking_delta",
        "input_json_delta",
    }
    found = pieces & moves.keys()
    assert len(found) >= 3
    assert all(one in moves[one] for one in found)


def test_the_second_event_is_known() -> None:
    same = SameAgain((b'"content"',), (b'"n"', b'"pad"'))
    same.learn(b'{"a":1,"content":"one","b":[]}', "one")
    assert same.text(b'{"a":1,"content":"t\\nwo","b":[]}') == "t\nwo"


@pytest.mark.parametrize(
    "event",
    [
        b'{"a":1,"content":"","b":[]}',
        b'{"a":1,"content":"x","content":"y","b":[]}',
        b'{"a":1,"content":"x","c":"y","b":[]}',
        b'{"a":1,"content":"x\\","b":[]}',
        b'{"a":1,"content":"\\ud800","b":[]}',
        b'{"a":1,"content":"\xff","b":[]}',
        b'{"a":1,"content":"\x01","b":[]}',
        b'{"a":1,"content":null,"b":[]}',
        b'{"a":2,"content":"x","b":[]}',
        b'{"a":1,"content":","b":[]}',
        b'{"a":1,"content":"',
    ],
    ids=str,
)
def test_what_is_another_event_is_left_to_the_decoder(event: bytes) -> None:
    same = SameAgain((b'"content"',), (b'"n"', b'"pad"'))
    same.learn(b'{"a":1,"content":"one","b":[]}', "one")
    assert same.text(event) == ""


@pytest.mark.parametrize(
    "event",
    [
        b'{"content":"one","x":{"content":"one"}}',
        b'{"content":"\\u006fne","x":{"content":"one"}}',
        b'{"content" : "one"}',
    ],
    ids=str,
)
def test_nothing_is_learnt_where_it_is_not_sure_which_bytes_are_the_text(event: bytes) -> None:
    same = SameAgain((b'"content"',), (b'"n"', b'"pad"'))
    same.learn(event, "one")
    assert same.text(event) == ""


def test_a_backend_that_never_repeats_itself_is_not_learnt_from_for_ever() -> None:
    same = SameAgain((b'"content"',))
    for number in range(20):
        event = b'{"n":%d,"content":"one"}' % number
        assert same.text(event) == ""
        same.forget()
        same.learn(event, "one")
    assert same.text(b'{"n":19,"content":"two"}') == ""


FREE = b'{"n":1,"a":{"content":"one"},"pad":"xy","b":[]}'


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (b'{"n":2,"a":{"content":"two"},"pad":"z","b":[]}', "two"),
        (b'{"n":10203,"a":{"content":"t\\"wo"},"pad":"","b":[]}', 't"wo'),
        (b'{"n":0,"a":{"content":"\\u00e9"},"pad":"\xc3\xa9","b":[]}', "é"),
        (b'{"n":01,"a":{"content":"two"},"pad":"z","b":[]}', ""),
        (b'{"n":,"a":{"content":"two"},"pad":"z","b":[]}', ""),
        (b'{"n":-1,"a":{"content":"two"},"pad":"z","b":[]}', ""),
        (b'{"n":1e5,"a":{"content":"two"},"pad":"z","b":[]}', ""),
        (b'{"n":"1","a":{"content":"two"},"pad":"z","b":[]}', ""),
        (b'{"n":1,"a":{"content":"two"},"pad":null,"b":[]}', ""),
        (b'{"n":1,"a":{"content":"two"},"pad":"z","content":"x","b":[]}', ""),
        (b'{"n":1,"a":{"content":"two"},"error":{},"pad":"z","b":[]}', ""),
        (b'{"n":1,"a":{"content":"two"},"pad":"\\","b":[]}', ""),
        (b'{"n":1,"a":{"content":"two"},"pad":"\\ud800","b":[]}', ""),
        (b'{"n":1,"a":{"content":"two"},"pad":"\xff","b":[]}', ""),
        (b'{"n":1,"a":{"content":"two"}},"pad":"z","b":[]}', ""),
        (b'{"n":1,"a":{"content":"two","pad":"z","b":[]}', ""),
        (b'{"n":1,"a":{"content":"two"},"pad":"', ""),
    ],
    ids=str,
)
def test_what_says_nothing_may_be_another_each_time(event: bytes, text: str) -> None:
    same = SameAgain((b'"content"',), (b'"n"', b'"pad"'))
    same.learn(b'{"n":7,"a":{"content":"one"},"pad":"","b":[]}', "one")
    same.learn(FREE, "one")  # from here on both are known to vary
    assert same.text(event) == text
    assert bool(same.inside(b"12" + event + b"\n", 2, 2 + len(event))) == bool(text)


def test_a_free_member_that_has_not_varied_is_looked_at_once_it_does() -> None:
    same = SameAgain((b'"content"',), (b'"n"', b'"pad"'))
    same.learn(FREE, "one")
    assert same.text(FREE.replace(b"one", b"two")) == "two"
    assert same.text(FREE.replace(b"1", b"2")) == ""
    same.forget()
    same.learn(FREE.replace(b"1", b"2"), "one")
    assert same.text(FREE.replace(b"1", b"333").replace(b"one", b"three")) == "three"
    assert same.text(FREE.replace(b"xy", b"z")) == ""


def test_an_event_ends_with_its_tail_and_has_no_probe() -> None:
    same = SameAgain((b'"content"',), probe=b"sk-secret", tail=b"\r\n")
    event = b'{"content":"one"}'
    same.learn(event, "one")
    data = b"x" + event + b"\r\nmore"
    assert same.inside(data, 1, len(data) - 4)
    assert not same.inside(data, 1, len(data) - 5)
    assert not same.inside(data, 1, len(data) - 6)
    shown = event.replace(b"one", b"sk-secret") + b"\r\n"
    assert not same.inside(shown, 0, len(shown))
    assert same.said == 3


@pytest.mark.parametrize(
    ("said", "whole"),
    [
        (b"\\u00e9", True),
        (b"\\ud83d\\ude00 \\u20ac", True),
        (b"\\ud83d", False),
        (b"\\ude00", False),
        (b"\\ud83d\\u20ac", False),
        (b"\\u12", False),
        (b"\\x", False),
    ],
    ids=str,
)
def test_a_text_with_half_a_character_is_not_passed_unread(said: bytes, whole: bool) -> None:
    same = SameAgain((b'"content"',))
    same.learn(b'{"content":"one"}', "one")
    event = b'{"content":"%b"}' % said
    assert same.inside(event, 0, len(event)) == (said if whole else b"")
