"""Both planes judge Host and Origin alike: the same heads to each, over a socket of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from pointsman.gateway.client.access import HostGuard
from tests.admin.control.plane import Plane as ControlPlane
from tests.gateway.plane import plane as data_plane

NAMES, ORIGINS = ("box.lan:4480", "[fd00::1]"), ("https://chat.example/",)

HEADS: list[tuple[str, str, dict[str, str], int]] = [
    (f"Host: {host!r}", "GET", {"host": host}, status)
    for host, status in {
        "localhost": 200, "LOCALHOST:4480": 200, "localhost.": 200, "localhost.:80": 200, "x.localhost": 200,
        "127.0.0.1:1": 200, "[::1]:80": 200, "box.lan": 200, "BOX.LAN.:9": 200, "[FD00::1]:9": 200,
        "localhost:abc": 400, "localhost:": 400, "localhost:999999": 400, "": 400, "a b": 400, "[::1": 400,
        "user@localhost": 400, "localhost..": 403, "evil.example": 403, "localhost.evil.example": 403,
        "127.0.0.1.nip.io": 403, "2130706433": 403, "192.168.1.9": 403, "127.0.0.2": 403, "[fe80::1]": 403,
    }.items()
] + [
    (f"{method} {more}", method, {"host": "localhost:1", **more}, status)
    for method, more, status in (
        ("GET", {"origin": "http://localhost:1"}, 200),
        ("GET", {"origin": "https://LOCALHOST:1"}, 200),
        ("GET", {"origin": "https://Chat.example"}, 200),
        ("GET", {"origin": "https://chat.example.evil"}, 403),
        ("GET", {"origin": "http://localhost"}, 403),
        ("GET", {"origin": "null"}, 403),
        ("GET", {"origin": ""}, 403),
        ("GET", {"origin": "file://"}, 403),
        ("GET", {"sec-fetch-site": "cross-site"}, 200),
        ("POST", {"sec-fetch-site": "cross-site"}, 403),
        ("POST", {"sec-fetch-site": "same-site"}, 403),
        ("POST", {"sec-fetch-site": "same-origin"}, 405),
        ("POST", {"sec-fetch-site": "none"}, 405),
        ("POST", {"sec-fetch-site": "cross-site", "origin": "https://chat.example"}, 405),
        ("POST", {}, 405),
    )
]  # fmt: skip


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    allowed = [word for name in NAMES for word in ("--allow-host", name)]
    allowed += [word for origin in ORIGINS for word in ("--allow-origin", origin)]
    folder: Path = tmp_path_factory.mktemp("rule") / "data"
    with ControlPlane(folder, "--public-url", "http://127.0.0.1:1", *allowed) as running:
        yield running


def head(method: str, headers: dict[str, str]) -> bytes:
    lines = [f"{method} /api/hello HTTP/1.1", "connection: close", "content-length: 0"]
    return "\r\n".join([*lines, *(f"{n}: {v}" for n, v in headers.items()), "", ""]).encode()


def of_control(control: ControlPlane, raw: bytes) -> int:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10.0)
        connection.connect(str(control.socket))
        connection.sendall(raw)
        return int(connection.makefile("rb").readline().split()[1])


async def of_data(raw: list[bytes]) -> list[int]:
    found = []
    async with data_plane(HostGuard("127.0.0.1", NAMES, ORIGINS)) as plane:
        plane.rules(backends=[])
        for one in raw:
            reader, writer = await plane.connect()
            writer.write(one)
            found.append(int((await asyncio.wait_for(reader.readline(), 10.0)).split()[1]))
            writer.close()
    return found


def test_both_planes_let_in_and_refuse_the_same_heads(control: ControlPlane) -> None:
    raw = [head(method, headers) for _, method, headers, _ in HEADS]
    wanted = {name: status for name, _, _, status in HEADS}
    assert dict(zip(wanted, uvloop.run(of_data(raw)), strict=True)) == wanted
    assert {name: of_control(control, one) for name, one in zip(wanted, raw, strict=True)} == wanted
