"""An upstream that answers by script and checks what it is asked: for our tests and for a user's own.

    with ScriptedUpstream() as upstream:
        upstream.expect(path="/v1/messages", key=("x-api-key", "k"))
        upstream.script("429", Reply(body={"ok": True}))
        ...  # send requests to upstream.url

It runs a thread with its own loop, so it works in any test. Without a script it is the practice model.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from .answers import reply_to
from .exchange import Received, Reply
from .faults import FAULTS
from .http import HttpServer

Step = Reply | str | Callable[[Received], Reply | str]
"""A reply, the name of a practice fault, or a function of the request that gives one of them."""


@dataclass(frozen=True, slots=True)
class _Expectation:
    path: str | None
    method: str | None
    headers: Mapping[str, str | None]

    def problems(self, received: Received) -> list[str]:
        found = []
        if self.path is not None and received.path != self.path:
            found.append(f"path is {received.path!r}, expected {self.path!r}")
        if self.method is not None and received.method != self.method:
            found.append(f"method is {received.method!r}, expected {self.method!r}")
        for name, wanted in self.headers.items():
            value = received.headers.get(name.lower())
            if value != wanted:
                found.append(f"header {name} is {value!r}, expected {wanted!r}")
        return found


class ScriptedUpstream:
    """See the module's text. Thread-safe: script, read and kill it from the test while it serves.

    requests: every complete request in order of arrival, but for those of rounds: a gateway asks every few seconds whether
    this server is still there, and says so in its user-agent. Such a request is answered as `always` says, and uses up
    nothing of the script. rounds: how many came. pace: seconds between events of practice streams.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        ssl_context: ssl.SSLContext | None = None,
        pace: float = 0.0,
    ) -> None:
        self.requests: list[Received] = []
        self.rounds = 0
        self.pace = pace
        self._changed = threading.Condition()
        self._steps: deque[Step] = deque()
        self._always: Step | None = None
        self._expectations: list[_Expectation] = []
        self._failures: list[str] = []
        self._tls = ssl_context is not None
        self._server = HttpServer(
            self._answer, host=host, port=port, ssl_context=ssl_context, on_request=self._record
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    # -- where it is

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def origin(self) -> str:
        return f"http{'s' if self._tls else ''}://{self._server.host}:{self.port}"

    @property
    def url(self) -> str:
        """Its base URL, without `/v1`."""
        return self.origin

    @property
    def connections(self) -> int:
        """How many connections it ever accepted."""
        return self._server.connections

    # -- what it does

    def script(self, *steps: Step) -> ScriptedUpstream:
        """Answer the next requests with these, one each; after them as `always` says."""
        with self._changed:
            self._steps.extend(_checked(step) for step in steps)
        return self

    def always(self, step: Step | None) -> ScriptedUpstream:
        """Answer with this when the script is empty; None = as the practice model."""
        with self._changed:
            self._always = None if step is None else _checked(step)
        return self

    def expect(
        self,
        path: str | None = None,
        *,
        method: str | None = None,
        headers: Mapping[str, str | None] | None = None,
        key: tuple[str, str] | None = None,
    ) -> ScriptedUpstream:
        """Check every request from now on. A header to be absent is None. key: (header, the whole value)."""
        wanted = {**(headers or {}), **({key[0]: key[1]} if key else {})}
        with self._changed:
            self._expectations.append(_Expectation(path, method, wanted))
        return self

    def check(self) -> None:
        """Raise AssertionError when a request was not as expected, or when a callable step failed."""
        with self._changed:
            failures = list(self._failures)
        if failures:
            raise AssertionError("\n".join(failures))

    def forget(self) -> None:
        """Start anew, for one upstream in many tests: no requests, script, expectations or failures."""
        with self._changed:
            self.requests.clear()
            self._steps.clear()
            self._expectations.clear()
            self._failures.clear()
            self._always = None

    def wait(self, count: int = 1, timeout: float = 5.0) -> list[Received]:
        """The requests, as soon as there are `count` of them; TimeoutError when they do not come."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.requests) >= count, timeout):
                raise TimeoutError(f"{len(self.requests)} of {count} requests came within {timeout} s")
            return list(self.requests)

    def wait_closed(self, received: Received, timeout: float = 5.0) -> float:
        """When (time.monotonic) the client left before it was answered; TimeoutError when it does not."""
        end = time.monotonic() + timeout
        while received.client_closed_at is None:
            if time.monotonic() > end:
                raise TimeoutError(f"the client did not leave within {timeout} s")
            time.sleep(0.005)
        return received.client_closed_at

    # -- life

    def __enter__(self) -> ScriptedUpstream:
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._run, args=(self._loop, ready), daemon=True, name="upstream"
        )
        self._thread.start()
        ready.wait()
        try:
            self._call(self._server.start())
        except OSError:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        if kind is None:  # a failing test's own error is the one to see
            self.check()

    def kill(self) -> None:
        """Close the listener and reset every connection, as a crash does. New connections are refused."""
        self._call(self._server.stop())

    def revive(self) -> None:
        """Listen again on the same port."""
        self._call(self._server.start())

    def _close(self) -> None:
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        self._call(self._server.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        self._loop = self._thread = None

    @staticmethod
    def _run(loop: asyncio.AbstractEventLoop, ready: threading.Event) -> None:
        asyncio.set_event_loop(loop)
        loop.call_soon(ready.set)
        loop.run_forever()
        asyncio.set_event_loop(None)

    def _call(self, work: Any) -> None:
        if self._loop is None:
            work.close()
            raise RuntimeError("use it in a `with` statement")
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    # -- in its own thread

    def _record(self, received: Received) -> None:
        with self._changed:
            if _is_round(received):
                self.rounds += 1
                self._changed.notify_all()
                return
            self.requests.append(received)
            number = len(self.requests)
            for expectation in self._expectations:
                for problem in expectation.problems(received):
                    self._failures.append(
                        f"request {number} ({received.method} {received.target}): {problem}"
                    )
            self._changed.notify_all()

    def _answer(self, received: Received) -> Reply:
        with self._changed:
            scripted = self._steps and not _is_round(received)
            step: Step | None = self._steps.popleft() if scripted else self._always
        if callable(step):
            step = self._asked(step, received)
        if isinstance(step, Reply):
            return step
        return reply_to(received, self.pace, step)

    def _asked(self, step: Callable[[Received], Reply | str], received: Received) -> Reply | str:
        try:
            return _checked_result(step(received))
        except Exception as error:  # noqa: BLE001 - a request boundary: whatever the test's code raises is the finding
            with self._changed:
                self._failures.append(f"the step for {received.method} {received.target} raised {error!r}")
            return Reply(
                500, body={"error": {"message": f"the script failed: {error!r}", "type": "server_error"}}
            )


def _is_round(received: Received) -> bool:
    return received.headers.get("user-agent") == "pointsman-round"


def _checked(step: Step) -> Step:
    if isinstance(step, str):
        return _checked_result(step)
    return step


def _checked_result(step: Reply | str) -> Reply | str:
    if isinstance(step, str) and step not in FAULTS:
        raise ValueError(f"{step!r} is not a practice fault; they are {', '.join(FAULTS)}")
    return step
