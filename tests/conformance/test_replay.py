"""Recorded exchanges of OpenAI, Anthropic and vLLM come back byte for byte in the same protocol."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from pointsman.practice import Reply, ScriptedUpstream
from tests.e2e.gateway import Gateway

from .recordings import Recording, folder, recordings

OWN = {"x-request-id", "request-id"}  # ours on every answer; the upstream's is told as x-upstream-request-id


@dataclass
class Stage:
    gateway: Gateway
    server: ScriptedUpstream

    def play(self, recording: Recording, reply: Reply) -> Any:
        self.server.always(reply)
        before = len(self.server.requests)
        headers = {"anthropic-version": "2023-06-01"} if recording.kind == "anthropic" else {}
        answer = self.gateway.fetch(
            "POST", recording.path, recording.request, **{k.replace("-", "_"): v for k, v in headers.items()}
        )
        (received,) = [r for r in self.server.requests[before:] if r.method == "POST"]
        return answer, received


def check_request(recording: Recording, received: Any) -> None:
    assert received.target == recording.path
    asked_for = recording.path in ("/v1/chat/completions", "/v1/completions")
    if recording.stream and asked_for and received.body != recording.request:
        # the one exemption: usage is asked for where the backend understands that
        sent, got = json.loads(recording.request), json.loads(received.body)
        assert "stream_options" not in sent
        assert got.pop("stream_options") == {"include_usage": True}
        assert got == sent
    else:
        assert received.body == recording.request


def test_recordings_are_here() -> None:
    if not recordings():
        pytest.skip(f"NO RECORDINGS at {folder()}: nothing of tests/conformance is checked")
    assert len(recordings()) >= 349


def test_comes_back_byte_for_byte(stage: Stage, recording: Recording) -> None:
    """Written in pieces of 997 bytes: boundaries in the wrong places, as in life."""
    if recording.stream:
        parts = [recording.response[at : at + 997] for at in range(0, len(recording.response), 997)]
        reply = Reply(recording.status, recording.headers, parts=parts, framing="chunked")
    else:
        reply = Reply(recording.status, recording.headers, body=recording.response)
    answer, received = stage.play(recording, reply)
    check_request(recording, received)
    assert answer.status == recording.status
    assert answer.body == recording.response
    for name, value in recording.headers:
        if name.lower() in OWN:
            assert answer.header("x-upstream-request-id")
        else:
            assert answer.header(name) == value, name


def some(stream: bool) -> list[Recording]:
    """One of each host and path."""
    found: dict[tuple[str, str], Recording] = {}
    for recording in recordings():
        if recording.stream == stream and recording.status == 200:
            found.setdefault((recording.host, recording.path), recording)
    return list(found.values())


@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize("chosen", some(True), ids=str)
def test_tiny_pieces_change_nothing(stage: Stage, chosen: Recording, size: int) -> None:
    head = chosen.response[:3000]
    parts = [head[at : at + size] for at in range(0, len(head), size)] + [chosen.response[3000:]]
    answer, _ = stage.play(chosen, Reply(200, chosen.headers, parts=parts, framing="chunked"))
    assert answer.body == chosen.response


@pytest.mark.parametrize("chosen", [*some(True), *some(False)], ids=str)
def test_an_old_server_that_ends_by_closing_changes_nothing(stage: Stage, chosen: Recording) -> None:
    reply = Reply(200, chosen.headers, parts=[chosen.response], framing="close", http10=True)
    answer, _ = stage.play(chosen, reply)
    assert answer.body == chosen.response
