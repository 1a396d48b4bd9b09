"""nginx before the gateways, with the file of deploy/ that users are given. Not here: who asks it (load.py), what it does
with sessions (tests/deploy/test_balancers.py)."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.bench.tools import find
from tests.children import child

_FILE = Path(__file__).parents[2] / "deploy" / "nginx.conf"
PORT = 8080
_START_SECONDS = 10.0
_TOLD = "add_header x-answered-by $upstream_addr always;"
"""Of each answer, for the rehearsal: the nodes that were asked, in turn."""


@contextmanager
def balancer(folder: Path, nodes: Sequence[str]) -> Iterator[None]:
    """Started where this thread is, with the nodes' addresses in the place of the file's. folder: a new one."""
    folder.mkdir()
    text = _FILE.read_text(encoding="utf-8")
    for number, address in enumerate(nodes, 1):
        there = f"10.93.0.1{number}:4480"
        assert there in text, there
        text = text.replace(there, f"{address}:4480")
    for old, new in (
        ("/tmp/", f"{folder}/"), ("http {", f"http {{\n  {_TOLD}"), ("worker_rlimit_nofile 65536;", ""),
        ("worker_processes auto;", "worker_processes 1;"), ("error_log stderr warn;", f"error_log {folder}/log info;"),
    ):  # fmt: skip
        assert old in text, old
        text = text.replace(old, new)
    written = folder / "nginx.conf"
    written.write_text(text)
    nginx = find("nginx")
    assert nginx is not None
    words: list[str | Path] = [nginx, "-c", written, "-p", folder, "-g", "daemon off;"]
    said = folder / "said"
    with said.open("wb") as out, child(words, stdout=out, stderr=out) as process:
        until = time.monotonic() + _START_SECONDS
        while not (folder / "nginx.pid").exists():
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < until, "nginx did not start in time"
            time.sleep(0.02)
        try:
            yield
        finally:
            process.terminate()  # a killed one would leave its worker behind
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
