"""What several data-plane processes have together: limits are never exceeded, and a backend that fails gets at most a
breaker's failures of each (docs/outages.md#several-processes). Not here: replacing them (test_replaced.py)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from pointsman.resilience.breaker import IN_A_ROW, OPEN_SECONDS
from tests.e2e.gateway import Gateway
from tests.e2e.replies import either, fails, streams
from tests.e2e.test_chaos import OpenStream
from tests.e2e.wires import CHAT

if TYPE_CHECKING:
    from pointsman.practice import Received, Reply
    from pointsman.practice.scripted import ScriptedUpstream

Upstreams = Callable[..., "ScriptedUpstream"]

_WORKERS = 2
_MOST = 4
_PIECES, _PACE = 4, 0.2


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("workers") / "data", "--workers", str(_WORKERS)) as found:
        yield found


def test_no_backend_gets_more_at_once_than_it_may_by_all_processes_together(
    gateway: Gateway, upstream: Upstreams
) -> None:
    server = upstream()
    came: list[float] = []
    lock = threading.Lock()

    def slowly(received: Received) -> Reply:
        if received.method == "POST":
            with lock:
                came.append(time.monotonic())
        return streams(CHAT, "abcd", pace=_PACE, pieces=_PIECES)

    server.always(slowly)
    backend = gateway.backend("local", server.url, max_in_flight=_MOST)
    gateway.rule("m", f"{backend}=m")
    asking = [OpenStream(gateway, CHAT, "m") for _ in range(3 * _MOST)]
    for stream in asking:
        stream.start()
    for stream in asking:
        stream.join(60)
        assert stream.whole, stream.seen[-200:]
    came.sort()
    assert len(came) == len(asking)
    shortest = _PIECES * _PACE  # an answer takes at least its pauses
    together = [later - first for first, later in zip(came, came[_MOST:], strict=False)]
    assert min(together) >= 0.95 * shortest, together


def test_a_backend_that_fails_gets_a_breakers_failures_of_each_process(
    gateway: Gateway, upstream: Upstreams
) -> None:
    broken, good = upstream(), upstream()
    broken.always(fails(CHAT, 500))
    good.always(either(CHAT, "from the second"))
    name, _ = gateway.route("openai", broken.url, good.url)
    begun = time.monotonic()
    for _ in range(26):  # on a connection of its own each: both processes have some
        answer = gateway.fetch("POST", CHAT.path, CHAT.ask(name))
        assert answer.status == 200
        assert CHAT.text(answer.json()) == "from the second"
    probes = int((time.monotonic() - begun) / OPEN_SECONDS)
    failed = len([one for one in broken.requests if one.method == "POST"])
    assert IN_A_ROW < failed <= _WORKERS * (IN_A_ROW + probes), failed
