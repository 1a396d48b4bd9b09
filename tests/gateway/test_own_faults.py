"""A fault of our own while an answer is read, at each place where that is done: the request is settled all the same.
Users saw a client wait out the whole limit, because a deep answer had raised RecursionError inside a sink."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import uvloop

from pointsman.dialects.base import Dialect
from pointsman.dialects.registry import register, unregister
from pointsman.practice import Pause, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from tests.agents.model import CHAT, JSON, SSE, STREAM, WHOLE

from .plane import Got, plane, rule
from .test_toy_dialect import TOY, ToyReader, ToySeen, ToyWriter

PROMPT_SECONDS = 20.0
"""Far less than any limit of a request, far more than a crowded machine takes."""


class Ours(Exception):
    """What a bug raises."""


def broken(*args: Any, **kwargs: Any) -> Any:
    raise Ours("a bug")


def seen_with(**methods: Any) -> Dialect:
    return replace(TOY, seen=type("BrokenSeen", (ToySeen,), methods))


def told_with(**members: Any) -> Dialect:
    assert TOY.translation is not None
    return replace(TOY, translation=replace(TOY.translation, **members))


def reader_with(**methods: Any) -> Dialect:
    return told_with(reader=type("BrokenReader", (ToyReader,), methods))


def writer_with(**methods: Any) -> Dialect:
    return told_with(writer=type("BrokenWriter", (ToyWriter,), methods))


class Late:
    """Works a few times, and then no more."""

    def __init__(self, works: Any, times: int) -> None:
        self._works, self._left = works, times

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        def call(*args: Any) -> Any:
            self._left -= 1
            return self._works(instance, *args) if self._left >= 0 else broken()

        return call


TOY_CLIENT = ("/v1/toy", {"model": "m", "say": ["hi"]})
CHAT_CLIENT = ("/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "hi"}]})
TOY_STREAM = Reply(
    200,
    SSE,
    parts=[b"data: a\n\n", Pause(0.05), b"data: b\n\n", Pause(0.05), b"data: END\n\n"],
    framing="chunked",
)
TOY_WHOLE = Reply(200, JSON, body=b'{"said":"x"}')
CHAT_STREAM = Reply(200, SSE, parts=[STREAM[CHAT]("hello there")], framing="chunked")
CHAT_WHOLE = Reply(200, JSON, body=WHOLE[CHAT]("hello"))
FAILS = Reply(500, JSON, body=b'{"toy":"no"}')
PLACES: dict[str, tuple[Any, tuple[str, dict[str, Any]], str, Reply]] = {
    "seen.event, the first": (lambda: seen_with(event=broken), TOY_CLIENT, "toy", TOY_STREAM),
    "seen.event, a later one": (lambda: seen_with(event=Late(ToySeen.event, 1)), TOY_CLIENT, "toy", TOY_STREAM),
    "seen.end": (lambda: seen_with(end=broken), TOY_CLIENT, "toy", TOY_STREAM),
    "seen.whole": (lambda: seen_with(whole=broken), TOY_CLIENT, "toy", TOY_WHOLE),
    "reader.read": (lambda: reader_with(read=broken), CHAT_CLIENT, "toy", TOY_STREAM),
    "reader.read, a later one": (lambda: reader_with(read=Late(ToyReader.read, 1)), CHAT_CLIENT, "toy", TOY_STREAM),
    "reader.finish": (lambda: reader_with(read=lambda self, event: (), finish=broken), CHAT_CLIENT, "toy", TOY_STREAM),
    "reader.reply": (lambda: reader_with(reply=broken), CHAT_CLIENT, "toy", TOY_WHOLE),
    "the reader": (lambda: told_with(reader=broken), CHAT_CLIENT, "toy", TOY_STREAM),
    "writer.write": (lambda: writer_with(write=broken), TOY_CLIENT, CHAT, CHAT_STREAM),
    "writer.write, a later one": (lambda: writer_with(write=Late(ToyWriter.write, 3)), TOY_CLIENT, CHAT, CHAT_STREAM),
    "the writer": (lambda: told_with(writer=broken), TOY_CLIENT, CHAT, CHAT_STREAM),
    "render_reply": (lambda: told_with(render_reply=broken), TOY_CLIENT, CHAT, CHAT_WHOLE),
    "render_request": (lambda: told_with(render_request=broken), CHAT_CLIENT, "toy", TOY_WHOLE),
    "parse_request": (lambda: told_with(parse_request=broken), TOY_CLIENT, CHAT, CHAT_WHOLE),
    "parse_error": (lambda: replace(TOY, parse_error=broken), TOY_CLIENT, "toy", FAILS),
    "is_error": (lambda: replace(TOY, is_error=broken), TOY_CLIENT, "toy", FAILS),
    "writer.fail": (lambda: writer_with(fail=broken, write=broken), TOY_CLIENT, CHAT, CHAT_STREAM),
}  # fmt: skip


@pytest.fixture
def toy(request: pytest.FixtureRequest) -> Iterator[None]:
    dialect = PLACES[request.param][0]()
    register(dialect)
    yield
    unregister(dialect.protocol)


def speaks(server: ScriptedUpstream, name: str, dialect: str) -> BackendSpec:
    return BackendSpec(key=f"local/{name}", type="local", name=name, base_url=server.url, dialects=(dialect,))


def asked(place: str, *, spare: bool) -> tuple[Got, float]:
    _, (path, body), upstream, reply = PLACES[place]

    async def main() -> tuple[Got, float]:
        with ScriptedUpstream() as server, ScriptedUpstream() as other:
            server.always(reply)
            other.always(reply)
            async with plane() as found:
                targets = ("local/box", "local/spare") if spare else ("local/box",)
                backends = [speaks(server, "box", upstream), speaks(other, "spare", upstream)]
                found.rules(rule("*", *targets), backends=backends)
                begun = time.monotonic()
                got = await found.ask(path, {**body, "stream": bool(reply.parts)})
                taken = time.monotonic() - begun
                (record,) = await found.recorded()
                assert record.outcome != "ok"
                return got, taken

    return uvloop.run(main())


@pytest.mark.parametrize("spare", [False, True], ids=["alone", "with a next target"])
@pytest.mark.parametrize(("toy", "place"), [(name, name) for name in PLACES], indirect=["toy"])
def test_a_bug_at_an_answer_never_leaves_its_client_waiting(toy: None, place: str, spare: bool) -> None:
    got, taken = asked(place, spare=spare)
    assert taken < PROMPT_SECONDS
    told = b"FAILED" in got.body or b'"error"' in got.body or b'"toy"' in got.body
    assert told or not got.complete, got
    assert b"[DONE]" not in got.body
