"""Client keys with bounds and limits, and providers with budgets: what each client is told, and what is counted."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import anthropic
import openai
import pytest
import uvloop

from pointsman.admin.store.client_keys import digest
from pointsman.kinds import Limit, Per
from pointsman.ledger.accounts import LimitSpec
from pointsman.ledger.price_spec import Period, Prices, PriceSpec, Tariff
from pointsman.link.messages import ClientKeySpec, Reached
from pointsman.link.spending import Cashier
from pointsman.practice import CUT, STALL, Received, Reply, ScriptedUpstream
from pointsman.secret import SecretBytes
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES
from tests.vendor_bodies import chat

from .plane import Got, Plane, plane, rule
from .test_next_target import CLIENTS, box, cloud
from .test_spread import served
from .test_translation import PATHS, ask

PEPPER = SecretBytes(b"p" * 32)
SECRET = "pm-" + "k" * 49
OTHER = "pm-" + "o" * 49
BEARER = f"authorization: Bearer {SECRET}"
TOKENS = 25
"""Of each answer, as `answered` counts them."""


COUNTED = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}


def answered(received: Received) -> Reply:
    return Reply(200, JSON, json.dumps(chat.whole({"content": "hello"}, usage=COUNTED)).encode())


@dataclass
class Scene:
    found: Plane
    near: ScriptedUpstream
    there: ScriptedUpstream
    spent: dict[tuple[str, Limit], int]
    asked: list[tuple[str, Limit, float | None]]
    reached: list[Reached]

    def serve(
        self,
        *limits: LimitSpec,
        keys: Sequence[ClientKeySpec] | None = None,
        targets: Sequence[str] = ("local/box",),
        prices: dict[str, tuple[PriceSpec, ...]] | None = None,
        **key: Any,
    ) -> None:
        mine = ClientKeySpec(1, "mine", digest(PEPPER, SECRET), **key)
        self.found.rules(
            rule("*", *targets),
            backends=[
                box(self.near, dialects=("openai_chat",)),
                cloud(self.there, dialects=("openai_chat", "embeddings")),
            ],
            client_keys=(mine, *(keys or ())),
            keys_required=True,
            pepper=PEPPER,
            limits=limits,
            prices=prices or {},
        )

    async def chat(self, *headers: str, client: str = CHAT, **body: Any) -> Got:
        return await self.found.ask(PATHS[client], ask(client) | body, *(headers or (BEARER,)))


def run(work: Callable[[Scene], Awaitable[None]]) -> None:
    async def main() -> None:
        with ScriptedUpstream() as near, ScriptedUpstream() as there:
            near.always(answered)
            there.always(answered)
            async with plane() as found:
                scene = Scene(found, near, there, {}, [], [])

                async def spent(
                    of: tuple[tuple[str, Limit, float | None], ...], marked: Callable[[], None]
                ) -> tuple[int, ...]:
                    marked()
                    scene.asked += of
                    return tuple(scene.spent.get((whose, kind), 0) for whose, kind, _ in of)

                found.plane.cashier = Cashier(spent, scene.reached.append)
                await work(scene)

    uvloop.run(main())


def posted(server: ScriptedUpstream) -> list[Received]:
    return [one for one in server.requests if one.method == "POST"]


def budget(most: int, per: Per = Per.DAY, whose: str = "key/1", kind: Limit = Limit.TOKENS) -> LimitSpec:
    return LimitSpec(whose, kind, most, per)


def test_the_official_sdks_stop_at_a_spent_budget_after_one_request() -> None:
    async def work(scene: Scene) -> None:
        scene.spent["key/1", Limit.TOKENS] = 100
        scene.serve(budget(100))
        url = f"http://127.0.0.1:{scene.found.port}"

        def sdks() -> None:
            turns: Any = [{"role": "user", "content": "x"}]
            with openai.OpenAI(base_url=f"{url}/v1", api_key=SECRET, timeout=20) as client:
                for call in (
                    lambda: client.chat.completions.create(model="m", messages=turns),
                    lambda: client.responses.create(model="m", input="x"),
                ):
                    with pytest.raises(openai.RateLimitError) as told:
                        call()
                    assert told.value.code == told.value.type == "insufficient_quota"
                    assert "100 tokens a day" in str(told.value)
                    assert "(UTC)" in str(told.value)
                    assert told.value.response.headers["x-should-retry"] == "false"
                    assert 0 < int(told.value.response.headers["retry-after"]) <= 86_400
            with anthropic.Anthropic(base_url=url, api_key=SECRET, timeout=20) as other:
                with pytest.raises(anthropic.APIStatusError) as said:
                    other.messages.create(model="m", max_tokens=9, messages=turns)
                assert said.value.status_code == 402
                body: Any = said.value.body
                assert body["error"]["type"] == "billing_error"
                assert said.value.response.headers["x-should-retry"] == "false"
                assert "retry-after" not in said.value.response.headers

        await asyncio.to_thread(sdks)
        assert len(scene.found.own) == 3, "each sent its request once"
        assert not posted(scene.near)

    run(work)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_budget_of_tokens_counts_what_was_used_and_not_what_was_reserved(client: str) -> None:
    async def work(scene: Scene) -> None:
        scene.serve(budget(4 * TOKENS))
        statuses = [(await scene.chat(client=client)).status for _ in range(5)]
        assert statuses == [200, 200, 200, 200, 402 if client == MESSAGES else 429]
        assert [record.input_tokens for record in scene.found.own][:4] == [20] * 4

    run(work)


def test_a_failed_call_and_an_answer_without_usage_cost_nothing_of_it() -> None:
    async def work(scene: Scene) -> None:
        scene.serve(budget(TOKENS))
        scene.near.always(lambda _: Reply(400, JSON, b'{"error":{"message":"no"}}'))
        for _ in range(3):
            assert (await scene.chat()).status == 400
        scene.near.always(answered)
        assert (await scene.chat()).status == 200
        assert (await scene.chat()).status == 429

    run(work)


def test_a_stream_that_is_cut_costs_what_it_used() -> None:
    chunk = (
        b"data: "
        + json.dumps(chat.headed(chat.delta(role="assistant", content="hello")) | {"usage": COUNTED}).encode()
        + b"\n\n"
    )

    async def work(scene: Scene) -> None:
        scene.serve(budget(TOKENS))
        scene.near.always(
            lambda _: Reply(200, {"content-type": "text/event-stream"}, parts=[chunk, CUT], framing="chunked")
        )
        cut = await scene.chat(stream=True)
        assert b"hello" in cut.body
        assert b"[DONE]" not in cut.body
        assert (await scene.chat()).status == 429

    run(work)


def test_two_thousand_at_once_overshoot_by_no_more_than_is_said() -> None:
    async def work(scene: Scene) -> None:
        most = 100 * TOKENS
        scene.serve(budget(most))
        reader = asyncio.Semaphore(200)

        async def one() -> int:
            async with reader:
                return (await scene.chat(max_tokens=5)).status

        statuses = await asyncio.gather(*[one() for _ in range(2000)])
        while statuses[-1] == 200 or len(statuses) == 2000:  # one alone takes what is left
            statuses.append((await scene.chat(max_tokens=5)).status)
        spent = TOKENS * statuses.count(200)
        assert set(statuses) == {200, 429}
        assert most <= spent <= most + TOKENS, "one alone may take what is left and more"
        desk = scene.found.plane.cashier
        assert isinstance(desk, Cashier)
        (account,) = desk.budgets()
        assert (account.spent, account.reserved, account.open) == (spent, 0, 0)
        assert [one.percent for one in scene.reached] == [80, 100]

    run(work)


def test_a_rate_is_told_in_each_protocols_headers_and_waits_no_longer_than_said() -> None:
    async def work(scene: Scene) -> None:
        scene.serve(LimitSpec("key/1", Limit.REQUESTS, 2), LimitSpec("key/1", Limit.TOKEN_RATE, 100_000))
        first = await scene.chat()
        assert first.headers["x-ratelimit-limit-requests"] == "2"
        assert first.headers["x-ratelimit-remaining-requests"] == "1"
        assert first.headers["x-ratelimit-limit-tokens"] == "100000"
        scene.near.always(
            lambda got: replace(answered(got), headers={**JSON, "x-ratelimit-remaining-requests": "99"})
        )
        second = await scene.chat(client=MESSAGES)
        assert second.headers["anthropic-ratelimit-requests-remaining"] == "0", (
            "the backend's are its own affair"
        )
        assert second.headers["anthropic-ratelimit-requests-reset"].endswith("Z")
        third = await scene.chat()
        assert third.status == 429
        assert third.json()["error"]["code"] == "rate_limit_exceeded"
        assert third.json()["error"]["type"] == "requests"
        assert 25 <= int(third.headers["retry-after"]) <= 30
        assert "x-should-retry" not in third.headers
        fourth = await scene.chat(client=MESSAGES)
        assert fourth.json()["error"]["type"] == "rate_limit_error"

    run(work)


def test_a_rate_of_tokens_is_refused_as_one_of_tokens() -> None:
    async def work(scene: Scene) -> None:
        scene.serve(LimitSpec("key/1", Limit.TOKEN_RATE, 10))
        assert (await scene.chat(max_tokens=900)).status == 200
        refused = await scene.chat(max_tokens=900)
        assert (refused.status, refused.json()["error"]["type"]) == (429, "tokens")
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"

    run(work)


def test_a_spent_budget_is_told_with_what_is_left_of_the_rates() -> None:
    async def work(scene: Scene) -> None:
        scene.serve(LimitSpec("key/1", Limit.TOKENS, 1, "day"), LimitSpec("key/1", Limit.REQUESTS, 9))
        while (refused := await scene.chat(max_tokens=5)).status == 200:
            before = refused
        assert refused.json()["error"]["code"] == "insufficient_quota"
        left = int(refused.headers["x-ratelimit-remaining-requests"])
        assert left >= int(before.headers["x-ratelimit-remaining-requests"]), "what is refused takes nothing"

    run(work)


def test_the_official_sdks_see_a_rate_as_their_own_error_and_wait_as_long_as_it_says() -> None:
    async def work(scene: Scene) -> None:
        scene.serve(LimitSpec("key/1", Limit.REQUESTS, 60))
        for _ in range(60):
            await scene.chat(max_tokens=5)
        url = f"http://127.0.0.1:{scene.found.port}"
        turns: Any = [{"role": "user", "content": "x"}]

        def sdks() -> None:
            with openai.OpenAI(base_url=f"{url}/v1", api_key=SECRET, timeout=20, max_retries=0) as client:
                with pytest.raises(openai.RateLimitError) as told:
                    client.chat.completions.create(model="m", messages=turns)
                assert told.value.code == "rate_limit_exceeded"
                waiting = client.with_options(max_retries=3)
                assert waiting.chat.completions.create(model="m", messages=turns).choices
            with anthropic.Anthropic(base_url=url, api_key=SECRET, timeout=20, max_retries=0) as other:
                with pytest.raises(anthropic.RateLimitError) as said:
                    other.messages.create(model="m", max_tokens=9, messages=turns)
                assert said.value.response.headers["retry-after"] == "1"

        await asyncio.to_thread(sdks)

    run(work)


def test_a_rate_that_comes_back_later_than_clients_wait_tells_them_to_stop() -> None:
    async def work(scene: Scene) -> None:
        scene.serve(LimitSpec("key/1", Limit.TOKEN_RATE, 10))
        assert (await scene.chat(max_tokens=5)).status == 200
        refused = await scene.chat(max_tokens=5)
        assert int(refused.headers["retry-after"]) > 60
        assert refused.headers["x-should-retry"] == "false"

    run(work)


def test_only_so_many_at_once() -> None:
    async def work(scene: Scene) -> None:
        scene.serve(LimitSpec("key/1", Limit.PARALLEL, 1))
        gate = asyncio.Event()
        loop = asyncio.get_running_loop()

        def slow(received: Received) -> Reply:
            if received.method == "POST":
                asyncio.run_coroutine_threadsafe(gate.wait(), loop).result(20)
            return answered(received)

        scene.near.always(slow)
        first = asyncio.create_task(scene.chat())
        while not posted(scene.near):
            await asyncio.sleep(0.005)
        refused = await scene.chat()
        assert (refused.status, refused.headers["retry-after"]) == (429, "1")
        gate.set()
        assert (await first).status == 200
        assert (await scene.chat()).status == 200

    run(work)


def test_models_are_checked_at_the_target_and_not_by_name() -> None:
    async def work(scene: Scene) -> None:
        scene.serve(models=("small*",), targets=("openai/far=large",))
        refused = await scene.chat(model="small")
        assert refused.status == 403
        assert "openai/far:large" in refused.json()["error"]["message"]
        scene.serve(models=("small*",), targets=("openai/far=small-1",))
        assert (await scene.chat(model="whatever")).status == 200
        scene.serve(models=("openai/far:*",), targets=("openai/far",))
        assert (await scene.chat(model="x")).status == 200
        scene.serve(models=("local/*:*",), targets=("openai/far", "local/box"))
        got = await scene.chat(model="local/box:x")
        assert got.headers["x-pointsman-target"].startswith("local/box:"), "a name is no label"

    run(work)


def test_a_local_key_never_leaves_the_machine_whatever_fails() -> None:
    async def work(scene: Scene) -> None:
        scene.serve(local_only=True, targets=("openai/far", "local/box"))
        assert (await scene.chat()).headers["x-pointsman-target"].startswith("local/box:")
        scene.near.always(lambda _: Reply(500, JSON, b"{}"))
        assert (await scene.chat()).status == 500
        scene.serve(local_only=True, targets=("openai/far",))
        assert (await scene.chat()).status == 403
        assert not posted(scene.there)

    run(work)


def test_a_key_sees_the_models_that_it_may_use() -> None:
    async def work(scene: Scene) -> None:
        scene.near.always(
            lambda got: Reply(200, JSON, b'{"object":"list","data":[{"id":"qwen"},{"id":"llama"}]}')
        )
        scene.serve(models=("qwen",))
        listed = await scene.found.ask("/v1/models", b"", BEARER, method="GET")
        assert [one["id"] for one in listed.json()["data"]] == ["qwen"]
        assert (await scene.found.ask("/v1/models/llama", b"", BEARER, method="GET")).status == 403

    run(work)


def test_paths_that_a_key_may_not_use_are_refused() -> None:
    async def work(scene: Scene) -> None:
        scene.serve(paths=("/v1/chat/*",))
        assert (await scene.chat()).status == 200
        for client in (MESSAGES, RESPONSES):
            refused = await scene.chat(client=client)
            assert refused.status == 403
            assert "/v1/chat/*" in refused.json()["error"]["message"]

    run(work)


def test_an_expired_key_and_one_whose_grace_is_over_are_refused() -> None:
    async def work(scene: Scene) -> None:
        scene.serve(until=time.time() - 1)
        refused = await scene.chat()
        assert refused.status == 401
        assert "expired" in refused.json()["error"]["message"]
        old = digest(PEPPER, OTHER)
        scene.serve(before=old, before_until=time.time() + 60)
        assert [(await scene.chat(f"x-api-key: {one}")).status for one in (OTHER, SECRET)] == [200, 200]
        scene.serve(before=old, before_until=time.time() - 1)
        refused = await scene.chat(f"x-api-key: {OTHER}")
        assert refused.status == 401
        assert "replaced" in refused.json()["error"]["message"]
        assert (await scene.chat()).status == 200

    run(work)


def test_keys_of_a_group_share_its_budget() -> None:
    async def work(scene: Scene) -> None:
        second = ClientKeySpec(2, "second", digest(PEPPER, OTHER), group=7)
        scene.serve(budget(2 * TOKENS, whose="group/7"), keys=[second], group=7)
        used = [(await scene.chat(f"x-api-key: {one}")).status for one in (SECRET, OTHER, SECRET, OTHER)]
        assert used == [200, 200, 429, 429]

    run(work)


def test_where_a_providers_budget_is_spent_only_this_machine_is_left() -> None:
    async def work(scene: Scene) -> None:
        limit = budget(TOKENS, whose="backend/openai/far")
        scene.spent["backend/openai/far", Limit.TOKENS] = TOKENS
        scene.serve(limit, targets=("openai/far", "openai", "local/box"))
        got = await scene.chat()
        assert got.headers["x-pointsman-target"].startswith("local/box:")
        assert got.headers["x-pointsman-fallback"] == "budget"
        scene.serve(limit, targets=("openai/far",))
        refused = await scene.chat()
        assert refused.status == 429
        assert "openai/far at this gateway" in refused.json()["error"]["message"]
        assert not posted(scene.there)

    run(work)


def test_what_nobody_can_price_is_not_charged_to_a_budget_of_money() -> None:
    async def work(scene: Scene) -> None:
        limit = budget(10**9, kind=Limit.MONEY)
        scene.serve(limit, targets=("openai/far=nobody-knows-it",))
        refused = await scene.chat()
        assert refused.status == 429
        assert "has no price" in refused.json()["error"]["message"]
        scene.serve(limit)
        assert (await scene.chat()).status == 200, "what is free is charged to nobody"

    run(work)


def test_counting_tokens_is_charged_to_nobody() -> None:
    async def work(scene: Scene) -> None:
        scene.spent["key/1", Limit.TOKENS] = 100
        scene.serve(budget(100))
        counted = await scene.found.ask("/v1/messages/count_tokens", ask(MESSAGES), BEARER)
        assert counted.status == 200
        assert not scene.asked

    run(work)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("stream", [False, True])
def test_limits_ride_in_the_plain_requests_own_lane_and_are_counted_there_as_elsewhere(
    client: str, stream: bool
) -> None:
    async def work(scene: Scene) -> None:
        scene.near.always(served)
        scene.serve(
            budget(10**6), LimitSpec("key/1", Limit.REQUESTS, 50), LimitSpec("key/1", Limit.PARALLEL, 5)
        )
        for _ in range(6):
            got = await scene.chat(client=client, stream=stream)
            assert got.status == 200
            assert got.complete
            assert any("ratelimit" in name for name in got.headers)
        assert scene.found.lanes >= 3
        records = await scene.found.recorded(6)
        cashier = scene.found.plane.cashier
        assert isinstance(cashier, Cashier)
        (account,) = cashier.budgets()
        used = sum((one.input_tokens or 0) + (one.output_tokens or 0) for one in records)
        assert (account.spent, account.reserved, account.open) == (used, 0, 0)
        assert used

    run(work)


def test_what_leaves_its_lane_gives_back_what_it_took_there() -> None:
    async def work(scene: Scene) -> None:
        scene.serve(budget(10**6), LimitSpec("key/1", Limit.PARALLEL, 1), models=("m",))
        for _ in range(3):
            await scene.chat()
        lanes = scene.found.lanes
        scene.near.always(lambda _: Reply(500, JSON, b'{"error":{"message":"no"}}'))
        assert (await scene.chat()).status == 500
        assert scene.found.lanes == lanes + 1
        scene.near.always(answered)
        assert (await scene.chat()).status == 200, "its place is free again"
        assert (await scene.chat(model="other")).status == 403
        cashier = scene.found.plane.cashier
        assert isinstance(cashier, Cashier)
        (account,) = cashier.budgets()
        assert (account.spent, account.reserved, account.open) == (4 * TOKENS, 0, 0)

    run(work)


def test_a_budget_of_money_reserves_by_the_models_price_and_counts_what_it_cost() -> None:
    async def work(scene: Scene) -> None:
        price = PriceSpec("m", ("=m",), (Period(Tariff(Prices(input=1_000_000, output=10_000_000))),))
        cost = 20 * 1000 + 5 * 10_000  # nano-dollars, at $1 and $10 a million
        scene.serve(
            budget(3 * cost, kind=Limit.MONEY), targets=("openai/far",), prices={"openai/far": (price,)}
        )
        statuses = [(await scene.chat(max_tokens=5)).status for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        assert [record.cost for record in scene.found.own] == [cost, cost, cost, 0]

    run(work)


def test_embeddings_are_charged_to_a_budget_of_money_though_their_model_has_no_price_for_output() -> None:
    async def work(scene: Scene) -> None:
        price = PriceSpec("m", ("=m",), (Period(Tariff(Prices(input=20_000))),))
        scene.there.always(
            lambda _: Reply(
                200,
                JSON,
                b'{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1]}],"model":"m",'
                b'"usage":{"prompt_tokens":50,"total_tokens":50}}',
            )
        )
        scene.serve(budget(1500, kind=Limit.MONEY), targets=("openai/far",), prices={"openai/far": (price,)})
        body = {"model": "m", "input": "abc"}
        got = [await scene.found.ask("/v1/embeddings", body, BEARER) for _ in range(3)]
        assert [one.status for one in got] == [200, 200, 429]
        assert [record.cost for record in scene.found.own][:2] == [1000, 1000]

    run(work)


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("/v1/chat/completions", 429, "insufficient_quota"),
        ("/v1/responses", 429, "insufficient_quota"),
        ("/v1/completions", 429, "insufficient_quota"),
        ("/v1/embeddings", 429, "insufficient_quota"),
        ("/v1/images/generations", 429, "insufficient_quota"),
        ("/v1/messages", 402, "billing_error"),
        ("/api/chat", 429, "budget"),
    ],
)
def test_a_spent_budget_is_told_in_every_protocol_and_nobody_is_asked(
    path: str, status: int, word: str
) -> None:
    async def work(scene: Scene) -> None:
        scene.spent["key/1", Limit.TOKENS] = 100
        scene.serve(budget(100))
        body = {
            "model": "m",
            "max_tokens": 5,
            "input": "x",
            "prompt": "x",
            "messages": [{"role": "user", "content": "x"}],
        }
        refused = await scene.found.ask(path, body, BEARER)
        assert refused.status == status
        assert word in refused.body.decode()
        assert refused.headers["x-should-retry"] == "false"
        assert ("retry-after" in refused.headers) is (status == 429)
        assert not posted(scene.near)

    run(work)


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_whose_tokens_nobody_counted_takes_what_was_reserved(stream: bool) -> None:
    async def work(scene: Scene) -> None:
        whole = chat.whole({"content": "hello"})
        del whole["usage"]
        pieces = [chat.headed(chat.delta(content="hello")), chat.headed(chat.delta("stop"))]
        told = Reply(200, {"content-type": "text/event-stream"}, chat.stream(*pieces))
        scene.there.always(
            lambda got: told if got.json()["stream"] else Reply(200, JSON, json.dumps(whole).encode())
        )
        scene.serve(budget(1000), targets=("openai/far",))
        got = [(await scene.chat(max_tokens=400, stream=stream)).status for _ in range(6)]
        assert got == [200, 200, 200, 429, 429, 429], "the third as one alone"

    run(work)


def test_a_client_that_leaves_before_the_answer_has_spent_what_was_reserved() -> None:
    async def work(scene: Scene) -> None:
        scene.serve(budget(1000), targets=("openai/far",))
        cashier = scene.found.plane.cashier
        assert isinstance(cashier, Cashier)
        scene.there.always(lambda _: Reply(before=[STALL]))
        for left in (1, 2):
            leaving = asyncio.create_task(scene.chat(max_tokens=400))
            while len(posted(scene.there)) < left:
                await asyncio.sleep(0.005)
            leaving.cancel()
            await scene.found.recorded(left)
        (account,) = cashier.budgets()
        assert account.spent > 800
        assert (account.reserved, account.open) == (0, 0)

    run(work)
