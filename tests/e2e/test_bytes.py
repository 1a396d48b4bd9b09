"""Same protocol on both ends: the bytes as they came, headers by the deny-list, the right key attached."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from .gateway import Gateway
from .replies import JSON, SSE, Reply, either, says, streams
from .web import raw
from .wires import CHAT, MESSAGES, RESPONSES, WIRES, Wire

if TYPE_CHECKING:
    from pointsman.practice.scripted import ScriptedUpstream

Upstreams = Callable[..., "ScriptedUpstream"]

ODD = (
    '\r\n { "x" :1.0e+2, "big": 123456789012345678901234567890, "z":-0.0,'
    ' "nested": {"model": "inner", "model":"twice"},'
    '\t"model"\n:\t"%s" , "messages":[{"role":"user",'
    '"content":"\\u00e9 \\ud83d\\ude00 é 😀 \\/ \\"model\\": \\"no\\""}],'
    ' "dup":1,"dup":2, "max_tokens": 5, "input": "x", "unknown_field": {"a":[ ]} } \n'
)


def setup(gateway: Gateway, server: ScriptedUpstream, wire: Wire) -> str:
    server.always(either(wire, "ok"))
    return gateway.route(wire.kind, server.url)[0]


@pytest.mark.parametrize("wire", WIRES, ids=repr)
def test_the_body_arrives_byte_for_byte(gateway: Gateway, upstream: Upstreams, wire: Wire) -> None:
    server = upstream()
    body = (ODD % setup(gateway, server, wire)).encode()
    assert gateway.fetch("POST", wire.path, body).status == 200
    assert server.requests[0].body == body


@pytest.mark.parametrize("wire", WIRES, ids=repr)
def test_an_alias_replaces_the_models_value_and_no_other_byte(
    gateway: Gateway, upstream: Upstreams, wire: Wire
) -> None:
    server = upstream()
    server.always(either(wire, "ok"))
    alias = gateway.fresh("alias")
    gateway.rule(alias, f'{gateway.backend(wire.kind, server.url)}=real "model" é')
    assert gateway.fetch("POST", wire.path, (ODD % alias).encode()).status == 200
    received = server.requests[0].body
    before, after = (ODD % "\0").encode().split(b"\0")
    assert received.startswith(before)
    assert received.endswith(after)
    assert json.loads(received.removeprefix(before[:-1]).removesuffix(after[1:])) == 'real "model" é'


@pytest.mark.parametrize("key", ["mod\\u0065l", "\\u006dodel"])
def test_an_alias_finds_an_escaped_model_key(gateway: Gateway, upstream: Upstreams, key: str) -> None:
    server = upstream()
    server.always(either(CHAT, "ok"))
    alias = gateway.fresh("alias")
    gateway.rule(alias, f"{gateway.backend('openai', server.url)}=real")
    body = f'{{"{key}":"{alias}","messages":[]}}'
    assert gateway.fetch("POST", CHAT.path, body.encode()).status == 200
    assert server.requests[0].json()["model"] == "real"


def test_a_large_body_arrives_byte_for_byte(gateway: Gateway, upstream: Upstreams) -> None:
    server = upstream()
    name = setup(gateway, server, MESSAGES)
    body = json.dumps(MESSAGES.ask(name, "é" * 3_000_000)).encode()
    assert gateway.fetch("POST", MESSAGES.path, body).status == 200
    assert server.requests[0].body == body


def test_a_chunked_request_arrives_byte_for_byte(gateway: Gateway, upstream: Upstreams) -> None:
    server = upstream()
    body = (ODD % setup(gateway, server, CHAT)).encode()
    with raw(gateway.url) as connection:
        connection.send(f"POST {CHAT.path} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
        for at in range(0, len(body), 7):
            piece = body[at : at + 7]
            connection.send(b"%x;ext=1\r\n%s\r\n" % (len(piece), piece))
        connection.send("0\r\n\r\n")
        assert connection.answer().status == 200
    assert server.requests[0].body == body


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("status", [200, 400, 404, 422, 418])
def test_an_answer_comes_back_byte_for_byte_with_its_status(
    gateway: Gateway, upstream: Upstreams, framing: Any, status: int
) -> None:
    server = upstream()
    body = b' {"unknown" : [1.0e5, "\\u00e9"], "choices":[{"message":{"content":"x"}}],\r\n'
    body += b'"error": {"message":"m"}} \n'
    if status == 200:
        body = body.replace(b'"error": {"message":"m"}', b'"odd":1')
    name, _ = gateway.route("openai", server.url)
    server.always(Reply(status, {"content-type": "application/json; odd=1"}, body=body, framing=framing))
    answer = gateway.fetch("POST", CHAT.path, CHAT.ask(name))
    assert answer.status == status
    assert answer.body == body
    assert answer.header("content-type") == "application/json; odd=1"


@pytest.mark.parametrize("wire", WIRES, ids=repr)
@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_a_stream_comes_back_byte_for_byte_with_pings_and_comments(
    gateway: Gateway, upstream: Upstreams, wire: Wire, framing: Any
) -> None:
    server = upstream()
    name, _ = gateway.route(wire.kind, server.url)
    frames = wire.frames("some text, é 😀")
    frames[1:1] = [
        b": keepalive 1/3\n\n",
        b'event: unheard_of\ndata: {"type": "unheard_of", "a": 1}\n\n',
        b":\n\n",
    ]
    sent = b"".join(frames).replace(b'"index": 0', b'"index" :0 ')
    cuts = [sent[at : at + 37] for at in range(0, len(sent), 37)]
    server.always(Reply(200, SSE, parts=cuts, framing=framing, http10=framing == "close"))
    asked = wire.ask(name, stream=True)
    if wire is CHAT:
        asked["stream_options"] = {"include_usage": True}
    answer = gateway.fetch("POST", wire.path, asked)
    assert answer.body == sent


def test_a_stream_with_crlf_line_ends_comes_back_byte_for_byte(gateway: Gateway, upstream: Upstreams) -> None:
    server = upstream()
    name, _ = gateway.route("anthropic", server.url)
    sent = b"".join(MESSAGES.frames("hello")).replace(b"\n", b"\r\n")
    server.always(Reply(200, SSE, parts=[sent], framing="chunked"))
    assert gateway.fetch("POST", MESSAGES.path, MESSAGES.ask(name, stream=True)).body == sent


@pytest.mark.parametrize("wire", WIRES, ids=repr)
def test_the_stored_key_is_attached_and_the_clients_own_is_not(
    gateway: Gateway, upstream: Upstreams, wire: Wire
) -> None:
    server = upstream()
    server.always(either(wire, "ok"))
    name = gateway.fresh()
    gateway.rule(name, gateway.backend(wire.kind, server.url, key="sk-stored"))
    gateway.fetch(
        "POST",
        wire.path,
        wire.ask(name),
        authorization="Bearer sk-client",
        x_api_key="sk-client",
        cookie="a=b",
    )
    headers = server.requests[0].headers
    wanted = {"x-api-key": "sk-stored"} if wire is MESSAGES else {"authorization": "Bearer sk-stored"}
    assert {name: headers[name] for name in ("authorization", "x-api-key") if name in headers} == wanted
    assert "sk-client" not in str(server.requests[0].raw_headers)


def test_a_local_server_gets_no_key_or_its_own(gateway: Gateway, upstream: Upstreams) -> None:
    server = upstream()
    server.always(either(CHAT, "ok"))
    bare, keyed = gateway.fresh(), gateway.fresh()
    gateway.rule(bare, gateway.backend("local", server.url))
    gateway.rule(keyed, gateway.backend("local", server.url, key="local-key"))
    gateway.fetch("POST", CHAT.path, CHAT.ask(bare), authorization="Bearer sk-client")
    gateway.fetch("POST", CHAT.path, CHAT.ask(keyed), authorization="Bearer sk-client")
    asked = [received for received in server.requests if received.method == "POST"]
    assert "authorization" not in asked[0].headers
    assert asked[1].headers["authorization"] == "Bearer local-key"


def test_a_clients_own_login_is_forwarded_when_the_rule_says_so(
    gateway: Gateway, upstream: Upstreams
) -> None:
    server = upstream()
    server.always(either(MESSAGES, "ok"))
    name = gateway.fresh()
    gateway.rule(name, gateway.backend("anthropic", server.url, key="sk-stored"), forward_auth=True)
    gateway.fetch("POST", MESSAGES.path, MESSAGES.ask(name), authorization="Bearer sk-ant-oat01-mine")
    gateway.fetch("POST", MESSAGES.path, MESSAGES.ask(name))
    mine, none = [received.headers for received in server.requests]
    assert mine["authorization"] == "Bearer sk-ant-oat01-mine"
    assert "x-api-key" not in mine
    assert none["x-api-key"] == "sk-stored"


PASSED = {
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "context-1m-2025-08-07,fine-grained",
    "openai-organization": "org-1",
    "openai-beta": "assistants=v2",
    "user-agent": "claude-cli/2.0 (external)",
    "x-stainless-lang": "python",
    "x-claude-code-session-id": "abc",
    "x-anything-new": "kept",
    "accept": "application/json",
    "idempotency-key": "once",
}
STOPPED = {
    "cookie": "session=1",
    "x-forwarded-for": "10.0.0.1",
    "x-forwarded-host": "evil",
    "forwarded": "for=10.0.0.1",
    "x-real-ip": "10.0.0.1",
    "proxy-authorization": "Basic eA==",
    "proxy-connection": "keep-alive",
    "te": "trailers",
    "upgrade": "h2c",
    "keep-alive": "timeout=5",
    "x-pointsman-strict": "0",
    "x-named-by-connection": "hop",
    "api-key": "sk-azure-client",
    "x-goog-api-key": "sk-google-client",
}


def test_headers_pass_by_a_deny_list(gateway: Gateway, upstream: Upstreams) -> None:
    server = upstream()
    name = setup(gateway, server, MESSAGES)
    sent = {
        **PASSED,
        **STOPPED,
        "connection": "keep-alive, x-named-by-connection",
        "accept-encoding": "gzip, br",
    }
    gateway.fetch(
        "POST", MESSAGES.path, MESSAGES.ask(name), **{k.replace("-", "_"): v for k, v in sent.items()}
    )
    got = server.requests[0].headers
    assert {key: got.get(key) for key in PASSED} == PASSED
    assert {key: value for key, value in got.items() if key in STOPPED} == {}
    assert got["accept-encoding"] == "identity"
    assert got["host"] == server.url.removeprefix("http://")


def test_anthropic_version_is_assumed_when_the_client_sends_none(
    gateway: Gateway, upstream: Upstreams
) -> None:
    server = upstream()
    name = setup(gateway, server, MESSAGES)
    gateway.fetch("POST", MESSAGES.path, MESSAGES.ask(name))
    assert server.requests[0].headers["anthropic-version"] == "2023-06-01"


def test_the_query_reaches_the_upstream(gateway: Gateway, upstream: Upstreams) -> None:
    server = upstream()
    name = setup(gateway, server, MESSAGES)
    gateway.fetch("POST", "/v1/messages?beta=true", MESSAGES.ask(name))
    assert server.requests[0].path == "/v1/messages"
    assert server.requests[0].query == "beta=true"


def test_useful_answer_headers_come_back_and_hop_by_hop_ones_do_not(
    gateway: Gateway, upstream: Upstreams
) -> None:
    server = upstream()
    name, _ = gateway.route("anthropic", server.url)
    useful = {
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-organization-id": "org",
        "x-ratelimit-remaining-tokens": "10",
        "openai-processing-ms": "12",
        "x-should-retry": "false",
        "x-new-header": "kept",
    }
    hop = {"set-cookie": "a=b", "keep-alive": "timeout=5", "x-pointsman-target": "fake", "server": "nginx"}
    server.always(
        Reply(200, {**JSON, **useful, **hop, "request-id": "req_up"}, body=says(MESSAGES, "ok").body)
    )
    answer = gateway.fetch("POST", MESSAGES.path, MESSAGES.ask(name))
    assert {key: answer.header(key) for key in useful} == useful
    assert answer.header("set-cookie") is None
    assert answer.header("x-pointsman-target") != "fake"
    assert answer.header("x-upstream-request-id") == "req_up"
    assert answer.header("request-id") != "req_up"


def test_usage_is_asked_for_and_hidden_where_the_backend_understands(
    gateway: Gateway, upstream: Upstreams
) -> None:
    server = upstream()
    name, _ = gateway.route("openai", server.url)
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}
    chunk = f"data: {json.dumps(usage)}\n\n".encode()
    frames = CHAT.frames("hello")
    server.always(Reply(200, SSE, parts=[*frames[:-1], chunk, frames[-1]], framing="chunked"))
    answer = gateway.fetch("POST", CHAT.path, CHAT.ask(name, stream=True))
    assert server.requests[0].json()["stream_options"] == {"include_usage": True}
    assert answer.body == b"".join(frames)
    asked = CHAT.ask(name, stream=True, stream_options={"include_usage": True})
    assert chunk in gateway.fetch("POST", CHAT.path, asked).body


def test_usage_is_asked_of_a_local_server_and_every_other_byte_is_the_clients(
    gateway: Gateway, upstream: Upstreams
) -> None:
    server = upstream()
    server.always(streams(CHAT, "hello"))
    name, _ = gateway.route("local", server.url)
    body = json.dumps(CHAT.ask(name, stream=True)).encode()
    assert gateway.fetch("POST", CHAT.path, body).status == 200
    asking = body[:-1] + b',"stream_options":{"include_usage":true}}'
    assert [r.body for r in server.requests if r.method == "POST"] == [asking]


def test_a_large_answer_comes_back_whole(gateway: Gateway, upstream: Upstreams) -> None:
    server = upstream()
    name, _ = gateway.route("openai", server.url)
    body = json.dumps(RESPONSES.answer("é" * 2_000_000)).encode()
    server.always(Reply(200, JSON, body=body))
    assert gateway.fetch("POST", RESPONSES.path, RESPONSES.ask(name)).body == body
