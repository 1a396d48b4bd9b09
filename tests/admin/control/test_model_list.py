"""`/api/models` over the socket: one list across backends, as the data plane's `/v1/models` has it, and as one client sees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from pointsman.practice import Reply
from pointsman.practice.scripted import ScriptedUpstream

from .plane import Plane

Fresh = Callable[[], str]
HOSTILE = "<script>alert(1)</script>"


def listing(*names: str) -> Reply:
    return Reply(200, {"content-type": "application/json"}, body={"data": [{"id": one} for one in names]})


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    """Alone: what it lists is all there is."""
    with Plane(tmp_path / "data") as running:
        yield running


def ask(plane: Plane, **query: Any) -> dict[str, Any]:
    found: dict[str, Any] = plane.good("GET", f"/api/models?{urlencode(query)}")
    return found


def names(found: dict[str, Any]) -> list[str]:
    return [one["name"] for one in found["models"]]


def local(plane: Plane, name: str, url: str) -> None:
    plane.good("POST", "/api/local", {"name": name, "base_url": url}, 201)


def test_where_there_is_nothing_the_practice_model_is_listed(plane: Plane) -> None:
    found = ask(plane)
    assert (names(found), found["total"], found["silent"]) == (["practice"], 1, [])
    (target,) = found["models"][0]["targets"]
    assert (target["backend"], target["local"], target["price"]) == ("local/practice", True, {})


def test_local_servers_providers_and_rules_are_one_list(plane: Plane, upstream: ScriptedUpstream) -> None:
    upstream.always(listing("qwen3:8b", HOSTILE))
    local(plane, "box", upstream.url)
    with ScriptedUpstream() as cloud:
        cloud.always(listing("big-1", "big-2"))
        plane.good("PUT", "/api/credentials/openai/cloud", {"api_key": "sk-1", "base_url": cloud.url}, 200)
        rule = {"model_pattern": "big-*", "backend_type": "openai", "backend_name": "cloud"}
        made = plane.good("POST", "/api/mappings", rule, 201)
        plane.good(
            "POST",
            "/api/mappings",
            {
                "model_pattern": "alias",
                "backend_type": "local",
                "backend_name": "box",
                "backend_model": "qwen3:8b",
                "fallbacks": [{"backend_type": "openai", "backend_name": "cloud", "model": "big-1"}],
            },
            201,
        )
        plane.good(
            "POST", "/api/prices", {"where": "openai/cloud", "model": "big-1", "input": 3, "output": 15}, 201
        )
        found = ask(plane, protocol="anthropic_messages")
    assert sorted(names(found)) == sorted(["alias", "qwen3:8b", HOSTILE, "big-1", "big-2", "practice"])
    by_name = {one["name"]: one for one in found["models"]}
    alias = by_name["alias"]
    assert [one["backend"] for one in alias["targets"]] == ["local/box", "openai/cloud"]
    assert [one["local"] for one in alias["targets"]] == [True, False]
    assert alias["targets"][1]["price"] == {"input": 3, "output": 15}
    assert "as it is if it knows the path" in alias["targets"][0]["gets"]
    assert alias["targets"][1]["gets"].startswith("translated to openai_")
    assert by_name["big-2"]["mapping_id"] == made["id"]
    assert by_name["big-2"]["targets"][0]["price"] is None
    assert by_name["qwen3:8b"]["mapping_id"] is None


def test_a_client_sees_what_its_key_may_use(plane: Plane, upstream: ScriptedUpstream) -> None:
    upstream.always(listing("small", "large"))
    local(plane, "box", upstream.url)
    key = plane.good("POST", "/api/keys", {"name": "laptop", "models": ["small"]}, 201)
    assert sorted(names(ask(plane))) == ["large", "practice", "small"]
    seen = ask(plane, key_id=key["id"])
    assert (names(seen), seen["as_client"], seen["total"]) == (["small"], "laptop", 1)
    plane.good("DELETE", f"/api/keys/{key['id']}", status=204)
    assert "revoked" in plane.problem("GET", f"/api/models?key_id={key['id']}", status=404)["detail"]


def test_thousands_are_searched_and_paged_quickly(plane: Plane, upstream: ScriptedUpstream) -> None:
    upstream.always(listing(*(f"model-{number:04}" for number in range(5000))))
    local(plane, "box", upstream.url)
    first = ask(plane, limit=50)
    assert (first["total"], first["matched"], len(first["models"])) == (5001, 5001, 50)
    began = time.monotonic()
    found = ask(plane, q="MODEL-499", limit=200, offset=5)
    assert time.monotonic() - began < 1.0  # 30 ms on a machine with nothing else to do
    assert (found["matched"], len(found["models"])) == (10, 5)
    assert names(found)[0] == "model-4995"
    plane.problem("GET", "/api/models?limit=201", status=422)


def test_a_server_that_says_nothing_is_named_and_not_waited_for(plane: Plane) -> None:
    with ScriptedUpstream() as slow:
        slow.always(lambda _: (time.sleep(1.5), listing("late"))[1])
        local(plane, "slow", slow.url)
        began = time.monotonic()
        found = ask(plane, wait=0)
        assert time.monotonic() - began < 1.4
        assert "late" not in names(found)
        until = time.monotonic() + 20
        while "late" not in names(ask(plane, wait=0)):
            assert time.monotonic() < until
    local(plane, "gone", "http://127.0.0.1:1")
    assert "local/gone" in ask(plane)["silent"]


def test_filters(plane: Plane, upstream: ScriptedUpstream) -> None:
    upstream.always(listing("one"))
    local(plane, "box", upstream.url)
    assert names(ask(plane, backend="local/box")) == ["one"]
    assert names(ask(plane, backend="local/none")) == []
    assert names(ask(plane, can="vision")) == []
    assert names(ask(plane, loaded="true")) == []
    plane.problem("GET", "/api/models?can=flying", status=422)
    plane.problem("GET", "/api/models?protocol=latin", status=422)
