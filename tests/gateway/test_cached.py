"""Rules that keep answers (docs/cache.md): a hit is told as the miss was, whole and streamed, straight and translated, and
nobody is asked; never to whom it is not for. The answers are kept by the control plane's own cache, in a folder."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.admin.control.answer_cache import AnswerCache
from pointsman.admin.store.client_keys import digest
from pointsman.admin.vault import Vault
from pointsman.errors import PointsmanError
from pointsman.kinds import ErrorKind, Limit
from pointsman.ledger.accounts import LimitSpec
from pointsman.link.kept_messages import KeptFound, KeptQuestion
from pointsman.link.messages import ClientKeySpec
from pointsman.link.spending import Cashier
from pointsman.practice import CUT, STALL, Pause, Reply, ScriptedUpstream
from pointsman.routing.specs import MappingSpec
from pointsman.secret import SecretBytes
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, STREAM, WHOLE, Call
from tests.conformance.facts import ASK

from .plane import Got, Plane, plane, rule
from .test_costs import COST, priced
from .test_costs import backend as dear
from .test_costs import whole as counted
from .test_customs import ENV, KEY, echo, said
from .test_customs import cloud as masked
from .test_failures import cloud
from .test_recovered_calls import saying
from .test_translation import PATHS, spec

EACH = [(client, upstream) for client in PATHS for upstream in PATHS]
PEPPER = SecretBytes(b"p" * 32)
KEYS = {number: "pm-" + letter * 49 for number, letter in ((1, "a"), (2, "b"))}
OWN = re.compile(r"x-request-id|request-id|x-upstream-request-id|date|x-pointsman-(attempts|cache|cost-usd)")


@dataclass
class Stage:
    """found: the data plane, whose cache is `kept`."""

    found: Plane
    server: ScriptedUpstream
    kept: AnswerCache

    def serve(self, of: MappingSpec | None = None, upstream: str = CHAT, **more: Any) -> None:
        """By this rule; with two client keys, 1 and 2."""
        keys = tuple(ClientKeySpec(number, "", digest(PEPPER, secret)) for number, secret in KEYS.items())
        told = {"backends": [spec(self.server, upstream)], "client_keys": keys, "pepper": PEPPER}
        self.found.rules(of or keeping(), **(told | more))

    async def result(self, body: dict[str, Any], *headers: str, client: str = CHAT) -> str:
        """hit, miss or no."""
        got = await self.ask(client, body, *headers)
        assert got.status == 200, got.body
        return got.headers["x-pointsman-cache"]

    async def ask(self, client: str, body: dict[str, Any], *headers: str) -> Got:
        """Waits until what may be kept is kept: it is handed up once the client has all of it."""
        before = len(self.found.own)
        got = await self.found.ask(PATHS[client], body, *headers)
        await self.found.recorded(before + 1)
        return got

    @property
    def asked(self) -> int:
        return sum(one.method == "POST" for one in self.server.requests)


@asynccontextmanager
async def stage(most: int = 64 * 1024 * 1024, **limits: Any) -> AsyncIterator[Stage]:
    with ScriptedUpstream() as server, tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        kept = AnswerCache(data, Vault.load(data, {}, rows_exist=False), most)

        async def find(name: str, seconds: float) -> KeptFound:
            return kept.find(KeptQuestion(1, name, seconds))

        async with plane(**limits) as found:
            found.plane.kept.find, found.plane.kept.keep = find, kept.keep
            yield Stage(found, server, kept)


def run(work: Callable[[Stage], Any], **more: Any) -> None:
    async def main() -> None:
        async with stage(**more) as on:
            await work(on)

    uvloop.run(main())


def keeping(*targets: str, **more: Any) -> MappingSpec:
    return rule("m", *(targets or ("local/box",)), **({"cache_seconds": 3600} | more))


def ask(client: str, **more: Any) -> dict[str, Any]:
    return {"model": "m", **ASK[client], "temperature": 0, **more}


def same(hit: Got, miss: Got) -> None:
    """All that was told, but what is each answer's own."""
    assert (hit.status, hit.body, hit.complete) == (miss.status, miss.body, True)
    hit_lines, miss_lines = (
        {name: value for name, value in one.headers.items() if not OWN.fullmatch(name)} for one in (hit, miss)
    )
    if "transfer-encoding" not in miss_lines:
        assert hit_lines.get("content-length") == miss_lines.get("content-length")
    assert hit_lines == miss_lines
    assert hit.headers["x-request-id"] != miss.headers["x-request-id"]
    assert (miss.headers["x-pointsman-cache"], hit.headers["x-pointsman-cache"]) == ("miss", "hit")
    assert hit.headers["x-pointsman-attempts"] == "0"


