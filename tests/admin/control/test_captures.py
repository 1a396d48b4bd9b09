"""`/api/captures`, `/api/captured`, and that a capture ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pointsman.admin.control.capturing import end_what_is_over
from pointsman.admin.control.control_plane import ControlPlane
from pointsman.admin.store import captures
from pointsman.admin.store.schemas import CaptureCreate
from pointsman.admin.store.tables import Capture
from pointsman.link.messages import Captured
from pointsman.routing.captures import Captures, CaptureSpec

from .plane import Plane, Worker


def test_a_capture_is_told_to_processes_and_what_they_hand_up_is_shown(
    own_plane: Callable[..., Plane],
) -> None:
    plane = own_plane()
    rule = plane.good(
        "POST",
        "/api/mappings",
        {"model_pattern": "m", "backend_type": "local", "backend_name": "practice"},
        201,
    )
    with Worker(plane) as worker:
        made = plane.good("POST", "/api/captures", {"mapping_id": rule["id"], "most_bytes": 100}, status=201)
        (spec,) = worker.snapshot.captures
        assert (spec.mapping_id, spec.key_id, spec.most) == (rule["id"], None, 100)
        assert 3500 < spec.until - time.time() <= 3600
        worker.send(
            Captured("req_9", 1.0, "/v1/chat/completions", "m", "", rule["id"], None, 0, b"{}", 2, b"", 0)
        )
        until = time.monotonic() + 10
        while not (listed := plane.good("GET", "/api/captured")) and time.monotonic() < until:
            time.sleep(0.01)
        assert [(one["request_id"], one["status"], one["target"]) for one in listed] == [
            ("req_9", None, None)
        ]
        assert plane.good("GET", "/api/captured/req_9")["asked"] == "{}"
        plane.problem("GET", "/api/captured/req_8", status=404)
        plane.good("DELETE", f"/api/captures/{made['id']}", status=204)
        assert worker.snapshot.captures == ()
        plane.good("DELETE", "/api/captured", status=204)
        assert plane.good("GET", "/api/captured") == []


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({}, 422),
        ({"mapping_id": 1, "key_id": 1}, 422),
        ({"mapping_id": 424242}, 404),
        ({"key_id": 424242}, 404),
        ({"mapping_id": 1, "minutes": 1441}, 422),
        ({"mapping_id": 1, "most_bytes": 2**21}, 422),
    ],
)
def test_a_capture_of_nobody_or_without_bounds_is_refused(
    plane: Plane, wish: dict[str, Any], status: int
) -> None:
    plane.problem("POST", "/api/captures", wish, status=status)


def test_a_capture_whose_time_is_over_ends(tmp_path: Any) -> None:
    control = ControlPlane.open(tmp_path / "data", {})
    try:
        with control.change() as session:
            for minutes in (-1, 5):
                until = datetime.now(UTC) + timedelta(minutes=minutes)
                session.add(Capture(key_id=1, most_bytes=1, until=until))
        assert len(control.snapshot.captures) == 2
        end_what_is_over(control)
        (left,) = control.snapshot.captures
        assert left.until > time.time()
        with control.read() as session:
            assert len(captures.list_all(session)) == 1
    finally:
        control.close()


def test_whose_bodies_are_kept() -> None:
    found = Captures([CaptureSpec(1, None, 100.0, 10), CaptureSpec(None, 2, 50.0, 99)])
    assert [found.most(1, None, 0.0), found.most(1, 2, 0.0), found.most(1, 2, 60.0), found.most(1, 2, 100.0)] == [
        10, 99, 10, None,
    ]  # fmt: skip
    assert found.most(None, None, 0.0) is None
    assert (found.mappings, found.keys) == ({1}, {2})


def test_a_wish_names_one_of_both() -> None:
    assert CaptureCreate(key_id=3).most_bytes == 262_144
