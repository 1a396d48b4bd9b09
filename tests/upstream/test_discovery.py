"""Looking for model servers on this computer: who is taken for one, who is not, who comes and goes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvloop

from pointsman.practice import Received, Reply, ScriptedUpstream
from pointsman.upstream import discovery
from pointsman.upstream.discovery import Address, Discovery, Server, addresses, look
from pointsman.upstream.egress import Egress
from tests.children import child

LIST = {"object": "list", "data": [{"id": "qwen3", "object": "model"}, {"id": "gemma", "object": "model"}]}


def found(*where: int) -> list[Server]:
    async def main() -> list[Server]:
        return await look([Address("127.0.0.1", port) for port in where], Egress(1.0))

    return uvloop.run(main())


def lists(received: Any) -> Reply:
    if received.path == "/v1/models":
        return Reply(body=LIST)
    return Reply(404, body={"error": {"message": "Not Found"}})


@contextlib.asynccontextmanager
async def saying(answer: bytes | None, port: int = 0) -> AsyncIterator[int]:
    """A server that says this to everything, whatever is asked; None: it takes connections and hangs."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        if answer is not None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(answer)
                await writer.drain()
                writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()


def said(head: str, body: str = "") -> bytes:
    return f"HTTP/1.1 {head}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n{body}".encode()


def test_a_server_that_lists_models_is_found_at_whatever_port_it_is() -> None:
    with ScriptedUpstream() as server:
        server.always(lists)
        (one,) = found(server.port)
    assert one.address.url == server.url
    assert one.problem is None
    assert [model.name for model in one.engine.models(one.answers)] == ["qwen3", "gemma"]


@pytest.mark.parametrize(
    "entry",
    [
        {"id": "gpt-4o", "owned_by": "me"},
        {"id": "anthropic/claude-sonnet-4"},
        {"id": "gemini-2.5-pro"},
        {"id": "fast", "owned_by": "openai"},
        {"id": "o3-mini"},
    ],
    ids=lambda entry: entry["id"],
)
def test_what_may_be_a_gateway_to_providers_is_shown_and_not_used(entry: dict[str, str]) -> None:
    """LiteLLM on port 8000: a name that no rule matches would have left the machine."""
    with ScriptedUpstream() as server:
        body = {"object": "list", "data": [{"id": "qwen3"}, {"object": "model", **entry}]}
        server.always(lambda received: Reply(body=body) if received.path == "/v1/models" else Reply(404))
        (one,) = found(server.port)
    assert "may send requests on to another machine" in (one.problem or "")


@pytest.mark.parametrize("name", ["gpt-oss:20b", "openai/gpt-oss-120b", "marco-o1", "claudette"])
def test_an_open_model_is_no_providers(name: str) -> None:
    with ScriptedUpstream() as server:
        body = {"object": "list", "data": [{"id": name, "object": "model", "owned_by": "organization_owner"}]}
        server.always(lambda received: Reply(body=body) if received.path == "/v1/models" else Reply(404))
        (one,) = found(server.port)
    assert one.problem is None


