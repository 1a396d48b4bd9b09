"""`local_only` is a wall: nothing leaves the machine, whatever else says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from .gateway import Gateway
from .replies import either, fails
from .web import free_port
from .wires import CHAT

if TYPE_CHECKING:
    from pointsman.practice.scripted import ScriptedUpstream

Upstreams = Callable[..., "ScriptedUpstream"]


def own_address() -> str | None:
    """This machine's address on its network, found without sending anything."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("10.254.254.254", 9))
        except OSError:
            return None
        address: str = sock.getsockname()[0]
    return None if address.startswith("127.") or address == "0.0.0.0" else address


@contextmanager
def listener(host: str) -> Iterator[tuple[int, list[object]]]:
    """A port on `host` and who connected to it."""
    seen: list[object] = []
    with socket.socket() as sock:
        sock.bind((host, 0))
        sock.listen()
        sock.settimeout(0.1)
        done = threading.Event()

        def accept() -> None:
            while not done.is_set():
                try:
                    connection, peer = sock.accept()
                except TimeoutError:
                    continue
                seen.append(peer)
                connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield sock.getsockname()[1], seen
        finally:
            done.set()
            thread.join()


def test_a_cloud_target_is_refused_when_the_rule_is_written(gateway: Gateway) -> None:
    for body in (
        {"backend_type": "openai"},
        {"backend_type": "local", "backend_name": "box", "fallback_backend": "anthropic"},
        {
            "backend_type": "local",
            "backend_name": "box",
            "fallbacks": [{"backend_type": "openai", "backend_name": "x", "model": None}],
        },
    ):
        problem = gateway.api(
            "POST",
            "/api/mappings",
            {"model_pattern": gateway.fresh(), "local_only": True, **body},
            status=422,
        )
        assert "local" in problem["detail"]


def test_an_edit_cannot_open_the_wall(gateway: Gateway) -> None:
    rule = gateway.rule(gateway.fresh(), "local/practice=practice", local_only=True)
    path = f"/api/mappings/{rule['id']}"
    gateway.api("PATCH", path, {"backend_type": "openai", "backend_name": ""}, status=422)
    gateway.api("PATCH", path, {"fallback_backend": "openai"}, status=422)
    cloud = gateway.rule(gateway.fresh(), "openai/anything")
    gateway.api("PATCH", f"/api/mappings/{cloud['id']}", {"local_only": True}, status=422)


def test_a_loopback_backend_answers_behind_the_wall(gateway: Gateway, upstream: Upstreams) -> None:
    server = upstream()
    server.always(either(CHAT, "ok"))
    name = gateway.fresh()
    gateway.rule(name, gateway.backend("local", server.url), local_only=True)
    assert gateway.fetch("POST", CHAT.path, CHAT.ask(name)).status == 200


def test_when_the_local_backend_is_down_the_request_fails_instead_of_leaving(
    gateway: Gateway, upstream: Upstreams
) -> None:
    cloud, broken = upstream(), upstream()
    broken.always(fails(CHAT, 500))
    name = gateway.fresh()
    gateway.rule(name + "*", gateway.backend("openai", cloud.url), priority=-1)
    gateway.rule(
        name,
        gateway.backend("local", f"http://127.0.0.1:{free_port()}"),
        gateway.backend("local", broken.url),
        local_only=True,
    )
    assert gateway.fetch("POST", CHAT.path, CHAT.ask(name)).status >= 500
    assert cloud.requests == []


def test_a_local_server_on_another_address_is_never_connected_to(gateway: Gateway) -> None:
    address = own_address()
    if address is None:
        pytest.skip("this machine has no address but loopback")
    with listener(address) as (port, seen):
        backend = gateway.backend("local", f"http://{address}:{port}", allow_http=True)
        walled = gateway.fresh()
        gateway.rule(walled, backend, local_only=True)
        seen.clear()  # whatever asked it for its models before
        answer = gateway.fetch("POST", CHAT.path, CHAT.ask(walled))
        assert answer.status >= 400
        assert "local_only" in CHAT.check_error(answer.json()) or "local-only" in answer.body.decode()
        assert seen == []
        open_rule = gateway.fresh()
        gateway.rule(open_rule, backend)
        gateway.fetch("POST", CHAT.path, CHAT.ask(open_rule))
        assert seen != [], "the same backend without the wall is connected to"


def test_explain_says_that_the_wall_stops_a_target(gateway: Gateway) -> None:
    name = gateway.fresh()
    gateway.rule(name, gateway.backend("local", "http://192.168.77.7:9"), local_only=True)
    told = gateway.api_answer("GET", f"/api/explain?model={name}").body.decode()
    assert "local_only" in told
    assert "loopback" in told.lower() or "this machine" in told.lower()
