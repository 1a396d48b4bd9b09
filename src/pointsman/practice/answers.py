"""From a request to the practice model's reply, for every path it serves. Pure: no sockets here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from . import chat, completions, embeddings, faults, messages, models, responses
from .exchange import Part, Received, Reply
from .model import EMPTY, PracticeError, Speaker, compact, compose, fingerprint

_SPEAKERS: dict[str, Speaker] = {
    "/chat/completions": chat,
    "/responses": responses,
    "/messages": messages,
    "/completions": completions,
}
_COUNTS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "/embeddings": embeddings.answer,
    "/messages/count_tokens": messages.counted,
    "/responses/input_tokens": responses.counted,
}
_PACE_HEADER = "x-practice-pace"  # milliseconds between events
_RATE_HEADERS = {
    "x-ratelimit-limit-requests": "10000",
    "x-ratelimit-remaining-requests": "9999",
    "x-ratelimit-reset-requests": "6ms",
    "openai-processing-ms": "1",
    "openai-version": "2020-10-01",
}
_ANTHROPIC_RATE_HEADERS = {
    "anthropic-ratelimit-requests-limit": "10000",
    "anthropic-ratelimit-requests-remaining": "9999",
    "anthropic-ratelimit-requests-reset": "2026-01-01T00:00:00Z",
}
_WHOLE_ONLY_ERRORS = ("error-event", "error-first")


def reply_to(received: Received, pace: float = 0.0, fault: str | None = None) -> Reply:
    """The practice model's reply. pace: seconds between events when the request names none; fault: played
    whatever the model's name is."""
    path = _short(received.path)
    speaker = _SPEAKERS.get(path) or (messages if _is_anthropic(path, received) else chat)
    mark = fingerprint(received.body or received.target.encode())
    try:
        return _reply(received, path, speaker, mark, pace, fault)
    except PracticeError as problem:
        return _error_reply(speaker, problem, mark, {"allow": "GET" if path == "/models" else "POST"})


def _short(path: str) -> str:
    """The path without `/v1`, which may stand there once, twice or not at all."""
    while path.startswith("/v1/"):
        path = path[3:]
    return path


def _is_anthropic(path: str, received: Received) -> bool:
    return path.startswith("/messages") or "anthropic-version" in received.headers


def _headers(speaker: Speaker, mark: str) -> dict[str, str]:
    if speaker is messages:
        return {"request-id": f"req_{mark}", **_ANTHROPIC_RATE_HEADERS}
    return {"x-request-id": f"req_{mark}", **_RATE_HEADERS}


def _error_reply(speaker: Speaker, problem: PracticeError, mark: str, extra: Mapping[str, str]) -> Reply:
    headers = {
        **_headers(speaker, mark),
        **{k: v for k, v in extra.items() if k != "allow" or problem.status == 405},
    }
    return Reply(problem.status, headers, body=speaker.error_body(problem, f"req_{mark}"))


def _reply(
    received: Received, path: str, speaker: Speaker, mark: str, pace: float, fault: str | None
) -> Reply:
    if path not in _SPEAKERS and path not in _COUNTS:
        return _listing(received, path, speaker, mark)
    if received.method != "POST":
        raise PracticeError(405, f"{received.path} takes POST")
    body = _body(received)
    play = faults.read_model(body["model"])
    fault = fault or play.fault
    if fault is not None:
        failure = faults.status_of(fault)
        if failure is not None:
            return _error_reply(speaker, failure[0], mark, failure[1])
        early = faults.before_head(fault)
        if early is not None:
            return early
    if path in _COUNTS:
        return _whole(_COUNTS[path](body), speaker, mark, fault)
    ask = speaker.parse(body, mark)
    ask = replace(ask, long=play.long, thinks=ask.thinks or play.think)
    answer = replace(EMPTY, input_tokens=ask.input_tokens) if fault == "empty" else compose(ask)
    if not ask.stream:
        return _whole(speaker.whole(ask, answer), speaker, mark, fault)
    wait = _pace(received, play, pace)
    headers = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
    parts = faults.in_stream(fault, speaker.frames(ask, answer), ask, speaker, wait)
    return Reply(200, {**headers, **_headers(speaker, mark)}, parts=parts)


def _body(received: Received) -> dict[str, Any]:
    try:
        body = received.json()
    except ValueError:
        raise PracticeError(400, "the body is not valid JSON") from None
    if not isinstance(body, dict):
        raise PracticeError(400, "the body must be a JSON object")
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise PracticeError(400, "you must provide a `model`", param="model")
    return body


def _pace(received: Received, play: faults.Play, pace: float) -> float:
    if play.pace is not None:
        return play.pace
    asked = received.headers.get(_PACE_HEADER, "")
    return int(asked) / 1000 if asked.isascii() and asked.isdigit() and len(asked) < 6 else pace


def _whole(body: dict[str, Any], speaker: Speaker, mark: str, fault: str | None) -> Reply:
    if fault in _WHOLE_ONLY_ERRORS:
        problem = PracticeError(500, "the practice model failed, as it was asked to")
        return _error_reply(speaker, problem, mark, {})
    headers = {"content-type": "application/json", **_headers(speaker, mark)}
    data = compact(body).encode()
    parts: list[Part] | None = faults.in_whole(fault, data) if fault else None
    if parts is None:
        return Reply(200, headers, body=data)
    if fault != "garbage":
        headers["content-length"] = str(len(data))
    return Reply(200, headers, parts=parts, framing="length")


def _listing(received: Received, path: str, speaker: Speaker, mark: str) -> Reply:
    headers = _headers(speaker, mark)
    if path in ("/", "/api/hello"):
        return Reply(200, headers, body={"status": "ok", "model": faults.NAME})
    if path == "/models" or path.startswith("/models/"):
        if received.method not in ("GET", "HEAD"):
            raise PracticeError(405, f"{received.path} takes GET")
        if path == "/models":
            return Reply(200, headers, body=models.listing())
        return Reply(200, headers, body=models.entry(unquote(path.removeprefix("/models/"))))
    raise PracticeError(
        404, f"the practice model does not serve {received.method} {received.path}", code="not_found"
    )
