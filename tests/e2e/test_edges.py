"""The odd corners: hostile names and paths, other encodings, Ctrl-C, long folders, more than one process."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .gateway import Gateway, wait_until
from .replies import SSE, Reply, either, streams
from .test_chaos import open_streams
from .warm import run_warm
from .web import fetch, post_bytes, raw
from .wires import CHAT, MESSAGES, RESPONSES, WIRES, Wire

if TYPE_CHECKING:
    from pointsman.practice.scripted import ScriptedUpstream

Make = Callable[..., Gateway]
Upstreams = Callable[..., "ScriptedUpstream"]

# -- hostile names and paths


@pytest.mark.parametrize("wire", WIRES, ids=repr)
@pytest.mark.parametrize("evil", ["\r\nset-cookie: a=b", "\nx-evil: 1", "\0", "\x7f", "é😀", " ", "\u2028"])
def test_a_models_name_cannot_write_headers(
    gateway: Gateway, upstream: Upstreams, wire: Wire, evil: str
) -> None:
    server = upstream()
    server.always(either(wire, "ok"))
    base = gateway.fresh("evil")
    gateway.rule(f"{base}*", gateway.backend(wire.kind, server.url))
    answer = gateway.fetch("POST", wire.path, wire.ask(f"{base}{evil}x"))
    assert answer.status in (200, 400, 404)
    names = {name.lower() for name, _ in answer.headers}
    assert not names & {"set-cookie", "x-evil"}
    assert all(" " <= char <= "~" for _, value in answer.headers for char in value)
    if answer.status == 200:
        assert server.requests[0].json()["model"] == f"{base}{evil}x"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/../api/delete",
        "/v1/chat/../../api/delete",
        "/v1/%2e%2e/api/delete",
        "/v1/%2E./api/delete",
        "/v1/..%2fapi/delete",
        "/v1/..%5capi/delete",
        "/v1/./api/delete",
        "/api/delete",
        "/api/pull",
    ],
)
@pytest.mark.parametrize("kind", ["local", "openai"])
def test_a_path_cannot_climb_out_of_v1(gateway: Gateway, upstream: Upstreams, path: str, kind: str) -> None:
    server = upstream()
    name, _ = gateway.route(kind, server.url)
    before = len(server.requests)
    with raw(gateway.url) as connection:
        connection.send(post_bytes(path, json.dumps({"model": name}).encode()))
        assert connection.answer().status in (400, 401, 404)
    assert [r.path for r in server.requests[before:] if r.method == "POST"] == []


def test_an_empty_segment_is_cleaned_before_it_is_judged_and_sent(
    gateway: Gateway, upstream: Upstreams
) -> None:
    server = upstream()
    server.always(Reply(404))
    name, _ = gateway.route("local", server.url)
    with raw(gateway.url) as connection:
        connection.send(post_bytes("/v1//api//delete", json.dumps({"model": name}).encode()))
        assert connection.answer().status == 404
    assert [r.path for r in server.requests if r.method == "POST"] == ["/v1/api/delete"]


def test_control_characters_of_a_backend_do_not_reach_the_client(
    gateway: Gateway, upstream: Upstreams
) -> None:
    server = upstream()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-a: b\x01c\r\ncontent-length: 2\r\n\r\n{}"
    server.always(Reply(parts=[head], framing="raw"))
    name, _ = gateway.route("openai", server.url)
    answer = gateway.fetch("POST", CHAT.path, CHAT.ask(name))
    assert answer.status >= 500 or answer.header("x-a") is None


def test_a_websocket_upgrade_is_answered_like_any_request(gateway: Gateway) -> None:
    with raw(gateway.url) as connection:
        connection.send(
            "GET /v1/responses HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
            "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        answer = connection.answer()
    assert answer.status in (400, 404, 405, 426, 501)
    RESPONSES.check_error(answer.json())


def test_trailers_of_a_chunked_request_are_read_and_dropped(gateway: Gateway, upstream: Upstreams) -> None:
    server = upstream()
    server.always(either(CHAT, "ok"))
    name, _ = gateway.route("openai", server.url)
    body = json.dumps(CHAT.ask(name)).encode()
    with raw(gateway.url) as connection:
        connection.send(f"POST {CHAT.path} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
        connection.send(
            b"%x\r\n%s\r\n0\r\nauthorization: Bearer x\r\nx-trailer: 1\r\n\r\n" % (len(body), body)
        )
        assert connection.answer().status in (200, 400)
        if not server.requests:
            return  # refusing trailers is fine too
    assert server.requests[0].body == body
    assert "x-trailer" not in server.requests[0].headers


# -- encodings


def test_an_answer_compressed_against_our_wish_still_reaches_the_client(
    gateway: Gateway, upstream: Upstreams
) -> None:
    server = upstream()
    whole = json.dumps(CHAT.answer("squeezed")).encode()
    packed = gzip.compress(whole)
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    server.always(Reply(200, headers, body=packed))
    name, _ = gateway.route("openai", server.url)
    answer = gateway.fetch("POST", CHAT.path, CHAT.ask(name), accept_encoding="gzip")
    assert answer.status == 200, answer.body
    assert (answer.body, answer.header("content-encoding")) == (whole, None)


def test_a_stream_where_a_whole_answer_was_asked_is_put_together(
    gateway: Gateway, upstream: Upstreams
) -> None:
    server = upstream()
    server.always(streams(MESSAGES, "streamed anyway"))
    name, _ = gateway.route("anthropic", server.url)
    answer = gateway.fetch("POST", MESSAGES.path, MESSAGES.ask(name))
    assert MESSAGES.text(answer.json()) == "streamed anyway"


def test_a_whole_answer_where_a_stream_was_asked_is_streamed_on(
    gateway: Gateway, upstream: Upstreams
) -> None:
    from .replies import says

    server = upstream()
    server.always(says(CHAT, "all at once"))
    name, _ = gateway.route("local", server.url)
    answer = gateway.fetch("POST", CHAT.path, CHAT.ask(name, stream=True))
    assert CHAT.stream_text(answer.body) == "all at once"


@pytest.mark.parametrize("what", ["tool", "thinking", "refusal"])
def test_output_that_is_no_text_is_output_too(gateway: Gateway, upstream: Upstreams, what: str) -> None:
    """A stream whose only content is a call, a thought or a refusal is not an empty answer."""
    server, second = upstream(), upstream()
    start, end = CHAT.start()[0], CHAT.end("")
    delta = {
        "tool": {
            "tool_calls": [
                {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
            ]
        },
        "thinking": {"reasoning_content": "hm"},
        "refusal": {"refusal": "no"},
    }[what]
    chunk = json.loads(start[6:])
    chunk["choices"][0]["delta"] = delta
    sent = [start, f"data: {json.dumps(chunk)}\n\n".encode(), *end]
    server.always(Reply(200, SSE, parts=sent, framing="chunked"))
    name, _ = gateway.route("openai", server.url, second.url)
    answer = gateway.fetch("POST", CHAT.path, CHAT.ask(name, stream=True))
    assert answer.body == b"".join(sent)
    assert second.requests == []


def test_a_refusal_before_any_output_is_an_answer_of_the_model(gateway: Gateway, upstream: Upstreams) -> None:
    """Recorded: message_start, message_delta(refusal), message_stop and no block at all."""
    server, second = upstream(), upstream()
    start, _, _ = MESSAGES.start()
    stop = {"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_sequence": None}}
    stop["usage"] = {"output_tokens": 1}
    sent = [start, f"event: message_delta\ndata: {json.dumps(stop)}\n\n".encode(), MESSAGES.end("")[-1]]
    server.always(Reply(200, SSE, parts=sent, framing="chunked"))
    name, _ = gateway.route("anthropic", server.url, second.url)
    answer = gateway.fetch("POST", MESSAGES.path, MESSAGES.ask(name, stream=True))
    assert answer.body == b"".join(sent)
    assert second.requests == []


# -- processes and folders


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway of two processes."""
    with Gateway(tmp_path_factory.mktemp("two") / "data", "--workers", "2") as found:
        yield found


