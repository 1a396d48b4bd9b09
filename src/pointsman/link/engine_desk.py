"""A process's end of the warden's socket: which engine stands where, waiting for one, and what this process has under way.

Lives through the warden's death: engines go on meanwhile where they were, and what is waited for and under way is said again
to the next one. Not here: which target an engine belongs to; starting one (pointsman.warden).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import PointsmanError
from ..kinds import ErrorKind

log = logging.getLogger("pointsman.link")

RETRY_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Between two tries to reach the warden: of one that is not there for long, a try a second costs 0.5 ms. Who waits for an
engine begins anew."""
_LONG_SECONDS = 0.5
_WAITED_SECONDS = 0.2
"""While somebody waits for an engine."""
IDLE_SECONDS = 0.1
"""A request that follows the last one so soon is not told: the warden knows of the one before still."""
ORDER_SECONDS = 10.0
_LINE_BYTES = 1024 * 1024
_STUCK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class EngineStanding:
    """As the warden told it last. state: cold, starting, loading, ready, asleep, stopping, down. address:
    `http://127.0.0.1:PORT` or `unix:PATH`, None while there is none. since: Unix time of the state. said: what it
    printed last or what is wrong with its recipe, with paths: for the machine's owner, not for clients. rss, size: bytes
    now, and when loaded. queue: requests of all processes that wait."""

    engine: str
    state: str
    address: str | None = None
    since: float = 0.0
    why: str = ""
    said: str = ""
    pid: int | None = None
    rss: int = 0
    size: int = 0
    queue: int = 0

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> EngineStanding:
        """Of a state that the warden told, which has more."""
        return cls(**{word: value for word, value in message.items() if word in cls.__dataclass_fields__})


