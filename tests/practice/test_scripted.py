"""The scripted upstream: its queue, its checks, its deaths."""

from __future__ import annotations

import socket
import time

import pytest

from pointsman.practice import CUT, RESET, STALL, Pause, Received, Reply, ScriptedUpstream
from pointsman.upstream.model_lists import ROUND_AGENT

from .wire import ask, connect, exchange, parse, question, receive, request


def get(upstream: ScriptedUpstream, path: str = "/", *lines: str) -> bytes:
    return exchange(upstream, request(path, None, "GET", *lines))


def test_queue_then_always_then_practice() -> None:
    with ScriptedUpstream() as upstream:
        upstream.script(Reply(body={"n": 1}), "500").always(Reply(418, body=b"tea"))
        assert parse(get(upstream)).json() == {"n": 1}
        assert ask(upstream, "messages").json()["error"]["type"] == "api_error"
        assert [parse(get(upstream)).status for _ in range(2)] == [418, 418]
        upstream.always(None)
        assert "practice model" in ask(upstream, "chat").json()["choices"][0]["message"]["content"]


def test_a_gateways_rounds_use_nothing_up_and_are_no_requests() -> None:
    """A gateway asks every few seconds whether the server is still there: scripts went astray by it."""
    with ScriptedUpstream() as upstream:
        upstream.script("500").always(Reply(418)).expect(path="/v1/chat/completions")
        look = f"user-agent: {ROUND_AGENT.decode()}"
        assert parse(get(upstream, "/v1/models", look)).status == 418
        assert (upstream.requests, upstream.rounds) == ([], 1)
        assert ask(upstream, "chat").status == 500
        assert len(upstream.requests) == 1


def test_a_function_may_answer() -> None:
    with ScriptedUpstream() as upstream:
        upstream.always(lambda received: "429" if received.query else Reply(body=received.body))
        assert ask(upstream, "chat").json()["model"] == "practice"
        assert parse(exchange(upstream, request("/v1/messages?a=b", question("messages")))).status == 429


def test_a_failing_function_fails_the_test() -> None:
    def broken(received: Received) -> Reply:
        raise KeyError(received.path)

    upstream = ScriptedUpstream().script(broken)
    with upstream:
        assert parse(get(upstream)).status == 500
        with pytest.raises(AssertionError, match="KeyError"):
            upstream.check()
        upstream.forget()


def test_an_unknown_fault_name_is_refused() -> None:
    with ScriptedUpstream() as upstream, pytest.raises(ValueError, match="stall-mid"):
        upstream.script("explode")


def test_records_what_came() -> None:
    with ScriptedUpstream() as upstream:
        get(upstream, "/a%20b?c=d&c=e", "X-Twice: 1", "x-twice: 2", "Cased: Value")
        (received,) = upstream.wait(1)
        assert (received.method, received.path, received.query) == ("GET", "/a%20b", "c=d&c=e")
        assert received.headers["x-twice"] == "1, 2"
        assert ("Cased", "Value") in received.raw_headers
        assert received.at <= time.monotonic()
        assert received.client_closed_at is None


GOOD = ("POST", "x-api-key: k")


def expecting(upstream: ScriptedUpstream) -> None:
    absent = {"authorization": None}
    upstream.expect("/v1/messages", method="POST", key=("x-api-key", "k"), headers=absent)


def test_expectations_met() -> None:
    with ScriptedUpstream() as upstream:
        expecting(upstream)
        exchange(upstream, request("/v1/messages", question("messages"), *GOOD))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (request("/v1/chat/completions", question("chat"), *GOOD), "path is"),
        (request("/v1/messages", None, "GET", "x-api-key: k"), "method is"),
        (request("/v1/messages", question("messages"), "POST", "x-api-key: other"), "x-api-key"),
        (request("/v1/messages", question("messages"), *GOOD, "authorization: Bearer k"), "authorization"),
    ],
)
def test_expectations_missed(data: bytes, said: str) -> None:
    def run() -> None:
        with ScriptedUpstream() as upstream:
            expecting(upstream)
            exchange(upstream, data)

    with pytest.raises(AssertionError, match=f"request 1 .*{said}"):
        run()


def test_a_tests_own_error_is_not_hidden() -> None:
    def run() -> None:
        with ScriptedUpstream() as upstream:
            upstream.expect("/never")
            get(upstream, "/other")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run()


