"""Our errors as the official SDKs raise them: whole, and inside a stream that has begun. Over a real socket."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from pointsman.dialects.registry import DIALECTS
from pointsman.errors import PointsmanError
from pointsman.kinds import BACKEND_PROTOCOLS, ErrorKind, Protocol
from pointsman.practice import Reply, ScriptedUpstream
from pointsman.wire.sse import EventSplitter, data_of, name_of

from .reading import read

ID = "req_0123456789"
TEXT = 'It did not work: \u00e9 "quoted" \\ \n- next line.'
KINDS = list(ErrorKind)
CHAT, RESPONSES, MESSAGES = Protocol.OPENAI_CHAT, Protocol.OPENAI_RESPONSES, Protocol.ANTHROPIC_MESSAGES
COMPLETIONS, EMBEDDINGS = Protocol.COMPLETIONS, Protocol.EMBEDDINGS


def error_of(kind: ErrorKind, **more: Any) -> PointsmanError:
    return PointsmanError(kind, TEXT, **more)


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def oa(server: ScriptedUpstream) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="k", max_retries=0, timeout=10) as client:
        yield client


@pytest.fixture(scope="module")
def an(server: ScriptedUpstream) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=server.url, api_key="k", max_retries=0, timeout=10) as client:
        yield client


SAY: list[Any] = [{"role": "user", "content": "hi"}]


def ask_openai(client: openai.OpenAI, protocol: Protocol, stream: bool = False) -> Any:
    match protocol:
        case Protocol.OPENAI_CHAT:
            return client.chat.completions.create(model="m", messages=SAY, stream=stream)
        case Protocol.OPENAI_RESPONSES:
            return client.responses.create(model="m", input="hi", stream=stream)
        case Protocol.COMPLETIONS:
            return client.completions.create(model="m", prompt="hi", stream=stream)
        case _:
            return client.embeddings.create(model="m", input="hi")


# -- whole errors

OPENAI_CLASSES: dict[int, type[openai.APIStatusError]] = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
}
ANTHROPIC_CLASSES: dict[ErrorKind, tuple[str, str]] = {
    ErrorKind.BAD_REQUEST: ("BadRequestError", "invalid_request_error"),
    ErrorKind.UNAUTHORIZED: ("AuthenticationError", "authentication_error"),
    ErrorKind.FORBIDDEN: ("PermissionDeniedError", "permission_error"),
    ErrorKind.NOT_FOUND: ("NotFoundError", "not_found_error"),
    ErrorKind.NOT_RECORDED: ("NotFoundError", "not_found_error"),
    ErrorKind.MODEL_NOT_FOUND: ("NotFoundError", "not_found_error"),
    ErrorKind.METHOD_NOT_ALLOWED: ("APIStatusError", "invalid_request_error"),
    ErrorKind.CONFLICT: ("ConflictError", "conflict_error"),
    ErrorKind.TOO_LARGE: ("ContentTooLargeError", "request_too_large"),
    ErrorKind.INVALID: ("BadRequestError", "invalid_request_error"),
    ErrorKind.RATE_LIMITED: ("RateLimitError", "rate_limit_error"),
    ErrorKind.INTERNAL: ("InternalServerError", "api_error"),
    ErrorKind.NOT_IMPLEMENTED: ("HTTPNotImplementedError", "invalid_request_error"),
    ErrorKind.UPSTREAM_UNREACHABLE: ("InternalServerError", "api_error"),
    ErrorKind.UPSTREAM_ERROR: ("InternalServerError", "api_error"),
    ErrorKind.UPSTREAM_TIMEOUT: ("GatewayTimeoutError", "timeout_error"),
    ErrorKind.UNAVAILABLE: ("ServiceUnavailableError", "overloaded_error"),
    ErrorKind.CONTEXT_LENGTH: ("BadRequestError", "invalid_request_error"),
    ErrorKind.BILLING: ("PaymentRequiredError", "billing_error"),
    ErrorKind.OVERLOADED: ("OverloadedError", "overloaded_error"),
}
FAILED_CODES = {
    ErrorKind.RATE_LIMITED: "rate_limit_exceeded",
    ErrorKind.CONTEXT_LENGTH: "context_length_exceeded",
    ErrorKind.BILLING: "insufficient_quota",
}


def worded(protocol: Protocol, kind: ErrorKind) -> str:
    """Claude Code compacts when a text begins so (docs/protocols/errors.md#input-too-long)."""
    told = protocol is Protocol.ANTHROPIC_MESSAGES and kind is ErrorKind.CONTEXT_LENGTH
    return f"prompt is too long: {TEXT}" if told else TEXT


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("protocol", [CHAT, RESPONSES, COMPLETIONS, EMBEDDINGS])
def test_the_openai_sdk_raises_the_right_class(
    server: ScriptedUpstream, oa: openai.OpenAI, protocol: Protocol, kind: ErrorKind
) -> None:
    error = error_of(kind, param="model")
    body = DIALECTS[protocol].error(error, ID)
    status = DIALECTS[protocol].status(error)
    server.script(Reply(status, {"content-type": "application/json", "x-request-id": ID}, body))
    with pytest.raises(openai.APIStatusError) as caught:
        ask_openai(oa, protocol)
    raised = caught.value
    expected = OPENAI_CLASSES.get(status)
    if expected is None:
        expected = openai.InternalServerError if status >= 500 else openai.APIStatusError
    assert type(raised) is expected
    assert raised.request_id == ID
    assert raised.param == "model"
    assert TEXT in raised.message
    assert raised.type
    fields = json.loads(body)["error"]
    assert set(fields) == {"message", "type", "param", "code"}
    assert raised.code == fields["code"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_anthropic_sdk_raises_the_right_class(
    server: ScriptedUpstream, an: anthropic.Anthropic, kind: ErrorKind
) -> None:
    error = error_of(kind)
    body = DIALECTS[MESSAGES].error(error, ID)
    status = DIALECTS[MESSAGES].status(error)
    server.script(Reply(status, {"content-type": "application/json", "request-id": ID}, body))
    with pytest.raises(anthropic.APIStatusError) as caught:
        an.messages.create(model="m", max_tokens=5, messages=SAY)
    raised = caught.value
    name, word = ANTHROPIC_CLASSES[kind]
    assert type(raised).__name__ == name
    assert raised.request_id == ID
    inside = {"type": word, "message": worded(MESSAGES, kind)}
    assert json.loads(body) == {"type": "error", "error": inside, "request_id": ID}
    assert raised.body == json.loads(body)


def test_every_kind_has_a_status_and_its_words() -> None:
    for kind in ErrorKind:
        assert 400 <= error_of(kind).status < 600
        for dialect in DIALECTS.values():
            told = json.loads(dialect.error(error_of(kind), ID))["error"]
            assert TEXT in (told if dialect.halves else told["message"])  # Ollama's is the text itself


def test_a_status_of_its_own_is_kept() -> None:
    assert error_of(ErrorKind.BAD_REQUEST, status=415).status == 415


# -- inside a stream

BEGUN: dict[Protocol, bytes] = {
    CHAT: b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
    b'"delta":{"role":"assistant","content":"Hel"},"finish_reason":null}]}\n\n',
    COMPLETIONS: b'data: {"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":"Hel",'
    b'"finish_reason":null,"logprobs":null}]}\n\n',
    RESPONSES: b'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":{"id":"r",'
    b'"object":"response","created_at":1,"model":"m","output":[],"parallel_tool_calls":true,"tool_choice":"auto","tools":[],'
    b'"status":"in_progress","error":null,"incomplete_details":null,"instructions":null,"metadata":{},"temperature":1,"top_p":1}}\n\n',
    MESSAGES: b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant",'
    b'"model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}}\n\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}\n\n',
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("protocol", [CHAT, COMPLETIONS])
def test_the_openai_sdk_raises_on_an_error_in_a_stream(
    server: ScriptedUpstream, oa: openai.OpenAI, protocol: Protocol, kind: ErrorKind
) -> None:
    server.script(Reply.sse(BEGUN[protocol], DIALECTS[protocol].stream_error(error_of(kind), ID)))
    got = []
    with pytest.raises(openai.APIError) as caught:
        for chunk in ask_openai(oa, protocol, stream=True):
            got.append(chunk)
    assert len(got) == 1
    assert TEXT in caught.value.message
    assert not isinstance(caught.value, openai.APIConnectionError)


@pytest.mark.parametrize("kind", KINDS)
def test_the_anthropic_sdk_raises_on_an_error_in_a_stream(
    server: ScriptedUpstream, an: anthropic.Anthropic, kind: ErrorKind
) -> None:
    server.script(Reply.sse(BEGUN[MESSAGES], DIALECTS[MESSAGES].stream_error(error_of(kind), ID)))
    said = ""
    with pytest.raises(anthropic.APIStatusError) as caught:
        with an.messages.stream(model="m", max_tokens=5, messages=SAY) as stream:
            for words in stream.text_stream:
                said += words
    assert said == "Hel"
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["error"] == {
        "type": ANTHROPIC_CLASSES[kind][1],
        "message": worded(MESSAGES, kind),
    }
    assert caught.value.body["request_id"] == ID


@pytest.mark.parametrize("kind", KINDS)
def test_the_openai_sdk_raises_in_a_stream_of_responses(
    server: ScriptedUpstream, oa: openai.OpenAI, kind: ErrorKind
) -> None:
    """As at the vendor's own: `error` first, on which it raises."""
    server.script(Reply.sse(BEGUN[RESPONSES], DIALECTS[RESPONSES].stream_error(error_of(kind), ID)))
    kinds: list[str] = []
    with pytest.raises(openai.APIError) as caught:
        for event in ask_openai(oa, RESPONSES, stream=True):
            kinds.append(event.type)
    assert kinds == ["response.created"]
    assert caught.value.message == TEXT
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["code"] == FAILED_CODES.get(kind, "server_error")


@pytest.mark.parametrize("kind", KINDS)
def test_codex_finds_the_failed_response_with_a_code_it_acts_on(kind: ErrorKind) -> None:
    error, last = EventSplitter().feed(DIALECTS[RESPONSES].stream_error(error_of(kind), ID))
    told, failed = json.loads(data_of(error)), json.loads(data_of(last))
    assert failed["type"] == "response.failed"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"]["message"] == TEXT
    # Codex knows these codes and retries on every other (docs/protocols/errors.md#codes-for-codex)
    assert failed["response"]["error"]["code"] == FAILED_CODES.get(kind, "server_error")
    assert (told["code"], told["message"]) == (failed["response"]["error"]["code"], TEXT)
    assert failed["sequence_number"] == told["sequence_number"] + 1


def test_the_openai_sdks_strict_stream_helper_sees_it_too(
    server: ScriptedUpstream, oa: openai.OpenAI
) -> None:
    """It refuses a response whose id changes, so the failed one has the id of the one that began."""
    watch = DIALECTS[RESPONSES].seen()
    for event in EventSplitter().feed(BEGUN[RESPONSES]):
        watch.event(event)
    assert watch.answer_id == "r"
    end = DIALECTS[RESPONSES].stream_error(error_of(ErrorKind.UPSTREAM_ERROR), ID, watch.answer_id)
    server.script(Reply.sse(BEGUN[RESPONSES], end))
    kinds: list[str] = []
    with pytest.raises(openai.APIError, match=re.escape(TEXT)):
        with oa.responses.stream(model="m", input="hi") as stream:
            for event in stream:
                kinds.append(event.type)
    assert kinds == ["response.created"]


@pytest.mark.parametrize(
    ("protocol", "answer_id", "told"),
    [(CHAT, "c", None), (COMPLETIONS, "c", None), (RESPONSES, "r", "r"), (MESSAGES, "m", ID)],
)
def test_the_answers_id_is_kept_where_events_carry_one(protocol: Protocol, answer_id: str, told: str) -> None:
    """Messages' error events carry the request's id instead, those of Chat none: beside `error` nothing may stand."""
    dialect = DIALECTS[protocol]
    watch = dialect.seen()
    for event in EventSplitter().feed(BEGUN[protocol]):
        watch.event(event)
    assert watch.answer_id == answer_id
    *_, event = EventSplitter().feed(dialect.stream_error(error_of(ErrorKind.INTERNAL), ID, watch.answer_id))
    value = json.loads(data_of(event))
    found = value.get("id") or value.get("response", {}).get("id") or value.get("request_id")
    assert found == told


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("protocol", BACKEND_PROTOCOLS)
def test_an_error_in_a_stream_is_whole_events_and_no_clean_end(protocol: Protocol, kind: ErrorKind) -> None:
    raw = DIALECTS[protocol].stream_error(error_of(kind), ID)
    splitter = EventSplitter()
    events = splitter.feed(raw)
    assert splitter.finish() == b""
    names = {MESSAGES: ["error"], RESPONSES: ["error", "response.failed"]}
    assert [name_of(event).decode() for event in events] == names.get(protocol, [""])
    assert raw.endswith(b"\n\n")
    value = json.loads(data_of(events[-1]))
    if protocol in (CHAT, COMPLETIONS):
        assert set(value) == {"error"}, "Vercel's client takes an error beside choices for a chunk"
    for clean in (b"[DONE]", b"message_stop", b"response.completed", b'"finish_reason":"stop"'):
        assert clean not in raw
    assert (value.get("error") or value["response"]["error"])["message"] == worded(protocol, kind)


@pytest.mark.parametrize("protocol", [CHAT, RESPONSES, MESSAGES, COMPLETIONS])
def test_our_own_watch_sees_it_as_an_error(protocol: Protocol) -> None:
    """A gateway behind a gateway: the inner one's in-band error is the outer one's failure."""
    said = read(
        protocol, [BEGUN[protocol], DIALECTS[protocol].stream_error(error_of(ErrorKind.UPSTREAM_ERROR), ID)]
    )
    assert said.error is not None
    assert "It did not work" in said.error
    assert said.malformed == 0
