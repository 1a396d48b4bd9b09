"""What does not fit a local model is told before it is sent, or goes to the next target; and nothing that fits is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from pointsman.practice import Received, ScriptedUpstream
from tests.e2e.wires import CHAT, MESSAGES, RESPONSES, Wire
from tests.engines.doubles import Double, Model, double
from tests.vendor_bodies import chat

from .plane import Got, Plane, plane, rule
from .test_listed import cloud, local

WINDOW = 4096
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(64)).decode()
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


def long(words: int) -> str:
    return "word " * words


def with_both(
    engine: Double,
    work: Callable[[Plane, ScriptedUpstream, ScriptedUpstream], Awaitable[None]],
    *on: str,
    **more: Any,
) -> None:
    """A rule "m" for the engine's model at local/box, and for a provider after it. on: its fallback_on."""

    async def main() -> None:
        with ScriptedUpstream() as near, ScriptedUpstream() as far:
            near.always(engine)
            async with plane() as found:
                targets = ("local/box", "openai/far=practice") if on else ("local/box",)
                rules = rule("*", *targets, fallback_on=on)
                found.rules(rules, backends=[local(near, **more), cloud(far)])
                await work(found, near, far)

    uvloop.run(main())


def asked(near: ScriptedUpstream) -> list[Received]:
    """What of conversations reached it."""
    return [one for one in near.requests if one.path.startswith("/v1/") and one.method == "POST"]


def told(got: Got, wire: Wire) -> str:
    """The error's words."""
    error = got.json()["error"]
    if wire is not MESSAGES:
        assert error["code"] == "context_length_exceeded"
    return str(error["message"])


SAYS = {CHAT.name: "maximum context length is 4096 tokens", RESPONSES.name: "maximum context length is 4096 tokens",
        MESSAGES.name: "prompt is too long: "}  # fmt: skip


@pytest.mark.parametrize("wire", [CHAT, RESPONSES, MESSAGES], ids=lambda wire: wire.name)
@pytest.mark.parametrize("name", ["ollama", "llama_cpp", "vllm"])
def test_what_cannot_fit_is_told_before_it_is_sent_in_the_clients_own_words(name: str, wire: Wire) -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        got = await found.ask(wire.path, wire.ask("m", long(9001)))
        assert got.status == 400
        assert SAYS[wire.name] in told(got, wire)
        assert asked(near) == []

    with_both(double(name, Model("m", WINDOW)), work)