@pytest.mark.parametrize(("client", "upstream"), EACH)
@pytest.mark.parametrize("stream", [False, True])
def test_a_hit_is_told_as_the_miss_was(client: str, upstream: str, stream: bool) -> None:
    async def work(on: Stage) -> None:
        on.server.always(saying(upstream, "The answer, 42."))
        on.found.rules(keeping(), backends=[spec(on.server, upstream)], pepper=PEPPER)
        miss = await on.ask(client, ask(client, stream=stream))
        assert miss.status == 200
        for again in (
            ask(client, stream=stream),
            dict(reversed(ask(client, stream=stream).items())),
        ):
            same(await on.ask(client, again), miss)
        assert on.asked == 1, "a hit asks nobody"
        first, second, third = on.found.own
        assert (first.target, first.flag, first.attempts) == ("local/box:m", None, 1)
        for record in (second, third):
            assert (record.target, record.flag, record.cost, record.attempts) == (None, "cached", 0, 0)
            assert (record.status, record.outcome, record.stream) == (200, "ok", stream)
            assert (record.input_tokens, record.sent_bytes) == (None, 0)
        other = await on.ask(client, ask(client, stream=not stream))
        assert (other.headers["x-pointsman-cache"], on.asked) == ("miss", 2), (
            "the other form is another answer"
        )

    run(work)


def test_a_call_is_told_again_byte_for_byte() -> None:
    async def work(on: Stage) -> None:
        call = Call("read", {"path": "a.py"})
        for client in PATHS:
            on.server.always(Reply(200, SSE, body=STREAM[client](call)))
            on.found.rules(keeping(), backends=[spec(on.server, client)], pepper=PEPPER)
            body = ask(client, stream=True)
            miss = await on.ask(client, body)
            same(await on.ask(client, body), miss)

    run(work)


def bearer(number: int) -> str:
    return f"authorization: Bearer {KEYS[number]}"


def test_a_rule_without_it_says_nothing_of_a_cache() -> None:
    async def work(on: Stage) -> None:
        on.server.always(saying(CHAT, "x"))
        on.serve(keeping(cache_seconds=None))
        for _ in range(3):
            assert "x-pointsman-cache" not in (await on.ask(CHAT, ask(CHAT))).headers
        assert on.asked == 3
        assert on.found.lanes > 0
        on.serve()
        lanes = on.found.lanes
        assert [await on.result(ask(CHAT)) for _ in range(3)] == ["miss", "hit", "hit"]
        assert on.found.lanes == lanes, "a rule that keeps answers has none"

    run(work)


def test_an_answer_never_crosses_client_keys_unless_the_rule_says_so() -> None:
    async def work(on: Stage) -> None:
        on.server.always(saying(CHAT, "x"))
        on.serve(keys_required=True)
        got = [await on.result(ask(CHAT), bearer(number)) for number in (1, 2, 1, 2)]
        assert got == ["miss", "miss", "hit", "hit"]
        on.serve(keeping(cache_shared=True), keys_required=True)
        got = [await on.result(ask(CHAT), bearer(number)) for number in (1, 2, 1, 2)]
        assert got == ["miss", "hit", "hit", "hit"], "and what was kept before is another rule's"

    run(work)


def test_a_response_that_may_be_referred_to_is_its_own_keys_alone() -> None:
    """Its id is remembered for the key that got it."""

    async def work(on: Stage) -> None:
        on.server.always(saying(RESPONSES, "x"))
        on.serve(keeping(cache_shared=True), RESPONSES, keys_required=True)
        for more, expected in (({}, ["miss", "miss", "hit"]), ({"store": False}, ["miss", "hit", "hit"])):
            body = ask(RESPONSES, **more)
            assert [await on.result(body, bearer(one), client=RESPONSES) for one in (1, 2, 1)] == expected

    run(work)


