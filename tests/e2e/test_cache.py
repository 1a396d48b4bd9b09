"""Answers that rules keep, as a whole program: two processes, a restart, the commands, the pages; and no word of a prompt or
an answer in any file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from pointsman.practice import ScriptedUpstream
from tests.agents.model import CHAT, MESSAGES
from tests.gateway.test_recovered_calls import saying
from tests.web.visitor import Visitor

from .gateway import Gateway, wait_until

Make = Callable[..., Gateway]
PROMPT, SAID = "canary-prompt-5b1f", "canary-answer-77aa"
PATHS = {CHAT: "/v1/chat/completions", MESSAGES: "/v1/messages"}


def ask(gateway: Gateway, model: str, protocol: str = CHAT, **more: Any) -> httpx.Response:
    """On a connection of its own, so that any process may take it."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": PROMPT}],
        "temperature": 0,
        "max_tokens": 9,
    }
    return httpx.post(gateway.url + PATHS[protocol], json=body | more, timeout=20)


def results(*answers: httpx.Response) -> list[str]:
    assert {one.status_code for one in answers} == {200}
    return [one.headers["x-pointsman-cache"] for one in answers]


def has(folder: Path, word: str) -> list[str]:
    return [str(one) for one in folder.rglob("*") if one.is_file() and word.encode() in one.read_bytes()]


def test_every_process_and_the_next_life_have_the_same_answers(own_gateway: Make, upstream: Any) -> None:
    gateway: Gateway = own_gateway("--workers", "2")
    server: ScriptedUpstream = upstream()
    server.always(saying(CHAT, SAID))
    name = gateway.fresh()
    number = gateway.rule(name, gateway.backend("openai", server.url))["id"]
    gateway.cli("mapping", "update", str(number), "--cache", "1h")
    for protocol in (CHAT, MESSAGES):
        for stream in (False, True):
            first = ask(gateway, name, protocol, stream=stream)
            asked = len(server.requests)
            again = [ask(gateway, name, protocol, stream=stream) for _ in range(8)]
            assert results(first, *again) == ["miss", *["hit"] * 8]
            assert {one.content for one in again} == {first.content}
            assert len(server.requests) == asked
    assert has(gateway.data_dir, PROMPT) == has(gateway.data_dir, SAID) == []
    assert len(list((gateway.data_dir / "answers").iterdir())) == 4
    gateway.stop()
    gateway.start()
    asked = len(server.requests)
    assert results(*(ask(gateway, name) for _ in range(4))) == ["hit"] * 4
    assert len(server.requests) == asked


def test_what_is_kept_is_told_cleared_and_goes_with_its_rule(gateway: Gateway, upstream: Any) -> None:
    server: ScriptedUpstream = upstream()
    server.always(saying(CHAT, SAID))
    name = gateway.fresh()
    number = gateway.rule(name, gateway.backend("local", server.url))["id"]
    gateway.cli("mapping", "update", str(number), "--cache")
    assert results(*(ask(gateway, name) for _ in range(3))) == ["miss", "hit", "hit"]
    wait_until(
        "its counts are told",
        lambda: gateway.cli_json("cache", "show")["hits"] == 2,
        10,
    )
    shown = gateway.cli_json("cache", "show")
    assert (shown["entries"], shown["bytes"], shown["misses"]) == (1, 4096, 1)
    assert [one["mapping_id"] for one in shown["rules"]] == [number]
    assert "1 answers" in gateway.cli("cache", "show")
    _pages(gateway, name)
    rows = gateway.cli_json("usage", "--cached")
    assert [(one["target"], one["flag"], one["cost"], one["attempts"]) for one in rows] == [
        (None, "cached", 0, 0)
    ] * 2
    gateway.cli("cache", "clear", "--mapping", str(number + 1))
    assert results(ask(gateway, name)) == ["hit"]
    guest = Visitor(gateway.url, gateway.admin_token)
    try:
        page = guest.follow(f"/ui/settings/cache/{number}/clear", {}).body.decode()
        assert f"Every kept answer of {name} is deleted." in page
        assert "Nothing yet: the rule" in page
        assert results(ask(gateway, name)) == ["miss"]
        assert "Every kept answer is deleted." in guest.follow("/ui/settings/cache/clear", {}).body.decode()
    finally:
        guest.close()
    assert results(ask(gateway, name)) == ["miss"]
    gateway.cli("cache", "clear")
    assert results(ask(gateway, name), ask(gateway, name)) == ["miss", "hit"]
    gateway.cli("mapping", "update", str(number), "--no-cache")
    assert "x-pointsman-cache" not in ask(gateway, name).headers
    wait_until("they are gone", lambda: list((gateway.data_dir / "answers").iterdir()) == [], 15)


def _pages(gateway: Gateway, name: str) -> None:
    """Requests, Usage, Home and the rule's card say so."""
    guest = Visitor(gateway.url, gateway.admin_token)
    try:
        page = guest.text("/ui/requests?cached=true")
        assert page.count(">the cache</span>") == 2
        assert "out of the cache" in page
        (row, *_) = gateway.api("GET", "/api/usage?cached=true")
        told = guest.text(f"/ui/requests/{row['id']}")
        assert "an equal request's answer was told again" in told
        where = re.findall(r'By the rule <a class="link mono" href="/ui/mappings#(rule-\d+)">', told)[0]
        mappings = guest.text("/ui/mappings")
        assert f'id="{where}"' in mappings, "the rule that a request names is found by what it is called"
        assert f", id {where.removeprefix('rule-')}</small>" in mappings
        assert "2 of them</a> came out of the cache" in guest.text("/ui/usage?range=today")
        assert "2 from the cache" in guest.text("/ui")
        assert ">answers kept</span>" in guest.text("/ui/mappings")
        page = guest.text("/ui/settings/cache")
        assert "1 answer, " in page
        assert "2 told again</a>, 1 asked" in page
        body = json.dumps({"model": name, "messages": [{"role": "user", "content": "x"}]})
        told = guest.post("/ui/mappings/explain", {"dry": body}, hx_request="true").body.decode()
        assert "Cache: it is answered anew each time: it says no temperature" in told
    finally:
        guest.close()
