"""Canaries: provider keys, client keys, prompts and answers planted everywhere turn up nowhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .gateway import Gateway, run_cli, wait_until
from .replies import CUT, begins, either, fails
from .web import post_bytes, raw
from .wires import CHAT, MESSAGES, RESPONSES, WIRES

if TYPE_CHECKING:
    from pointsman.practice.scripted import ScriptedUpstream

Upstreams = Callable[..., "ScriptedUpstream"]

KEYS = {
    "openai": "sk-canary-openai-Zq83hT71mVwX0cPa",
    "anthropic": "sk-ant-canary-Lk29sJ55qRtY7bNe",
    "local": "canary-local-Ow74dG20uHxC6fVi",
    "client sent": "sk-canary-clientsent-Rb61kM98eDyS",
}
PROMPT = "canary-prompt-Tn50wQ33aKzF9gUo"
SAID = "canary-answer-Xe17cB86pJlV4hMs"


def spellings(secret: str) -> dict[str, bytes]:
    """The ways a secret may hide: as it is, in base64 at each offset, in hex, reversed."""
    raw_bytes = secret.encode()
    found = {"plain": raw_bytes, "hex": raw_bytes.hex().encode(), "utf-16": secret.encode("utf-16-le")}
    for offset in range(3):
        whole = base64.b64encode(b"\0" * offset + raw_bytes)
        found[f"base64 at {offset}"] = whole[4 if offset else 0 : -4]
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


class Witness:
    """Collects everything that anybody could see."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.seen: dict[str, bytes] = {}

    def cli(self, *words: str, stdin: str = "") -> str:
        done = run_cli(self.gateway.data_dir, *words, stdin=stdin)
        self.seen[f"cli {' '.join(words)}"] = (done.stdout + done.stderr).encode()
        return done.stdout

    def api(self, method: str, path: str, body: Any = None) -> None:
        answer = self.gateway.api_answer(method, path, body)
        self.seen[f"{method} {path} {body}"[:80] if method == "GET" else f"{method} {path}"] = (
            repr(answer.headers).encode() + answer.body
        )

    def llm(self, path: str, body: dict[str, Any]) -> bytes:
        headers = {"authorization": f"Bearer {KEYS['client sent']}", "x_api_key": KEYS["client sent"]}
        answer = self.gateway.fetch("POST", path, body, **headers)
        self.seen[f"answer {path} {len(self.seen)}"] = repr(answer.headers).encode()
        return answer.body

    def assert_absent(self, what: str, secret: str, *, but_in: tuple[str, ...] = ()) -> None:
        for how, needle in spellings(secret).items():
            for where, data in self.seen.items():
                if where not in but_in:
                    assert needle not in data, f"{what} ({how}) is in {where}"


def set_up(witness: Witness, one: ScriptedUpstream, two: ScriptedUpstream, three: ScriptedUpstream) -> None:
    witness.cli("credential", "set", "openai", "--base-url", one.url, stdin=KEYS["openai"] + "\n")
    witness.cli("credential", "set", "anthropic", "--base-url", two.url, "--json", stdin=KEYS["anthropic"])
    local = {"name": "box", "base_url": three.url, "api_key": KEYS["local"]}
    witness.api("POST", "/api/local", local)
    witness.api("POST", "/api/local", local)  # a conflict must not quote it either
    witness.api("PUT", "/api/credentials/openai/bad", {"api_key": KEYS["openai"], "base_url": "ftp://x"})
    witness.api("PUT", "/api/credentials/openai/worse", {"api_key": KEYS["openai"], "nonsense": {"a": 1}})
    witness.api("PUT", "/api/credentials/nobody", {"api_key": KEYS["openai"]})
    witness.api("PUT", "/api/credentials/openai/list", {"api_key": [KEYS["openai"]]})
    for pattern, target in (("o*", "openai"), ("c*", "anthropic"), ("b*", "local/box")):
        witness.cli("mapping", "add", pattern, "--to", target)


def use(witness: Witness, servers: list[ScriptedUpstream]) -> None:
    for wire, model in ((CHAT, "o1"), (RESPONSES, "o1"), (MESSAGES, "c1"), (CHAT, "b1")):
        for stream in (False, True):
            for server in servers:
                server.always(either(wire, SAID))
            body = witness.llm(wire.path, wire.ask(model, PROMPT, stream=stream))
            said = wire.stream_text(body) if stream else body.decode()
            assert SAID in said
            for fault in (fails(wire, 500, "broken"), fails(wire, 429, "busy"), "refuse", begins(wire, CUT)):
                for server in servers:
                    server.always(fault)
                witness.llm(wire.path, wire.ask(model, PROMPT, stream=stream))
        witness.llm(wire.path, {**wire.ask(model, PROMPT), "model": PROMPT[:10] + "x"})
    for server in servers:
        server.always(begins(CHAT, CUT, text=SAID))
    with raw(witness.gateway.url) as connection:
        connection.send(post_bytes(CHAT.path, json.dumps(CHAT.ask("o1", PROMPT, stream=True)).encode()))
        connection.closed(1.0)


