"""Recordings as a backend (docs/replay.md): what was recorded is told again byte for byte, in the form and the protocol that
is asked for, by nobody but the recording; and a miss is final. They are kept by the control plane's own class, in a folder."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvloop

from pointsman.admin.control.recordings import Recorded, Recordings
from pointsman.admin.vault import Vault
from pointsman.errors import PointsmanError
from pointsman.kinds import ErrorKind
from pointsman.link.kept_messages import KeepRecorded, ReplayFound, ReplayQuestion
from pointsman.link.messages import RecordSpec
from pointsman.practice import Reply, ScriptedUpstream
from pointsman.routing.specs import MappingSpec, recording_spec
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, STREAM, WHOLE, Call
from tests.conformance.facts import ASK

from .plane import Got, Plane, plane, rule
from .test_recovered_calls import heard, saying
from .test_translation import PATHS, spec

EACH = [(client, other) for client in PATHS for other in PATHS]
DEMO = "replay/demo"


@dataclass
class Stage:
    """found: the data plane; kept: its recordings."""

    found: Plane
    server: ScriptedUpstream
    kept: Recordings

    def record(self, upstream: str = CHAT, **more: Any) -> None:
        """What goes to the server from now on."""
        spec_of = RecordSpec("demo", **more)
        self.found.rules(
            rule("m*", "local/box"), backends=[spec(self.server, upstream)], recordings=(spec_of,)
        )

    def replay(self, of: MappingSpec | None = None) -> None:
        """Out of the recording from now on; the server is there for who falls to it."""
        self.found.rules(of or rule("m*", DEMO), backends=[recording_spec("demo"), spec(self.server, CHAT)])

    async def ask(self, client: str, *headers: str, **more: Any) -> Got:
        """Waits until what may be kept is kept: it is handed up once the client has all of it."""
        before = len(self.found.own)
        got = await self.found.ask(PATHS[client], {"model": "m", **ASK[client], **more}, *headers)
        await self.found.recorded(before + 1)
        return got

    @property
    def asked(self) -> int:
        return sum(one.method == "POST" for one in self.server.requests)


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    with ScriptedUpstream() as server, tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        kept = Recordings(data, Vault.load(data, {}, rows_exist=False))
        kept.make("demo")

        async def find(name: str, path: str, asked: bytes, meant: bytes, most: int | None) -> ReplayFound:
            return kept.find(ReplayQuestion(1, name, path, asked, meant, most))

        def keep(one: KeepRecorded) -> bool:
            for name in one.recordings:
                kept.keep(name, Recorded(one.path, one.model, one.asked, one.answer))
            return True

        async with plane() as found:
            found.plane.kept.find_recorded, found.plane.kept.keep_recorded = find, keep
            yield Stage(found, server, kept)


def run(work: Callable[[Stage], Any]) -> None:
    async def main() -> None:
        async with stage() as on:
            await work(on)

    uvloop.run(main())


@pytest.mark.parametrize(("client", "upstream"), EACH)
@pytest.mark.parametrize("stream", [False, True])
def test_it_is_told_as_it_was_recorded(client: str, upstream: str, stream: bool) -> None:
    async def work(on: Stage) -> None:
        on.server.always(saying(upstream, "The answer, 42."))
        on.record(upstream)
        made = await on.ask(client, stream=stream)
        assert (made.status, on.kept.size("demo")[0], on.found.lanes) == (200, 1, 0)
        asked = on.asked
        on.replay()
        for again in [await on.ask(client, stream=stream) for _ in range(2)]:
            assert (again.status, again.body, again.complete) == (200, made.body, True)
            assert again.headers["content-type"] == made.headers["content-type"]
            assert again.headers["x-pointsman-target"] == f"{DEMO}:m"
            assert again.headers.get("x-pointsman-cost-usd", "0") == "0"
        assert on.asked == asked, "nobody is asked"
        record = on.found.own[-1]
        assert (record.target, record.status, record.outcome, record.stream) == (
            f"{DEMO}:m",
            200,
            "ok",
            stream,
        )
        assert (record.cost, record.saved, record.sent_bytes, record.attempts) == (0, None, 0, 1)

    run(work)


@pytest.mark.parametrize(("client", "recorded"), EACH)
@pytest.mark.parametrize("streams", [(False, False), (False, True), (True, False), (True, True)])
def test_it_answers_in_each_protocol_and_form_always_the_same(
    client: str, recorded: str, streams: tuple[bool, bool]
) -> None:
    """A call, too."""
    then, now = streams

    async def work(on: Stage) -> None:
        for said in ("The answer, 42.", Call("read", {"path": "a.py"})):
            made = STREAM[recorded](said) if then else WHOLE[recorded](said)
            on.server.always(Reply(200, SSE if then else JSON, body=made))
            on.record(recorded)
            assert (await on.ask(recorded, stream=then)).status == 200
            on.replay()
            first, second = [await on.ask(client, stream=now) for _ in range(2)]
            assert first.body == second.body
            told = heard(client, first, now)
            if isinstance(said, str):
                assert told.text == said
            else:
                assert told.calls == [("read", {"path": "a.py"})]

    run(work)


def test_the_last_answer_to_a_request_counts() -> None:
    async def work(on: Stage) -> None:
        on.record()
        for text in ("first", "second"):
            on.server.always(saying(CHAT, text))
            await on.ask(CHAT)
        on.replay()
        told = [heard(CHAT, await on.ask(CHAT), False).text for _ in range(3)]
        assert (told, on.kept.size("demo")[0]) == (["second"] * 3, 1)

    run(work)


MISSES: dict[str, dict[str, Any]] = {
    "messages[0].content": {"messages": [{"role": "user", "content": "secret words"}]},
    "temperature": {"temperature": 0.5},
    "unheard_of": {"unheard_of": 1},
    "model": {"model": "m2"},
}


@pytest.mark.parametrize("place", MISSES)
@pytest.mark.parametrize("stream", [False, True])
def test_a_miss_says_where_it_differs_and_nobody_is_asked(place: str, stream: bool) -> None:
    async def work(on: Stage) -> None:
        on.server.always(saying(CHAT, "x"))
        on.record()
        await on.ask(CHAT, stream=stream)
        on.replay(rule("m*", DEMO, "local/box"))
        got = await on.ask(CHAT, stream=stream, **MISSES[place])
        assert (got.status, got.headers["x-pointsman-error"]) == (404, "not_recorded")
        assert got.headers["x-should-retry"] == "false"
        text = got.json()["error"]["message"]
        assert f"the nearest of its 1 differs at {place}. Record it (pointsman record demo)" in text
        assert "--fallback-on miss" in text
        assert "secret" not in text
        assert on.asked == 1, "its fallback is not"

    run(work)


@pytest.mark.parametrize("client", PATHS)
def test_a_miss_is_told_in_the_words_of_who_asks(client: str) -> None:
    async def work(on: Stage) -> None:
        on.replay()
        got = await on.ask(client)
        assert got.status == 404
        kind = got.json()["error"]["type"]
        assert kind == ("not_found_error" if client == MESSAGES else "invalid_request_error")
        assert "nothing is recorded in it yet" in got.json()["error"]["message"]

    run(work)


def test_a_rule_may_leave_misses_to_the_next_target_and_record_them() -> None:
    async def work(on: Stage) -> None:
        on.server.always(saying(CHAT, "asked"))
        of = rule("m*", DEMO, "local/box", fallback_on=("miss",))
        backends = [recording_spec("demo"), spec(on.server, CHAT)]
        on.found.rules(of, backends=backends, recordings=(RecordSpec("demo"),))
        first, second = [await on.ask(MESSAGES) for _ in range(2)]
        assert (first.status, first.headers["x-pointsman-fallback"]) == (200, "upstream_error")
        assert [one.headers["x-pointsman-target"] for one in (first, second)] == ["local/box:m", f"{DEMO}:m"]
        assert (second.body, on.asked) == (first.body, 1)
        assert "miss" in {one.fallback for one in on.found.records}

    run(work)


@pytest.mark.parametrize("onward", [(), ("miss",)])
def test_a_recording_that_is_gone_or_shut_falls_to_nobody_either(onward: tuple[str, ...]) -> None:
    async def work(on: Stage) -> None:
        on.server.always(saying(CHAT, "asked"))
        of = rule("m*", DEMO, "local/box", fallback_on=onward)
        on.found.rules(of, backends=[spec(on.server, CHAT)])
        gone = await on.ask(CHAT)

        async def away(*_: Any) -> ReplayFound:
            raise PointsmanError(ErrorKind.UNAVAILABLE, "away")

        on.replay(of)
        on.found.plane.kept.find_recorded = away
        shut = await on.ask(CHAT)
        if onward:
            assert (gone.status, shut.status, on.asked) == (200, 200, 2)
        else:
            assert "there is no recording 'demo'" in gone.json()["error"]["message"]
            assert (gone.status >= 400, shut.status, on.asked) == (True, 503, 0)

    run(work)


def test_only_what_is_asked_for_is_recorded_and_no_error() -> None:
    async def work(on: Stage) -> None:
        on.server.always(saying(CHAT, "x"))
        on.record(pattern="m-*")
        await on.ask(CHAT)
        await on.ask(CHAT, model="m-1")
        on.record(key_id=7)
        await on.ask(CHAT, model="m-2")
        on.server.always(Reply(400, JSON, body=b'{"error": {"message": "no"}}'))
        on.record()
        assert (await on.ask(CHAT, model="m-3")).status == 400
        assert [one.model for _, one in on.kept.all_of("demo")] == ["m-1"]
        counted = on.found.plane.counters.samples()
        assert counted['pointsman_recorded_requests_total{result="kept"}'] == 1
        assert counted['pointsman_recorded_requests_total{result="failed"}'] == 1

    run(work)


def test_what_the_control_plane_does_not_take_is_counted_and_served() -> None:
    async def work(on: Stage) -> None:
        on.server.always(saying(CHAT, "x"))
        on.record()
        on.found.plane.kept.keep_recorded = lambda one: False
        assert (await on.ask(CHAT)).status == 200
        counted = on.found.plane.counters.samples()
        assert counted['pointsman_recorded_requests_total{result="lost"}'] == 1

    run(work)


def test_a_response_that_was_recorded_can_be_gone_on_from() -> None:
    """By the same calls as then, also where the second is asked of a gateway that never saw the first."""

    async def work(on: Stage) -> None:
        on.server.always(saying(RESPONSES, "The first."))
        on.record(RESPONSES)
        first = await on.ask(RESPONSES)
        more = {"previous_response_id": first.json()["id"], "input": "And then?"}
        second = await on.ask(RESPONSES, **more)
        on.found.plane.responses = type(on.found.plane.responses)(1 << 20, 3600.0)
        on.replay()
        assert (await on.ask(RESPONSES, **more)).body == second.body
        assert (await on.ask(RESPONSES)).body == first.body
        assert (await on.ask(RESPONSES, **more)).body == second.body

    run(work)


def test_tokens_are_counted_without_asking_anybody() -> None:
    async def work(on: Stage) -> None:
        on.replay()
        got = await on.found.ask("/v1/messages/count_tokens", {"model": "m", **ASK[MESSAGES]})
        assert (got.status, got.headers["x-pointsman-warnings"]) == (200, "estimated:input_tokens")
        assert json.loads(got.body)["input_tokens"] > 0

    run(work)
