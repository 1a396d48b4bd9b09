"""`/api/webhooks`, and how events are sent there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pointsman.admin.control.events import MOST_WAITING, Events, Hook, Notice
from pointsman.admin.control.sending import send
from pointsman.errors import PointsmanError
from pointsman.kinds import ErrorKind
from pointsman.link.messages import BackendHealth, WorkerStatus

from .plane import Plane, Worker
from .receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def test_a_webhook_is_told_signed_and_its_secret_shown_once(
    own_plane: Callable[..., Plane], receiver: Receiver
) -> None:
    plane = own_plane()
    made = plane.good("POST", "/api/webhooks", {"url": receiver.url}, status=201)
    receiver.secret = made["secret"]
    assert made["secret"] not in plane.call("GET", "/api/webhooks").body.decode()
    assert plane.problem("POST", "/api/webhooks", {"url": receiver.url}, status=409)["code"] == "conflict"
    assert plane.good("POST", f"/api/webhooks/{made['id']}/test")["ok"] is True
    with Worker(plane) as worker:
        for down in (True, True, False):
            health = BackendHealth("local/box", down=down, last_failure=1.0, last_reason="connect")
            worker.send(WorkerStatus(worker.number, worker.pid, 0, {}, (health,)))
        receiver.wait_for("backend.up")
    assert [event["type"] for event in receiver.events] == ["test", "backend.down", "backend.up"]
    assert receiver.events[1]["data"] == {"backend": "local/box", "models": [], "reason": "connect"}
    assert receiver.signed == [True, True, True]
    assert set(receiver.paths) == {"/told?x=1"}
    (shown,) = plane.good("GET", "/api/webhooks")
    assert (shown["on"], shown["problem"]) == ([], None)
    plane.good("POST", "/api/secrets/rotate", status=200)
    assert plane.good("POST", f"/api/webhooks/{made['id']}/test")["ok"] is True
    assert receiver.signed[-1], "by the same secret, sealed anew"
    plane.good("DELETE", f"/api/webhooks/{made['id']}", status=204)
    assert plane.good("GET", "/api/webhooks") == []
    plane.problem("POST", f"/api/webhooks/{made['id']}/test", status=404)


@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254/",
        "ftp://a.example",
        "http://8.8.8.8/x",
        "https://user:pw@a.example/",
        "https://a.example/#x",
        "a.example",
        "https://a b",
    ],
)
def test_an_address_that_cannot_be_told_is_refused(plane: Plane, url: str) -> None:
    assert plane.problem("POST", "/api/webhooks", {"url": url})["param"] == "url"


def test_a_test_says_why_nobody_took_it(plane: Plane, receiver: Receiver) -> None:
    receiver.answers = [500]
    for url, status, why in (
        (receiver.url + "&y", 500, None),
        ("http://127.0.0.1:9/", None, "connection refused"),
    ):
        made = plane.good("POST", "/api/webhooks", {"url": url, "on": ["budget"]}, status=201)
        found = plane.good("POST", f"/api/webhooks/{made['id']}/test")
        assert (found["ok"], found["status"]) == (False, status)
        assert why is None or why in found["problem"]


def hook(receiver: Receiver, *on: str, id: int = 1) -> Hook:
    return Hook(id, receiver.url, on, b"key")


def run(events: Events, work: Callable[[], Any], until: Callable[[], bool]) -> None:
    """Until it has happened."""

    async def main() -> None:
        running = asyncio.create_task(events.run())
        await asyncio.to_thread(work)
        async with asyncio.timeout(20):
            while not until():
                await asyncio.sleep(0.005)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(main())


def test_an_event_that_is_not_taken_comes_again_before_those_after_it(receiver: Receiver) -> None:
    receiver.answers = [503, 500]
    events = Events(lambda: [hook(receiver, "budget", "key")], send, waits=(0.01, 0.01, 0.01))

    def work() -> None:
        for number, kind in enumerate(("budget.warned", "backend.down", "key.refused")):
            events.tell(kind, {"number": number})

    run(events, work, lambda: events.standing(1).delivered == 2)
    assert [event["type"] for event in receiver.events] == ["budget.warned"] * 3 + ["key.refused"]
    assert len({event["id"] for event in receiver.events}) == 2, "one id for every try"


def test_an_event_that_nobody_takes_is_given_up_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def never(hook: Hook, event: Notice) -> str | None:
        return "it is away"

    events = Events(lambda: [Hook(1, "", (), b"")], never, waits=(0.001, 0.001))
    run(events, lambda: events.tell("backend.up", {}), lambda: "was not told" in caplog.text)
    assert "webhook 1 was not told of backend.up: it is away" in caplog.text
    assert (events.standing(1).problem, len(events.standing(1).waiting)) == ("it is away", 0)


def test_a_webhook_that_hangs_holds_up_no_other_and_its_queue_is_bounded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    taken: list[str] = []

    async def one_hangs(hook: Hook, event: Notice) -> str | None:
        if hook.id == 1:
            await asyncio.Event().wait()
        taken.append(event.kind)
        return None

    events = Events(lambda: [Hook(1, "", (), b""), Hook(2, "", (), b"")], one_hangs)
    many = MOST_WAITING + 20

    def work() -> None:
        for number in range(many):
            events.tell("key.refused", {})
            while len(taken) < number - MOST_WAITING // 2:  # the other one keeps up
                time.sleep(0.001)

    run(events, work, lambda: len(taken) == many)
    assert len(events.standing(1).waiting) == MOST_WAITING
    assert caplog.text.count("too many events wait") == many - MOST_WAITING
    assert caplog.text.count("the gateway ends") == MOST_WAITING


def test_while_the_database_is_away_those_that_were_known_are_told(receiver: Receiver) -> None:
    known = [hook(receiver)]

    def load() -> list[Hook]:
        if not known:
            raise PointsmanError(ErrorKind.UNAVAILABLE, "it is locked")
        return [known.pop()]

    events = Events(load, send)

    def work() -> None:
        events.tell("backend.down", {})
        receiver.wait_for("backend.down")
        events.tell("backend.up", {})

    run(events, work, lambda: len(receiver.events) == 2)


def test_a_webhook_whose_secret_cannot_be_opened_is_told_of_nothing() -> None:
    events = Events(lambda: [Hook(1, "http://127.0.0.1:9/", (), None, "no key")], send, waits=(0.001,))
    run(events, lambda: events.tell("backend.up", {}), lambda: events.standing(1).problem is not None)
    assert events.standing(1).problem == "no key"
