"""Two data planes: one has a local backend of its own, the other asks it through that one. The whole of it with two real
gateways: tests/e2e/test_by_node.py."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import uvloop

from pointsman.admin.store.client_keys import digest
from pointsman.kinds import Customs
from pointsman.ledger.metrics import ATTEMPTS, REQUESTS
from pointsman.link.messages import ClientKeySpec
from pointsman.link.node_spec import NodeSpec
from pointsman.practice import STALL, Received, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from pointsman.secret import Secret, SecretBytes
from tests.agents.model import CHAT, JSON, MESSAGES, WHOLE
from tests.conformance.facts import ASK

from .plane import Got, Plane, plane, rule
from .test_elsewhere import ollama

KEY = Secret("the-key-of-all-nodes")
ANN = "pm-" + "a" * 49
CREDENTIAL = "AKIAIOSFODNN7QQQQQQQ"
PEPPER = SecretBytes(b"p" * 32)
PATHS = {CHAT: "/v1/chat/completions", MESSAGES: "/v1/messages"}


@dataclass
class Pair:
    """owner: has local/box. asker: asks it for that. engine: what box is."""

    owner: Plane
    asker: Plane
    engine: ScriptedUpstream

    def far(self, **more: Any) -> BackendSpec:
        url = f"http://127.0.0.1:{self.owner.port}/node/local/box/v1"
        made = {"auth": "bearer", "api_key": KEY, "node": "n1", "proxy": "none"} | more
        return BackendSpec("local/box", "local", "box", url, **made)

    async def ask(self, body: dict[str, Any] | None = None, client: str = CHAT, *headers: str) -> Got:
        return await self.asker.ask(PATHS[client], {**ASK[client], "model": "m", **(body or {})}, *headers)

    @property
    def posts(self) -> list[Received]:
        """What came of requests."""
        return [one for one in self.engine.requests if one.method == "POST"]

    async def stalled(self) -> tuple[asyncio.Task[Got], Received]:
        """A request on its way, which the engine has and does not answer."""
        self.engine.always(
            lambda received: Reply(200, JSON, body=b"{}", before=[STALL] if received.method == "POST" else ())
        )
        asking = asyncio.create_task(self.ask())
        while not self.posts:
            await asyncio.sleep(0.01)
        return asking, self.posts[0]


def with_two(
    work: Callable[[Pair], Awaitable[None]], own: dict[str, Any] | None = None, **limits: Any
) -> None:
    """own: of the row, at the one that has it."""

    async def main() -> None:
        with ScriptedUpstream() as engine:
            engine.always(Reply(200, JSON, body=WHOLE[CHAT]("hello")))
            async with plane(**limits) as owner, plane() as asker:
                pair = Pair(owner, asker, engine)
                box = BackendSpec("local/box", "local", "box", engine.url, (CHAT,), **(own or {}))
                other = BackendSpec("local/other", "local", "other", engine.url, (CHAT,))
                owner.rules(backends=[box, other], node=NodeSpec("n1", KEY, ("box",)))
                asker.rules(rule("*", "local/box"), backends=[pair.far(dialects=(CHAT,))])
                await work(pair)

    uvloop.run(main())


def test_the_owner_neither_counts_nor_translates_and_the_asker_does_both() -> None:
    async def work(pair: Pair) -> None:
        for client in PATHS:
            assert (await pair.ask(client=client)).status == 200
        assert [one.path for one in pair.posts] == ["/v1/chat/completions"] * 2
        assert "authorization" not in {name for one in pair.engine.requests for name in one.headers}
        records = await pair.asker.recorded(2)
        assert [one.target for one in records] == ["node/n1/box:m"] * 2
        assert pair.owner.records == []
        counted = pair.owner.plane.samples()
        assert counted[ATTEMPTS.sample("local/box", "ok")] == 2.0
        assert not any(name.startswith(REQUESTS.name) for name in counted)

    with_two(work)


def test_what_it_says_of_itself_is_known_as_if_it_were_beside_the_asker() -> None:
    async def work(pair: Pair) -> None:
        says = {"version": {"version": "0.12.0"}, "show": {"capabilities": ["completion", "tools"]}}
        pair.engine.always(ollama(CHAT, **{name: Reply(200, JSON, body=said) for name, said in says.items()}))
        far, near = (one.plane.backends["local/box"] for one in (pair.asker, pair.owner))
        await asyncio.gather(pair.asker.plane.facts.refresh([far]), pair.owner.plane.facts.refresh([near]))
        known = [one.plane.facts for one in (pair.asker, pair.owner)]
        assert [getattr(one.engine(at), "name", "") for one, at in zip(known, (far, near), strict=True)] == [
            "ollama"
        ] * 2
        model = "mid:latest"
        assert known[0].of(far, model) == known[1].of(near, model)
        assert known[0].of(far, model).abilities == {"completion", "tools"}

    with_two(work)


def test_errors_come_back_as_the_engine_gave_them() -> None:
    async def work(pair: Pair) -> None:
        for status, body in (
            (404, b'{"error":"model \'m\' not found"}'),
            (400, b'{"error":{"message":"no"}}'),
        ):
            pair.engine.always(Reply(status, JSON, body=body))
            straight = await pair.owner.ask(
                "/node/local/box/v1/chat/completions",
                {**ASK[CHAT], "model": "m"},
                f"authorization: Bearer {KEY.reveal()}",
            )
            assert (straight.status, straight.body) == (status, body)
            assert (await pair.ask()).status == status

    with_two(work)


def test_an_engine_that_is_down_is_told_and_the_next_target_serves() -> None:
    async def work(pair: Pair) -> None:
        pair.engine.kill()
        with ScriptedUpstream() as spare:
            spare.always(Reply(200, JSON, body=WHOLE[CHAT]("spare")))
            near = BackendSpec("local/near", "local", "near", spare.url, (CHAT,))
            pair.asker.rules(
                rule("*", "local/box", "local/near"), backends=[pair.far(dialects=(CHAT,)), near]
            )
            for _ in range(2):  # and once it is known to be down
                answer = await pair.ask()
                assert (answer.status, answer.headers["x-pointsman-target"]) == (200, "local/near:m")
            pair.engine.revive()

    with_two(work)


def test_a_whole_answer_that_breaks_off_is_no_whole_answer() -> None:
    async def work(pair: Pair) -> None:
        short = JSON | {"content-length": "1000"}
        pair.engine.always(Reply(200, short, parts=[WHOLE[CHAT]("hello")], framing="close"))
        answer = await pair.owner.ask(
            "/node/local/box/v1/chat/completions", {"model": "m"}, f"authorization: Bearer {KEY.reveal()}"
        )
        assert not answer.complete
        assert (await pair.ask()).status == 502

    with_two(work)


def test_the_owners_places_hold_for_askers_too() -> None:
    """One place, taken: the next one waits, and is told that it is busy when that takes too long."""

    async def work(pair: Pair) -> None:
        first, _ = await pair.stalled()
        answer = await pair.ask()
        assert answer.status == 429 or answer.status == 503, answer
        assert b"local/box is busy" in answer.body
        first.cancel()

    with_two(work, own={"max_in_flight": 1}, queue_seconds=0.1)


def test_whoever_leaves_at_the_asker_leaves_the_engine() -> None:
    async def work(pair: Pair) -> None:
        asking, received = await pair.stalled()
        asking.cancel()
        assert await asyncio.to_thread(pair.engine.wait_closed, received)

    with_two(work)


def test_an_engine_on_demand_is_not_started_to_be_asked_for_its_models() -> None:
    """It is the owner's; where there is no warden a request says why it could not be started."""

    async def work(pair: Pair) -> None:
        sleeping = BackendSpec(
            "local/box", "local", "box", "unix:///pointsman-engine/box", (CHAT,), engine="box", models=("m",)
        )
        pair.owner.rules(backends=[sleeping], node=NodeSpec("n1", KEY, ("box",)))
        pair.asker.rules(rule("*", "local/box"), backends=[pair.far()])
        await pair.asker.plane.lists.refresh()
        assert pair.asker.plane.lists.known == {"local/box": frozenset({"m"})}
        await pair.asker.plane.facts.refresh(pair.asker.plane.backends.values())
        assert pair.owner.plane.starting == {}
        answer = await pair.ask()
        assert answer.status == 503, answer
        assert b"box" in answer.body

    with_two(work, first_output_local_seconds=0.2)


