"""What follows from failures, black-box: who is passed over and until when, waits, queues, hedges, joined resends.

What each single fault does is in tests/faults; the numbers alone are in tests/resilience.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvloop

from pointsman.practice import Pause, Received, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from pointsman.secret import Secret
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, STREAM, WHOLE
from tests.faults.cell import swallowing

from .plane import Got, Plane, plane, rule
from .test_translation import CLEAN, PATHS, ask, spec, text_of

PROTOCOLS = [CHAT, RESPONSES, MESSAGES]
TOO_LONG = json.dumps(
    {"error": {"message": "This model's maximum context length is 4096 tokens. However, your messages resulted in 9000"
               " tokens.", "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}}
).encode()  # fmt: skip
FAILS = Reply(500, JSON, body=b'{"error":{"message":"it broke","type":"server_error"}}')
BUSY = b'{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}'


def whole(text: str = "hello", protocol: str = CHAT) -> Reply:
    return Reply(200, JSON, body=WHOLE[protocol](text))


def cloud(server: ScriptedUpstream, name: str, **more: Any) -> BackendSpec:
    return BackendSpec(
        key=f"openai/{name}", type="openai", name=name, base_url=server.url, dialects=(CHAT,), auth="bearer",
        api_key=Secret(more.pop("api_key", "sk-1")), **more,
    )  # fmt: skip


Main = Callable[[Plane, ScriptedUpstream, ScriptedUpstream], Any]


def with_two(
    main: Main, kind: Callable[..., BackendSpec] = cloud, limits: dict[str, Any] | None = None
) -> None:
    """Two backends, the second the first one's fallback; `main` scripts and asks."""

    async def run() -> None:
        with ScriptedUpstream() as first, ScriptedUpstream() as second:
            second.always(whole("from the second"))
            async with plane(**(limits or {})) as found:
                keys = [kind(first, "a") if kind is cloud else spec(first, CHAT, "a"), cloud(second, "b")]
                found.rules(rule("*", keys[0].key, keys[1].key), backends=keys)
                await main(found, first, second)

    uvloop.run(run())


@asynccontextmanager
async def alone(
    reply: Any, *, rules: dict[str, Any] | None = None, **limits: Any
) -> AsyncIterator[tuple[Plane, ScriptedUpstream]]:
    with ScriptedUpstream() as server:
        server.always(reply)
        async with plane(**limits) as found:
            found.rules(rule("*", "local/box"), backends=[spec(server, CHAT, **(rules or {}))])
            yield found, server


def asked(server: ScriptedUpstream) -> list[Received]:
    """Without the questions for a local server's model list."""
    return [r for r in server.requests if r.method == "POST"]


def firstly(*replies: Any, then: Any) -> Callable[[Received], Any]:
    """These for the first requests, one each."""
    left = list(replies)

    def step(received: Received) -> Any:
        if received.method != "POST":
            return Reply(200, JSON, body=b'{"object":"list","data":[]}')
        found = left.pop(0) if left else then
        return found(received) if callable(found) else found

    return step


def posts(server: ScriptedUpstream) -> int:
    return len(asked(server))


async def chat(found: Plane, *headers: str, **more: Any) -> Got:
    return await found.ask(PATHS[CHAT], ask(CHAT, **more), *headers)


# -- the only target


def test_the_only_target_is_asked_once_more_after_a_fault() -> None:
    async def main() -> None:
        async with alone(firstly(FAILS, then=whole())) as (found, server):
            answer = await chat(found)
            assert (answer.status, answer.headers["x-pointsman-attempts"]) == (200, "2")
            assert answer.headers["x-pointsman-fallback"] == "upstream_error"
            row = (await found.recorded())[0]
            assert (row.attempt, row.attempts, row.outcome) == (2, 2, "ok")
            other = next(r for r in found.records if r is not row)
            assert (other.id, other.outcome, other.status) == (f"{row.id}/1", "failed", 500)

    uvloop.run(main())


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422, 501, 505])
def test_what_a_repeat_cannot_help_is_asked_once(status: int) -> None:
    async def main() -> None:
        async with alone(Reply(status, JSON, body=b'{"error":{"message":"no"}}')) as (found, server):
            assert (await chat(found)).status == status
            assert posts(server) == 1

    uvloop.run(main())


