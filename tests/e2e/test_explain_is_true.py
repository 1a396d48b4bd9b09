"""What `explain` says is what the data plane then does, on the wire: a table of backends, client protocols and
states of health. The plan, the health and the rules are those of one data plane; explain gets them as the link
carries them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
import uvloop

from pointsman.admin.control.explain import explain
from pointsman.admin.control.explain_target import TargetExplained, protocols
from pointsman.admin.control.process_status import StatusBoard
from pointsman.admin.control.routing_view import RoutingView
from pointsman.kinds import BackendType, Protocol
from pointsman.link.frames import pack, unpack
from pointsman.link.messages import Snapshot, WorkerStatus
from pointsman.practice import Received, Reply, ScriptedUpstream
from pointsman.practice.server import PracticeServer
from pointsman.providers.catalog import CATALOG
from pointsman.routing.specs import BackendSpec
from pointsman.routing.table import Target
from pointsman.secret import Secret
from pointsman.upstream.backend import Backend
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, WHOLE
from tests.gateway.plane import Plane, cold, plane, rule
from tests.gateway.test_translation import ask
from tests.vendor_bodies import chat as bodies
from tests.vendor_bodies.wire import encoded

COMPLETIONS, EMBEDDINGS = Protocol.COMPLETIONS.value, Protocol.EMBEDDINGS.value
PATHS = {
    CHAT: "/v1/chat/completions", RESPONSES: "/v1/responses", MESSAGES: "/v1/messages",
    COMPLETIONS: "/v1/completions", EMBEDDINGS: "/v1/embeddings",
}  # fmt: skip
SPOKEN = {path: protocol for protocol, path in PATHS.items()}
BODIES: dict[str, dict[str, Any]] = {
    COMPLETIONS: {"model": "m", "prompt": "hi"},
    EMBEDDINGS: {"model": "m", "input": "hi"},
}
LOGIN = "authorization: Bearer the-clients-own"


def body(protocol: str) -> dict[str, Any]:
    return BODIES[protocol] if protocol in BODIES else ask(protocol)


def whole(protocol: str) -> Reply:
    if protocol == COMPLETIONS:
        return Reply(200, JSON, body=encoded(bodies.whole_text("hello")))
    if protocol == EMBEDDINGS:
        row = {"object": "embedding", "index": 0, "embedding": [0.5]}
        listed = {
            "object": "list",
            "data": [row],
            "model": "m",
            "usage": {"prompt_tokens": 1, "total_tokens": 1},
        }
        return Reply(200, JSON, body=msgspec.json.encode(listed))
    return Reply(200, JSON, body=WHOLE[protocol]("hello"))


def knows(*protocols: str) -> Callable[[Received], Reply]:
    """A server that knows only these protocols' paths."""

    def answer(received: Received) -> Reply:
        if received.method == "GET":
            return Reply(200, JSON, body=b'{"object":"list","data":[]}')
        spoken = SPOKEN.get(received.path)
        if spoken not in protocols:
            return Reply(404, JSON, body=b'{"detail":"Not Found"}')
        return whole(spoken)

    return answer


def local(url: str, **more: Any) -> BackendSpec:
    return BackendSpec("local/a", "local", "a", url, **more)


def openai(url: str, **more: Any) -> BackendSpec:
    return BackendSpec(
        "openai/a", "openai", "a", url, auth="bearer", api_key=Secret("sk-1"), allow_http=True, **more
    )


def anthropic(url: str, **more: Any) -> BackendSpec:
    return BackendSpec(
        "anthropic/a",
        "anthropic",
        "a",
        url,
        auth="x-api-key",
        api_key=Secret("sk-1"),
        allow_http=True,
        **more,
    )


def login(url: str) -> BackendSpec:
    spoken = tuple(one.value for one in CATALOG[BackendType.ANTHROPIC].dialects)
    return BackendSpec("anthropic", "anthropic", "", url, dialects=spoken, allow_http=True, login_only=True)


BACKENDS: dict[str, Callable[[str], BackendSpec]] = {
    "a local server that does not say": local,
    "a local server that speaks Chat": lambda url: local(url, dialects=(CHAT,)),
    "a local server that speaks Messages and Responses": lambda url: local(
        url, dialects=(MESSAGES, RESPONSES)
    ),
    "a local server that only embeds": lambda url: local(url, dialects=(EMBEDDINGS,)),
    "a compatible provider": openai,
    "a compatible provider that speaks Responses": lambda url: openai(url, dialects=(RESPONSES,)),
    "a provider of Messages": anthropic,
    "a login without a key": login,
    "a row with a problem": lambda url: local(url, problem="it is broken"),
    "a row that cannot be compiled": lambda url: local("nonsense"),
}
ALL = tuple(PATHS)


