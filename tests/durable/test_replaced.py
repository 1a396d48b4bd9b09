"""SIGHUP replaces the data plane's processes: no request fails, streams finish, and a new one that does not start changes
nothing. Not here: what the control plane reads again (test_signals.py)."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pointsman.config import Limits, share
from tests.e2e.gateway import Gateway, wait_until
from tests.e2e.replies import streams
from tests.e2e.test_chaos import open_streams
from tests.e2e.wires import CHAT

from .load import Load

if TYPE_CHECKING:
    from pointsman.practice.scripted import ScriptedUpstream

Make = Callable[..., Gateway]
Upstreams = Callable[..., "ScriptedUpstream"]

_REQUESTS = 1000


def replaced(gateway: Gateway, before: list[int]) -> bool:
    now = gateway.pids("pointsman.gateway")
    return len(now) == len(before) and not {*now} & {*before}


def hang_up(gateway: Gateway) -> None:
    assert gateway.process is not None
    gateway.process.send_signal(signal.SIGHUP)


def counted(gateway: Gateway) -> float:
    page = gateway.fetch("GET", "/metrics").body.decode()
    return sum(
        float(line.rpartition(" ")[2])
        for line in page.splitlines()
        if line.startswith("pointsman_requests_total{")
    )


def test_a_thousand_requests_and_open_streams_notice_no_replacement(
    own_gateway: Make, upstream: Upstreams
) -> None:
    gateway, server = own_gateway(), upstream()
    gateway.rule("m", "local/practice=practice:fast")
    server.script(*[streams(CHAT, "0123456789", pace=0.4, pieces=10)] * 3)
    name, _ = gateway.route("openai", server.url)
    before = gateway.pids("pointsman.gateway")
    running = open_streams(gateway, CHAT, name, 3)
    with Load(gateway, "m", clients=8) as load:
        wait_until("requests", lambda: len(load.answered) > 100, 20)
        hang_up(gateway)
        wait_until("a new one listens", lambda: "was replaced" in gateway.read_log(), 30)
        wait_until("all of them", lambda: len(load.answered) >= _REQUESTS, 60)
        load.stop()
    assert load.failures == [], load.failures[:3]
    for stream in running:
        stream.join(20)
        assert stream.whole, stream.seen[-200:]
        assert stream.wire.stream_text(stream.seen) == "0123456789"
    wait_until("the old one has ended", lambda: replaced(gateway, before), 20)
    wait_until(
        "each is counted and stored once",
        lambda: gateway.api("GET", "/api/usage/totals?model=m")["requests"] == len(load.answered),
        10,
    )
    wait_until("by the metrics, too", lambda: counted(gateway) >= len(load.answered) + 3, 5)


def test_a_new_process_that_does_not_start_leaves_the_old_one_serving(
    own_gateway: Make, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        f"if 'pointsman.gateway' in sys.orig_argv and os.path.exists({str(broken)!r}):\n    os._exit(1)\n"
    )
    paths = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    gateway = own_gateway(env={"PYTHONPATH": paths})
    gateway.rule("m", "local/practice=practice:fast")
    before = gateway.pids("pointsman.gateway")
    broken.touch()
    hang_up(gateway)
    wait_until("it is told", lambda: "did not start; the old one serves on" in gateway.read_log(), 20)
    assert gateway.pids("pointsman.gateway") == before
    assert gateway.fetch("POST", CHAT.path, CHAT.ask("m")).status == 200
    broken.unlink()
    hang_up(gateway)
    wait_until("the next time it is", lambda: replaced(gateway, before), 20)


def test_connections_are_spread_over_the_workers(own_gateway: Make) -> None:
    """By the kernel's hash of their addresses: of 200 connections each of two has 100, and 4 standard deviations are 28."""
    gateway = own_gateway("--workers", "2")
    gateway.rule("m", "local/practice=practice:fast")
    prefixes = Counter(
        gateway.fetch("POST", CHAT.path, CHAT.ask("m")).header("x-request-id")[:14] for _ in range(200)
    )
    assert len(prefixes) == 2
    assert min(prefixes.values()) >= 72, prefixes


def test_parts_of_a_limit_add_up_to_it() -> None:
    for limit in range(1, 40):
        for workers in range(1, 9):
            parts = [share(limit, worker, workers) for worker in range(workers)]
            assert sum(parts) == max(limit, workers)
            assert max(parts) - min(parts) <= 1
    limits = Limits(max_requests=7, header_bytes=100)
    assert [limits.of_worker(number, 2).max_requests for number in (0, 1, 64, 65)] == [4, 3, 4, 3]
    assert limits.of_worker(0, 2).header_bytes == 100
