"""A path whose requests have no neutral form, and become requests of another protocol that is not translated either:
embeddings under another vendor's path. Shapes only. Not here: what is sent when (gateway/attempt), the codec that uses
it (translation/bridged.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..conversation.notes import Notes
from ..kinds import Protocol


@dataclass(frozen=True, slots=True)
class Bridge:
    """to: in which protocol the backend gets it. request(body, model, notes): the backend's body, for the target's name of
    the model, and of how many things it asks. Raises PointsmanError 400. reply(body, count, model, nanoseconds): a whole
    answer of the backend as the client's; model: the client's name of it. Raises ValueError where it does not hold count
    answers. at_once: see ClientHalf."""

    to: Protocol
    request: Callable[[dict[str, Any], str, Notes], tuple[bytes, int]]
    reply: Callable[[bytes, int, str, int], bytes]
    at_once: Callable[[dict[str, Any], int], bytes | None]
