"""`/api/engines` while the process that starts engines is away; with it: tests/e2e/test_engines_cli.py."""

from __future__ import annotations

from collections.abc import Callable

from pointsman.providers.urls import engine_url
from pointsman.warden.recipe import write_recipe

from .plane import Plane


def test_while_the_warden_is_away_what_is_known_is_told_and_an_order_is_refused(
    plane: Plane, fresh: Callable[[], str]
) -> None:
    name = fresh()
    said = {
        "command": ["/opt/secret/llama-server", "--port", "{port}"],
        "keep": 7,
        "models": ["m"],
        "memory": 9,
    }
    write_recipe(plane.data_dir, name, said)
    plane.good("POST", "/api/local", {"name": name, "base_url": engine_url(name)})
    whole = plane.good("GET", "/api/engines")
    assert (whole["answering"], whole["budget"], whole["held"]) == (False, None, None)
    (found,) = [one for one in whole["engines"] if one["name"] == name]
    assert found == plane.good("GET", f"/api/engines/{name}")
    assert (found["state"], found["program"], found["keep"], found["memory"]) == (
        "cold",
        "llama-server",
        7,
        9,
    )
    assert "secret" not in str(whole), "a command is not told"
    refused = plane.call("POST", f"/api/engines/{name}/start")
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    plane.good("DELETE", f"/api/local/{name}")
    plane.problem("POST", f"/api/engines/{name}/start", status=404)
    plane.problem("GET", f"/api/engines/{name}", status=404)


def test_a_row_without_a_recipe_says_what_to_do(plane: Plane, fresh: Callable[[], str]) -> None:
    name = fresh()
    plane.good("POST", "/api/local", {"name": name, "base_url": engine_url(name)})
    found = plane.good("GET", f"/api/engines/{name}")
    assert (found["program"], found["models"]) == ("", [])
    assert f"pointsman local update {name} --command" in found["problem"]
    plane.good(
        "POST", "/api/mappings", {"model_pattern": name, "backend_type": "local", "backend_name": name}
    )
    (target,) = plane.good("GET", f"/api/explain?model={name}")["targets"]
    assert (target["usable"], target["urls"], target["base_url"]) == (False, {}, None)
    assert f"pointsman local update {name} --command" in target["reason"]
