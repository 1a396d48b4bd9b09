"""Changes, crashes and signals while it serves: nobody notices more than they must."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.crowding import within

from .gateway import Gateway, run_cli, wait_until
from .load import FixedUpstream, Outcome, run, under_load
from .replies import Pause, Reply, begins, either, streams
from .web import Connection, post_bytes, raw
from .wires import CHAT, MESSAGES, WIRES, Wire

if TYPE_CHECKING:
    from pointsman.practice.scripted import ScriptedUpstream

Make = Callable[..., Gateway]
Upstreams = Callable[..., "ScriptedUpstream"]


def test_killing_the_control_plane_fails_no_request_and_it_comes_back_with_all_usage(
    own_gateway: Make,
) -> None:
    gateway = own_gateway(expect_clean_log=True)

    async def scene() -> Outcome:
        async with FixedUpstream("a") as a:
            await asyncio.to_thread(gateway.api, "POST", "/api/local", {"name": "a", "base_url": a.url})
            await asyncio.to_thread(gateway.rule, "m", "local/a")

            async def strike(outcome: Outcome) -> None:
                await asyncio.sleep(0.3)
                (old,) = await asyncio.to_thread(gateway.pids, "pointsman.admin")
                os.kill(old, signal.SIGKILL)

                def back() -> bool:
                    try:
                        return gateway.api_answer("GET", "/api/mappings").status == 200
                    except OSError:
                        return False

                await asyncio.sleep(0.05)
                await asyncio.to_thread(wait_until, "the control plane is back", back, 15)
                assert await asyncio.to_thread(gateway.pids, "pointsman.admin") != [old]
                await asyncio.sleep(0.3)

            return await under_load(gateway.url, "m", strike, at_least=500, connections=4)

    outcome = run(scene())
    assert outcome.failures == []
    gateway.api("POST", "/api/local", {"name": "new", "base_url": "http://127.0.0.1:9"}, status=201)

    def stored() -> bool:
        return count_usage(gateway, "m") >= outcome.total

    wait_until("every usage row is stored", stored, 15)
    assert count_usage(gateway, "m") == outcome.total, "a row was stored twice"


def count_usage(gateway: Gateway, model: str) -> int:
    seen: list[str] = []
    query = f"model={model}&limit=1000"
    while True:
        answer = gateway.api_answer("GET", f"/api/usage?{query}")
        seen += [row["id"] for row in answer.json()]
        cursor = answer.header("x-next-cursor")
        if not cursor:
            assert len(seen) == len(set(seen))
            return len(seen)
        query = f"model={model}&limit=1000&cursor={cursor}"


def test_the_admin_api_says_try_again_while_the_control_plane_is_away(own_gateway: Make) -> None:
    gateway = own_gateway()
    (old,) = gateway.pids("pointsman.admin")
    os.kill(old, signal.SIGSTOP)
    try:
        assert gateway.fetch("POST", CHAT.path, CHAT.ask("practice")).status == 200
    finally:
        os.kill(old, signal.SIGKILL)
    answer = gateway.fetch("GET", "/api/mappings", authorization=f"Bearer {gateway.admin_token}")
    assert answer.status in (200, 502, 503)
    if answer.status != 200:
        assert answer.header("retry-after")
        assert answer.header("content-type") == "application/problem+json"
    assert gateway.fetch("POST", CHAT.path, CHAT.ask("practice")).status == 200


class OpenStream(threading.Thread):
    """One streamed answer, read to whatever end it has."""

    def __init__(self, gateway: Gateway, wire: Wire, model: str) -> None:
        super().__init__()
        self.gateway, self.wire, self.model = gateway, wire, model
        self.begun = threading.Event()
        self.seen = b""
        self.cut = False

    def run(self) -> None:
        with raw(self.gateway.url) as connection:
            ask = json.dumps(self.wire.ask(self.model, stream=True)).encode()
            connection.send(post_bytes(self.wire.path, ask))
            try:
                connection.head()
                for piece in connection.chunks():
                    self.seen += piece
                    self.begun.set()
            except (EOFError, TimeoutError):
                self.cut = True
            self.begun.set()

    @property
    def whole(self) -> bool:
        return not self.cut and self.wire.ended(self.seen)


def open_streams(gateway: Gateway, wire: Wire, model: str, count: int) -> list[OpenStream]:
    found = [OpenStream(gateway, wire, model) for _ in range(count)]
    for stream in found:
        stream.start()
    for stream in found:
        assert stream.begun.wait(10)
    return found


def test_killing_one_of_two_processes_loses_only_its_own_streams_and_it_comes_back(
    own_gateway: Make, upstream: Upstreams
) -> None:
    gateway, server = own_gateway("--workers", "2"), upstream()
    server.always(streams(CHAT, "0123456789" * 2, pace=0.1, pieces=20))
    name, _ = gateway.route("openai", server.url)
    old = gateway.pids("pointsman.gateway")
    assert len(old) == 2
    begun = open_streams(gateway, CHAT, name, 12)
    os.kill(old[0], signal.SIGKILL)
    for _ in range(10):  # the other one goes on answering
        assert gateway.fetch("POST", CHAT.path, CHAT.ask("practice")).status == 200
    for stream in begun:
        stream.join(20)
    survivors = [stream for stream in begun if stream.whole]
    for stream in begun:
        assert stream.whole or not CHAT.ended(stream.seen), "a cut stream looks complete"
    assert all(CHAT.stream_text(stream.seen) == "0123456789" * 2 for stream in survivors)

    def two_again() -> bool:
        now = gateway.pids("pointsman.gateway")
        return len(now) == 2 and old[0] not in now and old[1] in now

    wait_until("the killed process was replaced", two_again)
    for _ in range(20):
        assert gateway.fetch("POST", CHAT.path, CHAT.ask("practice")).status == 200


def test_killing_the_only_process_is_mended_before_a_new_client_gives_up(own_gateway: Make) -> None:
    gateway = own_gateway()
    (old,) = gateway.pids("pointsman.gateway")
    os.kill(old, signal.SIGKILL)
    begun = time.monotonic()
    assert gateway.fetch("POST", CHAT.path, CHAT.ask("practice")).status == 200, (
        "not refused, only a little late"
    )
    assert within(time.monotonic() - begun, 10)


def test_a_killed_supervisor_leaves_nothing_behind_that_stops_the_next_start(own_gateway: Make) -> None:
    gateway = own_gateway()
    gateway.rule("m", "local/practice=practice")
    assert gateway.process is not None
    children = list(gateway.descendants())
    gateway.process.kill()
    gateway.process.wait(10)

    def gone() -> bool:
        return not any(alive(pid) for pid in children)

    wait_until("its processes end by themselves", gone, 15)
    gateway.start()
    assert gateway.fetch("POST", CHAT.path, CHAT.ask("m")).status == 200


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return not os.path.isdir("/proc/self")


def test_a_second_serve_on_the_same_data_folder_is_refused(gateway: Gateway) -> None:
    done = run_cli(gateway.data_dir, "serve", "--port", "0", timeout=30)
    assert done.returncode == 1
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
    assert gateway.fetch("GET", "/livez").status == 200


def test_a_taken_port_is_told(gateway: Gateway, tmp_path: Path) -> None:
    done = run_cli(tmp_path / "other", "serve", "--port", str(gateway.port), timeout=30)
    assert done.returncode == 1
    assert str(gateway.port) in done.stderr
    assert "Traceback" not in done.stderr


def test_sigterm_lets_open_streams_finish_and_takes_no_new_ones_and_rules_outlive_it(
    own_gateway: Make, upstream: Upstreams
) -> None:
    gateway = own_gateway()
    names: dict[str, str] = {}
    begun: list[OpenStream] = []
    for wire in WIRES:
        server = upstream()
        server.always(streams(wire, "abcdefghij", pace=0.2, pieces=10))
        names[wire.path], _ = gateway.route(wire.kind, server.url)
    for wire in WIRES:
        begun += open_streams(gateway, wire, names[wire.path], 3)
    assert gateway.process is not None
    gateway.terminate()
    time.sleep(0.3)
    with pytest.raises(OSError):
        gateway.fetch("GET", "/livez")
    for stream in begun:
        stream.join(20)
        assert stream.whole, stream.seen[-300:]
        assert stream.wire.stream_text(stream.seen) == "abcdefghij"
    assert gateway.process.wait(10) == 0
    gateway.process = None
    assert not (gateway.data_dir / "serve.json").exists()
    gateway.start()
    for wire in WIRES:
        name = names[wire.path]
        assert len(gateway.api("GET", f"/api/usage?model={name}")) == 3, (
            "usage of the last requests was stored"
        )
        answer = gateway.fetch("POST", wire.path, wire.ask(name, stream=True))
        assert wire.stream_text(answer.body) == "abcdefghij"


def test_sigterm_ends_streams_that_take_too_long_with_an_error(
    own_gateway: Make, upstream: Upstreams
) -> None:
    gateway = own_gateway(env={"POINTSMAN_DRAIN_SECONDS": "0.7"})
    begun: list[OpenStream] = []
    for wire in WIRES:
        server = upstream()
        server.always(begins(wire, Pause(30), text="some"))
        name, _ = gateway.route(wire.kind, server.url)
        begun += open_streams(gateway, wire, name, 1)
    assert gateway.process is not None
    gateway.terminate()
    for stream in begun:
        stream.join(15)
        assert not stream.wire.ended(stream.seen)
        assert stream.wire.broken(stream.seen), stream.seen[-300:]
    assert gateway.process.wait(10) == 0
    gateway.process = None


def test_sigterm_closes_idle_connections_and_ends_at_once(own_gateway: Make) -> None:
    gateway = own_gateway()
    kept = Connection(gateway.url)
    try:
        assert kept.request("GET", "/livez").status == 200
        begun = time.monotonic()
        assert gateway.stop() == 0
        assert within(time.monotonic() - begun, 5)
    finally:
        kept.close()


def test_a_slow_reader_does_not_make_the_gateway_hoard(own_gateway: Make, upstream: Upstreams) -> None:
    gateway, server = own_gateway(), upstream()
    piece = MESSAGES.piece("x" * 60_000)
    parts = [*MESSAGES.start(), *[piece] * 1500, *MESSAGES.end("x")]  # 90 MB
    server.always(Reply(200, {"content-type": "text/event-stream"}, parts=parts, framing="chunked"))
    name, _ = gateway.route("anthropic", server.url)
    (worker,) = gateway.pids("pointsman.gateway")
    before = resident(worker)
    with raw(gateway.url, rcvbuf=4096) as connection:
        connection.send(post_bytes(MESSAGES.path, json.dumps(MESSAGES.ask(name, stream=True)).encode()))
        connection.until(b"message_start")
        time.sleep(1.0)
        assert resident(worker) - before < 20_000_000
        assert server.requests[0].finished_at is None, "the upstream was not held back"
        for _ in range(50):
            assert gateway.fetch("GET", "/livez").status == 200
    # and who reads gets all of it
    answer = gateway.fetch("POST", MESSAGES.path, MESSAGES.ask(name, stream=True))
    assert answer.body == b"".join(parts)


def resident(pid: int) -> int:
    import subprocess

    return (
        int(subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, check=True).stdout)
        * 1024
    )


def test_two_hundred_open_streams_are_served_at_once(gateway: Gateway, upstream: Upstreams) -> None:
    server = upstream()
    server.always(either(CHAT, "never used"))
    server.always(streams(CHAT, "0123456789", pace=0.05, pieces=10))
    name, _ = gateway.route("openai", server.url)
    body = json.dumps(CHAT.ask(name, stream=True)).encode()

    async def one() -> bytes:
        port = gateway.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post_bytes(CHAT.path, body, connection="close"))
        data = await reader.read()
        writer.close()
        await writer.wait_closed()
        return data

    async def all_of_them() -> list[bytes]:
        return await asyncio.gather(*[one() for _ in range(200)])

    answers = run(all_of_them())
    assert all(answer.count(b"[DONE]") == 1 and answer.endswith(b"0\r\n\r\n") for answer in answers)


def test_sixteen_kept_connections_are_all_answered_on_and_on(gateway: Gateway) -> None:
    """Once, an attempt that had ended closed a pooled connection which another request had taken meanwhile:
    all clients but one waited for ever."""

    async def one(answers: list[int], index: int) -> None:
        parts = urlsplit(gateway.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        body = json.dumps(CHAT.ask("practice")).encode()
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(
            body
        )
        for _ in range(20):
            writer.write(head + body)
            lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
            length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
            await reader.readexactly(length)
            answers[index] += 1
        writer.close()
        await writer.wait_closed()

    async def scene() -> list[int]:
        answers = [0] * 16
        async with asyncio.timeout(20):
            await asyncio.gather(*(one(answers, index) for index in range(16)))
        return answers

    assert run(scene()) == [20] * 16