def test_a_short_retry_after_of_the_only_target_is_waited_for() -> None:
    async def main() -> None:
        busy = Reply(429, {**JSON, "retry-after": "1"}, body=BUSY)
        async with alone(firstly(busy, then=whole())) as (found, server):
            began = time.monotonic()
            assert (await chat(found)).status == 200
            assert 1.0 <= time.monotonic() - began < 2.5

    uvloop.run(main())


def test_a_long_retry_after_is_the_clients_to_wait_for() -> None:
    async def main() -> None:
        async with alone(Reply(429, {**JSON, "retry-after": "30"}, body=BUSY)) as (found, server):
            answer = await chat(found)
            assert (answer.status, answer.headers["retry-after"]) == (429, "30")
            assert answer.body == BUSY
            assert posts(server) == 1

    uvloop.run(main())


def test_repeats_stay_within_the_budget_when_everything_fails() -> None:
    async def main() -> None:
        async with alone(FAILS) as (found, server):
            answers = await asyncio.gather(*[chat(found) for _ in range(100)])
            assert {a.status for a in answers} == {500}
            assert posts(server) <= 120

    uvloop.run(main())


def test_a_target_that_fails_all_the_time_is_not_asked_twice_each_time() -> None:
    async def main() -> None:
        async with alone(FAILS) as (found, server):
            for _ in range(20):
                await chat(found)
            assert posts(server) <= 23, "after five failures in a row each request asks once"

    uvloop.run(main())


# -- who is passed over


def test_after_five_failures_a_target_is_passed_over_and_the_answer_says_why() -> None:
    async def main(found: Plane, first: ScriptedUpstream, second: ScriptedUpstream) -> None:
        first.always(FAILS)
        for _ in range(5):
            assert (await chat(found)).headers["x-pointsman-attempts"] == "2"
        answer = await chat(found)
        assert posts(first) == 5
        assert (answer.status, answer.headers["x-pointsman-attempts"]) == (200, "1")
        assert answer.headers["x-pointsman-fallback"] == "upstream_error"
        assert answer.headers["x-pointsman-target"] == "openai/b:m"
        metrics = (await found.ask("/metrics", b"", method="GET")).body
        assert b'pointsman_breaker_open{backend="openai/a",model="other"} 1' in metrics, (
            "a name of the client's"
        )
        assert b'pointsman_breaker_state{target="openai/a:other"} 2' in metrics
        shown = {one.key: one for one in found.plane.status().backends}["openai/a"]
        assert [(t.model, t.state, t.failures) for t in shown.targets] == [("m", "open", 5)]

    with_two(main)


def test_an_answer_of_the_first_target_says_nothing_of_another_that_is_shut_out() -> None:
    async def main(found: Plane, first: ScriptedUpstream, second: ScriptedUpstream) -> None:
        second.always(FAILS)
        first.always(FAILS)
        for _ in range(5):
            await chat(found)
        first.always(whole("from the first"))
        found.plane.board.targets["openai/a", "m"].breaker.succeeded(0.0, False)
        answer = await chat(found)
        assert answer.headers["x-pointsman-target"] == "openai/a:m"
        assert "x-pointsman-fallback" not in answer.headers

    with_two(main)


def test_what_was_learnt_survives_a_change_of_the_rules_but_not_another_address() -> None:
    async def main(found: Plane, first: ScriptedUpstream, second: ScriptedUpstream) -> None:
        first.always(FAILS)
        for _ in range(5):
            await chat(found)
        found.rules(
            rule("m*", "openai/a", "openai/b", id=2), backends=[cloud(first, "a"), cloud(second, "b")]
        )
        await chat(found)
        assert posts(first) == 5
        with ScriptedUpstream() as moved:
            moved.always(whole("from the new place"))
            found.rules(rule("*", "openai/a", "openai/b"), backends=[cloud(moved, "a"), cloud(second, "b")])
            assert text_of(CHAT, (await chat(found)).json()) == "from the new place"

    with_two(main)


