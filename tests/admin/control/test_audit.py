"""`/api/audit` over the socket: who asked, what changed, taking it back; and If-Match."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .plane import Plane, Worker, check_problem


def newest(plane: Plane) -> dict[str, Any]:
    entry: dict[str, Any] = plane.good("GET", "/api/audit?limit=1")[0]
    return entry


def rule(plane: Plane, pattern: str) -> dict[str, Any]:
    made: dict[str, Any] = plane.good(
        "POST", "/api/mappings", {"model_pattern": pattern, "backend_type": "local"}, 201
    )
    return made


def test_who_asked_is_told_by_how_it_came(plane: Plane, fresh: Callable[[], str]) -> None:
    rule(plane, fresh())
    assert newest(plane)["who"] == "admin API"
    body = {"model_pattern": fresh(), "backend_type": "local"}
    plane.call("POST", "/api/mappings", body, user_agent="pointsman-command/9")
    assert newest(plane)["who"] == "command line"


def test_the_environment_s_key_is_the_environment_s_change(own_plane: Callable[..., Plane]) -> None:
    plane = own_plane(env={"POINTSMAN_CLIENT_KEY": "a" * 32})
    made = plane.good("GET", "/api/audit?noun=key")[0]
    assert (made["who"], made["rows"][0]["name"], made["rows"][0]["did"]) == (
        "environment",
        "environment (aaaa)",
        "created",
    )
    assert "a" * 32 not in plane.call("GET", "/api/audit").body.decode()


def test_a_change_is_found_by_row_and_taken_back_live(
    plane: Plane, worker: Worker, fresh: Callable[[], str]
) -> None:
    name = fresh()
    made = rule(plane, name)
    plane.good("DELETE", f"/api/mappings/{made['id']}", status=204)
    assert name not in str(worker.snapshot.mappings)
    gone, added = plane.good("GET", f"/api/audit?noun=mapping&row={made['id']}")
    assert (gone["rows"][0]["did"], added["rows"][0]["did"]) == ("deleted", "created")
    assert (gone["why_not"], added["why_not"]) == (
        None,
        f"Changed since by entry {gone['id']}; undo that one first.",
    )
    done = plane.good("POST", f"/api/audit/{gone['id']}/undo", status=200)
    assert (done["undoes"], done["rows"][0]["did"]) == (gone["id"], "created")
    assert name in str(worker.snapshot.mappings), "it is live when the undo answers"
    again = plane.good("GET", f"/api/mappings/{made['id']}")
    assert again == made | {"updated_at": again["updated_at"]}
    assert plane.problem("POST", f"/api/audit/{gone['id']}/undo", status=409)["code"] == "conflict"
    assert plane.good("GET", f"/api/audit/{gone['id']}")["rows"] == gone["rows"]
    plane.problem("POST", "/api/audit/424242/undo", status=404)
    plane.problem("GET", "/api/audit/424242", status=404)


def test_pages_of_the_list_follow_each_other(plane: Plane, fresh: Callable[[], str]) -> None:
    for _ in range(3):
        rule(plane, fresh())
    whole = plane.good("GET", "/api/audit?noun=mapping&limit=500")
    found, target = [], "/api/audit?noun=mapping&limit=2"
    while target:
        said = plane.call("GET", target)
        found += said.json()
        link = said.headers.get("link", "")
        assert bool(link) == ("x-next-cursor" in said.headers)
        target = link[1 : link.index(">")] if link else ""
    assert found == whole
    assert plane.problem("GET", "/api/audit?limit=0")["param"] == "limit"
    assert plane.problem("GET", "/api/audit?nouns=mapping")["param"] == "nouns"


def test_hostile_names_are_values(plane: Plane) -> None:
    hostile = "<script>alert(1)</script>" + "x" * 90
    made = plane.good("POST", "/api/groups", {"name": "hostile", "note": hostile}, 201)
    row = newest(plane)["rows"][0]
    assert (row["row"], row["after"]["note"]) == (str(made["id"]), hostile)


def test_the_second_of_two_who_change_a_row_is_told(plane: Plane, fresh: Callable[[], str]) -> None:
    name = fresh()
    makes = (
        ("/api/mappings", {"model_pattern": name, "backend_type": "local"}, "id", {"priority": 3}),
        ("/api/keys", {"name": name}, "id", {"note": "x"}),
        ("/api/groups", {"name": name}, "name", {"note": "x"}),
        ("/api/local", {"name": name, "base_url": "http://127.0.0.1:1"}, "name", {"max_in_flight": 3}),
        (
            "/api/credentials",
            {"name": name, "backend_type": "openai", "api_key": "sk-x"},
            "name",
            {"max_in_flight": 3},
        ),
    )
    for path, body, field, change in makes:
        made = plane.good("POST", path, body, 201)
        one = f"{path}/openai/{name}" if path == "/api/credentials" else f"{path}/{made[field]}"
        first = plane.call("PATCH", one, change, if_match=f'"{made["version"]}"')
        assert first.status == 200, first.body
        late = plane.call("PATCH", one, change, if_match=made["version"])
        problem = check_problem(late, 412)
        assert problem["changed_by"] == "admin API"
        assert problem["current"]["version"] == first.json()["version"]
        assert "UTC by the admin API since you read it" in problem["detail"]
        assert plane.call("PATCH", one, change, if_match="*").status == 200
