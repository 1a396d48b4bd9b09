"""What `/v1/models` and Codex's catalogue say: names that work, and the truth about them, from the servers' own words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anthropic
import openai
import pytest
import uvloop

from pointsman.practice import CUT, Received, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec, MappingSpec
from pointsman.secret import Secret
from pointsman.upstream.model_facts import ModelFacts
from pointsman.upstream.model_lists import WAIT_SECONDS
from tests.agents.model import JSON
from tests.engines.doubles import Double, Model, double

from .plane import Plane, plane, rule

CATALOGUE = "/v1/models?client_version=0.169.0"
Pages = dict[str, Any]


def pages(found: Pages) -> Callable[[Received], Reply]:
    """Answers GETs, and POSTs to `/api/show` by the model's name."""

    def answer(received: Received) -> Reply:
        name = received.path
        if received.method == "POST" and name == "/api/show":
            name = f"{name} {received.json()['model']}"
        return (
            Reply(404, JSON, body={"error": "no"})
            if name not in found
            else Reply(200, JSON, body=found[name])
        )

    return answer


def local(server: ScriptedUpstream, **more: Any) -> BackendSpec:
    return BackendSpec("local/box", "local", "box", server.url, **more)


def cloud(server: ScriptedUpstream, name: str = "far", type: str = "openai", **more: Any) -> BackendSpec:
    more = {"api_key": Secret("sk-1"), "auth": "bearer", **more}
    return BackendSpec(f"{type}/{name}", type, name, server.url, allow_http=True, **more)


def with_two(work: Callable[[Plane, ScriptedUpstream, ScriptedUpstream], Awaitable[None]]) -> None:
    async def main() -> None:
        with ScriptedUpstream() as near, ScriptedUpstream() as far:
            async with plane() as found:
                await work(found, near, far)

    uvloop.run(main())


async def names(found: Plane, query: str = "") -> list[str]:
    got = await found.ask("/v1/models" + query, b"", method="GET")
    return sorted(entry["id"] for entry in got.json()["data"])


def listing(*names: str, **more: Any) -> Pages:
    return {"object": "list", "data": [{"id": name, "object": "model", **more} for name in names]}


def engine(name: str, window: int = 4096, images: bool = False, loaded: bool = True, **more: Any) -> Double:
    return double(name, Model("m", window, 131072, loaded, images), **more)


