"""A whole answer of texts alone is read in one step; it is the reply that the long way gives. The long way is taken where a
member that says nothing (no annotation, no citation) stands beside the text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.conversation.profile import Profile
from pointsman.conversation.reply import Reply
from pointsman.dialects.anthropic_messages.reader import MessagesReader
from pointsman.dialects.base import Reader
from pointsman.dialects.openai_chat.reader import ChatReader
from pointsman.dialects.think import CLOSING
from pointsman.errors import PointsmanError
from tests.vendor_bodies import chat as vendor
from tests.vendor_bodies import messages

PIECES = st.sampled_from(["Yes.", " ", "\n", "<think>", "\u25c1", "[", *CLOSING, "`", "\U0001f600"])
TEXTS = st.lists(PIECES, min_size=1, max_size=5).map("".join)


def read(reader: Reader, body: dict[str, Any]) -> tuple[Reply | str, object, str]:
    try:
        found: Reply | str = reader.reply(json.dumps(body).encode())
    except (ValueError, PointsmanError) as error:
        found = type(error).__name__
    return found, reader.verdict, reader.tag


def chat(text: str, finish: str | None, beside: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    return vendor.whole({"content": text, **said}, finish, **beside)


@given(
    TEXTS,
    st.sampled_from(["stop", "length", "content_filter", "odd", "tool_calls", None]),
    st.sampled_from([{}, {"service_tier": "flex"}, {"usage": None}, {"citations": ["https://a.example"]}]),
)
def test_chat(text: str, finish: str | None, beside: dict[str, Any]) -> None:
    """Also with reasoning in it, which is told apart the long way."""
    short = read(ChatReader(Profile(protocol="openai_chat")), chat(text, finish, beside, {}))
    long = read(ChatReader(Profile(protocol="openai_chat")), chat(text, finish, beside, {"annotations": [0]}))
    assert short == long


@given(
    st.lists(TEXTS | st.just(""), max_size=3),
    st.sampled_from(["end_turn", "max_tokens", "stop_sequence", "refusal", "odd", "tool_use", None]),
    st.sampled_from([{}, {"stop_sequence": "END"}, {"usage": {"input_tokens": 3, "output_tokens": 1}}]),
)
def test_messages(texts: list[str], reason: str | None, beside: dict[str, Any]) -> None:
    """Of one block or several."""
    blocks = [{"type": "text", "text": text} for text in texts]
    short = read(
        MessagesReader(Profile(protocol="anthropic_messages")), messages.whole(blocks, reason, **beside)
    )
    cited = [{**block, "citations": []} for block in blocks]
    long = read(
        MessagesReader(Profile(protocol="anthropic_messages")), messages.whole(cited, reason, **beside)
    )
    assert short == long


@pytest.mark.parametrize("said", [{"refusal": "No."}, {"reasoning_content": "Hm."}, {"images": [{"a": 1}]}])
def test_chat_that_says_more(said: dict[str, Any]) -> None:
    """Nothing beside the text is lost."""
    found, _, _ = read(ChatReader(Profile(protocol="openai_chat")), chat("Yes.", "stop", {}, said))
    assert isinstance(found, Reply)
    assert len(found.parts) == 2
