"""`/api/mappings` in order: moving a rule, and rules that no request gets to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .plane import Plane

Fresh = Callable[[], str]


def rule(plane: Plane, pattern: str, priority: int = 0, **fields: Any) -> int:
    body = {"model_pattern": pattern, "backend_type": "openai", "priority": priority} | fields
    return int(plane.good("POST", "/api/mappings", body, 201)["id"])


def order(plane: Plane, those: set[int]) -> list[int]:
    return [row["id"] for row in plane.good("GET", "/api/mappings") if row["id"] in those]


def standing(plane: Plane) -> dict[int, dict[str, Any]]:
    return {row["id"]: row for row in plane.good("GET", "/api/mapping-order")}


def test_a_rule_is_moved_before_another_and_behind_it(plane: Plane, fresh: Fresh) -> None:
    name = fresh()
    general, exact, long = (rule(plane, f"{name}{rest}") for rest in ("*", "-coder", "-c*"))
    mine = {exact, long, general}
    assert order(plane, mine) == [exact, long, general], "the order in which they are asked"
    (changed,) = plane.good("POST", f"/api/mappings/{general}/move", {"before": exact})
    assert (changed["id"], changed["priority"]) == (general, 1)
    assert order(plane, mine) == [general, exact, long]
    assert plane.good("POST", f"/api/mappings/{general}/move", {"before": exact}) == []
    plane.good("POST", f"/api/mappings/{general}/move", {"after": long})
    assert order(plane, mine) == [exact, long, general]


@pytest.mark.parametrize(
    "body", [{}, {"before": 1, "after": 1}, {"before": 0}, {"before": "1"}, {"above": 1}]
)
def test_a_move_that_does_not_say_where_to_is_refused(plane: Plane, body: dict[str, Any]) -> None:
    assert plane.problem("POST", "/api/mappings/1/move", body)["code"] == "invalid"


def test_a_move_of_or_to_what_is_not_there_is_said(plane: Plane, fresh: Fresh) -> None:
    there = rule(plane, fresh())
    assert plane.problem("POST", f"/api/mappings/{there}/move", {"before": 4242}, status=404)
    assert plane.problem("POST", "/api/mappings/4242/move", {"after": there}, status=404)


def test_a_rule_that_no_request_gets_to_is_told_everywhere(plane: Plane, fresh: Fresh) -> None:
    name = fresh()
    raised, lost = rule(plane, f"{name}*", 1), rule(plane, f"{name}-coder")
    off, practice = rule(plane, f"{name}-2", enabled=False), rule(plane, f"practice:{name}*")
    told = standing(plane)
    assert (told[lost]["reached"], told[lost]["taken_by"]) == (False, [raised])
    assert told[raised]["raised_over"] == [lost]
    assert (told[raised]["reached"], told[off]["reached"]) == (True, None)
    assert (told[practice]["reached"], told[practice]["taken_by"]) == (False, [])
    assert "practice model" in told[practice]["problem"]
    checks = {check["name"]: check for check in plane.good("GET", "/api/doctor")["checks"]}
    assert checks[f"rule {lost}"]["status"] == "warning"
    assert checks[f"rule {lost}"]["fix"] == f"pointsman mapping move {lost} --before {raised}"
    plane.good("POST", f"/api/mappings/{lost}/move", {"before": raised})
    assert standing(plane)[lost]["reached"] is True


def test_a_name_that_an_equal_rule_takes_is_shown(plane: Plane, fresh: Fresh) -> None:
    name = fresh()
    mini, start = rule(plane, f"*{name}-mini", 5), rule(plane, f"gpt-{name}*", 5)
    told = standing(plane)
    assert told[start]["shared"] == [{"id": mini, "name": f"gpt-{name}-mini"}]
    assert told[mini]["shared"] == []