async def explained(found: Plane, model: str = "m") -> list[TargetExplained]:
    """As the control plane would: everything goes through the link's own encoding first."""
    assert found.plane.rules is not None
    snapshot = unpack(pack(found.plane.rules.snapshot))
    assert isinstance(snapshot, Snapshot)
    status = msgspec.msgpack.decode(pack(found.plane.status()), type=WorkerStatus)
    board = StatusBoard()
    board.take(status, 0.0)
    return (await explain(snapshot, RoutingView(), board.health(0.0), model, cold))[0].targets


def wanted(said: str, client: str, known: tuple[str, ...]) -> list[str]:
    """Paths that the backend should be asked, by what explain says and what the server knows."""
    if said == "not possible":
        return []
    if said.startswith("translated to "):
        return [PATHS[said.removeprefix("translated to ").partition(" ")[0]]]
    if said == "as it is" or client in known:
        return [PATHS[client]]
    assert said.startswith("as it is if it knows the path"), said
    _, _, other = said.partition(", else translated to ")
    return [PATHS[client], *([PATHS[other.partition(" ")[0]]] if other else [])]


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize("known", [ALL, (CHAT,)], ids=["knows all", "knows Chat"])
def test_each_protocol_goes_where_explain_says(name: str, client: str, known: tuple[str, ...]) -> None:
    async def main() -> None:
        with ScriptedUpstream() as server, ScriptedUpstream() as spare:
            server.always(knows(*known))
            spare.always(knows(*ALL))
            spec = BACKENDS[name](server.url)
            other = BackendSpec("local/z", "local", "z", spare.url, dialects=ALL)
            async with plane() as found:
                for forward in (True, False):
                    found.rules(rule("m", spec.key, "local/z", forward_auth=forward), backends=[spec, other])
                    first, last = await explained(found)
                    before = len(server.requests)
                    answer = await found.ask(PATHS[client], body(client), *([LOGIN] if forward else []))
                    asked = [r.path for r in server.requests[before:] if r.method == "POST"]
                    said = first.protocols.get(client, "not possible")
                    assert asked == wanted(said, client, known), (forward, said)
                    assert first.usable or not asked
                    if not first.usable:
                        assert answer.headers["x-pointsman-fallback"] in ("connect", "auth")
                    if not asked or SPOKEN[asked[-1]] in known:
                        assert answer.status == 200, answer.body
                    if spec.key in found.plane.backends:  # each round asks anew
                        found.plane.backends[spec.key].learned.clear()
                    assert last.protocols[client] == "as it is"

    uvloop.run(main())


def test_the_practice_backend_gets_every_protocol_as_it_is() -> None:
    async def main() -> None:
        async with plane() as found:
            server = PracticeServer(path=found.plane._practice_path)
            await server.start()
            try:
                found.rules(backends=[])
                (target,) = await explained(found, "practice")
                assert (target.usable, target.leaves_machine, target.base_url) == (True, False, None)
                assert target.protocols == {
                    **dict.fromkeys(PATHS, "as it is"),
                    "ollama": "translated to openai_chat",  # of clients only
                }
                for client, path in PATHS.items():
                    assert (await found.ask(path, {**body(client), "model": "practice"})).status == 200
            finally:
                await server.stop()

    uvloop.run(main())


# -- health

Prepare = Callable[[Plane, ScriptedUpstream], Awaitable[None]]
FAILS = Reply(500, JSON, body=b'{"error":{"message":"it broke","type":"server_error"}}')


async def chat(found: Plane) -> Any:
    return await found.ask(PATHS[CHAT], ask(CHAT))


def rules(found: Plane, url: str, spare: str, **more: Any) -> None:
    spec = (
        openai(url, dialects=(CHAT,))
        if not more
        else msgspec.structs.replace(openai(url, dialects=(CHAT,)), **more)
    )
    found.rules(
        rule("m", "openai/a", "local/z"),
        backends=[spec, BackendSpec("local/z", "local", "z", spare, dialects=ALL)],
    )


async def good(found: Plane, server: ScriptedUpstream) -> None:
    await chat(found)


async def opened(found: Plane, server: ScriptedUpstream) -> None:
    server.script(*[FAILS] * 5)
    for _ in range(5):
        await chat(found)


async def due(found: Plane, server: ScriptedUpstream) -> None:
    await opened(found, server)
    found.plane.board.targets["openai/a", "m"].breaker.until = time.monotonic() - 0.1


async def throttled(found: Plane, server: ScriptedUpstream) -> None:
    server.script(Reply(429, {**JSON, "retry-after": "30"}, body=b"{}"))
    await chat(found)


async def throttled_before(found: Plane, server: ScriptedUpstream) -> None:
    server.script(Reply(429, {**JSON, "retry-after": "0.2"}, body=b"{}"))
    await chat(found)
    await asyncio.sleep(0.3)


async def both(found: Plane, server: ScriptedUpstream) -> None:
    server.script(
        *[Reply(503, {**JSON, "retry-after": "0"}, body=b"{}")] * 4,
        Reply(503, {**JSON, "retry-after": "1"}, body=b"{}"),
    )
    for _ in range(5):
        await chat(found)