def test_a_dead_key_is_not_used_again_until_it_is_edited() -> None:
    async def main(found: Plane, first: ScriptedUpstream, second: ScriptedUpstream) -> None:
        first.always(lambda r: whole() if r.headers["authorization"] == "Bearer sk-2" else "401")
        for _ in range(3):
            assert (await chat(found)).headers["x-pointsman-fallback"] == "auth"
        assert posts(first) == 1
        shown = {one.key: one for one in found.plane.status().backends}["openai/a"]
        assert shown.benched
        found.rules(
            rule("*", "openai/a", "openai/b"),
            backends=[cloud(first, "a", api_key="sk-2"), cloud(second, "b")],
        )
        assert (await chat(found)).headers["x-pointsman-target"] == "openai/a:m"

    with_two(main)


def test_a_throttled_key_is_left_alone_as_long_as_it_said() -> None:
    async def main(found: Plane, first: ScriptedUpstream, second: ScriptedUpstream) -> None:
        first.always(whole("from the first")).script(Reply(429, {**JSON, "retry-after": "1"}, body=BUSY))
        assert (await chat(found)).headers["x-pointsman-fallback"] == "throttled"
        assert (await chat(found)).headers["x-pointsman-attempts"] == "1"
        assert posts(first) == 1
        other = await chat(found, model="another")  # another model of the same key is not busy
        assert other.headers["x-pointsman-target"] == "openai/a:another"
        await asyncio.sleep(1.05)
        assert (await chat(found)).headers["x-pointsman-target"] == "openai/a:m"

    with_two(main)


def test_a_local_server_that_was_restarted_is_used_again_within_three_seconds() -> None:
    async def main(found: Plane, first: ScriptedUpstream, second: ScriptedUpstream) -> None:
        first.always(whole("from the first"))
        first.kill()
        for attempts in ("2", "1"):
            answer = await chat(found)
            assert (answer.headers["x-pointsman-fallback"], answer.headers["x-pointsman-attempts"]) == (
                "connect",
                attempts,
            )
        first.revive()
        back = time.monotonic()
        while (await chat(found)).headers["x-pointsman-target"] != "local/a:m":
            assert time.monotonic() - back < 3.0
            await asyncio.sleep(0.05)

    with_two(main, kind=spec)


def test_the_last_candidate_is_asked_even_when_its_breaker_is_open() -> None:
    async def main() -> None:
        async with alone(FAILS) as (found, server):
            for _ in range(4):
                await chat(found)
            server.always(whole())
            assert (await chat(found)).status == 200

    uvloop.run(main())


def test_an_unfinished_load_of_a_model_does_not_shut_the_server_out() -> None:
    loading = Reply(
        503, JSON, body=b'{"error":{"message":"Loading model","type":"unavailable_error","code":503}}'
    )

    async def main(found: Plane, first: ScriptedUpstream, second: ScriptedUpstream) -> None:
        first.always(loading)
        for _ in range(8):
            assert (await chat(found)).headers["x-pointsman-target"] == "openai/b:m"
        first.always(whole("loaded"))
        assert (await chat(found)).headers["x-pointsman-target"] == "local/a:m"

    with_two(main, kind=spec)


# -- what the rule leaves to the next target

