"""An error that a backend tells after its 200, in whichever form, also where the bytes pass as they came. Users saw agents
that never compacted: the overflow came inside the stream, in words that they do not act on. Over the wire."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import uvloop

from pointsman.practice import Reply, ScriptedUpstream
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, STREAM, WHOLE

from .plane import Got, plane, rule
from .test_translation import CLEAN, PATHS, ask, one, spec, stream

WORDS = "the request exceeds the available context size, try increasing it"
LLAMA = {
    "code": 400,
    "type": "exceed_context_size_error",
    "message": WORDS,
    "n_prompt_tokens": 9000,
    "n_ctx": 4096,
}
"""https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md"""


def sse(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def named(name: str, value: Any) -> bytes:
    return b"event: %b\n%b" % (name.encode(), sse(value))


FORMS: dict[str, bytes] = {
    "llama.cpp": sse({"error": LLAMA}),
    "llama.cpp, named": named("error", {"error": LLAMA}),
    "without its wrapper": sse(LLAMA),
    "without its wrapper, named": named("error", LLAMA),
    "a string under error": sse({"error": WORDS}),
    "an error in an error's message": sse({"error": {"message": json.dumps({"error": LLAMA})}}),
    "a bare string": sse(WORDS),
    "a bare string, named": named("error", WORDS),
    "JSON in a bare string": sse(json.dumps({"error": LLAMA})),
    "a list": sse([{"error": LLAMA}]),
    "a list, named": named("error", [{"error": LLAMA}]),
    "a list of strings": sse([WORDS]),
    "a field": b"error: " + json.dumps(LLAMA).encode() + b"\n\n",
    "no frame": json.dumps({"error": LLAMA}).encode() + b"\n\n",
    "detail": sse({"detail": WORDS}),
    "vLLM": sse({"object": "error", "message": WORDS, "type": "BadRequestError", "param": None, "code": 400}),
    "Anthropic's, in words of its own": named(
        "error", {"type": "error", "error": {"type": "invalid_request_error", "message": WORDS}}
    ),
    "OpenAI's, without its code": named(
        "error", {"type": "error", "sequence_number": 9, "code": None, "message": WORDS, "param": None}
    ),
    "a failed response, with another code": named(
        "response.failed",
        {
            "type": "response.failed",
            "response": {"id": "r", "status": "failed", "error": {"code": "server_error", "message": WORDS}},
        },
    ),
    "OpenRouter": sse(
        {
            "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
            "error": {"code": 400, "message": "Provider returned error", "metadata": {"raw": json.dumps({"error": LLAMA})}},
        }
    ),
    "in a choice": sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "error", "error": LLAMA}]}),
    "plain words": b"data: Error: " + WORDS.encode() + b"\n\n",
    "plain words, named": b"event: error\ndata: " + WORDS.encode() + b"\n\n",
    "over several lines": b'event: error\ndata: {\ndata: "error": {"message": "%b"}\ndata: }\n\n' % WORDS.encode(),
    "an exception": named("exception", {"message": WORDS}),
}  # fmt: skip
forms = pytest.mark.parametrize("form", list(FORMS))
clients = pytest.mark.parametrize("client", list(PATHS))
upstreams = pytest.mark.parametrize("upstream", list(PATHS))


def begun(upstream: str) -> list[bytes]:
    """A stream up to its first words."""
    events = re.split(rb"(?<=\n\n)", STREAM[upstream]("half"))
    return events[: next(at for at, one in enumerate(events) if b'"lf"' in one) + 1]


def acted_on(client: str, got: Got) -> str:
    """What makes the client compact, in the first error that it meets: the vendor's words, or its code."""
    if got.headers["content-type"].startswith("application/json"):
        error = got.json()["error"]
        return str(error["message"] if client == MESSAGES else error["code"])
    met = ""
    for event in got.body.decode().replace("\r\n", "\n").split("\n\n"):
        name = re.search(r"^event: ?(.*)$", event, re.MULTILINE)
        data = "\n".join(re.findall(r"^data: ?(.*)$", event, re.MULTILINE))
        if client == MESSAGES:
            if name and name[1] == "error":
                return str(json.loads(data)["error"]["message"])
        elif data:
            value = json.loads(data)  # the SDKs parse each event
            assert isinstance(value, dict)
            if client == CHAT and value.get("error"):
                return str(value["error"]["code"])
            if value.get("type") == "error":  # the SDKs raise here
                met = value["code"]
            if value.get("type") == "response.failed":  # Codex acts on it
                assert met in ("", value["response"]["error"]["code"])
                return str(value["response"]["error"]["code"])
    return met and f"{met}, and nothing for Codex"


def compacts(client: str, got: Got) -> bool:
    said = acted_on(client, got)
    return said.startswith("prompt is too long") if client == MESSAGES else said == "context_length_exceeded"


