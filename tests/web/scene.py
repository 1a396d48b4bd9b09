"""A gateway as somebody has it who works with it: two local servers of which one is down, an engine on demand, two scripted
clouds, rules, keys, a month of usage, and requests that have just been answered, rescued, failed and left.

Everything listens on loopback, the clouds too: their names are reached by a proxy that opens ways to this machine alone. The
month is written into the usage log; what is of the last minutes has been sent.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fastapi import Response

from pointsman.admin.control.control_plane import ControlPlane
from pointsman.admin.routers import groups, keys
from pointsman.ledger.blocks import block_of
from pointsman.ledger.records import UsageRecord
from pointsman.models import ClientKeyCreate, KeyGroupCreate
from pointsman.practice import Received, Reply, ScriptedUpstream
from pointsman.practice.answers import reply_to
from pointsman.providers.urls import engine_url
from pointsman.warden.recipe import write_recipe
from tests.e2e.gateway import Gateway, wait_until
from tests.e2e.web import raw
from tests.outbound.scripted_proxy import ScriptedProxy
from tests.upstream.certificates import authority_file, server_context

CLAUDE = """\
{
  // allowed without being asked
  "permissions": {
    "allow": ["Bash(git diff *)", "Bash(make test)"]
  }
}
"""
ROOT = Path(__file__).parents[2]
DAYS = 30
QUIET = 240.0
"""Seconds before now in which nothing is made up."""
LONG = "Explain how a turnout is thrown, from the lever to the blades."
SLOWLY = 0.5
"""Seconds between the pieces of an answer to LONG."""
WORDS = (
    "Explain this stack trace",
    "Write a test for the parser",
    "What does this commit change?",
    "Rename the field everywhere",
    "Summarise the notes of the meeting",
)
AGENTS = {"claude-code": "claude-cli/2.0.14", "laptop": "opencode/1.0.2", "notes": "openai-python/2.8.0"}
RULES: tuple[tuple[str, tuple[str, ...], dict[str, Any]], ...] = (
    ("private-*", ("local/box",), {"local_only": True}),
    ("claude-*", ("anthropic/work",), {}),
    ("gpt-*", ("openai/work",), {}),
    ("qwen*", ("local/box=qwen3-coder-30b", "openai/work=gpt-4o-mini"), {}),
    ("fast", ("local/lmstudio=qwen3-coder-30b",), {}),
    ("qwen3-coder", ("local/lmstudio=qwen3-coder-30b",), {"priority": -1}),
    ("nomic-*", ("local/lmstudio",), {}),
    (
        "review-*",
        ("anthropic/work=claude-sonnet-4-5",),
        {"conditions": ["tokens>30000", "client=claude-code"]},
    ),
    (
        "agent-*",
        ("local/box=qwen3-coder-30b", "anthropic/work=claude-sonnet-4-5"),
        {"stick": True, "stop_loops": True, "fallback_on": ["stuck"], "stuck_after": 3},
    ),
)
CLOUDS = {"openai": "api.openai.com", "anthropic": "api.anthropic.com"}


class Scene:
    """`with Scene(folder) as scene: scene.gateway`. folder: not there yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self.secrets: dict[str, str] = {}

    def __enter__(self) -> Self:
        with self._stack:
            self._fill()
            self.lmstudio = self._server("qwen3-coder-30b", "nomic-embed-text-v1.5", pace=0.01)
            self.box = self._server("qwen3-coder-30b", "private-notes")
            self.openai = self._server("gpt-4o-mini", "gpt-4o", pace=0.004, name=CLOUDS["openai"])
            self.anthropic = self._server("claude-sonnet-4-5", pace=0.004, name=CLOUDS["anthropic"])
            ports = (self.openai.port, self.anthropic.port)
            ways = {f"{host}:443": port for host, port in zip(CLOUDS.values(), ports, strict=True)}
            self._proxy = self._stack.enter_context(ScriptedProxy(ways))
            home = self._folder.parent / "home"  # of whom Connect shows the settings files
            (home / ".claude").mkdir(parents=True, exist_ok=True)
            settings = home / ".claude" / "settings.json"
            settings.write_text(CLAUDE)
            settings.chmod(0o600)
            usual = {
                "POINTSMAN_DATA_DIR": str(self._folder),
                "HOME": str(home),
            }  # commands are shown as for most
            self.gateway = Gateway(self._folder, env=usual, expect_clean_log=False)
            engine = [
                sys.executable,
                str(ROOT / "tests/e2e/small_engine.py"),
                "--port",
                "{port}",
                "--name",
                "tiny-0.6b",
            ]
            recipe = {"command": engine, "env": {"PYTHONPATH": str(ROOT)}, "models": ["tiny-0.6b"]}
            write_recipe(self._folder, "tiny", recipe)
            self._stack.enter_context(self.gateway)
            self._set_up()
            self._talk()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    # -- what there is

    def _server(self, *models: str, pace: float = 0.0, name: str = "") -> ScriptedUpstream:
        """name: of a cloud, which speaks TLS under it."""
        listed = {"object": "list", "data": [{"id": one, "object": "model"} for one in models]}

        def answer(received: Received) -> Reply:
            if received.method == "GET" and received.path.endswith("/models"):
                return Reply(body=listed)
            return reply_to(received, SLOWLY if LONG.encode() in received.body else pace)

        tls = server_context(self._folder.parent, name=name) if name else None
        return self._stack.enter_context(ScriptedUpstream(ssl_context=tls)).always(answer)

    def _set_up(self) -> None:
        gateway = self.gateway
        for name, server in (("lmstudio", self.lmstudio), ("box", self.box)):
            gateway.api("POST", "/api/local", {"name": name, "base_url": server.url}, status=201)
        gateway.api("POST", "/api/local", {"name": "tiny", "base_url": engine_url("tiny")}, status=201)
        proxy, authority = f"http://127.0.0.1:{self._proxy.port}", str(authority_file(self._folder.parent))
        for kind in CLOUDS:
            body = {"backend_type": kind, "name": "work", "api_key": f"sk-{kind}-1234567890"}
            ways = {"proxy": proxy, "ca_file": authority}
            gateway.api("PUT", f"/api/credentials/{kind}/work", body | ways)
        for pattern, targets, fields in RULES:
            gateway.rule(pattern, *targets, **fields)
        gateway.cli("prices", "reference", "anthropic:claude-sonnet-4-5")

    def _fill(self) -> None:
        """Keys, and a month of usage."""
        self._folder.mkdir(mode=0o700, parents=True)
        control = ControlPlane.open(self._folder, {})
        try:
            shared = {"budget_money": 400.0, "per": "month", "zone": "Europe/Berlin"}
            groups.add(control, KeyGroupCreate.model_validate({"name": "team", **shared}), Response())
            for fields in (
                {"name": "laptop", "budget_money": 5.0, "per": "day", "zone": "Europe/Berlin"},
                {"name": "claude-code", "group": "team", "models": ["claude-*", "local/*:*"], "parallel": 8},
                {
                    "name": "notes",
                    "local_only": True,
                    "rate_requests": 60,
                    "budget_tokens": 60_000_000,
                    "per": "week",
                },
            ):
                made = keys.add(control, ClientKeyCreate.model_validate(fields), Response())
                self.secrets[made.name] = made.secret
            now = time.time()
            control.usage.add(block_of(list(month(now - DAYS * 86400, now - QUIET))), again=False)
            for _ in range(200):
                control.usage.tend()
        finally:
            control.close()

    # -- what happens

    def ask(self, key: str, model: str, text: str, *, stream: bool = True, **headers: str) -> int:
        """The status of one request, its answer read to the end."""
        path, body = chat(model, text, stream)
        said = {"authorization": f"Bearer {self.secrets[key]}", "user_agent": AGENTS[key], **headers}
        return self.gateway.fetch("POST", path, body, **said).status

    def leave(self, key: str, model: str, text: str) -> None:
        """A client that goes in the middle of its stream."""
        with raw(self.gateway.url) as line:
            line.send(wire(self.secrets[key], model, text))
            line.until(b"data: ", 3)

    def running(self, key: str, model: str) -> threading.Event:
        """A stream that goes on for half a minute, or until the event is set."""
        over = threading.Event()

        def read() -> None:
            with suppress(OSError, EOFError), raw(self.gateway.url) as line:
                line.send(wire(self.secrets[key], model, LONG))
                while not over.is_set() and line.fill():
                    pass

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        self._stack.callback(reader.join, 10)
        self._stack.callback(over.set)
        return over

    def _talk(self) -> None:
        dice = random.Random(7)
        session = {"x_claude_code_session_id": "5b1f0c52-7a9d-4a55-9d4e-6f0f1d2b3a4c"}
        for number in range(36):
            text = dice.choice(WORDS) + " " + "and the context of it " * dice.randint(1, 60)
            key, model = dice.choice(
                (
                    ("laptop", "qwen3-coder-30b"),
                    ("laptop", "gpt-4o-mini"),
                    ("claude-code", "claude-sonnet-4-5"),
                    ("notes", "fast"),
                    ("notes", "fast"),
                )
            )
            self.ask(key, model, text, stream=number % 4 > 0, **(session if key == "claude-code" else {}))
        self.box.kill()
        self.ask("laptop", "qwen3-coder-30b", WORDS[4] + " with what was decided" * 40)
        self.ask("notes", "private-notes", "What did we decide?")
        self.leave("laptop", "gpt-4o-mini", WORDS[0] * 40)
        self.openai.script("503", "503")
        self.ask("laptop", "gpt-4o-mini", WORDS[1])
        self.ask("laptop", "no-such-model", WORDS[2])
        self.ask("laptop", "tiny-0.6b", WORDS[3], stream=False)
        self.ask("laptop", "gpt-4o-mini", WORDS[0] + " line by line" * 30)
        self.ask("laptop", "qwen3-coder-30b", WORDS[2])
        wait_until("the records are there", lambda: self._records() > 40, 20)

    def _records(self) -> int:
        found = self.gateway.api("GET", f"/api/usage/totals?since={int(time.time()) - 600}")
        return int(found["requests"])