def test_a_row_that_the_owner_takes_for_anothers_ends_at_once() -> None:
    """It does not go on to a third node, nor round in a circle."""

    async def work(pair: Pair) -> None:
        pair.owner.rules(backends=[pair.far()], node=NodeSpec("n1", KEY, ("box",)))
        answer = await pair.ask()
        assert answer.status == 503
        assert b"local/box is none of the node n1" in answer.body
        for name in ("other", "nobody", ""):
            path = f"/node/local/{name}/v1/models"
            told = await pair.owner.ask(path, b"", f"authorization: Bearer {KEY.reveal()}", method="GET")
            assert told.status == 503, name

    with_two(work)


def test_walls_and_customs_take_another_node_for_another_machine() -> None:
    async def work(pair: Pair) -> None:
        backends = [pair.far(dialects=(CHAT,))]
        pair.asker.rules(rule("*", "local/box", local_only=True), backends=backends)
        answer = await pair.ask()
        assert answer.status == 502
        assert b"the rule is local_only, and it belongs to the node n1" in answer.body
        pair.asker.rules(rule("m", "local", id=2), backends=backends)  # by its list alone
        assert (await pair.ask()).status in (404, 502)
        pair.asker.rules(rule("*", "local/box"), backends=backends, customs=Customs.REFUSE.value)
        found = await pair.ask({"messages": [{"role": "user", "content": f"my key is {CREDENTIAL}"}]})
        assert found.status == 400, found
        key = ClientKeySpec(1, "ann", digest(PEPPER, ANN), local_only=True)
        pair.asker.rules(
            rule("*", "local/box"), backends=backends, client_keys=(key,), keys_required=True, pepper=PEPPER
        )
        assert (await pair.ask(None, CHAT, f"authorization: Bearer {ANN}")).status == 403
        assert pair.posts == []

    with_two(work)