class EngineDesk:
    """path: the warden's socket. on_state: called with every change, on_connect: once a warden is there, this one or
    another; neither may raise anything."""

    def __init__(
        self,
        path: str,
        on_state: Callable[[EngineStanding], None] = lambda standing: None,
        on_connect: Callable[[], None] = lambda: None,
    ) -> None:
        self._path = path
        self._on_state = on_state
        self._on_connect = on_connect
        self._hurry = asyncio.Event()
        self._states: dict[str, EngineStanding] = {}
        self._fresh: set[str] = set()  # told since this connection began
        self._waiting: dict[str, list[asyncio.Future[str]]] = {}
        self._busy: Counter[str] = Counter()
        self._told_busy: dict[str, bool] = {}
        self._orders: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._writer: asyncio.StreamWriter | None = None

    @property
    def connected(self) -> bool:
        """Is the warden there right now?"""
        return self._writer is not None

    def state(self, name: str) -> EngineStanding | None:
        """None while nothing is known of it."""
        return self._states.get(name)

    def states(self) -> list[EngineStanding]:
        """Of all that are known."""
        return list(self._states.values())

    # -- requests

    def take(self, name: str) -> str | None:
        """The address of an engine that is ready, None else. With an address the request is under way from now on: `done`
        must follow exactly once."""
        standing = self._states.get(name)
        if standing is None or standing.state != "ready" or standing.address is None:
            return None
        self._busy[name] += 1
        if not self._told_busy.get(name):
            self._tell_busy(name)
        return standing.address

    async def ready(self, name: str, seconds: float) -> str:
        """As `take`, once it is ready: it is started, woken, room is made. Raises PointsmanError with the warden's reason
        when it refuses, or that it is not ready after so long; the engine goes on loading then."""
        address = self.take(name)
        if address is not None:
            return address
        waiter: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, []).append(waiter)
        self._tell_wanted(name)
        self._hurry.set()
        try:
            async with asyncio.timeout(seconds):
                return await waiter
        except TimeoutError:
            self._give_back(name, waiter)
            raise self._late(name, seconds) from None
        except asyncio.CancelledError:
            self._give_back(name, waiter)
            raise
        finally:
            waiters = self._waiting.get(name)
            if waiters is not None and waiter in waiters:
                waiters.remove(waiter)
                self._tell_wanted(name)

    def _give_back(self, name: str, waiter: asyncio.Future[str]) -> None:
        """It came in the very moment in which nobody waits any longer."""
        if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            self.done(name)

    def done(self, name: str) -> None:
        """A request that `take` or `ready` gave an address has ended, however."""
        self._busy[name] -= 1
        if not self._busy[name]:
            try:
                asyncio.get_running_loop().call_later(IDLE_SECONDS, self._tell_idle, name)
            except RuntimeError:  # at the end of the process
                self._tell_idle(name)

    def _late(self, name: str, seconds: float) -> PointsmanError:
        standing = self._states.get(name)
        if standing is None:
            said = "the process that starts local engines does not answer"
        else:
            said = f"it is {standing.state}" + (f": {standing.why}" if standing.why else "")
        return PointsmanError(
            ErrorKind.UNAVAILABLE,
            f"The engine {name!r} is not ready after {seconds:g} s ({said}). Try again.",
            retry_after=5,
        )

    def hurry(self) -> None:
        """The warden should be there: look for it now."""
        self._hurry.set()

    # -- orders

    async def order(self, op: str, **fields: Any) -> dict[str, Any]:
        """Any order (`declare`, `start`, `stop`, `list`, `budget`, `log`) and its answer. Raises PointsmanError: 409 with
        the warden's words, 503 while it is away."""
        writer = self._writer
        if writer is None:
            raise away()
        self._number += 1
        number = self._number
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._orders[number] = answer
        self._send({"op": op, "id": number, **fields})
        try:
            async with asyncio.timeout(ORDER_SECONDS):
                found = await answer
        except TimeoutError:
            raise away() from None
        finally:
            del self._orders[number]
        if "error" in found:
            raise PointsmanError(ErrorKind.CONFLICT, str(found["error"]))
        return found

    # -- the connection

    async def run(self) -> None:
        """Connect, read, and connect again for ever; cancelled at the end of the process."""
        tries = 0
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(self._path, limit=_LINE_BYTES)
            except OSError:
                tries = await self._pause(tries)
                continue
            try:
                self._writer = writer
                self._greet()
                self._on_connect()
                while line := await reader.readline():
                    self._take_in(json.loads(line))
                    tries = 0
            except OSError:
                pass
            except (ValueError, KeyError, TypeError) as error:
                log.error("the warden spoke nonsense: %r", error)
            finally:
                self._writer = None
                writer.transport.abort()
                for answer in self._orders.values():
                    if not answer.done():
                        answer.set_exception(away())
            tries = await self._pause(tries)

    async def _pause(self, tries: int) -> int:
        """How many tries that makes."""
        seconds = RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)]
        if self._waiting:
            seconds = min(seconds, _WAITED_SECONDS)
        if seconds < _LONG_SECONDS:
            await asyncio.sleep(seconds)
            return tries + 1
        self._hurry.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        except TimeoutError:
            return tries + 1
        return 0

    def _greet(self) -> None:
        """Everything again: this may be another warden."""
        self._fresh.clear()
        self._told_busy.clear()
        for name, count in self._busy.items():
            if count:
                self._tell_busy(name)
        self._send({"op": "watch", "id": 0})
        for name in list(self._waiting):
            self._tell_wanted(name)

    def _send(self, message: dict[str, Any]) -> None:
        writer = self._writer
        if writer is None:
            return
        if writer.transport.get_write_buffer_size() > _STUCK_BYTES:
            writer.transport.abort()  # it has stopped reading; the next connection says all again
            return
        writer.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    def _tell_busy(self, name: str) -> None:
        self._told_busy[name] = True
        self._send({"op": "busy", "engine": name, "count": self._busy[name]})

    def _tell_idle(self, name: str) -> None:
        if not self._busy[name] and self._told_busy.pop(name, False):
            del self._busy[name]
            self._send({"op": "busy", "engine": name, "count": 0})

    def _tell_wanted(self, name: str) -> None:
        waiters = self._waiting[name]
        self._send({"op": "want", "engine": name, "count": len(waiters)})
        if not waiters:
            del self._waiting[name]

    def _take_in(self, message: Any) -> None:
        if not isinstance(message, dict):
            raise ValueError("no object")
        if "engine" not in message:
            number = message.get("id")
            if number == 0:  # all states that there are have been told
                for name in set(self._states) - self._fresh:
                    del self._states[name]
            elif number in self._orders and not self._orders[number].done():
                self._orders[number].set_result(message)
            elif "error" in message:
                log.error("the warden refused an order: %s", message["error"])
            return
        name = message["engine"]
        if "refused" in message:
            for waiter in self._let_go(name):
                waiter.set_exception(_refused(name, message["refused"]))
        elif message["state"] == "gone":
            self._states.pop(name, None)
        else:
            self._take_state(name, message)

    def _take_state(self, name: str, message: dict[str, Any]) -> None:
        standing = EngineStanding.of(message)
        self._fresh.add(name)
        self._states[name] = standing
        if standing.state == "ready" and standing.address is not None and name in self._waiting:
            waiters = self._let_go(name, busy=True)
            for waiter in waiters:
                waiter.set_result(standing.address)
        elif standing.state == "stopping":
            self._send({"op": "heard", "engine": name})  # behind all that has been told as under way
        self._on_state(standing)

    def _let_go(self, name: str, busy: bool = False) -> list[asyncio.Future[str]]:
        """All who wait for it, who wait no longer. busy: they are under way instead, which is told first."""
        waiters = [waiter for waiter in self._waiting.get(name, ()) if not waiter.done()]
        if name in self._waiting:
            if busy and waiters:
                self._busy[name] += len(waiters)
                self._tell_busy(name)
            self._waiting[name] = []
            self._tell_wanted(name)
        return waiters


def _refused(name: str, why: str) -> PointsmanError:
    return PointsmanError(ErrorKind.UNAVAILABLE, f"The engine {name!r} does not start: {why}", retry_after=10)


def away() -> PointsmanError:
    """The warden is not there; it will be."""
    return PointsmanError(
        ErrorKind.UNAVAILABLE,
        "The process that starts local engines does not answer now; try again.",
        retry_after=1,
    )
