"""A backend that speaks the client's own protocol, and tells its errors in a form of its own: the client gets the form that it
reads and acts on. And what a local server chokes on of a body that is otherwise passed on byte for byte. Over the wire."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from pointsman.practice import Reply
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, STREAM, WHOLE

from .test_translation import ask, one, stream

TEXT = {"content-type": "text/plain"}
HTML = {"content-type": "text/html"}


def llama(**more: Any) -> bytes:
    words = "request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it"
    inside = {"code": 400, "message": words, "type": "exceed_context_size_error", **more}
    return json.dumps({"error": inside}).encode()


OVERFLOWS: list[tuple[bytes, int, str]] = [
    (llama(n_prompt_tokens=5000, n_ctx=4096), 400, "5000 tokens > 4096"),
    (llama(message="too much", n_prompt_tokens=5000, n_ctx=4096), 400, "5000 tokens > 4096"),
    (b'{"detail":"Prompt too long: 32799 tokens exceeds max context window of 32768 tokens"}', 400, "32799 tokens > 32768"),
    (b'{"object":"error","message":"This model\'s maximum context length is 4096 tokens. However, you requested 5000 tokens '
     b'(4900 in the messages, 100 in the completion).","type":"BadRequestError","code":400}', 400, "5000 tokens > 4096"),
    (b'{"error":"prompt too long; exceeded max context length by 4 tokens"}', 400, ""),
    (b'{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\\"error\\":{\\"message\\":\\"Requested tokens (5000) '
     b'exceed context window of 4096\\"}}","provider_name":"P"}}}', 400, "5000 tokens > 4096"),
    (b'{"message":"The prompt (total length 5000) is too long to fit into the model (context length 4096)."}', 400, "5000 tokens > 4096"),
    (b'[{"error":{"code":400,"message":"The input token count (5000) exceeds the maximum number of tokens allowed (4096).",'
     b'"status":"INVALID_ARGUMENT"}}]', 400, "5000 tokens > 4096"),
    (b'{"detail":[{"loc":["body","messages"],"msg":"request (5000 tokens) exceeds the available context size (4096 tokens)"}]}',
     422, "5000 tokens > 4096"),
    (b'{"error":{"message":"Input length 5000 exceeds the maximum allowed 4096"}}', 500, "5000 tokens > 4096"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "numbers"), OVERFLOWS)
@pytest.mark.parametrize("client", [MESSAGES, CHAT, RESPONSES])
def test_an_overflow_of_a_local_server_is_told_so_that_agents_compact(
    client: str, body: bytes, status: int, numbers: str
) -> None:
    got, _ = one(client, client, Reply(status, JSON, body=body))
    assert got.status == 400, got.body
    error = got.json()["error"]
    if client == MESSAGES:
        assert got.json()["type"] == "error"
        assert error["type"] == "invalid_request_error"
        assert error["message"].startswith("prompt is too long")
        assert numbers in error["message"]
    else:
        assert (error["type"], error["code"]) == ("invalid_request_error", "context_length_exceeded")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"detail":[{"loc":["body","messages"],"msg":"Field required","type":"missing"}]}', "body.messages: Field required"),
        (b'[{"error":{"code":400,"message":"no such field","status":"INVALID_ARGUMENT"}}]', "no such field"),
        (b'{"error":["no such field","or that"]}', "no such field; or that"),
        (b'{"code":40001,"msg":"no such field","success":false}', "no such field"),
        (b'{"error":{"message":"{\\"error\\":{\\"message\\":\\"no such field\\"}}"}}', "no such field"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("upstream", [MESSAGES, CHAT, RESPONSES])
def test_an_error_is_told_in_words_and_not_in_the_json_that_wraps_it(
    upstream: str, body: bytes, words: str
) -> None:
    got, _ = one(CHAT if upstream == MESSAGES else MESSAGES, upstream, Reply(400, JSON, body=body))
    assert got.json()["error"]["message"] == words


CLEAN = {CHAT: b"[DONE]", MESSAGES: b"message_stop", RESPONSES: b"response.completed"}


@pytest.mark.parametrize(
    "odd", [b'{"detail":"GPU fell"}', b'{"message":"GPU fell","code":500}', b'{"code":500,"msg":"GPU fell"}']
)
@pytest.mark.parametrize("event", [b"event: error\n", b""])
@pytest.mark.parametrize("client", [MESSAGES, CHAT, RESPONSES])
@pytest.mark.parametrize("upstream", [MESSAGES, CHAT, RESPONSES])
def test_an_error_without_its_wrapper_in_midstream_is_no_clean_end(
    client: str, upstream: str, event: bytes, odd: bytes
) -> None:
    """The SDKs took `{"detail": ...}` for a chunk like any other, and `[DONE]` after it for the end."""
    begun = re.split(rb"(?<=\n\n)", STREAM[upstream]("half"))
    at = next(at for at, one in enumerate(begun) if b'"lf"' in one)
    sent = [*begun[: at + 1], event + b"data: " + odd + b"\n\n", b"data: [DONE]\n\n"]
    got = stream(client, upstream, *(sent if upstream == CHAT else sent[:-1]))
    assert b"GPU fell" in got.body
    assert CLEAN[client] not in got.body
    told = (
        b"event: error\n"
        if client == MESSAGES
        else b'data: {"error":'
        if client == CHAT
        else b"response.failed"
    )
    assert told in got.body


OTHERS: list[tuple[int, dict[str, str], bytes, str, str]] = [
    # status, headers, body, words, Anthropic's type
    (503, JSON, b'{"error":{"message":"Loading model","type":"unavailable_error","code":503}}', "Loading model", "overloaded_error"),
    (400, JSON, b'{"error":"model runner has failed"}', "model runner has failed", "invalid_request_error"),
    (404, JSON, b'{"error":"model \'x\' not found"}', "model 'x' not found", "not_found_error"),
    (404, JSON, b"no such model here", "no such model here", "not_found_error"),
    (400, TEXT, b"bad thing", "bad thing", "invalid_request_error"),
    (422, JSON, b'{"detail":[{"loc":["body"],"msg":"Field required"}]}', "Field required", "invalid_request_error"),
    (500, HTML, b"<html><body>oops</body></html>", "500", "api_error"),
    (500, JSON, b"", "500", "api_error"),
    (400, JSON, b'{"error":{"code":400,"type":"x"}}', "400", "invalid_request_error"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "headers", "body", "words", "kind"), OTHERS)
@pytest.mark.parametrize("client", [MESSAGES, CHAT, RESPONSES])
def test_an_error_in_a_form_of_its_own_is_told_in_the_clients(
    client: str, status: int, headers: dict[str, str], body: bytes, words: str, kind: str
) -> None:
    got, _ = one(client, client, Reply(status, headers, body=body))
    assert got.status == status
    assert got.headers["content-type"] == "application/json" or got.body == body
    error = got.json()["error"]
    assert words in error["message"]
    assert "<html>" not in error["message"]
    if client == MESSAGES:
        assert (got.json()["type"], error["type"]) == ("error", kind)
        assert got.json()["request_id"] == got.headers["request-id"]
    elif got.body != body:
        assert error.keys() == {"message", "type", "param", "code"}


OWN: list[tuple[str, int, bytes]] = [
    (MESSAGES, 400, b'{"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 9 tokens > 8 maximum"}}'),
    (MESSAGES, 400, b'{"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 9 + 3 > 10"},"x":1}'),
    (MESSAGES, 529, b'{"type":"error","error":{"details":null,"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}'),
    (CHAT, 400, b'{ "error": {"message": "This model\'s maximum context length is 8 tokens", "type": "invalid_request_error", "code": "context_length_exceeded"} }'),
    (CHAT, 429, b'{"error":{"message":"slow","code":429,"metadata":{"raw":"theirs"}}}'),
    (RESPONSES, 400, b'{"error":{"message":"Unknown parameter: \'x\'.","type":"invalid_request_error","param":"x","code":"unknown_parameter"}}'),
]  # fmt: skip


@pytest.mark.parametrize(("client", "status", "body"), OWN)
def test_an_error_in_the_protocols_own_form_is_passed_on_byte_for_byte(
    client: str, status: int, body: bytes
) -> None:
    got, _ = one(client, client, Reply(status, JSON, body=body))
    assert (got.status, got.body) == (status, body)


def test_an_overflow_of_another_servers_in_anthropics_form_gets_its_words() -> None:
    body = b'{"type":"error","error":{"type":"invalid_request_error","message":"prompt too long; exceeded max context length by 4 tokens"}}'
    got, _ = one(MESSAGES, MESSAGES, Reply(400, JSON, body=body))
    assert got.json()["error"]["message"].startswith("prompt is too long")


@pytest.mark.parametrize("client", [MESSAGES, CHAT])
def test_an_error_inside_a_200_is_told_in_the_clients_form(client: str) -> None:
    got, _ = one(client, client, Reply(200, JSON, body=b'{"error":"out of memory"}'))
    assert got.status >= 500
    assert got.json()["error"]["message"] == "out of memory"
    assert ("type" in got.json()) == (client == MESSAGES)


# -- C4: mlx_lm


def test_nulls_are_left_out_for_a_local_server_and_nothing_else() -> None:
    """mlx_lm: "temperature must be a non-negative float"."""
    raw = (
        b'{"model": "m", "temperature": null , "messages": [{"role":"user","content":"\\u00e9 : null","name":null}],'
        b'\n "stop":null,"tools":  null, "top_p": 0.50}'
    )
    _, received = one(CHAT, CHAT, Reply(200, JSON, body=WHOLE[CHAT]("x")), raw)
    assert received[0].body == (
        b'{"model": "m", "messages": [{"role":"user","content":"\\u00e9 : null","name":null}], "top_p": 0.50}'
    )


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({"include_obfuscation": False}, {"include_usage": False, "include_obfuscation": False}),
        ({}, {"include_usage": False}),
        ({"include_usage": False}, {"include_usage": False}),
        ({"include_usage": None}, {"include_usage": False}),
    ],
)
def test_stream_options_always_say_include_usage_to_a_local_server(options: Any, sent: Any) -> None:
    """mlx_lm reads `stream_options["include_usage"]`."""
    _, received = one(CHAT, CHAT, Reply(200, JSON, body=WHOLE[CHAT]("x")), ask(CHAT, stream_options=options))
    assert received[0].json()["stream_options"] == sent


def test_a_body_without_nulls_goes_to_a_local_server_byte_for_byte() -> None:
    raw = b'{"messages": [{"role":"user","content":"say null: null"}] , "model":"m" }'
    _, received = one(CHAT, CHAT, Reply(200, JSON, body=WHOLE[CHAT]("x")), raw)
    assert received[0].body == raw
