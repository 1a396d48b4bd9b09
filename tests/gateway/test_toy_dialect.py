"""A fourth protocol, made here and registered from outside the package: a request goes through it in both roles.

Its wire form: a POST of {"model", "say": [text, ...]} to /v1/toy, answered by {"said": text} or, streamed, by lines of
`data: word`. Nothing of the gateway knows it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any

import msgspec
import pytest
import uvloop

from pointsman.conversation.events import (
    Delta,
    Ended,
    Event,
    Finished,
    PartEnd,
    PartKind,
    PartStart,
    Started,
    Stop,
)
from pointsman.conversation.notes import Notes
from pointsman.conversation.parts import Text
from pointsman.conversation.profile import Profile
from pointsman.conversation.reply import Reply as Neutral
from pointsman.conversation.request import Message, Request, Role
from pointsman.dialects.base import Answering, Dialect, Reading, Translation
from pointsman.dialects.fields import Fields
from pointsman.dialects.registry import DIALECTS, register
from pointsman.dialects.vendor_errors import openai_error, upstream_error
from pointsman.errors import PointsmanError
from pointsman.gateway.client.paths import route
from pointsman.practice import Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from pointsman.wire.sse import data_of
from tests.agents.model import CHAT, JSON, SSE, STREAM, WHOLE

from .plane import Got, plane, rule


class Toy(StrEnum):
    TOY = "toy"


def parse_request(body: dict[str, Any], reading: Reading) -> Request:
    fields = Fields(body)
    request = Request(model=fields.need_text("model"), raw=body, stream=bool(fields.flag("stream")))
    for index, one in enumerate(fields.items("say")):
        request.messages.append(Message((Role.USER, Role.ASSISTANT)[index % 2], [Text(one)]))
    fields.close(reading.notes)
    return request


def render_request(request: Request, profile: Profile, notes: Notes) -> bytes:
    texts = [
        "".join(part.text for part in message.parts if isinstance(part, Text)) for message in request.messages
    ]
    return msgspec.json.encode({"model": request.model, "say": texts, "stream": request.stream})


def parse_reply(body: bytes, profile: Profile) -> Neutral:
    return Neutral("t1", "toy", [Text(msgspec.json.decode(body)["said"])])


def render_reply(reply: Neutral, answering: Answering) -> bytes:
    said = "".join(part.text for part in reply.parts if isinstance(part, Text))
    return msgspec.json.encode({"said": said, "by": answering.request.model})


class ToyReader:
    def __init__(self, profile: Profile | None = None) -> None:
        self.output = self.finished = False
        self.answer_id: str | None = None
        self.error: str | None = None
        self.usage = None
        self.malformed = 0

    def event(self, event: bytes) -> None:
        self.read(event)

    def whole(self, body: bytes) -> bool:
        return body.startswith(b"{")

    def read(self, event: bytes) -> Sequence[Event]:
        word = data_of(event).decode()
        if word == "END":
            self.finished = True
            return [PartEnd(0), Finished(Stop.END), Ended()]
        begun = [] if self.output else [Started("t1", "toy"), PartStart(0, PartKind.TEXT)]
        self.output = True
        return [*begun, Delta(0, word)]

    def finish(self) -> Sequence[Event]:
        return ()


class ToyWriter:
    def __init__(self, answering: Answering) -> None:
        pass

    def write(self, event: Event) -> bytes:
        if isinstance(event, Delta):
            return b"data: " + event.text.encode() + b"\n\n"
        return b"data: END\n\n" if isinstance(event, Ended) else b""

    def ping(self) -> bytes:
        return b": ping\n\n"

    def fail(self, error: PointsmanError) -> bytes:
        return b"data: FAILED\n\n"


TOY = Dialect(
    Toy.TOY,  # type: ignore[arg-type]
    openai_error,
    lambda error, request_id, answer_id=None: b"data: FAILED\n\n",
    ToyReader,
    translation=Translation(
        path="/v1/toy",
        parse_request=parse_request,
        render_request=render_request,
        parse_reply=parse_reply,
        render_reply=render_reply,
        parse_error=upstream_error,
        reader=ToyReader,
        writer=ToyWriter,
        moves={"": frozenset()},
        takes=frozenset(),
    ),
)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    register(TOY)
    route.cache_clear()
    yield
    del DIALECTS[TOY.protocol]
    route.cache_clear()


def ask_toy(body: dict[str, Any], reply: Reply) -> tuple[Got, dict[str, Any]]:
    async def main() -> tuple[Got, dict[str, Any]]:
        with ScriptedUpstream() as server:
            server.always(reply)
            async with plane() as found:
                backend = BackendSpec(
                    key="local/box", type="local", name="box", base_url=server.url, dialects=(CHAT,)
                )
                found.rules(rule("*", "local/box"), backends=[backend])
                got = await found.ask("/v1/toy", body)
            (received,) = [r for r in server.requests if r.method == "POST"]
            return got, received.json()

    return uvloop.run(main())


def test_a_protocol_from_outside_is_translated_to_another() -> None:
    got, sent = ask_toy(
        {"model": "m", "say": ["hi", "yes?", "go on"]}, Reply(200, JSON, body=WHOLE[CHAT]("hello there"))
    )
    assert got.json() == {"said": "hello there", "by": "m"}
    assert [message["content"] for message in sent["messages"]] == ["hi", "yes?", "go on"]


def test_it_streams_too() -> None:
    reply = Reply(200, SSE, parts=[STREAM[CHAT]("hello there")], framing="chunked")
    got, _ = ask_toy({"model": "m", "say": ["hi"], "stream": True}, reply)
    assert got.body == b"data: hello\n\ndata:  there\n\ndata: END\n\n"


def test_its_errors_name_its_own_fields() -> None:
    async def main() -> Got:
        async with plane() as found:
            backend = BackendSpec(
                key="local/box", type="local", name="box", base_url="http://127.0.0.1:9", dialects=(CHAT,)
            )
            found.rules(rule("*", "local/box"), backends=[backend])
            return await found.ask("/v1/toy", {"model": "m", "say": "hi"})

    got = uvloop.run(main())
    assert got.status == 400
    assert json.loads(got.body)["error"]["param"] == "say"
