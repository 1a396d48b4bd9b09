"""`/api/explain`: the rule, its targets in order, and why each is usable or not; nothing is sent to a model."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from pointsman.link.messages import BackendHealth, TargetHealth, WorkerStatus
from pointsman.practice import Reply
from pointsman.practice.scripted import ScriptedUpstream
from tests.engines.doubles import Model, double, serving

from .plane import Plane, Worker

Fresh = Callable[[], str]


def explain(plane: Plane, model: str) -> dict[str, Any]:
    found: dict[str, Any] = plane.good("GET", f"/api/explain?model={quote(model)}")
    return found


def rule(plane: Plane, pattern: str, **fields: Any) -> int:
    return int(plane.good("POST", "/api/mappings", {"model_pattern": pattern, **fields}, 201)["id"])


def test_every_target_is_judged_in_the_order_in_which_it_is_tried(plane: Plane, fresh: Fresh) -> None:
    name, local, far = fresh(), fresh(), fresh()
    plane.good("POST", "/api/local", {"name": local, "base_url": "http://127.0.0.1:9"})
    plane.good(
        "PUT", f"/api/credentials/openai/{far}", {"api_key": "k", "base_url": "https://api.example.com"}
    )
    number = rule(
        plane,
        f"{name}-*",
        backend_type="local",
        backend_name=local,
        backend_model="qwen3",
        fallback_backend="anthropic",
        fallbacks=[
            {"backend_type": "openai", "backend_name": far},
            {"backend_type": "local", "backend_name": "practice"},
        ],
    )
    found = explain(plane, f"{name}-1")
    assert (found["mapping_id"], found["pattern"], found["code"]) == (number, f"{name}-*", None)
    assert [target["target"] for target in found["targets"]] == [
        f"local/{local}:qwen3",
        f"anthropic:{name}-1",
        f"openai/{far}:{name}-1",
        f"local/practice:{name}-1",
    ]
    assert [target["usable"] for target in found["targets"]] == [True, False, True, True]
    assert [target["leaves_machine"] for target in found["targets"]] == [False, None, True, False]
    assert "pointsman credential set anthropic" in found["targets"][1]["reason"]


def test_no_match_names_the_command_that_adds_a_rule(plane: Plane, fresh: Fresh) -> None:
    found = explain(plane, fresh())
    assert (found["code"], found["targets"]) == ("model_not_found", [])
    assert "pointsman mapping add" in found["why"]


def test_a_name_that_only_conditions_have_is_told_which_and_nothing_of_a_request(
    plane: Plane, fresh: Fresh
) -> None:
    name = fresh()
    made = rule(
        plane, name, backend_type="local", backend_name="practice", conditions=["images", "tokens>100"]
    )
    found = explain(plane, name)
    assert (found["code"], found["targets"]) == ("model_not_found", [])
    assert (
        f"Only rules with conditions take '{name}': rule {made} when images and tokens>100." in found["why"]
    )
    assert f"pointsman explain '{name}' --request FILE" in found["why"]
    assert "this request" not in found["why"]


def test_a_rule_that_makes_calls_of_text_says_what_does_not_go_as_it_is(plane: Plane, fresh: Fresh) -> None:
    name, local = fresh(), fresh()
    plane.good(
        "POST", "/api/local", {"name": local, "base_url": "http://127.0.0.1:9", "dialects": ["openai_chat"]}
    )
    rule(plane, name, backend_type="local", backend_name=local, recover_calls=True)
    (target,) = explain(plane, name)["targets"]
    anew = "as it is (with tools: read and written anew, since the rule makes calls of text)"
    assert target["protocols"]["openai_chat"] == anew
    assert target["protocols"]["anthropic_messages"] == "translated to openai_chat"


def test_the_practice_model_needs_no_rule(plane: Plane) -> None:
    found = explain(plane, "practice:429")
    assert [target["target"] for target in found["targets"]] == ["local/practice:practice:429"]
    assert found["targets"][0]["usable"] is True


def test_a_long_context_suffix_is_left_out_upstream(plane: Plane, fresh: Fresh) -> None:
    name = fresh()
    rule(plane, name, backend_type="local", backend_name="practice")
    assert explain(plane, f"{name}[1m]")["targets"][0]["model"] == name


def test_local_only_shows_the_wall(plane: Plane, fresh: Fresh) -> None:
    name, away, here = fresh(), fresh(), fresh()
    plane.good("POST", "/api/local", {"name": away, "base_url": "http://192.168.7.7:8080"})
    plane.good("POST", "/api/local", {"name": here, "base_url": "http://gpu.lan:8080"})
    rule(
        plane,
        name,
        backend_type="local",
        backend_name=away,
        local_only=True,
        fallbacks=[{"backend_type": "local", "backend_name": here}],
    )
    found = explain(plane, name)
    assert found["local_only"] is True
    assert (found["targets"][0]["usable"], found["targets"][0]["leaves_machine"]) == (False, True)
    assert "local_only" in found["targets"][0]["reason"]
    assert found["targets"][1]["leaves_machine"] is None
    assert "when connecting" in found["targets"][1]["reason"]


def test_a_local_server_that_lists_the_model_is_found_without_a_rule(
    own_plane: Callable[..., Plane], upstream: ScriptedUpstream
) -> None:
    plane = own_plane()
    upstream.always(Reply(200, body={"data": [{"id": "org/model-a"}]}))
    plane.good("POST", "/api/local", {"name": "dead", "base_url": "http://127.0.0.1:9"})
    plane.good("POST", "/api/local", {"name": "live", "base_url": upstream.url})
    found = explain(plane, "org/model-a")
    assert [target["target"] for target in found["targets"]] == ["local/live:org/model-a"]
    rule(plane, "named", backend_type="local", backend_model="org/model-a")
    assert explain(plane, "named")["targets"][0]["target"] == "local/live:org/model-a"
    assert {received.method for received in upstream.requests} == {"GET"}, "nothing was asked of a model"
    asked = len(upstream.requests)
    explain(plane, "named")
    assert len(upstream.requests) == asked, "the list is kept for a while"


def test_a_local_server_that_hangs_holds_the_answer_up_for_two_seconds_at_most(
    own_plane: Callable[..., Plane], upstream: ScriptedUpstream
) -> None:
    plane = own_plane()
    upstream.always("stall")
    plane.good("POST", "/api/local", {"name": "hangs", "base_url": upstream.url})
    plane.problem("GET", "/api/explain")  # what explains is loaded at the first question
    begun = time.monotonic()
    assert explain(plane, "whatever")["code"] == "model_not_found"
    assert time.monotonic() - begun < 4.0


def test_what_the_data_plane_saw_of_a_backend_is_shown(plane: Plane, worker: Worker, fresh: Fresh) -> None:
    name, box = fresh(), fresh()
    plane.good("POST", "/api/local", {"name": box, "base_url": "http://127.0.0.1:9"})
    rule(plane, name, backend_type="local", backend_name=box)
    with Worker(plane, 1, pid=4712) as second:
        key = f"local/{box}"
        for one, health in (
            (worker, BackendHealth(key, 2, last_success=100.0)),
            (second, BackendHealth(key, 3, last_failure=200.0, last_reason="connect")),
        ):
            one.send(
                WorkerStatus(
                    one.number, one.pid, 1, {'pointsman_requests_total{status="2xx"}': 5.0}, (health,)
                )
            )
        until = time.monotonic() + 5
        while (target := explain(plane, name)["targets"][0])["in_flight"] != 5 and time.monotonic() < until:
            time.sleep(0.02)
        assert target["in_flight"] == 5
        assert target["last_success"].startswith("1970-01-01T00:01:40")
        assert target["last_reason"] == "connect"
        metrics = plane.call("GET", "/internal/metrics").body.decode()
        assert 'pointsman_requests_total{status="2xx"} 10' in metrics
        assert "# TYPE pointsman_requests_total counter" in metrics
        assert "pointsman_data_plane_processes 2" in metrics
        status = plane.good("GET", "/api/status")
        assert [(w["worker"], w["pid"]) for w in status["workers"]] == [(0, worker.pid), (1, 4712)]


def test_a_model_name_is_needed(plane: Plane) -> None:
    assert plane.problem("GET", "/api/explain")["param"] == "model"
    assert plane.problem("GET", "/api/explain?model=")["param"] == "model"
    assert plane.problem("GET", f"/api/explain?model={'x' * 600}")["param"] == "model"


def test_who_is_passed_over_is_said_with_the_reason_and_until_when(
    plane: Plane, worker: Worker, fresh: Fresh
) -> None:
    name = fresh()
    plane.good("POST", "/api/local", {"name": name, "base_url": "http://127.0.0.1:9", "max_in_flight": 3})
    rule(
        plane,
        name,
        backend_type="local",
        backend_name=name,
        fallback_backend="openai",
        fallback_on=["context"],
    )
    key, later = f"local/{name}", time.time() + 60
    for health, word, until in (
        (BackendHealth(key, targets=(TargetHealth(name, "open", 5, until=later),)), "breaker is open", True),
        (
            BackendHealth(key, targets=(TargetHealth(name, "closed", throttled_until=later),)),
            "too busy",
            True,
        ),
        (BackendHealth(key, down=True), "takes no connections", False),
        (BackendHealth(key, benched="it said 401"), "until it is edited", False),
        (
            BackendHealth(key, targets=(TargetHealth(name, "probing", 5, until=1.0),)),
            "one request is trying",
            False,
        ),
        (BackendHealth(key, queued=4), "good", False),
    ):
        worker.send(WorkerStatus(worker.number, worker.pid, 1, {}, (health,)))
        end = time.monotonic() + 5
        while word not in (target := (found := explain(plane, name))["targets"][0])["health"]:
            assert time.monotonic() < end, target
            time.sleep(0.02)
        assert (target["passed_over_until"] is not None) is until
        assert (target["max_in_flight"], found["fallback_on"]) == (3, ["context"])
    assert target["queued"] == 4


def test_each_part_of_what_was_seen_is_told_apart(plane: Plane, worker: Worker, fresh: Fresh) -> None:
    name = fresh()
    plane.good("POST", "/api/local", {"name": name, "base_url": "http://127.0.0.1:9"})
    rule(plane, name, backend_type="local", backend_name=name, fallback_backend="openai", hedge_seconds=2.5)
    key, past, later = f"local/{name}", 100.0, time.time() + 60

    def seen(health: BackendHealth, word: str) -> Any:
        worker.send(WorkerStatus(worker.number, worker.pid, 1, {}, (health,)))
        end = time.monotonic() + 5
        while word not in (target := explain(plane, name)["targets"][0])["health"]:
            assert time.monotonic() < end, target
            time.sleep(0.02)
        return target

    both = TargetHealth(name, "open", 5, until=later, throttled_until=later - 30)
    other = TargetHealth("other", "open", 9, until=later)
    target = seen(BackendHealth(key, down=True, benched="401", targets=(other, both)), "key was refused")
    assert (target["breaker"], target["failures_in_a_row"], target["down"], target["benched"]) == (
        "open",
        5,
        True,
        "401",
    )
    assert target["breaker_until"] > target["throttled_until"]
    assert target["passed_over"] is True
    target = seen(BackendHealth(key, targets=(both,)), "breaker is open")
    assert target["passed_over_until"] == target["breaker_until"], "the longest of what shuts it out"
    target = seen(
        BackendHealth(key, targets=(TargetHealth(name, "open", 1, until=past),)), "next request tries it"
    )
    assert (target["passed_over"], target["passed_over_until"]) == (False, None), "its time is over"
    target = seen(
        BackendHealth(key, targets=(TargetHealth(name, "closed", 0, throttled_until=past),)), "good"
    )
    assert (target["passed_over"], target["breaker"]) == (False, "closed")
    assert explain(plane, name)["hedge_seconds"] == 2.5


def test_what_a_rule_sets_is_shown_with_what_each_target_makes_of_it(plane: Plane, fresh: Fresh) -> None:
    name, local = fresh(), fresh()
    plane.good(
        "POST", "/api/local", {"name": local, "base_url": "http://127.0.0.1:9", "dialects": ["openai_chat"]}
    )
    plane.good("PUT", "/api/credentials/anthropic", {"api_key": "k"})
    presets = {"min_p": 0.1, "temperature": 1.5, "num_ctx": 4096}
    others = [{"backend_type": "anthropic", "model": "claude-haiku-4-5"}]
    rule(plane, name, backend_type="local", backend_name=local, fallbacks=others, presets=presets)
    found = explain(plane, name)
    assert found["presets"] == presets
    assert [one["presets"] for one in found["targets"]] == [
        {"openai_chat": ["dropped:num_ctx"]},
        {"anthropic_messages": ["changed:temperature", "dropped:min_p"]},
    ]


def test_what_an_engine_does_not_read_is_shown_and_what_it_has_loaded(plane: Plane, fresh: Fresh) -> None:
    name, first, second = fresh(), fresh(), fresh()
    with serving(double("ollama", Model("tiny", loaded=False))) as cold, serving(double("ollama")) as warm:
        for one, server in ((first, cold), (second, warm)):
            row = {"name": one, "base_url": server.url, "dialects": ["openai_chat"]}
            plane.good("POST", "/api/local", row)
        to = {"backend_type": "local", "backend_name": first, "backend_model": "tiny"}
        others = [{"backend_type": "local", "backend_name": second, "model": "tiny"}]
        rule(plane, name, **to, fallbacks=others, spread=True, presets={"min_p": 0.1, "num_ctx": 4096})
        targets = explain(plane, name)["targets"]
    assert [(one["backend"], one["loaded"]) for one in targets] == [
        (f"local/{second}", True), (f"local/{first}", False),
    ]  # fmt: skip
    assert targets[0]["presets"] == {"openai_chat": ["dropped:min_p"]}
    assert targets[1]["presets"] == {"openai_chat": ["dropped:num_ctx", "dropped:min_p"]}


def test_a_rule_that_spreads_shows_its_equals_as_they_stand_now(
    plane: Plane, worker: Worker, fresh: Fresh
) -> None:
    name, first, second = fresh(), fresh(), fresh()
    for one in (first, second):
        plane.good("POST", "/api/local", {"name": one, "base_url": "http://127.0.0.1:9", "max_in_flight": 4})
    others = [{"backend_type": "local", "backend_name": second, "model": "two"}]
    rule(
        plane, name, backend_type="local", backend_name=first, fallback_backend="openai", fallbacks=others,
        spread=True, weights=[2, 1, 1],
    )  # fmt: skip

    def stands(health: BackendHealth, expected: list[str]) -> list[dict[str, Any]]:
        worker.send(WorkerStatus(worker.number, worker.pid, 1, {}, (health,)))
        end = time.monotonic() + 5
        while True:
            targets: list[dict[str, Any]] = explain(plane, name)["targets"]
            if [one["backend"] for one in targets] == expected:
                return targets
            assert time.monotonic() < end, targets
            time.sleep(0.02)

    key, other = f"local/{first}", f"local/{second}"
    targets = stands(BackendHealth(key), [key, other, "openai"])
    assert [one["weight"] for one in targets] == [2, 1, 1]
    stands(BackendHealth(key, in_flight=2), [other, key, "openai"])
    stands(BackendHealth(key, in_flight=1), [key, other, "openai"])
    stands(BackendHealth(key, down=True), [other, key, "openai"])
    stands(BackendHealth(other, in_flight=4), [key, other, "openai"])


def test_a_model_that_nobody_has_is_told_without_a_failure_in_the_log(plane: Plane, fresh: Fresh) -> None:
    """It asked for the list of the practice model, which is in other processes: "invalid argument", each time."""
    assert explain(plane, fresh())["code"] == "model_not_found"
    assert "local/practice gave no model list" not in plane.log()