@forms
@upstreams
@clients
def test_an_overflow_told_in_the_middle_of_an_answer_makes_agents_compact(
    client: str, upstream: str, form: str
) -> None:
    got = stream(client, upstream, *begun(upstream), FORMS[form])
    assert compacts(client, got), got.body[-500:]
    assert CLEAN[client] not in got.body
    for cut in (b"".join(begun(upstream)) + FORMS[form], FORMS[form]):  # in one piece; before any content
        got = stream(client, upstream, cut)
        assert compacts(client, got), got.body[-500:]


@pytest.mark.parametrize(
    "body",
    [json.dumps(WORDS), json.dumps([WORDS]), json.dumps([{"error": LLAMA}]), WORDS, json.dumps({"detail": WORDS}),
     json.dumps({"status": "error", "data": {"error": LLAMA}}), json.dumps(LLAMA)],
)  # fmt: skip
@upstreams
@clients
def test_an_overflow_told_as_a_body_of_status_200_makes_agents_compact(
    client: str, upstream: str, body: str
) -> None:
    got, _ = one(client, upstream, Reply(200, JSON, body=body.encode()))
    assert (got.status, compacts(client, got)) == (400, True), got.body


@pytest.mark.parametrize("said", ["GPU fell over", ["GPU fell over"], "failed"])
@upstreams
@clients
def test_a_bare_string_in_a_stream_is_an_error_and_no_clean_end(
    client: str, upstream: str, said: Any
) -> None:
    """Chat to Messages told `end_turn`."""
    got = stream(client, upstream, *begun(upstream), sse(said))
    assert b"GPU fell over" in got.body or b"failed" in got.body
    assert CLEAN[client] not in got.body
    assert acted_on(client, got) not in ("", "context_length_exceeded")


@upstreams
def test_a_word_that_keeps_a_stream_alive_is_no_error(upstream: str) -> None:
    first, *rest = re.split(rb"(?<=\n\n)", STREAM[upstream]("hello there"))
    got = stream(upstream, upstream, first, sse("ping"), *rest)
    assert CLEAN[upstream] in got.body


OWN: list[tuple[str, bytes]] = [
    (CHAT, sse({"error": {"message": "m", "type": "invalid_request_error", "param": None, "code": "context_length_exceeded"}})),
    (CHAT, sse({"error": {"message": "Overloaded: try again", "type": "server_error", "code": 503}, "x": 1})),
    (MESSAGES, named("error", {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 9 tokens > 8 maximum"}})),
    (MESSAGES, named("error", {"type": "error", "error": {"details": None, "type": "overloaded_error", "message": "Overloaded"}, "request_id": "r"})),
    (RESPONSES, named("response.failed", {"type": "response.failed", "sequence_number": 9, "response": {"id": "r", "status": "failed",
      "error": {"code": "context_length_exceeded", "message": WORDS}}})),
]  # fmt: skip


@pytest.mark.parametrize(("client", "event"), OWN)
def test_an_error_in_the_vendors_form_and_words_passes_byte_for_byte(client: str, event: bytes) -> None:
    sent = b"".join(begun(client)) + event
    assert stream(client, client, sent).body == sent


def test_codex_gets_the_failed_response_that_a_server_leaves_out_after_its_error() -> None:
    """It passes over `error`, and would ask again until it gives up."""
    event = named(
        "error", {"type": "error", "code": "context_length_exceeded", "message": WORDS, "param": None}
    )
    got = stream(RESPONSES, RESPONSES, *begun(RESPONSES), event)
    assert event in got.body
    assert acted_on(RESPONSES, got) == "context_length_exceeded"
    own = named("response.failed", {"type": "response.failed", "response": {"id": "r", "status": "failed", "error": {"code": "x", "message": "m"}}})  # fmt: skip
    assert stream(RESPONSES, RESPONSES, *begun(RESPONSES), event, own).body.endswith(event + own)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("form", ["a bare string", "llama.cpp", "vLLM"])
def test_an_overflow_inside_a_200_goes_to_the_target_that_the_rule_names_for_it(
    form: str, whole: bool
) -> None:
    body = re.sub(rb"^data: |\n\n$", b"", FORMS[form])
    failing = (
        Reply(200, JSON, body=body) if whole else Reply(200, SSE, parts=[FORMS[form]], framing="chunked")
    )

    async def main() -> Got:
        with ScriptedUpstream() as small, ScriptedUpstream() as large:
            small.always(failing)
            large.always(Reply(200, JSON, body=WHOLE[CHAT]("it fits")))
            async with plane() as found:
                backends = [spec(small, CHAT, "small"), spec(large, CHAT, "large")]
                found.rules(
                    rule("*", "local/small", "local/large", fallback_on=("context",)), backends=backends
                )
                return await found.ask(PATHS[CHAT], ask(CHAT, stream=not whole))

    assert b"it fits" in uvloop.run(main()).body
