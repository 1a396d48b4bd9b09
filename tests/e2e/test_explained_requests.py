"""What `POST /api/explain` says of a whole request is what the data plane then does with it, on the wire: who is asked, in
which protocol, at which URL, what is told as lost, what is refused."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
import uvloop

from pointsman.admin.control.explain_request import Grounds, explain_request
from pointsman.admin.control.pasted import Pasted, read
from pointsman.admin.control.process_status import StatusBoard
from pointsman.admin.control.request_explained import RequestExplained, decide
from pointsman.admin.control.routing_view import RoutingView
from pointsman.errors import PointsmanError
from pointsman.link.frames import pack, unpack
from pointsman.link.messages import Snapshot, WorkerStatus
from pointsman.practice import ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from tests.agents.model import CHAT, RESPONSES
from tests.gateway.plane import Plane, cold, plane, rule

from .test_explain_is_true import ALL, EMBEDDINGS, anthropic, knows, local, openai

TOOL = {"name": "look", "input_schema": {"type": "object"}}
SAID = [{"role": "user", "content": "hello"}]
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "a Messages request with a hint": (
        "/v1/messages",
        {"max_tokens": 50, "top_k": 4, "system": "s", "messages": SAID},
    ),
    "one with tools": ("/v1/messages", {"max_tokens": 50, "tools": [TOOL], "messages": SAID}),
    "a Chat request with what others lack": (
        "/v1/chat/completions",
        {"messages": SAID, "logit_bias": {"1": 2}, "seed": 3, "presence_penalty": 0.5},
    ),
    "one for several answers": ("/v1/chat/completions", {"messages": SAID, "n": 3}),
    "a Responses request": ("/v1/responses", {"input": "hello", "truncation": "auto", "top_p": 0.5}),
    "one that is wrong": ("/v1/messages", {"messages": SAID}),
    "a completion": ("/v1/completions", {"prompt": "hello"}),
    "an embedding": ("/v1/embeddings", {"input": "hello", "dimensions": 4}),
    "Ollama's chat": (
        "/api/chat",
        {"messages": SAID, "options": {"top_k": 3, "num_ctx": 5}, "stream": False},
    ),
    "Ollama's prompt": ("/api/generate", {"prompt": "hello", "stream": False, "keep_alive": 5}),
    "Ollama's embedding": ("/api/embed", {"input": "hello"}),
}
BACKENDS = {
    "speaks Chat": lambda url: openai(url, dialects=(CHAT,)),
    "speaks Responses": lambda url: openai(url, dialects=(RESPONSES,)),
    "speaks Messages": anthropic,
    "is local": lambda url: local(url, dialects=(CHAT, EMBEDDINGS)),
}


async def explained(found: Plane, text: str, path: str = "") -> RequestExplained:
    return await explained_as(found, read(text, path))


async def explained_as(found: Plane, pasted: Pasted) -> RequestExplained:
    assert found.plane.rules is not None
    snapshot = unpack(pack(found.plane.rules.snapshot))
    assert isinstance(snapshot, Snapshot)
    board = StatusBoard()
    board.take(msgspec.msgpack.decode(pack(found.plane.status()), type=WorkerStatus), 0.0)
    stage = Grounds(snapshot, RoutingView(), board.health(0.0), cold)
    return decide(await explain_request(stage, pasted))


@pytest.mark.parametrize("name", BACKENDS)
def test_a_request_goes_where_its_explanation_says(name: str) -> None:
    async def main() -> None:
        with ScriptedUpstream() as server, ScriptedUpstream() as spare:
            server.always(knows(*ALL))
            spare.always(knows(*ALL))
            spec = BACKENDS[name](server.url)
            other = BackendSpec("local/z", "local", "z", spare.url, dialects=ALL)
            async with plane() as found:
                for presets in ({}, {"temperature": 0.2, "min_p": 0.1}):
                    found.rules(rule("m*", spec.key, "local/z", presets=presets), backends=[spec, other])
                    for what, (path, members) in REQUESTS.items():
                        body = {"model": "m:1", **members}
                        told = await explained(found, json.dumps(body), path)
                        sent = [len(one.requests) for one in (server, spare)]
                        answer = await found.ask(path, body)
                        posts = [
                            f"{one.url}{received.path}"
                            for one, before in zip((server, spare), sent, strict=True)
                            for received in one.requests[before:]
                            if received.method == "POST"
                        ]
                        case = (what, presets, answer.body)
                        if told.asked is None:
                            assert posts == [], case
                            assert answer.status == 400, case
                            assert told.refusal is not None
                            assert told.refusal.encode() in answer.body.replace(b'\\"', b'"'), case
                            continue
                        target = next(one for one in told.targets if one.target == told.asked)
                        assert posts[-1:] == [target.url], case
                        assert answer.headers["x-pointsman-target"] == told.asked, case
                        warnings = answer.headers.get("x-pointsman-warnings", "")
                        lost = [one for one in warnings.split(",") if one and not one.startswith("unknown:")]
                        assert lost == target.changes, case

    uvloop.run(main())


def test_a_body_alone_is_taken_for_its_protocol() -> None:
    wanted = {what: path for what, (path, _) in REQUESTS.items()}
    found = {what: read(json.dumps({"model": "m", **body})).path for what, (_, body) in REQUESTS.items()}
    alike = {"one that is wrong": "/v1/chat/completions", "Ollama's embedding": "/v1/responses"}
    assert found == wanted | alike


CURL = """curl -sS https://api.anthropic.com/v1/messages \\
  -H 'x-api-key: sk-ant-a-secret-of-mine' --header "x-pointsman-strict: 1" -Hanthropic-version:2023-06-01 \\
  --max-time 20 -X POST -d '{"model": "m", "max_tokens": 5, "top_k": 2,
    "messages": [{"role": "user", "content": "it'"'"'s"}]}'"""


def test_a_command_says_its_path_and_its_strictness_and_its_key_is_not_read() -> None:
    found = read(CURL)
    assert (found.path, found.guessed) == ("/v1/messages", False)
    assert dict(found.headers) == {"x-pointsman-strict": "1", "anthropic-version": "2023-06-01"}
    assert b"it's" in (found.body or b"")
    assert "a-secret-of-mine" not in repr(found)

    async def main() -> None:
        with ScriptedUpstream() as server:
            async with plane() as plain:
                plain.rules(rule("m", "openai/a"), backends=[openai(server.url, dialects=(RESPONSES,))])
                told = await explained(plain, CURL)
                assert told.refusal is not None
                assert "top_k" in told.refusal
                assert server.requests == [], "nothing is sent"

    uvloop.run(main())


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "nothing in it"),
        ('{"model": "m",', "not valid JSON"),
        ('{"model": "m"}', "which protocol"),
        ("[1]\n[2]", "neither"),
        ("curl http://h/v1/messages -d @body.json", "in a file"),
        ("curl http://h/v1/messages -d 'x", "cannot be read"),
        ("curl http://h/v1/messages", "no JSON body"),
        ("[" * 5000, "no such"),
    ],
)
def test_what_cannot_be_read_says_what_to_paste(text: str, word: str) -> None:
    if word == "no such":
        assert read(text).model == text, "anything on one line may be a name"
        return
    with pytest.raises(PointsmanError, match=word):
        read(text)