def test_a_hit_of_a_translated_response_can_be_gone_on_from() -> None:
    """Also where the memory of responses has lost it meanwhile."""

    async def work(on: Stage) -> None:
        on.server.always(saying(CHAT, "The first."))
        on.serve()
        for stream in (False, True):
            await on.ask(RESPONSES, ask(RESPONSES, stream=stream))
            on.found.plane.responses = type(on.found.plane.responses)(1 << 20, 3600.0)
            hit = await on.ask(RESPONSES, ask(RESPONSES, stream=stream))
            assert hit.headers["x-pointsman-cache"] == "hit"
            (name,) = set(re.findall(rb'"id": ?"(resp_[^"]+)"', hit.body))
            more = ask(RESPONSES, previous_response_id=name.decode(), input="And then?")
            assert await on.result(more, client=RESPONSES) == "miss"
            assert "The first." in json.dumps(on.server.requests[-1].json()["messages"])

    run(work)


CHANGES: dict[str, dict[str, Any]] = {
    "system": {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]},
    "tools": {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
    "sampling": {"top_p": 0.5},
    "seed": {"seed": 7},
    "format": {"response_format": {"type": "json_object"}},
    "length": {"max_tokens": 5},
    "effort": {"reasoning_effort": "high"},
    "unknown": {"anything_else": 1},
}


def by_key(number: int, **more: Any) -> tuple[ClientKeySpec, ...]:
    """Both keys, of which one keeps its answers."""
    specs = [ClientKeySpec(one, "", digest(PEPPER, secret)) for one, secret in KEYS.items()]
    return tuple(
        msgspec.structs.replace(one, **({"cache_seconds": 60} | more)) if one.id == number else one
        for one in specs
    )


def test_a_client_keys_answers_are_kept_where_its_rule_says_nothing() -> None:
    async def work(on: Stage) -> None:
        on.server.always(saying(CHAT, "x"))
        silent = keeping(cache_seconds=None)
        on.serve(silent, client_keys=by_key(1), keys_required=True)
        mine, theirs = bearer(1), bearer(2)
        for stream in (False, True):
            body = ask(CHAT, stream=stream)
            first = await on.ask(CHAT, body, mine)
            again = await on.ask(CHAT, body, mine)
            assert [one.headers["x-pointsman-cache"] for one in (first, again)] == ["miss", "hit"]
            assert again.body == first.body
            other = await on.ask(CHAT, body, theirs)
            assert "x-pointsman-cache" not in other.headers, "the other key is as it was"
        asked = on.asked
        await on.ask(CHAT, ask(CHAT), theirs)
        assert on.asked == asked + 1
        hot = {**ask(CHAT), "temperature": 1}
        assert await on.result(hot, mine) == "no"
        on.serve(silent, client_keys=by_key(1, cache_any_temperature=True), keys_required=True)
        assert [await on.result(hot, mine) for _ in range(2)] == ["miss", "hit"]

    run(work)


def test_where_rule_and_key_both_keep_answers_the_rule_counts() -> None:
    async def work(on: Stage) -> None:
        on.server.always(saying(CHAT, "x"))
        hot = {**ask(CHAT), "temperature": 1}
        on.serve(keeping(), client_keys=by_key(1, cache_any_temperature=True), keys_required=True)
        assert await on.result(hot, bearer(1)) == "no", "the rule leaves nothing to chance"
        assert await on.result(ask(CHAT), bearer(1)) == "miss"
        on.kept.tend([on.found.plane.rules.snapshot.mappings[0].id], [])  # type: ignore[union-attr]
        assert await on.result(ask(CHAT), bearer(1)) == "hit", "it is kept for the rule"
        on.serve(keeping(cache_seconds=None), client_keys=by_key(1), keys_required=True)
        assert await on.result(ask(CHAT), bearer(1)) == "hit", "the same request of the same key"

    run(work)


def test_what_a_key_keeps_goes_when_the_key_keeps_nothing_any_more() -> None:
    async def work(on: Stage) -> None:
        on.server.always(saying(CHAT, "x"))
        on.serve(keeping(cache_seconds=None), client_keys=by_key(1), keys_required=True)
        assert await on.result(ask(CHAT), bearer(1)) == "miss"
        on.kept.tend([], [1])
        assert len(on.kept.by_rule()) == 1
        on.kept.tend([on.kept.by_rule()[0].mapping_id], [2])
        assert on.kept.by_rule() == [], "its rule never kept any"

    run(work)


