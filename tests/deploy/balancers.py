"""nginx and HAProxy with the files of deploy/, on ports of this machine; and nodes that only say who they are. Not here:
gateways (e2e/gateway.py)."""

from __future__ import annotations

import http.client
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.bench.servers import free_port
from tests.bench.tools import find
from tests.children import child

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
FILES = {"nginx": DEPLOY / "nginx.conf", "haproxy": DEPLOY / "haproxy.cfg"}
_NODE = re.compile(r"10\.93\.0\.1([123]):4480")


class Node:
    """Says its name to whatever it is asked, and keeps the heads. ready: what /readyz says. rude: closes without an answer."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready = True
        self.rude = False
        self.heads: list[Mapping[str, str]] = []
        self.port = free_port()
        self._server: ThreadingHTTPServer | None = None
        self._open: set[object] = set()

    def start(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """As one that died: it takes no connections any more, and says no more on those it has."""
        server, self._server = self._server, None
        if server is not None:
            self.rude = True
            server.shutdown()
            server.server_close()
            self.rude = False

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        node = self

        class Said(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/readyz":
                    self._answer(200 if node.ready else 503)
                else:
                    self._answer(200)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                node.heads.append(self.headers)
                if node.rude:
                    self.close_connection = True
                else:
                    self._answer(200)

            def _answer(self, status: int) -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(node.name)))
                self.send_header("connection", "close")
                self.end_headers()
                self.wfile.write(node.name.encode())
                self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Said


@contextmanager
def balancer(which: str, ports: list[int], folder: Path) -> Iterator[str]:
    """The file of deploy/ with these nodes, three at most, in place of its own. Yields its address without a path."""
    program = find(which)
    if program is None:
        pytest.skip(f"{which} is not installed (apt-get install {which})")
    port = free_port()
    lines = FILES[which].read_text().splitlines(keepends=True)
    kept = [line for line in lines if (found := _NODE.search(line)) is None or int(found[1]) <= len(ports)]
    text = _NODE.sub(lambda found: f"127.0.0.1:{ports[int(found[1]) - 1]}", "".join(kept))
    text = text.replace("listen 8080;", f"listen 127.0.0.1:{port};").replace(
        "bind :8080", f"bind 127.0.0.1:{port}"
    )
    text = text.replace("/tmp/", f"{folder}/").replace("worker_rlimit_nofile 65536;", "")
    text = text.replace("maxconn 20000", "maxconn 1000")
    path = folder / FILES[which].name
    path.write_text(text)
    words = {
        "nginx": [program, "-c", path, "-g", "daemon off;", "-e", "stderr"],
        "haproxy": [program, "-db", "-f", path],
    }[which]
    with (folder / f"{which}.log").open("wb") as log, child(words, stdout=log, stderr=log) as process:
        try:
            _until_it_serves(process, f"127.0.0.1:{port}", folder / f"{which}.log")
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()  # nginx, killed, leaves its workers
            process.wait(10)


def _until_it_serves(process: subprocess.Popen[bytes], at: str, log: Path) -> None:
    until = time.monotonic() + 15
    while ask(at, "/v1/models") in ("", "502", "503"):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.02)


def ask(at: str, path: str, headers: Mapping[str, str] | None = None, body: str | None = None) -> str:
    """Which node answered, by name; its status where that is no 200; "" where nobody did."""
    connection = http.client.HTTPConnection(at, timeout=20)
    try:
        connection.request("GET" if body is None else "POST", path, body, dict(headers or {}))
        answer = connection.getresponse()
        said = answer.read().decode()
        return said if answer.status == 200 else str(answer.status)
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


def checked(which: str, path: Path) -> subprocess.CompletedProcess[str]:
    """What the program itself says of its file."""
    program = find(which)
    if program is None:
        pytest.skip(f"{which} is not installed (apt-get install {which})")
    words = {"nginx": ["-t", "-c", str(path)], "haproxy": ["-c", "-f", str(path)]}[which]
    return subprocess.run([program, *words], capture_output=True, text=True, check=False)
