"""The promises that need whole processes: R8 to R12 are rehearsed by tests/durable, R14 is the soak here."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.durable.rehearse import Rehearsal
from tests.e2e.gateway import Gateway, wait_until
from tests.e2e.wires import CHAT

from .promises import Shown

Make = Callable[..., Gateway]
TRIED = 5.0
"""Seconds within which the admin API must be back after a recovery."""


@contextmanager
def gateway(
    *options: str, env: dict[str, str] | None = None, folder: Path | None = None
) -> Iterator[Gateway]:
    """One of its own, with a rule for the practice model."""
    with tempfile.TemporaryDirectory(prefix="pm-faults-") as made:
        data_dir = (folder or Path(made)) / "data"
        with Gateway(data_dir, *options, env=env, expect_clean_log=False) as found:
            found.rule("m", "local/practice=practice")
            yield found


def soak(seconds: float = 60.0) -> Shown:
    """R14: mixed requests, some failing, some left; file descriptors flat, memory not growing with requests."""
    with gateway() as found:
        for word in ("500", "cut", "stall", "garbage", "error-first"):
            found.rule(f"f-{word}", f"local/practice=practice:{word}", "local/practice=practice:fast")
        found.rule("fast", "local/practice=practice:fast")
        (pid,) = found.pids("pointsman.gateway")
        models = ["fast"] * 6 + ["f-500", "f-cut", "f-garbage", "f-error-first"]
        end, seen = time.monotonic() + seconds, []
        sent = [0]

        def ask(number: int) -> None:
            while time.monotonic() < end:
                model = models[(sent[0] + number) % len(models)]
                with suppress(OSError):
                    found.fetch("POST", CHAT.path, CHAT.ask(model, stream=bool(number % 2)))
                sent[0] += 1

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        while time.monotonic() < end:
            time.sleep(min(2.0, seconds / 20))
            seen.append((sent[0], _rss(pid), len(os.listdir(f"/proc/{pid}/fd"))))
        for thread in threads:
            thread.join(10)
        wait_until("nothing is running", lambda: _in_flight(found) == 0, 10)
    calm = seen[len(seen) // 3 :]
    (first, rss, fds), (last, rss_end, fds_end) = calm[0], calm[-1]
    growth = (rss_end - rss) / max(1, last - first) * 10_000 / 1e6
    ok = growth < 1.0 and fds_end <= fds + 10
    return Shown(
        "R14", "soak: descriptors flat, less than 1 MB more per 10,000 requests, nothing left running",
        f"{last} requests in {seconds:g} s, {growth:+.2f} MB per 10,000 requests after the first third, descriptors {fds} -> {fds_end}", ok,
    )  # fmt: skip


def _rss(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _in_flight(found: Gateway) -> int:
    text = found.fetch("GET", "/metrics").body.decode()
    return int(
        float(next(line.split()[1] for line in text.splitlines() if line.startswith("pointsman_inflight ")))
    )


def rehearsed(one: Rehearsal) -> Shown:
    """What tests/durable saw."""
    return Shown(one.name, one.promise, f"{one.done}: {one.seen}" if one.seen else one.done, one.ok)


def by_tests(name: str, promise: str, *nodes: str) -> Shown:
    """One that a test of the suite shows."""
    done = subprocess.run(
        ["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *nodes], capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": f"{Path(os.__file__).parent}:{os.environ['PATH']}"},
    )  # fmt: skip
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr[-200:]
    return Shown(name, promise, f"{' '.join(nodes)}: {json.dumps(last)[1:-1]}", done.returncode == 0)