def test_whatever_changes_an_answer_is_another_request() -> None:
    async def work(on: Stage) -> None:
        on.server.always(saying(CHAT, "x"))
        on.serve()
        assert await on.result(ask(CHAT)) == "miss"
        for what, more in CHANGES.items():
            got = [await on.result(ask(CHAT, **more)) for _ in range(2)]
            assert got == ["miss", "hit"], what
        assert await on.result(ask(CHAT), "x-pointsman-strict: 1") == "miss"
        assert await on.result(ask(CHAT, user="u", metadata={"a": "b"}, prompt_cache_key="k")) == "hit"
        for changed in (keeping("local/box=other"), keeping(presets={"seed": 3})):
            on.serve(changed)
            assert await on.result(ask(CHAT)) == "miss", changed
        on.serve(keeping(cache_seconds=60))
        assert await on.result(ask(CHAT)) == "hit", "for how long is no change"
        with ScriptedUpstream() as elsewhere:
            elsewhere.always(saying(CHAT, "y"))
            on.serve(backends=[spec(elsewhere, CHAT)])
            assert await on.result(ask(CHAT)) == "miss", "another server has that name now"

    run(work)


def test_what_is_left_to_chance_is_kept_only_where_the_rule_says_so() -> None:
    async def work(on: Stage) -> None:
        on.server.always(saying(CHAT, "x"))
        chances = [{**ask(CHAT), "temperature": one} for one in (None, 0.7, 1)]
        on.serve()
        assert [await on.result(one) for one in [*chances, *chances]] == ["no"] * 6
        on.serve(keeping(presets={"temperature": 0}))
        assert [await on.result(chances[1]) for _ in range(2)] == ["miss", "hit"], "the rule makes it 0"
        on.serve(keeping(cache_any_temperature=True))
        assert [await on.result(one) for one in [*chances, *chances]] == ["miss"] * 3 + ["hit"] * 3

    run(work)


def test_what_the_client_says_of_caches_holds() -> None:
    async def work(on: Stage) -> None:
        on.server.always(saying(CHAT, "one"))
        on.serve()
        assert await on.result(ask(CHAT), "cache-control: no-store") == "no"
        assert await on.result(ask(CHAT)) == "miss", "it was not kept"
        on.server.always(saying(CHAT, "two"))
        assert await on.result(ask(CHAT), "cache-control: no-cache") == "no"
        hit = await on.ask(CHAT, ask(CHAT))
        assert hit.headers["x-pointsman-cache"] == "hit"
        assert b"two" in hit.body, "the newer answer is kept in place of the other"
        assert await on.result(ask(CHAT), "Cache-Control: max-age=0") == "no"
        assert await on.result(ask(CHAT), "cache-control: max-age=3600") == "hit"

    run(work)


def test_only_a_whole_and_good_answer_is_kept() -> None:
    async def work(on: Stage) -> None:
        on.serve(backends=[cloud(on.server, "box")], of=keeping("openai/box"))
        cut = STREAM[CHAT]("Never to its end.")[:-200]
        bad = (
            Reply(400, JSON, body=b'{"error":{"message":"no"}}'),
            Reply(500, JSON, body=b'{"error":{"message":"no"}}'),
            Reply(200, SSE, parts=[cut, CUT]),
        )
        for reply in bad:
            on.server.always(reply)
            streamed = reply.status == 200
            for _ in range(2):
                got = await on.ask(CHAT, ask(CHAT, stream=streamed))
                assert got.headers["x-pointsman-cache"] == "miss"
        assert on.kept.by_rule() == []
        on.server.always(Reply(200, SSE, parts=[STREAM[CHAT]("slow")[:-200], STALL]))
        reader, writer = await on.found.connect()
        raw = json.dumps(ask(CHAT, stream=True)).encode()
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(raw)
            + raw
        )
        await reader.readuntil(b"data: ")
        writer.close()
        await on.found.recorded(len(on.found.own) + 1)
        assert on.kept.by_rule() == [], "its client has left in the middle"

    run(work)


