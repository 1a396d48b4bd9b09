"""A connection that its server closes without a word, kept or as it is made: how often a request reaches the backend, and
what is said of it."""

from __future__ import annotations

import socket
import threading

import pytest
import uvloop

from pointsman.practice import CUT, RESET, Reply, ScriptedUpstream
from pointsman.practice.exchange import Signal
from pointsman.routing.specs import BackendSpec
from tests.agents.model import CHAT, JSON, MESSAGES, WHOLE
from tests.conformance.facts import ASK
from tests.e2e.wires import CHAT as CHATS
from tests.e2e.wires import MESSAGES as MESSAGE
from tests.e2e.wires import RESPONSES, Wire

from .plane import plane, rule

PATHS = {CHAT: "/v1/chat/completions", MESSAGES: "/v1/messages"}


@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize("upstream", PATHS)
@pytest.mark.parametrize("how", [CUT, RESET])
@pytest.mark.parametrize("alone", [False, True])
def test_a_post_reaches_the_backend_as_often_as_the_header_says(
    client: str, upstream: str, how: Signal, alone: bool
) -> None:
    """The server reads the whole request on a kept connection, and closes. Alone: `x-pointsman-no-fallback`."""
    headers = ("x-pointsman-no-fallback: 1",) if alone else ()
    body = {"model": "m", **ASK[client], "stream": False}

    async def main() -> None:
        with ScriptedUpstream() as server:
            kept: list[int] = []

            def answer(received: object) -> Reply:
                connection = received.connection  # type: ignore[attr-defined]
                if connection in kept:  # it has served before
                    return Reply(before=[how])
                kept.append(connection)
                return Reply(200, JSON, body=WHOLE[upstream]("hello"))

            server.always(answer)
            async with plane() as found:
                backend = BackendSpec("openai/x", "openai", "x", server.url, (upstream,), allow_http=True)
                found.rules(rule("*", "openai/x"), backends=[backend])
                assert (await found.ask(PATHS[client], body)).status == 200
                before = len(server.requests)
                got = await found.ask(PATHS[client], body, *headers)
                assert got.status == 200
                reached = len(server.requests) - before
                assert reached == int(got.headers["x-pointsman-attempts"]) == (1 if alone else 2)

    uvloop.run(main())


@pytest.mark.parametrize("alone", [False, True])
def test_a_post_that_its_server_never_answers_is_told_as_often_as_it_went(alone: bool) -> None:
    """Whatever connection it is on: with `x-pointsman-no-fallback` nothing is repeated, and it arrives once."""
    headers = ("x-pointsman-no-fallback: 1",) if alone else ()
    body = {"model": "m", **ASK[CHAT]}

    async def main() -> None:
        with ScriptedUpstream() as server:
            server.script(Reply(200, JSON, body=WHOLE[CHAT]("hello")), *[Reply(before=[CUT])] * 9)
            async with plane() as found:
                backend = BackendSpec("openai/x", "openai", "x", server.url, (CHAT,), allow_http=True)
                found.rules(rule("*", "openai/x"), backends=[backend])
                assert (await found.ask(PATHS[CHAT], body)).status == 200
                before = len(server.requests)
                got = await found.ask(PATHS[CHAT], body, *headers)
                assert got.status == 502
                reached = len(server.requests) - before
                assert reached == int(got.headers["x-pointsman-attempts"]) == (1 if alone else 3)

    uvloop.run(main())


def closing(server: socket.socket) -> None:
    """Takes each connection and closes it at once, until the server is closed."""
    while True:
        try:
            server.accept()[0].close()
        except OSError:
            return


@pytest.mark.parametrize("wire", [CHATS, RESPONSES, MESSAGE], ids=lambda wire: wire.name)
def test_a_server_that_closes_each_connection_as_soon_as_it_is_made_is_no_fault_of_the_gateways(
    wire: Wire,
) -> None:
    """Of most the end has come before the request is sent: it was a 500 of the gateway's own, with a traceback in its log."""

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            thread = threading.Thread(target=closing, args=(server,))
            thread.start()
            url = f"http://127.0.0.1:{server.getsockname()[1]}"
            try:
                async with plane() as found:
                    box = BackendSpec("local/box", "local", "box", url, (wire.name,))
                    found.rules(rule("*", "local/box"), backends=[box])
                    for stream in (False, True) * 10:
                        got = await found.ask(wire.path, wire.ask("m", stream=stream))
                        assert got.status in (502, 503), got.body
                        assert b"closed the connection" in got.body or b"could not be used" in got.body
                    assert {one.outcome for one in found.records} <= {"failed", "error"}
            finally:
                server.shutdown(socket.SHUT_RDWR)
                thread.join(10)

    uvloop.run(main())
