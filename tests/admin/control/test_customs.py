"""`/api/customs` over the socket: what is set reaches the data plane at once, and what may take long is no pattern."""

from __future__ import annotations

import json
from typing import Any

from .plane import Plane, Worker

KEY = "sk_live_a8Kd02mfPq71LsXz93Wc"
RULE = {"model_pattern": "cloudy", "backend_type": "openai", "backend_model": "gpt-5"}


def test_what_is_set_reaches_the_data_plane_and_is_undone(plane: Plane) -> None:
    with Worker(plane) as worker:
        assert plane.good("GET", "/api/customs")["mode"] is None
        assert plane.good("PATCH", "/api/customs", {"mode": "mask"})["mode"] == "mask"
        assert worker.snapshot.customs == "mask"
        badge = {"name": "badge", "pattern": "acme_[a-z0-9]{12}"}
        plane.good("POST", "/api/customs/patterns", badge, 201)
        assert worker.snapshot.own_patterns == {"badge": "acme_[a-z0-9]{12}"}
        assert plane.problem("POST", "/api/customs/patterns", badge, 409)["code"] == "conflict"
        found = plane.good("POST", "/api/customs/try", {"text": f"a\nb {KEY} acme_abcdefgh1234"})
        assert [(one["kind"], one["line"], one["column"], one["length"]) for one in found] == [
            ("stripe_key", 2, 3, 28), ("badge", 2, 32, 17),
        ]  # fmt: skip
        plane.good("DELETE", "/api/customs/patterns/badge", status=204)
        plane.problem("DELETE", "/api/customs/patterns/badge", status=404)
        undo = plane.good("GET", "/api/audit?noun=setting&limit=1")[0]
        plane.good("POST", f"/api/audit/{undo['id']}/undo", status=200)
        assert list(worker.snapshot.own_patterns) == ["badge"]
        plane.good("DELETE", "/api/customs/patterns/badge", status=204)
        assert plane.good("PATCH", "/api/customs", {"mode": None})["mode"] is None
        assert worker.snapshot.customs is None


def test_what_is_no_pattern_is_refused_with_the_reason(plane: Plane) -> None:
    for pattern, why in (("a+", "plain characters"), ("abc[a-z]+", "how often"), ("abc(", "no expression")):
        told = plane.problem("POST", "/api/customs/patterns", {"name": "x", "pattern": pattern})
        assert told["param"] == "pattern"
        assert why in json.dumps(told)
    assert (
        plane.problem("POST", "/api/customs/patterns", {"name": "jwt", "pattern": "abcd"})["param"] == "name"
    )
    plane.problem("PATCH", "/api/customs", {"mode": "hide"})


def test_a_rule_and_a_key_say_it_and_explain_tells_what_would_be_found(plane: Plane) -> None:
    plane.good(
        "POST", "/api/credentials", {"backend_type": "openai", "api_key": "sk-test-0123456789abcdef"}, 201
    )
    rule = plane.good("POST", "/api/mappings", {**RULE, "customs": "mask"}, 201)
    body = {
        "model": "cloudy",
        "messages": [{"role": "user", "content": [{"type": "text", "text": f"my {KEY}"}]}],
    }

    def asked() -> dict[str, Any]:
        told: dict[str, Any] = plane.good("POST", "/api/explain", {"request": json.dumps(body)})
        return told

    told = asked()
    assert told["targets"][0]["changes"] == ["masked:stripe_key at messages[0].content[0].text"]
    assert KEY not in json.dumps(told)
    plane.good("PATCH", f"/api/mappings/{rule['id']}", {"customs": "refuse"})
    assert "stripe_key at messages[0].content[0].text" in asked()["refusal"]
    assert plane.good("PATCH", f"/api/mappings/{rule['id']}", {"customs": None})["customs"] is None
    assert asked()["targets"][0]["changes"] == []
    key = plane.good("POST", "/api/keys", {"name": "agent", "customs": "warn"}, 201)
    with Worker(plane) as worker:
        assert {one.customs for one in worker.snapshot.client_keys if one.name == "agent"} == {"warn"}
    assert plane.good("PATCH", f"/api/keys/{key['id']}", {"customs": None})["customs"] is None
