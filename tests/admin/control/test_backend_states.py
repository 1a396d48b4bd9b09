"""`/api/backends` over the socket: how every backend is, since when, why and what to do, by what the data plane tells."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from pointsman.link.messages import BackendHealth, TargetHealth, WorkerStatus

from .plane import Plane, Worker

Fresh = Callable[[], str]


def one(plane: Plane, key: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = [row for row in plane.good("GET", "/api/backends") if row["key"] == key]
    assert len(found) == 1, plane.good("GET", "/api/backends")
    return found[0]


def told(plane: Plane, worker: Worker, health: BackendHealth) -> dict[str, Any]:
    """The backend once the control plane has that word of it."""
    worker.send(
        WorkerStatus(worker=worker.number, pid=worker.pid, in_flight=0, counters={}, backends=(health,))
    )
    until = time.monotonic() + 20
    while (found := one(plane, health.key))["last_reason"] != health.last_reason:
        assert time.monotonic() < until
    return found


@pytest.fixture
def box(plane: Plane, fresh: Fresh) -> str:
    name = fresh()
    plane.good(
        "POST", "/api/local", {"name": name, "base_url": "http://127.0.0.1:1", "max_in_flight": 4}, 201
    )
    return f"local/{name}"


def test_a_backend_that_nobody_has_asked_is_unknown(plane: Plane, box: str) -> None:
    found = one(plane, box)
    assert (found["state"], found["todo"], found["since"]) == ("unknown", "Test it.", None)
    assert (found["origin"], found["leaves_machine"]) == ("http://127.0.0.1:1", False)
    assert (found["max_in_flight"], found["protocols"][0]) == (4, "openai_chat")
    assert "anthropic_messages" in found["tried"]


@pytest.mark.parametrize(
    ("more", "state", "why"),
    [
        ({"down": True}, "down", "takes no connections"),
        ({"benched": "401 from it"}, "refused", "401 from it"),
        ({"targets": (TargetHealth("m", "open", 5, 4e9),)}, "failing", "took too long (m)"),
        ({"targets": (TargetHealth("m", "closed", 0, None, 4e9),)}, "busy", "pause"),
        ({}, "failing", "At the last request it took too long"),
    ],
)
def test_what_is_wrong_is_said_with_why_and_what_to_do(
    plane: Plane, worker: Worker, box: str, more: dict[str, Any], state: str, why: str
) -> None:
    health = BackendHealth(
        box, in_flight=2, queued=1, last_failure=time.time(), last_reason="timeout", **more
    )
    found = told(plane, worker, health)
    assert (found["state"], found["in_flight"], found["queued"]) == (state, 2, 1)
    assert why in found["why"]
    assert found["todo"] or found["until"]
    assert (found["since"] is not None) is (state in ("down", "refused", "failing") and bool(more))


def test_a_backend_that_answers_works(plane: Plane, worker: Worker, box: str) -> None:
    now = time.time()
    health = BackendHealth(box, last_success=now, last_failure=now - 60, last_reason="was busy")
    assert told(plane, worker, health)["state"] == "works"


def test_one_that_is_switched_off_stays_in_the_list(plane: Plane, box: str) -> None:
    plane.good("PATCH", f"/api/local/{box.partition('/')[2]}", {"enabled": False})
    assert (one(plane, box)["state"], one(plane, box)["enabled"]) == ("off", False)


def test_the_rules_that_name_it_are_told(plane: Plane, box: str) -> None:
    rule = plane.good(
        "POST",
        "/api/mappings",
        {"model_pattern": f"{box}-*", "backend_type": "local", "backend_name": box.partition("/")[2]},
        201,
    )
    assert one(plane, box)["rules"] == [rule["id"]]


def test_a_key_is_told_by_its_fingerprint_alone(plane: Plane, fresh: Fresh) -> None:
    name = fresh()
    plane.good("PUT", f"/api/credentials/openai/{name}", {"api_key": "sk-canary-states"}, 200)
    said = plane.call("GET", "/api/backends")
    assert b"sk-canary-states" not in said.body
    found = one(plane, f"openai/{name}")
    assert found["key_fingerprint"]
    assert found["keyed_at"]
    assert found["leaves_machine"] is True
