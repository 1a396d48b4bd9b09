"""What only Chat's answers have: the chunk that is there because we asked, choices of another type, errors in words."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.dialects.openai_chat.frames import is_extra_usage
from pointsman.dialects.openai_chat.seen import ChatSeen
from pointsman.dialects.vendor_errors import error_of as error_inside
from pointsman.wire.sse import EventSplitter
from tests.vendor_bodies.chat import USAGE, delta, stream
from tests.vendor_bodies.wire import encoded


def test_choices_of_another_type_are_no_chat_answer() -> None:
    seen = ChatSeen()
    assert seen.whole(encoded({"choices": 1, "usage": "many"})) is False
    assert (seen.output, seen.finished, seen.malformed) == (False, False, 1)


# -- the chunk that is only there because we asked


@pytest.mark.parametrize(
    ("chunk", "extra"),
    [
        ({"choices": [], "usage": USAGE}, True),
        ({"choices": [], "usage": {}}, True),
        ({"choices": [], "usage": None}, False),
        ({"choices": []}, False),
        ({"choices": [], "prompt_filter_results": [{"usage": 1}]}, False),
        ({**delta("stop"), "usage": USAGE}, False),
        ({**delta(content='"usage"')}, False),
        ({"choices": [], "usage": USAGE, "error": {"message": "x"}}, False),
    ],
)
def test_is_extra_usage(chunk: dict[str, Any], extra: bool) -> None:
    (event,) = EventSplitter().feed(stream(chunk, done=False))
    assert is_extra_usage(event) is extra
    assert is_extra_usage(b"id: 1\n" + event) is extra


@pytest.mark.parametrize(
    "event", [b"", b": usage", b'data: "usage"', b'data: {"usage"', b"data: [DONE]", b'data: ["usage"]']
)
def test_what_is_no_chunk_is_not_hidden(event: bytes) -> None:
    assert is_extra_usage(event) is False


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ({"message": "m"}, "m"),
        ({"message": ""}, '{"message":""}'),
        ("m", "m"),
        ({}, "{}"),
        ("x" * 5000, "x" * 2000),
    ],
)
def test_the_text_of_an_error_inside(error: Any, text: str) -> None:
    assert error_inside(error).public == text