def test_a_rule_that_names_a_node_gets_what_local_is_there() -> None:
    """Whichever of its servers lists the model; `node/*` is one's own that does, and then a node that does."""

    async def work(pair: Pair) -> None:
        listing = {"object": "list", "data": [{"id": "far"}]}
        pair.engine.always(
            lambda got: Reply(200, JSON, body=listing if got.method == "GET" else WHOLE[CHAT]("hello"))
        )
        url = f"http://127.0.0.1:{pair.owner.port}/node/any/v1"
        node = BackendSpec("node/n1", "local", "node/n1", url, None, "bearer", KEY, node="n1", proxy="none")
        with ScriptedUpstream() as near:
            own = {"object": "list", "data": [{"id": "near"}]}
            near.always(
                lambda got: Reply(200, JSON, body=own if got.method == "GET" else WHOLE[CHAT]("here"))
            )
            box = BackendSpec("local/box", "local", "box", near.url, (CHAT,))
            pair.asker.rules(
                rule("one", "node/n1=far", id=1), rule("nobodys", "node/n1=else", id=2), rule("*", "node/*", id=3),
                rule("wall", "node/*=far", id=4, local_only=True), backends=[box, node],
            )  # fmt: skip
            asked = ("one", "far", "near", "wall", "nobodys", "unheard")
            refused = await pair.ask({"model": "one"})
            assert refused.status == 404, "no rule of the owner's asks for that"
            pair.owner.rules(
                backends=[BackendSpec("local/engine", "local", "engine", pair.engine.url, (CHAT,)),
                          BackendSpec("local/dead", "local", "dead", "http://127.0.0.1:1", (CHAT,))],
                node=NodeSpec("n1", KEY, whole=True),
            )  # fmt: skip
            await asyncio.gather(pair.owner.plane.lists.refresh(), pair.asker.plane.lists.refresh())
            pair.asker.plane.lists._followed["node/n1"].asked = -1000.0
            await pair.asker.plane.lists.refresh()
            assert pair.asker.plane.lists.known["node/n1"] == {"far"}
            found = [await pair.ask({"model": name}) for name in asked]
            assert [(one.status, one.headers["x-pointsman-target"]) for one in found] == [
                (200, "node/n1:far"), (200, "node/n1:far"), (200, "local/box:near"), (502, "node/n1:far"),
                (404, "node/n1:else"), (502, "node/*:unheard"),
            ]  # fmt: skip
            listed = await pair.asker.ask("/v1/models", b"", method="GET")
            assert {"far", "near", "one"} <= {one["id"] for one in listed.json()["data"]}

    with_two(work)
