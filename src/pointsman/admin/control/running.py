"""What runs now in all data-plane processes, asked of them when somebody looks: it costs nothing while nobody does.

Not here: what each of them has (gateway/own/running.py), and what has run (store/usage.py).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...link.messages import EndFound, EndQuestion, RunningFact, RunningFound, RunningQuestion

if TYPE_CHECKING:
    from ...link.server import LinkServer

MOST = 200
"""Requests that are told; of more, those that have run longest."""
_FRESH_SECONDS = 0.4
"""However many pages look, each process is asked no more often."""


@dataclass(frozen=True, slots=True)
class RunningNow:
    """count: of all, told or not. The newest comes first."""

    count: int
    requests: tuple[RunningFact, ...]


class RunningRequests:
    """link: set once there is one; a command without a gateway has none. Used from the loop."""

    def __init__(self) -> None:
        self.link: LinkServer | None = None
        self._found: tuple[float, RunningNow] = (-_FRESH_SECONDS, RunningNow(0, ()))
        self._asking = asyncio.Lock()

    async def now(self) -> RunningNow:
        """All that runs. A process that does not answer is left out."""
        if self.link is None:
            return RunningNow(0, ())
        async with self._asking:
            at, found = self._found
            if time.monotonic() - at >= _FRESH_SECONDS:
                told = await self.link.ask_all(lambda number: RunningQuestion(number, MOST), RunningFound)
                requests = sorted((one for each in told for one in each.requests), key=lambda one: one.at)
                found = RunningNow(sum(each.count for each in told), tuple(reversed(requests[:MOST])))
                self._found = (time.monotonic(), found)
            return found

    async def end(self, request_id: str) -> bool:
        """End the one of that id. False where none runs."""
        if self.link is None:
            return False
        told = await self.link.ask_all(lambda number: EndQuestion(number, request_id), EndFound)
        self._found = (-_FRESH_SECONDS, RunningNow(0, ()))
        return any(one.ran for one in told)
