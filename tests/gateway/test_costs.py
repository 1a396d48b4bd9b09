"""What each attempt costs, in its record and in the answer's header: however it was served and wherever it ended."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvloop

from pointsman.ledger.price_spec import Period, Prices, PriceSpec, Tariff
from pointsman.ledger.records import UsageRecord
from pointsman.link.messages import Reference
from pointsman.practice import CUT, STALL, Pause, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from pointsman.secret import Secret
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE
from tests.vendor_bodies import chat, messages, responses
from tests.vendor_bodies.wire import encoded, named

from .plane import Got, Plane, plane, rule
from .test_translation import PATHS, ask

HEADER = "x-pointsman-cost-usd"
MILLION = 1_000_000
USED = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
OF_MESSAGES = {"input_tokens": 1000, "output_tokens": 100}
OF_RESPONSES = {**OF_MESSAGES, "total_tokens": 1100}
WHOLE = {
    CHAT: chat.whole({"content": "hi"}, usage=USED),
    MESSAGES: messages.whole([{"type": "text", "text": "hi"}], usage=OF_MESSAGES),
    RESPONSES: responses.response([responses.message("hi")], usage=OF_RESPONSES),
}
STREAM = {
    CHAT: [chat.stream(chat.delta(content="hi"), chat.delta("stop"), chat.counted(USED))],
    MESSAGES: [named(*messages.said("hi", OF_MESSAGES))],
    RESPONSES: [named(*responses.said("hi", OF_RESPONSES))],
}
FAILS = Reply(500, JSON, body=b'{"error":{"message":"it broke","type":"server_error"}}')


def priced(read: int, made: int, model: str = "*", **tiers: int) -> tuple[PriceSpec, ...]:
    """In dollars for a million tokens."""
    services = {name: Tariff(Prices(price * MILLION, price * MILLION)) for name, price in tiers.items()}
    usual = Tariff(Prices(read * MILLION, made * MILLION))
    clause = "~" if model == "*" else f"={model}"
    return (PriceSpec(model, (clause,), (Period(usual, 0, services),)),)


def backend(server: ScriptedUpstream, key: str, protocol: str = CHAT) -> BackendSpec:
    kind, _, name = key.partition("/")
    secret = None if kind == "local" else Secret("sk-1")
    return BackendSpec(
        key,
        kind,
        name,
        server.url,
        (protocol,),
        "none" if secret is None else "bearer",
        secret,
        stream_usage=True,
    )


def whole(protocol: str = CHAT, body: dict[str, Any] | None = None) -> Reply:
    return Reply(200, JSON, body=encoded(body or WHOLE[protocol]))


def played(
    *replies: Reply,
    client: str = CHAT,
    stream: bool = False,
    keys: tuple[str, ...] = ("openai/a",),
    speaks: str = CHAT,
    prices: dict[str, tuple[PriceSpec, ...]] | None = None,
    headers: tuple[str, ...] = (),
    rules: dict[str, Any] | None = None,
    **more: Any,
) -> tuple[Got, list[UsageRecord], int]:
    """The answer, its records, and how many requests had a lane. replies: a server each."""

    async def main() -> tuple[Got, list[UsageRecord], int]:
        servers = [ScriptedUpstream() for _ in replies]
        for server, reply in zip(servers, replies, strict=True):
            server.__enter__().always(reply)
        try:
            async with plane() as found:
                backends = [backend(server, key, speaks) for server, key in zip(servers, keys, strict=True)]
                found.rules(rule("*", *keys, **(rules or {})), backends=backends, prices=prices or {}, **more)
                await found.ask(PATHS[client], ask(client, stream=stream), *headers)  # the plan is known now
                await found.recorded()
                found.records.clear()
                got = await found.ask(PATHS[client], ask(client, stream=stream), *headers)
                await found.recorded()
                return got, list(found.records), found.lanes
        finally:
            for server in servers:
                server.__exit__(None, None, None)

    return uvloop.run(main())


A = {"openai/a": priced(2, 10)}
COST = 1000 * 2000 + 100 * 10_000
"""Nano-dollars of USED."""
FULL = ("x-pointsman-no-fallback: 1",)
"""A request that has no lane."""


@pytest.mark.parametrize("headers", [(), FULL], ids=["lane", "full way"])
@pytest.mark.parametrize("protocol", [CHAT, MESSAGES, RESPONSES])
def test_a_whole_answer_says_what_it_cost(protocol: str, headers: tuple[str, ...]) -> None:
    got, (record,), lanes = played(
        whole(protocol), client=protocol, speaks=protocol, prices=A, headers=headers
    )
    assert got.headers[HEADER] == "0.003"
    assert (record.cost, record.flag, record.saved, record.extra) == (COST, None, None, None)
    assert bool(lanes) is (not headers)


@pytest.mark.parametrize("headers", [(), FULL], ids=["lane", "full way"])
@pytest.mark.parametrize("protocol", [CHAT, MESSAGES, RESPONSES])
def test_a_stream_s_record_says_what_it_cost(protocol: str, headers: tuple[str, ...]) -> None:
    reply = Reply(200, SSE, parts=STREAM[protocol], framing="chunked")
    got, (record,), _ = played(
        reply, client=protocol, stream=True, speaks=protocol, prices=A, headers=headers
    )
    assert HEADER not in got.headers
    assert (record.cost, record.flag) == (COST, None)


@pytest.mark.parametrize("headers", [(), FULL], ids=["lane", "full way"])
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_translated_costs_the_same(stream: bool, headers: tuple[str, ...]) -> None:
    reply = Reply(200, SSE, parts=STREAM[CHAT], framing="chunked") if stream else whole()
    got, (record,), _ = played(reply, client=MESSAGES, stream=stream, prices=A, headers=headers)
    assert got.headers.get(HEADER) == (None if stream else "0.003")
    assert record.cost == COST


@pytest.mark.parametrize("headers", [(), FULL], ids=["lane", "full way"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_local_answer_is_free_and_says_so(stream: bool, headers: tuple[str, ...]) -> None:
    reply = Reply(200, SSE, parts=STREAM[CHAT], framing="chunked") if stream else whole()
    got, (record,), _ = played(reply, stream=stream, keys=("local/box",), headers=headers)
    assert got.headers[HEADER] == "0"
    assert (record.cost, record.flag, record.saved) == (0, None, None)


@pytest.mark.parametrize("headers", [(), FULL], ids=["lane", "full way"])
def test_a_local_answer_says_what_it_saved(headers: tuple[str, ...]) -> None:
    other = Reference("big", priced(3, 15, "big"))
    got, (record,), _ = played(whole(), keys=("local/box",), headers=headers, reference=other)
    assert got.headers[HEADER] == "0"
    assert (record.cost, record.saved) == (0, 1000 * 3000 + 100 * 15_000)


def test_a_local_server_with_a_price_costs_it() -> None:
    prices = {"local/box": priced(1, 1)}
    _, (record,), _ = played(
        whole(), keys=("local/box",), prices=prices, reference=Reference("big", priced(3, 15))
    )
    assert (record.cost, record.saved) == (1_100_000, 4_500_000)


@pytest.mark.parametrize("headers", [(), FULL], ids=["lane", "full way"])
@pytest.mark.parametrize(
    ("body", "prices", "flag"),
    [
        (WHOLE[CHAT], {}, "no_price"),
        (WHOLE[CHAT], {"openai/a": priced(1, 1, "other")}, "no_price"),
        (WHOLE[CHAT] | {"usage": None}, A, "no_usage"),
        (WHOLE[CHAT] | {"service_tier": "scale"}, A, "tier"),
    ],
)
def test_what_is_not_known_is_null_with_the_reason_and_no_header(
    body: dict[str, Any], prices: Any, flag: str, headers: tuple[str, ...]
) -> None:
    got, (record,), _ = played(whole(CHAT, body), prices=prices, headers=headers)
    assert HEADER not in got.headers
    assert (record.cost, record.flag) == (None, flag)


@pytest.mark.parametrize("headers", [(), FULL], ids=["lane", "full way"])
def test_the_tier_of_the_answer_is_charged(headers: tuple[str, ...]) -> None:
    body = WHOLE[CHAT] | {"service_tier": "priority"}
    got, (record,), _ = played(
        whole(CHAT, body), prices={"openai/a": priced(2, 10, priority=20)}, headers=headers
    )
    assert (record.cost, record.tier, got.headers[HEADER]) == (22_000_000, "priority", "0.022")


def test_a_failed_attempt_costs_nothing_and_its_fallback_says_what_it_cost_more() -> None:
    prices = {"openai/a": priced(2, 10), "openai/b": priced(4, 20)}
    got, records, _ = played(FAILS, whole(), keys=("openai/a", "openai/b"), prices=prices)
    answered = next(one for one in records if one.id == one.request)
    assert got.headers[HEADER] == "0.006"
    assert (answered.cost, answered.extra) == (2 * COST, COST)
    assert all((one.cost, one.flag, one.extra) == (0, None, None) for one in records if one is not answered)
    assert len(records) > 1


def test_a_fallback_of_which_either_price_is_unknown_does_not_know_what_it_cost_more() -> None:
    _, records, _ = played(FAILS, whole(), keys=("openai/a", "openai/b"), prices={"openai/b": priced(4, 20)})
    answered = next(one for one in records if one.id == one.request)
    assert (answered.cost, answered.extra) == (2 * COST, None)


def test_a_fallback_from_a_local_server_costs_all_of_it_more() -> None:
    _, records, _ = played(FAILS, whole(), keys=("local/box", "openai/a"), prices=A)
    answered = next(one for one in records if one.id == one.request)
    assert (answered.cost, answered.extra) == (COST, COST)


def test_a_refusal_of_a_provider_costs_nothing() -> None:
    refused = Reply(400, JSON, body=b'{"error":{"message":"no","type":"invalid_request_error"}}')
    got, (record,), _ = played(refused, prices=A)
    assert (got.status, record.cost, record.flag) == (400, 0, None)


def test_counting_tokens_costs_nothing() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(Reply(200, JSON, body=b'{"input_tokens": 9}'))
            async with plane() as found:
                found.rules(rule("*", "openai/a"), backends=[backend(server, "openai/a", MESSAGES)], prices=A)
                got = await found.ask("/v1/messages/count_tokens", ask(MESSAGES))
                assert got.status == 200
                (record,) = await found.recorded()
                assert (record.cost, record.flag) == (0, None)

    uvloop.run(main())


def test_what_a_clients_own_login_is_charged_is_not_ours_to_say() -> None:
    got, (record,), _ = played(
        whole(MESSAGES), client=MESSAGES, speaks=MESSAGES, keys=("anthropic/a",), prices={"anthropic/a": priced(2, 10)},
        rules={"forward_auth": True}, headers=("authorization: Bearer sk-ant-oat01-mine",),
    )  # fmt: skip
    assert HEADER not in got.headers
    assert (record.cost, record.flag) == (None, "own_login")


TEXT = "one two three four five six seven eight nine ten "


def cut_stream(protocol: str, *last: Any) -> Reply:
    chats = [chat.stream(chat.delta(content=TEXT), done=False) for _ in range(10)]
    start = named(messages.started(usage=OF_MESSAGES | {"output_tokens": 1}))
    block = named(messages.opened(0, type="text", text=""))
    pieces = [named(messages.piece(0, **messages.text_delta(TEXT))) for _ in range(10)]
    parts = chats if protocol == CHAT else [start, block, *pieces]
    return Reply(200, SSE, parts=[*parts, *last], framing="chunked")


async def left(found: Plane, protocol: str, *headers: str) -> None:
    """A client that leaves once it has all that comes."""
    import json

    reader, writer = await found.connect()
    body = json.dumps(ask(protocol, stream=True)).encode()
    lines = [f"POST {PATHS[protocol]} HTTP/1.1", "host: localhost", f"content-length: {len(body)}", *headers]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    heard = b""
    while heard.count(b"nine ten") < 10:
        piece = await reader.read(65536)
        assert piece, heard
        heard += piece
    writer.close()


@pytest.mark.parametrize("headers", [(), FULL], ids=["lane", "full way"])
@pytest.mark.parametrize("protocol", [CHAT, MESSAGES])
def test_a_stream_whose_client_leaves_costs_what_came_of_it(protocol: str, headers: tuple[str, ...]) -> None:
    async def main() -> UsageRecord:
        with ScriptedUpstream() as server:
            server.always(cut_stream(protocol, STALL))
            async with plane() as found:
                found.rules(rule("*", "openai/a"), backends=[backend(server, "openai/a", protocol)], prices=A)
                for _ in range(2):
                    found.records.clear()
                    await left(found, protocol, *headers)
                    (record,) = await found.recorded()
                return record

    record = uvloop.run(main())
    assert (record.outcome, record.flag) == ("aborted", "estimated")
    assert record.cost is not None
    read = 1000 * 2000 if protocol == MESSAGES else (record.input_tokens or 0) * 2000
    made = record.cost - read
    tokens = 10 * len(TEXT) / 3.6
    assert tokens * 10_000 <= made <= (tokens + 60) * 10_000
    assert record.output_tokens == made // 10_000, "what is charged is recorded"


def test_a_stream_that_its_backend_cuts_costs_what_came_of_it() -> None:
    _, (record,), _ = played(
        cut_stream(MESSAGES, CUT), client=MESSAGES, speaks=MESSAGES, stream=True, prices=A
    )
    assert (record.outcome, record.flag) == ("interrupted", "estimated")
    assert record.cost is not None
    assert 1000 * 2000 + 10 * len(TEXT) / 3.6 * 10_000 <= record.cost <= 1000 * 2000 + 200 * 10_000


def test_what_a_request_cost_whose_client_leaves_before_any_answer_nobody_knows() -> None:
    async def main() -> UsageRecord:
        with ScriptedUpstream() as server:
            server.always(Reply(before=[STALL]))
            async with plane() as found:
                found.rules(rule("*", "openai/a"), backends=[backend(server, "openai/a")], prices=A)
                _, writer = await found.connect()
                writer.write(
                    b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 61\r\n\r\n"
                )
                writer.write(b'{"model":"m","messages":[{"role":"user","content":"hello"}]}\n')
                while not server.requests:
                    await asyncio.sleep(0.002)
                writer.close()
                (record,) = await found.recorded()
                return record

    record = uvloop.run(main())
    assert (record.outcome, record.cost, record.flag) == ("aborted", None, "no_usage")


def test_the_loser_of_a_race_costs_what_it_had_told() -> None:
    started = named(messages.started(usage=OF_MESSAGES | {"output_tokens": 1}))
    slow = Reply(200, SSE, parts=[started, Pause(30)], framing="chunked")
    fast = Reply(200, SSE, parts=STREAM[MESSAGES], framing="chunked")
    prices = {"openai/a": priced(2, 10), "openai/b": priced(4, 20)}
    _, records, _ = played(
        slow, fast, client=MESSAGES, speaks=MESSAGES, stream=True, keys=("openai/a", "openai/b"), prices=prices,
        rules={"hedge_seconds": 0.05},
    )  # fmt: skip
    answered = next(one for one in records if one.id == one.request)
    (lost,) = [one for one in records if one is not answered]
    assert (answered.target, answered.cost) == ("openai/b:m", 2 * COST)
    assert (lost.outcome, lost.cost, lost.flag) == ("aborted", 1000 * 2000 + 10_000, "estimated")


def test_a_joined_request_costs_nothing_more() -> None:
    async def main() -> list[UsageRecord]:
        with ScriptedUpstream() as server:
            server.always(Reply(200, JSON, body=encoded(WHOLE[CHAT]), before=[Pause(0.3)]))
            async with plane() as found:
                found.rules(rule("*", "openai/a"), backends=[backend(server, "openai/a")], prices=A)
                word = "idempotency-key: once"
                both = [found.ask(PATHS[CHAT], ask(CHAT), word) for _ in range(2)]
                await asyncio.gather(*both)
                assert len(server.requests) == 1
                return await found.recorded(2)

    costs = sorted(record.cost or 0 for record in uvloop.run(main()))
    assert costs == [0, COST]


@pytest.mark.parametrize("headers", [(), FULL], ids=["lane", "full way"])
def test_a_local_stream_whose_client_leaves_is_counted_too(headers: tuple[str, ...]) -> None:
    """Its tokens were null: who always left before the end had no budget of tokens."""

    async def main() -> UsageRecord:
        with ScriptedUpstream() as server:
            server.always(cut_stream(CHAT, STALL))
            async with plane() as found:
                found.rules(rule("*", "local/box"), backends=[backend(server, "local/box")])
                for _ in range(2):
                    found.records.clear()
                    await left(found, CHAT, *headers)
                    (record,) = await found.recorded()
                return record

    record = uvloop.run(main())
    assert (record.outcome, record.cost, record.flag) == ("aborted", 0, "estimated")
    assert record.input_tokens
    assert 10 * len(TEXT) / 3.6 <= (record.output_tokens or 0) <= 10 * len(TEXT) / 3.6 + 60