def test_an_answer_by_fallback_is_not_kept_for_the_first_target() -> None:
    async def work(on: Stage) -> None:
        with ScriptedUpstream() as second:
            second.always(saying(CHAT, "from the second"))
            on.server.always(Reply(500, JSON, body=b"{}"))
            both = [cloud(on.server, "a"), cloud(second, "b")]
            on.serve(keeping("openai/a", "openai/b"), backends=both)
            got = await on.ask(CHAT, ask(CHAT))
            assert (got.status, got.headers["x-pointsman-target"]) == (200, "openai/b:m")
            on.server.always(saying(CHAT, "from the first"))
            on.found.plane.board.forget("openai/a")
            got = await on.ask(CHAT, ask(CHAT))
            assert (got.headers["x-pointsman-target"], got.headers["x-pointsman-cache"]) == (
                "openai/a:m",
                "miss",
            )
            assert await on.result(ask(CHAT)) == "hit"

    run(work)


def test_a_hit_costs_nothing_and_says_what_it_saved() -> None:
    async def work(on: Stage) -> None:
        on.server.always(counted())
        prices = {"openai/a": priced(2, 10)}
        on.serve(keeping("openai/a"), backends=[dear(on.server, "openai/a", CHAT)], prices=prices)
        miss, hit = [await on.ask(CHAT, ask(CHAT)) for _ in range(2)]
        assert (miss.headers["x-pointsman-cost-usd"], hit.headers["x-pointsman-cost-usd"]) == ("0.003", "0")
        same(hit, miss)
        first, second = on.found.own
        assert (first.cost, first.saved, first.flag) == (COST, None, None)
        assert (second.cost, second.saved, second.flag) == (0, COST, "cached")
        samples = on.found.plane.samples()
        assert samples['pointsman_cache_requests_total{route="m",result="hit"}'] == 1
        assert samples['pointsman_cache_requests_total{route="m",result="miss"}'] == 1
        assert samples["pointsman_cache_saved_usd_total"] == COST / 1e9
        assert samples["pointsman_cache_answered_bytes_total"] == len(hit.body)
        assert (samples["pointsman_cache_entries"], samples["pointsman_cache_bytes"]) == (1, 4096)
        assert samples['pointsman_upstream_attempts_total{backend="openai/a",result="ok"}'] == 1
        assert not any("saved_usd_total{" in one for one in samples), "that is of local answers"

    run(work)


def test_hits_take_of_the_keys_requests_a_minute_and_nothing_of_its_budget() -> None:
    async def work(on: Stage) -> None:
        async def spent(of: Any, marked: Callable[[], None]) -> tuple[int, ...]:
            marked()
            return tuple(0 for _ in of)

        on.found.plane.cashier = Cashier(spent, lambda reached: True)
        on.server.always(counted())
        limits = (LimitSpec("key/1", Limit.REQUESTS, 3), LimitSpec("key/1", Limit.TOKENS, 1_500))
        on.serve(limits=limits, keys_required=True)
        got = [await on.ask(CHAT, ask(CHAT, max_tokens=100), bearer(1)) for _ in range(4)]
        assert [one.headers.get("x-pointsman-cache") for one in got[:3]] == ["miss", "hit", "hit"]
        assert got[2].headers["x-ratelimit-remaining-requests"] == "0"
        assert (got[3].status, on.asked) == (429, 1)

    run(work)


def test_a_key_gets_no_answer_of_a_target_that_it_may_not_use() -> None:
    async def work(on: Stage) -> None:
        on.server.always(saying(CHAT, "x"))
        keys = (
            ClientKeySpec(1, "", digest(PEPPER, KEYS[1])),
            ClientKeySpec(2, "", digest(PEPPER, KEYS[2]), local_only=True),
        )
        on.serve(
            keeping("openai/box", cache_shared=True),
            backends=[cloud(on.server, "box")], client_keys=keys, keys_required=True,
        )  # fmt: skip
        assert [await on.result(ask(CHAT), bearer(1)) for _ in range(2)] == ["miss", "hit"]
        assert (await on.ask(CHAT, ask(CHAT), bearer(2))).status == 403

    run(work)


def test_without_its_control_plane_everything_is_asked_anew() -> None:
    async def work(on: Stage) -> None:
        async def away(name: str, seconds: float) -> KeptFound:
            raise PointsmanError(ErrorKind.UNAVAILABLE, "away")

        on.server.always(saying(CHAT, "x"))
        on.serve()
        on.found.plane.kept.find = away
        assert [await on.result(ask(CHAT)) for _ in range(2)] == ["miss", "miss"]

    run(work)


