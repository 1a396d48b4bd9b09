"""Reasons to stop that no protocol defines, and errors without their wrapper, as users' backends send them."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.conversation.events import Failed, Stop
from pointsman.conversation.reply import fold
from pointsman.dialects.stop_words import FAILED, meaning_of
from pointsman.kinds import ErrorKind, Protocol
from tests.vendor_bodies import chat
from tests.vendor_bodies.wire import encoded, named, sse

from .verdicts import agree, reader_of, translated, whole

CHAT = Protocol.OPENAI_CHAT
FILTERS = ["sensitive", "SAFETY", "RECITATION", "content-filter", "IMAGE_SAFETY", "guardrail_intervened", "ERROR_TOXIC", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "moderation", "unsafe", "jailbreak", "FINISH_REASON_SAFETY", " content_filter "]  # fmt: skip
FAILURES = ["network_error", "insufficient_system_resource", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "abort", "aborted", "error", "timeout", "cancelled", "USER_CANCEL", "failed", "modelUnloaded", "internal_error", "engine_overloaded", "server_shutdown", "out_of_memory", "OOM", "preempted", "connection_closed", "bad_request"]  # fmt: skip
LIMITS = [
    "max_tokens",
    "MAX_TOKENS",
    "model_length",
    "maxPredictedTokensReached",
    "limit",
    "truncated",
    "max_steps",
    "max_tool_calls",
    "partial",
]
ENDS = [
    "eos",
    "eos_token",
    "STOP",
    "end_turn",
    "COMPLETE",
    "finished",
    "eosFound",
    " stop ",
    "<|im_end|>",
    "<|eot_id|>",
    "FINISH_REASON_STOP",
    "hit_stop_token",
]
UNKNOWN = ["OTHER", "LANGUAGE", "banana", "load"]
CLASSES: list[tuple[str, Stop | str | None]] = [
    *((word, Stop.REFUSAL) for word in FILTERS),
    *((word, FAILED) for word in FAILURES),
    *((word, Stop.MAX_TOKENS) for word in LIMITS),
    *((word, Stop.END) for word in ENDS),
    *((word, None) for word in UNKNOWN),
    ("model_context_window_exceeded", Stop.CONTEXT_WINDOW),
    ("contextLengthReached", Stop.CONTEXT_WINDOW),
    ("tool_use", Stop.TOOL_USE),
    ("TOOL_CALL", Stop.TOOL_USE),
    ("stop_sequence", Stop.STOP_SEQUENCE),
]


@pytest.mark.parametrize(("word", "meaning"), CLASSES)
def test_what_a_servers_own_word_means(word: str, meaning: Stop | str | None) -> None:
    assert meaning_of(word) == meaning


@pytest.mark.parametrize(("word", "meaning"), CLASSES)
def test_half_an_answer_is_no_success_whatever_word_it_ends_with(
    word: str, meaning: Stop | str | None
) -> None:
    used = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}
    raw = chat.stream(chat.delta(content="half an ans"), chat.delta(word), used)
    verdict = agree(CHAT, [raw])
    assert whole(CHAT, encoded(chat.whole({"content": "half an ans"}, word, used["usage"]))) == verdict
    assert verdict.usage is not None
    assert verdict.usage.output == 2
    if meaning is FAILED:
        assert verdict.error == (ErrorKind.UPSTREAM_ERROR, 502)
        (failed,) = (event for event in translated(CHAT, [raw])[1] if isinstance(event, Failed))
        assert word in failed.error.public
        return
    assert (verdict.error, verdict.stop) == (None, meaning or Stop.END)
    assert verdict.refused is (meaning is Stop.REFUSAL)
    assert fold(translated(CHAT, [raw])[1]).word == ("" if meaning else word)


@pytest.mark.parametrize("reason", ["null", "None", " "])
@pytest.mark.parametrize(("word", "stop"), [("length", Stop.MAX_TOKENS), ("stop", Stop.END)])
def test_a_word_for_null_in_every_chunk_hides_no_reason(reason: str, word: str, stop: Stop) -> None:
    chunks = (chat.delta(reason, content="a"), chat.delta(reason, content="b"))
    assert not agree(CHAT, [chat.stream(*chunks, done=False)]).finished
    assert agree(CHAT, [chat.stream(*chunks, chat.delta(word))]).stop is stop


@pytest.mark.parametrize(
    ("reason", "stop", "word"),
    [
        (2, Stop.END, "2"),
        ({"type": "length"}, Stop.MAX_TOKENS, ""),
        (["stop"], Stop.END, ""),
        (True, Stop.END, "true"),
    ],
)
def test_a_reason_that_is_no_word_is_read_or_told(reason: Any, stop: Stop, word: str) -> None:
    raw = chat.stream(chat.delta(content="half an ans"), chat.delta(reason))
    assert whole(CHAT, encoded(chat.whole({"content": "half an ans"}, reason))).stop is stop
    assert agree(CHAT, [raw]).stop is stop
    assert fold(translated(CHAT, [raw])[1]).word == word


@pytest.mark.parametrize("reason", ["", None])
def test_an_empty_finish_reason_is_none(reason: str | None) -> None:
    chunks = (chat.delta(reason, content="a"), chat.delta(reason, content="b"))
    assert not agree(CHAT, [chat.stream(*chunks, done=False)]).finished


@pytest.mark.parametrize(
    ("word", "stop"),
    [
        ("brand_new", Stop.END),
        ("safety", Stop.REFUSAL),
        ("max_output", Stop.END),
        ("length", Stop.MAX_TOKENS),
    ],
)
def test_a_new_stop_reason_of_a_messages_server(word: str, stop: Stop) -> None:
    raw = named(
        {"type": "message_start", "message": {"id": "msg_1", "type": "message", "content": []}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "hi"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": word}},
        {"type": "message_stop"},
    )
    verdict = agree(Protocol.ANTHROPIC_MESSAGES, [raw])
    assert (verdict.stop, verdict.error) == (stop, None)


def test_a_messages_answer_that_says_it_failed_in_its_stop_reason() -> None:
    raw = named(
        {"type": "message_start", "message": {"id": "msg_1", "type": "message", "content": []}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "hi"}},
        {"type": "message_delta", "delta": {"stop_reason": "network_error"}},
        {"type": "message_stop"},
    )
    assert agree(Protocol.ANTHROPIC_MESSAGES, [raw]).error == (ErrorKind.UPSTREAM_ERROR, 502)


BARE: dict[str, tuple[bytes, str]] = {
    "an event named error": (b'event: error\ndata: {"message":"GPU fell off","type":"server_error"}\n\n', "GPU fell off"),
    "an event named error, in words": (b"event: error\ndata: GPU fell off\n\n", "GPU fell off"),
    "an object named error": (sse({"object": "error", "message": "GPU fell off", "code": 500}), "GPU fell off"),
    "FastAPI's detail": (sse({"detail": "GPU fell off"}), "GPU fell off"),
    "a list of errors": (sse({"errors": [{"message": "GPU fell off"}]}), "GPU fell off"),
    "an error_msg": (sse({"error_code": 336, "error_msg": "GPU fell off"}), "GPU fell off"),
    "an event named exception": (b"event: exception\ndata: GPU fell off\n\n", "GPU fell off"),
    "a field named error (llama.cpp)": (b'error: {"code":500,"message":"GPU fell off"}\n\n', "GPU fell off"),
    "an object without framing": (b'{"detail":"GPU fell off"}\n\n', "GPU fell off"),
    "Google's list": (sse([{"error": {"code": 503, "message": "GPU fell off"}}]), "GPU fell off"),  # type: ignore[arg-type]
    "MiniMax's": (sse({"choices": None, "base_resp": {"status_code": 1002, "status_msg": "GPU fell off"}}), "GPU fell off"),
    "MiniMax's, with choices": (sse({"choices": [], "base_resp": {"status_code": 1, "status_msg": "GPU fell off"}}), "GPU fell off"),
    "OpenRouter's, in its choice": (sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "error", "error": {"code": 502, "message": "GPU fell off"}}]}), "GPU fell off"),
    "Bedrock's": (sse({"internalServerException": {"message": "GPU fell off"}}), "GPU fell off"),
    "in capitals": (sse({"Message": "GPU fell off"}), "GPU fell off"),
    "wrapped once more": (sse({"data": {"error": {"message": "GPU fell off"}}}), "GPU fell off"),
    "error: true": (sse({"error": True, "message": "GPU fell off"}), "GPU fell off"),
    "a reason": (sse({"type": "error", "reason": "GPU fell off"}), "GPU fell off"),
    "words alone": (b"data: Error: GPU fell off\n\n", "Error: GPU fell off"),
    "Anthropic's form": (sse({"type": "error", "error": {"type": "api_error", "message": "GPU fell off"}}), "GPU fell off"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(BARE))
@pytest.mark.parametrize(
    "before", [b"", sse(chat.delta(content="half an ans"))], ids=["first", "in mid-stream"]
)
def test_an_error_without_its_wrapper_is_an_error_and_keeps_its_words(name: str, before: bytes) -> None:
    event, words = BARE[name]
    raw = before + event + chat.DONE
    assert agree(CHAT, [raw]).error is not None
    (failed,) = (event for event in translated(CHAT, [raw])[1] if isinstance(event, Failed))
    assert failed.error.public == words


@pytest.mark.parametrize(
    "body",
    [
        {"object": "error", "message": "GPU fell off", "code": 500},
        {"detail": "GPU fell off"},
        {"error": "GPU fell off"},
        {"id": "1", "choices": [], "base_resp": {"status_code": 1002, "status_msg": "GPU fell off"}},
        {"success": False, "errors": ["GPU fell off"]},
        {
            "choices": [
                {"index": 0, "message": {}, "finish_reason": "stop", "error": {"message": "GPU fell off"}}
            ]
        },
    ],
)
def test_the_words_of_an_error_survive_in_a_200_body(body: dict[str, Any]) -> None:
    assert whole(CHAT, encoded(body)).error is not None
    reader = reader_of(CHAT)
    with pytest.raises(Exception, match="GPU fell off"):
        reader.reply(encoded(body))


@pytest.mark.parametrize(
    "frame", [{}, {"type": "ping"}, {"choices": None, "usage": {"prompt_tokens": 1}}, {"id": "x"}]
)
def test_a_frame_that_says_nothing_is_no_error(frame: dict[str, Any]) -> None:
    raw = chat.stream(chat.delta(content="hi"), frame, chat.delta("stop"))
    assert agree(CHAT, [raw]).error is None
