"""`fallback_on` stuck: a conversation that does not get on is the next target's for some turns, in each protocol, whole and
streamed; what the answer, the usage log and `explain` say of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import uvloop

from pointsman.practice import Part, Pause, Received, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, STREAM, WHOLE
from tests.e2e.test_explained_requests import explained
from tests.translation.test_stuck import FINE, STUCK, body, look

from .plane import Plane, plane, rule
from .test_stick import answer
from .test_translation import PATHS

EACH = pytest.mark.parametrize("protocol", [CHAT, RESPONSES, MESSAGES])


def backends(here: ScriptedUpstream, there: ScriptedUpstream, protocol: str) -> list[BackendSpec]:
    names = {"local/small": here, "local/strong": there}
    return [
        BackendSpec(key, "local", key.partition("/")[2], server.url, dialects=(protocol,))
        for key, server in names.items()
    ]


async def target(found: Plane, protocol: str, request: dict[str, Any]) -> tuple[str, dict[str, str]]:
    got = await found.ask(PATHS[protocol], request)
    assert got.status == 200, got.body
    return got.headers["x-pointsman-target"].partition(":")[0], got.headers


@EACH
@pytest.mark.parametrize("stream", [False, True])
def test_each_sign_moves_the_conversation_and_nothing_less_does(protocol: str, stream: bool) -> None:
    async def main() -> None:
        with ScriptedUpstream() as here, ScriptedUpstream() as there:
            here.always(lambda received: answer(protocol, received))
            there.always(lambda received: answer(protocol, received))
            async with plane() as found:
                one = rule("m", "local/small", "local/strong", fallback_on=("stuck",))
                found.rules(one, backends=backends(here, there, protocol))
                for turns, words in STUCK.values():
                    asked = {**body(protocol, turns), "stream": stream}
                    who, headers = await target(found, protocol, asked)
                    assert who == "local/strong"
                    assert headers["x-pointsman-fallback"] == "stuck"
                    assert words in headers["x-pointsman-stuck"]
                    assert headers["x-pointsman-stuck"].endswith("; 4 more turns there")
                    record = (await found.recorded(len(found.own) or 1))[-1]
                    assert (record.fallback, record.target) == ("stuck", headers["x-pointsman-target"])
                for turns in FINE.values():
                    asked = {**body(protocol, turns), "stream": stream}
                    who, headers = await target(found, protocol, asked)
                    assert who == "local/small"
                    assert "x-pointsman-stuck" not in headers
                    assert "x-pointsman-fallback" not in headers

    uvloop.run(main())


@EACH
def test_after_its_turns_the_first_target_has_the_conversation_again(protocol: str) -> None:
    async def main() -> None:
        with ScriptedUpstream() as here, ScriptedUpstream() as there:
            here.always(lambda received: answer(protocol, received))
            there.always(lambda received: answer(protocol, received))
            async with plane() as found:
                one = rule(
                    "m", "local/small", "local/strong", fallback_on=("stuck",), stuck_after=2, stuck_for=3
                )
                found.rules(one, backends=backends(here, there, protocol))
                turns, seen = [look()], []
                for number in range(7):
                    told = await explained(found, json.dumps(body(protocol, turns)), PATHS[protocol])
                    who, headers = await target(found, protocol, body(protocol, turns))
                    assert told.targets[0].target == headers["x-pointsman-target"]
                    assert told.stuck == headers.get("x-pointsman-stuck")
                    seen.append(who == "local/strong")
                    turns.append(look() if number == 0 else look(f"{number}.py"))
                assert seen == [False, True, True, True, False, False, False]

    uvloop.run(main())


def test_the_first_target_answers_where_the_next_one_cannot() -> None:
    async def main() -> None:
        with ScriptedUpstream() as here:
            here.always(lambda received: answer(CHAT, received))
            async with plane() as found:
                one = rule("m", "local/small", "local/gone", fallback_on=("stuck",))
                found.rules(one, backends=backends(here, here, CHAT)[:1])
                who, headers = await target(found, CHAT, body(CHAT, [look()] * 3))
                assert who == "local/small"
                assert headers["x-pointsman-fallback"] == "connect"

    uvloop.run(main())


def test_a_rule_that_stays_and_hands_over_does_both() -> None:
    async def main() -> None:
        with ScriptedUpstream() as here, ScriptedUpstream() as there:
            here.always(lambda received: answer(CHAT, received))
            there.always(lambda received: answer(CHAT, received))
            async with plane() as found:
                one = rule("m", "local/small", "local/strong", fallback_on=("stuck",), stick=True)
                found.rules(one, backends=backends(here, there, CHAT))
                assert (await target(found, CHAT, body(CHAT, [])))[0] == "local/small"
                assert (await target(found, CHAT, body(CHAT, [look()] * 3)))[0] == "local/strong"
                after = [look()] * 3 + [look(f"{n}.py") for n in range(5)]
                assert (await target(found, CHAT, body(CHAT, after)))[0] == "local/small"

    uvloop.run(main())


_MARK = b"QW"
PHRASE = "I will look at the file once more. "


def circling(protocol: str, times: int) -> list[Part]:
    """A streamed answer that says the phrase so often, in pieces."""
    events = STREAM[protocol]("QW on").split(b"\n\n")
    at = next(number for number, event in enumerate(events) if _MARK in event)
    piece = events[at].replace(_MARK, PHRASE.encode()) + b"\n\n"
    before = b"".join(event + b"\n\n" for event in events[:at])
    after = b"".join(event + b"\n\n" for event in events[at + 1 :] if event)
    begun = [before + piece * 2, Pause(0.3)]  # its client has the beginning
    return [*begun, *([piece] * times), after.replace(_MARK, (PHRASE * times).encode())]


def scene(protocol: str, upstream: str, stream: bool) -> tuple[Any, Any]:
    def small(received: Received) -> Reply:
        if received.method != "POST" or received.path.startswith("/api/"):
            return Reply(404, JSON, body=b"{}")
        if received.json().get("stream"):
            return Reply(200, SSE, parts=circling(upstream, 400))
        return Reply(200, JSON, body=WHOLE[upstream]("So: " + PHRASE * 400))

    return small, lambda received: answer(upstream, received)


PAIRS = [(CHAT, CHAT), (MESSAGES, MESSAGES), (RESPONSES, RESPONSES), (MESSAGES, CHAT), (CHAT, MESSAGES)]


@pytest.mark.parametrize(("protocol", "upstream"), PAIRS)
def test_an_answer_that_goes_round_is_ended_and_the_next_turn_is_handed_over(
    protocol: str, upstream: str
) -> None:
    async def main() -> None:
        small, strong = scene(protocol, upstream, True)
        with ScriptedUpstream() as here, ScriptedUpstream() as there:
            here.always(small)
            there.always(strong)
            async with plane() as found:
                one = rule("m", "local/small", "local/strong", fallback_on=("stuck",), stop_loops=True)
                found.rules(one, backends=backends(here, there, upstream))
                asked = {**body(protocol, [look("x")]), "stream": True}
                got = await found.ask(PATHS[protocol], asked)
                assert got.status == 200
                assert got.complete
                text = got.body.decode()
                assert text.count("once more") < 100
                assert "one phrase again and again" in text
                for clean in ("[DONE]", "message_stop", "response.completed"):
                    assert clean not in text
                record = (await found.recorded())[0]
                assert record.outcome == "interrupted"
                # asked again, and in the turns that follow, the next target has it; the small one is not thought ill
                got = await found.ask(PATHS[protocol], asked)
                assert got.headers["x-pointsman-target"].startswith("local/strong:")
                assert "went round in circles" in got.headers["x-pointsman-stuck"]
                posts = sum(one.method == "POST" for one in here.requests)
                later = body(protocol, [look("x")] + [look(f"{n}") for n in range(5)])
                got = await found.ask(PATHS[protocol], later)
                assert "x-pointsman-stuck" not in got.headers
                assert sum(one.method == "POST" for one in here.requests) > posts  # it was asked again
                assert not found.plane.board.target("local/small", "m").breaker.failures

    uvloop.run(main())


@pytest.mark.parametrize(("protocol", "upstream"), PAIRS)
def test_a_whole_answer_that_goes_round_is_the_next_target_s(protocol: str, upstream: str) -> None:
    async def main() -> None:
        small, strong = scene(protocol, upstream, False)
        with ScriptedUpstream() as here, ScriptedUpstream() as there:
            here.always(small)
            there.always(strong)
            async with plane() as found:
                one = rule("m", "local/small", "local/strong", stop_loops=True)
                found.rules(one, backends=backends(here, there, upstream))
                got = await found.ask(PATHS[protocol], body(protocol, []))
                assert got.status == 200
                assert got.headers["x-pointsman-target"].startswith("local/strong:")
                assert got.headers["x-pointsman-fallback"] == "stuck"
                alone = rule("m", "local/small", stop_loops=True)
                found.rules(alone, backends=backends(here, there, upstream))
                got = await found.ask(PATHS[protocol], body(protocol, []))
                assert got.status == 502
                assert b"one phrase again and again" in got.body
                both = rule("m", "local/small", "local/gone", stop_loops=True)
                found.rules(both, backends=backends(here, there, upstream))
                got = await found.ask(PATHS[protocol], body(protocol, []))
                assert got.status == 502
                assert b"local/small:m: " in got.body
                assert b"local/gone:m: " in got.body

    uvloop.run(main())


def test_thinking_that_goes_round_is_ended_too_and_a_rule_without_it_lets_all_pass() -> None:
    async def main() -> None:
        thought = [
            b"data: "
            + json.dumps({"choices": [{"index": 0, "delta": {"reasoning_content": PHRASE}}]}).encode()
            + b"\n\n"
            for _ in range(300)
        ]
        with ScriptedUpstream() as here:
            here.always(
                lambda received: (
                    Reply(200, SSE, parts=[thought[0], Pause(0.3), *thought[1:]])
                    if received.path.endswith("completions")
                    else Reply(404, JSON, body=b"{}")
                )
            )
            async with plane() as found:
                specs = backends(here, here, CHAT)[:1]
                asked = {**body(CHAT, []), "stream": True}
                found.rules(rule("m", "local/small", stop_loops=True), backends=specs)
                got = await found.ask(PATHS[CHAT], asked)
                assert got.body.count(b"once more") < 100
                assert b"one phrase again and again" in got.body
                found.rules(rule("m", "local/small"), backends=specs)
                got = await found.ask(PATHS[CHAT], asked)
                assert got.body.count(b"once more") == 300

    uvloop.run(main())