def test_signs_of_life_are_not_kept() -> None:
    async def main() -> None:
        async with stage(hold_seconds=0.05) as on:
            for client in (CHAT, MESSAGES):
                on.server.always(Reply(200, SSE, parts=[Pause(0.3), STREAM[client]("Late.")]))
                on.serve(upstream=client)
                miss = await on.ask(client, ask(client, stream=True))
                hit = await on.ask(client, ask(client, stream=True))
                ping = on.found.plane.dialects[client].ping
                assert miss.body.startswith(ping)
                assert hit.headers["x-pointsman-cache"] == "hit"
                assert ping not in hit.body
                assert miss.body.endswith(hit.body)
                assert b"x-pointsman" in miss.body
                assert b"x-pointsman" not in hit.body
                assert hit.headers["x-pointsman-target"] == "local/box:m"

    uvloop.run(main())


def test_a_large_request_is_the_same_request() -> None:
    async def work(on: Stage) -> None:
        on.server.always(saying(CHAT, "x"))
        on.serve()
        body = ask(CHAT, messages=[{"role": "user", "content": "long " * 100_000}])
        assert [await on.result(body) for _ in range(2)] == ["miss", "hit"]

    run(work)


def test_what_asks_for_more_than_an_answer_is_asked_each_time() -> None:
    async def work(on: Stage) -> None:
        for client, more in (
            (CHAT, {"web_search_options": {}}),
            (MESSAGES, {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
            (RESPONSES, {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}),
        ):
            on.server.always(saying(client, "x"))
            on.serve(upstream=client)
            assert [await on.result(ask(client, **more), client=client) for _ in range(2)] == ["no", "no"], (
                client
            )

    run(work)


def test_side_by_side_equal_requests_all_get_an_answer() -> None:
    async def work(on: Stage) -> None:
        on.server.always(saying(CHAT, "x"))
        on.serve()
        got = await asyncio.gather(*(on.found.ask(PATHS[CHAT], ask(CHAT)) for _ in range(10)))
        assert {one.status for one in got} == {200}
        assert len({one.body for one in got}) == 1
        await on.found.recorded(10)
        assert await on.result(ask(CHAT)) == "hit"

    run(work)


def told(client: str, drawn: str, *, call: bool) -> Any:
    return Call("read", {"path": drawn}) if call else drawn


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(EACH),
    st.booleans(),
    st.booleans(),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=200),
    st.lists(st.integers(1, 400), max_size=6),
)
def test_whatever_is_answered_a_hit_equals_the_miss_it_came_from(
    pair: tuple[str, str], stream: bool, call: bool, drawn: str, cuts: list[int]
) -> None:
    """Of any text or call, however the backend's bytes are cut; and another client key's equal request is a miss."""
    client, upstream = pair
    drawn = drawn if drawn.strip() else f"x{drawn}"
    body = (STREAM if stream else WHOLE)[upstream](told(client, drawn, call=call))
    parts = [
        body[at:end] for at, end in pairwise([0, *sorted({min(cut, len(body)) for cut in cuts}), len(body)])
    ]

    async def work(on: Stage) -> None:
        on.server.always(Reply(200, SSE if stream else JSON, parts=[one for one in parts if one]))
        on.serve(upstream=upstream, keys_required=True)
        asked = ask(client, stream=stream)
        miss = await on.ask(client, asked, bearer(1))
        assert (miss.status, miss.headers["x-pointsman-cache"]) == (200, "miss")
        same(await on.ask(client, asked, bearer(1)), miss)
        assert await on.result(asked, bearer(2), client=client) == "miss"
        assert on.asked == 2

    run(work)


@pytest.mark.parametrize("stream", [False, True])
def test_a_credential_that_customs_put_back_is_in_the_hit_as_in_the_miss(stream: bool) -> None:
    async def work(on: Stage) -> None:
        on.server.always(echo(CHAT, call=False))
        on.serve(keeping("openai/x", customs="mask"), backends=[masked(on.server, CHAT)])
        body = said(CHAT, ENV, temperature=0, stream=stream)
        miss = await on.ask(CHAT, body)
        assert json.dumps(KEY)[1:-1].encode() in miss.body
        same(await on.ask(CHAT, body), miss)
        other = said(CHAT, ENV.replace("MIIE", "MIIF"), temperature=0, stream=stream)
        assert await on.result(other) == "miss", "another credential is another request"
        assert not any(KEY[40:60].encode() in one.body for one in on.server.requests)

    run(work)
