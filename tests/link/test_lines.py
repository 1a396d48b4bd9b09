"""What one process sent and that waits to be kept: in its order, bounded, and in nobody's way."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

import pytest
import uvloop

from pointsman.errors import PointsmanError
from pointsman.kinds import ErrorKind, Limit
from pointsman.ledger.accounts import LimitSpec
from pointsman.ledger.slices import LeaseAsk
from pointsman.link.lease_messages import LeaseFound, LeaseQuestion
from pointsman.link.leasing import by_link
from pointsman.link.lines import WaitingLine
from pointsman.link.messages import Up
from pointsman.link.server import LinkServer
from pointsman.link.shared import SharedByLink
from pointsman.link.shared_messages import (
    ForgetRemembered,
    Remember,
    RememberedFound,
    RememberedQuestion,
    SharedKind,
)

from .ends import Control, Data, until
from .test_frames import SNAPSHOT

RESPONSE = SharedKind.RESPONSE
AWAY = PointsmanError(ErrorKind.UNAVAILABLE, "The database is away.", retry_after=5)


def remember(name: str, size: int = 8) -> Remember:
    return Remember(RESPONSE, "c", (name,), b"x" * size, 60.0)


class Nodes:
    """What all nodes find. away: the database is; odd: names that it does not take."""

    def __init__(self, path: str) -> None:
        self.control = Control(path)
        self.control.server = LinkServer(
            path, self.control.on_up, remembered=self.find, leases=self.lend, remember=self.keep
        )
        self.away = False
        self.odd: set[str] = set()
        self.kept: dict[str, bytes] = {}
        self.runs: list[int] = []

    def keep(self, told: Sequence[Remember | ForgetRemembered]) -> None:
        self.runs.append(len(told))
        if self.away:
            time.sleep(0.3)  # as long as it tries
            raise AWAY
        if any(isinstance(one, Remember) and one.names[0] in self.odd for one in told):
            raise PointsmanError(ErrorKind.INVALID, "It holds a NUL.")
        for one in told:
            if isinstance(one, Remember):
                self.kept[one.names[0]] = one.body
            else:
                self.kept.pop(one.name, None)

    def find(self, question: RememberedQuestion) -> RememberedFound:
        return RememberedFound(
            question.number,
            tuple((RESPONSE, name, self.kept[name]) for name in question.names if name in self.kept),
        )

    def lend(self, question: LeaseQuestion) -> LeaseFound:
        return LeaseFound(question.number, (None,) * len(question.of))


async def begun(path: str, *, away: bool = False) -> tuple[Nodes, Data, SharedByLink]:
    """Both ends, connected."""
    nodes = Nodes(path)
    nodes.away = away
    await nodes.control.server.start()
    data = Data(path).start()
    await until(lambda: data.client.connected)
    return nodes, data, SharedByLink(data.client)


def test_rules_limits_and_usage_do_not_wait_for_what_other_nodes_find(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """While PostgreSQL was away 64 things to remember kept the control plane from reading on: the word of who serves by new
    rules came seconds late."""

    async def main() -> None:
        nodes, data, shared = await begun(path, away=True)
        for number in range(500):
            assert shared.say(remember(f"resp_{number}"))
        await until(lambda: nodes.runs)
        nodes.control.server.publish(SNAPSHOT)
        assert await nodes.control.server.wait_applied("e", 7, 5.0) is True
        spec = LimitSpec("key/1", Limit.TOKENS, 100)
        assert await by_link(data.client)((LeaseAsk(spec, fresh=True),), lambda: None) == (None,)
        data.record(1)
        await until(lambda: nodes.control.stored)
        assert await shared.find((RESPONSE,), "c", ["resp_3"]) == (), "nobody can say, and says so at once"
        nodes.away = False
        await until(lambda: len(nodes.kept) == 500)
        assert len(nodes.runs) < 40, "many together"
        assert await shared.find((RESPONSE,), "c", ["resp_3"]) == ((RESPONSE, "resp_3", b"x" * 8),)
        await data.stop()
        await nodes.control.server.stop()

    with caplog.at_level(logging.WARNING):
        uvloop.run(main())
    assert caplog.text.count("what other nodes find waits: The database is away.") == 1


def test_what_is_forgotten_is_not_found_after(path: str) -> None:
    async def main() -> None:
        nodes, data, shared = await begun(path)
        for number in range(20):
            shared.say(remember(f"resp_{number}"))
            shared.say(ForgetRemembered(RESPONSE, "c", f"resp_{number}"))
            assert await shared.find((RESPONSE,), "c", [f"resp_{number}"]) == ()
        await data.stop()
        await nodes.control.server.stop()

    uvloop.run(main())


def test_one_that_cannot_be_kept_costs_the_others_nothing(path: str) -> None:
    async def main() -> None:
        nodes, data, shared = await begun(path)
        nodes.odd = {"resp_3"}
        for number in range(10):
            shared.say(remember(f"resp_{number}"))
        await until(lambda: len(nodes.kept) == 9)
        assert "resp_3" not in nodes.kept
        await data.stop()
        await nodes.control.server.stop()

    uvloop.run(main())


def test_what_a_process_sent_last_is_kept_though_it_is_gone_and_the_database_was_away(path: str) -> None:
    async def main() -> None:
        nodes, data, shared = await begun(path, away=True)
        shared.say(remember("resp_1"))
        await until(lambda: nodes.runs)
        await data.stop()
        await until(lambda: not nodes.control.server.workers)
        nodes.away = False
        await until(lambda: nodes.kept)
        await nodes.control.server.stop()

    uvloop.run(main())


def test_a_server_that_stops_does_not_wait_for_a_database_that_is_away(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        nodes, data, shared = await begun(path, away=True)
        shared.say(remember("resp_1"))
        await until(lambda: nodes.runs)
        await asyncio.wait_for(nodes.control.server.stop(), 3.0)
        await data.stop()

    with caplog.at_level(logging.ERROR):
        uvloop.run(main())
    assert "what other nodes find: 1 are left out, as this process ends" in caplog.text


def test_the_oldest_goes_where_more_waits_than_memory_holds_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        able = asyncio.Event()
        taken: list[Up] = []

        async def take(messages: Sequence[Up], waited: float) -> Sequence[Up]:
            await able.wait()
            taken.extend(messages)
            return ()

        line = WaitingLine("what is kept", most_bytes=1_000)
        running = asyncio.create_task(line.run(take))
        line.put(question := RememberedQuestion(1, (RESPONSE,), "c", ("x",)))
        await asyncio.sleep(0)
        for number in range(20):
            line.put(remember(str(number)), 100)
            assert line.held <= 1_000
        able.set()
        line.end()
        await running
        assert taken == [question, *(remember(str(number)) for number in range(10, 20))]
        assert line.held == 0

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert caplog.text.count("what is kept cannot be kept as fast as it comes") == 1
