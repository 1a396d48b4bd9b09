"""A fourth protocol, made here and registered from outside the package: a request goes through it in both roles.

Its wire form: a POST of {"model", "say": [text, ...]} to /v1/toy, answered by {"said": text} or, streamed, by lines of
`data: word`. It has paths below that one, a header by which its clients are known, rate-limit headers, a field in the
list of models. Nothing of the gateway knows it, and nothing of the gateway is patched here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
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
from pointsman.conversation.parts import Audio, Image, Text
from pointsman.conversation.profile import Profile
from pointsman.conversation.reply import Reply as Neutral
from pointsman.conversation.request import Message, Request, Role
from pointsman.dialects.base import Answering, Dialect, Reader, Reading, Seen, Translation
from pointsman.dialects.carries import MAPPED, REPORTED, Place, apart, reachable, refused
from pointsman.dialects.endpoint import Catalogue, Endpoint, RateLimits
from pointsman.dialects.fields import Fields
from pointsman.dialects.registry import register, unregister, varying_headers
from pointsman.dialects.vendor_errors import upstream_error
from pointsman.errors import PointsmanError
from pointsman.practice import Received, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from pointsman.upstream.backend import Backend
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


def render_request(request: Request, profile: Profile) -> bytes:
    texts = [
        "".join(part.text for part in message.parts if isinstance(part, Text)) for message in request.messages
    ]
    return msgspec.json.encode({"model": request.model, "say": texts, "stream": request.stream})


def render_reply(reply: Neutral, answering: Answering) -> bytes:
    said = "".join(part.text for part in reply.parts if isinstance(part, Text))
    return msgspec.json.encode({"said": said, "by": answering.request.model})


class ToySeen(Seen):
    def whole(self, body: bytes) -> bool:
        self.output = self.finished = body.startswith(b"{")
        return self.finished

    def event(self, event: bytes) -> None:
        word = data_of(event)
        if word == b"END":
            self.finished, self.stop = True, Stop.END
        else:
            self.output = True


class ToyReader(ToySeen, Reader):
    def __init__(self, profile: Profile | None = None) -> None:
        super().__init__()
        self._begun = False

    def reply(self, body: bytes) -> Neutral:
        self.whole(body)
        return Neutral("t1", "toy", [Text(msgspec.json.decode(body)["said"])])

    def read(self, event: bytes) -> Sequence[Event]:
        self.event(event)
        if self.finished:
            return [PartEnd(0), Finished(Stop.END), Ended()]
        begun = [] if self._begun else [Started("t1", "toy"), PartStart(0, PartKind.TEXT)]
        self._begun = True
        return [*begun, Delta(0, data_of(event).decode())]

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


def toy_error(error: PointsmanError, request_id: str) -> bytes:
    return msgspec.json.encode({"toy": error.public, "where": error.param})


ENDPOINT = Endpoint(
    "/v1/toy",
    "toys",
    methods=("POST", "PUT"),
    below=True,
    alive=("/toys/alive",),
    known_by=b"x-toy-version",
    varies=(b"x-toy-version",),
    private=(b"x-toy-child",),
    private_prefixes=(b"toy-",),
    rate_limits=RateLimits(
        {
            (what, unit): f"toy-{unit}-{what}".encode()
            for what in ("limit", "remaining", "reset")
            for unit in ("requests", "tokens")
        },
        lambda value: b"in " + value,
    ),
    model_fields=lambda model: {"toy_name": model.name.upper()},
    list_fields=lambda models: {"toys": len(models)},
    catalogue=Catalogue(b"toybox", lambda models: b"box of " + ", ".join(m.name for m in models).encode()),
)
CARRIED = {
    "Request.model",
    "Request.messages",
    "Request.stream",
    "Message.role",
    "Message.parts",
    "Text.text",
}
ASIDE = {
    "Request.raw",
    "Request.paths",
    "Request.include_usage",
    "Request.legacy_functions",
    "Request.phases",
}


def place(kind: type[msgspec.Struct], name: str) -> Place:
    """Of a field of a request: what this protocol does with it. All parts but texts are refused."""
    field = f"{kind.__name__}.{name}"
    if field in CARRIED:
        return MAPPED
    if field in ASIDE or name == "path":
        return apart("not for a backend")
    return refused("this protocol has texts only; leave it out.") if kind in (Image, Audio) else REPORTED


CARRIES = {kind: {name: place(kind, name) for name in kind.__struct_fields__} for kind in reachable()}
TOY = Dialect(
    Toy.TOY,  # type: ignore[arg-type]
    toy_error,
    lambda error, request_id, answer_id=None: b"data: FAILED\n\n",
    upstream_error,
    ToySeen,
    ENDPOINT,
    translation=Translation(
        parse_request=parse_request,
        render_request=render_request,
        render_reply=render_reply,
        reader=ToyReader,
        writer=ToyWriter,
        moves={"": frozenset()},
        carries=CARRIES,
    ),
)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    register(TOY)
    yield
    unregister(TOY.protocol)


def ask_toy(body: dict[str, Any], reply: Reply, *headers: str) -> tuple[Got, dict[str, Any]]:
    async def main() -> tuple[Got, dict[str, Any]]:
        with ScriptedUpstream() as server:
            server.always(reply)
            async with plane() as found:
                backend = BackendSpec(
                    key="local/box", type="local", name="box", base_url=server.url, dialects=(CHAT,)
                )
                found.rules(rule("*", "local/box"), backends=[backend])
                got = await found.ask("/v1/toy", body, *headers)
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
    assert got.json()["where"] == "say"


# -- as a backend's protocol


def speaks_toy(url: str) -> BackendSpec:
    return BackendSpec(key="local/box", type="local", name="box", base_url=url, dialects=("toy",))


def ask(
    path: str,
    body: bytes | dict[str, Any],
    *headers: str,
    replies: Reply,
    method: str = "POST",
    spec: Any = speaks_toy,
) -> tuple[Got, list[Received]]:
    async def main() -> tuple[Got, list[Received]]:
        with ScriptedUpstream() as server:
            server.always(replies)
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server.url)])
                got = await found.ask(path, body, *headers, method=method)
            return got, [r for r in server.requests if r.method != "GET"]

    return uvloop.run(main())


HI = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def test_another_protocols_client_is_served_by_a_backend_that_speaks_it() -> None:
    headers = {"content-type": "application/json", "toy-requests-remaining": "7", "toy-tokens-reset": "6m0s"}
    got, (sent,) = ask(
        "/v1/chat/completions", HI, "openai-beta: x", replies=Reply(200, headers, body=b'{"said":"hello"}')
    )
    assert got.json()["choices"][0]["message"]["content"] == "hello"
    assert (sent.path, sent.json()) == ("/v1/toy", {"model": "m", "say": ["hi"], "stream": False})
    assert got.headers["x-ratelimit-remaining-requests"] == "7"
    assert got.headers["x-ratelimit-reset-tokens"] == "6m0s"
    assert not [name for name in got.headers if name.startswith("toy-")]


def test_its_own_client_gets_its_bytes_as_they_are_and_paths_below_too() -> None:
    for path in ("/v1/toy", "/toy", "/v1/v1/toy/box?a=b"):
        got, (sent,) = ask(
            path, {"model": "m", "say": ["hi"]}, replies=Reply(200, JSON, body=b'{"said":"x"}')
        )
        assert got.body == b'{"said":"x"}'
        assert sent.path == ("/v1/toy/box" if "box" in path else "/v1/toy")


# -- what the gateway knows of its endpoint


def test_rate_limits_reach_its_client_under_its_own_names() -> None:
    headers = {**JSON, "x-ratelimit-limit-tokens": "9", "anthropic-ratelimit-requests-reset": "12s"}
    got, sent = ask_toy(
        {"model": "m", "say": ["hi"]}, Reply(200, headers, body=WHOLE[CHAT]("hello")), "x-toy-child: 1", "toy-x: 2", "other: 3"
    )  # fmt: skip
    assert (got.headers["toy-tokens-limit"], got.headers["toy-requests-reset"]) == ("9", "in 12s")
    assert not [name for name in got.headers if "ratelimit" in name]


def test_what_is_private_to_its_vendor_stays_out_of_another_protocol() -> None:
    _, (sent,) = ask(
        "/v1/toy", {"model": "m", "say": ["hi"]}, "x-toy-child: 1", "toy-x: 2", "other: 3",
        replies=Reply(200, JSON, body=WHOLE[CHAT]("hello")), spec=chat_box,
    )  # fmt: skip
    assert sent.headers["other"] == "3"
    assert not [name for name in sent.headers if "toy" in name]


@pytest.mark.parametrize("path", ["/v1/models/no*ne", "/v1/audio/none"])
def test_on_shared_paths_its_clients_are_answered_in_its_wording(path: str) -> None:
    method = "GET" if "models" in path else "POST"
    for header, key in (
        ("x-toy-version: 1", "toy"),
        ("x-other: 1", "error"),
        ("anthropic-version: 1", "type"),
    ):
        got, _ = ask(path, b"" if method == "GET" else b"{}", header, replies=Reply(404), method=method)
        assert got.status in (400, 404)
        assert key in got.json()


def test_the_list_of_models_has_what_its_clients_read() -> None:
    def listed(path: str, *headers: str) -> Got:
        names = Reply(200, JSON, body=b'{"data":[{"id":"a"}]}')
        return ask(path, b"", *headers, replies=names, method="GET")[0]

    body = listed("/v1/models").json()
    assert body["toys"] == len(body["data"])
    assert {entry["id"]: entry["toy_name"] for entry in body["data"]}["a"] == "A"
    assert {"object", "has_more", "first_id"} <= set(body)
    assert listed("/v1/models/a").json()["toy_name"] == "A"
    assert b"a" in listed("/v1/models?toybox=1").body.removeprefix(b"box of ").split(b", ")


def test_its_methods_and_its_page_for_who_asks_whether_anybody_is_there() -> None:
    refused, _ = ask("/v1/toy", b"", replies=Reply(200), method="GET")
    assert (refused.status, refused.headers["allow"]) == (405, "POST, PUT")
    assert ask("/toys/alive", b"", replies=Reply(500), method="GET")[0].status == 200


def test_what_varies_an_answer_is_part_of_who_may_join_it() -> None:
    assert b"x-toy-version" in varying_headers()


def test_without_it_none_of_this_is_there() -> None:
    unregister(TOY.protocol)
    try:
        assert ask("/v1/toy", {"model": "m", "say": ["hi"]}, replies=Reply(404), spec=chat_box)[0].status in (
            404,
            501,
        )
        assert b"x-toy-version" not in varying_headers()
        with pytest.raises(ValueError):
            Backend(speaks_toy("http://127.0.0.1:9"))
    finally:
        register(TOY)


def chat_box(url: str) -> BackendSpec:
    return msgspec.structs.replace(speaks_toy(url), dialects=(CHAT,))


# -- what it says of every field of a request


def test_what_it_has_no_place_for_is_told_or_refused_as_it_declares() -> None:
    said = {"role": "user", "name": "ann", "content": "hi"}
    got, (sent,) = ask(
        "/v1/chat/completions", {"model": "m", "messages": [said], "seed": 7}, replies=Reply(200, JSON, body=b'{"said":"x"}')
    )  # fmt: skip
    assert got.headers["x-pointsman-warnings"] == "dropped:seed,dropped:messages[0].name"
    assert sent.json() == {"model": "m", "say": ["hi"], "stream": False}
    sound = {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}
    spoken = {"role": "user", "content": [{"type": "text", "text": "hi"}, sound]}
    got, received = ask("/v1/chat/completions", {"model": "m", "messages": [spoken]}, replies=Reply(500))
    assert (got.status, got.json()["error"]["param"], received) == (400, "messages[0].content[1]", [])


def test_a_field_that_it_forgets_keeps_it_out() -> None:
    assert TOY.translation is not None
    forgetful = {kind: {n: p for n, p in fields.items() if n != "seed"} for kind, fields in CARRIES.items()}
    with pytest.raises(ValueError, match=r"toy: Request\.seed has no place"):
        register(replace(TOY, translation=replace(TOY.translation, carries=forgetful)))
    invented = {**CARRIES, Text: {**CARRIES[Text], "colour": MAPPED}}
    with pytest.raises(ValueError, match=r"Text\.colour is no field"):
        register(replace(TOY, translation=replace(TOY.translation, carries=invented)))
