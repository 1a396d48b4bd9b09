"""One verdict on every path, as properties and tables; each dialect's folder runs them (test_verdicts.py, test_oddities.py).

Answers as they might come, made twice from one plan, whole and as a stream, by code that knows nothing of ours; cut,
garbled and out of order; answers of real servers; and the odd ones that have been seen.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from pointsman.conversation.events import Stop
from pointsman.dialects.base import Verdict
from pointsman.kinds import ErrorKind, Protocol
from tests.conformance.recordings import Recording
from tests.vendor_bodies.chat import DONE
from tests.vendor_bodies.wire import encoded

from .both_ways import often
from .reading import cut
from .verdicts import agree, whole

COMMENT = b": comment\n\n"
GARBAGE = b"data: {nope\n\n"
NOISE = [
    COMMENT,
    GARBAGE,
    b"\n\n",
    b'event: ping\ndata: {"type": "ping"}\n\n',
    b'event: brand_new\ndata: {"type": "brand_new", "index": 1}\n\n',
]


class Judged(NamedTuple):
    """What of a verdict a row expects; error: its kind."""

    answered: bool
    finished: bool
    stop: Stop | None = None
    refused: bool = False
    error: ErrorKind | None = None


GOOD = Judged(True, True, Stop.END)
SILENT = Judged(False, True, Stop.END)
LIMIT = Judged(True, True, Stop.MAX_TOKENS)
CALLED = Judged(True, True, Stop.TOOL_USE)
REFUSED = Judged(True, True, Stop.REFUSAL, True)
CUT = Judged(True, False)


def judged(verdict: Verdict) -> Judged:
    error = verdict.error[0] if verdict.error is not None else None
    return Judged(verdict.answered, verdict.finished, verdict.stop, verdict.refused, error)


class OneVerdict:
    """plans: a strategy; a plan has at least `error`. events: the stream, an event each. whole_of: the same as one body,
    None where a body cannot say it. noise: what means nothing, after: what may follow the end. table: plan -> verdict."""

    protocol: ClassVar[Protocol]
    plans: ClassVar[st.SearchStrategy[Any]]
    noise: ClassVar[list[bytes]] = NOISE
    after: ClassVar[bytes] = DONE
    table: ClassVar[dict[str, tuple[Any, Judged]]]

    def events(self, plan: Any) -> list[bytes]:
        raise NotImplementedError

    def whole_of(self, plan: Any, verdict: Verdict) -> Any:
        raise NotImplementedError

    @often(150)
    @given(data=st.data())
    def test_the_verdict_is_one(self, data: st.DataObject) -> None:
        """Passed, translated, whole: equal. In pieces of any size, and after a cut anywhere."""
        plan = data.draw(self.plans)
        raw = b"".join(self.events(plan))
        verdict = agree(self.protocol, [raw])
        body = self.whole_of(plan, verdict)
        if body is not None and plan.error is None:
            assert whole(self.protocol, encoded(body)) == verdict
        elif (
            body is not None
        ):  # an error takes the place of the whole answer, so only what it says is the same
            assert whole(self.protocol, encoded(body)).error == verdict.error
        places = data.draw(st.lists(st.integers(0, len(raw)), max_size=5))
        assert agree(self.protocol, cut(raw, places)) == verdict
        agree(self.protocol, [raw[: data.draw(st.integers(0, len(raw)))]])

    @often(100)
    @given(data=st.data())
    def test_frames_that_mean_nothing_change_no_verdict(self, data: st.DataObject) -> None:
        events = self.events(data.draw(self.plans))
        noisy = [data.draw(st.sampled_from(self.noise)) + event for event in events]
        assert agree(self.protocol, [*noisy, self.after]) == agree(self.protocol, events)

    @often(100)
    @given(data=st.data())
    def test_events_out_of_order_repeated_or_left_out_are_judged_alike(self, data: st.DataObject) -> None:
        both = data.draw(self.plans), data.draw(self.plans)
        events = [event for plan in both for event in self.events(plan)]
        agree(self.protocol, data.draw(st.lists(st.sampled_from(events), max_size=12)))

    def test_what_the_verdict_is(self, verdict_row: tuple[Any, Judged]) -> None:
        plan, expected = verdict_row
        verdict = agree(self.protocol, self.events(plan))
        assert judged(verdict) == expected
        body = self.whole_of(plan, verdict)
        if body is not None and plan.error is None:
            assert whole(self.protocol, encoded(body)) == verdict


class Recorded:
    """path: whose recordings. whole_of_stream: the whole answer that a recorded stream tells, by plain reading."""

    protocol: ClassVar[Protocol]
    path: ClassVar[str]

    def whole_of_stream(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        raise NotImplementedError

    def test_a_recorded_stream_has_one_verdict(self, recorded_stream: Recording) -> None:
        raw = recorded_stream.response
        verdict = agree(self.protocol, [raw])
        assert (verdict.answered, verdict.finished, verdict.error) == (True, True, None)
        lines = [line[5:] for line in raw.decode().splitlines() if line.startswith("data:")]
        events = [json.loads(line) for line in lines if line.strip() != "[DONE]"]
        assert whole(self.protocol, encoded(self.whole_of_stream(events))) == verdict
        dice = random.Random(recorded_stream.name)
        for pieces in (1, 4, 30):
            at = [dice.randrange(len(raw)) for _ in range(pieces)]
            assert agree(self.protocol, cut(raw, at)) == verdict
        for _ in range(8):
            agree(self.protocol, [raw[: dice.randrange(len(raw))]])

    def test_a_recorded_whole_answer_has_one_verdict(self, recorded_whole: Recording) -> None:
        verdict = whole(self.protocol, recorded_whole.response)
        assert (verdict.answered, verdict.finished, verdict.error) == (True, True, None)
        assert verdict.stop is not None
        assert verdict.usage is not None


@dataclass(frozen=True)
class Odd:
    """An answer that some backend has sent. stream: its events. whole: the same as one body, None where it has none.
    input_tokens: as it is counted, None where nobody counted."""

    stream: bytes
    expected: Judged
    whole: dict[str, Any] | None = None
    input_tokens: int | None = None


class Oddities:
    """odd: name -> what was sent, and the one verdict on it."""

    protocol: ClassVar[Protocol]
    odd: ClassVar[dict[str, Odd]]

    def test_an_odd_stream_is_judged_alike_on_every_path(self, odd_row: Odd) -> None:
        verdict = agree(self.protocol, [odd_row.stream])
        assert judged(verdict) == odd_row.expected
        assert (verdict.usage.input if verdict.usage is not None else None) == odd_row.input_tokens
        raw = odd_row.stream
        for at in range(1, len(raw), 1 + len(raw) // 60):
            assert agree(self.protocol, [raw[:at], raw[at:]]) == verdict

    def test_an_odd_answer_is_judged_as_its_stream(self, odd_row: Odd) -> None:
        if odd_row.whole is not None:
            verdict = whole(self.protocol, encoded(odd_row.whole))
            assert verdict == agree(self.protocol, [odd_row.stream])
