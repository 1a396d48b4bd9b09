"""Rules with a shadow (docs/shadow.md): what a cloud has answered is asked of a local target, too, behind the client's back and
only of one. Clouds and engines are scripted, real sockets between."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvloop

from pointsman.admin.store.client_keys import digest
from pointsman.gateway.own.siblings import Siblings
from pointsman.gateway.own.wanted import wanted as wanted_here
from pointsman.ledger.shadows import Comparison
from pointsman.link.messages import ClientKeySpec, Shadowed
from pointsman.practice import CUT, STALL, Received, Reply, ScriptedUpstream
from pointsman.routing.specs import MappingSpec
from pointsman.secret import SecretBytes
from tests.agents.model import CHAT, JSON, RESPONSES, SSE, STREAM, WHOLE, Call
from tests.conformance.facts import ASK
from tests.engines.doubles import Model, double
from tests.vendor_bodies import chat as bodies
from tests.vendor_bodies import responses as answers
from tests.vendor_bodies.wire import encoded

from .plane import Got, Plane, plane, rule
from .test_costs import backend as dear
from .test_costs import priced
from .test_elsewhere import ollama
from .test_elsewhere import told as posted
from .test_recovered_calls import saying
from .test_translation import PATHS, spec

GUARD = 8.0
PEPPER = SecretBytes(b"p" * 32)
KEY = "pm-" + "a" * 49
CANARY = "canary-7f3a"
TOOLS = [{"type": "function", "function": {"name": "get", "parameters": {"type": "object"}}}]


@dataclass
class Stage:
    """cloud answers the client; box is asked the same. told: what came of it."""

    found: Plane
    cloud: ScriptedUpstream
    box: ScriptedUpstream
    told: list[Shadowed] = field(default_factory=list)

    def serve(self, of: MappingSpec | None = None, upstream: str = CHAT, **more: Any) -> None:
        backends = [dear(self.cloud, "openai/a", upstream), spec(self.box, CHAT)]
        self.found.rules(of or shadowed(), **({"backends": backends, "pepper": PEPPER} | more))

    async def ask(self, client: str = CHAT, *headers: str, **more: Any) -> Got:
        return await self.found.ask(PATHS[client], {"model": "m", **ASK[client], **more}, *headers)

    async def until(self, holds: Callable[[], Any]) -> None:
        end = time.monotonic() + GUARD
        while not holds():
            assert time.monotonic() < end, "it never came"
            await asyncio.sleep(0.002)

    async def idle(self) -> None:
        """Every request that was answered has been asked here, too."""
        await self.until(lambda: len(self.asked) == len(self.found.own))
        await self.until(lambda: not self.found.plane.ticking)

    async def compared(self, count: int = 1) -> list[Comparison]:
        await self.until(lambda: len(self._compared) >= count)
        assert len(self._compared) == count
        return self._compared

    @property
    def _compared(self) -> list[Comparison]:
        return [one for told in self.told for one in told.compared]

    async def not_asked(self, count: int = 1) -> dict[str, int]:
        await self.until(lambda: sum(self._left.values()) >= count)
        return dict(self._left)

    @property
    def _left(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for told in self.told:
            for one in told.not_asked:
                found[one.why] += one.count
        return found

    @property
    def asked(self) -> list[Received]:
        """Of the engine."""
        return [one for one in self.box.requests if one.method == "POST"]


@asynccontextmanager
async def stage(**limits: Any) -> AsyncIterator[Stage]:
    with ScriptedUpstream() as cloud, ScriptedUpstream() as box:
        async with plane(**limits) as found:
            on = Stage(found, cloud, box)
            found.plane.tell_shadowed = lambda told: on.told.append(told) or True
            try:
                yield on
            finally:
                if found.plane.shadows is not None:
                    found.plane.shadows.close()
                    await asyncio.sleep(0)


def run(work: Callable[[Stage], Any], **more: Any) -> None:
    async def main() -> None:
        async with stage(**more) as on:
            await work(on)

    uvloop.run(main())


def shadowed(*targets: str, **more: Any) -> MappingSpec:
    told = {"shadow": "local/box:q", "shadow_share": 100, "shadow_busy": 100} | more
    return rule("m", *(targets or ("openai/a",)), **told)


@pytest.mark.parametrize("upstream", PATHS)
@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_cloud_s_answer_is_compared_with_the_engine_s(client: str, upstream: str, stream: bool) -> None:
    async def work(on: Stage) -> None:
        on.cloud.always(saying(upstream, "The answer is 42."))
        on.box.always(saying(CHAT, "The answer was 42."))
        on.serve(upstream=upstream)
        got = await on.ask(client, stream=stream)
        assert got.status == 200
        assert got.headers["x-pointsman-target"] == "openai/a:m"
        (one,) = await on.compared()
        assert (one.failed, one.cloud, one.local) == (None, "openai/a:m", "local/box:q")
        assert (one.protocol, one.stream, one.mapping_id, one.model) == (client, stream, 1, "m")
        # the answer is 42, the answer, answer is, is 42 | the answer was 42, ...: 4 of 10
        assert one.likeness == 0.4
        assert (one.tools, one.arguments, one.structured) == (None, None, None)
        assert (one.characters, one.local_characters) == (17, 18)
        assert (one.tokens, one.local_tokens) == (20, 20)
        assert (one.stop, one.local_stop, one.refused, one.local_refused) == ("end", "end", False, False)
        assert one.local_total_ms
        assert one.total_ms
        (asked,) = on.asked
        assert asked.json()["model"] == "q"

    run(work)


def call(name: str, **arguments: Any) -> Call:
    return Call(name, arguments)


def plays(step: Any, protocol: str = CHAT, usage: dict[str, int] | None = None) -> Any:
    """A text or a call, whole or streamed."""

    def reply(received: Received) -> Reply:
        if received.method != "POST":
            return Reply(404, JSON, body=b"{}")
        if received.json().get("stream"):
            return Reply(200, SSE, body=STREAM[protocol](step))
        return Reply(200, JSON, body=WHOLE[protocol](step))

    return reply


def hangs(received: Received) -> Reply:
    """Of what is posted; it tells nothing of itself."""
    if received.method != "POST":
        return Reply(404, JSON, body=b"{}")
    return Reply(200, JSON, body=b"", before=(STALL,))


def test_calls_are_the_same_whatever_the_order_of_their_arguments() -> None:
    async def work(on: Stage) -> None:
        on.serve()
        for there, here in (
            (call("get", a=1, b="x"), call("get", b="x", a=1)),
            (call("get", a=1), call("get", a=2)),
            (call("get", a=1), call("put", a=1)),
            (call("get", a=1), "I would call get."),
        ):
            on.cloud.always(plays(there))
            on.box.always(plays(here))
            assert (await on.ask(tools=TOOLS)).status == 200
            await on.idle()
        found = [(one.tools, one.arguments) for one in await on.compared(4)]
        assert found == [(True, True), (True, False), (False, False), (False, False)]

    run(work)


def test_structured_output_is_the_same_value_or_not() -> None:
    json = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}

    async def work(on: Stage) -> None:
        on.serve()
        for there, here, wanted in (
            ('{"a": 1, "b": 2.0}', '{"b":2,"a":1}', True),
            ('{"a": 1}', '{"a": "1"}', True),
            ('{"a": 1}', "a is 1", True),
            ("not JSON at all", '{"a": 1}', True),
            ('{"a": 1}', '{"a": 1}', False),
        ):
            on.cloud.always(plays(there))
            on.box.always(plays(here))
            await on.ask(**({"response_format": json} if wanted else {}))
            await on.idle()
        assert [one.structured for one in await on.compared(5)] == [True, False, False, None, None]

    run(work)


def test_its_client_waits_for_nothing_while_the_engine_hangs() -> None:
    """Structural: the engine never answers, and the client has its answer and the next one on the same connection."""

    async def work(on: Stage) -> None:
        on.cloud.always(saying(CHAT, "from the cloud"))
        on.box.always(hangs)
        on.serve()
        reader, writer = await on.found.connect()
        body = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(
            body
        )
        for _ in range(3):
            writer.write(head + body)
            told = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), GUARD)
            size = next(
                int(line.split(b":")[1]) for line in told.split(b"\r\n") if line.startswith(b"content-length")
            )
            assert b"from the cloud" in await asyncio.wait_for(reader.readexactly(size), GUARD)
            await on.until(lambda: on.asked)
        writer.close()
        assert len(on.asked) == 1, "one at a time"
        assert on.found.plane.jobs == 0
        on.found.plane.shadows.close()
        assert await on.not_asked(3) == {"ended": 3}

    run(work)


def test_a_shadow_gives_way_while_a_client_is_served_there() -> None:
    async def work(on: Stage) -> None:
        on.cloud.always(saying(CHAT, "from the cloud"))
        on.box.always(hangs)
        backends = [dear(on.cloud, "openai/a"), spec(on.box, CHAT)]
        on.found.rules(shadowed(), rule("own", "local/box=q", id=2), backends=backends)
        await on.ask()
        await on.until(lambda: on.asked)
        waiting = asyncio.ensure_future(on.found.ask(PATHS[CHAT], {"model": "own", **ASK[CHAT]}))
        assert await on.not_asked() == {"gave_way": 1}
        await on.until(lambda: on.asked[0].client_closed_at is not None)
        await on.ask()  # and none begins while that one is there
        assert len(on.asked) == 2
        assert on.found.plane.board.backend("local/box").places.in_use == 1
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await on.until(lambda: len(on.asked) == 3)

    run(work)


def test_what_is_too_much_is_counted_and_not_asked() -> None:
    async def work(on: Stage) -> None:
        on.cloud.always(saying(CHAT, "from the cloud"))
        on.box.always(hangs)
        on.serve()
        for _ in range(35):
            await on.ask()
        assert await on.not_asked(2) == {"queue_full": 2}
        await on.until(lambda: len(on.asked) == 1)
        samples = on.found.plane.samples()
        assert samples['pointsman_shadows_total{route="m",result="queue_full"}'] == 2

    run(work)


def test_no_shadow_of_what_a_cloud_did_not_answer_whole() -> None:
    async def work(on: Stage) -> None:
        on.box.always(saying(CHAT, "from here"))
        backends = [dear(on.cloud, "openai/a"), spec(on.box, CHAT)]
        on.found.rules(shadowed("openai/a", "local/box=q"), backends=backends)
        on.cloud.always(Reply(500, JSON, body=b'{"error":{"message":"it broke"}}'))
        got = await on.ask()
        assert got.headers["x-pointsman-target"] == "local/box:q"
        on.found.rules(shadowed(), backends=backends)
        assert (await on.ask()).status >= 500
        cut = STREAM[CHAT]("half of it")[:60]
        on.cloud.always(Reply(200, SSE, parts=[cut, CUT]))
        await on.ask(stream=True)
        on.cloud.always(
            Reply(400, JSON, body=b'{"error":{"message":"what?","type":"invalid_request_error"}}')
        )
        assert (await on.ask()).status == 400
        assert len(on.asked) == 1, "for its client"
        assert on.found.plane.shadows is None

    run(work)


def test_no_shadow_of_what_its_client_left() -> None:
    async def work(on: Stage) -> None:
        half = bodies.stream(bodies.delta(content="half"), done=False)
        on.cloud.always(Reply(200, SSE, parts=[half, STALL]))
        on.serve()
        reader, writer = await on.found.connect()
        body = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}'
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(body)
            + body
        )
        await asyncio.wait_for(reader.readuntil(b"data:"), GUARD)
        writer.close()
        (record,) = await on.found.recorded()
        assert record.outcome == "aborted"
        assert on.found.plane.shadows is None
        assert not on.asked

    run(work)


def test_a_cloud_that_answers_for_another_one_has_a_shadow_at_its_own_price() -> None:
    async def work(on: Stage) -> None:
        with ScriptedUpstream() as other:
            on.cloud.always(Reply(500, JSON, body=b'{"error":{"message":"it broke"}}'))
            other.always(saying(CHAT, "from the second"))
            on.box.always(saying(CHAT, "from the second"))
            backends = [dear(on.cloud, "openai/a"), dear(other, "openai/b"), spec(on.box, CHAT)]
            prices = {"openai/a": priced(5, 50), "openai/b": priced(1, 10)}
            on.found.rules(shadowed("openai/a", "openai/b"), backends=backends, prices=prices)
            await on.ask()
            (one,) = await on.compared()
            assert (one.cloud, one.likeness) == ("openai/b:m", 1.0)
            assert one.cost == 100 * 1000 + 20 * 10_000  # of 100 and 20 tokens, in nano-dollars
            assert one.local_cost == 0

    run(work)


def test_a_local_only_key_has_no_shadow_and_nothing_of_it_goes_anywhere() -> None:
    async def work(on: Stage) -> None:
        on.cloud.always(saying(CHAT, "from the cloud"))
        on.box.always(saying(CHAT, "from here"))
        key = ClientKeySpec(1, "ann", digest(PEPPER, KEY), local_only=True)
        on.serve(client_keys=(key,), keys_required=True)
        got = await on.ask(CHAT, f"authorization: Bearer {KEY}")
        assert got.status == 403
        assert not on.cloud.requests
        assert not on.asked
        assert on.found.plane.shadows is None

    run(work)


def test_a_key_that_may_not_use_the_target_has_no_shadow_there() -> None:
    async def work(on: Stage) -> None:
        on.cloud.always(saying(CHAT, "from the cloud"))
        key = ClientKeySpec(1, "ann", digest(PEPPER, KEY), models=("openai/a:*",))
        on.serve(client_keys=(key,), keys_required=True)
        assert (await on.ask(CHAT, f"authorization: Bearer {KEY}")).status == 200
        assert await on.not_asked() == {"key": 1}
        assert not on.asked

    run(work)


@pytest.mark.parametrize("model", ["mine", "aliased", "gpt-oss:120b-cloud"])
def test_a_model_that_its_server_sends_on_is_not_asked(model: str) -> None:
    """As behind a wall. Names and addresses that lead elsewhere: test_walls_beyond_names.py."""

    async def work(on: Stage) -> None:
        on.cloud.always(saying(CHAT, "from the cloud"))
        on.box.always(ollama(CHAT))
        on.serve(shadowed(shadow=f"local/box:{model}"))
        assert (await on.ask()).status == 200
        assert [one.failed for one in await on.compared()] == ["connect"]
        assert posted(on.box) == []
        on.serve(shadowed(shadow="local/box:mid"))
        await on.ask()
        assert (await on.compared(2))[1].failed is None
        assert len(posted(on.box)) == 1

    run(work)


def test_a_provider_as_a_shadow_is_never_asked_even_if_a_row_says_so() -> None:
    async def work(on: Stage) -> None:
        on.cloud.always(saying(CHAT, "from the cloud"))
        with ScriptedUpstream() as other:
            backends = [dear(on.cloud, "openai/a"), dear(other, "openai/b")]
            on.serve(shadowed(shadow="openai/b"), backends=backends)
            await on.ask()
            assert await on.not_asked() == {"not_local": 1}
            assert not other.requests

    run(work)


def test_a_rule_that_lost_its_shadow_meanwhile_asks_nobody() -> None:
    async def work(on: Stage) -> None:
        on.cloud.always(saying(CHAT, "from the cloud"))
        on.box.always(hangs)
        on.serve()
        await on.ask()
        await on.until(lambda: on.asked)
        await on.ask()
        on.serve(shadowed(shadow=None, shadow_share=None, shadow_busy=None))
        assert (await on.not_asked()).get("changed") == 1
        assert len(on.asked) == 1

    run(work)


def test_a_shadow_is_nobody_s_request() -> None:
    """Neither in usage, nor against a breaker, nor in what is counted of targets."""

    async def work(on: Stage) -> None:
        on.cloud.always(saying(CHAT, "from the cloud"))
        on.box.always(Reply(500, JSON, body=b'{"error":{"message":"it broke"}}'))
        on.serve()
        for _ in range(6):
            await on.ask()
            await on.idle()
        found = await on.compared(6)
        assert {one.failed for one in found} == {"upstream_error"}
        assert len(on.found.records) == 6
        board = on.found.plane.board
        assert board.opened() == []
        assert not board.backend("local/box").down
        assert board.backend("local/box").last_failure is None
        assert not [name for name in on.found.plane.samples() if "local/box" in name and "attempts" in name]

    run(work)


def test_a_response_of_a_shadow_is_not_remembered() -> None:
    async def work(on: Stage) -> None:
        on.cloud.always(saying(CHAT, "from the cloud"))
        on.box.always(saying(CHAT, "from here"))
        on.serve()
        got = await on.ask(RESPONSES)
        (one,) = await on.compared()
        assert one.failed is None
        kept = on.found.plane.responses.find("None", got.json()["id"])
        assert kept is not None
        assert "from the cloud" in str(kept.items)
        assert "from here" not in str(kept.items)

    run(work)


def test_a_share_is_looked_at() -> None:
    async def work(on: Stage) -> None:
        on.cloud.always(saying(CHAT, "from the cloud"))
        on.serve(shadowed(shadow_share=1))
        monkeypatch = pytest.MonkeyPatch()
        drawn = iter([0.5, 0.009, 0.01, 0.99])
        monkeypatch.setattr("pointsman.gateway.shadow.sampled.random.random", lambda: next(drawn))
        try:
            for _ in range(4):
                await on.ask()
        finally:
            monkeypatch.undo()
        await on.compared(1)

    run(work)


def test_an_engine_that_another_process_wants_is_left_to_it(tmp_path: Path) -> None:
    """Two processes of one gateway, by their own sockets."""
    wanted = True

    async def work(on: Stage) -> None:
        nonlocal wanted
        on.cloud.always(saying(CHAT, "from the cloud"))
        on.box.always(hangs)
        on.serve()
        plane = on.found.plane
        known = (plane.responses, plane.holders, plane.conversations)
        mine = Siblings(str(tmp_path), 0, *known, partial(wanted_here, plane))
        other = Siblings(str(tmp_path), 1, *known, lambda engine: wanted and engine == on.box.url)
        await mine.start()
        await other.start()
        plane.siblings, plane.alone = mine, False
        try:
            await on.ask()
            await on.until(lambda: plane.ticking)
            assert not on.asked
            wanted = False
            await on.until(lambda: on.asked)
            assert await other.wanted(on.box.url), "now a shadow runs here"
            wanted = True
            assert await on.not_asked() == {"gave_way": 1}
        finally:
            await mine.stop()
            await other.stop()

    run(work)


def test_a_server_keeps_the_model_that_it_has_loaded() -> None:
    async def work(on: Stage) -> None:
        on.cloud.always(saying(CHAT, "from the cloud"))
        models = [Model("mid:latest", loaded=False), Model("other:latest")]
        on.box.always(double("ollama", models=models))
        on.serve(shadowed(shadow="local/box:mid"))
        await on.ask()
        assert await on.not_asked() == {"other_model": 1}
        assert posted(on.box) == []
        on.serve(shadowed(shadow="local/box:other"))
        await on.ask()
        assert (await on.compared())[0].failed is None
        assert models[0].loaded is False

    run(work)


def test_a_cloud_s_answer_that_is_none_yet_is_not_compared() -> None:
    async def work(on: Stage) -> None:
        queued = {**answers.response([], usage=None), "status": "queued", "background": True}
        on.cloud.always(Reply(200, JSON, body=encoded(queued)))
        on.serve(upstream=RESPONSES)
        assert (await on.ask(RESPONSES, background=True)).status == 200
        assert await on.not_asked() == {"unreadable": 1}
        assert not on.asked

    run(work)


def test_what_was_not_asked_is_few_sums_whatever_names_clients_choose(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pointsman.gateway.shadow.shadows.MOST_UNTOLD", 3)

    async def work(on: Stage) -> None:
        on.cloud.always(saying(CHAT, "from the cloud"))
        on.found.plane.tell_shadowed = lambda told: False
        on.serve(rule("*", "openai/a", shadow="local/gone", shadow_share=100))
        for number in range(7):
            await on.ask(model=f"m{number}")
        await on.until(lambda: len(on.found.own) == 7)
        on.found.plane.tell_shadowed = lambda told: on.told.append(told) or True
        assert await on.not_asked(7) == {"unusable": 7}
        assert [one.model for told in on.told for one in told.not_asked] == ["m0", "m1", "m2", ""]

    run(work)


def test_a_fault_of_shadows_is_no_request_s_affair(caplog: pytest.LogCaptureFixture) -> None:
    async def work(on: Stage) -> None:
        def broken(told: Shadowed) -> bool:
            raise ZeroDivisionError

        on.cloud.always(saying(CHAT, "from the cloud"))
        on.found.plane.tell_shadowed = broken
        on.serve(shadowed(shadow="local/gone"))
        for _ in range(3):
            got = await on.ask()
            assert b"from the cloud" in got.body
        await on.until(lambda: on.found.plane.shadows is not None)
        await on.until(lambda: "this process has none any more" in caplog.text)
        assert (await on.ask()).status == 200
        assert len(await on.found.recorded(4)) == 4
        on.found.plane.tell_shadowed = lambda told: True

    run(work)
