"""What others are told of a walled request: webhooks, a collector, the log at its most talkative, usage as it is exported and
metrics have names and numbers of it, and no word of what was asked, answered or shown as a key; also where all fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pointsman.practice import Received, Reply, ScriptedUpstream

from .gateway import Gateway, wait_until
from .replies import CUT, JSON, begins, either, fails
from .wires import CHAT, MESSAGES, RESPONSES, Wire

ASKED, ANSWERED = "canary-asked-4b1d", "canary-answered-77c0"
FAST = {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_METRIC_EXPORT_INTERVAL": "300"}
Answer = Callable[[Wire], Any]


def quoting(wire: Wire, status: int) -> Reply:
    """As many servers do, it quotes what it was asked."""
    return fails(wire, status, f"cannot answer '{ASKED}': {ANSWERED}")


def on_paths(answer: Answer) -> Callable[[Received], Reply]:
    """Each protocol's own; nothing else is known there."""

    def reply(received: Received) -> Reply:
        for wire in (CHAT, RESPONSES, MESSAGES):
            if received.path == wire.path:
                made = answer(wire)
                said: Reply = made(received) if callable(made) else made
                return said
        return Reply(404, JSON, body=b"{}")

    return reply


ANSWERS: dict[str, Answer] = {
    "well": lambda wire: either(wire, ANSWERED),
    "400": lambda wire: quoting(wire, 400),
    "too long": lambda wire: fails(
        wire, 400, f"prompt is too long: 9 tokens > 4 maximum: {ASKED} {ANSWERED}"
    ),
    "no answer": lambda _: Reply(200, JSON, body=f'{{"{ASKED}": "{ANSWERED}"}}'.encode()),
    "a page": lambda _: Reply(200, {"content-type": "text/html"}, body=f"<p>{ASKED} {ANSWERED}".encode()),
    "neither": lambda _: Reply(200, {"content-type": "text/plain"}, body=f"{ASKED} {ANSWERED}".encode()),
    "cut": lambda wire: begins(wire, CUT, text=ANSWERED),
    "nonsense in a stream": lambda wire: begins(
        wire, f"data: {{{ASKED} {ANSWERED}\n\n".encode(), text=ANSWERED
    ),
    "401": lambda wire: quoting(wire, 401),
    "500": lambda wire: quoting(wire, 500),
}
"""The last ones close a breaker."""


def told(server: ScriptedUpstream) -> str:
    """All that it was given, heads too."""
    return "".join(f"{one.target} {one.headers} {one.body.decode('latin-1')}" for one in server.requests)


def test_no_word_of_a_walled_request_is_told_to_anybody_else(tmp_path: Path) -> None:
    with ScriptedUpstream() as here, ScriptedUpstream() as hook, ScriptedUpstream() as collector:
        hook.always(Reply(204, {}, body=b""))
        collector.always(Reply(200, {"content-type": "application/x-protobuf"}, body=b""))
        env = {**FAST, "POINTSMAN_OTEL": collector.url, "POINTSMAN_LOG": "debug"}
        with Gateway(tmp_path / "data", env=env) as gateway:
            gateway.cli("webhook", "add", f"{hook.url}/told")
            box = gateway.backend("local", here.url, key="sk-canary-of-the-server")
            gateway.rule("walled", box, local_only=True)
            gateway.rule("asked", box, local_only=True, conditions=["tokens>1"], recover_calls=True)
            key = gateway.cli_json("key", "create", "--name", "ann", "--local-only")["secret"]
            secrets = {
                "asked": ASKED,
                "answered": ANSWERED,
                "key": key,
                "server's key": "sk-canary-of-the-server",
            }
            asked = 0
            for what, answer in ANSWERS.items():
                here.always(on_paths(answer))
                for wire in (CHAT, RESPONSES, MESSAGES):
                    for stream in (False, True):
                        body = wire.ask("walled", f"say {ASKED}", stream=stream)
                        got = gateway.fetch("POST", wire.path, body, authorization=f"Bearer {key}")
                        assert what != "well" or got.status == 200, got.body
                        asked += 1
            for wire in (CHAT, RESPONSES, MESSAGES):  # bodies that nobody can read
                for what in ({ASKED: 1}, [ASKED], [{"role": ASKED, "content": {"x": ASKED}, "type": ASKED}]):
                    body = {"model": "asked", "messages": what, "input": what, "max_tokens": 9}
                    gateway.fetch("POST", wire.path, body, authorization=f"Bearer {key}")
                    asked += 1
            assert ASKED in told(here)
            wait_until("a webhook is told", lambda: "backend.down" in told(hook))
            wait_until(
                "all usage is stored", lambda: len(gateway.api("GET", "/api/usage?limit=500")) >= asked
            )
            outside = {
                "usage": gateway.cli("usage", "--csv") + gateway.cli("usage", "--json", "--limit", "500"),
                "explain": gateway.cli("explain", "walled", "--last"),
                "metrics": gateway.fetch("GET", "/metrics").body.decode(),
            }
            wait_until("the collector is told", lambda: "walled" in told(collector))
        outside |= {"webhook": told(hook), "collector": told(collector), "log": gateway.read_log()}
    for where, text in outside.items():
        assert text, where
        for what, secret in secrets.items():
            at = text.find(secret)
            assert at < 0, f"{what} in {where}: ...{text[max(0, at - 300) : at + 100]}"
