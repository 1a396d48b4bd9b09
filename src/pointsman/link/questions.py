"""Questions that one end of the link asks the other, by number; no answer is waited for long. Not here: what they mean
(messages.py)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from ..errors import PointsmanError
from .messages import Answered, Asked, Asking

SECONDS = 2.0
"""How long an answer is waited for."""

A = TypeVar("A", bound=Answered)
Q = TypeVar("Q", bound=Asking | Asked)


class Questions:
    """Raises what `away` makes where there is nobody to ask, or no answer in time."""

    def __init__(self) -> None:
        self._waiting: dict[int, asyncio.Future[Answered]] = {}
        self._asked = 0

    async def ask(
        self,
        send: Callable[[Q], bool],
        make: Callable[[int], Q],
        kind: type[A],
        away: Callable[[], PointsmanError],
        seconds: float = SECONDS,
    ) -> A:
        """send: False where it cannot be. make: the question of that number."""
        self._asked += 1
        number = self._asked
        found: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._waiting[number] = found
        try:
            if not send(make(number)):
                raise away()
            async with asyncio.timeout(max(0.05, seconds)):
                answer = await found
        except TimeoutError:
            raise away() from None
        finally:
            del self._waiting[number]
        if not isinstance(answer, kind):
            raise away()
        return answer

    def answered(self, answer: Answered) -> None:
        """One has come; late ones are nobody's."""
        waiting = self._waiting.get(answer.number)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)