REFUSED = {"id": "c", "object": "chat.completion", "model": "m", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": None, "refusal": "I will not"}, "finish_reason": "stop"}]}  # fmt: skip


@pytest.mark.parametrize("word", ["context", "refusal"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("client", PROTOCOLS)
def test_only_a_rule_that_says_so_falls_back_on(word: str, streamed: bool, client: str) -> None:
    events = b'data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","refusal":"I will not"}}]}\n\n' \
        b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'  # fmt: skip
    reply = Reply(400, JSON, body=TOO_LONG)
    if word == "refusal":
        reply = (
            Reply(200, SSE, parts=[events], framing="chunked") if streamed else Reply(200, JSON, body=REFUSED)
        )

    async def main(found: Plane, first: ScriptedUpstream, second: ScriptedUpstream) -> None:
        first.always(reply)
        second.always(
            Reply(200, SSE, parts=[STREAM[CHAT]("from the second")], framing="chunked")
            if streamed
            else whole("from the second")
        )
        keys = [cloud(first, "a"), cloud(second, "b")]
        body = ask(client, stream=streamed)
        plain = await found.ask(PATHS[client], body)
        assert plain.headers["x-pointsman-target"] == "openai/a:m"
        assert b"9000" in plain.body if word == "context" else b"I will not" in plain.body
        found.rules(rule("*", "openai/a", "openai/b", fallback_on=(word,)), backends=keys)
        answer = await found.ask(PATHS[client], body)
        assert (answer.status, answer.headers["x-pointsman-target"]) == (200, "openai/b:m")
        assert CLEAN[client] in answer.body if streamed else b"from the second" in answer.body
        second.always(FAILS)  # then the first one's own answer is told after all
        answer = await found.ask(PATHS[client], body)
        assert answer.status == plain.status
        assert b"9000" in answer.body if word == "context" else b"I will not" in answer.body

    with_two(main)


# -- errors inside a 200


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("client", PROTOCOLS)
@pytest.mark.parametrize(
    ("inside", "status", "asked"),
    [
        ({"message": "slow down", "code": 429}, 429, 2),
        ({"message": "overloaded", "type": "overloaded_error"}, 503, 2),
        ({"message": "bad field", "code": 400}, 400, 1),
        ("it broke", 502, 2),
    ],
)
def test_an_error_inside_a_200_is_told_as_the_status_inside(
    client: str, streamed: bool, inside: Any, status: int, asked: int
) -> None:
    body = json.dumps({"error": inside}).encode()
    reply = (
        Reply(200, SSE, parts=[b"data: " + body + b"\n\n"], framing="chunked")
        if streamed
        else Reply(200, JSON, body=body)
    )

    async def main(found: Plane, first: ScriptedUpstream, second: ScriptedUpstream) -> None:
        first.always(reply)
        second.always(reply)
        answer = await found.ask(PATHS[client], ask(client, stream=streamed))
        expected = {503: 529} if client == MESSAGES else {}
        assert answer.status in (status, expected.get(status, status))
        assert answer.complete
        told = str(answer.json()["error"])
        assert (inside if isinstance(inside, str) else inside["message"]) in told
        assert posts(first) + posts(second) == asked, "a client's own mistake is nobody else's"

    with_two(main)


@pytest.mark.parametrize(("status", "kind"), [(400, "context_length_exceeded"), (429, "rate_limit_exceeded")])
def test_an_error_that_comes_after_the_keep_alives_keeps_its_kind_and_its_words(
    status: int, kind: str
) -> None:
    body = TOO_LONG if status == 400 else BUSY
    late = Reply(status, JSON, body=body, before=[Pause(0.3)])

    async def main() -> None:
        async with alone(firstly(then=late), hold_seconds=0.05) as (found, server):
            answer = await chat(found, stream=True)
            assert (answer.status, answer.complete) == (200, True)
            event = answer.body.split(b"data: ")[-1]
            error = json.loads(event)["error"]
            assert error["code"] == kind
            assert error["message"] in body.decode()
            assert b"[DONE]" not in answer.body

    uvloop.run(main())


def test_where_a_repeat_is_pointless_clients_are_told_so() -> None:
    async def main() -> None:
        async with plane() as found:
            found.rules(rule("*", "openai/gone"), backends=[])
            answer = await chat(found)
            assert (answer.status, answer.headers["x-should-retry"]) == (502, "false")
            assert "retry-after" not in answer.headers

    uvloop.run(main())


# -- the deadline


def test_one_deadline_holds_for_all_targets_together() -> None:
    async def main(found: Plane, first: ScriptedUpstream, second: ScriptedUpstream) -> None:
        first.always(firstly(then="stall"))
        second.always(firstly(then="stall"))
        began = time.monotonic()
        answer = await chat(found)
        assert (answer.status, answer.headers["x-pointsman-attempts"]) == (504, "1")
        assert 0.5 <= time.monotonic() - began < 1.0

    with_two(main, limits={"total_whole_seconds": 0.5})


# -- places and queues


def test_requests_beyond_the_places_wait_and_are_all_served() -> None:
    running: list[int] = []
    most: list[int] = []

    def reply(received: Received) -> Reply:
        return Reply(200, JSON, body=WHOLE[CHAT]("hello"), before=[Pause(0.05)])

    async def main() -> None:
        async with alone(reply, rules={"max_in_flight": 2}) as (found, server):
            tasks = [asyncio.create_task(chat(found)) for _ in range(10)]
            while not all(task.done() for task in tasks):
                most.append(found.plane.board.backend("local/box").in_flight)
                await asyncio.sleep(0.002)
            assert {(await task).status for task in tasks} == {200}
            places = found.plane.board.backend("local/box").places
            assert (places.in_use, places.queued) == (0, 0)

    uvloop.run(main())
    assert max(most) == 2
    assert not running


def test_a_full_queue_is_a_503_that_says_when_to_come_again() -> None:
    async def main() -> None:
        async with alone(firstly(then="stall"), rules={"max_in_flight": 1}, queue_length=1) as (
            found,
            server,
        ):
            waiting = [asyncio.create_task(chat(found)) for _ in range(2)]
            while found.plane.board.backend("local/box").places.queued < 1:
                await asyncio.sleep(0.005)
            answer = await chat(found)
            assert answer.status == 503
            assert int(answer.headers["retry-after"]) >= 1
            assert "busy" in answer.json()["error"]["message"]
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    uvloop.run(main())


def test_a_busy_backend_is_left_for_the_next() -> None:
    async def main(found: Plane, first: ScriptedUpstream, second: ScriptedUpstream) -> None:
        first.always(Reply(200, JSON, body=WHOLE[CHAT]("slow"), before=[Pause(0.6)]))
        found.rules(
            rule("*", "local/a", "openai/b"),
            backends=[spec(first, CHAT, "a", max_in_flight=1), cloud(second, "b")],
        )
        slow = asyncio.create_task(chat(found))
        await asyncio.sleep(0.1)
        answer = await chat(found)
        assert (answer.headers["x-pointsman-target"], answer.headers["x-pointsman-fallback"]) == (
            "openai/b:m",
            "throttled",
        )
        assert (await slow).headers["x-pointsman-target"] == "local/a:m"

    with_two(main, limits={"queue_seconds": 0.2})


@pytest.mark.parametrize("client", PROTOCOLS)
def test_who_waits_in_a_queue_is_kept_alive(client: str) -> None:
    async def main() -> None:
        slow = Reply(200, SSE, parts=[Pause(0.5), STREAM[CHAT]("hello")], framing="chunked")
        async with alone(slow, rules={"max_in_flight": 1}, hold_seconds=0.1) as (found, server):
            first = asyncio.create_task(found.ask(PATHS[client], ask(client, stream=True)))
            await asyncio.sleep(0.05)
            answer = await found.ask(PATHS[client], ask(client, stream=True))
            assert b": queued, 0 before this one\n\n" in answer.body
            assert CLEAN[client] in answer.body
            assert answer.complete
            await first

    uvloop.run(main())


def test_more_requests_than_the_gateway_may_serve_are_a_503() -> None:
    async def main() -> None:
        async with alone(firstly(then="stall"), max_requests=2) as (found, server):
            waiting = [asyncio.create_task(chat(found)) for _ in range(2)]
            while found.plane.jobs < 2:
                await asyncio.sleep(0.005)
            answer = await chat(found)
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    uvloop.run(main())


# -- clients that leave, wherever the request stands


async def leave(found: Plane, body: dict[str, Any], until: Callable[[], bool]) -> None:
    """Send a request, wait until it stands where it should, and go."""
    reader, writer = await found.connect()
    raw = json.dumps(body).encode()
    writer.write(
        b"POST %s HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n"
        % (PATHS[CHAT].encode(), len(raw))
        + raw
    )
    end = time.monotonic() + 3.0
    while not until():
        assert time.monotonic() < end, "it never came to that"
        await asyncio.sleep(0.005)
    writer.transport.abort()


async def freed(found: Plane) -> None:
    left = time.monotonic()
    places = found.plane.board.backend("local/box").places
    while found.plane.jobs or found.plane.ticking or places.in_use or places.queued:
        assert time.monotonic() - left < 0.25, "R5"
        await asyncio.sleep(0.002)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_a_client_that_leaves_before_the_answer_frees_everything(streamed: bool) -> None:
    async def main() -> None:
        async with alone(firstly(then="stall")) as (found, server):
            await leave(found, ask(CHAT, stream=streamed), lambda: posts(server) == 1)
            await freed(found)
            assert await asyncio.to_thread(server.wait_closed, asked(server)[-1], 0.25)
            assert (await found.recorded())[0].outcome == "aborted"

    uvloop.run(main())


def test_a_client_that_leaves_the_queue_gives_its_place_up() -> None:
    async def main() -> None:
        async with alone(firstly(then="stall"), rules={"max_in_flight": 1}) as (found, server):
            places = found.plane.board.backend("local/box").places
            first = asyncio.create_task(chat(found))
            while not places.in_use:
                await asyncio.sleep(0.005)
            await leave(found, ask(CHAT), lambda: places.queued == 1)
            while places.queued:
                await asyncio.sleep(0.002)
            first.cancel()
            with suppress(asyncio.CancelledError):
                await first
            assert [r.outcome for r in found.own] == ["aborted"]

    uvloop.run(main())


def test_a_client_that_leaves_during_a_wait_before_a_repeat_ends_it() -> None:
    async def main() -> None:
        busy = Reply(429, {**JSON, "retry-after": "3"}, body=BUSY)
        async with alone(busy) as (found, server):
            await leave(
                found,
                ask(CHAT),
                lambda: posts(server) == 1 and not found.plane.board.backend("local/box").in_flight,
            )
            await freed(found)
            assert posts(server) == 1

    uvloop.run(main())


def test_a_client_that_leaves_while_its_backend_is_connected_to_ends_that() -> None:
    async def main() -> None:
        with swallowing() as port:
            async with plane() as found:
                url = f"http://127.0.0.1:{port}"
                backend = BackendSpec(
                    key="local/box", type="local", name="box", base_url=url, dialects=(CHAT,)
                )
                found.rules(rule("*", "local/box"), backends=[backend])
                await leave(found, ask(CHAT), lambda: bool(found.plane.ticking))
                await freed(found)
                assert (await found.recorded())[0].outcome == "aborted"

    uvloop.run(main())


# -- the hedge


def hedged(found: Plane, first: ScriptedUpstream, second: ScriptedUpstream, seconds: float = 0.1) -> None:
    found.rules(
        rule("*", "openai/a", "openai/b", hedge_seconds=seconds),
        backends=[cloud(first, "a"), cloud(second, "b")],
    )


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("client", PROTOCOLS)
def test_a_slow_target_is_overtaken_and_given_up_at_once(streamed: bool, client: str) -> None:
    async def main(found: Plane, first: ScriptedUpstream, second: ScriptedUpstream) -> None:
        first.always(firstly(then="stall"))
        second.always(
            Reply(200, SSE, parts=[STREAM[CHAT]("second")], framing="chunked")
            if streamed
            else whole("second")
        )
        hedged(found, first, second)
        answer = await found.ask(PATHS[client], ask(client, stream=streamed))
        assert CLEAN[client] in answer.body if streamed else b"second" in answer.body
        assert answer.complete
        assert (answer.headers["x-pointsman-target"], answer.headers["x-pointsman-attempts"]) == (
            "openai/b:m",
            "2",
        )
        assert await asyncio.to_thread(first.wait_closed, asked(first)[-1], 0.5)
        row = (await found.recorded())[0]
        assert (row.attempt, row.target, row.outcome) == (2, "openai/b:m", "ok")
        assert [(r.attempt, r.outcome) for r in found.records if r is not row] == [(1, "aborted")]
        assert found.plane.board.closed("openai/a", "m", b"") is None

    with_two(main)


def test_the_first_may_still_win_and_the_second_is_given_up() -> None:
    async def main(found: Plane, first: ScriptedUpstream, second: ScriptedUpstream) -> None:
        first.always(Reply(200, JSON, body=WHOLE[CHAT]("first"), before=[Pause(0.3)]))
        second.always(firstly(then="stall"))
        hedged(found, first, second)
        answer = await chat(found)
        assert text_of(CHAT, answer.json()) == "first"
        assert answer.headers["x-pointsman-target"] == "openai/a:m"
        assert await asyncio.to_thread(second.wait_closed, asked(second)[-1], 0.5)
        assert (await found.recorded())[0].attempt == 1

    with_two(main)


def test_a_fast_target_is_not_hedged_and_a_failed_one_is_left_at_once() -> None:
    async def main(found: Plane, first: ScriptedUpstream, second: ScriptedUpstream) -> None:
        first.always(whole("first"))
        hedged(found, first, second, 5.0)
        await chat(found)
        assert posts(second) == 0
        first.always(FAILS)
        began = time.monotonic()
        assert (await chat(found)).headers["x-pointsman-target"] == "openai/b:m"
        assert time.monotonic() - began < 1.0

    with_two(main)


def test_both_of_a_hedge_may_fail_and_the_client_is_told_once() -> None:
    async def main(found: Plane, first: ScriptedUpstream, second: ScriptedUpstream) -> None:
        first.always(Reply(500, JSON, body=b'{"error":{"message":"first"}}', before=[Pause(0.3)]))
        second.always(FAILS)
        hedged(found, first, second)
        answer = await chat(found)
        assert (answer.status, answer.complete, answer.headers["x-pointsman-attempts"]) == (500, True, "2")

    with_two(main)


def test_a_local_only_rule_is_never_hedged() -> None:
    async def main(found: Plane, first: ScriptedUpstream, second: ScriptedUpstream) -> None:
        first.always(Reply(200, JSON, body=WHOLE[CHAT]("first"), before=[Pause(0.3)]))
        found.rules(
            rule("*", "local/a", "openai/b", hedge_seconds=0.05, local_only=True),
            backends=[spec(first, CHAT, "a"), cloud(second, "b")],
        )
        assert text_of(CHAT, (await chat(found)).json()) == "first"
        assert posts(second) == 0

    with_two(main)


# -- resends


async def begin(
    found: Plane, body: dict[str, Any], *headers: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await found.connect()
    raw = json.dumps(body).encode()
    lines = [
        f"POST {PATHS[CHAT]} HTTP/1.1",
        "host: localhost",
        "connection: close",
        f"content-length: {len(raw)}",
        *headers,
    ]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + raw)
    return reader, writer


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_a_resend_joins_the_generation_whose_client_left(streamed: bool) -> None:
    events = STREAM[CHAT]("hello there").split(b"\n\n")
    parts = [b"\n\n".join(events[:2]) + b"\n\n", Pause(0.4), b"\n\n".join(events[2:])]
    reply = (
        Reply(200, SSE, parts=parts, framing="chunked")
        if streamed
        else Reply(200, JSON, body=WHOLE[CHAT]("hello there"), before=[Pause(0.4)])
    )

    async def main() -> None:
        async with alone(reply, rules={"join_resends": True}) as (found, server):
            body = ask(CHAT, stream=streamed)
            _, writer = await begin(found, body)
            while not posts(server):
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.1)
            writer.transport.abort()
            await asyncio.sleep(0.1)
            answer = await found.ask(PATHS[CHAT], body)
            assert (answer.status, answer.complete, posts(server)) == (200, True, 1)
            assert b"hello" in answer.body
            assert b"there" in answer.body
            rows = await found.recorded(2)
            assert [(r.outcome, r.joined) for r in rows] == [("aborted", False), ("ok", True)]
            assert answer.headers["x-request-id"] == rows[1].id != rows[0].id
            assert answer.body.count(b"hello") == 1

    uvloop.run(main())


def test_only_the_same_request_joins_and_only_where_the_backend_says_so() -> None:
    slow = Reply(200, JSON, body=WHOLE[CHAT]("hello"), before=[Pause(0.3)])

    async def main(joins: bool, other: dict[str, Any], expected: int) -> None:
        async with alone(slow, rules={"join_resends": joins}) as (found, server):
            await leave(found, ask(CHAT), lambda: posts(server) == 1)
            await asyncio.sleep(0.05)
            await chat(found, **other)
            assert posts(server) == expected

    uvloop.run(main(True, {}, 1))
    uvloop.run(main(True, {"max_tokens": 7}, 2))
    uvloop.run(main(False, {}, 2))


def test_of_two_that_were_left_one_goes_on() -> None:
    async def main() -> None:
        async with alone(firstly(then="stall"), rules={"join_resends": True}) as (found, server):
            both = [
                asyncio.create_task(leave(found, ask(CHAT), lambda: posts(server) == 2)) for _ in range(2)
            ]
            await asyncio.gather(*both)
            await asyncio.sleep(0.1)
            assert len(found.plane.ticking) == 1

    uvloop.run(main())


def test_a_generation_that_nobody_joins_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pointsman.gateway.request.joining.KEPT_SECONDS", 0.2)

    async def main() -> None:
        async with alone(firstly(then="stall"), rules={"join_resends": True}) as (found, server):
            await leave(found, ask(CHAT), lambda: posts(server) == 1)
            await asyncio.sleep(0.1)
            assert asked(server)[-1].client_closed_at is None
            assert await asyncio.to_thread(server.wait_closed, asked(server)[-1], 1.0)
            await asyncio.sleep(0.05)
            assert not found.plane.ticking

    uvloop.run(main())


def test_the_same_idempotency_key_gives_the_same_answer_and_asks_once() -> None:
    numbers = iter(range(100))

    def reply(received: Received) -> Reply:
        return Reply(200, JSON, body=WHOLE[CHAT](f"answer {next(numbers)}"), before=[Pause(0.1)])

    async def main() -> None:
        async with alone(firstly(then=reply)) as (found, server):
            key = "idempotency-key: k-1"
            answers = await asyncio.gather(*[chat(found, key) for _ in range(3)])
            answers.append(await chat(found, key))
            assert {text_of(CHAT, a.json()) for a in answers} == {"answer 0"}
            assert len({a.headers["x-request-id"] for a in answers}) == 4
            assert posts(server) == 1
            assert text_of(CHAT, (await chat(found, "idempotency-key: k-2")).json()) == "answer 1"
            conflict = await chat(found, key, max_tokens=3)
            assert conflict.status == 409
            assert sorted(r.joined for r in found.own) == [False, False, False, True, True, True]

    uvloop.run(main())


def test_kept_answers_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pointsman.gateway.request.joining.MOST_BYTES", 3000)

    async def main() -> None:
        async with alone(firstly(then=whole("x" * 700))) as (found, server):
            for number in range(10):
                await chat(found, f"idempotency-key: k-{number}")
            assert posts(server) == 10
            await chat(found, "idempotency-key: k-9")
            assert posts(server) == 10, "the newest is still there"
            await chat(found, "idempotency-key: k-0")
            assert posts(server) == 11, "the oldest is not"

    uvloop.run(main())


def test_a_failed_answer_is_not_kept_under_its_idempotency_key() -> None:
    async def main() -> None:
        busy = Reply(429, {**JSON, "retry-after": "60"}, body=BUSY)
        async with alone(firstly(busy, then=whole())) as (found, server):
            assert (await chat(found, "idempotency-key: k")).status == 429
            assert (await chat(found, "idempotency-key: k")).status == 200

    uvloop.run(main())


def test_a_drain_ends_who_waits_in_a_queue_with_an_answer() -> None:
    from pointsman.errors import PointsmanError
    from pointsman.kinds import ErrorKind

    async def main() -> None:
        async with alone(firstly(then="stall"), rules={"max_in_flight": 1}) as (found, server):
            tasks = [asyncio.create_task(chat(found)) for _ in range(2)]
            while found.plane.board.backend("local/box").places.queued < 1:
                await asyncio.sleep(0.005)
            for one in list(found.plane.ticking):
                one.stop(
                    PointsmanError(
                        ErrorKind.UNAVAILABLE, "The gateway is shutting down; send the request again."
                    )
                )
            assert {(await task).status for task in tasks} == {503}

    uvloop.run(main())
