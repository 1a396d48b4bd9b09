"""A request of texts alone is read in one step, and gets by stages that find nothing in it: with the same result as any other
(dialects/plain_request.py, Request.texts). An answer of one text is written in one step likewise."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.conversation.events import Stop
from pointsman.conversation.notes import Notes
from pointsman.conversation.parts import AssistantPart, Text
from pointsman.conversation.profile import Profile
from pointsman.conversation.reply import Reply
from pointsman.conversation.request import Request
from pointsman.conversation.usage import TokenUsage
from pointsman.dialects.base import Reading
from pointsman.dialects.fields import load
from pointsman.dialects.headers import meant, meant_rows
from pointsman.errors import PointsmanError
from pointsman.kinds import Protocol
from pointsman.translation import losses
from pointsman.translation.adapt import adapt
from pointsman.translation.heal import heal, refuse_results_alone, with_last_turn
from pointsman.wire.answer import plain_rows

from .halves import ALL, CAPSULES, CHAT, MESSAGES, answering, half

EITHER = [CHAT, MESSAGES]
either = pytest.mark.parametrize("protocol", EITHER)
words = st.sampled_from(
    (
        "hi",
        "",
        " ",
        'a "b": c',
        "\\",
        "line\nline",
        "\u00e9\U0001f600",
        '\\"',
        "x-anthropic-billing-header: 1\nx",
    )
)
numbers = st.sampled_from((0, 1, 2, 3, -1, 0.5, 1.0, 2.5, 10**20, True, None, "1"))
turn = st.fixed_dictionaries(
    {"role": st.sampled_from(("user", "assistant", "system", "developer", "tool")), "content": words},
    optional={"name": words},
)
bodies = st.fixed_dictionaries(
    {
        "model": st.sampled_from(("m", "", 'a"b')),
        "messages": st.one_of(
            st.lists(turn, max_size=4),
            st.just([{"role": "user", "content": "hi"}]),
            st.just([{"role": "user", "content": [{"type": "text", "text": "hi"}]}]),
        ),
    },
    optional={
        "max_tokens": numbers,
        "max_completion_tokens": numbers,
        "temperature": numbers,
        "top_p": numbers,
        "stream": st.sampled_from((True, False, None, 1)),
        "system": st.one_of(words, st.none()),
        "seed": numbers,
    },
)
written = st.sampled_from(
    (
        lambda body: json.dumps(body),
        lambda body: json.dumps(body, separators=(",", ":"), ensure_ascii=False),
        lambda body: json.dumps(body, indent=1),
        lambda body: json.dumps(body).replace('": ', '" : '),
    )
)


def quickly(protocol: Protocol, body: bytes, session: bytes | None = None) -> Request | None:
    read = half(protocol).plain_request
    assert read is not None
    return read(body, lambda name: session)


def carefully(protocol: Protocol, body: bytes) -> tuple[Request, list[str]]:
    notes = Notes(names=half(protocol).names)
    read = half(protocol).parse_request(load(body, notes, peeked=True), Reading(notes, CAPSULES))
    healed = with_last_turn(heal(read, notes), read)
    refuse_results_alone(healed, read, notes)
    return healed, notes.warnings


@given(protocol=st.sampled_from(EITHER), body=bodies, write=written)
def test_it_is_read_as_the_careful_way_reads_it(protocol: Protocol, body: dict[str, Any], write: Any) -> None:
    text = write(body).encode()
    found = quickly(protocol, text)
    if found is None:
        return
    same, warnings = carefully(protocol, text)
    assert same.plain
    assert found.texts
    assert warnings == []
    assert found == msgspec.structs.replace(same, raw={}, texts=True)
    assert [one.path for one in found.messages] == [one.path for one in same.messages]
    parts = [[part.path for message in one.messages for part in message.parts] for one in (found, same)]
    assert parts[0] == parts[1]
    assert [one.path for one in found.system] == [one.path for one in same.system]
    assert repr(found.temperature) == repr(same.temperature)


COMMON: dict[Protocol, list[dict[str, Any]]] = {
    CHAT: [
        {},
        {"max_tokens": 9, "temperature": 0.5, "top_p": 1, "stream": True},
        {"max_completion_tokens": 9, "stream": False},
        {
            "messages": [
                {"role": role, "content": 'say "a": b\n'} for role in ("system", "user", "assistant", "user")
            ]
        },
    ],
    MESSAGES: [
        {},
        {"max_tokens": 9, "temperature": 1, "top_p": 0.3, "stream": True, "system": "be\nshort"},
        {"messages": [{"role": role, "content": "so"} for role in ("user", "assistant", "user")]},
    ],
}


@pytest.mark.parametrize(("protocol", "at"), [(one, at) for one in EITHER for at in range(len(COMMON[one]))])
def test_what_most_small_ones_say_is_read_in_one_step(protocol: Protocol, at: int) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **COMMON[protocol][at]}
    assert quickly(protocol, json.dumps(body).encode()) is not None
    assert quickly(protocol, json.dumps(body, separators=(",", ":")).encode()) is not None


@either
@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","model":"n","messages":[{"role":"user","content":"hi"}]}',
        b'{"model":"m","messages":[{"role":"user","role":"user","content":"hi"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"hi","content":"\\":"}]}',
        b'{"model" :"m","model" :"m","messages":[{"role":"user","content":"\\":\\":"}]}',
        b'{"model":"m","max_tokens":1,"max_tokens":2,"messages":[{"role":"user","content":"hi"}]}',
        b'{"mod\\u0065l":"m","model":"m","messages":[{"role":"user","content":"hi"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"\\\\\\"","content":"\\\\"}]}',
    ],
)
def test_a_key_that_stands_twice_is_left_to_who_refuses_it(protocol: Protocol, body: bytes) -> None:
    assert quickly(protocol, body) is None
    with pytest.raises(PointsmanError, match="stands twice"):
        carefully(protocol, body)


def test_a_session_of_claude_code_is_no_text() -> None:
    """Its id becomes the hint by which the next backend finds what it has cached."""
    body = b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"hi"}]}'
    assert quickly(MESSAGES, body) is not None
    assert quickly(MESSAGES, body, b"s1") is None


profiles = st.builds(
    Profile,
    protocol=st.sampled_from([one.value for one in ALL]),
    sampling=st.sampled_from(("any", "one_of", "default_only")),
    temperature_max=st.sampled_from((0.3, 2.0)),
    max_tokens_required=st.booleans(),
    reasoning=st.sampled_from(("none", "effort", "budget", "adaptive", "template")),
    thinking_field=st.booleans(),
    summaries=st.booleans(),
    turns=st.sampled_from(("any", "strict")),
    auto_cache=st.booleans(),
    cache_marks=st.booleans(),
    merge_turns=st.booleans(),
    prefill=st.booleans(),
    continues=st.booleans(),
    system_text=st.booleans(),
    developer_role=st.booleans(),
    mid_system=st.booleans(),
    replay_as=st.sampled_from((None, "reasoning_content")),
    no_reasoning=st.sampled_from(("", " ")),
)
said = st.sampled_from(("hi", "a\nb ", " so", "\u00e9"))


@given(
    protocol=st.sampled_from(EITHER),
    target=st.sampled_from(ALL),
    profile=profiles,
    texts=st.lists(said, min_size=1, max_size=5).filter(lambda found: len(found) % 2 == 1),
    more=st.fixed_dictionaries(
        {},
        optional={
            "temperature": st.just(0.5),
            "top_p": st.just(0.5),
            "max_tokens": st.just(7),
            "stream": st.just(True),
        },
    ),
    system=st.booleans(),
    strict=st.booleans(),
)
def test_the_stages_that_pass_it_by_would_have_changed_nothing(
    protocol: Protocol,
    target: Protocol,
    profile: Profile,
    texts: list[str],
    more: dict[str, Any],
    system: bool,
    strict: bool,
) -> None:
    turns = [{"role": ("user", "assistant")[at % 2], "content": one} for at, one in enumerate(texts)]
    body: dict[str, Any] = {"model": "m", "messages": turns, **more}
    if system and protocol is MESSAGES:
        body["system"] = "be short"
    elif system:
        body["messages"] = [{"role": "system", "content": "be short"}, *turns]
    known = quickly(protocol, json.dumps(body).encode())
    assert known is not None
    sent = [
        _sent(msgspec.structs.replace(known, texts=texts_known), target, profile, strict)
        for texts_known in (True, False)
    ]
    assert sent[0] == sent[1]


def _sent(request: Request, target: Protocol, profile: Profile, strict: bool) -> Any:
    notes = Notes(strict)
    try:
        made, adaptation = adapt(request, profile, notes)
        losses.check(made, half(target).carries, notes)
    except PointsmanError as error:
        return str(error)
    assert adaptation.identity
    assert not adaptation.stop
    return half(target).render_request(made, profile), notes.warnings


@given(
    protocol=st.sampled_from(EITHER),
    text=st.sampled_from(("hi", "", " ", 'a "b"', "\u00e9")),
    stop=st.sampled_from(Stop),
    sequence=st.sampled_from((None, "END")),
    usage=st.sampled_from((None, TokenUsage(), TokenUsage(3, 4), TokenUsage(9, 4, 2, 1, 3))),
    tier=st.sampled_from((None, "default", "flex")),
)
def test_an_answer_of_one_text_is_written_as_one_that_says_nothing_more(
    protocol: Protocol,
    text: str,
    stop: Stop,
    sequence: str | None,
    usage: TokenUsage | None,
    tier: str | None,
) -> None:
    def written_of(parts: list[AssistantPart]) -> bytes:
        return half(protocol).render_reply(
            Reply("i", "m", parts, stop, sequence, None, usage, tier), answering(False)
        )

    assert written_of([Text(text)]) == written_of([Text(text), Text("")])


def test_header_lines_that_mean_nothing_are_known_again() -> None:
    head = (
        b"HTTP/1.1 200 OK\r\nDate:  now \r\nServer: x\r\nX-Request-ID: r\r\nserver: x\r\n"
        b"anthropic-ratelimit-requests-remaining: 7\r\nretry-after:2\r\n\r\n"
    )
    wanted = [row for row in plain_rows(head) if row[0] in meant()]
    assert len(wanted) == 4
    for _ in range(2):
        assert meant_rows(head) == wanted
    for number in range(2000):
        assert meant_rows(head.replace(b"Server: x", b"server: %d" % number)) == wanted
