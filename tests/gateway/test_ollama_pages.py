"""What Ollama's clients ask beside answers: the models, one model, the version; names with and without `:latest`; who may
ask (docs/protocols/ollama.md). Real sockets on both sides."""

from __future__ import annotations

import importlib
import pkgutil
import re
from typing import Any

import ollama
import pytest
import uvloop

from pointsman.admin import routers
from pointsman.dialects.paths import route
from pointsman.dialects.registry import DIALECTS
from pointsman.gateway.client.access import HostGuard
from pointsman.kinds import Protocol
from pointsman.practice import Received, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from tests.agents.model import CHAT, JSON, WHOLE

from .plane import Plane, plane, rule
from .test_ollama_clients import HI, spec

NAMES = ("qwen3:8b", "llama3:latest", "plain")
OWN = ("chat", "generate", "embed", "embeddings", "tags", "show", "version", "ps")
UNOFFERED = ("pull", "push", "create", "copy", "delete", "blobs/sha256:0", "me", "signout")
"""Of Ollama's names: they are about a server's files and accounts, and the admin API's like every other."""
SHOWN = {
    "capabilities": ["completion", "tools", "vision", "thinking"],
    "model_info": {"general.architecture": "qwen3", "qwen3.context_length": 40960},
}


def server_of(*names: str) -> Any:
    def answer(received: Received) -> Reply:
        if received.path == "/v1/models":
            return Reply(200, JSON, body={"object": "list", "data": [{"id": name} for name in names]})
        if received.path == "/api/version":
            return Reply(200, JSON, body={"version": "0.17.4"})
        if received.path == "/api/tags":
            return Reply(200, JSON, body={"models": [{"name": name} for name in names]})
        if received.path == "/api/show":
            return Reply(200, JSON, body=SHOWN)
        if received.path == "/v1/chat/completions":
            return Reply(200, JSON, body=WHOLE[CHAT]("hello"))
        return Reply(404, JSON, body=b'{"error":"nothing here"}')

    return answer


def asked(use: Any, *rules: Any, names: tuple[str, ...] = NAMES, **more: Any) -> tuple[Any, list[str]]:
    """What came of it, and the models that the backend was asked for."""

    async def main() -> tuple[Any, list[str]]:
        with ScriptedUpstream() as server:
            server.always(server_of(*names))
            async with plane() as found:
                found.rules(*rules, backends=[spec(server.url)], **more)
                await found.plane.lists.refresh()
                result = await use(found)
            chats = [one.json()["model"] for one in server.requests if one.path == "/v1/chat/completions"]
            return result, chats

    return uvloop.run(main())


def test_the_package_lists_the_models_of_v1_models_and_parses_all_of_it() -> None:
    async def use(found: Plane) -> Any:
        async with ollama.AsyncClient(host=f"http://127.0.0.1:{found.port}") as client:
            return (
                await client.list(),
                await client.ps(),
                (await found.ask("/v1/models", b"", method="GET")).json(),
            )

    (listed, running, models), _ = asked(use, rule("gpt", "local/box=plain"))
    assert [one.model for one in listed.models] == [one["id"] for one in models["data"]]
    assert {one.model for one in listed.models} == {*NAMES, "gpt"}
    for one in listed.models:
        assert re.fullmatch("[0-9a-f]{64}", one.digest)
        assert one.modified_at.tzinfo is not None
        assert (one.size, one.details.family) == (0, "")
    assert len({one.digest for one in listed.models}) == 4
    assert running.models == []


def test_show_tells_what_the_models_server_tells() -> None:
    async def use(found: Plane) -> Any:
        async with ollama.AsyncClient(host=f"http://127.0.0.1:{found.port}") as client:
            with pytest.raises(ollama.ResponseError) as lost:
                await client.show("nobody")
            older = (await found.ask("/api/show", {"name": "plain"})).json()
            return await client.show("qwen3:8b"), lost.value, older

    (told, lost, older), _ = asked(use)
    assert set(told.capabilities) == {"completion", "tools", "vision", "thinking"}
    architecture = told.modelinfo["general.architecture"]
    assert told.modelinfo[f"{architecture}.context_length"] == 40960
    assert (lost.status_code, "model 'nobody' not found" in lost.error) == (404, True)
    assert set(older["capabilities"]) == set(told.capabilities)