def test_what_does_not_fit_a_local_model_goes_on_where_the_rule_says_so() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server, ScriptedUpstream() as spare:
            small = local(server.url, dialects=(CHAT,), context_window=100)
            other = BackendSpec("local/z", "local", "z", spare.url, dialects=ALL)
            text = json.dumps({"model": "m", "messages": [{"role": "user", "content": "word " * 400}]})
            async with plane() as found:
                found.rules(rule("m", small.key, "local/z"), backends=[small, other])
                told = await explained(found, text)
                assert told.asked is None
                assert "window is 100 tokens" in str(told.refusal)
                onward = rule("m", small.key, "local/z", fallback_on=("context",))
                found.rules(onward, backends=[small, other])
                assert (await explained(found, text)).asked == "local/z:m"

    uvloop.run(main())


def test_a_request_whose_answer_is_looked_through_for_calls_does_not_go_as_it_is() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            box = local(server.url, dialects=ALL)
            asked: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
            tools = [{"type": "function", "function": {"name": "f"}}]
            async with plane() as found:
                found.rules(rule("m", box.key, recover_calls=True), backends=[box])
                for body, straight in ((asked, True), ({**asked, "tools": tools}, False)):
                    (target,) = (await explained(found, json.dumps(body))).targets
                    assert (target.as_it_is, target.looked_through) == (straight, not straight)
                    assert target.protocol == CHAT

    uvloop.run(main())


def test_a_request_is_told_whether_it_could_have_a_shadow() -> None:
    async def main() -> list[str | None]:
        with ScriptedUpstream() as server:
            async with plane() as found:
                backends = [openai(server.url), local(server.url)]
                near, far = backends[1].key, backends[0].key
                said = []
                for rules, path, body in (
                    (rule("*", far, shadow=f"{near}:q"), "/v1/messages", {"max_tokens": 5, "messages": SAID}),
                    (rule("*", far, shadow=f"{near}:q", shadow_share=3), "/v1/embeddings", {"input": "a"}),
                    (rule("*", near, shadow=f"{near}:q"), "/v1/responses", {"input": "a"}),
                    (rule("*", far, shadow="local/gone"), "/v1/responses", {"input": "a"}),
                    (rule("*", far), "/v1/responses", {"input": "a"}),
                ):
                    found.rules(rules, backends=backends)
                    text = json.dumps({"model": "m", **body})
                    said.append((await explained(found, text, path)).shadowed)
                return said

    some = uvloop.run(main())
    assert some[0] is not None
    assert some[0].endswith(":q is asked the same in 10 of 100 requests that a cloud has answered")
    assert some[1:3] == [
        "none, since answers of this path cannot be compared",
        "none, since no cloud answers it",
    ]
    assert some[3] is not None
    assert some[3].startswith("none, since there is no local backend 'gone'")
    assert some[4] is None
