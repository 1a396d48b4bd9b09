"""The small server's framing, on TCP, TLS and a Unix socket, under asyncio and uvloop, and the command."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pointsman.practice import PracticeServer, ScriptedUpstream
from tests.children import child

from .wire import connect, exchange, parse, question, receive, request

CHAT = "/v1/chat/completions"


def test_keep_alive_and_pipelining(practice: ScriptedUpstream) -> None:
    data = json.dumps(question("chat")).encode()
    one = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data
    last = request("/v1/models", None, "GET")
    answers = exchange(practice, one * 3 + last)
    assert answers.count(b"HTTP/1.1 200 OK") == 4
    assert len({received.connection for received in practice.requests[-4:]}) == 1


def test_chunked_body_with_extension_and_trailer(practice: ScriptedUpstream) -> None:
    data = json.dumps(question("chat")).encode()
    chunks = (
        b"%x;a=b\r\n%b\r\n" % (5, data[:5])
        + b"%X\r\n%b\r\n" % (len(data) - 5, data[5:])
        + b"0\r\nt: x\r\n\r\n"
    )
    head = (
        f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n".encode()
    )
    assert parse(exchange(practice, head + chunks)).status == 200
    assert practice.requests[-1].body == data


def test_expect_continue(practice: ScriptedUpstream) -> None:
    with connect(practice) as sock:
        head, body = request(CHAT, question("chat"), "POST", "expect: 100-continue").split(b"\r\n\r\n", 1)
        sock.sendall(head + b"\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert parse(receive(sock)).status == 200


def test_head_has_no_body(practice: ScriptedUpstream) -> None:
    head, _, body = exchange(practice, request("/v1/models", None, "HEAD")).partition(b"\r\n\r\n")
    assert b"content-length: " in head
    assert body == b""


def test_http_10_is_closed(practice: ScriptedUpstream) -> None:
    raw = exchange(practice, b"GET /v1/models HTTP/1.0\r\n\r\n")
    assert b"connection: close" in raw
    data = json.dumps(question("chat", stream=True)).encode()
    old = f"POST {CHAT} HTTP/1.0\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data
    streamed = exchange(practice, old)
    assert b"transfer-encoding" not in streamed
    assert streamed.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/2\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n folded: x\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc",
    ],
)
def test_malformed_is_refused_and_closed(practice: ScriptedUpstream, raw: bytes) -> None:
    assert exchange(practice, raw).startswith(b"HTTP/1.1 400 ")


def test_a_client_that_leaves_early_is_no_request(practice: ScriptedUpstream) -> None:
    before = len(practice.requests)
    for raw in (b"", b"\r\n", b"POST / HTTP/1.1\r\ncontent-length: 10\r\n\r\nabc"):
        with connect(practice) as sock:
            sock.sendall(raw)
            sock.shutdown(socket.SHUT_WR)
            assert receive(sock) == b""
    assert len(practice.requests) == before


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_practice_server_on_a_unix_socket(
    tmp_path: Path, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    path = tmp_path / "p.sock"

    async def work() -> None:
        server = PracticeServer(str(path), pace=0)
        for _ in range(2):
            await server.start()
            assert b"[DONE]" in await _ask_unix(path, "practice")
            assert await _ask_unix(path, "practice:refuse") == b""
            stalled = asyncio.create_task(_ask_unix(path, "practice:stall"))
            await asyncio.sleep(0.05)
            await server.stop()
            assert await asyncio.wait_for(stalled, 2) == b""
            assert not path.exists()

    _run(work(), new_loop)


def _run(work: Coroutine[Any, Any, None], new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(work)


async def _ask_unix(path: Path, model: str) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(request(CHAT, question("chat", model, stream=True)))
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def test_pace_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PracticeServer().pace == 0.005
    monkeypatch.setenv("POINTSMAN_PRACTICE_PACE_MS", "70")
    assert PracticeServer().pace == 0.07
    monkeypatch.setenv("POINTSMAN_PRACTICE_PACE_MS", "soon")
    with pytest.raises(ValueError, match="milliseconds"):
        PracticeServer()


def test_pace_from_the_request(practice: ScriptedUpstream) -> None:
    def seconds(model: str, *lines: str) -> float:
        exchange(practice, request(CHAT, question("chat", model, stream=True, max_tokens=5), "POST", *lines))
        received = practice.requests[-1]
        assert received.finished_at is not None
        return received.finished_at - received.at

    assert seconds("practice") < 0.2
    assert seconds("practice", "x-practice-pace: 40") > 0.2
    assert seconds("practice:40ms") > 0.2
    assert seconds("practice:slow") > 0.5
    assert seconds("practice:fast", "x-practice-pace: 40") < 0.2


def _self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1)
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path = folder / "both.pem"
    path.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def test_tls(tmp_path: Path) -> None:
    pem = _self_signed(tmp_path)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(pem)
    trusting = ssl.create_default_context(cafile=str(pem))
    with ScriptedUpstream(ssl_context=serving) as upstream:
        assert upstream.url.startswith("https://")
        for model, expected in (("practice", b"[DONE]"), ("practice:refuse", b"")):
            with connect(upstream) as plain, trusting.wrap_socket(plain, server_hostname="localhost") as sock:
                sock.sendall(request(CHAT, question("chat", model, stream=True)))
                assert expected in receive(sock)
        with connect(upstream) as plain, trusting.wrap_socket(plain, server_hostname="localhost") as sock:
            sock.sendall(request(CHAT, question("chat", "practice:stall")))
            received = upstream.wait(3)[-1]
        upstream.wait_closed(received)


def test_the_command() -> None:
    command = [sys.executable, "-m", "pointsman.practice", "--port", "0", "--pace", "0"]
    with child(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
            sock.sendall(request(CHAT, question("chat")))
            assert parse(receive(sock)).status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0


def test_it_imports_nothing_else_of_ours() -> None:
    """But for what finds builds, which the package itself imports."""
    code = (
        "import sys, pointsman.practice, pointsman.practice.__main__;"
        "ours = [m for m in sys.modules if m.startswith('pointsman.')];"
        "print([m for m in ours if not m.startswith(('pointsman.practice', 'pointsman.native'))])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
