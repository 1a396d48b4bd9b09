"""What a rule sets in each request (docs/protocols/presets.md), as servers get it and clients are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import anthropic
import openai
import pytest
import uvloop

from pointsman.practice import Received, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, STREAM, WHOLE
from tests.engines.doubles import Model, double

from .plane import Plane, plane, rule
from .test_translation import PATHS, ask

COMPLETIONS = "/v1/completions"
Scene = Callable[[Plane, ScriptedUpstream], Awaitable[None]]


def answers(spoken: str) -> Callable[[Received], Reply]:
    def step(received: Received) -> Reply:
        if received.method != "POST" or received.path.startswith("/api/"):
            return Reply(404, JSON, body=b"{}")
        if received.json().get("stream"):
            return Reply.sse(STREAM[spoken]("hello"))
        return Reply(200, JSON, body=WHOLE[spoken]("hello"))

    return step


def run(work: Scene, presets: dict[str, Any], spoken: str = CHAT, **backend: Any) -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(answers(spoken))
            spec = BackendSpec("local/box", "local", "box", server.url, dialects=(spoken,), **backend)
            async with plane() as found:
                found.rules(rule("m", "local/box=there", presets=presets), backends=[spec])
                await work(found, server)
                assert not found.lanes

    uvloop.run(main())


def sent(server: ScriptedUpstream) -> Any:
    return next(one for one in reversed(server.requests) if one.method == "POST").json()


WRITTEN = {
    CHAT: {"temperature": 0.2, "stop": ["E"], "top_p": 0.5, "max_tokens": 77},
    RESPONSES: {"temperature": 0.2, "top_p": 0.5, "max_output_tokens": 77, "instructions": "Be brief."},
    MESSAGES: {"temperature": 0.2, "top_p": 0.5, "stop_sequences": ["E"], "max_tokens": 77},
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("spoken", [CHAT, RESPONSES, MESSAGES])
@pytest.mark.parametrize("client", [CHAT, RESPONSES, MESSAGES])
def test_each_client_at_each_target(client: str, spoken: str, stream: bool) -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        got = await found.ask(PATHS[client], ask(client, stream=stream))
        assert (got.status, got.complete) == (200, True)
        assert b"hello" in got.body or stream
        body = sent(server)
        assert {name: body.get(name) for name in WRITTEN[spoken]} == WRITTEN[spoken]
        assert body["model"] == "there"
        assert "Be brief." in json.dumps([body.get("system"), body.get("instructions"), body.get("messages")])
        told = got.headers.get("x-pointsman-warnings", "").split(",")
        lost = {RESPONSES: {"dropped:stop"}}.get(spoken, set())
        assert lost <= set(told)
        assert "dropped:seed" in told if spoken != CHAT else body["seed"] == 3

    given = {
        "temperature": 0.2,
        "top_p?": 0.5,
        "stop": ["E"],
        "max_tokens": 77,
        "system": "Be brief.",
        "seed": 3,
    }
    run(work, given, spoken)


def test_every_other_byte_of_a_straight_body_is_the_clients() -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        body = b'{ "messages":[{"role":"user","content":"\\u0041"}], "model" : "m","odd":1.00 }'
        assert (await found.ask(PATHS[CHAT], body)).status == 200
        raw = next(one for one in reversed(server.requests) if one.method == "POST").body
        assert raw == (
            b'{ "messages":[{"role":"system","content":"S"},{"role":"user","content":"\\u0041"}], "model" : "there",'
            b'"odd":1.00 ,"seed":3}'
        )

    run(work, {"seed": 3, "system": "S"})


def test_what_is_lost_and_what_was_said_otherwise_is_told_and_strict_refuses_neither() -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        body = {**json.loads(json.dumps(ask(CHAT))), "temperature": 0.9}
        for more in ((), ("x-pointsman-strict: 1",)):
            got = await found.ask(PATHS[CHAT], body, *more)
            assert got.status == 200
            assert got.headers["x-pointsman-warnings"] == "dropped:num_ctx,changed:temperature"
        assert sent(server)["temperature"] == 0.2

    run(work, {"temperature": 0.2, "num_ctx": 4096})


def test_a_window_that_is_that_large_is_no_loss() -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        assert "x-pointsman-warnings" not in (await found.ask(PATHS[CHAT], ask(CHAT))).headers

    run(work, {"num_ctx": 4096}, context_window=8192)


def test_a_window_that_the_server_tells_is_no_loss_either() -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        usual = answers(CHAT)

        def step(received: Received) -> Reply:
            if received.path == "/v1/models":
                return Reply(
                    200, JSON, body={"data": [{"id": "there", "owned_by": "vllm", "max_model_len": 8192}]}
                )
            return usual(received)

        server.always(step)
        assert "x-pointsman-warnings" not in (await found.ask(PATHS[CHAT], ask(CHAT))).headers

    run(work, {"num_ctx": 8192})


ENGINES = {
    "llama_cpp": {"top_k": 5, "min_p": 0.1, "repeat_penalty": 1.1, "chat_template_kwargs": {"enable_thinking": False}},
    "lm_studio": {"top_k": 5, "repeat_penalty": 1.1},
    "mlx_lm": {"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1, "chat_template_kwargs": {"enable_thinking": False}},
    "vllm": {"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1, "chat_template_kwargs": {"enable_thinking": False}},
    "ollama": {},
}  # fmt: skip
FIELDS = (
    "top_k",
    "min_p",
    "repeat_penalty",
    "repetition_penalty",
    "chat_template_kwargs",
    "reasoning_effort",
)


@pytest.mark.parametrize("engine", ENGINES)
def test_each_engine_gets_what_it_reads_and_the_rest_is_told(engine: str) -> None:
    """Ollama passes over a field that it does not know, with a 200."""

    async def work(found: Plane, server: ScriptedUpstream) -> None:
        server.always(double(engine, models=[Model("there")]))
        got = await found.ask(PATHS[CHAT], ask(CHAT))
        assert got.status == 200, got.body
        chats = [one.json() for one in server.requests if one.path == PATHS[CHAT]]
        assert {name: chats[-1][name] for name in FIELDS if name in chats[-1]} == ENGINES[engine]
        told = {
            one.partition(":")[2] for one in got.headers.get("x-pointsman-warnings", "").split(",") if one
        }
        names = {name.replace("repetition", "repeat") for name in ENGINES[engine]}
        wished = {"top_k", "min_p", "repeat_penalty", "chat_template_kwargs"}
        assert {name.partition(".")[0] for name in told} == wished - names

    given = {"top_k": 5, "min_p": 0.1, "repeat_penalty": 1.1, "chat_template_kwargs.enable_thinking": False}
    run(work, given)


def test_ollama_is_asked_to_think_by_its_own_word_and_only_a_model_that_can() -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        server.always(double("ollama", models=[Model("there")]))
        got = await found.ask(PATHS[CHAT], ask(CHAT))
        assert got.headers["x-pointsman-warnings"] == "dropped:effort"

    run(work, {"effort": "low"})


def test_completions_have_most_of_it_and_embeddings_nothing() -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        text = {
            "id": "c",
            "object": "text_completion",
            "choices": [{"text": "x", "index": 0, "finish_reason": "stop"}],
        }
        server.always(Reply(200, JSON, body=text))
        got = await found.ask(COMPLETIONS, {"model": "m", "prompt": "x"})
        assert got.headers["x-pointsman-warnings"] == "dropped:system"
        assert sent(server) == {
            "model": "there", "prompt": "x", "min_p": 0.1, "repeat_penalty": 1.1, "repetition_penalty": 1.1,
        }  # fmt: skip
        server.always(Reply(200, JSON, body={"object": "list", "data": [{"index": 0, "embedding": [1.0]}]}))
        got = await found.ask("/v1/embeddings", {"model": "m", "input": "x"})
        assert got.headers["x-pointsman-warnings"] == "dropped:min_p,dropped:repeat_penalty,dropped:system"
        assert sent(server) == {"model": "there", "input": "x"}

    async def main() -> None:
        with ScriptedUpstream() as server:
            spoken = ("completions", "embeddings")
            spec = BackendSpec("local/box", "local", "box", server.url, dialects=spoken)
            async with plane() as found:
                presets = {"min_p": 0.1, "repeat_penalty": 1.1, "system": "S"}
                found.rules(rule("m", "local/box=there", presets=presets), backends=[spec])
                await work(found, server)

    uvloop.run(main())


def test_tokens_are_counted_with_the_system_prompt_and_nothing_else() -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        server.always(Reply(200, JSON, body={"input_tokens": 9}))
        body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
        assert (await found.ask("/v1/messages/count_tokens", body)).json() == {"input_tokens": 9}
        assert sent(server) == {**body, "model": "there", "system": "S"}

    run(work, {"system": "S", "temperature": 0.1, "max_tokens": 5}, MESSAGES)


def test_tokens_that_are_estimated_are_of_the_system_prompt_too() -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
        told = [
            (await found.ask("/v1/messages/count_tokens", one)).json()["input_tokens"]
            for one in ({**body, "system": "y"}, body)
        ]
        assert told[0] < 100 < told[1], "`system?` is for who has none"

    run(work, {"system?": "word " * 200})


def test_each_target_gets_it_in_its_own_words() -> None:
    async def main() -> None:
        with ScriptedUpstream() as near, ScriptedUpstream() as far:
            near.always(Reply(500, JSON, body={"error": {"message": "no"}}))
            far.always(answers(MESSAGES))
            box = BackendSpec("local/box", "local", "box", near.url, dialects=(CHAT,))
            other = BackendSpec("local/far", "local", "far", far.url, dialects=(MESSAGES,))
            async with plane() as found:
                targets = ("local/box=one", "local/far=two")
                presets = {"min_p": 0.1, "max_tokens": 7}
                found.rules(rule("m", *targets, presets=presets), backends=[box, other])
                got = await found.ask(PATHS[CHAT], ask(CHAT))
                assert got.headers["x-pointsman-target"] == "local/far:two"
                assert "dropped:min_p" in got.headers["x-pointsman-warnings"].split(",")
                assert (sent(near)["min_p"], sent(near)["max_tokens"]) == (0.1, 7)
                assert ("min_p" in sent(far), sent(far)["max_tokens"]) == (False, 7)

    uvloop.run(main())


@pytest.mark.parametrize("spoken", [CHAT, RESPONSES, MESSAGES])
def test_both_official_sdks(spoken: str) -> None:
    def both(port: int) -> list[str]:
        url = f"http://127.0.0.1:{port}"
        turns: Any = [{"role": "system", "content": "Mine."}, {"role": "user", "content": "x"}]
        with openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0, timeout=20) as client:
            first = client.chat.completions.create(model="m", messages=turns, temperature=1.5)
            second = client.responses.create(model="m", input="x", instructions="Mine.")
            with client.chat.completions.stream(model="m", messages=turns) as chunks:
                third = chunks.get_final_completion()
        with anthropic.Anthropic(base_url=url, api_key="k", max_retries=0, timeout=20) as other:
            fourth = other.messages.create(model="m", max_tokens=99, system="Mine.", messages=turns[1:])
            with other.messages.stream(model="m", max_tokens=99, system="Mine.", messages=turns[1:]) as told:
                fifth = told.get_final_text()
        texts = [first.choices[0].message.content, second.output_text, third.choices[0].message.content]
        return [str(one) for one in [*texts, getattr(fourth.content[0], "text", ""), fifth]]

    async def work(found: Plane, server: ScriptedUpstream) -> None:
        assert await asyncio.to_thread(both, found.port) == ["hello"] * 5
        bodies = [one.json() for one in server.requests if one.method == "POST"]
        assert len(bodies) == 5
        for body in bodies:
            assert body["temperature"] == 0.25
            said = json.dumps(
                [body.get("system"), body.get("instructions"), body.get("messages"), body.get("input")]
            )
            assert said.index("Be brief.") < said.index("Mine.")

    run(work, {"temperature": 0.25, "system": "Be brief."}, spoken)
