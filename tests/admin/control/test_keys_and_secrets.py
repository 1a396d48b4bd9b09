"""`/api/keys` and `/api/secrets` over the socket."""

from __future__ import annotations

import base64
import hmac
import os
from collections.abc import Callable

from pointsman.secret import Secret

from .plane import Plane, Worker


def test_a_client_key_is_shown_once_and_works_from_that_answer_on(plane: Plane, worker: Worker) -> None:
    said = plane.call("POST", "/api/keys", {"name": "laptop"})
    made = said.json()
    assert (said.status, said.headers["location"]) == (201, f"/api/keys/{made['id']}")
    snapshot = worker.snapshot
    digest = hmac.digest(snapshot.pepper, made["secret"].encode(), "sha256")
    assert snapshot.keys_required
    assert digest in [key.digest for key in snapshot.client_keys]
    for path in ("/api/keys", f"/api/keys/{made['id']}"):
        assert made["secret"] not in plane.call("GET", path).body.decode()
    assert plane.good("GET", f"/api/keys/{made['id']}")["name"] == "laptop"
    plane.good("DELETE", f"/api/keys/{made['id']}", status=204)
    assert digest not in [key.digest for key in worker.snapshot.client_keys]
    assert worker.snapshot.keys_required, "also after the last is revoked"
    revoked = plane.good("GET", f"/api/keys/{made['id']}")["revoked_at"]
    plane.good("DELETE", f"/api/keys/{made['id']}", status=204)
    assert plane.good("GET", f"/api/keys/{made['id']}")["revoked_at"] == revoked
    plane.problem("DELETE", "/api/keys/424242", status=404)


def test_a_key_needs_no_name(plane: Plane) -> None:
    assert plane.good("POST", "/api/keys", {}, 201)["name"] == ""
    assert plane.problem("POST", "/api/keys", {"name": "x" * 500})["param"] == "name"


def test_the_master_key_is_rotated_while_it_is_used(plane: Plane, worker: Worker) -> None:
    plane.good("PUT", "/api/credentials/openai/kept", {"api_key": "sk-kept"})
    before = plane.good("GET", "/api/secrets")
    assert before["needs_new_key"] is False
    on_disk = (plane.data_dir / "master.key").read_text()
    done = plane.good("POST", "/api/secrets/rotate", status=200)
    assert done["resealed"] >= 1
    assert done["key_id"] != before["key_id"]
    assert plane.good("GET", "/api/secrets")["key_id"] == done["key_id"]
    assert (plane.data_dir / "master.key").read_text() != on_disk
    spec = next(b for b in worker.snapshot.backends if b.key == "openai/kept")
    assert (spec.api_key, spec.problem) == (Secret("sk-kept"), None)


def test_a_master_key_of_the_environment_is_replaced_by_the_one_given(
    own_plane: Callable[..., Plane],
) -> None:
    old, new = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))
    plane = own_plane(env={"POINTSMAN_MASTER_KEY": old})
    plane.good("PUT", "/api/credentials/openai", {"api_key": "sk-e"})
    assert plane.good("GET", "/api/secrets")["needs_new_key"] is True
    assert plane.problem("POST", "/api/secrets/rotate", {})["param"] == "new_key"
    problem = plane.problem("POST", "/api/secrets/rotate", {"new_key": "short"})
    assert problem["param"] == "new_key"
    assert "short" not in problem["detail"]
    assert plane.problem("POST", "/api/secrets/rotate", {"new_key": old})["param"] == "new_key"
    done = plane.good("POST", "/api/secrets/rotate", {"new_key": new}, 200)
    assert "POINTSMAN_MASTER_KEY" in done["next_step"]
    assert new not in str(done)
    assert new not in plane.log()


def test_a_wrong_master_key_is_degraded_and_says_so_everywhere(own_plane: Callable[..., Plane]) -> None:
    plane = own_plane()
    plane.good("PUT", "/api/credentials/openai", {"api_key": "sk-e"})
    plane.good("POST", "/api/local", {"name": "box", "base_url": "http://127.0.0.1:9"}, 201)
    plane.stop()
    (plane.data_dir / "master.key").write_text(base64.b64encode(os.urandom(32)).decode())
    plane.start()
    plane.wait_ready()
    status = plane.good("GET", "/api/status")
    assert status["ready"] is False
    assert "master key" in status["problems"][0]
    assert "master key" in plane.log()
    assert "pointsman_degraded 1" in plane.call("GET", "/internal/metrics").body.decode()
    report = plane.good("GET", "/api/doctor")
    assert report["ok"] is False
    assert {c["name"]: c["status"] for c in report["checks"]}["master key"] == "error"
    assert plane.call("PUT", "/api/credentials/openai", {"api_key": "sk-f"}).status == 503
    assert plane.call("POST", "/api/secrets/rotate").status == 503
    found = plane.good("POST", "/api/credentials/openai/test", status=200)
    assert (found["ok"], found["steps"][0]["name"]) == (False, "settings")
    with Worker(plane) as worker:
        problems = {b.key: b.problem for b in worker.snapshot.backends}
        assert problems["openai"]
        assert problems["local/box"] is None
