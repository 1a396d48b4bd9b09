"""The data plane's way to answers that are kept (docs/cache.md, docs/replay.md), by its end of the link: looked up, and
handed up. Not here: the link (client.py), and whose are asked for (gateway/request/cached.py, gateway/attempt/replayed.py).
"""

from __future__ import annotations

from ..errors import PointsmanError
from ..kinds import ErrorKind
from .client import LinkClient
from .kept_messages import KeepAnswer, KeepRecorded, KeptFound, KeptQuestion, ReplayFound, ReplayQuestion


class KeptByLink:
    """What the control plane has of them."""

    def __init__(self, link: LinkClient) -> None:
        self._link = link

    async def find(self, name: str, seconds: float) -> KeptFound:
        """The answer of that name out of the cache. Raises PointsmanError 503 where the control plane does not say so in
        time."""
        return await self._link.questions.ask(
            self._link.say, lambda number: KeptQuestion(number, name, seconds), KeptFound, _cannot_tell
        )

    def keep(self, answer: KeepAnswer) -> bool:
        """Hand up an answer for the cache. False where it cannot go now, and so is not kept."""
        return self._link.say(answer)

    async def find_recorded(
        self, recording: str, path: str, asked: bytes, meant: bytes, most: int | None
    ) -> ReplayFound:
        """What that recording answers to this request (see ReplayQuestion). Raises PointsmanError 503 as find() does."""
        return await self._link.questions.ask(
            self._link.say,
            lambda number: ReplayQuestion(number, recording, path, asked, meant, most),
            ReplayFound,
            _cannot_tell,
        )

    def keep_recorded(self, answer: KeepRecorded) -> bool:
        """Hand up an answer for recordings. False as keep() says."""
        return self._link.say(answer)


def _cannot_tell() -> PointsmanError:
    return PointsmanError(
        ErrorKind.UNAVAILABLE, "What is kept or recorded cannot be looked up now; try again.", retry_after=1
    )
