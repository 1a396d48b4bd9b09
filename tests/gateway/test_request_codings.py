"""Request bodies that their clients compressed: Codex sends zstd, many HTTP libraries gzip. They are read like any other
and travel on plain (docs/protocols/requests.md#compressed-bodies)."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import zlib
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from pointsman.practice import Pause, Reply, ScriptedUpstream
from pointsman.practice.exchange import Received
from pointsman.wire.coding import known
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, WHOLE

from .plane import Plane, plane, rule
from .test_translation import ask as body_of
from .test_translation import spec

try:
    from backports import zstd
except ImportError:  # the standard library has it
    from compression import zstd  # type: ignore[import-not-found,no-redef]

PATHS = {CHAT: "/v1/chat/completions", RESPONSES: "/v1/responses", MESSAGES: "/v1/messages"}
WAYS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "X-Gzip": gzip.compress,
    "zstd": zstd.compress,
    "deflate": zlib.compress,
    "gzip, zstd": lambda data: zstd.compress(gzip.compress(data)),
    "identity": lambda data: data,
    " zstd , identity": zstd.compress,
}


def posted(server: ScriptedUpstream) -> list[Received]:
    return [one for one in server.requests if one.method == "POST"]


def run(scene: Callable[[ScriptedUpstream, Plane], Any], protocol: str | None = None, **limits: Any) -> Any:
    async def main() -> Any:
        with ScriptedUpstream() as server:
            server.always(Reply(200, JSON, body=WHOLE[protocol or CHAT]("hello")))
            async with plane(**limits) as found:
                found.rules(rule("*", "local/box"), backends=[spec(server, protocol)])
                return await scene(server, found)

    return uvloop.run(main())


@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("protocol", list(PATHS))
def test_a_compressed_request_reaches_the_backend_plain(protocol: str, way: str) -> None:
    raw = json.dumps(body_of(protocol, stream=False)).encode()

    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        got = await found.ask(PATHS[protocol], WAYS[way](raw), f"content-encoding: {way}")
        assert got.status == 200, got.body
        (sent,) = posted(server)
        assert sent.body == raw
        assert "content-encoding" not in sent.headers
        assert sent.headers["content-length"] == str(len(raw))

    run(scene, protocol)


def test_what_codex_sends_is_translated_like_any_other() -> None:
    """Codex compresses by a streaming encoder (level 3), which writes no size into the frame."""
    press = zstd.ZstdCompressor(level=3)
    raw = json.dumps(body_of(RESPONSES, stream=False)).encode()
    sent = press.compress(raw) + press.flush()

    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        got = await found.ask("/v1/responses", sent, "content-encoding: zstd", "originator: codex_cli_rs")
        assert got.status == 200, got.body
        assert posted(server)[0].path == "/v1/messages"

    run(scene, MESSAGES)


def test_and_in_chunks_and_on_a_kept_connection() -> None:
    """The second request of the connection has the same head but for its length: it is compressed, too."""
    raws = [json.dumps({**body_of(CHAT, stream=False), "user": word}).encode() for word in ("a", "bcd" * 9)]

    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        reader, writer = await found.connect()
        for raw in raws:
            coded = gzip.compress(raw)
            writer.write(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-encoding: gzip\r\n"
            )
            writer.write(b"content-length: %d\r\n\r\n%b" % (len(coded), coded))
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length"))
            await reader.readexactly(int(length.partition(b":")[2]))
        coded = zstd.compress(raws[0])
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-encoding: zstd\r\n")
        writer.write(b"transfer-encoding: chunked\r\n\r\n")
        for at in range(0, len(coded), 10):
            piece = coded[at : at + 10]
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        writer.write(b"0\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()
        assert [one.body for one in posted(server)] == [*raws, raws[0]]

    run(scene)


@pytest.mark.parametrize("way", ["compress", "aes128gcm", "gzip, secret", "gzip,gzip,gzip,gzip", "dcz"])
@pytest.mark.parametrize("protocol", [CHAT, MESSAGES])
def test_an_unknown_coding_is_a_415_that_says_which_are_known(protocol: str, way: str) -> None:
    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        got = await found.ask(PATHS[protocol], b"x", f"content-encoding: {way}")
        assert (got.status, got.headers["accept-encoding"]) == (415, known().decode())
        assert {"gzip", "deflate", "zstd"} <= set(got.headers["accept-encoding"].split(", "))
        error = got.json()["error"]
        assert (error["type"], way in error["message"]) == ("invalid_request_error", True)
        assert not posted(server)

    run(scene, protocol)


@pytest.mark.parametrize(
    ("way", "body"),
    [
        ("gzip", b'{"model":"m"}'), ("gzip", gzip.compress(b'{"model":"m"}')[:-3]), ("zstd", b"\x28\xb5\x2f\xfd nonsense"),
        ("zstd", zstd.compress(b'{"model":"m"}' * 50)[:-5]), ("gzip, zstd", gzip.compress(b"{}")),
    ],
    ids=["plain", "cut-gzip", "nonsense", "cut-zstd", "one-of-two"],
)  # fmt: skip
def test_a_damaged_body_is_the_clients_mistake(way: str, body: bytes) -> None:
    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        got = await found.ask("/v1/chat/completions", body, f"content-encoding: {way}")
        assert got.status == 400
        assert "cut or damaged" in got.json()["error"]["message"]
        assert not posted(server)

    run(scene)


@pytest.mark.parametrize("way", ["gzip", "zstd", "gzip, zstd"])
def test_a_bomb_ends_at_the_limit_of_bodies(way: str) -> None:
    bomb = WAYS[way](b'{"model":"m","messages":[]}' + b" " * 40_000_000)

    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        got = await found.ask("/v1/chat/completions", bomb, f"content-encoding: {way}")
        assert got.status == 413
        assert "1000000 bytes (the limit, POINTSMAN_BODY_BYTES)" in got.json()["error"]["message"]
        assert not posted(server)

    run(scene, body_bytes=1_000_000)


def test_nobody_waits_while_a_large_body_is_unpacked() -> None:
    """Decoded in the event loop it would have no turn meanwhile."""
    bomb = zstd.compress(b"\0" * 200_000_000)

    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        large = asyncio.ensure_future(found.ask("/v1/chat/completions", bomb, "content-encoding: zstd"))
        turns = 0
        while not large.done():
            turns += 1
            await asyncio.sleep(0.0005)
        assert (await large).status == 413
        assert turns > 20

    run(scene, body_bytes=150_000_000)


def test_bombs_that_each_fit_do_not_fill_the_memory_together() -> None:
    """64 bodies of 31 KB became 2 GB, and their process was taken for hung."""
    body = gzip.compress(b'{"model":"m","messages":[]' + b" " * 900_000 + b"}")

    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        server.always(Reply(200, JSON, parts=[Pause(1.5), WHOLE[CHAT]("hello")], framing="chunked"))
        path, word = "/v1/chat/completions", "content-encoding: gzip"
        many = await asyncio.gather(*(found.ask(path, body, word) for _ in range(30)))
        statuses = [got.status for got in many]
        assert statuses.count(200) == 17, statuses
        refused = next(got for got in many if got.status == 503)
        assert refused.headers["retry-after"] == "1"
        assert found.plane.unpacked == 0
        assert (await found.ask(path, body, word)).status == 200

    run(scene, body_bytes=1_000_000)


def test_curl_counts_tokens_with_a_compressed_body() -> None:
    """`gzip -c body | curl --data-binary @- -H 'Content-Encoding: gzip'`, as users write it."""

    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        server.always(Reply(200, JSON, body=b'{"input_tokens": 7}'))
        body = gzip.compress(json.dumps(body_of(MESSAGES, stream=False)).encode())
        words = ["curl", "-sS", "-m", "20", "--data-binary", "@-", "-H", "content-encoding: gzip"]
        url = f"http://127.0.0.1:{found.port}/v1/messages/count_tokens"
        done = await asyncio.to_thread(
            subprocess.run, [*words, url], input=body, capture_output=True, check=True, timeout=30
        )
        assert json.loads(done.stdout) == {"input_tokens": 7}

    run(scene, MESSAGES)


def test_the_admin_api_takes_compressed_bodies(gateway: Any) -> None:
    name = gateway.fresh("coded")
    body = json.dumps({"model_pattern": name, "backend_type": "local", "backend_name": "practice"}).encode()
    headers = {"authorization": f"Bearer {gateway.admin_token}", "content_type": "application/json"}
    answer = gateway.fetch("POST", "/api/mappings", zstd.compress(body), content_encoding="zstd", **headers)
    assert (answer.status, answer.json()["model_pattern"]) == (201, name)
    refused = gateway.fetch("POST", "/api/mappings", b"x", content_encoding="compress", **headers)
    assert (refused.status, refused.json()["status"]) == (415, 415)
