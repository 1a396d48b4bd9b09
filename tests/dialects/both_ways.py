"""What must hold of a dialect's halves of a translation, as properties; each dialect's folder runs them (test_shared.py).

A reply written as a stream or whole and read back is the same reply; any cutting of the bytes gives the same; a body that is
not right is a 400 and never another exception; a request rendered and read again is the same request; and a conversation
that grows keeps the bytes of its beginning.
"""

from __future__ import annotations

import copy
import json
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.conversation.events import Ended, Stop
from pointsman.conversation.notes import Notes
from pointsman.conversation.parts import Opaque, Text, Thinking, ToolCall
from pointsman.conversation.profile import Profile
from pointsman.conversation.reply import Reply, fold
from pointsman.conversation.usage import TokenUsage
from pointsman.dialects.base import Reading
from pointsman.dialects.registry import DIALECTS
from pointsman.errors import PointsmanError
from pointsman.kinds import ErrorKind, Protocol
from pointsman.providers.profiles import profile_for
from pointsman.routing.specs import BackendSpec
from pointsman.translation.heal import heal

from .halves import (
    ALL,
    CAPSULES,
    RESPONSES,
    SPECS,
    answering,
    comparable,
    half,
    parsed,
    read,
    sent,
    told,
    written,
)

# One property stands in every dialect's class: by design, not by oversight.
SHARED = [HealthCheck.too_slow, HealthCheck.differing_executors]


def often(count: int) -> settings:
    return settings(max_examples=count, deadline=None, suppress_health_check=SHARED)


words = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30).filter(str.strip)
names = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)
objects = st.dictionaries(names, st.one_of(st.integers(0, 9), words, st.booleans(), st.none()), max_size=3)
calls = st.builds(lambda name, value: (name, json.dumps(value)), names, objects)


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    """Thinking, then text, then calls: what every protocol can say in the same order."""
    parts: list[Any] = []
    if draw(st.booleans()):
        parts.append(Thinking(draw(words)))
    if draw(st.booleans()):
        parts.append(Text(draw(words)))
    made = draw(st.lists(calls, max_size=3))
    parts += [ToolCall(f"call_{at}", name, arguments) for at, (name, arguments) in enumerate(made)]
    stop = Stop.TOOL_USE if made else draw(st.sampled_from([Stop.END, Stop.MAX_TOKENS]))
    counted = TokenUsage(draw(st.integers(1, 999)), draw(st.integers(0, 999)), 0, 0)
    return Reply("x1", "m", parts, stop, usage=counted)


values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-5, 5), st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=8),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["type", "text", "role", "content", "name", "id"]), inner, max_size=3),
    ),
    max_leaves=6,
)  # fmt: skip
documents = values.map(lambda value: json.dumps(value).encode())
BEGINNINGS = [
    b"",
    b'{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"x"}}]}}]}',
    b'{"type":"response.output_text.delta","delta":"x"}',
    b'{"type":"content_block_delta","index":3,"delta":{"type":"text_delta","text":"x"}}',
    b'{"type":"response.output_item.done","item":{"type":"message"}}',
    b'{"choices":[{"message":{"content":"x"}}]}',
    b'{"type":"message_delta","delta":{}}',
]
HELLO = [Text("hello"), ToolCall("call_0", "f", '{"a":1}')]
UNUSUAL = [
    Thinking("hm \u00e9"),
    Text("h\u00e9llo \U0001f600 w\u00f6rld"),
    ToolCall("call_0", "f", '{"a":"\u00fc"}'),
    ToolCall("call_1", "g", "{}"),
]
GONE_ON = [{"role": "assistant", "content": "Done."}, {"role": "user", "content": "And now?"}]


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at] if at else []
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        found += places(inner, (*at, key))
    return found


