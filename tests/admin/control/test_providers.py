"""`/api/providers` over the socket: what is known, where a typed address would send a key, and a test before anything is
stored."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from pointsman.practice import Reply
from pointsman.practice.scripted import ScriptedUpstream

from .plane import Plane

MODELS = Reply(200, {"content-type": "application/json"}, body={"data": [{"id": "m1"}, {"id": "m2"}]})
KEY = "sk-canary-0123456789abcdef"


def names(found: dict[str, Any]) -> list[tuple[str, bool]]:
    assert all(step["word"] and step["detail"] for step in found["steps"])
    return [(step["name"], step["ok"]) for step in found["steps"]]


def test_every_known_provider_can_be_added_as_it_stands(plane: Plane) -> None:
    known = plane.good("GET", "/api/providers")
    assert len({(one["backend_type"], one["name"]) for one in known}) == len(known)
    for one in known:
        found = plane.good(
            "POST",
            "/api/providers/origin",
            {"backend_type": one["backend_type"], "base_url": one["base_url"]},
        )
        assert found["problem"] is None, one
        assert found["origin"] == one["origin"]
        assert one["protocols"]
        local = one["backend_type"] == "local"
        assert found["leaves_machine"] is not local
        assert bool(one["key_at"]) is not local
        if one["base_url"] == one["base_url"].lower():  # no part to be filled in
            assert found["base_url"] == one["base_url"], "it is written as it is stored"


@pytest.mark.parametrize(
    ("kind", "typed", "origin", "url", "leaves"),
    [
        ("openai", None, "https://api.openai.com", "https://api.openai.com/v1/chat/completions", True),
        ("anthropic", "", "https://api.anthropic.com", "https://api.anthropic.com/v1/messages", True),
        (
            "openai", " https://API.groq.com:443/openai/v1/chat/completions ", "https://api.groq.com",
            "https://api.groq.com/openai/v1/chat/completions", True,
        ),
        ("local", "http://127.1:8080", "http://127.0.0.1:8080", "http://127.0.0.1:8080/v1/chat/completions", False),
        ("local", "http://192.168.1.9:8080", "http://192.168.1.9:8080", None, True),
        ("local", "unix:///run/x.sock", "unix:///run/x.sock", None, False),
        ("local", "http://box.lan:8080", "http://box.lan:8080", None, None),
    ],
)  # fmt: skip
def test_the_origin_of_a_typed_address(
    plane: Plane, kind: str, typed: str | None, origin: str, url: str | None, leaves: bool | None
) -> None:
    found = plane.good("POST", "/api/providers/origin", {"backend_type": kind, "base_url": typed})
    assert (found["origin"], found["leaves_machine"], found["problem"]) == (origin, leaves, None)
    assert url is None or found["url"] == url


@pytest.mark.parametrize(
    ("kind", "typed", "says"),
    [
        ("openai", "api.groq.com", "http"),
        ("openai", "https://user:pass@api.groq.com", "user name"),
        ("openai", "http://api.groq.com", "https"),
        ("openai", "https://169.254.169.254", "metadata"),
        ("local", "http://metadata.google.internal", "metadata"),
        ("local", "", "empty"),
        ("openai", "https://api.groq.com@evil.example", "user name"),
        ("openai", "https://api.groq.com?api_key=x", "api_key"),
    ],
)
def test_an_address_that_cannot_be_used_has_no_origin(plane: Plane, kind: str, typed: str, says: str) -> None:
    found = plane.good("POST", "/api/providers/origin", {"backend_type": kind, "base_url": typed})
    assert found["origin"] is None
    assert says in found["problem"]


def test_a_key_is_tried_before_it_is_stored(plane: Plane, upstream: ScriptedUpstream) -> None:
    upstream.script(MODELS)
    body = {"backend_type": "openai", "name": "trial", "base_url": upstream.url, "api_key": KEY}
    said = plane.call("POST", "/api/providers/test/credential", body)
    found = said.json()
    assert names(found) == [("dns", True), ("tcp", True), ("auth", True), ("models", True)]
    assert found["models"] == ["m1", "m2"]
    assert [one.headers["authorization"] for one in upstream.requests] == [f"Bearer {KEY}"]
    assert KEY.encode() not in said.body
    assert KEY not in plane.log()
    plane.problem("GET", "/api/credentials/openai/trial", status=404)


def test_one_token_is_asked_for_only_when_somebody_says_so(plane: Plane, upstream: ScriptedUpstream) -> None:
    body = {"name": "box", "base_url": upstream.url, "one_token": "practice"}
    found = plane.good("POST", "/api/providers/test/local", body)
    assert names(found)[-1] == ("token", True), found
    assert "practice answered" in found["steps"][-1]["detail"]
    last = upstream.requests[-1]
    assert (last.path, last.json()["max_tokens"], len(last.json()["messages"])) == (
        "/v1/chat/completions",
        1,
        1,
    )
    asked = len(upstream.requests)
    plane.good("POST", "/api/providers/test/local", {"name": "box", "base_url": upstream.url})
    assert [one.path for one in upstream.requests[asked:]] == ["/v1/models"]


def test_a_refused_key_says_what_the_provider_said_and_no_token_is_asked_for(
    plane: Plane, upstream: ScriptedUpstream
) -> None:
    upstream.script(Reply(401, {}, body={"error": {"message": f"Incorrect API key provided: {KEY}"}}))
    body = {
        "backend_type": "openai",
        "name": "trial",
        "base_url": upstream.url,
        "api_key": KEY,
        "one_token": "m1",
    }
    said = plane.call("POST", "/api/providers/test/credential", body)
    found = said.json()
    assert names(found) == [("dns", True), ("tcp", True), ("auth", False)]
    assert found["steps"][-1]["word"] == "Key refused (401)"
    assert "Incorrect API key provided" in found["steps"][-1]["detail"]
    assert KEY.encode() not in said.body
    assert len(upstream.requests) == 1


def test_a_model_that_is_not_there_is_the_last_step_alone(plane: Plane, upstream: ScriptedUpstream) -> None:
    upstream.script(
        MODELS, Reply(404, {}, body={"error": {"message": "no model <b>x</b>", "code": "model_not_found"}})
    )
    body = {"name": "box", "base_url": upstream.url, "one_token": "x"}
    found = plane.good("POST", "/api/providers/test/local", body)
    assert names(found)[-2:] == [("models", True), ("token", False)]
    assert found["steps"][-1]["detail"] == "no model <b>x</b>"
    assert found["cost"] is None


@pytest.mark.parametrize(
    ("base_url", "says"),
    [
        ("http://169.254.169.254", "metadata"),
        ("http://8.8.8.8", "plain http"),
        ("ftp://x", "http"),
    ],
)
def test_what_could_not_be_stored_is_not_tried_either(plane: Plane, base_url: str, says: str) -> None:
    body = {"backend_type": "openai", "base_url": base_url, "api_key": KEY}
    said = plane.call("POST", "/api/providers/test/credential", body)
    assert said.status == 422
    assert says in said.json()["detail"] + str(said.json()["errors"])
    assert KEY.encode() not in said.body


def test_a_stored_backend_is_asked_for_one_token_and_told_its_cost(
    plane: Plane, upstream: ScriptedUpstream
) -> None:
    path = "/api/credentials/openai/priced"
    row = {"api_key": KEY, "base_url": upstream.url, "budget_money": 5, "budget_tokens": 1000}
    plane.good("PUT", path, row, 200)
    where = "openai/priced"
    plane.good("POST", "/api/prices", {"where": where, "model": "practice", "input": 1, "output": 2}, 201)
    found = plane.good("POST", f"{path}/test", {"one_token": "practice"}, 200)
    assert found["ok"], found
    assert 0 < found["cost"] < 0.001
    (used,) = plane.good("GET", "/api/usage?client=pointsman+test&target=openai/priced:practice")
    assert (used["path"], used["status"], used["outcome"]) == ("/v1/chat/completions", 200, "ok")
    assert used["cost"] == found["cost"]
    tokens = used["input_tokens"] + used["output_tokens"]
    assert tokens > 0
    spent = plane.good("GET", path)["spent"]
    assert (spent["money"], spent["tokens"]) == (found["cost"], tokens)
    plane.good("POST", f"{path}/test", status=200)
    assert len(plane.good("GET", "/api/usage?client=pointsman+test&target=openai/priced:practice")) == 1
    plane.good("DELETE", path, status=204)


def test_a_token_that_cannot_be_read_may_have_cost_too_and_a_refused_one_has_not(
    plane: Plane, upstream: ScriptedUpstream
) -> None:
    body = {"backend_type": "openai", "name": "odd", "base_url": upstream.url, "api_key": KEY}
    usage = "/api/usage?client=pointsman+test&target=openai/odd:m1"
    upstream.script(MODELS, Reply(429, {}, body={"error": {"message": "no"}}))
    plane.good("POST", "/api/providers/test/credential", body | {"one_token": "m1"})
    assert plane.good("GET", usage) == []
    upstream.script(MODELS, Reply(200, {}, body=["what is no answer"]))
    found = plane.good("POST", "/api/providers/test/credential", body | {"one_token": "m1"})
    assert names(found)[-1] == ("token", False), found
    (used,) = plane.good("GET", usage)
    assert (used["outcome"], used["cost"], used["flag"]) == ("error", None, "no_usage")


def test_nobody_listens_there(plane: Plane) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{held.getsockname()[1]}"
        found = plane.good("POST", "/api/providers/test/local", {"name": "box", "base_url": base_url})
    assert names(found) == [("dns", True), ("tcp", False)]
    assert found["steps"][-1]["word"] == "Not connected"
    assert "is the server running" in found["steps"][-1]["detail"]
