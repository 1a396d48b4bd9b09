"""`stick`: a conversation stays with the target that it began with, as clients and servers see it."""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
from collections import Counter
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
import uvloop

from pointsman.gateway.conversations import AWAY_SECONDS, Conversations, Whereabouts
from pointsman.gateway.holders import Holders
from pointsman.gateway.own.siblings import Siblings
from pointsman.practice import CUT, Received, Reply, ScriptedUpstream
from pointsman.translation.response_memory import ResponseMemory
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, STREAM, WHOLE

from .plane import Got, Plane, plane, rule
from .test_spread import LOCAL, backend, served
from .test_translation import PATHS

MANY, TURNS = int(os.environ.get("POINTSMAN_CONVERSATIONS", "100")), 30
"""1,000 are played by hand: `POINTSMAN_CONVERSATIONS=1000`, 30,000 requests."""


def chat(conversation: int, turn: int, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"conversation {conversation}"}]
    for number in range(turn):
        messages += [
            {"role": "assistant", "content": f"answer {number}"},
            {"role": "user", "content": f"and {number}"},
        ]
    return {"model": "m", "messages": messages, **more}


def who(got: Got) -> str:
    assert got.status == 200, got.body
    return got.headers["x-pointsman-target"].partition(":")[0]


def rules_of(servers: dict[str, ScriptedUpstream], *targets: str, **more: Any) -> tuple[Any, list[Any]]:
    specs = [backend(target, servers[target]) for target in servers]
    return rule("m", *targets, stick=True, **more), specs


