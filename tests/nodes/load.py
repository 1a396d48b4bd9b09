"""Clients of all three protocols that ask through the balancer all the time, whole answers and streams, and what became of
each request. Not here: what is done to the nodes meanwhile (plays.py).
"""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.e2e.wires import WIRES, Wire

from .balancer import PORT

PATIENCE_SECONDS = 60.0
_EACH = (1, 2)
"""Clients of each protocol: of whole answers, of streams."""
KEPT = 20
"""Requests on one connection; then a new one, as clients come and go."""
ID = "x-request-id"
BY = "x-answered-by"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. id, by: "" where no head of an answer came; by: the nodes that were asked, in turn. problem: "" where
    it was answered whole. begun: a head had come."""

    at: float
    done: float
    wire: str
    streamed: bool
    id: str
    by: tuple[str, ...]
    begun: bool
    problem: str

    def __str__(self) -> str:
        way = "stream" if self.streamed else "whole"
        return f"{self.wire} {way} by {'+'.join(self.by) or 'nobody'}: {self.problem}"


class Load:
    """`with Load(...) as load:` until the block ends. place: where its connections are made. rest: seconds of each client
    between two requests."""

    def __init__(
        self,
        place: Callable[[], AbstractContextManager[None]],
        address: str,
        key: str,
        models: tuple[str, str],
        rest: float,
    ) -> None:
        self._place = place
        self._address = address
        self._headers = headers(key)
        self._models = models
        self._rest = rest
        self.asked: list[Asked] = []
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask_on, args=(wire, bool(streamed), number), daemon=True)
            for wire, streamed in itertools.product(WIRES, (0, 1))
            for number in range(_EACH[streamed])
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)

    def since(self, moment: float) -> Sequence[Asked]:
        """What has ended since then, whenever it began."""
        return [one for one in self.asked[:] if one.done >= moment]

    def _ask_on(self, wire: Wire, streamed: bool, number: int) -> None:
        body = json.dumps(wire.ask(self._models[streamed], stream=streamed)).encode()
        with self._place():
            while not self._over.is_set():
                client = http.client.HTTPConnection(self._address, PORT, timeout=PATIENCE_SECONDS)
                try:
                    for _ in range(KEPT):
                        one = self._ask(client, wire, streamed, body)
                        self.asked.append(one)
                        if one.problem or self._over.wait(self._rest):
                            break
                finally:
                    client.close()

    def _ask(self, client: http.client.HTTPConnection, wire: Wire, streamed: bool, body: bytes) -> Asked:
        at, begun, name, by = time.monotonic(), False, "", ""
        try:
            client.request("POST", wire.path, body, self._headers)
            reply = client.getresponse()
            begun, name, by = True, reply.getheader(ID) or "", reply.getheader(BY) or ""
            data = reply.read()
            problem = problem_of(wire, streamed, reply.status, data)
        except (OSError, http.client.HTTPException) as error:
            problem = repr(error)
        nodes = tuple(part.strip() for part in by.split(",") if part.strip())
        return Asked(at, time.monotonic(), wire.name, streamed, name, nodes, begun, problem)


def headers(key: str) -> dict[str, str]:
    """Of a request with that client key."""
    return {"content-type": "application/json", "authorization": f"Bearer {key}", "host": "gateway.example"}


def problem_of(wire: Wire, streamed: bool, status: int, data: bytes) -> str:
    """What is wrong with an answer; "" where it is whole."""
    if status != 200:
        return f"{status} {data[:200]!r}"
    if not streamed:
        try:
            return "" if wire.text(json.loads(data)) else f"nothing said: {data[:200]!r}"
        except (ValueError, LookupError, TypeError):
            return f"no answer: {data[:200]!r}"
    if error := wire.broken(data):
        return f"an error in the stream: {error}"
    return "" if wire.ended(data) and wire.stream_text(data) else f"a stream without an end: {data[-200:]!r}"
