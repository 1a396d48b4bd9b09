"""What `/v1/models` and Codex's catalogue say: names that work, and the truth about them, from the servers' own words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from pointsman.practice import Received, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec, MappingSpec
from pointsman.secret import Secret
from tests.agents.model import JSON

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


ENGINES: dict[str, tuple[Pages, int | None, list[str]]] = {
    "llama.cpp by its list": (
        {"/v1/models": listing("m", meta={"n_ctx": 2048, "n_ctx_train": 4096},
                               architecture={"input_modalities": ["text", "image"]})},
        2048, ["text", "image"],
    ),
    "llama.cpp by /props": (
        {"/v1/models": listing("m", owned_by="llamacpp"),
         "/props": {"default_generation_settings": {"n_ctx": 8192}, "modalities": {"vision": False, "audio": False}}},
        8192, ["text"],
    ),
    "llama.cpp with eyes by /props": (
        {"/v1/models": listing("m"), "/props": {"default_generation_settings": {"n_ctx": 512}, "modalities": {"vision": True}}},
        512, ["text", "image"],
    ),
    "vLLM": ({"/v1/models": listing("m", max_model_len=32768, owned_by="vllm")}, 32768, ["text"]),
    "LM Studio": (
        {"/v1/models": listing("m"), "/api/v0/models": {"data": [
            {"id": "m", "type": "vlm", "state": "loaded", "max_context_length": 131072, "loaded_context_length": 4096},
        ]}},
        4096, ["text", "image"],
    ),
    "LM Studio, not loaded": (
        {"/v1/models": listing("m"), "/api/v0/models": {"data": [{"id": "m", "type": "llm", "max_context_length": 131072}]}},
        131072, ["text"],
    ),
    "Ollama": (
        {"/v1/models": listing("m"),
         "/api/show m": {"capabilities": ["completion", "vision"], "model_info": {"gemma3.context_length": 131072}}},
        131072, ["text", "image"],
    ),
    "Ollama with num_ctx": (
        {"/v1/models": listing("m"), "/api/show m": {
            "capabilities": ["completion"], "parameters": "temperature 0\nnum_ctx       16384\n",
            "model_info": {"llama.context_length": 131072},
        }},
        16384, ["text"],
    ),
    "Ollama, loaded": (
        {"/v1/models": listing("m"), "/api/ps": {"models": [{"name": "m", "context_length": 4096}]},
         "/api/show m": {"capabilities": ["completion"], "model_info": {"llama.context_length": 131072}}},
        4096, ["text"],
    ),
    "a server that says nothing": ({"/v1/models": listing("m")}, None, ["text"]),
    "a server that says nonsense": (
        {"/v1/models": listing("m", max_model_len=-1), "/props": {"default_generation_settings": []}}, None, ["text"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ENGINES)
def test_codex_is_told_the_window_and_the_eyes_that_the_server_says(case: str) -> None:
    """Every local model had 128,000 tokens and eyes."""
    said, window, modalities = ENGINES[case]

    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        near.always(pages(said))
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