def test_ctrl_c_in_the_terminal_ends_it_quietly(own_gateway: Make, upstream: Upstreams) -> None:
    """A terminal sends SIGINT to every process of the group at once."""
    gateway, server = own_gateway(), upstream()
    server.always(streams(CHAT, "abcdef", pace=0.1, pieces=6))
    name, _ = gateway.route("openai", server.url)
    (stream,) = open_streams(gateway, CHAT, name, 1)
    assert gateway.process is not None
    os.killpg(gateway.process.pid, signal.SIGINT)
    stream.join(20)
    assert stream.whole, stream.seen[-200:]
    assert gateway.process.wait(15) in (0, 130)
    gateway.process = None
    gateway.check_log()
    assert not (gateway.data_dir / "serve.json").exists()
    gateway.start()
    assert len(wait_until("its usage", lambda: gateway.api("GET", f"/api/usage?model={name}"))) == 1


def test_a_second_ctrl_c_ends_it_at_once(own_gateway: Make, upstream: Upstreams) -> None:
    gateway, server = own_gateway(), upstream()
    server.always(streams(CHAT, "abcdef", pace=5, pieces=6))
    name, _ = gateway.route("openai", server.url)
    (stream,) = open_streams(gateway, CHAT, name, 1)
    assert gateway.process is not None
    for _ in range(2):
        os.killpg(gateway.process.pid, signal.SIGINT)
        with pytest.raises(AssertionError, match="not within"):
            wait_until("nothing", lambda: False, 0.5)
    gateway.process.wait(8)
    gateway.process = None
    stream.join(8)
    assert not CHAT.ended(stream.seen)