@pytest.mark.parametrize("loaded", [True, False], ids=["loaded", "cold"])
def test_ollama_never_cuts_in_silence_loaded_or_not(loaded: bool) -> None:
    """9,001 tokens into a window of 4,096 were a 200 with `prompt_tokens` 4096."""

    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        got = await found.ask(CHAT.path, CHAT.ask("m", long(9001)))
        assert (got.status, asked(near)) == (400, [])
        short = await found.ask(CHAT.path, CHAT.ask("m", long(600)))
        assert short.status == 200
        assert "x-pointsman-warnings" not in short.headers

    with_both(double("ollama", Model("m", WINDOW, loaded=loaded)), work)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_cut_that_could_not_be_foreseen_is_a_warning(
    stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Its counting is not ours: what we take for 3,900 tokens may be more to it."""

    class Dense(type(double("ollama"))):  # type: ignore[misc]
        def chat(self, received: Received) -> Any:
            return self.too_long(received, 4100, self.models[0])

    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        got = await found.ask(CHAT.path, {**CHAT.ask("m", long(2600)), "stream": stream})
        assert got.status == 200
        if not stream:
            assert "truncated:input" in got.headers["x-pointsman-warnings"]
            assert "its input was cut" in caplog.text

    with_both(Dense([Model("m", WINDOW)]), work)


@pytest.mark.parametrize("words", [400, 3000, 3900])
def test_what_fits_by_the_engines_own_count_is_sent_whatever_an_estimate_says(words: int) -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        got = await found.ask(CHAT.path, CHAT.ask("m", "abcdefghijklmnop " * words))
        assert (got.status, len(asked(near))) == (200, 1)

    with_both(double("llama_cpp", Model("m", WINDOW)), work)


def test_a_window_that_nobody_tells_refuses_nothing() -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        assert (await found.ask(CHAT.path, CHAT.ask("m", long(9001)))).status == 200

    with_both(double("compatible", Model("m", 10**6)), work)


def test_the_window_of_the_row_counts_before_the_servers() -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        got = await found.ask(CHAT.path, CHAT.ask("m", long(3000)))
        assert "maximum context length is 1000 tokens" in told(got, CHAT)

    with_both(double("ollama", Model("m", WINDOW)), work, context_window=1000)


@pytest.mark.parametrize("wire", [CHAT, RESPONSES, MESSAGES], ids=lambda wire: wire.name)
def test_too_long_for_the_box_goes_to_the_next_where_the_rule_says_so(wire: Wire) -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        got = await found.ask(wire.path, wire.ask("m", long(9001)))
        assert (got.status, asked(near)) == (200, [])
        assert got.headers["x-pointsman-target"] == "openai/far:practice"
        assert got.headers["x-pointsman-fallback"] == "upstream_error"
        assert "context" in {record.fallback for record in found.records}

    with_both(double("ollama", Model("m", WINDOW)), work, "context")


PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}


def seen(text: str = "what is it?") -> dict[str, Any]:
    return {
        **chat.ask("m"),
        "messages": [{"role": "user", "content": [{"type": "text", "text": text}, PICTURE]}],
    }


def test_pictures_for_a_model_without_eyes_are_refused_or_go_on() -> None:
    async def refused(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        got = await found.ask(CHAT.path, seen())
        assert (got.status, asked(near)) == (400, [])
        assert "local/box:m cannot see pictures" in got.json()["error"]["message"]
        assert "pointsman mapping update 1 --fallback-on ability" in got.json()["error"]["message"]

    async def gone_on(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        got = await found.ask(CHAT.path, seen())
        assert (got.status, got.headers["x-pointsman-target"]) == (200, "openai/far:practice")
        assert got.headers["x-pointsman-fallback"] == "upstream_error"
        assert "ability" in {record.fallback for record in found.records}

    with_both(double("ollama", Model("m", WINDOW)), refused)
    with_both(double("ollama", Model("m", WINDOW)), gone_on, "ability")


def test_tools_for_a_model_that_calls_none_are_refused_or_go_on() -> None:
    body = {**chat.ask("m"), "tools": [TOOL]}

    async def refused(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        got = await found.ask(CHAT.path, body)
        assert (got.status, asked(near)) == (400, [])
        assert "local/box:m cannot call tools" in got.json()["error"]["message"]
        empty = await found.ask(CHAT.path, {**chat.ask("m"), "tools": []})
        assert empty.status == 200, "no tool is none"

    async def gone_on(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        got = await found.ask(CHAT.path, body)
        assert (got.status, got.headers["x-pointsman-target"]) == (200, "openai/far:practice")

    with_both(double("ollama", Model("m", WINDOW, tools=False)), refused)
    with_both(double("ollama", Model("m", WINDOW, tools=False)), gone_on, "ability")


def test_a_word_that_looks_like_a_picture_is_none() -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        got = await found.ask(CHAT.path, CHAT.ask("m", 'say "image" and "tools": {"type": "image_url"}'))
        assert got.status == 200

    with_both(double("ollama", Model("m", WINDOW, tools=False)), work)


def test_the_lane_takes_nothing_that_the_full_way_would_refuse() -> None:
    """The first request goes the full way, and those after it have a lane where they fit."""

    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        for _ in range(3):
            assert (await found.ask(CHAT.path, CHAT.ask("m", long(100)))).status == 200
        before = len(asked(near))
        assert (await found.ask(CHAT.path, CHAT.ask("m", long(9001)))).status == 400
        assert (await found.ask(CHAT.path, seen())).status == 400
        assert len(asked(near)) == before
        assert (await found.ask(CHAT.path, CHAT.ask("m", long(100)))).status == 200

    with_both(double("ollama", Model("m", WINDOW)), work)


def test_a_picture_inside_a_tools_result_is_one() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "image", "source": source}]}
    call = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
    body = {
        "model": "m", "max_tokens": 9,
        "messages": [
            {"role": "user", "content": "look"}, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]},
        ],
    }  # fmt: skip

    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        got = await found.ask(MESSAGES.path, json.dumps(body).encode())
        assert (got.status, asked(near)) == (400, [])
        assert "cannot see pictures" in got.json()["error"]["message"]

    with_both(double("ollama", Model("m", WINDOW)), work)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", {"prompt": long(9001)}),
        ("/v1/completions", {"prompt": ["short", long(9001)]}),
        ("/v1/completions", {"prompt": [7] * 9001}),
        ("/v1/embeddings", {"input": ["short", long(9001)]}),
    ],
    ids=["a prompt", "one of two prompts", "tokens", "one of two inputs"],
)
def test_what_is_no_conversation_is_not_cut_in_silence_either(path: str, body: dict[str, Any]) -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        got = await found.ask(path, {"model": "m", **body})
        assert (got.status, asked(near)) == (400, [])
        assert "maximum context length is 4096 tokens" in told(got, CHAT)
        many = await found.ask(path, {"model": "m", "input": [long(400)] * 30, "prompt": [long(400)] * 30})
        assert many.status == 200, "each of them fits"

    with_both(double("ollama", Model("m", WINDOW)), work)


def test_a_conversation_that_is_only_referred_to_is_counted_too() -> None:
    """A short request with `previous_response_id`, and 9,001 words before it."""

    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        first = await found.ask(RESPONSES.path, {**RESPONSES.ask("m", long(2000)), "store": True})
        assert first.status == 200, first
        body = {**RESPONSES.ask("m", long(400)), "previous_response_id": first.json()["id"]}
        near.always(double("ollama", Model("m", 1000)))
        found.rules(rule("*", "local/box"), backends=[local(near, context_window=1500)])
        got = await found.ask(RESPONSES.path, body)
        assert (got.status, len(asked(near))) == (400, 1)
        assert "maximum context length is 1500 tokens" in told(got, RESPONSES)

    with_both(double("ollama", Model("m", WINDOW)), work)
