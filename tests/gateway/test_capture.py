"""Bodies of a request that somebody has asked to see: what its client sent and got, and nothing of others."""

from __future__ import annotations

import hmac
import json
import time
from typing import Any

import pytest
import uvloop

from pointsman.link.messages import Captured, ClientKeySpec
from pointsman.practice import ScriptedUpstream
from pointsman.routing.captures import CaptureSpec
from tests.agents.model import CHAT, MESSAGES

from .plane import Plane, plane, rule
from .test_failures import FAILS, cloud, whole
from .test_translation import PATHS, ask


def captures(
    *, mapping: int | None = 1, key: int | None = None, seconds: float = 60.0, most: int = 10_000
) -> Any:
    return (CaptureSpec(mapping, key, time.time() + seconds, most),)


def run(work: Any, **rules: Any) -> list[Captured]:
    """What was handed up, of one backend behind rules 1 (`m*`) and 2 (all else)."""
    seen: list[Captured] = []

    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(whole("the answer"))
            async with plane() as found:
                found.plane.captured = seen.append
                both = (rule("m*", "openai/a"), rule("*", "openai/a", id=2))
                found.rules(*both, backends=[cloud(server, "a")], **rules)
                await work(found, server)

    uvloop.run(main())
    return seen


def body(model: str, client: str = CHAT) -> dict[str, Any]:
    asked = ask(client)
    return {**(json.loads(asked) if isinstance(asked, bytes) else asked), "model": model}


@pytest.mark.parametrize("client", [CHAT, MESSAGES])
def test_what_was_sent_and_got_is_handed_up_and_the_client_notices_nothing(client: str) -> None:
    answers: list[bytes] = []

    async def work(found: Plane, server: ScriptedUpstream) -> None:
        for _ in range(3):
            answer = await found.ask(PATHS[client], body("m-1", client))
            assert (answer.status, answer.complete) == (200, True)
            answers.append(answer.body)
        assert found.lanes == 0, "a lane tells nobody"

    seen = run(work, captures=captures())
    assert [one.answered for one in seen] == answers
    assert {(json.loads(one.asked)["model"], one.status, one.mapping_id) for one in seen} == {("m-1", 200, 1)}
    assert [one.target for one in seen] == ["openai/a:m-1"] * 3


@pytest.mark.parametrize(
    "wish",
    [captures(mapping=3), captures(seconds=-1), captures(mapping=None, key=7), ()],
    ids=["another rule", "over", "another key", "none"],
)
def test_nothing_else_is(wish: Any) -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        for model in ("m-1", "x"):
            assert (await found.ask(PATHS[CHAT], body(model))).status == 200

    assert run(work, captures=wish) == []


def test_requests_of_other_rules_keep_their_lane() -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        for _ in range(3):
            assert (await found.ask(PATHS[CHAT], body("other"))).status == 200
        assert found.lanes == 2

    assert run(work, captures=captures()) == []


def test_those_of_a_client_key_are() -> None:
    keys = tuple(
        ClientKeySpec(number, "", hmac.digest(b"p", f"pm-{number}".encode(), "sha256")) for number in (7, 8)
    )

    async def work(found: Plane, server: ScriptedUpstream) -> None:
        for number in (7, 8, 7):
            await found.ask(PATHS[CHAT], body("m-1"), f"authorization: Bearer pm-{number}")

    more: dict[str, Any] = {"client_keys": keys, "keys_required": True, "pepper": b"p"}
    seen = run(work, captures=captures(mapping=None, key=7), **more)
    assert [one.key_id for one in seen] == [7, 7]
    assert all(b"pm-7" not in one.asked + one.answered for one in seen)


def test_of_a_long_body_the_beginning_is_kept_and_its_size_told() -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        await found.ask(PATHS[CHAT], body("m-1"))

    (one,) = run(work, captures=captures(most=5))
    assert (len(one.asked), len(one.answered)) == (5, 5)
    assert one.asked_size > 5 < one.answered_size


def test_an_error_that_the_client_got_is_captured_too() -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        server.always(FAILS)
        assert (await found.ask(PATHS[CHAT], body("m-1"))).status >= 500

    (one,) = run(work, captures=captures())
    assert one.status >= 500
    assert b"error" in one.answered