async def benched(found: Plane, server: ScriptedUpstream) -> None:
    server.script("401")
    await chat(found)


HEALTH: dict[str, tuple[Prepare, str, bool]] = {
    "good": (good, "good", False),
    "open": (opened, "its breaker is open", True),
    "due": (due, "the next request tries it", False),
    "throttled": (throttled, "too busy", True),
    "throttled before": (throttled_before, "good", False),
    "throttled and open": (both, "its breaker is open", True),
    "benched": (benched, "its key was refused", True),
}


@pytest.mark.parametrize("name", HEALTH)
def test_who_is_passed_over_is_who_explain_says(name: str) -> None:
    prepare, words, left_out = HEALTH[name]

    async def main() -> None:
        with ScriptedUpstream() as server, ScriptedUpstream() as spare:
            server.always(knows(CHAT))
            spare.always(knows(*ALL))
            async with plane() as found:
                rules(found, server.url, spare.url)
                await prepare(found, server)
                target = (await explained(found))[0]
                assert words in target.health
                assert target.passed_over is left_out
                assert (target.passed_over_until is not None) is (left_out and name != "benched")
                before = len(server.requests)
                answer = await chat(found)
                assert answer.headers["x-pointsman-target"] == ("local/z:m" if left_out else "openai/a:m")
                assert (len(server.requests) == before) is left_out

    uvloop.run(main())


def test_who_is_left_out_is_tried_again_at_the_moment_that_explain_names() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server, ScriptedUpstream() as spare:
            server.always(knows(CHAT))
            spare.always(knows(*ALL))
            async with plane() as found:
                rules(found, server.url, spare.url)
                await opened(found, server)
                state = found.plane.board.targets["openai/a", "m"]
                state.breaker.until = time.monotonic() + 0.4
                state.throttled_until, state.account = (
                    time.monotonic() + 0.8,
                    found.plane.backends["openai/a"].account,
                )
                until = (await explained(found))[0].passed_over_until
                assert until is not None
                while (left := until.timestamp() - time.time()) > 0.05:
                    assert (await chat(found)).headers["x-pointsman-target"] == "local/z:m"
                    await asyncio.sleep(min(left, 0.1))
                await asyncio.sleep(max(0.0, until.timestamp() - time.time()) + 0.01)
                assert (await chat(found)).headers["x-pointsman-target"] == "openai/a:m"

    uvloop.run(main())


@pytest.mark.parametrize("prepare", [benched, throttled])
def test_what_an_edited_key_was_refused_for_is_not_told_of_the_new_one(prepare: Prepare) -> None:
    async def main() -> None:
        with ScriptedUpstream() as server, ScriptedUpstream() as spare:
            server.always(knows(CHAT))
            spare.always(knows(*ALL))
            async with plane() as found:
                rules(found, server.url, spare.url)
                await prepare(found, server)
                assert (await explained(found))[0].passed_over
                rules(found, server.url, spare.url, api_key=Secret("sk-2"))
                target = (await explained(found))[0]
                assert (target.passed_over, target.health, target.benched) == (False, "good", None)
                assert "key_benched" not in str(found.plane.status().counters)
                assert (await chat(found)).headers["x-pointsman-target"] == "openai/a:m"

    uvloop.run(main())


def test_a_local_server_that_takes_no_connections_is_told_down_and_left_out() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server, ScriptedUpstream() as spare:
            spare.always(knows(*ALL))
            server.kill()
            async with plane() as found:
                found.rules(
                    rule("m", "local/a", "local/z"),
                    backends=[
                        local(server.url, dialects=ALL),
                        BackendSpec("local/z", "local", "z", spare.url, dialects=ALL),
                    ],
                )
                assert (await chat(found)).headers["x-pointsman-attempts"] == "2"
                target = (await explained(found))[0]
                assert (target.down, target.passed_over, target.passed_over_until) == (True, True, None)
                assert "takes no connections" in target.health
                assert (await chat(found)).headers["x-pointsman-attempts"] == "1"

    uvloop.run(main())


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            "gpt-5.6",
            "as it is (with tools: translated to openai_responses; with a web search: translated to openai_responses)",
        ),
        ("gpt-4.1", "as it is (with a web search: translated to openai_responses)"),
        ("o3-pro", "translated to openai_responses"),
        ("gpt-4o-search-preview", "as it is"),
    ],
)
def test_what_its_vendor_takes_in_another_protocol_only_is_told(model: str, said: str) -> None:
    backend = Backend(BackendSpec("openai", "openai", "", "https://api.openai.com", api_key=Secret("sk-1")))
    found = protocols(Target("openai", model, backend.spec), backend, login=False)
    assert (found[CHAT], found[RESPONSES]) == (said, "as it is")
