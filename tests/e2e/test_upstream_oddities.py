"""Backends as they really are: old HTTP, close-delimited answers, bad certificates, redirects."""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .gateway import Gateway, wait_until
from .replies import JSON, SSE, Pause, Reply, either, says
from .wires import CHAT, MESSAGES, RESPONSES

if TYPE_CHECKING:
    from pointsman.practice.scripted import ScriptedUpstream

Upstreams = Callable[..., "ScriptedUpstream"]


@pytest.mark.parametrize("framing", ["length", "close"])
def test_an_http_1_0_server_works(gateway: Gateway, upstream: Upstreams, framing: Any) -> None:
    server = upstream()
    server.always(Reply(200, JSON, body=says(CHAT, "old but fine").body, framing=framing, http10=True))
    name, _ = gateway.route("local", server.url)
    for _ in range(3):
        answer = gateway.fetch("POST", CHAT.path, CHAT.ask(name))
        assert CHAT.text(answer.json()) == "old but fine"


def test_an_http_1_0_stream_with_keepalive_comments_works(gateway: Gateway, upstream: Upstreams) -> None:
    server = upstream()
    parts: list[Any] = [
        b": keepalive 1/3\n\n",
        Pause(0.1),
        b": keepalive 2/3\n\n",
        *CHAT.frames("old but fine"),
    ]
    server.always(Reply(200, SSE, parts=parts, framing="close", http10=True))
    name, _ = gateway.route("local", server.url)
    answer = gateway.fetch("POST", CHAT.path, CHAT.ask(name, stream=True))
    assert CHAT.stream_text(answer.body) == "old but fine"
    assert CHAT.ended(answer.body)


@pytest.mark.parametrize("said", ["Not Found", "Unknown request URL: POST /v1/responses; see our models"])
def test_codex_works_on_a_provider_that_has_only_chat(
    gateway: Gateway, upstream: Upstreams, said: str
) -> None:
    """`credential set openai/NAME --base-url`: its /v1/responses is asked once, then translated."""
    server = upstream()
    chat = either(CHAT, "from chat")
    server.always(
        lambda got: chat(got) if got.path == CHAT.path else Reply(404, body={"error": {"message": said}})
    )
    name, _ = gateway.route("openai", server.url)
    for _ in range(2):
        answer = gateway.fetch("POST", RESPONSES.path, RESPONSES.ask(name))
        assert RESPONSES.text(answer.json()) == "from chat"
    assert [got.path for got in server.requests].count(RESPONSES.path) == 1

    def told() -> bool:
        protocols = gateway.cli_json("explain", name)["targets"][0]["protocols"]
        return protocols["openai_responses"] == "translated to openai_chat"

    wait_until("explain says what was learned", told)


def test_connections_to_a_backend_are_kept_and_used_again(gateway: Gateway, upstream: Upstreams) -> None:
    server = upstream()
    server.always(either(CHAT, "ok"))
    name, _ = gateway.route("openai", server.url)
    for stream in (False, True) * 5:
        assert gateway.fetch("POST", CHAT.path, CHAT.ask(name, stream=stream)).status == 200
    assert server.connections <= 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(gateway: Gateway, upstream: Upstreams, status: int) -> None:
    server, elsewhere = upstream(), upstream()
    server.always(Reply(status, {"location": f"{elsewhere.url}/v1/chat/completions"}))
    name, _ = gateway.route("openai", server.url)
    answer = gateway.fetch("POST", CHAT.path, CHAT.ask(name))
    assert answer.status >= 500 or answer.status == status
    assert elsewhere.requests == []