def test_conversations_of_thirty_turns_stay_where_they_began() -> None:
    """Through changes of their rule, and while a target restarts."""

    async def main() -> None:
        with ExitStack() as stack:
            servers = {target: stack.enter_context(ScriptedUpstream()) for target in LOCAL}
            down: set[str] = set()

            def answers(target: str) -> Any:
                return lambda received: (
                    Reply(200, JSON, before=[CUT])
                    if target in down and received.method == "POST"
                    else served(received)
                )

            for target, server in servers.items():
                server.always(answers(target))
            async with plane() as found:
                shapes: list[tuple[tuple[str, ...], dict[str, Any]]] = [
                    (LOCAL, {"spread": True}),
                    ((LOCAL[1], LOCAL[2], LOCAL[0]), {"spread": True, "weights": (5, 1, 1)}),
                    ((LOCAL[2], LOCAL[0], LOCAL[1]), {"id": 7}),
                ]
                home: dict[int, str] = {}
                order = [(number, turn) for turn in range(TURNS) for number in range(MANY)]
                random.Random(1).shuffle(order)
                order.sort(key=lambda one: one[1] // 10)  # ten turns by each shape of the rule
                turn_of: Counter[int] = Counter()
                shape = -1
                moved = 0
                for at in range(0, len(order), 50):
                    if order[at][1] // 10 != shape:
                        shape = order[at][1] // 10
                        one, specs = rules_of(servers, *shapes[shape][0], **shapes[shape][1])
                        found.rules(one, backends=specs)
                    numbers = list(dict.fromkeys(number for number, _ in order[at : at + 50]))
                    restarts = at % 500 == 250
                    if restarts:
                        down.add(LOCAL[1])
                    bodies = [chat(number, turn_of[number] % 3) for number in numbers]
                    lines = [f"x-claude-code-session-id: s{number}" for number in numbers]
                    got = await asyncio.gather(
                        *(
                            found.ask(PATHS[CHAT], body, line)
                            for body, line in zip(bodies, lines, strict=True)
                        )
                    )
                    for number, one_got in zip(numbers, got, strict=True):
                        turn_of[number] += 1
                        mine = home.setdefault(number, who(one_got))
                        if restarts and mine == "local/b":
                            moved += who(one_got) != mine
                        else:
                            assert who(one_got) == mine, (number, at)
                    if restarts:
                        down.clear()
                        found.plane.board.forget("local/b")
                assert moved
                assert min(Counter(home.values()).values()) > MANY // 5  # they began with all three

    uvloop.run(main())


EACH = pytest.mark.parametrize("protocol", [CHAT, RESPONSES, MESSAGES])


def answer(protocol: str, received: Received) -> Reply:
    if received.method != "POST" or received.path.startswith("/api/"):
        return Reply(404, JSON, body=b"{}")
    if received.json().get("stream"):
        return Reply.sse(STREAM[protocol]("hello"))
    return Reply(200, JSON, body=WHOLE[protocol]("hello"))


def turns(protocol: str, first: str, count: int) -> dict[str, Any]:
    said = chat(0, count)["messages"]
    said[0]["content"] = first
    if protocol == RESPONSES:
        return {"model": "m", "input": said}
    return {"model": "m", "messages": said, **({"max_tokens": 50} if protocol == MESSAGES else {})}


@EACH
@pytest.mark.parametrize("stream", [False, True])
def test_without_a_session_its_first_turn_is_the_conversation(protocol: str, stream: bool) -> None:
    async def main() -> None:
        with ExitStack() as stack:
            servers = {target: stack.enter_context(ScriptedUpstream()) for target in LOCAL}
            for server in servers.values():
                server.always(partial(answer, protocol))
            async with plane() as found:
                specs = [backend(target, server, dialects=(protocol,)) for target, server in servers.items()]
                found.rules(rule("m", *LOCAL, stick=True, spread=True), backends=specs)
                home = {}
                for turn in range(4):
                    for first in "abcdef":
                        body = {**turns(protocol, first, turn), "stream": stream}
                        target = who(await found.ask(PATHS[protocol], body))
                        assert home.setdefault(first, target) == target
                assert len(set(home.values())) == 3

    uvloop.run(main())


def test_one_session_of_two_models_is_two_conversations_and_so_is_another_key_s() -> None:
    memory = Conversations(most=2)
    memory.answered(b"1", "local/a:one", 0.0)
    memory.answered(b"2", "local/b:one", 0.0)
    memory.answered(b"1", "local/a:one", 1.0)
    memory.answered(b"3", "local/c:one", 2.0)
    assert memory.find(b"2") is None
    assert memory.find(b"1") == Whereabouts("local/a:one", None, (), 1.0)


def test_a_conversation_that_was_long_answered_elsewhere_is_at_home_there() -> None:
    memory = Conversations()
    memory.answered(b"1", "a", 0.0)
    memory.answered(b"1", "b", 10.0)
    known = memory.find(b"1")
    assert known is not None
    assert (known.target, known.away) == ("a", 10.0)
    memory.answered(b"1", "b", 10.0 + AWAY_SECONDS - 1)
    memory.answered(b"1", "a", 10.0 + AWAY_SECONDS - 1)
    known = memory.find(b"1")
    assert known is not None
    assert (known.target, known.away) == ("a", None)
    memory.answered(b"1", "b", 1000.0)
    memory.answered(b"1", "b", 1000.0 + AWAY_SECONDS)
    known = memory.find(b"1")
    assert known is not None
    assert (known.target, known.away) == ("b", None)


def test_another_process_of_the_gateway_knows_it_too() -> None:
    async def main() -> None:
        with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="pm-") as folder:
            servers = {target: stack.enter_context(ScriptedUpstream()) for target in LOCAL}
            for server in servers.values():
                server.always(served)
            async with plane() as one, plane() as two:
                sides = []
                for number, found in enumerate((one, two)):
                    side = Siblings(
                        folder, number, ResponseMemory(0, 60), Holders(), found.plane.conversations
                    )
                    await side.start()
                    found.plane.siblings = side
                    sides.append(side)
                    made, specs = rules_of(servers, *LOCAL, spread=True)
                    found.rules(made, backends=specs)
                for number in range(20):
                    line = f"x-claude-code-session-id: {number}"
                    places: list[Plane] = [one, two] if number % 2 else [two, one]
                    began = who(await places[0].ask(PATHS[CHAT], chat(number, 0), line))
                    assert who(await places[1].ask(PATHS[CHAT], chat(number, 1), line)) == began
                for side in sides:
                    await side.stop()

    uvloop.run(main())