class BothWays:
    """request: a body as a client sends it, with most of what it can say. least: one with no turns and nothing else. turns: the key of its turns. early: how many
    of them come before the first answer. ends: what the event that ends a stream holds, one with a call in it."""

    protocol: ClassVar[Protocol]
    request: ClassVar[dict[str, Any]]
    least: ClassVar[dict[str, Any]] = {"model": "m"}
    turns: ClassVar[str] = "messages"
    early: ClassVar[int] = 1
    ends: ClassVar[bytes]

    def otherwise(self, said: dict[str, Any], again: dict[str, Any]) -> None:
        """Changes in `again` what this protocol asks for by itself on the way out."""

    def replayed(self, answer: dict[str, Any]) -> list[Any]:
        """The turns that a client sends back for a whole answer that it got."""
        raise NotImplementedError

    # -- replies

    @often(120)
    @given(reply=replies())
    def test_a_stream_written_is_read_back(self, reply: Reply) -> None:
        raw = written(self.protocol, reply)
        assert told(fold(read(self.protocol, [raw]))) == told(reply)

    @often(120)
    @given(reply=replies())
    def test_a_whole_answer_written_is_read_back_and_equals_its_stream(self, reply: Reply) -> None:
        body = half(self.protocol).render_reply(reply, answering(stream=False))
        again = told(half(self.protocol).reader(Profile()).reply(body))
        assert again == told(reply)
        assert told(fold(read(self.protocol, [written(self.protocol, reply)]))) == again

    @pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
    def test_a_stream_cut_at_every_byte_is_the_same(self, end: bytes) -> None:
        reply = Reply("x1", "m", UNUSUAL, Stop.TOOL_USE, usage=TokenUsage(3, 4, 0, 0))
        raw = written(self.protocol, reply).replace(b"\n", end)
        expected = told(reply)
        for at in range(len(raw)):
            assert told(fold(read(self.protocol, [raw[:at], raw[at:]]))) == expected
        assert told(fold(read(self.protocol, [raw[at : at + 1] for at in range(len(raw))]))) == expected

    def test_comments_and_pings_between_change_nothing(self) -> None:
        reply = Reply("x1", "m", HELLO, Stop.TOOL_USE, usage=TokenUsage(3, 4, 0, 0))
        events = written(self.protocol, reply).split(b"\n\n")[:-1]
        noisy = b"".join(event + b"\n\n: keep-alive\n\n" for event in events)
        assert told(fold(read(self.protocol, [b": first\n\n" + noisy]))) == told(reply)

    def test_a_stream_that_stops_at_any_event_before_its_end_is_never_whole(self) -> None:
        events = written(self.protocol, Reply("x1", "m", HELLO, Stop.TOOL_USE)).split(b"\n\n")[:-1]
        last = next(at for at, event in enumerate(events) if self.ends in event)
        for at in range(last):
            found = read(self.protocol, [b"\n\n".join(events[: at + 1]) + b"\n\n"])
            assert not any(isinstance(event, Ended) for event in found), at

    def test_opaque_reasoning_of_another_vendor_comes_back_from_what_a_client_replays(self) -> None:
        foreign = Opaque("another", {"secret": [1, 2]}, "openai/other")
        reply = Reply("x", "m", [Thinking("hm", foreign), Text("hi")])
        body = json.loads(half(self.protocol).render_reply(reply, answering(False)))
        asked, more = {"role": "user", "content": "a"}, {"role": "user", "content": "b"}
        request = half(self.protocol).parse_request(
            {**self.least, self.turns: [asked, *self.replayed(body), more]},
            Reading(Notes(strict=True), CAPSULES),
        )
        parts = [part for message in request.messages for part in message.parts]
        assert [part for part in parts if isinstance(part, Thinking)] == [Thinking("hm", foreign)]

    # -- requests

    def test_a_full_request_rendered_is_read_back(self) -> None:
        request = parsed(self.protocol, self.request)
        profile = profile_for(SPECS[self.protocol][0], self.protocol, SPECS[self.protocol][1])
        notes = Notes()
        body = sent(self.protocol, request, profile, notes)
        assert body == sent(self.protocol, request, profile, Notes())
        first, second = comparable(request), comparable(parsed(self.protocol, json.loads(body)))
        self.otherwise(first, second)
        assert second == first
        assert notes.warnings == []

    @pytest.mark.parametrize("upstream", ALL)
    @pytest.mark.parametrize("local", [False, True])
    def test_a_conversation_that_grows_keeps_the_bytes_of_its_beginning(
        self, upstream: Protocol, local: bool
    ) -> None:
        """Up to each user turn: the messages rendered for the shorter one begin the longer one's, byte for byte."""
        turns = self.request[self.turns]
        here = BackendSpec("local/b", "local", "b", "http://127.0.0.1:1")
        spec, model = (here, "x") if local else SPECS[upstream]
        profile = profile_for(spec, upstream, model)

        def items(some: list[Any]) -> bytes:
            request = parsed(self.protocol, {**self.request, self.turns: some})
            body = json.loads(sent(upstream, request, profile, Notes()))
            return msgspec.json.encode(body["input" if upstream is RESPONSES else "messages"])[:-1]

        assert items([*turns, *GONE_ON]).startswith(items(turns))
        assert items(turns).startswith(items(turns[: self.early]))

    # -- bodies that are not right

    @often(400)
    @given(data=st.data())
    def test_a_wrong_value_anywhere_is_a_400_or_is_understood(self, data: st.DataObject) -> None:
        body = copy.deepcopy(self.request)
        *path, last = data.draw(st.sampled_from(places(body)))
        inside: Any = body
        for key in path:
            inside = inside[key]
        if data.draw(st.booleans()):
            inside[last] = data.draw(values)
        else:
            del inside[last]
        parse = half(self.protocol).parse_request
        for upstream in ALL:
            profile = profile_for(SPECS[upstream][0], upstream, SPECS[upstream][1])
            try:
                notes = Notes()
                request = heal(parse(copy.deepcopy(body), Reading(notes, CAPSULES)), notes)
                json.loads(sent(upstream, request, profile, notes))
            except PointsmanError as error:
                assert error.kind is ErrorKind.BAD_REQUEST
                assert error.public

    @often(300)
    @given(events=st.lists(st.one_of(documents, st.binary(max_size=20)), max_size=6))
    def test_a_stream_of_anything_is_read_without_an_exception(self, events: list[bytes]) -> None:
        plain = [event.replace(b"\n", b" ").replace(b"\r", b" ") for event in events]
        for first in BEGINNINGS:
            read(self.protocol, [b"".join(b"data: " + event + b"\n\n" for event in [first, *plain])])

    @often(200)
    @given(body=st.one_of(documents, st.binary(max_size=40)))
    def test_a_whole_answer_of_anything_is_read_or_refused(self, body: bytes) -> None:
        try:
            half(self.protocol).reader(Profile()).reply(body)
        except (ValueError, PointsmanError):
            pass
        found = DIALECTS[self.protocol].parse_error(500, body)
        assert found.public
