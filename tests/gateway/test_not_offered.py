"""Paths of the vendors that this gateway does not offer are a 404 that says so, in the caller's shape: their bodies
name no model, and that is no mistake of the client's (docs/protocols/errors.md#paths-that-are-not-offered)."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
import uvloop

from pointsman.practice import Reply, ScriptedUpstream
from tests.agents.model import CHAT, JSON, WHOLE

from .plane import Got, plane, rule
from .test_translation import spec

VERSION = "anthropic-version: 2023-06-01"
MULTIPART = b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b--\r\n'
BATCH = {"requests": [{"custom_id": "a", "params": {"model": "m", "max_tokens": 9, "messages": []}}]}


def send(method: str, path: str, body: bytes | dict[str, Any], *headers: str) -> tuple[Got, list[bytes]]:
    async def main() -> tuple[Got, list[bytes]]:
        with ScriptedUpstream() as server:
            server.always(Reply(200, JSON, body=WHOLE[CHAT]("hello")))
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, None)])
                got = await found.ask(path, body, *headers, method=method)
            return got, [received.body for received in server.requests if received.method == "POST"]

    return uvloop.run(main())


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/batches", {"input_file_id": "file_1", "endpoint": "/v1/responses"}),
        ("GET", "/v1/batches", b""),
        ("POST", "/v1/batches/batch_1/cancel", b""),
        ("GET", "/v1/responses/resp_1/anything", b""),
        ("GET", "/v1/chat/completions", b""),
        ("GET", "/v1/chat/completions/chatcmpl-1", b""),
        ("POST", "/v1/chat/completions/chatcmpl-1", {"metadata": {"a": "b"}}),
        ("POST", "/v1/files", MULTIPART),
        ("POST", "/v1/containers/c_1/files", MULTIPART),
        ("POST", "/v1/conversations", {}),
        ("PUT", "/v1/anything", b"x"),
    ],
)
def test_a_path_that_is_not_offered_is_a_404_that_says_so(method: str, path: str, body: Any) -> None:
    got, asked = send(method, path, body)
    error = got.json()["error"]
    assert (got.status, error["type"], error["code"]) == (404, "invalid_request_error", "not_found")
    assert error["message"].startswith(f"{method} {path} is not offered by this gateway.")
    assert "JSON:" not in error["message"]
    assert not asked


@pytest.mark.parametrize(
    ("method", "path", "body", "headers"),
    [
        ("POST", "/v1/messages/batches", BATCH, ()),
        ("GET", "/v1/messages/batches", b"", ()),
        ("POST", "/v1/messages/batches/b_1/cancel", b"", ()),
        ("DELETE", "/v1/messages/batches/b_1", b"", ()),
        ("POST", "/v1/files", MULTIPART, (VERSION,)),
        ("GET", "/v1/skills", b"", (VERSION,)),
    ],
)
def test_and_in_anthropics_words_to_who_speaks_them(method: str, path: str, body: Any, headers: Any) -> None:
    got, asked = send(method, path, body, *headers)
    assert (got.status, got.json()["type"], got.json()["error"]["type"]) == (404, "error", "not_found_error")
    assert "not offered" in got.json()["error"]["message"]
    assert not asked


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/v1/chat/completions", b"", "not valid JSON"),
        ("/v1/responses", b"{}", "no 'model'"),
        ("/v1/messages/count_tokens", b"{}", "no 'model'"),
        ("/v1/images/generations", b'{"model": 3}', "'model' must be a string"),
        ("/v1/images/generations", b'{"model": "m", }', "not valid JSON"),
    ],
)
def test_a_mistake_on_a_path_that_is_offered_is_still_the_mistake(path: str, body: bytes, said: str) -> None:
    got, _ = send("POST", path, body)
    assert got.status == 400
    assert said in got.json()["error"]["message"]


@pytest.mark.parametrize(
    "path", ["/v1/messages", "/v1/responses", "/v1/messages/count_tokens", "/v1/embeddings"]
)
def test_the_wrong_method_on_a_path_that_is_offered(path: str) -> None:
    got, _ = send("GET", path, b"")
    assert (got.status, got.headers["allow"]) == (405, "POST")


def test_a_path_beside_the_known_ones_is_routed_by_its_model() -> None:
    got, asked = send("POST", "/v1/videos/generations", b'{"model":"m","prompt":"a cat"}')
    assert got.status == 200
    assert asked == [b'{"model":"m","prompt":"a cat"}']


# -- small values as the vendor takes them


@pytest.mark.parametrize("name", ["max_completion_tokens", "max_tokens"])
def test_no_tokens_at_all_is_the_vendors_400(name: str) -> None:
    async def main() -> Got:
        with ScriptedUpstream() as server:
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, "anthropic_messages")])
                body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], name: 0}
                return await found.ask("/v1/chat/completions", body)

    error = uvloop.run(main()).json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", name)
    assert error["code"] == "integer_below_min_value"


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (b'{"model":"m","input":"a","encoding_format":null}', b'{"model":"m","input":"a"}'),
        (b'{"encoding_format": null, "model":"m","input":["\\u00e9"]}', b'{"model":"m","input":["\\u00e9"]}'),
        (b'{"model":"m", "input":"a"}', b'{"model":"m", "input":"a"}'),
        (b'{"model":"m","input":"a","encoding_format":"base64" }',) * 2,
        (b'{"model":"m","input":"\\"encoding_format\\":null" }',) * 2,
    ],
)
def test_an_encoding_format_that_nobody_asked_for_is_not_sent(body: bytes, sent: bytes) -> None:
    """Libraries send null where the program asked for none; servers refuse "received null"."""
    _, asked = send("POST", "/v1/embeddings", body)
    assert asked == [sent]


VECTOR = [0.5, -1.25, 3.0, 0.0]
PACKED = base64.b64encode(struct.pack("<4f", *VECTOR)).decode()


def embedded(asked: dict[str, Any], vectors: list[Any]) -> bytes:
    async def main() -> Got:
        with ScriptedUpstream() as server:
            data = [{"object": "embedding", "index": at, "embedding": one} for at, one in enumerate(vectors)]
            usage = {"prompt_tokens": 2, "total_tokens": 2}
            value = {"object": "list", "data": data, "model": "m", "usage": usage}
            server.always(Reply(200, JSON, body=json.dumps(value).encode()))
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, None)])
                got = await found.ask("/v1/embeddings", {"model": "m", "input": ["a", "b"], **asked})
                (record,) = await found.recorded()
                assert record.input_tokens == 2
                return got

    got = uvloop.run(main())
    assert got.status == 200
    assert got.complete
    return got.body


@pytest.mark.parametrize("count", [1, 2, 20_000], ids=["one", "two", "megabytes"])
def test_the_typescript_sdk_reads_the_vectors_of_a_server_that_ignores_base64(count: int) -> None:
    """It asks for base64 where its program asked for nothing, and decodes whatever comes."""
    body = embedded({"encoding_format": "base64"}, [VECTOR] * count)
    assert [one["embedding"] for one in json.loads(body)["data"]] == [PACKED] * count


@pytest.mark.parametrize("vectors", [[PACKED], ["", "[1]"], [[1, "x"]], [[1e60]], [None]], ids=str)
def test_what_is_base64_already_or_no_vector_stays(vectors: list[Any]) -> None:
    body = embedded({"encoding_format": "base64"}, vectors)
    assert [one["embedding"] for one in json.loads(body)["data"]] == vectors


@pytest.mark.parametrize("asked", [{}, {"encoding_format": "float"}, {"user": "base64"}], ids=str)
def test_numbers_stay_numbers_where_nobody_asked_for_base64(asked: dict[str, Any]) -> None:
    assert [one["embedding"] for one in json.loads(embedded(asked, [VECTOR]))["data"]] == [VECTOR]


@pytest.mark.parametrize("more", [{}, {"encoding_format": None}, {"encoding_format": "float"}])
def test_the_practice_model_gives_numbers_where_nobody_asked(gateway: Any, more: dict[str, Any]) -> None:
    answer = gateway.fetch("POST", "/v1/embeddings", {"model": "practice", "input": "hi", **more})
    assert answer.status == 200
    assert isinstance(answer.json()["data"][0]["embedding"], list)
