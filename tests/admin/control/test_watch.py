"""What processes say of backends, as events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pointsman.admin.control.process_status import STALE_SECONDS, StatusBoard
from pointsman.admin.control.watch import KEY_REFUSED, Watch
from pointsman.link.messages import BackendHealth, TargetHealth, WorkerStatus


class Told:
    def __init__(self) -> None:
        self.events: list[tuple[str, Mapping[str, Any]]] = []
        self.now = 0.0
        self.board = StatusBoard()
        self.watch = Watch(
            self.board, lambda kind, facts: self.events.append((kind, facts)), lambda: self.now
        )

    def say(self, worker: int, *backends: BackendHealth) -> list[tuple[str, Mapping[str, Any]]]:
        """What was told then."""
        before = len(self.events)
        self.board.take(WorkerStatus(worker, worker, 0, {}, backends), self.now)
        self.watch.look()
        return self.events[before:]


def test_a_backend_is_down_once_and_back_when_all_processes_say_so() -> None:
    told, up = Told(), BackendHealth("local/box")
    down = BackendHealth("local/box", down=True, last_failure=1.0, last_reason="connect")
    assert told.say(0, up) == []
    assert told.say(0, down) == [
        ("backend.down", {"backend": "local/box", "models": [], "reason": "connect"})
    ]
    assert told.say(1, down) == []
    assert told.say(0, up) == [], "the other one cannot reach it"
    assert told.say(1, up) == [("backend.up", {"backend": "local/box"})]


def test_a_model_that_is_passed_over_is_a_backend_down_and_more_of_them_are_no_news() -> None:
    told = Told()
    one, two = (TargetHealth(name, "open", 5) for name in ("a", "b"))
    tried = TargetHealth("a", "probing", 5)
    assert [kind for kind, _ in told.say(0, BackendHealth("openai", targets=(one,)))] == ["backend.down"]
    assert told.say(0, BackendHealth("openai", targets=(one, two))) == []
    assert told.say(0, BackendHealth("openai", targets=(tried,))) == []
    assert told.say(0, BackendHealth("openai", targets=(TargetHealth("a", "closed"),))) == [
        ("backend.up", {"backend": "openai"})
    ]


def test_a_refused_key_is_told_again_only_after_it_was_good() -> None:
    told = Told()
    bad, good = BackendHealth("openai", benched="it refused the key"), BackendHealth("openai")
    event = ("key.refused", {"backend": "openai", "reason": KEY_REFUSED})
    assert [told.say(0, one) for one in (bad, bad, good, bad)] == [[event], [], [], [event]]


def test_a_process_that_is_gone_says_nothing_any_more() -> None:
    told = Told()
    told.say(0, BackendHealth("openai", benched="no"))
    told.now = STALE_SECONDS + 1
    assert told.say(1, BackendHealth("openai")) == []