def test_a_long_data_folder_and_a_long_temporary_folder_work(own_gateway: Make, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100) / ("y y" * 30) / "ünïcode"
    long.mkdir(parents=True)
    gateway = own_gateway(data_dir=long / "data", env={"TMPDIR": str(long)})
    assert gateway.fetch("POST", CHAT.path, CHAT.ask("practice")).status == 200
    assert gateway.cli_json("mapping", "list") == []


def test_a_relative_data_folder_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_warm(Path("here"), "mapping", "list", "--json").stdout.strip() == "[]"
    assert (tmp_path / "here" / "pointsman.db").exists()


def test_it_serves_on_ipv6_loopback(own_gateway: Make) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    gateway = own_gateway("--host", "::1")
    assert gateway.url.startswith("http://[::1]:")
    assert fetch(gateway.url, "POST", CHAT.path, CHAT.ask("practice")).status == 200


def test_a_change_is_live_in_every_process_when_the_command_returns(two: Gateway) -> None:
    name = two.fresh()
    rule = two.rule(name, "local/practice=practice")
    for turn in range(6):
        model = ("practice", "practice:fast")[turn % 2]
        two.api("PATCH", f"/api/mappings/{rule['id']}", {"backend_model": model})
        seen = {two.fetch("POST", CHAT.path, CHAT.ask(name)).header("x-pointsman-target") for _ in range(6)}
        assert seen == {f"local/practice:{model}"}


def test_metrics_and_usage_count_every_process(two: Gateway) -> None:
    name = two.fresh()
    two.rule(name, "local/practice=practice")
    for _ in range(30):
        two.fetch("POST", CHAT.path, CHAT.ask(name))
    wait_until("all usage", lambda: len(two.api("GET", f"/api/usage?model={name}&limit=100")) == 30)
    texts = {two.fetch("GET", "/metrics").body.count(b"\npointsman_") for _ in range(6)}
    assert min(texts) > 0


def test_proxy_variables_of_the_environment_are_not_obeyed(own_gateway: Make, upstream: Upstreams) -> None:
    server, proxy = upstream(), upstream()
    server.always(either(CHAT, "direct"))
    names = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
    gateway = own_gateway(env=dict.fromkeys(names, proxy.url))
    name, _ = gateway.route("openai", server.url)
    assert CHAT.text(gateway.fetch("POST", CHAT.path, CHAT.ask(name)).json()) == "direct"
    assert proxy.requests == []