def test_a_server_that_says_nothing_completes_and_calls_tools_and_has_no_eyes() -> None:
    async def use(found: Plane) -> Any:
        return (await found.ask("/api/show", {"model": "practice"})).json()

    told, _ = asked(use)
    assert told["capabilities"] == ["completion", "tools"]
    assert list(told["model_info"]) == ["general.architecture"]


def test_the_version_is_one_that_clients_take_and_says_who_answers() -> None:
    async def use(found: Plane) -> Any:
        got = await found.ask("/api/version", b"", method="GET")
        head = await found.ask("/", b"", method="HEAD")
        return got.json(), head.status

    (told, head), _ = asked(use)
    assert tuple(map(int, told["version"].split("."))) >= (0, 6, 4)
    assert told["pointsman"]
    assert head == 200


@pytest.mark.parametrize(
    ("rules", "name", "sent"),
    [
        ((), "llama3", "llama3:latest"),
        ((), "llama3:latest", "llama3:latest"),
        ((), "plain:latest", "plain"),
        ((), "qwen3:8b", "qwen3:8b"),
        ((rule("*", "local/box"),), "llama3", "llama3:latest"),
        ((rule("*", "local/box"),), "gpt-5:latest", "gpt-5"),
        ((rule("*", "local/box"),), "gpt-5", "gpt-5"),
        ((rule("x:latest", "local/box=a"), rule("x", "local/box=b", id=2)), "x:latest", "a"),
        ((rule("x", "local/box=b"),), "x:latest", "b"),
        ((rule("x:latest", "local/box=b"),), "x", "b"),
    ],
)
def test_a_name_is_found_with_and_without_its_tag(rules: Any, name: str, sent: str) -> None:
    async def use(found: Plane) -> Any:
        return await found.ask("/api/chat", {"model": name, "messages": HI, "stream": False})

    got, chats = asked(use, *rules)
    assert (got.status, got.json()["model"], chats) == (200, name, [sent])


def test_the_practice_model_is_found_with_the_tag() -> None:
    async def use(found: Plane) -> Any:
        return (await found.ask("/api/show", {"model": "practice:latest"})).status

    assert asked(use)[0] == 200


@pytest.mark.parametrize("name", ["qwen3", "llama3:70b", "zz:latest", "registry/zz"])
def test_another_tag_is_another_model_and_a_404_says_not_found(name: str) -> None:
    async def use(found: Plane) -> Any:
        return await found.ask("/api/chat", {"model": name, "messages": HI})

    got, chats = asked(use)
    assert (got.status, chats) == (404, [])
    assert f"model '{name}' not found" in got.json()["error"]


@pytest.mark.parametrize("name", ["secret", "secret:latest", "SECRET:latest"])
def test_a_wall_holds_for_the_name_with_and_without_the_tag(name: str) -> None:
    async def use(found: Plane) -> Any:
        plan = await found.ask("/api/chat", {"model": name, "messages": HI, "stream": False})
        return plan.headers["x-pointsman-target"]

    walled = rule("secret", "local/box=hidden", local_only=True)
    target, chats = asked(use, walled, rule("*", "local/box=other", id=2))
    assert (target, chats) == ("local/box:hidden", ["hidden"])


# -- paths


def test_no_page_of_the_admin_api_has_a_name_of_ollamas() -> None:
    ours = {path.partition("/api/")[2].partition("/")[0] for path in paths_of_the_admin_api()}
    assert "mappings" in ours
    assert ours & {name.partition("/")[0] for name in OWN} == set()
    assert {route(f"/api/{name}").kind for name in ours - {"hello"}} == {"control"}


def paths_of_the_admin_api() -> list[str]:
    found = []
    for module in pkgutil.iter_modules(routers.__path__):
        router = getattr(importlib.import_module(f"{routers.__name__}.{module.name}"), "router", None)
        found += [one.path for one in router.routes] if router is not None else []
    return [path for path in found if path.startswith("/api/")]