ENGINES: dict[str, tuple[Double | Callable[[Received], Reply], int | None, list[str]]] = {
    "llama.cpp by its list": (engine("llama_cpp", 2048, True), 2048, ["text", "image"]),
    "llama.cpp by /props": (engine("llama_cpp", 8192, says=False), 8192, ["text"]),
    "llama.cpp with eyes by /props": (engine("llama_cpp", 512, True, says=False), 512, ["text", "image"]),
    "llama.cpp's router": (engine("llama_router", 2048), 2048, ["text"]),
    "vLLM": (engine("vllm", 32768), 32768, ["text"]),
    "SGLang": (engine("sglang", 32768, True), 32768, ["text", "image"]),
    "KoboldCpp": (engine("koboldcpp", 8192), 8192, ["text"]),
    "LM Studio": (engine("lm_studio", 4096, True), 4096, ["text", "image"]),
    "LM Studio, not loaded": (engine("lm_studio", loaded=False), 131072, ["text"]),
    "Ollama": (engine("ollama", images=True, loaded=False), 131072, ["text", "image"]),
    "Ollama with num_ctx": (engine("ollama", loaded=False, num_ctx=16384), 16384, ["text"]),
    "Ollama, loaded": (engine("ollama", 4096), 4096, ["text"]),
    "a server that says nothing": (engine("compatible"), None, ["text"]),
    "a server that says nonsense": (
        pages({"/v1/models": listing("m", max_model_len=-1), "/props": {"default_generation_settings": []}}), None, ["text"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ENGINES)
def test_codex_is_told_the_window_and_the_eyes_that_the_server_says(case: str) -> None:
    """Every local model had 128,000 tokens and eyes."""
    said, window, modalities = ENGINES[case]

    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        near.always(said)
        found.rules(rule("alias", "local/box=m"), backends=[local(near)])
        got = await found.ask(CATALOGUE, b"", method="GET")
        models = {one["slug"]: one for one in got.json()["models"]}
        assert set(models) == {"m", "alias"}
        for one in models.values():
            assert (one["context_window"], one["max_context_window"]) == (window, window)
            assert one["input_modalities"] == modalities
        asked = len(near.requests)
        await found.ask(CATALOGUE, b"", method="GET")
        assert len(near.requests) == asked, "cached"
        shown = (await found.ask("/v1/models", b"", method="GET")).json()["data"]
        shown.append((await found.ask("/v1/models/alias", b"", method="GET")).json())
        for one in shown:
            for name in ("context_window", "context_length", "max_model_len"):
                assert one.get(name) == window
            assert one["max_input_tokens"] == window
            assert one["architecture"]["input_modalities"] == modalities
        assert len(near.requests) == asked, "cached"

    with_two(work)


def test_a_server_that_answers_in_part_is_still_the_engine_that_it_was() -> None:
    """A busy one that was late with its own pages lost its window, and was taken for any other server."""

    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        scripted = double("ollama", Model("a:latest", window=4321))
        near.always(scripted)
        found.rules(backends=[local(near)])
        backend = found.plane.backends["local/box"]
        facts = ModelFacts(found.plane.pool, fresh=0.0)
        await facts.refresh([backend])
        assert facts.of(backend, "a").window == 4321
        late = Reply(before=[CUT])
        near.always(lambda received: late if received.path.startswith("/api/") else scripted(received))
        await facts.refresh([backend])
        engine = facts.engine(backend)
        assert engine is not None
        assert engine.name == "ollama"
        assert facts.of(backend, "a").window == 4321
        scripted.models[0].loaded = False
        near.always(scripted)
        await facts.refresh([backend])
        assert (facts.of(backend, "a").window, facts.of(backend, "a").loaded) == (None, False)
        near.always(double("vllm", Model("a:latest", window=99)))
        await facts.refresh([backend])
        assert facts.of(backend, "a").window == 99

    with_two(work)


def test_both_sdks_read_the_window() -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        near.always(engine("vllm", 32768))
        found.rules(backends=[local(near)])
        url = f"http://127.0.0.1:{found.port}"

        def ask() -> tuple[Any, Any]:
            with (
                openai.OpenAI(base_url=f"{url}/v1", api_key="k") as oa,
                anthropic.Anthropic(base_url=url, api_key="k") as an,
            ):
                return oa.models.retrieve("m"), an.models.retrieve("m")

        one, other = await asyncio.to_thread(ask)
        assert one.max_model_len == 32768
        assert other.max_input_tokens == 32768

    with_two(work)


def test_a_list_is_there_within_the_three_seconds_that_claude_code_waits() -> None:
    """Lists and facts are asked side by side."""

    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        near.always(engine("vllm", 32768))
        far.always("stall")
        found.rules(backends=[local(near), BackendSpec("local/slow", "local", "slow", far.url)])
        started = time.monotonic()
        got = await found.ask("/v1/models", b"", method="GET")
        assert time.monotonic() - started < 2 * WAIT_SECONDS - 0.5
        assert [one["context_window"] for one in got.json()["data"]] == [32768]

    with_two(work)


def test_a_model_that_only_makes_embeddings_is_nothing_to_choose_for_codex() -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        near.always(double("ollama", Model("m:latest"), Model("nomic:latest", embedding=True)))
        found.rules(backends=[local(near)])
        got = await found.ask(CATALOGUE, b"", method="GET")
        assert [one["slug"] for one in got.json()["models"]] == ["m:latest"]
        assert await names(found) == ["m:latest", "nomic:latest"]
        told = await found.ask("/api/show", {"model": "nomic"})
        assert told.json()["capabilities"] == ["embedding"]

    with_two(work)


@pytest.mark.parametrize("name", ["ollama", "pointsman", "lm_studio"])
def test_a_model_that_its_server_sends_to_a_cloud_is_used_by_a_rule_alone(name: str) -> None:
    """Nothing leaves the machine unless a rule says so: it was listed like any other, and served without a rule."""

    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        models = (
            Model("here:latest"),
            Model("far:latest", elsewhere="https://ollama.com:443"),
        )
        cloud = (Model("big:cloud"),) if name == "ollama" else ()  # known by its name
        near.always(double(name, *models, *cloud))
        found.rules(backends=[local(near)])
        await found.plane.lists.refresh()
        assert await names(found) == ["here:latest"]
        for model in ("far:latest", "far", "big:cloud"):
            body = {"model": model, "messages": [{"role": "user", "content": "x"}]}
            got = await found.ask("/v1/chat/completions", body)
            assert (got.status, got.json()["error"]["code"]) == (404, "model_not_found")
        assert not [one for one in near.requests if one.path == "/v1/chat/completions"]
        found.rules(rule("mine", "local/box=far:latest"), backends=[local(near)])
        body = {"model": "mine", "messages": [{"role": "user", "content": "x"}]}
        assert (await found.ask("/v1/chat/completions", body)).status == 200

    with_two(work)


def test_a_name_written_otherwise_has_the_same_facts() -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        near.always(double("llama_cpp", Model("models/tiny.gguf", window=777)))
        found.rules(rule("a", "local/box=whatever"), backends=[local(near)])
        got = await found.ask("/v1/models/a", b"", method="GET")
        assert got.json()["context_window"] == 777
        backend = found.plane.backends["local/box"]
        known = found.plane.facts.engine(backend)
        assert known is not None
        assert known.name == "llama_cpp"
        assert found.plane.facts.of(backend, "whatever").name == "whatever"

    with_two(work)


def test_a_server_that_is_busy_for_a_while_keeps_its_window() -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        scripted = double("vllm", Model("m", window=999))
        near.always(scripted)
        found.rules(rule("a", "local/box=m"), backends=[local(near)])
        backend = found.plane.backends["local/box"]
        facts = ModelFacts(found.plane.pool, fresh=0.0)
        await facts.refresh([backend])
        near.kill()
        await facts.refresh([backend])
        assert facts.of(backend, "m").window == 999
        near.revive()
        scripted.models[0].window = 555
        await asyncio.sleep(0)
        await facts.refresh([backend])
        assert facts.of(backend, "m").window == 555

    with_two(work)


def test_a_row_that_tells_a_window_is_believed_first() -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        near.always(pages({"/v1/models": listing("m", max_model_len=9)}))
        found.rules(backends=[local(near, context_window=777)])
        got = await found.ask(CATALOGUE, b"", method="GET")
        assert [one["context_window"] for one in got.json()["models"]] == [777]

    with_two(work)


async def listed_by(found: Plane, far: ScriptedUpstream, *rules: MappingSpec, **more: Any) -> list[str]:
    found.rules(*rules, backends=[cloud(far, **more)])
    return await names(found)


def test_names_that_cloud_rules_resolve_are_listed_and_asked_for_once() -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        far.always(pages({"/v1/models": listing("gpt-9", "gpt-9-mini", "whisper-2", "x" * 300)}))
        rules = rule("gpt-*", "openai/far"), rule("fast", "openai/far=gpt-9-mini", id=2)
        assert await listed_by(found, far, *rules) == ["fast", "gpt-9", "gpt-9-mini"]
        assert await names(found) == ["fast", "gpt-9", "gpt-9-mini"]
        assert [one.path for one in far.requests] == ["/v1/models"]
        assert far.requests[0].headers["authorization"] == "Bearer sk-1"
        body = {"model": "gpt-9", "messages": [{"role": "user", "content": "x"}]}
        far.always(None)
        await found.ask("/v1/chat/completions", body)
        assert far.requests[-1].path == "/v1/chat/completions"

    with_two(work)


def test_anthropics_list_is_asked_for_whole() -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        far.always(pages({"/v1/models": listing("claude-9")}))
        found.rules(
            rule("claude-*", "anthropic/far"), backends=[cloud(far, type="anthropic", auth="x-api-key")]
        )
        assert await names(found) == ["claude-9"]
        assert far.requests[0].target == "/v1/models?limit=1000"

    with_two(work)


WALLED = {
    "its own rule": (rule("*", "openai/far", local_only=True),),
    "everything is local before it": (
        rule("*", "local/box", local_only=True),
        rule("**", "openai/far", id=2),
    ),
    "only exact names lead there": (rule("a", "openai/far"),),
    "only aliases lead there": (rule("claude-*", "openai/far=gpt-9"),),
}


@pytest.mark.parametrize("case", WALLED)
def test_a_provider_is_not_asked_where_no_open_rule_leads_there_by_name(case: str) -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        near.always(pages({"/v1/models": listing("m")}))
        far.always(pages({"/v1/models": listing("gpt-9")}))
        found.rules(*WALLED[case], backends=[local(near), cloud(far)])
        assert "gpt-9" not in await names(found)
        assert not far.requests

    with_two(work)


def test_names_behind_a_wall_are_not_listed_from_a_provider() -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        near.always(pages({"/v1/models": listing("secret-local")}))
        far.always(pages({"/v1/models": listing("secret-9", "gpt-9")}))
        rules = rule("secret-*", "local/box", local_only=True), rule("*", "openai/far", id=2)
        found.rules(*rules, backends=[local(near), cloud(far)])
        assert await names(found) == ["gpt-9", "secret-local"]

    with_two(work)


def test_a_local_model_whose_name_a_rule_sends_elsewhere_is_not_listed() -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        near.always(pages({"/v1/models": listing("qwen")}))
        far.always(pages({"/v1/models": listing("gpt-9")}))
        found.rules(rule("*", "openai/far"), backends=[local(near), cloud(far)])
        assert await names(found) == ["gpt-9"]

    with_two(work)


def test_a_provider_that_hangs_or_gives_no_list_takes_nothing_away() -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        near.always(pages({"/v1/models": listing("m")}))
        for said in ("stall", Reply(500), Reply(200, JSON, body=b"[1]")):
            far.always(said)
            found.rules(rule("gpt-*", "openai/far"), backends=[local(near), cloud(far)])
            assert await names(found) == ["m"]

    with_two(work)


def test_practice_is_listed_only_while_nothing_else_is_there_or_when_asked_for() -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        found.rules(backends=[])
        assert await names(found) == ["practice"]
        near.always(pages({"/v1/models": listing("m")}))
        found.rules(backends=[local(near)])
        assert await names(found) == ["m"]
        assert await names(found, "?practice=1") == ["m", "practice"]

    with_two(work)


def test_an_mlx_lm_without_a_cache_of_downloads_serves_what_it_was_started_with() -> None:
    """Its list was empty, and so nothing could be asked of it."""

    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        near.always(double("mlx_lm", Model("default_model"), cache=False))
        found.rules(backends=[local(near)])
        assert await names(found) == ["default_model"]

    with_two(work)
