"""`/v1/models`: one list that both kinds of clients can read, with nothing that would not resolve."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.vendor_bodies import chat

from .gateway import Gateway
from .replies import JSON, STALL, Reply

if TYPE_CHECKING:
    from pointsman.practice.scripted import ScriptedUpstream

Upstreams = Callable[..., "ScriptedUpstream"]


def listed(gateway: Gateway) -> dict[str, dict[str, Any]]:
    answer = gateway.fetch("GET", "/v1/models")
    assert answer.status == 200, answer.body
    return {row["id"]: row for row in answer.json()["data"]}


def test_every_entry_satisfies_both_sdks(gateway: Gateway) -> None:
    answer = gateway.fetch("GET", "/v1/models?limit=1000").json()
    assert answer["object"] == "list"
    assert answer["has_more"] is False
    assert {"first_id", "last_id"} <= set(answer)
    for row in answer["data"]:
        assert row["object"] == "model"
        assert row["type"] == "model"
        assert isinstance(row["created"], int)
        assert {"owned_by", "display_name", "created_at", "lifecycle"} <= set(row)


def test_practice_is_listed_when_asked_for_and_its_faults_are_not(gateway: Gateway) -> None:
    gateway.rule(gateway.fresh("exact"), "local/practice=practice")
    assert not [name for name in listed(gateway) if name.startswith("practice")]
    asked = gateway.fetch("GET", "/v1/models?practice=1").json()["data"]
    assert [row["id"] for row in asked if row["id"].startswith("practice")] == ["practice"]
    assert gateway.fetch("GET", "/v1/models/practice").status == 200


def test_exact_names_are_listed_and_wild_or_disabled_ones_are_not(
    gateway: Gateway, upstream: Upstreams
) -> None:
    server = upstream()
    backend = gateway.backend("openai", server.url)
    exact, wild, off = gateway.fresh("exact"), gateway.fresh("wild"), gateway.fresh("off")
    gateway.rule(exact, backend)
    gateway.rule(wild + "*", backend)
    gateway.rule(off, backend, enabled=False)
    names = listed(gateway)
    assert exact in names
    assert not any(name.startswith(wild) for name in names)
    assert off not in names


def test_an_exact_name_whose_backend_does_not_exist_is_not_listed(gateway: Gateway) -> None:
    name = gateway.fresh("lonely")
    gateway.rule(name, "openai/not-there-at-all")
    assert name not in listed(gateway)


def model_list(*names: str) -> Reply:
    rows = [{"id": name, "object": "model", "created": 1, "owned_by": "me"} for name in names]
    return Reply(200, JSON, body={"object": "list", "data": rows})


def test_a_local_servers_own_models_are_listed_and_answer_without_a_rule(
    gateway: Gateway, upstream: Upstreams
) -> None:
    server = upstream()
    name = gateway.fresh("org/qwen3-8b")
    seen: list[str] = []

    def answer(received: Any) -> Reply:
        seen.append(received.path)
        if received.path == "/v1/models":
            return model_list(name)
        return Reply(200, JSON, body=chat.whole_of("from the box"))

    server.always(answer)
    backend = gateway.backend("local", server.url)
    assert name in listed(gateway)
    body = {"model": name, "messages": [{"role": "user", "content": "x"}]}
    reply = gateway.fetch("POST", "/v1/chat/completions", body)
    assert reply.status == 200, reply.body
    assert reply.header("x-pointsman-target") == f"{backend}:{name}"


@pytest.mark.parametrize("spelled", ["org/{0}", "org%2F{0}"])
def test_one_model_can_be_asked_for_with_a_slash_in_its_name(gateway: Gateway, spelled: str) -> None:
    tail = gateway.fresh("slashed")
    gateway.rule(f"org/{tail}", "local/practice=practice")
    answer = gateway.fetch("GET", "/v1/models/" + spelled.format(tail))
    assert answer.status == 200, answer.body
    assert answer.json()["id"] == f"org/{tail}"


def test_an_unknown_model_is_a_404(gateway: Gateway) -> None:
    answer = gateway.fetch("GET", "/v1/models/never-heard-of-it")
    assert answer.status == 404
    assert answer.json()["error"]["message"]


def test_a_local_server_that_hangs_delays_the_list_by_two_seconds_at_most(
    own_gateway: Callable[..., Gateway], upstream: Upstreams
) -> None:
    import time

    gateway = own_gateway()
    server = upstream()
    server.always(Reply(200, JSON, parts=[STALL], framing="chunked"))
    gateway.backend("local", server.url)
    begun = time.monotonic()
    assert "practice" in listed(gateway)
    assert time.monotonic() - begun < 3.0  # 2 s and the noise of a busy machine