def test_exactly_these_names_are_the_data_planes() -> None:
    for name in OWN:
        assert route(f"/api/{name}").protocol is Protocol.OLLAMA
        for other in (f"/api/{name}/", f"/v1/api/{name}", f"/v1/v1/api/{name}"):
            assert route(other) == route(f"/api/{name}"), other
        assert route(f"/api/{name}/more").kind == "control"
        assert route(f"/api/{name}s").kind == "control" or f"{name}s" in OWN
    for name in (*UNOFFERED, "mappings", "chats", "Tags", "blobs", "tags/x", "user/keys/x"):
        assert route(f"/api/{name}").kind == "control"
    assert DIALECTS[Protocol.OLLAMA].translation is None


def test_a_gateway_in_front_learns_which_models_go_on_to_a_provider() -> None:
    cloud = BackendSpec(key="openai", type="openai", name="", base_url="https://127.0.0.1:1")

    async def use(found: Plane) -> Any:
        names = ("here", "there", "either", "walled")
        shown = {name: (await found.ask("/api/show", {"model": name})).json() for name in names}
        return (await found.ask("/api/tags", b"", method="GET")).json()["models"], shown

    async def main() -> Any:
        with ScriptedUpstream() as server:
            server.always(server_of("plain"))
            async with plane() as found:
                found.rules(
                    rule("here", "local/box=plain"),
                    rule("there", "openai=gpt", id=2),
                    rule("either", "local/box=plain", "openai=gpt", id=3),
                    rule("walled", "local/box=plain", "openai=gpt", id=4, local_only=True),
                    backends=[spec(server.url), cloud],
                )
                return await use(found)

    tags, shown = uvloop.run(main())
    remote = {"here": None, "there": "openai", "either": "openai", "walled": None}
    assert {one["name"]: one.get("remote_host") for one in tags if one["name"] in remote} == remote
    assert {name: one.get("remote_host") for name, one in shown.items()} == remote
    assert (
        "vision" in shown["there"]["capabilities"]
    )  # nobody knows, and a provider says so where it has no eyes


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/api/chat", "POST"), ("DELETE", "/api/tags", "GET, HEAD"), ("GET", "/api/show", "POST")],
)
def test_a_wrong_method_is_told_in_its_form(method: str, path: str, allowed: str) -> None:
    async def use(found: Plane) -> Any:
        return await found.ask(path, b"", method=method)

    got, _ = asked(use)
    assert (got.status, got.headers["allow"], list(got.json())) == (405, allowed, ["error"])


def test_bodies_that_are_none_are_told_in_its_form() -> None:
    async def use(found: Plane) -> Any:
        bodies = (b"", b"[]", b"{", b'{"messages":[]}', b'{"model":5}')
        paths = ("/api/chat", "/api/generate", "/api/embed", "/api/show")
        return [await found.ask(path, body) for path in paths for body in bodies]

    answers, _ = asked(use)
    assert {got.status for got in answers} == {400}
    assert all(list(got.json()) == ["error"] and isinstance(got.json()["error"], str) for got in answers)


# -- who may ask


def test_where_client_keys_are_wanted_every_path_wants_one_in_its_form() -> None:
    async def use(found: Plane) -> Any:
        got = []
        for name in OWN:
            method = "GET" if name in ("tags", "version", "ps") else "POST"
            got.append(await found.ask(f"/api/{name}", {"model": "plain"}, method=method))
        return got

    answers, _ = asked(use, keys_required=True)
    assert {one.status for one in answers} == {401}
    assert all(list(one.json()) == ["error"] for one in answers)


def test_hosts_and_origins_are_judged_as_everywhere() -> None:
    async def main() -> None:
        guard = HostGuard("127.0.0.1", (), ("https://app.example",))
        async with plane(guard) as found:
            found.rules(backends=[])
            page = await found.ask("/api/tags", b"", "origin: https://app.example", method="GET")
            assert page.headers["access-control-allow-origin"] == "https://app.example"
            stranger = await found.ask("/api/chat", {"model": "m"}, "origin: https://evil.example")
            assert (stranger.status, list(stranger.json())) == (403, ["error"])

    uvloop.run(main())