def look_everywhere(witness: Witness) -> None:
    for words in (
        ["credential", "list"],
        ["credential", "list", "--json"],
        ["credential", "test", "openai"],
        ["credential", "test", "anthropic", "--json"],
        ["local", "list", "--json"],
        ["local", "test", "box"],
        ["mapping", "list"],
        ["explain", "o1"],
        ["explain", "b1", "--json"],
        ["usage"],
        ["usage", "--json"],
        ["doctor"],
        ["doctor", "--json"],
        ["key", "list", "--json"],
    ):
        witness.cli(*words)
    for path in (
        "credentials",
        "local",
        "local/box",
        "mappings",
        "keys",
        "usage?limit=1000",
        "doctor",
        "status",
    ):
        witness.api("GET", f"/api/{path}")
    for path in ("explain?model=o1", "openapi.json", "credentials/openai"):
        witness.api("GET", f"/api/{path}")
    for path in ("/ui", "/metrics", "/readyz", "/livez", "/v1/models"):
        answer = witness.gateway.fetch("GET", path)
        witness.seen[path] = repr(answer.headers).encode() + answer.body
    for pid, command in witness.gateway.descendants().items():
        witness.seen[f"command line of {pid}"] = command.encode()


def test_a_canary_key_is_found_in_no_log_response_database_byte_or_export(
    own_gateway: Callable[..., Gateway], upstream: Upstreams
) -> None:
    gateway = own_gateway()
    servers = [upstream() for _ in range(3)]
    witness = Witness(gateway)
    set_up(witness, *servers)
    use(witness, servers)
    assert KEYS["openai"] in str([r.headers for r in servers[0].requests]), "the canary was really used"
    assert KEYS["anthropic"] in str([r.headers for r in servers[1].requests])
    assert KEYS["local"] in str([r.headers for r in servers[2].requests])
    client = gateway.api("POST", "/api/keys", {"name": "k"}, status=201)["secret"]
    gateway.fetch("POST", CHAT.path, CHAT.ask("practice", PROMPT), x_api_key=client)
    gateway.fetch("POST", CHAT.path, CHAT.ask("practice", PROMPT), x_api_key=client[:-2] + "zz")
    wait_until("usage is stored", lambda: len(gateway.api("GET", "/api/usage?limit=1000")) > 40)
    look_everywhere(witness)
    master = (gateway.data_dir / "master.key").read_text().strip()
    token = gateway.admin_token
    runtime = Path(json.loads((gateway.data_dir / "serve.json").read_text())["socket"]).parent
    witness.seen |= {f"runtime {name}": data for name, data in files(runtime).items()}
    witness.seen |= {f"data {name}": data for name, data in files(gateway.data_dir).items()}
    gateway.stop()
    witness.seen |= {f"data after the end: {name}": data for name, data in files(gateway.data_dir).items()}
    witness.seen |= {"log": gateway.log.read_bytes(), "stdout": gateway.stdout.read_bytes()}
    for what, secret in {**KEYS, "client key": client, "prompt": PROMPT, "answer": SAID}.items():
        witness.assert_absent(what, secret)
    own_files = ("data master.key", "data after the end: master.key")
    witness.assert_absent("master key", master, but_in=own_files)
    witness.assert_absent(
        "admin token", token, but_in=("data admin-token", "data after the end: admin-token")
    )


def test_an_upstream_that_quotes_our_key_in_its_error_does_not_show_it_to_the_client(
    gateway: Gateway, upstream: Upstreams
) -> None:
    for wire in WIRES:
        server = upstream()
        key = f"sk-quoted-{gateway.fresh()}"
        server.always(fails(wire, 401, f"Incorrect API key provided: {key}."))
        name = gateway.fresh()
        gateway.rule(name, gateway.backend(wire.kind, server.url, key=key))
        answer = gateway.fetch("POST", wire.path, wire.ask(name))
        assert answer.status == 401
        assert key.encode() not in answer.body


def test_a_stored_key_goes_only_to_the_origin_it_was_stored_for(
    gateway: Gateway, upstream: Upstreams
) -> None:
    first, second = upstream(), upstream()
    gateway.api(
        "POST", "/api/local", {"name": "moved", "base_url": first.url, "api_key": "canary-moved"}, status=201
    )
    answer = gateway.api_answer("PATCH", "/api/local/moved", {"base_url": second.url})
    name = gateway.fresh()
    gateway.rule(name, "local/moved")
    gateway.fetch("POST", CHAT.path, CHAT.ask(name))
    gateway.api_answer("POST", "/api/local/moved/test")
    assert "canary-moved" not in str([received.raw_headers for received in second.requests])
    assert answer.status == 422 or answer.json()
    gateway.api("PATCH", "/api/local/moved", {"base_url": second.url, "api_key": "canary-new"}, status=200)
    gateway.fetch("POST", CHAT.path, CHAT.ask(name))
    assert second.requests[-1].headers["authorization"] == "Bearer canary-new"
