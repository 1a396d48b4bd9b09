"""Which backend a request goes to, and that `explain` says the same beforehand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from .gateway import Gateway
from .replies import JSON, Reply, either
from .wires import CHAT, MESSAGES, RESPONSES, WIRES, Wire

if TYPE_CHECKING:
    from pointsman.practice.scripted import ScriptedUpstream

Upstreams = Callable[..., "ScriptedUpstream"]


def target(gateway: Gateway, model: str, wire: Wire = CHAT) -> str:
    answer = gateway.fetch("POST", wire.path, wire.ask(model))
    assert answer.status == 200, answer.body
    return answer.header("x-pointsman-target") or ""


def practice(gateway: Gateway, pattern: str, served: str, **fields: object) -> int:
    """A rule to the practice backend; which rule won shows in the model name of the target."""
    return int(gateway.rule(pattern, f"local/practice={served}", **fields)["id"])


def test_exact_name_wins_over_wild_and_longer_over_shorter(gateway: Gateway) -> None:
    base = gateway.fresh()
    practice(gateway, f"{base}*", "practice:slow")
    practice(gateway, f"{base}-x*", "practice")
    assert target(gateway, f"{base}-x1") == "local/practice:practice"
    assert target(gateway, f"{base}-y") == "local/practice:practice:slow"
    practice(gateway, f"{base}-x2", "practice:slow")
    assert target(gateway, f"{base}-x2") == "local/practice:practice:slow"


def test_priority_wins_over_everything(gateway: Gateway) -> None:
    base = gateway.fresh() + "-x"
    practice(gateway, base, "practice:slow")
    practice(gateway, f"{base[:-1]}?", "practice", priority=5)
    assert target(gateway, base) == "local/practice:practice"


def test_a_change_is_live_when_the_command_returns(gateway: Gateway) -> None:
    name = gateway.fresh()
    rule = practice(gateway, name, "practice")
    for _ in range(5):
        gateway.api("PATCH", f"/api/mappings/{rule}", {"backend_model": "practice:slow"})
        assert target(gateway, name) == "local/practice:practice:slow"
        gateway.api("PATCH", f"/api/mappings/{rule}", {"backend_model": "practice"})
        assert target(gateway, name) == "local/practice:practice"


def test_a_disabled_rule_is_not_used_and_a_deleted_one_is_gone(gateway: Gateway) -> None:
    name = gateway.fresh()
    rule = practice(gateway, name, "practice")
    gateway.api("PATCH", f"/api/mappings/{rule}", {"enabled": False})
    assert gateway.fetch("POST", CHAT.path, CHAT.ask(name)).status == 404
    gateway.api("PATCH", f"/api/mappings/{rule}", {"enabled": True})
    assert gateway.fetch("POST", CHAT.path, CHAT.ask(name)).status == 200
    gateway.api("DELETE", f"/api/mappings/{rule}", status=204)
    assert gateway.fetch("POST", CHAT.path, CHAT.ask(name)).status == 404


def test_matching_is_case_sensitive_and_covers_the_whole_name(gateway: Gateway) -> None:
    name = gateway.fresh("Case")
    practice(gateway, name, "practice")
    for wrong in (name.lower(), name + "x", "x" + name):
        assert gateway.fetch("POST", CHAT.path, CHAT.ask(wrong)).status == 404


def test_the_1m_suffix_matches_the_plain_rule_and_is_not_sent_upstream(
    gateway: Gateway, upstream: Upstreams
) -> None:
    server = upstream()
    server.always(either(MESSAGES, "ok"))
    name, _ = gateway.route("anthropic", server.url)
    assert gateway.fetch("POST", MESSAGES.path, MESSAGES.ask(f"{name}[1m]")).status == 200
    assert server.requests[0].json()["model"] == name


def test_an_alias_sends_the_other_name(gateway: Gateway, upstream: Upstreams) -> None:
    server = upstream()
    server.always(either(CHAT, "ok"))
    name = gateway.fresh("fast")
    backend = gateway.backend("openai", server.url)
    gateway.rule(name, f"{backend}=gpt-4o-mini")
    assert target(gateway, name) == f"{backend}:gpt-4o-mini"
    assert server.requests[0].json()["model"] == "gpt-4o-mini"


def test_a_wild_rule_cannot_take_the_practice_model(gateway: Gateway, upstream: Upstreams) -> None:
    server = upstream()
    backend = gateway.backend("openai", server.url)
    rule = gateway.rule("pract*", backend, priority=100)
    try:
        assert target(gateway, "practice") == "local/practice:practice"
    finally:
        gateway.api("DELETE", f"/api/mappings/{rule['id']}", status=204)
    assert server.requests == []


@pytest.mark.parametrize("wire", WIRES, ids=repr)
def test_a_rule_without_its_credential_says_what_to_run(gateway: Gateway, wire: Wire) -> None:
    name = gateway.fresh()
    made = gateway.rule(name, f"{wire.kind}/not-set-yet")
    assert made["warnings"]
    answer = gateway.fetch("POST", wire.path, wire.ask(name))
    assert answer.status >= 400
    assert "pointsman credential set" in wire.check_error(answer.json())


@pytest.mark.parametrize(
    ("wire", "kind"), [(CHAT, "anthropic"), (RESPONSES, "anthropic"), (MESSAGES, "openai")]
)
def test_a_backend_of_another_protocol_is_translated_to(
    gateway: Gateway, upstream: Upstreams, wire: Wire, kind: str
) -> None:
    server = upstream()
    name, _ = gateway.route(kind, server.url)
    answer = gateway.fetch("POST", wire.path, wire.ask(name))
    assert answer.status == 200, answer.body
    (received,) = server.requests
    assert received.path == {"anthropic": "/v1/messages", "openai": "/v1/chat/completions"}[kind]
    assert received.path != wire.path


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/completions"])
def test_what_has_no_translation_is_a_clear_501(gateway: Gateway, upstream: Upstreams, path: str) -> None:
    server = upstream()
    name, _ = gateway.route("anthropic", server.url)
    answer = gateway.fetch("POST", path, {"model": name, "input": "x", "prompt": "x"})
    assert answer.status == 501, answer.body
    assert "cannot be translated" in answer.json()["error"]["message"]
    assert server.requests == []


def test_another_v1_path_with_a_model_goes_to_that_models_backend(
    gateway: Gateway, upstream: Upstreams
) -> None:
    server = upstream()
    server.always(Reply(200, JSON, body={"results": [{"flagged": False}]}))
    name, _ = gateway.route("openai", server.url)
    answer = gateway.fetch("POST", "/v1/moderations", {"model": name, "input": "x"})
    assert answer.status == 200, answer.body
    assert server.requests[0].path == "/v1/moderations"


def test_responses_subpaths_go_to_the_models_backend(gateway: Gateway, upstream: Upstreams) -> None:
    server = upstream()
    server.always(Reply(200, JSON, body={"object": "response.input_tokens", "input_tokens": 3}))
    name, _ = gateway.route("openai", server.url)
    answer = gateway.fetch("POST", "/v1/responses/input_tokens", {"model": name, "input": "x"})
    assert answer.status == 200, answer.body
    assert server.requests[0].path == "/v1/responses/input_tokens"


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("", "/v1/chat/completions"),
        ("/v1", "/v1/chat/completions"),
        ("/v1/", "/v1/chat/completions"),
        ("/openai/v1", "/openai/v1/chat/completions"),
        ("/api/paas/v4", "/api/paas/v4/chat/completions"),
        ("/v1beta/openai/", "/v1beta/openai/chat/completions"),
        ("/openai/deployments/d/chat/completions?api-version=1", "/openai/deployments/d/chat/completions"),
    ],
)
def test_a_base_url_is_what_the_providers_page_says(
    gateway: Gateway, upstream: Upstreams, path: str, wanted: str
) -> None:
    server = upstream()
    server.always(either(CHAT, "ok"))
    name, _ = gateway.route("openai", server.url + path)
    assert gateway.fetch("POST", CHAT.path, CHAT.ask(name)).status == 200
    assert server.requests[0].path == wanted


def test_explain_names_the_rule_and_the_targets_in_order_without_sending(
    gateway: Gateway, upstream: Upstreams
) -> None:
    one, two = upstream(), upstream()
    name, backends = gateway.route("openai", one.url, two.url)
    told = gateway.api("GET", f"/api/explain?model={name}")
    text = json.dumps(told)
    assert text.index(backends[0]) < text.index(backends[1])
    assert name in text
    assert one.requests == two.requests == []


def test_explain_says_why_a_target_cannot_be_used(gateway: Gateway) -> None:
    name = gateway.fresh()
    gateway.rule(name, "anthropic/never-set")
    assert "credential set" in json.dumps(gateway.api("GET", f"/api/explain?model={name}"))


BAD_BODIES = {
    "not json": b"{nope",
    "empty": b"",
    "an array": b'[{"model": "practice"}]',
    "model missing": b'{"messages": []}',
    "model not a string": b'{"model": 4, "messages": []}',
    "model twice": b'{"model": "practice", "messages": [], "model": "practice"}',
    "model twice, once escaped": b'{"model": "practice", "messages": [], "mod\\u0065l": "practice"}',
    "nested too deep": b'{"model": "practice", "messages": ' + b"[" * 200 + b"]" * 200 + b"}",
    "more after the end": b'{"model": "practice", "messages": []} {"model": "x"}',
    "not utf-8": b'{"model": "practice", "messages": [{"role": "user", "content": "\xff\xfe"}]}',
    "a byte order mark in utf-16": '{"model": "practice"}'.encode("utf-16"),
}


@pytest.mark.parametrize("wire", WIRES, ids=repr)
@pytest.mark.parametrize("case", BAD_BODIES)
def test_a_body_that_cannot_be_read_is_a_400_in_the_clients_protocol(
    gateway: Gateway, wire: Wire, case: str
) -> None:
    answer = gateway.fetch("POST", wire.path, BAD_BODIES[case])
    assert answer.status == 400, answer.body
    wire.check_error(answer.json())


@pytest.mark.parametrize("depth", [100, 126])
def test_nesting_up_to_the_limit_is_fine(gateway: Gateway, upstream: Upstreams, depth: int) -> None:
    server = upstream()
    server.always(either(CHAT, "ok"))
    name, _ = gateway.route("openai", server.url)
    body = b'{"model": "%s", "messages": [], "deep": %s}' % (name.encode(), b"[" * depth + b"]" * depth)
    assert gateway.fetch("POST", CHAT.path, body).status == 200
    assert server.requests[0].body == body
