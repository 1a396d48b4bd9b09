"""`python -m tests.gateway.walled_names`, in a namespace of its own: a local server's name that leads to another machine's
address, and proxies in the environment. Prints who was connected to, as JSON.

Names are the machine's own resolver's: /etc/hosts is another file there (test_walls_beyond_names.py).
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvloop

from pointsman.admin.store.client_keys import digest
from pointsman.link.messages import ClientKeySpec, Shadowed
from pointsman.practice import ScriptedUpstream
from pointsman.providers.proxies import Proxies
from pointsman.routing.specs import BackendSpec
from pointsman.secret import Secret
from pointsman.upstream.egress import Egress

from .plane import HANG_SECONDS, Plane, plane, rule
from .walled import CANARY, PEPPER, PROMPTS, SPOKEN, WALLED, prompt, well

AWAY, PROXY = "203.0.113.7", "203.0.113.8"
HOSTS = f"127.0.0.1 localhost\n{AWAY} far.test\n127.0.0.1 both.test\n{AWAY} both.test\n127.0.0.1 near.test\n"


@asynccontextmanager
async def listening(host: str, seen: list[bytes]) -> AsyncIterator[int]:
    """Takes every connection and writes down what comes."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came = await reader.read(100_000)
        if came.startswith(b"CONNECT "):
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            came = await reader.read(100_000)
        if not came.startswith(
            b"GET /v1/models "
        ):  # whether it is there is asked of every backend, and tells nothing
            seen.append(came)
        writer.close()

    server = await asyncio.start_server(take, host, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def asked(found: Plane, wall: str, url: str, name: str) -> None:
    keys = (ClientKeySpec(2, "walled", digest(PEPPER, WALLED), local_only=wall == "key"),)
    one = BackendSpec("local/box", "local", "box", url, SPOKEN, allow_http=True)
    found.rules(
        rule("*", "local/box", local_only=wall == "rule"), backends=[one],
        client_keys=keys, keys_required=True, pepper=PEPPER,
    )  # fmt: skip
    lines = f"authorization: Bearer {WALLED}", "x-pointsman-no-fallback: 1"
    for path in PROMPTS:
        await found.ask(path, prompt(path, name), *lines)
        await found.ask(path, prompt(path, name, stream=True), *lines)


async def shadowed(found: Plane, url: str, name: str) -> None:
    """A cloud answers, and the server of that name is to be asked, too. Returns when it is known what came of each."""
    with ScriptedUpstream() as cloud:
        cloud.always(well)
        far = BackendSpec(
            "openai/a",
            "openai",
            "a",
            cloud.url,
            SPOKEN,
            "bearer",
            Secret("sk-1"),
            proxy="none",
            allow_http=True,
        )
        one = BackendSpec("local/box", "local", "box", url, SPOKEN, allow_http=True)
        told: list[Shadowed] = []
        found.plane.tell_shadowed = lambda some: told.append(some) or True
        has_one = rule("*", "openai/a", shadow="local/box:q", shadow_share=100, shadow_busy=100)
        found.rules(has_one, backends=[far, one])
        for count, path in enumerate(("/v1/chat/completions", "/v1/messages", "/v1/responses"), 1):
            got = await found.ask(path, prompt(path, name))
            assert got.status == 200, got.body
            async with asyncio.timeout(HANG_SECONDS):
                while sum(len(some.compared) for some in told) < count:
                    await asyncio.sleep(0.01)


async def main() -> None:
    told = {}
    away: list[bytes] = []
    proxied: list[bytes] = []
    async with listening(AWAY, away) as port, listening(PROXY, proxied) as proxy, plane() as found:
        near: list[bytes] = []
        environment = {"HTTP_PROXY": f"http://{PROXY}:{proxy}", "ALL_PROXY": f"http://{PROXY}:{proxy}"}
        for via in ({}, environment):
            found.plane.pool.egress = Egress(2.0, proxies=Proxies.from_environment(via))
            for wall in ("rule", "key", "", "shadow"):
                for host in ("far.test", AWAY, "both.test"):
                    away.clear()
                    proxied.clear()
                    where, name = f"http://{host}:{port}", f"m-{wall}-{host}-{bool(via)}"
                    await (
                        shadowed(found, where, name) if wall == "shadow" else asked(found, wall, where, name)
                    )
                    told[f"{wall or 'none'} {host}{' proxy' if via else ''}"] = [
                        len(away), len(proxied), CANARY.encode() in b"".join([*away, *proxied])
                    ]  # fmt: skip
            for what in ("rule", "shadow"):
                proxied.clear()
                near.clear()
                async with listening("127.0.0.1", near) as here:
                    where, name = f"http://near.test:{here}", f"near-{what}-{bool(via)}"
                    await (
                        shadowed(found, where, name)
                        if what == "shadow"
                        else asked(found, "rule", where, name)
                    )
                    told[f"near.test {what}{' proxy' if via else ''}"] = [
                        len(near) > 0,
                        len(proxied),
                        CANARY.encode() in b"".join(near),
                    ]
    print(json.dumps(told))


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
