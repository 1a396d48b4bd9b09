"""The data plane's way to what all nodes remember (docs/scale.md), by its end of the link. Not here: the link (client.py),
and what is remembered (gateway/own/shared_memory.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import PointsmanError
from ..kinds import ErrorKind
from .client import LinkClient
from .shared_messages import ForgetRemembered, Remember, RememberedFound, RememberedQuestion, SharedKind


class SharedByLink:
    """What the control plane can have of it."""

    def __init__(self, link: LinkClient) -> None:
        self._link = link

    async def find(
        self, kinds: tuple[SharedKind, ...], caller: str, names: Sequence[str]
    ) -> tuple[tuple[SharedKind, str, bytes], ...]:
        """(kind, name, body) of what any node keeps; nothing while that cannot be asked."""
        try:
            found = await self._link.questions.ask(
                self._link.say,
                lambda number: RememberedQuestion(number, kinds, caller, tuple(names)),
                RememberedFound,
                _away,
            )
        except PointsmanError:
            return ()
        return found.found

    def say(self, message: Remember | ForgetRemembered) -> bool:
        """False where it cannot go now, and so is not kept."""
        return self._link.say(message)


def _away() -> PointsmanError:
    return PointsmanError(ErrorKind.UNAVAILABLE, "What other nodes remember cannot be looked up now.")
