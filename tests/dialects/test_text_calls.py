"""Calls that stand in a text: each family's form, what is none, and that nothing depends on how the text is cut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.dialects.text_calls import PATIENCE, CallSplitter, TextCall

SEARCH: dict[str, Any] = {
    "type": "object",
    "properties": {"q": {"type": "string"}, "n": {"type": "integer"}, "deep": {"type": "boolean"}, "any": {}},
    "required": ["q"],
    "additionalProperties": False,
}
TOOLS: dict[str, Any] = {"search": SEARCH, "now": None}


def call(**arguments: Any) -> str:
    return json.dumps({"name": "search", "arguments": arguments})


def split(*pieces: str, tools: dict[str, Any] = TOOLS) -> list[str | TextCall]:
    """Texts joined where nothing stands between them."""
    splitter = CallSplitter(tools)
    found: list[str | TextCall] = []
    for one in [item for piece in pieces for item in splitter.feed(piece)] + splitter.finish():
        if isinstance(one, str) and found and isinstance(found[-1], str):
            found[-1] += one
        else:
            found.append(one)
    return found


def said(found: list[str | TextCall]) -> list[Any]:
    return [one if isinstance(one, str) else (one.name, json.loads(one.arguments)) for one in found]


HERMES = "<tool_call>\n{}\n</tool_call>"
CODER = (
    "<tool_call>\n<function=search>\n<parameter=q>\na </function> b\nc\n</parameter>\n"
    "<parameter=n>\n3\n</parameter>\n<parameter=deep>\nTrue\n</parameter>\n</function>\n</tool_call>"
)
CALLS = {
    HERMES.replace("{}", call(q="x")): [("search", {"q": "x"})],
    "I look.\n\n" + HERMES.replace("{}", call(q="</tool_call> {[")) + "\n": ["I look.", ("search", {"q": "</tool_call> {["})],
    HERMES.replace("{}", call(q='a "b" \\')) + "\n" + HERMES.replace("{}", '{"name": "now"}'): [
        ("search", {"q": 'a "b" \\'}), ("now", {}),
    ],
    "<tool_call>" + call(q="é\u2028"): [("search", {"q": "é\u2028"})],  # its model ended with it
    HERMES.replace("{}", json.dumps({"name": "search", "arguments": '{"q": "x"}'})) + "Done.": [
        ("search", {"q": "x"}), "Done.",
    ],
    CODER: [("search", {"q": "a </function> b\nc", "n": 3, "deep": True})],
    "So:\n" + CODER.removeprefix("<tool_call>\n"): ["So:", ("search", {"q": "a </function> b\nc", "n": 3, "deep": True})],
    "<function=now>\n</function> and on": [("now", {}), "and on"],
    "[TOOL_CALLS][" + call(q="x") + ", " + call(q="y") + "]": [("search", {"q": "x"}), ("search", {"q": "y"})],
    '[TOOL_CALLS]search[ARGS]{"q": "x"}': [("search", {"q": "x"})],
    '<|python_tag|>{"name": "search", "parameters": {"q": "x"}}': [("search", {"q": "x"})],
    "<tool_call> is a tag. " + HERMES.replace("{}", call(q="x")): ["<tool_call> is a tag.", ("search", {"q": "x"})],
    "```\ncode\n```\n" + HERMES.replace("{}", call(q="x")): ["```\ncode\n```", ("search", {"q": "x"})],
}  # fmt: skip
TEXTS = [
    "",
    "Plain, with a < b and [x] and {y}.\n\n  ",
    "Write `<tool_call>{...}</tool_call>` so.",
    "Its `<tool_call>" + call(q="x") + "</tool_call>`",
    "```\n" + HERMES.replace("{}", call(q="x")) + "\n```",
    HERMES.replace("{}", '{"name": "other", "arguments": {}}'),  # no such tool
    HERMES.replace("{}", call(n=1)),  # q is required
    HERMES.replace("{}", call(q="x", more=1)),
    HERMES.replace("{}", '{"name": "search", "arguments": {"q": "x"}, "why": 1}'),
    HERMES.replace("{}", '{"name": "search", "arguments": {"q": }}'),
    "<tool_call>" + call(q="x") + " and so on",
    "<tool_call>" + call(q="x")[:-1],  # cut
    "<tool_call>" + call(q="x") + "</tool_",
    "<tool_call>" + " " * 40 + call(q="x") + "</tool_call>",
    "<tool_call>\n<function=search>\n<parameter=n>\n3\n</parameter>\n</function>\n</tool_call>",
    "<tool_call>\n<function=search>\n<parameter=q>\n3\n</parameter>\n<parameter=q>\n4\n</parameter>\n</function>",
    "<function=search>\n<parameter=q>\nx\n</parameter>\n<parameter=n>\nmany\n</parameter>\n</function>",
    "[TOOL_CALLS]" + call(q="x"),
    "[TOOL_CALLS][" + call(q="x") + ', {"name": "other"}]',
    '[TOOL_CALLS]other[ARGS]{"q": "x"}',
    "<|python_tag|>print(1)",
    "<tool_call>{" * 100,
]


@pytest.mark.parametrize(("text", "found"), CALLS.items())
def test_each_family_s_calls_are_found(text: str, found: list[Any]) -> None:
    assert said(split(text)) == found


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_no_call_is_the_text_that_it_was(text: str) -> None:
    assert split(text) == ([text] if text else [])


@pytest.mark.parametrize("text", [*CALLS, *TEXTS])
def test_a_text_may_be_cut_anywhere(text: str) -> None:
    whole = split(text)
    assert split(*text) == whole
    for at in range(len(text)):
        assert split(text[:at], text[at:]) == whole


_PIECES = st.sampled_from(
    ["<tool_call>", "</tool_call>", "\n", " ", "`", "```", '"', "{", "}", "[", "]", "<function=search>", "</function>",
     "<parameter=q>", "</parameter>", "[TOOL_CALLS]", "search[ARGS]", "<|python_tag|>", call(q="x"), call(), "x", "\\", " " * 17]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=14), st.lists(st.integers(0, 200), max_size=6))
def test_whatever_stands_there_cuts_change_nothing(parts: list[str], cuts: list[int]) -> None:
    text = "".join(parts)
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    whole = split(text)
    assert split(*(text[a:b] for a, b in zip(edges, edges[1:], strict=False))) == whole
    assert split(*text) == whole
    if not any(isinstance(one, TextCall) for one in whole):
        assert "".join(str(one) for one in whole) == text


def test_only_from_a_possible_start_on_words_are_held_back() -> None:
    splitter = CallSplitter(TOOLS)
    assert splitter.feed("a <") == ["a"]
    assert splitter.feed("b") == [" <b"]
    assert splitter.feed("<tool_call> t") == ["<tool_call> t"]
    assert splitter.feed("<tool_call>{n") == ["<tool_call>{n"]
    assert splitter.feed("<function=ot") == ["<function=ot"]
    assert splitter.finish() == []


def test_a_form_without_an_end_is_given_back_in_the_end() -> None:
    long = '<tool_call>{"name": "' + "x" * PATIENCE
    splitter = CallSplitter(TOOLS)
    assert splitter.feed(long) == [long]
    assert splitter.feed(HERMES.replace("{}", call(q="x"))) == [TextCall("search", '{"q": "x"}')]
