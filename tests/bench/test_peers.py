"""A peer is measured only where it gives the mock's words and asked the mock for them. None is built or started here."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vendor_bodies import chat

from . import beside, payloads, peers, servers
from .machine import BenchError
from .peers import Peer, Setup
from .servers import Subject

COUNT = "Active connections: 1\nserver accepts handled requests\n 9 9 {} \nReading: 0\n"


@contextlib.contextmanager
def answering(words: str, upstream: Subject | None = None, *, cached: bool = False) -> Iterator[Subject]:
    """Says `words`; counts its requests as nginx does. upstream: is asked first (once only, when cached)."""
    seen = [0]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen[0] += 1
            self._send(COUNT.format(seen[0]).encode())

        def do_POST(self) -> None:
            seen[0] += 1
            self.rfile.read(int(self.headers["content-length"]))
            if upstream is not None and not (cached and seen[0] > 1):
                servers.fetch(upstream, payloads.small())
            self._send(json.dumps(chat.whole({"content": words})).encode())

        def _send(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer((servers.HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Subject("one", server.server_port, server.server_port, [])
        finally:
            server.shutdown()
            thread.join()


def test_a_peer_is_taken_that_asks_each_time_and_says_the_same() -> None:
    with answering("hello") as mock, answering("hello", mock) as peer:
        beside.check(peer, mock, payloads.small())


@pytest.mark.parametrize(
    ("words", "cached", "why"), [("hallo", False, "it answers"), ("hello", True, "the mock saw 1")]
)
def test_a_peer_that_says_another_thing_or_keeps_answers_is_not(words: str, cached: bool, why: str) -> None:
    with (
        answering("hello") as mock,
        answering(words, mock, cached=cached) as peer,
        pytest.raises(BenchError, match=why),
    ):
        beside.check(peer, mock, payloads.small())


def test_words_are_read_from_answers_and_events() -> None:
    chunks = [payloads.event(index, 1, told=True) for index in range(3)]
    assert "".join(map(beside._said, beside._events(b"".join(chunks) + payloads.DONE))) == f" at {1:020d}" * 2
    assert beside._said(json.loads(payloads.chat_reply())) == "Hello, and welcome to the bench."


def test_every_peer_is_told_where_each_model_is(tmp_path: Path) -> None:
    models = {f"http://{servers.HOST}:{port}/v1": (f"model-{port}",) for port in (1, 2, 3)}
    for peer in peers.ALL:
        folder = tmp_path / peer.name
        folder.mkdir()
        words = peer.set_up(Setup(models, 4567, "key", folder))
        said = " ".join([*words, *(path.read_text() for path in folder.iterdir())])
        assert "4567" in said
        if peer.fields:
            assert all(url.encode() in peer.fields(url) for url in models)
        else:
            assert all(url in said and name in said for url, (name,) in models.items())


def test_what_cannot_be_built_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "CACHE", tmp_path)

    def build(folder: Path, version: str) -> list[list[str]]:
        return [["sh", "-c", f"mkdir {folder}; echo 'error: refused' >&2; exit 1"]]

    peer = Peer("none", "1.0", build, "bin/none", lambda to: [])
    with pytest.raises(BenchError, match="error: refused"):
        peer.built()
    assert list(tmp_path.iterdir()) == []
    missing = Peer("none", "1.0", lambda folder, version: [["no-such-tool"]], "bin/none", lambda to: [])
    with pytest.raises(BenchError, match="no `no-such-tool` here"):
        missing.built()
