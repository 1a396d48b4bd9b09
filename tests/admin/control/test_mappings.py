"""`/api/mappings` over its socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .plane import Plane, Worker

Fresh = Callable[[], str]


def add(plane: Plane, pattern: str, **fields: Any) -> dict[str, Any]:
    body = {"model_pattern": pattern, "backend_type": "local", "backend_name": "practice", **fields}
    made: dict[str, Any] = plane.good("POST", "/api/mappings", body, 201)
    return made


def test_a_rule_is_added_read_changed_and_removed(plane: Plane, fresh: Fresh) -> None:
    said = plane.call(
        "POST",
        "/api/mappings",
        {
            "model_pattern": fresh(),
            "backend_type": "openai",
            "backend_model": "gpt-4o-mini",
            "fallback_backend": "local",
            "fallback_model": "qwen3",
            "fallbacks": [{"backend_type": "anthropic", "backend_name": "proxy", "model": "claude"}],
            "priority": 3,
        },
    )
    made = said.json()
    assert said.status == 201
    assert said.headers["location"] == f"/api/mappings/{made['id']}"
    assert (made["enabled"], made["local_only"], made["priority"]) == (True, False, 3)
    path = said.headers["location"]
    assert plane.good("GET", path) == made
    changed = plane.good("PATCH", path, {"backend_model": None, "enabled": False})
    assert changed == {
        **made,
        "backend_model": None,
        "enabled": False,
        "updated_at": changed["updated_at"],
        "version": changed["version"],
    }
    assert changed["updated_at"] > made["updated_at"]
    assert changed["version"] != made["version"]
    gone = plane.call("DELETE", path)
    assert (gone.status, gone.body) == (204, b"")
    assert plane.problem("GET", path, status=404)["code"] == "not_found"
    assert plane.problem("DELETE", path, status=404)["code"] == "not_found"
    assert plane.problem("PATCH", path, {"priority": 1}, status=404)["code"] == "not_found"


def test_the_list_is_an_array_with_the_highest_priority_first(plane: Plane, fresh: Fresh) -> None:
    low, high, middle = (add(plane, fresh(), priority=p)["id"] for p in (-5, 99, 7))
    ids = [row["id"] for row in plane.good("GET", "/api/mappings")]
    assert [i for i in ids if i in (low, high, middle)] == [high, middle, low]


def test_the_same_rule_twice_is_two_rows(plane: Plane, fresh: Fresh) -> None:
    name = fresh()
    assert add(plane, name)["id"] != add(plane, name)["id"]


def test_a_backend_that_does_not_exist_yet_is_a_warning_that_names_the_command(
    plane: Plane, fresh: Fresh
) -> None:
    made = add(plane, fresh(), backend_name="nowhere", fallback_backend="anthropic")
    assert any("pointsman local add nowhere" in text for text in made["warnings"])
    assert any("pointsman credential set anthropic" in text for text in made["warnings"])
    assert plane.good("GET", f"/api/mappings/{made['id']}")["warnings"] == made["warnings"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "model_pattern"),
        ({"model_pattern": "", "backend_type": "local"}, "model_pattern"),
        ({"model_pattern": "x" * 5000, "backend_type": "local"}, "model_pattern"),
        ({"model_pattern": "a\nb", "backend_type": "local"}, "model_pattern"),
        ({"model_pattern": "x", "backend_type": "azure"}, "backend_type"),
        ({"model_pattern": "x", "backend_type": "OPENAI"}, "backend_type"),
        ({"model_pattern": "x", "backend_type": "local", "backend_name": "No Good"}, "backend_name"),
        ({"model_pattern": "x", "backend_type": "local", "priority": "high"}, "priority"),
        ({"model_pattern": "x", "backend_type": "local", "modle": "typo"}, "modle"),
        ({"model_pattern": "x", "backend_type": "openai", "local_only": True}, None),
    ],
)
def test_what_is_not_valid_is_a_422_that_names_the_field(plane: Plane, body: Any, param: str | None) -> None:
    before = plane.good("GET", "/api/mappings")
    problem = plane.problem("POST", "/api/mappings", body)
    assert problem["code"] == "invalid"
    assert problem["param"] == param
    assert plane.good("GET", "/api/mappings") == before


def test_an_update_that_makes_the_whole_rule_wrong_changes_nothing(plane: Plane, fresh: Fresh) -> None:
    made = add(plane, fresh(), local_only=True)
    path = f"/api/mappings/{made['id']}"
    assert plane.problem("PATCH", path, {"fallback_backend": "openai"})["code"] == "invalid"
    assert plane.problem("PATCH", path, {"model_pattern": None})["param"] == "model_pattern"
    assert plane.good("GET", path) == made


NO_IDS = [
    "abc",
    "1.5",
    "99999999999999999999999",
    "9223372036854775808",
    "-1",
    "0",
    "NaN",
    "inf",
    "1e3",
    "9" * 5000,
]


@pytest.mark.parametrize("number", NO_IDS, ids=lambda text: text[:24])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_an_id_that_is_none_is_refused_without_a_crash(plane: Plane, method: str, number: str) -> None:
    said = plane.call(method, f"/api/mappings/{number}", {} if method == "PATCH" else None)
    assert said.status == 422, said
    if method != "PATCH":
        assert plane.call(method, f"/api/keys/{number}").status == 422


@pytest.mark.parametrize(
    "fields",
    [
        {"priority": 10**20}, {"priority": -(10**20)}, {"priority": 1.5}, {"hedge_seconds": -1}, {"hedge_seconds": 10**400},
        {"fallbacks": 10**20},
    ],
    ids=str,
)  # fmt: skip
def test_a_number_out_of_range_in_a_body_is_a_422(plane: Plane, fresh: Fresh, fields: dict[str, Any]) -> None:
    body = {"model_pattern": fresh(), "backend_type": "openai", **fields}
    assert plane.problem("POST", "/api/mappings", body)["code"] == "invalid"


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_no_number_in_a_body_is_a_422(plane: Plane, fresh: Fresh, word: str) -> None:
    rule = f'{{"model_pattern": "{fresh()}", "backend_type": "openai", "hedge_seconds": {word}}}'
    plane.problem("POST", "/api/mappings", rule.encode())
    server = f'{{"name": "{fresh()}", "base_url": "http://127.0.0.1:1", "context_window": {word}}}'
    plane.problem("POST", "/api/local", server.encode())


def test_a_body_that_is_not_json_is_refused(plane: Plane) -> None:
    problem = plane.problem("POST", "/api/mappings", b"{nope")
    assert problem["code"] == "invalid"
    assert plane.problem("POST", "/api/mappings", b"[]")["code"] == "invalid"


def test_a_rule_is_live_when_the_answer_comes(plane: Plane, worker: Worker, fresh: Fresh) -> None:
    name = fresh()
    made = add(plane, name)
    assert name in [mapping.pattern for mapping in worker.snapshot.mappings]
    plane.good("PATCH", f"/api/mappings/{made['id']}", {"enabled": False})
    assert name not in [mapping.pattern for mapping in worker.snapshot.mappings]
    versions = [snapshot.version for snapshot in worker.snapshots]
    assert versions == sorted(set(versions))
    assert len({snapshot.epoch for snapshot in worker.snapshots}) == 1


def test_a_refused_change_publishes_nothing(plane: Plane, worker: Worker) -> None:
    seen = len(worker.snapshots)
    plane.problem("POST", "/api/mappings", {})
    plane.problem("DELETE", "/api/mappings/999999", status=404)
    assert len(worker.snapshots) == seen


def test_changes_at_once_are_all_published_in_order(plane: Plane, worker: Worker, fresh: Fresh) -> None:
    from concurrent.futures import ThreadPoolExecutor

    names = [fresh() for _ in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: add(plane, name), names))
    assert set(names) <= {mapping.pattern for mapping in worker.snapshot.mappings}
    versions = [snapshot.version for snapshot in worker.snapshots]
    assert versions == sorted(set(versions))


def test_a_data_plane_that_does_not_answer_holds_a_write_up_for_two_seconds_at_most(
    plane: Plane, fresh: Fresh
) -> None:
    import time

    with Worker(plane, 7, deaf=True):
        begun = time.monotonic()
        add(plane, fresh())
        assert 1.5 < time.monotonic() - begun < 5.0


def test_what_a_rule_says_of_failures_is_kept_checked_and_cleared(plane: Plane, fresh: Fresh) -> None:
    fallback = {"fallbacks": [{"backend_type": "openai"}]}
    made = add(plane, fresh(), fallback_on=["refusal", "context", "refusal"], hedge_seconds=1.5, **fallback)
    assert (made["fallback_on"], made["hedge_seconds"]) == (["refusal", "context"], 1.5)
    path = f"/api/mappings/{made['id']}"
    cleared = plane.good("PATCH", path, {"fallback_on": [], "hedge_seconds": None})
    assert (cleared["fallback_on"], cleared["hedge_seconds"]) == ([], None)


def test_what_a_rule_sets_is_kept_and_changed_one_by_one(plane: Plane, fresh: Fresh) -> None:
    made = add(plane, fresh(), presets={"temperature": 0.2, "stop": "END", "seed": None})
    assert made["presets"] == {"temperature": 0.2, "stop": ["END"]}
    path = f"/api/mappings/{made['id']}"
    changed = plane.good("PATCH", path, {"presets": {"temperature?": 1, "stop": None, "top_k": 5}})
    assert changed["presets"] == {"temperature?": 1, "top_k": 5}
    assert plane.good("PATCH", path, {"priority": 3})["presets"] == {"temperature?": 1, "top_k": 5}
    told = plane.problem("PATCH", path, {"presets": {"heat": 1}})["detail"]
    assert "'heat' cannot be set" in told
    assert plane.good("PATCH", path, {"presets": {"temperature?": None, "top_k": None}})["presets"] is None
    warned = plane.good("PATCH", path, {"presets": {"num_ctx": 32768}})
    assert any("PARAMETER num_ctx in a Modelfile" in one for one in warned["warnings"])
    assert plane.good("PATCH", path, {"presets": None})["presets"] is None


def test_a_rule_that_spreads_is_kept_checked_and_cleared(plane: Plane, fresh: Fresh) -> None:
    other = [{"backend_type": "anthropic"}]
    made = add(plane, fresh(), backend_type="openai", fallbacks=other, spread=True, weights=[3, 1])
    assert (made["spread"], made["weights"]) == (True, [3, 1])
    path = f"/api/mappings/{made['id']}"
    more = [{"backend_type": "anthropic"}, {"backend_type": "openai", "backend_name": "c"}]
    told = plane.problem("PATCH", path, {"fallbacks": more})["detail"]
    assert "the rule 3 targets (openai/practice, anthropic, openai/c); give one number a target" in told
    assert "take weights away" in plane.problem("PATCH", path, {"spread": False})["detail"]
    cleared = plane.good("PATCH", path, {"spread": False, "weights": None})
    assert (cleared["spread"], cleared["weights"]) == (False, None)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"fallback_on": ["rain"]}, "fallback_on"),
        ({"fallback_on": None}, "fallback_on"),
        ({"hedge_seconds": 0}, "hedge_seconds"),
        ({"hedge_seconds": 601}, "hedge_seconds"),
        ({"hedge_seconds": 1}, "no next target that hedge_seconds could start; add a fallback"),
        (
            {
                "hedge_seconds": 1,
                "local_only": True,
                "backend_type": "local",
                "fallback_backend": "local",
                "fallback_model": "n",
            },
            "never hedged",
        ),
    ],
)
def test_what_a_rule_cannot_say_of_failures(
    plane: Plane, fresh: Fresh, fields: dict[str, Any], word: str
) -> None:
    body = {"model_pattern": fresh(), "backend_type": "openai", **fields}
    assert word in plane.problem("POST", "/api/mappings", body)["detail"]


def test_conditions_have_one_form_and_what_is_none_says_what_to_write(plane: Plane, fresh: Fresh) -> None:
    made = add(plane, fresh(), conditions=["Tokens > 60k", "client=Claude-Code", "tokens>5"])
    assert made["conditions"] == ["client=claude-code", "tokens>60000"]
    for wrong, words in (
        (["pictures"], "write one of: tokens>N, images"),
        (["effort=low", "effort=high"], "never hold together"),
        (["header:authorization=x"], "holds a key"),
        (["hours=1-2@Nowhere"], "is no time zone"),
    ):
        body = {"model_pattern": fresh(), "backend_type": "local", "conditions": wrong}
        told = plane.problem("POST", "/api/mappings", body, status=422)
        assert words in told["detail"], told
    changed = plane.good("PATCH", f"/api/mappings/{made['id']}", {"conditions": []})
    assert changed["conditions"] == []


def test_a_rule_that_is_never_asked_is_told_when_it_is_written(plane: Plane, fresh: Fresh) -> None:
    name = fresh()
    first = add(plane, f"{name}*", conditions=["tools"])
    assert add(plane, f"{name}-a")["warnings"] == []
    late = add(plane, f"{name}-b*", conditions=["images", "tools"])
    assert late["warnings"] == []  # it is more exact
    same = add(plane, f"{name}*", conditions=["tools"])
    assert any(f"rule {first['id']} ({name}*) takes all its names" in text for text in same["warnings"])
    over = add(plane, f"{name}*", priority=5)
    gone = [text for text in over["warnings"] if "gets no request any more" in text]
    assert {first["id"], late["id"], same["id"]} <= {int(text.split()[1]) for text in gone}


def test_a_rule_whose_conditions_stand_before_a_wall_is_warned_of(plane: Plane, fresh: Fresh) -> None:
    name = fresh()
    wall = add(plane, f"{name}-secret", local_only=True)
    body = {"model_pattern": f"{name}*", "backend_type": "openai", "conditions": ["tokens>5"]}
    made = plane.good("POST", "/api/mappings", body, 201)
    assert any(
        f"names of rule {wall['id']} ({name}-secret), which never leave" in t for t in made["warnings"]
    )
    plane.good("PATCH", f"/api/mappings/{wall['id']}", {"priority": 1})
    again = plane.good("GET", f"/api/mappings/{made['id']}")
    assert not any("never leave" in text for text in again["warnings"])
