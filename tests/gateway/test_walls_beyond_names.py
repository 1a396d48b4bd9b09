"""Ways past a wall that are no names of models: where a server's name, its socket or its proxy leads, servers that were found,
conditions, and answers that are joined. See test_every_way_past_the_wall.py."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pointsman.practice import Pause, Received, Reply
from pointsman.routing.specs import BackendSpec
from tests.agents.model import CHAT, JSON, WHOLE
from tests.engines.doubles import Model, double

from .plane import rule
from .test_elsewhere import ollama
from .test_every_way_past_the_wall import WALLS, played
from .walled import CANARY, OPEN, WALLED, Scene, posts, prompt
from .walled_names import AWAY, HOSTS, PROXY

ROOT = Path(__file__).resolve().parents[2]
CHATS = "/v1/chat/completions"


def test_no_name_that_leads_elsewhere_and_no_proxy(tmp_path: Path) -> None:
    """In a namespace: the addresses are this machine's there, and its resolver knows these names alone."""
    hosts = tmp_path / "hosts"
    hosts.write_text(HOSTS)
    inside = (
        f"ip link set lo up && ip addr add {AWAY}/32 dev lo && ip addr add {PROXY}/32 dev lo"
        f' && mount --bind "{hosts}" /etc/hosts && exec "{sys.executable}" -m tests.gateway.walled_names'
    )
    done = subprocess.run(
        ["unshare", "-rnm", "bash", "-c", inside], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
    )  # fmt: skip
    if done.returncode and ("unshare" in done.stderr or "mount" in done.stderr):
        pytest.skip(f"NO NAMESPACES here: {done.stderr[:200]}")
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    for what, (connections, proxied, leaked) in told.items():
        if what.startswith("near.test"):
            assert (connections, proxied, leaked) == (True, 0, True)
        elif what.startswith("none"):
            assert connections or proxied, what  # the way is one
            assert leaked, what
        else:
            assert (proxied, leaked) == (0, False), what
            assert connections == 0, what


class Socket:
    """An engine on a Unix socket. away: models that it sends on."""

    def __init__(self, path: str, away: tuple[str, ...] = ()) -> None:
        self.path, self.away, self.seen = path, away, b""

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = next(
            (int(one[15:]) for one in head.lower().split(b"\r\n") if one.startswith(b"content-length:")), 0
        )
        body = await reader.readexactly(size)
        self.seen += head + body
        models = [{"name": one, "model": one, "remote_host": "https://ollama.com"} for one in self.away]
        path = head.split(b" ")[1].decode()
        said = WHOLE[CHAT]("hello") if path == CHATS else json.dumps({"models": models}).encode()
        status = b"404 No" if path == "/api/show" else b"200 OK"
        lines = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
        writer.write(lines % (status, len(said)) + said)
        await writer.drain()
        writer.close()


@WALLS
def test_no_socket_that_is_a_link_to_another(wall: str, tmp_path: Path) -> None:
    """What a link leads to is asked itself whether it sends the model on."""

    async def work(found: Scene) -> None:
        one, two = Socket(f"{tmp_path}/one.sock"), Socket(f"{tmp_path}/two.sock", ("far:latest",))
        link = tmp_path / "link.sock"
        link.symlink_to(one.path)
        async with (
            await asyncio.start_unix_server(one.take, one.path),
            await asyncio.start_unix_server(two.take, two.path),
        ):
            spec = BackendSpec("local/box", "local", "box", f"unix:{link}", (CHAT,))
            walls = {"local_only": True} if wall == "rule" else {}
            found.serve(rule("*", "local/box", **walls), backends=[spec, found.cloud])
            assert (await found.ask(CHATS, prompt(CHATS, "near"))).status == 200
            link.unlink()
            link.symlink_to(two.path)
            refused = await found.ask(CHATS, prompt(CHATS, "far"))
            assert (refused.status >= 400, b"local_only" in refused.body) == (True, True)
            assert (CANARY.encode() in one.seen, CANARY.encode() in two.seen) == (True, False)
        found.nothing_left()

    played(wall, work)


def test_no_server_that_was_found_and_sends_on() -> None:
    async def work(found: Scene) -> None:
        def lists(received: Received) -> Reply:
            if received.target == "/v1/models":
                data = [{"id": name} for name in ("mid:latest", "big-cloud:latest", "mine:latest")]
                return Reply(200, JSON, body={"object": "list", "data": data})
            return ollama(CHAT)(received)

        found.here.always(lists)
        one = BackendSpec("local/ollama", "local", "ollama", found.here.url, (CHAT,), found=True)
        found.serve(backends=[one, found.cloud])
        listed = (await found.ask("/v1/models", b"", method="GET")).json()["data"]
        assert [model["id"] for model in listed] == ["mid:latest"]
        for name in ("big-cloud:latest", "mine:latest", "mine"):
            assert (await found.ask(CHATS, prompt(CHATS, name))).status >= 400
        assert posts(found.here) == []
        assert (await found.ask(CHATS, prompt(CHATS, "mid:latest"))).status == 200
        found.nothing_left()

    played("key", work)


UNREADABLE: dict[str, list[dict[str, Any]]] = {
    CHATS: [{"messages": 5}, {"messages": [CANARY]}, {"messages": [{"role": "user", "content": {"x": CANARY}}]}, {}],
    "/v1/responses": [{"input": {"x": CANARY}}, {"input": [CANARY]}, {"input": [{"type": "message", "content": 7}]}],
    "/v1/messages": [{"messages": CANARY}, {"messages": [{"role": "user", "content": [[CANARY]]}]}],
}  # fmt: skip


