"""A hub on loopback: the two paths of the real one's API that we use, with redirects, parts, and what goes wrong on the way.

Shapes after `GET https://huggingface.co/api/models/ORG/NAME/revision/main?blobs=true` and `/resolve/`.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

REVISION = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Behaviour:
    """big: from this size on a file is stored apart, with SHA-256. cut: bytes after which a connection breaks off, None:
    never; hold: bytes after which nothing comes any more, until the client leaves; both used up by the first. parts: whether ranges are known. elsewhere: URL that files redirect to. spoilt: paths whose
    bytes are other ones. status: answered to everything."""

    big: int = 10_000
    cut: int | None = None
    hold: int | None = None
    parts: bool = True
    elsewhere: str = ""
    spoilt: set[str] = field(default_factory=set)
    status: int = 200


class HubDouble:
    """`with HubDouble({"org/name": {"file": b"..."}}) as hub`. asked: (path, range, login) of each request."""

    def __init__(self, repositories: dict[str, dict[str, bytes]]) -> None:
        self.repositories = repositories
        self.how = Behaviour()
        self.asked: list[tuple[str, str | None, str | None]] = []
        double = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                double.asked.append((self.path, self.headers.get("Range"), self.headers.get("Authorization")))
                double.answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        listed = re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/main\?blobs=true", request.path)
        named = re.fullmatch(rf"/([^/]+/[^/]+)/resolve/{REVISION}/(.+)", request.path)
        found = self.repositories.get((listed or named or [""])[1]) if listed or named else None
        if self.how.status != 200 or found is None:
            request.send_error(404 if self.how.status == 200 else self.how.status)
        elif listed:
            self._send(
                request,
                json.dumps(
                    {"sha": REVISION, "siblings": [self._row(*one) for one in found.items()]}
                ).encode(),
            )
        elif named is not None and self.how.elsewhere:
            request.send_response(302)
            request.send_header("Location", self.how.elsewhere + request.path)
            request.send_header("Content-Length", "0")
            request.end_headers()
        elif named is not None:
            self._file(request, found[named[2]], named[2])

    def _row(self, path: str, data: bytes) -> dict[str, Any]:
        row: dict[str, Any] = {"rfilename": path, "size": len(data)}
        row["blobId"] = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        if len(data) >= self.how.big:
            row["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
        return row

    def _file(self, request: BaseHTTPRequestHandler, data: bytes, path: str) -> None:
        if path in self.how.spoilt:
            data = bytes(len(data))
        wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range") or "")
        if wanted and self.how.parts:
            self._send(request, data[int(wanted[1]) :], 206)
        else:
            self._send(request, data)

    def _send(self, request: BaseHTTPRequestHandler, data: bytes, status: int = 200) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        cut = self.how.cut
        if cut is not None and len(data) > cut:
            self.how.cut = None
            data = data[:cut]
            request.close_connection = True
        hold = self.how.hold
        if hold is not None and len(data) > hold:
            self.how.hold = None
            request.wfile.write(data[:hold])
            request.connection.recv(1)
            return
        request.wfile.write(data)
