"""Somebody who is told of events: an HTTP server that checks each signature as Standard Webhooks says, and keeps what came."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Self


class Receiver:
    """events: what came, with its id and whether it was signed by `secret`. answers: statuses of the next answers; 204
    after them."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.signed: list[bool] = []
        self.secret = ""
        self.paths: list[str] = []
        self._came = threading.Condition()

    def __enter__(self) -> Self:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = receiver.answers.pop(0) if receiver.answers else 204
                receiver._take(
                    self.path, dict(self.headers), body
                )  # first: who has the answer may ask what came
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/told?x=1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        name, at = headers["webhook-id"], headers["webhook-timestamp"]
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        want = base64.b64encode(hmac.new(key, f"{name}.{at}.".encode() + body, hashlib.sha256).digest())
        with self._came:
            self.paths.append(path)
            fresh = abs(time.time() - int(at)) < 60
            self.signed.append(fresh and headers["webhook-signature"] == f"v1,{want.decode()}")
            self.events.append(json.loads(body))
            self._came.notify_all()

    def wait_for(self, kind: str, seconds: float = 20.0) -> dict[str, Any]:
        """The first event of that kind."""

        def found() -> list[dict[str, Any]]:
            return [event for event in self.events if event["type"] == kind]

        with self._came:
            assert self._came.wait_for(lambda: bool(found()), seconds), [one["type"] for one in self.events]
            return found()[0]
