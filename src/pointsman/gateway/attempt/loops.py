"""Is an answer going round in circles while it comes? Read beside whoever passes it on, in neutral form, where its rule says
`stop_loops`; such rules alone pay for it. What was sent cannot be taken back: the stream ends with an error of its protocol,
and a whole answer is left for the next target.

Not here: when a text does so (conversation/repeats.py), and what the conversation's next turn makes of it
(request/keeping.py).
"""

from __future__ import annotations

from ...conversation.events import Delta, PartKind, PartStart
from ...conversation.parts import Text, Thinking
from ...conversation.repeats import REPEATS, Growing, goes_round
from ...dialects.base import Reader
from ...errors import PointsmanError
from ...kinds import ErrorKind, Protocol
from ...routing.specs import MappingSpec
from ...upstream.backend import Backend
from ...upstream.candidates import profile_of
from ...wire.sse import EventSplitter
from ..data_plane import DataPlane
from ..request.job import Job

_SHOWN = 80
_SAYS = (PartKind.TEXT, PartKind.THINKING)


class LoopWatch:
    """Of one answer. phrase: in which it goes round; None while it does not."""

    def __init__(self, reader: Reader, times: int) -> None:
        self._reader = reader
        self._times = times
        self._splitter = EventSplitter()
        self._said: dict[int, Growing] = {}
        self.phrase: str | None = None

    def take(self, data: bytes) -> bool:
        """More of a stream, as it came. True once it goes round."""
        if self.phrase is None:
            for event in self._splitter.feed(data):
                text = self._reader.more(event)
                if text:
                    self._hear(self._reader.part, text)
                    continue
                for found in self._reader.read(event):
                    if type(found) is PartStart and found.kind in _SAYS:
                        self._said[found.index] = Growing(self._times)
                    elif type(found) is Delta:
                        self._hear(found.index, found.text)
        return self.phrase is not None

    def _hear(self, part: int, text: str) -> None:
        growing = self._said.get(part)
        if growing is not None and self.phrase is None:
            self.phrase = growing.take(text)

    def whole(self, body: bytes) -> bool:
        """A whole answer. True where its words end so."""
        try:
            parts = self._reader.reply(body).parts
        except (ValueError, PointsmanError):
            return False
        texts = (part.text for part in parts if isinstance(part, (Text, Thinking)) and part.text)
        self.phrase = next((found for text in texts if (found := goes_round(text, self._times))), None)
        return self.phrase is not None

    @property
    def error(self) -> PointsmanError:
        """What its client is told."""
        words = " ".join((self.phrase or "").split())
        shown = words if len(words) <= _SHOWN else words[:_SHOWN] + "..."
        return PointsmanError(
            ErrorKind.UPSTREAM_ERROR,
            f"The model said one phrase again and again, and its answer was ended here ('{shown}'). Ask again: where the "
            "rule hands stuck conversations over, the next target answers.",
            code="answer_loops",
        )


def watch_of(
    rule: MappingSpec, plane: DataPlane, job: Job, backend: Backend, model: str, spoken: Protocol
) -> LoopWatch | None:
    """None where the answer is none of a conversation. model: its name there. spoken: to the backend."""
    dialect = plane.dialects.get(spoken)
    if job.request.route.half is None or dialect is None or dialect.translation is None:
        return None
    reader = dialect.translation.reader(profile_of(backend, spoken, model))
    return LoopWatch(reader, rule.loop_repeats or REPEATS)