def chat(model: str, text: str, stream: bool) -> tuple[str, dict[str, Any]]:
    """(path, body) in the protocol that the model's clients speak."""
    messages = [{"role": "user", "content": text}]
    if model.startswith("claude"):
        return "/v1/messages", {"model": model, "messages": messages, "max_tokens": 900, "stream": stream}
    extra = {"stream_options": {"include_usage": True}} if stream else {}
    return "/v1/chat/completions", {"model": model, "messages": messages, "stream": stream, **extra}


def wire(secret: str, model: str, text: str) -> bytes:
    """The same as bytes, streamed."""
    path, fields = chat(model, text, True)
    body = json.dumps(fields).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nuser-agent: opencode/1.0.2\r\n"
        f"authorization: Bearer {secret}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def month(begin: float, end: float) -> Iterator[UsageRecord]:
    """Of the hours in which somebody works, in the order of their times."""
    dice = random.Random(3)
    kinds = (
        ("qwen3-coder-30b", "local/lmstudio:qwen3-coder-30b", 1, "opencode", 5, 0),
        ("fast", "local/lmstudio:qwen3-coder-30b", 3, "openai-python", 3, 0),
        ("claude-sonnet-4-5", "anthropic/work:claude-sonnet-4-5", 2, "claude-cli", 2, 3),
        ("gpt-4o-mini", "openai/work:gpt-4o-mini", 1, "opencode", 2, 0.15),
    )
    weights = [kind[4] for kind in kinds]
    made: list[UsageRecord] = []
    for hour in range(DAYS * 24):
        at = begin + hour * 3600
        when = time.gmtime(at)
        busy = dice.randint(8, 28) if 5 <= when.tm_hour <= 20 else dice.randint(0, 4)
        for number in range(busy // 2 if when.tm_wday > 4 else busy):
            model, target, key, client, _, price = dice.choices(kinds, weights)[0]
            read, written = dice.randint(300, 24_000), dice.randint(20, 1500)
            local = target.startswith("local/")
            outcome = "error" if dice.random() < 0.01 else "ok"
            spent = int(read * price * 1000 + written * price * 5000)
            name = f"req_{hour:04x}{number:08x}"
            made.append(
                UsageRecord(
                    at=at + dice.uniform(0, 3600), id=name, request=name,
                    protocol="openai_chat", path="/v1/chat/completions", model=model, target=target, stream=True,
                    key_id=key, mapping_id=None, client=client, session=None, attempts=1, attempt=1, fallback=None,
                    outcome=outcome, status=200 if outcome == "ok" else 502,
                    input_tokens=read if outcome == "ok" else None, output_tokens=written if outcome == "ok" else None,
                    first_output_ms=dice.lognormvariate(5.7, 0.5), total_ms=dice.lognormvariate(8, 0.6),
                    cost=0 if local else spent, saved=int(read * 3000 + written * 15000) if local else None,
                    sent_bytes=900 + read * 4,
                )
            )  # fmt: skip
    yield from sorted((one for one in made if one.at < end), key=lambda one: one.at)