NO_ENGINES = {
    "hangs": None,
    "answers 200 with nothing": said("200 OK"),
    "answers 200 with JSON to everything": said("200 OK", '{"status":"ok","version":3,"data":{}}'),
    "redirects": said("302 Found\r\nlocation: http://127.0.0.1:9/v1/models"),
    "is no HTTP server": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "closes at once": b"",
    "lists what has no names": said("200 OK", '{"object":"list","data":[{"id":7},{"name":"x"}]}'),
    "answers without end": b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n{",
    "nests deep": said("200 OK", "[" * 5000 + "]" * 5000),
}


def test_what_is_no_model_server_is_none_and_holds_nobody_up() -> None:
    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            ports = [await stack.enter_async_context(saying(answer)) for answer in NO_ENGINES.values()]
            begun = time.monotonic()
            seen = await look([Address("127.0.0.1", port) for port in ports], Egress(1.0))
            assert seen == []
            assert time.monotonic() - begun < 2 * discovery.LIST_SECONDS

    uvloop.run(main())


def test_nobody_listens_is_nobody() -> None:
    with ScriptedUpstream() as server:
        free = server.port
    assert found(free) == []


def test_only_this_computer_is_asked_whatever_the_variables_name() -> None:
    elsewhere = {"OLLAMA_HOST": "192.0.2.7:11500", "LOCALAI_ADDRESS": "http://models.example:8080"}
    near = {"OLLAMA_HOST": "http://0.0.0.0:11499"}
    assert {place.host for place in addresses(elsewhere)} == {"127.0.0.1"}
    assert 11500 not in {place.port for place in addresses(elsewhere)}
    assert Address("127.0.0.1", 11499) in addresses(near)
    assert Address("127.0.0.1", 7777) in addresses({}, [7777])
    assert Address("host.docker.internal", 11434) in addresses({}, (), "host.docker.internal")


class Watched:
    """A Discovery over some addresses, and what it told."""

    def __init__(self, *ports: int) -> None:
        self.told: list[list[str]] = []
        where = tuple(Address("127.0.0.1", port) for port in ports)
        self.rounds = Discovery(where, Egress(1.0), self._note)

    def _note(self, servers: list[Server]) -> None:
        self.told.append([server.address.url for server in servers])


def test_who_comes_and_who_goes_is_told_once_each() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(lists)
            port, url = server.port, server.url
            watched = Watched(port)
            await watched.rounds.round()
            await watched.rounds.round()
            asked = server.rounds
            await watched.rounds.round()
            assert server.rounds == asked, "who is known is not asked again and again"
        await watched.rounds.round()
        assert watched.told == [[url], []]

    uvloop.run(main())


def test_a_model_server_in_the_place_of_another_program_is_found_at_the_next_look() -> None:
    async def main() -> None:
        async with saying(said("404 Not Found")) as port:
            watched = Watched(port)
            await watched.rounds.round()
            await watched.rounds.round()
        with ScriptedUpstream(port=port) as server:
            server.always(lists)
            await watched.rounds.round()
            assert watched.told == [[], [server.url]]

    uvloop.run(main())


def test_a_program_that_is_no_model_server_is_left_alone() -> None:
    """Its log would be full of our questions."""

    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(Reply(404, body={"detail": "Not Found"}))
            watched = Watched(server.port)
            await watched.rounds.round()
            asked = server.rounds
            for _ in range(5):
                await watched.rounds.round()
            assert 0 < server.rounds == asked

    uvloop.run(main())


def test_a_server_that_does_one_thing_after_the_other_is_known_all_the_same() -> None:
    """mlx_lm beside a busy neighbour: ten questions at once, and half of them came too late."""
    taking = threading.Lock()

    def slow(received: Received) -> Reply:
        with taking:
            time.sleep(0.05)
        return lists(received)

    with ScriptedUpstream() as server:
        server.always(slow)
        (one,) = found(server.port)
    assert one.engine.models(one.answers)


# Only its socket is the other user's (the kernel keeps whose it was made as): a Python in root's home
# folder is nobody else's to run, and not to read modules from either.
SERVER = """
import http.server, json, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        listed = self.path == "/v1/models"
        body = json.dumps({"object": "list", "data": [{"id": "m", "object": "model"}]} if listed else {}).encode()
        self.send_response(200 if listed else 404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
os.seteuid(int(sys.argv[1]))
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
os.seteuid(0)
server.server_bind()
server.server_activate()
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.mark.skipif(
    os.geteuid() != 0 or not os.path.exists("/proc/net/tcp"), reason="NO SECOND USER: needs root on Linux"
)
@pytest.mark.parametrize(("uid", "used"), [(4242, False), (4, True)], ids=["a person", "a service"])
def test_another_persons_server_is_shown_and_not_used(uid: int, used: bool) -> None:
    """Its owner could read what is sent to it, and nobody has said that it may be."""
    command = [sys.executable, "-I", "-c", SERVER, str(uid)]
    with child(command, stdout=subprocess.PIPE, text=True, cwd="/") as process:
        assert process.stdout is not None
        (one,) = found(int(process.stdout.readline()))
    assert (one.problem is None) is used
    assert used or f"another user of this computer (uid {uid})" in (one.problem or "")