def test_informational_answers_before_the_real_one_are_skipped(gateway: Gateway, upstream: Upstreams) -> None:
    server = upstream()
    body = json.dumps(CHAT.answer("at last")).encode()
    head = (
        b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    )
    server.always(Reply(parts=[head + b"content-length: %d\r\n\r\n" % len(body) + body], framing="raw"))
    name, _ = gateway.route("openai", server.url)
    assert CHAT.text(gateway.fetch("POST", CHAT.path, CHAT.ask(name)).json()) == "at last"


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\ncontent-length: 20\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx-a: b\0c\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"x-a: " + b"a" * 400_000 + b"\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
    ],
    ids=["length and chunked", "two lengths", "NUL in a header", "endless header", "odd status"],
)
def test_an_ambiguous_answer_is_a_failure_of_the_backend(
    gateway: Gateway, upstream: Upstreams, head: bytes
) -> None:
    server, second = upstream(), upstream()
    server.always(Reply(parts=[head, b"0\r\n\r\n"], framing="raw"))
    second.always(either(CHAT, "second"))
    name, _ = gateway.route("openai", server.url, second.url)
    answer = gateway.fetch("POST", CHAT.path, CHAT.ask(name))
    assert answer.status == 200
    assert CHAT.text(answer.json()) == "second"


def test_an_answer_before_the_request_was_sent_whole_is_passed_on(
    gateway: Gateway, upstream: Upstreams
) -> None:
    server = upstream()
    server.always(Reply(413, JSON, body=json.dumps(MESSAGES.error_body("too long")).encode()))
    name, _ = gateway.route("anthropic", server.url)
    answer = gateway.fetch("POST", MESSAGES.path, MESSAGES.ask(name, "x" * 2_000_000))
    assert answer.status == 413
    assert b"too long" in answer.body


def self_signed(folder: Path) -> tuple[Path, Path]:
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    return key, cert


def tls(folder: Path) -> tuple[ssl.SSLContext, Path]:
    key, cert = self_signed(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context, cert


def test_a_certificate_nobody_vouches_for_is_a_connect_failure(
    gateway: Gateway, upstream: Upstreams, tmp_path: Path
) -> None:
    context, _ = tls(tmp_path)
    server, second = upstream(ssl_context=context), upstream()
    server.always(either(CHAT, "must not be asked"))
    second.always(either(CHAT, "second"))
    alone, _ = gateway.route("openai", server.url)
    answer = gateway.fetch("POST", CHAT.path, CHAT.ask(alone))
    assert answer.status >= 500
    assert "certificate" in CHAT.check_error(answer.json()).lower()
    rescued, _ = gateway.route("openai", server.url, second.url)
    answer = gateway.fetch("POST", CHAT.path, CHAT.ask(rescued))
    assert CHAT.text(answer.json()) == "second"
    assert answer.header("x-pointsman-fallback") == "connect"
    assert server.requests == []


def test_a_vouched_for_certificate_works(
    own_gateway: Callable[..., Gateway], upstream: Upstreams, tmp_path: Path
) -> None:
    context, cert = tls(tmp_path)
    server = upstream(ssl_context=context)
    server.always(either(CHAT, "over tls"))
    gateway = own_gateway(env={"SSL_CERT_FILE": str(cert)})
    name, _ = gateway.route("openai", f"https://localhost:{server.port}")
    for _ in range(2):
        answer = gateway.fetch("POST", CHAT.path, CHAT.ask(name, stream=True))
        assert CHAT.stream_text(answer.body) == "over tls"
    wrong, _ = gateway.route("openai", f"https://127.0.0.2:{server.port}")
    assert gateway.fetch("POST", CHAT.path, CHAT.ask(wrong)).status >= 500


def test_a_plain_server_behind_an_https_address_is_a_connect_failure(
    impatient: Gateway, upstream: Upstreams
) -> None:
    server = upstream()
    name, _ = impatient.route("openai", server.url.replace("http://", "https://"))
    answer = impatient.fetch("POST", CHAT.path, CHAT.ask(name))
    assert answer.status >= 500
    assert server.requests == []


def test_a_name_that_does_not_resolve_is_told(gateway: Gateway) -> None:
    name, backends = gateway.route("openai", "https://no-such-host.invalid")
    answer = gateway.fetch("POST", CHAT.path, CHAT.ask(name))
    assert answer.status >= 500
    assert backends[0] in CHAT.check_error(answer.json())
