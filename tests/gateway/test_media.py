"""Sound, pictures, moderation and ranking: forms and JSON go to the model's backend byte for byte, and answers come back
so; a failure does not look like success (docs/protocols/media.md)."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest
import uvloop

from pointsman.practice import CUT, Reply, ScriptedUpstream
from pointsman.practice.exchange import Received
from tests.agents.model import JSON, SSE

from .plane import Got, Plane, plane, rule
from .test_translation import spec

B = "----=_Part_7"
KIND = f'content-type: multipart/form-data; boundary="{B}"'
SOUND = b"RIFF\0\xff\r\n--" + B.encode() + b"-no\r\n" + bytes(range(256)) * 40
HEARD = {
    "text": "hello there",
    "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 45, "total_tokens": 59},
}
PICTURE = {
    "created": 1,
    "data": [{"b64_json": "aGk="}],
    "usage": {"input_tokens": 5, "output_tokens": 70, "total_tokens": 75},
}
FORMS = ["/v1/audio/transcriptions", "/v1/audio/translations", "/v1/images/edits", "/v1/images/variations"]
JSONS = ["/v1/images/generations", "/v1/images/edits", "/v1/audio/speech", "/v1/moderations", "/v1/rerank"]
ANSWER = {
    "audio/tr": HEARD,
    "images": PICTURE,
    "moderations": {"id": "m", "results": []},
    "rerank": {"results": [{"index": 0}]},
}


def answer_of(path: str) -> Reply:
    if path.endswith("speech"):
        return Reply(200, {"content-type": "audio/mpeg"}, body=b"ID3\0" * 99)
    return Reply(
        200, JSON, body=json.dumps(next(one for part, one in ANSWER.items() if part in path)).encode()
    )


def form(
    model: str, *, first: bool = True, sound: bytes = SOUND, more: dict[str, str] | None = None
) -> bytes:
    fields = [(f'name="{name}"', value.encode()) for name, value in {"model": model, **(more or {})}.items()]
    file = ('name="file"; filename="a \\"b\\".wav"\r\nContent-Type: audio/wav', sound)
    parts = [*fields, file] if first else [file, *fields]
    written = [
        f"--{B}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + value + b"\r\n"
        for head, value in parts
    ]
    return b"".join(written) + f"--{B}--\r\n".encode()


def posted(server: ScriptedUpstream) -> list[Received]:
    return [one for one in server.requests if one.method == "POST"]


def run(
    scene: Callable[[ScriptedUpstream, Plane], Any],
    *,
    protocol: str | None = None,
    model: str = "",
    **limits: Any,
) -> Any:
    async def main() -> Any:
        with ScriptedUpstream() as server:
            async with plane(**limits) as found:
                found.rules(rule("*", f"local/box={model}"), backends=[spec(server, protocol)])
                return await scene(server, found)

    return uvloop.run(main())


def two(
    first: Reply | str, path: str, body: bytes, *headers: str, protocol: str | None = None
) -> tuple[Got, Plane, int]:
    """What the client gets where another target stands behind the first."""

    async def main() -> tuple[Got, Plane, int]:
        with ScriptedUpstream() as bad, ScriptedUpstream() as good:
            bad.always(first)
            good.always(answer_of(path))
            async with plane() as found:
                backends = [spec(bad, protocol), spec(good, None, "spare")]
                found.rules(rule("*", "local/box", "local/spare"), backends=backends)
                got = await found.ask(path, body, *headers)
            return got, found, len(posted(good))

    return uvloop.run(main())


def sdk(found: Plane) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"http://127.0.0.1:{found.port}/v1", api_key="k", max_retries=0, timeout=20)


@pytest.mark.parametrize("alias", ["", "whisper-large-v3"])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("path", FORMS)
def test_a_form_reaches_the_backend_byte_for_byte(path: str, first: bool, alias: str) -> None:
    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        server.always(answer_of(path))
        got = await found.ask(path + "?x=1", form("w", first=first), KIND)
        assert (got.status, got.body) == (200, answer_of(path).body), got.body
        (sent,) = posted(server)
        assert sent.target == path + "?x=1"
        assert sent.body == form(alias or "w", first=first)
        assert sent.headers["content-type"] == KIND.partition(": ")[2]
        assert sent.headers["content-length"] == str(len(sent.body))
        (record,) = await found.recorded()
        assert (record.model, record.path, record.outcome) == ("w", path, "ok")
        assert record.output_tokens == (45 if "audio" in path else 70)

    run(scene, model=alias)


@pytest.mark.parametrize("path", JSONS)
def test_the_same_paths_in_json(path: str) -> None:
    body = b'{"model": "w",  "prompt":"a cat", "input":"x", "stream": true, "user":null}'

    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        server.always(answer_of(path))
        got = await found.ask(path, body)
        assert (got.status, got.body) == (200, answer_of(path).body), got.body
        (sent,) = posted(server)
        assert sent.body == b'{"model": "gpt-image-1",  "prompt":"a cat", "input":"x", "stream": true}'

    run(scene, model="gpt-image-1")


@pytest.mark.parametrize(
    ("kind", "said"), [("text/plain; charset=utf-8", b"hi\n"), ("text/plain", b""), ("text/vtt", b"WEBVTT\n")]
)
def test_subtitles_and_text_come_as_they_are(kind: str, said: bytes) -> None:
    """Silence has no subtitles at all."""

    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        server.always(Reply(200, {"content-type": kind}, body=said))
        got = await found.ask(FORMS[0], form("w", more={"response_format": "srt"}), KIND)
        assert (got.status, got.body, got.headers["content-type"]) == (200, said, kind)

    run(scene)


def test_a_model_after_25_megabytes_of_sound() -> None:
    sound = bytes(range(251)) * 100_000

    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        server.always(answer_of(FORMS[0]))
        got = await found.ask(FORMS[0], form("w", first=False, sound=sound), KIND)
        assert got.status == 200
        assert posted(server)[0].body == form("large-v3", first=False, sound=sound)

    run(scene, model="large-v3")


def test_a_form_beyond_the_limit_of_bodies_is_a_413_that_names_it() -> None:
    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        got = await found.ask(FORMS[0], form("w"), KIND)
        assert (got.status, "POINTSMAN_BODY_BYTES" in got.json()["error"]["message"]) == (413, True)
        assert not posted(server)

    run(scene, body_bytes=5_000)


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (form("w").replace(b'name="model"', b'name="mode"'), KIND, "no field 'model'"),
        (form("w"), "content-type: multipart/form-data", "boundary"),
        (form("w"), "content-type: application/json", "not valid JSON"),
        (form("w")[:-9], KIND, "is cut"),
    ],
)
def test_a_form_that_cannot_be_routed_is_the_clients_mistake(body: bytes, kind: str, said: str) -> None:
    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        got = await found.ask(FORMS[0], body, kind)
        error = got.json()["error"]
        assert (got.status, error["type"]) == (400, "invalid_request_error")
        assert said in error["message"]
        assert not posted(server)

    run(scene)


def test_a_form_comes_compressed_and_in_chunks_too() -> None:
    import gzip

    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        server.always(answer_of(FORMS[0]))
        got = await found.ask(FORMS[0], gzip.compress(form("w")), KIND, "content-encoding: gzip")
        assert got.status == 200
        assert posted(server)[0].body == form("w")

    run(scene)


# -- a failure is none of success


BAD: dict[str, Reply | str] = {
    "error inside": Reply(200, JSON, body=b'{"error":{"message":"CUDA out of memory"}}'),
    "a detail": Reply(200, JSON, body=b'{"detail":"no GPU"}'),
    "a page": Reply(200, {"content-type": "text/html"}, body=b"<html>login</html>"),
    "nothing": Reply(200, JSON, body=b"{}"),
    "500": Reply(500, JSON, body=b'{"error":{"message":"boom"}}'),
    "no such path": Reply(
        404, JSON, body=b'{"error":{"message":"File Not Found","type":"not_found_error","code":404}}'
    ),
    "no such model": Reply(
        404, JSON, body=b'{"error":{"message":"The model `w` does not exist.","code":"model_not_found"}}'
    ),
    "cut": Reply(200, JSON, parts=[b'{"text": "hel', CUT], framing="chunked"),
    "429": Reply(429, {**JSON, "retry-after": "60"}, body=b'{"error":{"message":"slow down"}}'),
}


@pytest.mark.parametrize("name", list(BAD))
@pytest.mark.parametrize("path", [FORMS[0], "/v1/images/generations"])
def test_what_is_no_answer_goes_to_the_next_target(path: str, name: str) -> None:
    body, kind = (form("w"), KIND) if path in FORMS else (b'{"model":"w"}', "accept: */*")
    got, _, asked = two(BAD[name], path, body, kind)
    assert (got.status, got.body, asked) == (200, answer_of(path).body, 1), got.body
    assert got.headers["x-pointsman-target"] == "local/spare:w"


@pytest.mark.parametrize(
    "name", ["a detail", "a page", "error inside", "nothing", "no sound", "none in pieces"]
)
def test_a_failure_is_never_saved_as_a_file_of_sound(name: str) -> None:
    """A `{"detail": ...}` with status 200 became speech.mp3, and so did no bytes at all."""
    kind = {"content-type": "audio/mpeg"}
    bad = BAD | {"no sound": Reply(200, kind), "none in pieces": Reply(200, kind, framing="chunked")}
    path = "/v1/audio/speech"
    got, _, asked = two(bad[name], path, b'{"model":"w"}', "accept: */*")
    assert (got.status, got.body, asked) == (200, answer_of(path).body, 1), got.body


def test_half_an_event_alone_is_no_transcript() -> None:
    """A stream that ended in its first event was an empty transcript without an error."""
    half = Reply(200, SSE, parts=[b'data: {"type":"transcript.text.de'], framing="chunked")
    got, _, asked = two(half, FORMS[0], form("w", more={"stream": "true"}), KIND)
    assert (got.status, got.body, asked) == (200, answer_of(FORMS[0]).body, 1), got.body


def test_a_backend_that_speaks_only_messages_is_passed_over() -> None:
    got, _, asked = two(answer_of(FORMS[0]), FORMS[0], form("w"), KIND, protocol="anthropic_messages")
    assert (got.status, asked) == (200, 1)


@pytest.mark.parametrize("path", [*FORMS, *JSONS])
def test_and_alone_says_what_it_does_not_offer(path: str) -> None:
    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        sent = (form("w"), KIND) if path in FORMS else (b'{"model":"w"}', "accept: */*")
        got = await found.ask(path, *sent)
        assert (got.status, f"does not offer {path}" in got.json()["error"]["message"]) == (501, True)
        assert not posted(server)

    run(scene, protocol="anthropic_messages")


def test_the_clients_own_mistake_is_its_own() -> None:
    error = b'{"error":{"message":"Invalid file format.","type":"invalid_request_error","param":null,"code":null}}'
    got, _, asked = two(Reply(400, JSON, body=error), FORMS[0], form("w"), KIND)
    assert (got.status, got.body, asked) == (400, error, 0)


def event(**fields: Any) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


DELTA = event(type="transcript.text.delta", delta="hello")
DONE = event(type="transcript.text.done", text="hello", usage=HEARD["usage"])


def test_a_transcript_streams_event_by_event_and_is_counted() -> None:
    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        server.always(Reply(200, SSE, parts=[DELTA, DELTA, DONE], framing="chunked"))
        got = await found.ask(FORMS[0], form("w", more={"stream": "true"}), KIND)
        assert (got.status, got.body, got.complete) == (200, DELTA + DELTA + DONE, True)
        (record,) = await found.recorded()
        assert (record.input_tokens, record.output_tokens, record.stream) == (14, 45, True)

    run(scene)


VLLM = [{"delta": {"content": "hello"}, "finish_reason": None}]
ENDS = {
    "cut by a clean close": [DELTA],
    "cut, and [DONE] of a proxy": [event(choices=VLLM), b"data: [DONE]\n\n"],
    "an error event": [DELTA, event(error={"message": "out of memory"})],
    "an error event with a type": [DELTA, event(type="error", error={"message": "out of memory"})],
    "a picture half made": [event(type="image_generation.partial_image", b64_json="aGk=")],
}


@pytest.mark.parametrize("name", list(ENDS))
def test_a_stream_cut_short_is_an_error_to_the_sdk(name: str) -> None:
    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        server.always(Reply(200, SSE, parts=list(ENDS[name]), framing="chunked"))

        def listen() -> None:
            with sdk(found) as client:
                told = client.audio.transcriptions.create(model="w", file=("a.wav", b"RIFF"), stream=True)
                for _ in told:
                    pass

        with pytest.raises(openai.APIError):
            await asyncio.to_thread(listen)
        (record,) = await found.recorded()
        assert record.outcome == "interrupted"

    run(scene)


@pytest.mark.parametrize(
    "parts",
    [
        [event(choices=VLLM), event(choices=[{"delta": {}, "finish_reason": "stop"}]), b"data: [DONE]\n\n"],
        [event(text="a segment"), event(text="another")],
        [b"data: words alone\n\n"],
        [
            event(type="image_edit.partial_image", b64_json="x" * 2_000_000),
            event(type="image_edit.completed"),
        ],
    ],
    ids=["vllm", "speaches", "words", "pictures"],
)
def test_streams_as_other_servers_write_them_pass(parts: list[bytes]) -> None:
    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        server.always(Reply(200, SSE, parts=list(parts), framing="chunked"))
        got = await found.ask(FORMS[0], form("w", more={"stream": "true"}), KIND)
        assert (got.status, got.body, got.complete) == (200, b"".join(parts), True)
        (record,) = await found.recorded()
        assert record.outcome == "ok"

    run(scene)


def test_speech_is_heard_before_it_is_whole_and_a_cut_is_seen() -> None:
    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        server.always(
            Reply(200, {"content-type": "audio/mpeg"}, parts=[b"ID3 first", CUT], framing="chunked")
        )

        def hear() -> bytes:
            with sdk(found) as client:
                said = client.audio.speech.with_streaming_response.create(
                    model="w", input="hi", voice="alloy"
                )
                got = b""
                with said as response:
                    for piece in response.iter_bytes():
                        got += piece
                        assert got == b"ID3 first"
                return got

        with pytest.raises((openai.APIError, Exception), match=r"(?i)peer|incomplete|closed|connection"):
            await asyncio.to_thread(hear)

    run(scene)


def test_pictures_larger_than_is_held_are_counted_all_the_same() -> None:
    answer = {**PICTURE, "data": [{"b64_json": base64.b64encode(b"\x89PNG" * 150_000).decode()}]}
    usage = answer.pop("usage")
    whole = json.dumps({**answer, "usage": usage}).encode()

    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        server.always(Reply(200, JSON, body=whole))
        got = await found.ask(JSONS[0], b'{"model":"w","prompt":"x"}')
        assert (got.status, got.body, got.complete) == (200, whole, True)
        (record,) = await found.recorded()
        assert (record.input_tokens, record.output_tokens) == (5, 70)

    run(scene)


def test_the_official_sdk_on_every_path() -> None:
    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        server.always(
            lambda received: (
                answer_of(received.path) if received.method == "POST" else Reply(404, JSON, body=b"{}")
            )
        )

        def use() -> None:
            with sdk(found) as client:
                sound, png = ("talk.mp3", b"ID3\0sound"), b"\x89PNG\r\n\x1a\n"
                heard = client.audio.transcriptions.create(
                    model="w", file=sound, timestamp_granularities=["word"]
                )
                assert heard.text == "hello there"
                with pytest.deprecated_call():
                    assert client.audio.translations.create(model="w", file=sound).text == "hello there"
                files = [("a.png", png), ("b.png", png + b"b")]
                edited = client.images.edit(model="w", image=files, mask=("m.png", png), prompt="a hat", n=1)
                assert [one.b64_json for one in edited.data or []] == ["aGk="]
                with pytest.deprecated_call():
                    assert client.images.create_variation(model="w", image=("a.png", png)).data
                assert client.images.generate(model="w", prompt="a cat").data
                assert (
                    client.audio.speech.create(model="w", input="x", voice="alloy").content == b"ID3\0" * 99
                )
                assert client.moderations.create(model="w", input="x").results == []

        await asyncio.to_thread(use)
        edit = next(one for one in posted(server) if one.path == "/v1/images/edits")
        assert edit.body.count(b'name="image[]"') == 2
        assert b"dall-e-3" in edit.body
        assert all(
            b'"model":"dall-e-3"' in one.body or b"\r\n\r\ndall-e-3\r\n" in one.body for one in posted(server)
        )

    run(scene, model="dall-e-3")


def test_curl_sends_a_form(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(SOUND)

    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        server.always(answer_of(FORMS[0]))
        words = ["curl", "-sS", "-m", "20", "-F", f"file=@{tmp_path}/a.wav;type=audio/wav", "-F", "model=w"]
        url = f"http://127.0.0.1:{found.port}/audio/transcriptions"  # a base URL without /v1
        done = await asyncio.to_thread(
            subprocess.run, [*words, url], capture_output=True, check=True, timeout=30
        )
        assert json.loads(done.stdout) == HEARD
        (sent,) = posted(server)
        assert SOUND in sent.body
        assert b'name="model"\r\n\r\nlarge-v3\r\n' in sent.body

    run(scene, model="large-v3")
