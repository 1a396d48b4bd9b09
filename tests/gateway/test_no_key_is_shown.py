"""A backend's key, and a client's own login, in everything that the data plane holds: shown nowhere, in no form."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import uvloop

from pointsman.gateway.attempt.exchange import Exchange
from pointsman.link.frames import pack, unpack
from pointsman.link.messages import Snapshot
from pointsman.practice import Pause, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from pointsman.secret import Secret, SecretBytes
from pointsman.upstream.backend import Backend
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, STREAM, WHOLE
from tests.conformance.facts import ASK
from tests.vendor_bodies import chat, messages, responses

from .plane import Got, plane, rule

CANARY = "sk-canary-3e1f00d5"
LOGIN = "sk-login-3e1f00d5"


def spec(url: str, key: str | None = CANARY, auth: str = "bearer") -> BackendSpec:
    return BackendSpec(
        key="openai/x", type="openai", name="x", base_url=url, dialects=(CHAT,), auth=auth,
        api_key=None if key is None else Secret(key), allow_http=True,
    )  # fmt: skip


def fields(value: object) -> Iterator[tuple[str, Any]]:
    """Every attribute: of slots, of a dict, of a struct or a dataclass."""
    names = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    names += list(getattr(value, "__dict__", {})) + list(getattr(value, "__struct_fields__", ()))
    for name in dict.fromkeys(names):
        if name not in ("__dict__", "__weakref__") and hasattr(value, name):
            yield name, getattr(value, name)


def shown(
    value: object, path: str = "", depth: int = 0, seen: set[int] | None = None
) -> Iterator[tuple[str, str]]:
    """(where, text): what repr, str and format make of a value and of everything that hangs on it."""
    seen = set() if seen is None else seen
    if id(value) in seen or depth > 12:
        return
    seen.add(id(value))
    yield path, f"{value!r} {value} {value!s:>1}"
    if isinstance(value, Secret | str | bytes | int | float | type | None):
        return
    parts: Iterator[tuple[str, Any]]
    if isinstance(value, dict):
        parts = ((f"[{key!r}]", one) for key, one in value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        parts = ((f"[{index}]", one) for index, one in enumerate(value))
    elif type(value).__module__.startswith("pointsman."):
        parts = ((f".{name}", one) for name, one in fields(value))
    else:
        return
    for name, one in parts:
        yield from shown(one, path + name, depth + 1, seen)


def test_the_walk_would_find_a_plain_one() -> None:
    """The guard itself: a key in a plain field, at any depth, is seen."""
    bad = msgspec.structs.replace(spec("http://x"), name=CANARY)
    assert [path for path, text in shown([{"a": bad}]) if CANARY in text][-1] == "[0]['a'].name"


@pytest.mark.parametrize("auth", ["bearer", "x-api-key", "api-key", "none"])
def test_snapshot_spec_and_backend_show_none(auth: str) -> None:
    row = spec("https://api.example.com", auth=auth)
    snapshot = Snapshot(1, "e", backends=(row,))
    for value in (row, snapshot, unpack(pack(snapshot)), Backend(row)):
        assert [path for path, text in shown(value) if CANARY in text] == []


def test_the_wire_carries_it_and_both_ends_hide_it() -> None:
    snapshot = Snapshot(1, "e", backends=(spec("https://x"),))
    raw = pack(snapshot)
    assert CANARY.encode() in raw
    assert unpack(raw) == snapshot
    for plain in (msgspec.json.encode, msgspec.msgpack.encode):
        with pytest.raises(TypeError):
            plain(snapshot)


@pytest.mark.parametrize("key", [f"{CANARY}\r\nx: y", f"{CANARY}\u00e9"])
def test_a_key_that_cannot_be_sent_is_not_told(key: str) -> None:
    with pytest.raises(ValueError) as caught:
        Backend(spec("https://x", key))
    assert CANARY not in str(caught.value)
    assert CANARY not in with_locals(caught.value)


def with_locals(error: BaseException) -> str:
    """A traceback as a tool shows it that prints every frame's variables; less the test's own, which knows the key."""
    assert error.__traceback__ is not None
    found = traceback.TracebackException(type(error), error, error.__traceback__.tb_next, capture_locals=True)
    return "".join(found.format())


def test_a_dump_of_locals_shows_no_header_block() -> None:
    """Where the head is made, and where it is passed on."""

    def send(data: bytes, body: bytes) -> None:
        raise OSError("gone")

    for own in (b"", SecretBytes(b"authorization: Bearer " + LOGIN.encode() + b"\r\n")):
        backend = Backend(spec("https://x"))
        data = backend.head(b"POST", b"/v1/x", b"a: b\r\n", frozenset(), 2, own)
        assert (LOGIN if own else CANARY).encode() in data
        with pytest.raises(OSError) as caught:
            send(data, b"{}")
        assert not any(text in with_locals(caught.value) for text in (CANARY, LOGIN))
        with pytest.raises(TypeError) as broken:
            backend.head(b"POST", b"/v1/x", "text", frozenset(), 2, own)  # type: ignore[arg-type]
        assert "fixed = SecretBytes(***)" in with_locals(broken.value)
        assert not any(text in with_locals(broken.value) for text in (CANARY, LOGIN))


def test_what_a_running_request_holds_and_what_is_logged_shows_none(caplog: pytest.LogCaptureFixture) -> None:
    """With the key in the backend's own error, and the client's login beside it."""
    seen: list[tuple[str, str]] = []

    async def look(found: Any) -> None:
        end = time.monotonic() + 5.0
        while not any(isinstance(one, Exchange) for one in found.plane.ticking):
            assert time.monotonic() < end
            await asyncio.sleep(0.01)
        for one in list(found.plane.ticking):
            seen.extend(shown(one))
        seen.extend(shown(found.plane))

    async def main() -> None:
        with ScriptedUpstream() as server:
            quoted = b'{"error":{"message":"Incorrect API key provided: %b"}}' % CANARY.encode()
            server.script(
                Reply(200, JSON, body=WHOLE[CHAT]("hello"), before=[Pause(0.8)]),
                Reply(401, JSON, body=quoted),
            )
            async with plane() as found:
                backend = msgspec.structs.replace(spec(server.url), login_only=False)
                found.rules(rule("*", "openai/x", forward_auth=False), backends=[backend])
                body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
                headers = (f"authorization: Bearer {LOGIN}",)
                answer, _ = await asyncio.gather(
                    found.ask("/v1/chat/completions", body, *headers), look(found)
                )
                assert answer.status == 200
                refused = await found.ask("/v1/chat/completions", body, *headers)
                assert CANARY.encode() not in refused.body
                assert b"***" in refused.body
                assert server.requests[0].headers["authorization"] == f"Bearer {CANARY}"

    with caplog.at_level(logging.DEBUG):
        uvloop.run(main())
    assert seen
    assert [path for path, text in seen if CANARY in text] == []
    assert not any(text in caplog.text for text in (CANARY, LOGIN))


# -- an upstream's error that quotes a key

PATHS = {CHAT: "/v1/chat/completions", RESPONSES: "/v1/responses", MESSAGES: "/v1/messages"}
ERROR_EVENT = {
    CHAT: chat.error_event, RESPONSES: responses.error_event, MESSAGES: messages.error_event,
}  # fmt: skip
STRANGE = "sk-ant-api03-of_somebody-else-0123456789"
QUOTED = pytest.mark.parametrize("quoted", [CANARY, STRANGE], ids=["ours", "another's"])


def asked(client: str, upstream: str, reply: Reply, *, stream: bool, key: str = CANARY) -> Got:
    async def main() -> Got:
        with ScriptedUpstream() as server:
            server.always(reply)
            async with plane() as found:
                backend = msgspec.structs.replace(spec(server.url, key), dialects=(upstream,))
                found.rules(rule("*", "openai/x"), backends=[backend])
                return await found.ask(PATHS[client], {"model": "m", **ASK[client], "stream": stream})

    return uvloop.run(main())


@QUOTED
@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize("upstream", PATHS)
@pytest.mark.parametrize("when", ["instead", "first", "after content"])
def test_a_key_in_an_upstreams_error_is_masked_wherever_it_is_told(
    client: str, upstream: str, when: str, quoted: str
) -> None:
    """By a status, as a stream's first event, and after content."""
    text = f"Incorrect API key provided: {quoted} (no task-0123456789abcdef0123 can run)"
    event = ERROR_EVENT[upstream](text)
    content = STREAM[upstream]("Words that came before.")
    content = content[: content.index(b"before")].rpartition(b"\n\n")[0] + b"\n\n"
    reply = {
        "instead": Reply(400, JSON, body={"error": {"message": text, "type": "x"}}),
        "first": Reply(200, SSE, body=event),
        "after content": Reply(200, SSE, parts=[content, Pause(0.01), event]),
    }[when]
    got = asked(client, upstream, reply, stream=when != "instead")
    assert (b"Words that" in got.body) is (when == "after content")
    assert quoted.encode() not in got.body
    assert b"Incorrect API key provided: *** (no task-0123456789abcdef0123 can run)" in got.body


@QUOTED
def test_a_key_in_an_error_without_event_framing_is_masked(quoted: str) -> None:
    """It cannot be passed on as it came, so it is told in our words."""
    content = STREAM[CHAT]("Words that came before.")
    content = content[: content.index(b"before")].rpartition(b"\n\n")[0] + b"\n\n"
    bare = b'{"error":{"message":"Incorrect API key provided: %b"}}' % quoted.encode()
    got = asked(CHAT, CHAT, Reply(200, SSE, parts=[content, Pause(0.01), bare]), stream=True)
    assert b"Words that" in got.body
    assert b"Incorrect API key provided: ***" in got.body
    assert quoted.encode() not in got.body
