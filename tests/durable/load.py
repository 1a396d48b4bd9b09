"""Clients that ask all the time, and what became of every request: the measure of an outage."""

from __future__ import annotations

import http.client
import json
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.e2e.gateway import Gateway
from tests.e2e.wires import CHAT

SLOW_SECONDS = 60.0


@dataclass
class Load:
    """`with Load(gateway, "m") as load:` asks for that model on kept connections until the block ends.

    answered: request id -> when it was answered whole, asked_at: when it was asked. failures: everything else. forgiven: a
    connection that could not be made or was cut counts apart (`cut`), for who kills the process that answers. pause: seconds
    of each client between its requests; four ask every 2.5 ms then, which no outage escapes.
    """

    gateway: Gateway
    model: str
    clients: int = 4
    key: str = ""
    forgiven: bool = False
    pause: float = 0.01
    answered: dict[str, float] = field(default_factory=dict)
    asked_at: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    cut: int = 0
    slowest: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    @property
    def asked(self) -> int:
        return len(self.answered) + len(self.failures) + self.cut

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=self._ask_on) for _ in range(self.clients)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """No more requests; returns when the last is answered."""
        self._over.set()
        for thread in self._threads:
            thread.join(SLOW_SECONDS)

    def _ask_on(self) -> None:
        parts = urlsplit(self.gateway.url)
        body = json.dumps(CHAT.ask(self.model))
        headers = {"content-type": "application/json"}
        if self.key:
            headers["authorization"] = f"Bearer {self.key}"
        client = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=SLOW_SECONDS)
        while not self._over.is_set():
            begun = time.monotonic()
            try:
                client.request("POST", CHAT.path, body, headers)
                reply = client.getresponse()
                data = reply.read()
                if reply.status != 200 or not CHAT.text(json.loads(data)):
                    self.failures.append(f"{reply.status} {data[:200]!r}")
                else:
                    name = reply.getheader("x-request-id") or ""
                    self.asked_at[name] = begun
                    self.answered[name] = time.monotonic()
            except (OSError, http.client.HTTPException) as error:
                client.close()
                if self.forgiven:
                    self.cut += 1
                    time.sleep(0.02)
                else:
                    self.failures.append(repr(error))
            except ValueError as error:
                self.failures.append(repr(error))
            self.slowest = max(self.slowest, time.monotonic() - begun)
            time.sleep(self.pause)
        client.close()