@pytest.mark.parametrize("path", UNREADABLE)
def test_no_body_that_nobody_can_read(path: str) -> None:
    """A wall with conditions on the body: they are taken to hold."""

    async def work(found: Scene) -> None:
        found.serve(
            rule("secret", "local/here", local_only=True, conditions=("images", "tokens>10")),
            rule("*", "openai/away", id=2),
        )
        for body in UNREADABLE[path]:
            for name in ("secret", "Secret", "secret[1m]"):
                await found.ask(path, {"model": name, **body})
        await found.ask(path, b'{"model":"secret","messages":[{"role":"user","content":"' + CANARY.encode())
        found.nothing_left()

    played("rule", work)


def test_a_rule_with_conditions_before_a_wall_is_its_owner_s_word_but_not_behind_a_key() -> None:
    """It comes first at equal priority, and is warned about where it is written (tests/admin/store)."""

    async def work(found: Scene) -> None:
        found.serve(
            rule("secret", "local/here", local_only=True),
            rule("secret", "openai/away", id=2, conditions=("tokens>5",)),
        )
        refused = await found.ask(CHATS, prompt(CHATS))
        assert (refused.status, b"only models on this computer" in refused.body) == (403, True)
        found.nothing_left()
        got = await found.found.ask(CHATS, prompt(CHATS), f"authorization: Bearer {OPEN}")
        assert got.headers["x-pointsman-target"] == "openai/away:secret"

    played("key", work)


def test_no_answer_of_another_key_that_is_still_being_made() -> None:
    async def work(found: Scene) -> None:
        found.away.always(lambda _: Reply(200, JSON, body=WHOLE[CHAT]("from away"), before=[Pause(0.3)]))
        far = BackendSpec(
            "openai/away", "openai", "away", found.away.url, (CHAT,), allow_http=True, join_resends=True
        )
        found.serve(rule("*", "openai/away", "local/here"), backends=[*found.local, far])
        same = prompt(CHATS)
        open_key, walled = (f"authorization: Bearer {key}" for key in (OPEN, WALLED))
        first = asyncio.create_task(found.found.ask(CHATS, same, open_key, "idempotency-key: k"))
        await asyncio.to_thread(found.away.wait)
        for line in ("x-a: b", "idempotency-key: k"):
            got = await found.found.ask(CHATS, same, walled, line)
            assert got.headers["x-pointsman-target"] == "local/here:secret"
        assert (await first).status == 200
        assert len(found.away.requests) == 1

    played("key", work)


async def all_that_is_asked(found: Scene, engine: str, redirected: frozenset[str]) -> set[str]:
    """The ways on which a server was asked of itself: its models, what it knows of one, how it is. redirected: those whose
    answer leads to the cloud."""
    itself, sick = double(engine, Model("m", 4096)), False

    def answer(received: Received) -> Reply:
        if "chat" in received.path:
            return Reply(500, JSON, body=b"{}") if sick else itself(received)
        if received.target in redirected or "*" in redirected:
            status = (301, 302, 303, 307, 308)[len(found.here.requests) % 5]
            return Reply(status, {"location": f"{found.away.url}{received.target}"})
        return itself(received)

    found.here.always(answer)
    walls = {"local_only": True} if found.wall == "rule" else {}
    box = BackendSpec("local/here", "local", "here", found.here.url, (CHAT,))
    found.serve(rule("*", "local/here", **walls), backends=[box, found.cloud])
    lists = ("/v1/models", "/v1/models/m", "/api/tags")
    for path in lists:
        await found.ask(path, b"", method="GET")
    long = [{"role": "user", "content": f"{CANARY} " * 300}]
    await found.ask(
        CHATS, prompt(CHATS, "m", messages=long, tools=[{"type": "function", "function": {"name": "f"}}])
    )
    await found.ask("/v1/messages/count_tokens", prompt("/v1/messages/count_tokens", "m"))
    if redirected <= {"/health"}:
        sick = True
        for _ in range(5):
            await found.ask(CHATS, prompt(CHATS, "m"))
        async with asyncio.timeout(20):
            while not any(one.path == "/health" for one in found.here.requests):
                await asyncio.sleep(0.01)
    for path in lists:
        await found.ask(path, b"", method="GET")
    found.nothing_left()
    return {one.target for one in found.here.requests if "chat" not in one.path}


@WALLS
@pytest.mark.parametrize("engine", ["ollama", "lm_studio", "llama_cpp", "compatible"])
def test_no_redirect_of_what_a_server_is_asked_of_itself(wall: str, engine: str) -> None:
    """Each of those ways alone, and all of them: what it knows of a model may be asked with the prompt, to count it."""
    ways: set[str] = set()

    async def work(found: Scene) -> None:
        ways.update(await all_that_is_asked(found, engine, frozenset()))

    played(wall, work)
    assert {"/v1/models", "/health"} <= ways
    assert engine != "ollama" or "/api/show" in ways

    for redirected in (*sorted(ways), "*"):

        async def led_away(found: Scene, way: str = redirected) -> None:
            await all_that_is_asked(found, engine, frozenset({way}))

        played(wall, led_away)