def test_parts_play_in_order() -> None:
    with ScriptedUpstream() as upstream:
        upstream.script(Reply(parts=[b"a", Pause(0.15), b"b", CUT]))
        started = time.monotonic()
        got = parse(get(upstream))
        assert (got.body, got.whole) == (b"ab", False)
        assert time.monotonic() - started >= 0.15


def test_sse_is_complete() -> None:
    with ScriptedUpstream() as upstream:
        upstream.script(Reply.sse(b"data: 1\n\n", b"data: 2\n\n"))
        got = parse(get(upstream))
        assert got.whole
        assert got.headers["content-type"].startswith("text/event-stream")


def test_reset_in_the_middle() -> None:
    with ScriptedUpstream() as upstream:
        upstream.script(Reply(parts=[b"a", Pause(0.05), RESET]))
        with pytest.raises(ConnectionResetError):
            get(upstream)


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("http10", [False, True])
def test_framings(framing: str, http10: bool) -> None:
    with ScriptedUpstream() as upstream:
        upstream.script(Reply(parts=[b"ab", b"cd"], framing=framing, http10=http10))  # type: ignore[arg-type]
        raw = get(upstream)
        got = parse(raw)
        assert raw.startswith(b"HTTP/1.0" if http10 else b"HTTP/1.1")
        assert got.body == b"abcd"
        assert ("content-length" in got.headers) == (framing == "length")
        assert ("transfer-encoding" in got.headers) == (framing == "chunked" and not http10)


def test_raw_sends_exactly_that() -> None:
    with ScriptedUpstream() as upstream:
        upstream.script(Reply(framing="raw", parts=[b"HTTP/1.1 2", b"00 Fine\r\n\r\nx", CUT]))
        assert get(upstream) == b"HTTP/1.1 200 Fine\r\n\r\nx"


def test_own_headers_are_kept_as_they_are() -> None:
    with ScriptedUpstream() as upstream:
        upstream.script(
            Reply(headers=[("Set-Cookie", "a"), ("Set-Cookie", "b"), ("Content-Length", "9")], body=b"x")
        )
        raw = get(upstream)
        assert raw.count(b"Set-Cookie") == 2
        assert b"Content-Length: 9" in raw
        assert b"content-length" not in raw


@pytest.mark.parametrize("before", [True, False])
def test_notes_when_the_client_leaves(before: bool) -> None:
    with ScriptedUpstream() as upstream:
        upstream.script(Reply(before=[STALL]) if before else Reply(parts=[b"a", STALL]))
        with connect(upstream) as sock:
            sock.sendall(request("/"))
            (received,) = upstream.wait(1)
            left = time.monotonic()
        assert 0 <= upstream.wait_closed(received) - left < 1
        with pytest.raises(TimeoutError):
            upstream.wait(2, timeout=0.01)


def test_our_own_leaving_is_not_the_clients() -> None:
    with ScriptedUpstream() as upstream:
        upstream.script("cut", Reply(parts=[b"a", STALL]))
        ask(upstream, "chat", stream=True)
        with connect(upstream) as sock:
            sock.sendall(request("/"))
            upstream.wait(2)
            upstream.kill()
            with pytest.raises(ConnectionResetError):
                receive(sock)
        time.sleep(0.05)
        assert [received.client_closed_at for received in upstream.requests] == [None, None]


def test_kill_and_revive() -> None:
    with ScriptedUpstream() as upstream:
        port = upstream.port
        for _ in range(3):
            assert get(upstream).startswith(b"HTTP/1.1 200")
            upstream.kill()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=1)
            upstream.revive()
        assert upstream.port == port
        assert get(upstream).startswith(b"HTTP/1.1 200")
        upstream.kill()


def test_outside_with_it_says_so() -> None:
    with pytest.raises(RuntimeError, match="with"):
        ScriptedUpstream().kill()


def test_a_taken_port_is_an_error() -> None:
    with ScriptedUpstream() as upstream, pytest.raises(OSError), ScriptedUpstream(port=upstream.port):
        pass


def test_many_at_once() -> None:
    with ScriptedUpstream() as upstream:
        socks = [connect(upstream) for _ in range(100)]
        for sock in socks:
            sock.sendall(request("/v1/chat/completions", question("chat", "practice:1ms", stream=True)))
        bodies = {parse(receive(sock)).body for sock in socks}
        for sock in socks:
            sock.close()
        assert len(bodies) == 1
        assert upstream.connections == len(upstream.requests) == 100
