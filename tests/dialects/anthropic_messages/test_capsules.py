"""A session that moves from another vendor's model to Anthropic: what we put in is taken out, every other byte stays."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.conversation.parts import Citation, Foreign, Opaque, Text, Thinking, ToolCall
from pointsman.conversation.reply import Reply
from pointsman.dialects.anthropic_messages.capsules import without_capsules
from pointsman.dialects.anthropic_messages.dialect import TRANSLATION

from .kit import CAPSULES, answering

OURS = {"type": "thinking", "thinking": "t", "signature": CAPSULES.seal(Opaque("openai_chat", 1))}
THEIRS = {"type": "thinking", "thinking": 'say "pm1."', "signature": "EqQB"}
CALL = {"type": "tool_use", "id": "c", "name": "f", "input": {"signature": "pm1."}}
HI = {"role": "user", "content": "hi"}


def body(*content: Any, **json_options: Any) -> bytes:
    value = {
        "model": "m",
        "messages": [HI, {"role": "assistant", "content": list(content)}, HI],
        "stream": True,
    }
    return json.dumps(value, **json_options).encode()


@pytest.mark.parametrize(
    "layout", [{}, {"indent": 2}, {"separators": (",", ":")}], ids=["usual", "wide", "compact"]
)
def test_only_ours_goes(layout: dict[str, Any]) -> None:
    found = without_capsules(body(OURS, THEIRS, OURS, CALL, OURS, **layout))
    assert (
        found == body(THEIRS, CALL, **layout)
        if "indent" not in layout
        else json.loads(found or b"") == json.loads(body(THEIRS, CALL))
    )


def test_nothing_to_do_is_none() -> None:
    assert without_capsules(body(THEIRS, CALL)) is None
    assert without_capsules(body({"type": "text", "text": 'the word "pm1." alone'})) is None
    assert without_capsules(b'{"model": "pm1.", "x": "pm1."}') is None
    assert without_capsules(b'{"model": "pm1.", "messages": "pm1."}') is None
    assert without_capsules(b'{"messages": ["pm1.", {"content": "pm1."}]}') is None


def test_a_message_that_was_nothing_else_goes_too() -> None:
    found = without_capsules(body(OURS))
    assert json.loads(found or b"")["messages"] == [HI, HI]


def test_everything_that_we_answer_can_go_back_to_the_vendor() -> None:
    """A client sends our answer's content back as it is; nothing that was made up is left in it."""
    reply = Reply(
        "x",
        "gpt",
        [
            Thinking("a"),
            Foreign("openai_responses", "web_search_call", {"id": "ws_1", "action": {"query": "q"}}),
            Text("said", None, (Citation("https://t", "T"),)),
            ToolCall("c", "f", "{}"),
        ],
    )
    content = json.loads(TRANSLATION.render_reply(reply, answering()))["content"]
    assert len(content) == 5
    found = json.loads(without_capsules(body(*content)) or b"")
    assert found["messages"][1]["content"] == [
        {"type": "text", "text": "said", "citations": None},
        {"type": "tool_use", "id": "c", "name": "f", "input": {}},
    ]


def test_citations_of_the_vendor_stay() -> None:
    own = {"type": "web_search_result_location", "encrypted_index": "E"}
    made = {"type": "web_search_result_location", "encrypted_index": ""}
    found = json.loads(without_capsules(body({"type": "text", "text": "x", "citations": [own, made]})) or b"")
    assert found["messages"][1]["content"][0]["citations"] == [own]


blocks = st.sampled_from(
    [OURS, THEIRS, CALL, {"type": "text", "text": '"}],['}, 1, "pm1.", None, {"signature": "pm1."}]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(blocks, min_size=1, max_size=4), max_size=4), st.sampled_from([None, 1]))
def test_any_conversation(turns: list[list[Any]], indent: int | None) -> None:
    given_messages = [{"role": "assistant", "content": turn} for turn in turns]
    raw = json.dumps({"messages": given_messages, "a": [1, {}]}, indent=indent).encode()
    found = without_capsules(raw)
    kept = [[one for one in turn if one != OURS] for turn in turns]
    expected = {"messages": [{"role": "assistant", "content": turn} for turn in kept if turn], "a": [1, {}]}
    assert json.loads(found if found is not None else raw) == expected
    assert (found is None) == (kept == turns)
