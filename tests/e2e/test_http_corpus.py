"""The server's HTTP/1.1 by hand: everything malformed is refused and closed, everything legal works."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from .gateway import Gateway
from .replies import either
from .web import Raw, post_bytes, raw
from .wires import CHAT

if TYPE_CHECKING:
    from pointsman.practice.scripted import ScriptedUpstream

Upstreams = Callable[..., "ScriptedUpstream"]
POST = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
BODY = '{"model": "practice", "messages": []}'
SIZE = len(BODY)

MALFORMED: dict[str, str | bytes] = {
    "length and chunked": f"{POST}content-length: {SIZE}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": f"{POST}transfer-encoding: chunked\r\ncontent-length: {SIZE}\r\n\r\n0\r\n\r\n",
    "length twice, different": f"{POST}content-length: {SIZE}\r\ncontent-length: 0\r\n\r\n{BODY}",
    "length twice, the same": f"{POST}content-length: {SIZE}\r\ncontent-length: {SIZE}\r\n\r\n{BODY}",
    "length as a list": f"{POST}content-length: {SIZE}, {SIZE}\r\n\r\n{BODY}",
    "length with a plus": f"{POST}content-length: +{SIZE}\r\n\r\n{BODY}",
    "length negative": f"{POST}content-length: -1\r\n\r\n{BODY}",
    "length in hex": f"{POST}content-length: 0x{SIZE:x}\r\n\r\n{BODY}",
    "length empty": f"{POST}content-length:\r\n\r\n{BODY}",
    "length with a space inside": f"{POST}content-length: 3 7\r\n\r\n{BODY}",
    "length beyond 64 bits": f"{POST}content-length: 99999999999999999999999\r\n\r\n{BODY}",
    "coding that is not chunked": f"{POST}transfer-encoding: gzip\r\n\r\n0\r\n\r\n",
    "chunked not last": f"{POST}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked after another": f"{POST}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": f"{POST}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked misspelt": f"{POST}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked with a tab before the colon": f"{POST}transfer-encoding\t: chunked\r\n\r\n0\r\n\r\n",
    "chunked in http/1.0": POST.replace("1.1", "1.0") + "transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare line feeds": f"{POST}content-length: {SIZE}\r\n\r\n{BODY}".replace("\r\n", "\n"),
    "one bare line feed": f"{POST}x-a: b\ncontent-length: {SIZE}\r\n\r\n{BODY}",
    "bare line feed at the end of the head": f"{POST}content-length: {SIZE}\r\n\n{BODY}",
    "bare carriage return in a value": f"{POST}x-a: b\rc\r\ncontent-length: {SIZE}\r\n\r\n{BODY}",
    "a NUL in a value": f"{POST}x-a: b\0c\r\ncontent-length: {SIZE}\r\n\r\n{BODY}",
    "a control character in a value": f"{POST}x-a: b\x01c\r\ncontent-length: {SIZE}\r\n\r\n{BODY}",
    "a control character in a name": f"{POST}x\x01a: b\r\ncontent-length: {SIZE}\r\n\r\n{BODY}",
    "a delete character in a value": f"{POST}x-a: b\x7fc\r\ncontent-length: {SIZE}\r\n\r\n{BODY}",
    "a space before the colon": f"{POST}content-length : {SIZE}\r\n\r\n{BODY}",
    "a folded header": f"{POST}x-a: b\r\n c\r\ncontent-length: {SIZE}\r\n\r\n{BODY}",
    "a name missing": f"{POST}: b\r\ncontent-length: {SIZE}\r\n\r\n{BODY}",
    "a line without a colon": f"{POST}nonsense\r\ncontent-length: {SIZE}\r\n\r\n{BODY}",
    "a space in the method": "PO ST /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "no version": "GET /v1/models\r\nhost: localhost\r\n\r\n",
    "a version that does not exist": "GET /v1/models HTTP/1.9.1\r\nhost: localhost\r\n\r\n",
    "http/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),
    "random bytes": bytes(range(128, 256)) * 3 + b"\r\n\r\n",
    "a control character in the path": "GET /v1/mo\x01dels HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "no host": "GET /v1/models HTTP/1.1\r\naccept: */*\r\n\r\n",
    "two hosts": "GET /v1/models HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n",
    "a path in the host": "GET /v1/models HTTP/1.1\r\nhost: localhost:4480/#@x\r\n\r\n",
    "a user in the host": "GET /v1/models HTTP/1.1\r\nhost: me@localhost\r\n\r\n",
    "a space in the host": "GET /v1/models HTTP/1.1\r\nhost: local host\r\n\r\n",
    "an empty host": "GET /v1/models HTTP/1.1\r\nhost:\r\n\r\n",
    "a bad port in the host": "GET /v1/models HTTP/1.1\r\nhost: localhost:99x\r\n\r\n",
    "chunk size not a number": f"{POST}transfer-encoding: chunked\r\n\r\nxyz\r\n{BODY}\r\n0\r\n\r\n",
    "chunk size negative": f"{POST}transfer-encoding: chunked\r\n\r\n-5\r\n{BODY}\r\n0\r\n\r\n",
    "chunk size beyond 64 bits": f"{POST}transfer-encoding: chunked\r\n\r\n{'f' * 17}\r\n{BODY}\r\n0\r\n\r\n",
    "chunk longer than it says": f"{POST}transfer-encoding: chunked\r\n\r\n5\r\n{BODY}\r\n0\r\n\r\n",
    "chunk ended by a line feed": f"{POST}transfer-encoding: chunked\r\n\r\n{SIZE:x}\n{BODY}\r\n0\r\n\r\n",
    "101 headers": POST
    + "".join(f"x-{n}: 1\r\n" for n in range(100))
    + f"content-length: {SIZE}\r\n\r\n{BODY}",
    "a header block over 64 KiB": f"{POST}x-a: {'a' * 66000}\r\ncontent-length: {SIZE}\r\n\r\n{BODY}",
    "a path over 64 KiB": f"GET /{'a' * 66000} HTTP/1.1\r\nhost: localhost\r\n\r\n",
}
ALSO = {"101 headers": 431, "a header block over 64 KiB": 431, "a path over 64 KiB": 414}
ALSO |= {"coding that is not chunked": 501, "chunked after another": 501, "http/2": 505}
ALSO |= {"a version that does not exist": 505, "length beyond 64 bits": 413, "chunk size beyond 64 bits": 413}


def read_to_end(connection: Raw) -> bytes:
    assert connection.closed(5.0), f"the connection was left open: {connection.buffer[:300]!r}"
    return connection.buffer


@pytest.mark.parametrize("case", MALFORMED)
def test_refused_and_closed(gateway: Gateway, case: str) -> None:
    data = MALFORMED[case]
    data = data if isinstance(data, bytes) else data.encode("latin-1")
    with raw(gateway.url) as connection:
        connection.send(data)
        # what an attacker would smuggle behind it must never be answered
        try:
            connection.send("GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        seen = read_to_end(connection)
    if case in ("tls", "random bytes", "http/2") and not seen:
        return  # closing without a word is fine for what is not HTTP/1.1
    assert seen.startswith(b"HTTP/1.1 "), seen[:100]
    status = int(seen.split(b" ", 2)[1])
    assert status in {400, ALSO.get(case, 400), 431 if "64 KiB" in case else 400}, seen[:500]
    assert seen.count(b"HTTP/1.1 ") == 1, "something after the malformed request was answered"
    head, _, body = seen.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    assert json.loads(body)["error"]["message"]


def test_after_all_that_the_gateway_still_serves(gateway: Gateway) -> None:
    assert gateway.fetch("GET", "/livez").status == 200


def test_a_hundred_headers_and_nearly_64_kib_are_fine(gateway: Gateway) -> None:
    many = "".join(f"x-{n}: 1\r\n" for n in range(98))
    large = f"x-a: {'a' * 60000}\r\n"
    for headers in (many, large):
        with raw(gateway.url) as connection:
            connection.send(f"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n")
            assert connection.answer().status == 200


def test_a_body_over_the_limit_is_413_before_it_is_sent(impatient: Gateway) -> None:
    with raw(impatient.url) as connection:
        connection.send(f"{POST}content-length: 1048577\r\n\r\n")
        answer = connection.answer()
        assert answer.status == 413
        CHAT.check_error(answer.json())
        assert connection.closed()


def test_a_chunked_body_over_the_limit_is_413(impatient: Gateway) -> None:
    with raw(impatient.url) as connection:
        connection.send(f"{POST}transfer-encoding: chunked\r\n\r\n")
        try:
            for _ in range(20):
                connection.send(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            return  # closed while we wrote: the answer may be lost to the reset
        assert connection.answer().status == 413


def test_a_body_of_30_mib_is_taken(gateway: Gateway, upstream: Upstreams) -> None:
    server = upstream()
    server.always(either(CHAT, "ok"))
    name, _ = gateway.route("openai", server.url)
    body = json.dumps(CHAT.ask(name, "x" * (30 << 20))).encode()
    assert gateway.fetch("POST", CHAT.path, body).status == 200
    assert len(server.requests[0].body) == len(body)


def test_expect_100_continue_is_answered_before_the_body(gateway: Gateway) -> None:
    body = json.dumps(CHAT.ask("practice")).encode()
    whole = post_bytes(CHAT.path, body, expect="100-continue")
    with raw(gateway.url) as connection:
        connection.send(whole[: -len(body)])
        assert connection.head()[0] == 100
        connection.send(body)
        assert connection.answer().status == 200


def test_expect_100_continue_with_the_body_at_once_works(gateway: Gateway) -> None:
    body = json.dumps(CHAT.ask("practice")).encode()
    with raw(gateway.url) as connection:
        connection.send(post_bytes(CHAT.path, body, expect="100-continue"))
        assert connection.answer().status == 200


def test_expect_100_continue_for_too_much_is_refused_without_asking_for_it(impatient: Gateway) -> None:
    with raw(impatient.url) as connection:
        connection.send(f"{POST}expect: 100-continue\r\ncontent-length: 2000000\r\n\r\n")
        answer = connection.answer()
        assert answer.status == 413
        assert answer.informational == []


def test_another_expectation_is_417(gateway: Gateway) -> None:
    with raw(gateway.url) as connection:
        connection.send(post_bytes(CHAT.path, BODY.encode(), expect="the-unexpected"))
        assert connection.answer().status in (400, 417)


def test_requests_are_answered_in_order_when_sent_at_once(gateway: Gateway) -> None:
    texts = [f"number {n}." for n in range(40)]
    with raw(gateway.url) as connection:
        connection.send(
            b"".join(post_bytes(CHAT.path, json.dumps(CHAT.ask("practice", t)).encode()) for t in texts)
        )
        for text in texts:
            answer = connection.answer()
            assert answer.status == 200
            assert text in CHAT.text(answer.json())


def test_a_slow_answer_keeps_its_place_before_a_quick_one(gateway: Gateway, upstream: Upstreams) -> None:
    from .replies import JSON, Pause, Reply, says

    server = upstream()
    server.always(Reply(200, JSON, body=says(CHAT, "slow").body, before=[Pause(0.3)]))
    name, _ = gateway.route("openai", server.url)
    with raw(gateway.url) as connection:
        slow = post_bytes(CHAT.path, json.dumps(CHAT.ask(name)).encode())
        connection.send(slow + b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert CHAT.text(connection.answer().json()) == "slow"
        assert connection.answer().status == 200


def test_a_streamed_answer_and_more_requests_on_one_connection(gateway: Gateway) -> None:
    ask = post_bytes(CHAT.path, json.dumps(CHAT.ask("practice", stream=True)).encode())
    with raw(gateway.url) as connection:
        for _ in range(3):
            connection.send(ask)
            assert CHAT.ended(connection.answer().body)
        connection.send("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert connection.answer().status == 200


def test_a_request_in_single_bytes_works(gateway: Gateway) -> None:
    data = post_bytes(CHAT.path, json.dumps(CHAT.ask("practice")).encode())
    with raw(gateway.url) as connection:
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(data)):
            connection.send(data[at : at + 1])
        assert connection.answer().status == 200


def test_empty_lines_before_a_request_are_forgiven(gateway: Gateway) -> None:
    with raw(gateway.url) as connection:
        connection.send("\r\n\r\nGET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert connection.answer().status == 200


@pytest.mark.parametrize("path", ["/", "/livez", "/v1/models", "/api/hello"])
def test_head_has_no_body_and_keeps_the_connection(gateway: Gateway, path: str) -> None:
    with raw(gateway.url) as connection:
        connection.send(f"HEAD {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert connection.answer(head_request=True).status == 200
        connection.send("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert connection.answer().status == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "*"])
def test_options_answers_without_opening_anything_to_web_pages(gateway: Gateway, path: str) -> None:
    with raw(gateway.url) as connection:
        connection.send(f"OPTIONS {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")
        answer = connection.answer()
        assert answer.status in (200, 204)
        assert not [name for name, _ in answer.headers if name.lower().startswith("access-control-")]


def test_http_1_0_gets_an_answer_that_ends_with_the_connection(gateway: Gateway) -> None:
    body = json.dumps(CHAT.ask("practice", stream=True)).encode()
    with raw(gateway.url) as connection:
        connection.send(post_bytes(CHAT.path, body).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        assert connection.closed(10)
        head, _, rest = connection.buffer.partition(b"\r\n\r\n")
        assert b" 200 " in head
        assert b"chunked" not in head.lower()
        assert CHAT.ended(rest)


def test_connection_close_is_obeyed(gateway: Gateway) -> None:
    with raw(gateway.url) as connection:
        connection.send(post_bytes(CHAT.path, json.dumps(CHAT.ask("practice")).encode(), connection="close"))
        answer = connection.answer()
        assert answer.status == 200
        assert answer.closed
        assert connection.closed()


def test_the_absolute_form_of_a_target_works_for_this_host(gateway: Gateway) -> None:
    with raw(gateway.url) as connection:
        connection.send(f"GET {gateway.url}/livez HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        assert connection.answer().status in (200, 400)


def test_a_head_that_never_ends_is_cut_off_in_time(impatient: Gateway) -> None:
    with raw(impatient.url) as connection:
        begun = time.monotonic()
        connection.send("GET /livez HTTP/1.1\r\nhost: local")
        while time.monotonic() - begun < 4:
            try:
                connection.send("x")
            except (BrokenPipeError, ConnectionResetError):
                break
            if connection.closed(0.2):
                break
        assert time.monotonic() - begun < 3


def test_a_body_that_never_ends_is_cut_off_in_time(impatient: Gateway) -> None:
    with raw(impatient.url) as connection:
        connection.send(f"{POST}content-length: 50\r\n\r\n{{")
        assert connection.closed(4)
        assert b" 408 " in connection.buffer or b" 400 " in connection.buffer or connection.buffer == b""


def test_an_idle_connection_is_closed_in_time(impatient: Gateway) -> None:
    with raw(impatient.url) as connection:
        connection.send("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert connection.answer().status == 200
        begun = time.monotonic()
        assert connection.closed(6)
        assert time.monotonic() - begun > 1
