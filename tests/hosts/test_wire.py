"""A host's HTTP on real connections: kept alive, whole answers and events, errors in OpenAI's shape, web pages kept out."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from pointsman.hosts import wire
from pointsman.hosts.asked import ModelAbilities, chat
from pointsman.hosts.refusal import ClientLeft, Refused, too_long
from pointsman.hosts.told import HostAnswer
from tests.e2e.gateway import wait_until
from tests.e2e.web import fetch

ABLE = ModelAbilities(pictures=False, tools=True, chat=True, vocabulary=100)
LEFT: list[str] = []


def answer(exchange: wire.HostExchange) -> None:
    """Says what it is told, by the last message: words, `wait`, `break`."""
    asked = chat(exchange.object(), ABLE)
    said = HostAnswer(asked, exchange)
    assert asked.messages is not None
    order = asked.messages[-1]["content"]
    if order == "wait":
        try:
            said.begin()
            wait_until("the client leaves", exchange.client_left, 20, 0.01)
        except ClientLeft:  # it was seen by writing
            pass
        LEFT.append("seen")
        raise ClientLeft
    said.begin()
    if order == "break":
        said.say("so f")
        raise Refused("it broke", status=500, code="engine_dead")
    said.reading(1, 2)
    said.think("Hm.")
    said.say("\n\nIt is ")
    said.say("warm. STOP no more")
    if not said.stopped:
        said.call("f", '{"a": 1}', None)
    said.counted.read, said.counted.made = 3, 4
    said.end("stop")


@pytest.fixture(params=["port", "socket"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> socket.socket:
    return wire.listen_on_port(0) if request.param == "port" else wire.listen_on_socket(str(tmp_path / "s"))


def serving(listener: socket.socket) -> Iterator[socket.socket]:
    server = wire.HostServer(listener, "test-host", {("POST", "/v1/chat/completions"): answer})
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield listener
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def host(listener: socket.socket) -> Iterator[socket.socket]:
    yield from serving(listener)


@pytest.fixture
def url() -> Iterator[str]:
    for listener in serving(wire.listen_on_port(0)):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


class _Client(http.client.HTTPConnection):
    """A connection to whatever a listener listens on."""

    def __init__(self, listener: socket.socket) -> None:
        super().__init__("localhost")
        self._listener = listener

    def connect(self) -> None:
        self.sock = socket.socket(self._listener.family)
        self.sock.settimeout(20)
        self.sock.connect(self._listener.getsockname())


def ask(client: http.client.HTTPConnection, content: str, **fields: Any) -> tuple[int, bytes]:
    body = {"messages": [{"role": "user", "content": content}], **fields}
    client.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    with client.getresponse() as reply:
        return reply.status, reply.read()


def test_one_connection_carries_many_requests(host: socket.socket) -> None:
    client = _Client(host)
    client.connect()
    first = client.sock
    for stream in (False, True, False):
        assert ask(client, "go", stream=stream)[0] == 200
    assert ask(client, "go", n=2)[0] == 400
    client.request("GET", "/nowhere")
    with client.getresponse() as reply:
        assert (reply.status, json.loads(reply.read())["error"]["code"]) == (404, "unknown_url")
    assert client.sock is first
    client.close()


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_is_seen(host: socket.socket, stream: bool) -> None:
    LEFT.clear()
    client = _Client(host)
    body = json.dumps({"messages": [{"role": "user", "content": "wait"}], "stream": stream})
    client.request("POST", "/v1/chat/completions", body)
    client.close()
    wait_until("it is seen", lambda: LEFT, 5, 0.01)


@pytest.mark.parametrize("stop", [None, "STOP"])
def test_the_official_package_reads_it_whole_and_streamed(url: str, stop: str | None) -> None:
    tool: Any = {
        "type": "function",
        "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
    }
    more: dict[str, Any] = {"stop": stop} if stop else {"tools": [tool]}
    messages: Any = [{"role": "user", "content": "go"}]
    with openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client:
        whole = client.chat.completions.create(model="m", messages=messages, **more)
        with client.chat.completions.stream(
            model="m", messages=messages, stream_options={"include_usage": True}, **more
        ) as stream:
            streamed = stream.get_final_completion()
    for said in (whole, streamed):
        choice = said.choices[0]
        assert choice.message.content == ("It is warm. " if stop else "It is warm. STOP no more")
        assert choice.finish_reason == ("stop" if stop else "tool_calls")
        assert choice.message.reasoning_content == "Hm."  # type: ignore[attr-defined]
        if not stop:
            assert [call.function.arguments for call in choice.message.tool_calls or []] == ['{"a": 1}']
        assert said.usage is not None
        assert said.usage.total_tokens == 7


def test_what_breaks_after_the_first_words_is_an_error_in_the_stream(url: str) -> None:
    messages: Any = [{"role": "user", "content": "break"}]
    with openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client:
        with pytest.raises(openai.APIError, match="it broke"):
            list(client.chat.completions.create(model="m", messages=messages, stream=True))
        with pytest.raises(openai.InternalServerError, match="it broke"):
            client.chat.completions.create(model="m", messages=messages)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Origin": "https://evil.example"}, b"{}", 403),
        ({"Host": "evil.example"}, b"{}", 403),
        ({"Host": "127.0.0.1.evil.example:80"}, b"{}", 403),
        ({}, b"[]", 400),
        ({}, b"{", 400),
        ({}, b"[" * 100_000, 400),
        ({"Content-Length": "99999999999"}, b"", 413),
        ({"Content-Length": "-1"}, b"", 413),
        ({"Transfer-Encoding": "chunked"}, b"0\r\n\r\n", 411),
    ],
)
def test_what_is_no_request_is_refused(url: str, headers: dict[str, str], body: bytes, status: int) -> None:
    answer = fetch(url, "POST", "/v1/chat/completions", body, headers)
    assert answer.status == status
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("host_name", ["localhost", "127.0.0.1:80", "[::1]:80", "LOCALHOST:1"])
def test_names_of_this_computer_are_taken(url: str, host_name: str) -> None:
    assert fetch(url, "GET", "/nowhere", None, {"Host": host_name}).status == 404


def test_a_socket_that_lives_is_not_taken_over(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with wire.listen_on_socket(path):
        with pytest.raises(FileExistsError, match="somebody listens"):
            wire.listen_on_socket(path)
    wire.listen_on_socket(path).close()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError, match="no socket"):
        wire.listen_on_socket(str(tmp_path / "file"))


def test_an_input_that_is_too_long_is_told_in_known_words() -> None:
    body = too_long(9, 5).body()["error"]
    assert (body["code"], "maximum context length is 5 tokens" in body["message"]) == (
        "context_length_exceeded",
        True,
    )
