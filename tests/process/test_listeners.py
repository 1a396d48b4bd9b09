"""What a gateway listens on, and from when on. The Unix socket: tests/e2e/test_access.py."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.process.listeners import Listeners
from tests.e2e.gateway import Gateway, wait_until


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    found = Listeners()
    yield found
    found.close()


def address(listeners: Listeners) -> tuple[str, int]:
    host, _, port = listeners.url("127.0.0.1").removeprefix("http://").rpartition(":")
    return host, int(port)


@pytest.mark.parametrize("workers", [1, 2])
def test_clients_wait_for_a_gateway_that_starts(listeners: Listeners, workers: int) -> None:
    listeners.tcp("127.0.0.1", 0, 0.0, workers)
    socket.create_connection(address(listeners), 5).close()


@pytest.mark.parametrize("workers", [1, 2])
def test_or_are_refused_until_it_serves(listeners: Listeners, workers: int) -> None:
    listeners.tcp("127.0.0.1", 0, 0.0, workers, waiting=False)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address(listeners), 5)
    inherited = socket.socket(fileno=os.dup(listeners.descriptors[0]))
    with inherited:
        inherited.listen(1)
    socket.create_connection(address(listeners), 5).close()


def test_a_balancer_was_given_a_node_that_had_only_begun_to_start(tmp_path: Path) -> None:
    """Its requests waited there for as long as that took; another node would have served them at once."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found = Gateway(
        tmp_path / "data", "--port", str(port), env={"POINTSMAN_LEAVE_SECONDS": "0.1"}, expect_clean_log=False
    )

    def accepts() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except OSError:
            return False
        return True

    starting = threading.Thread(target=found.start)
    starting.start()
    try:
        wait_until("a connection is taken", accepts, 60, 0.005)
        assert found.pids("pointsman.gateway"), "by whom"
    finally:
        starting.join()
        found.stop()
