"""Every recorded answer through the gateway to a client of each other protocol: the official SDK there reads the same text,
tool calls, thinking, stop reason and usage as the SDK of the original. What differs is in LOSSES, or the test fails.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from pointsman.practice import Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from tests.gateway.plane import plane, rule

from .facts import CHAT, MESSAGES, RESPONSES, Facts, Sdks, protocol_of
from .recordings import Recording, folder, recordings

PAIRS = [
    (client, upstream)
    for client in (CHAT, RESPONSES, MESSAGES)
    for upstream in (CHAT, RESPONSES, MESSAGES)
    if client != upstream
]

LOSSES: dict[str, str] = {
    "usage-unknown": "Messages requires usage; where the recorded stream had none, zeros are told (and the record says unknown)",
}


def losses_of(recording: Recording, expected: Facts, got: Facts) -> set[str]:
    """The documented losses that explain a difference; an unexplained one is kept as `field: expected != got`."""
    found: set[str] = set()
    for name in ("text", "thinking", "tools", "stop"):
        if getattr(expected, name) != getattr(got, name):
            found.add(f"{name}: {getattr(expected, name)!r:.300} != {getattr(got, name)!r:.300}")
    if expected.usage != got.usage:
        if expected.usage is None and (got.usage is None or got.usage[1] == 0):
            found.add("usage-unknown")
        else:
            found.add(f"usage: {expected.usage} != {got.usage}")
    return found


def reply_of(recording: Recording) -> Reply:
    if recording.stream:
        parts = [recording.response[at : at + 997] for at in range(0, len(recording.response), 997)]
        return Reply(recording.status, recording.headers, parts=parts, framing="chunked")
    return Reply(recording.status, recording.headers, body=recording.response)


async def compare(client: str, upstream: str) -> tuple[Counter[str], dict[str, set[str]]]:
    counts: Counter[str] = Counter()
    differences: dict[str, set[str]] = {}
    with ScriptedUpstream() as server:
        async with plane() as data_plane:
            backend = BackendSpec(
                key="local/box",
                type="local",
                name="box",
                base_url=server.url,
                dialects=(upstream,),
                stream_usage=True,
            )
            data_plane.rules(rule("*", "local/box"), backends=[backend])
            direct, through = Sdks(server.url), Sdks(f"http://127.0.0.1:{data_plane.port}")
            try:
                for recording in recordings():
                    if protocol_of(recording) != upstream or recording.status != 200:
                        continue
                    server.always(reply_of(recording))
                    expected = await direct.read(upstream, "recorded", recording.stream)
                    try:
                        got = await through.read(client, "recorded", recording.stream)
                    except Exception as error:
                        differences[recording.name] = {f"raised {type(error).__name__}: {error!s:.300}"}
                        continue
                    counts["streamed" if recording.stream else "whole"] += 1
                    if found := losses_of(recording, expected, got):
                        differences[recording.name] = found
            finally:
                await direct.close()
                await through.close()
    return counts, differences


@pytest.mark.parametrize(("client", "upstream"), PAIRS, ids=lambda value: value)
def test_every_answer_reads_the_same_across(client: str, upstream: str) -> None:
    if not recordings():
        pytest.skip(f"NO RECORDINGS at {folder()}: translation is not checked against real answers")
    counts, differences = asyncio.run(compare(client, upstream))
    told = Counter(loss for found in differences.values() for loss in found if loss in LOSSES)
    print(f"\n{client} client, {upstream} backend: {dict(counts)}, documented losses {dict(told)}")
    unexplained = {
        name: found - LOSSES.keys() for name, found in differences.items() if found - LOSSES.keys()
    }
    assert not unexplained, json.dumps(
        {name: sorted(found) for name, found in list(unexplained.items())[:20]}, indent=1
    )
    assert sum(counts.values()) >= {CHAT: 189, RESPONSES: 64, MESSAGES: 41}[upstream] - len(differences)


def upstream_bodies(
    client: str, upstream: str, bodies: list[bytes], path: str
) -> list[tuple[int, bytes, bytes]]:
    """(status, answer, what reached the upstream) of each body sent through the gateway."""

    async def run() -> list[tuple[int, bytes, bytes]]:
        found = []
        with ScriptedUpstream() as server:
            async with plane() as data_plane:
                backend = BackendSpec(
                    key="openai/box",
                    type="openai",
                    name="box",
                    base_url=server.url,
                    dialects=(upstream,),
                    stream_usage=True,
                    allow_http=True,
                )
                data_plane.rules(rule("*", "openai/box"), backends=[backend])
                for body in bodies:
                    before = len(server.requests)
                    answer = await data_plane.ask(path, body, "anthropic-version: 2023-06-01")
                    received = server.requests[before:]
                    found.append((answer.status, answer.body, received[-1].body if received else b""))
        return found

    return asyncio.run(run())


PATHS = {CHAT: "/v1/chat/completions", RESPONSES: "/v1/responses", MESSAGES: "/v1/messages"}
REFUSED = (
    "previous_response_id",
    "conversation",
    "'n'",
    "web_search",
    "file_search",
    "code_interpreter",
    "file_id",
    "logprobs",
    "item_reference",
)
"""Words of the 400s that are right: what the other protocol has no form for at all
(docs/protocols/requests.md#losses)."""


def validator(protocol: str) -> Any:
    """Strict: the vendor's own request types, unknown keys refused where the SDK's type is closed."""
    from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
    from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
    from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
    from pydantic import TypeAdapter

    return TypeAdapter(
        {
            CHAT: CompletionCreateParamsNonStreaming,
            RESPONSES: ResponseCreateParamsNonStreaming,
            MESSAGES: MessageCreateParamsNonStreaming,
        }[protocol]
    )


@pytest.mark.parametrize(("client", "upstream"), PAIRS, ids=lambda value: value)
def test_every_request_sent_across_is_one_the_other_vendor_knows(client: str, upstream: str) -> None:
    if not recordings():
        pytest.skip(f"NO RECORDINGS at {folder()}: translation is not checked against real requests")
    chosen = [r for r in recordings() if protocol_of(r) == client and r.status == 200]
    bodies = [r.request for r in chosen]
    first = upstream_bodies(client, upstream, bodies, PATHS[client])
    second = upstream_bodies(client, upstream, bodies, PATHS[client])
    checker = validator(upstream)
    problems = {}
    sent = refused = 0
    for recording, (status, answer, body), (_, _, again) in zip(chosen, first, second, strict=True):
        if status == 400 and any(word.encode() in answer for word in REFUSED):
            refused += 1
            continue
        if status != 200:
            problems[recording.name] = f"{status} {answer[:300]!r}"
            continue
        sent += 1
        if body != again:
            problems[recording.name] = "not the same bytes twice"
            continue
        value = json.loads(body)
        stream = value.pop("stream", None)
        assert stream in (None, True, False)
        try:
            checker.validate_python(value)
        except Exception as error:
            problems[recording.name] = f"{str(error)[:400]} in {body[:300]!r}"
    print(f"\n{client} -> {upstream}: {sent} sent and valid, {refused} refused with a reason")
    assert not problems, json.dumps(dict(list(problems.items())[:15]), indent=1)
