"""The faults the practice model can play, and how `practice:<words>` is read. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .exchange import CUT, RESET, STALL, Part, Pause, Reply
from .model import Ask, Phase, PracticeError, PracticeFrame, Speaker

NAME = "practice"
FAULTS: dict[str, str] = {
    "refuse": "closes the connection without a byte",
    "reset": "resets the connection without a byte",
    "401": "refuses the key",
    "429": "is busy, retry-after 1",
    "500": "has an internal error",
    "503": "is unavailable",
    "529": "is overloaded",
    "stall": "never sends a byte",
    "stall-mid": "stops in the middle and keeps the connection",
    "cut": "closes in the middle, without the end",
    "cut-early": "closes after the head of the stream, before any output",
    "garbage": "sends a body that is not what its content-type says",
    "garbage-head": "sends something that is not HTTP",
    "error-event": "sends an error inside the stream, after some output",
    "error-first": "sends an error as the stream's first event",
    "empty": "answers well, with nothing in it",
}
MANNERS: dict[str, str] = {
    "slow": "100 ms between events",
    "fast": "no wait between events",
    "long": "a longer answer",
    "think": "thinks without being asked",
}
_STATUS: dict[str, tuple[str, dict[str, str]]] = {
    "401": ("the practice model refuses this key, as it was asked to", {"x-should-retry": "false"}),
    "429": ("the practice model is busy, as it was asked to be; try again in 1s", {"retry-after": "1"}),
    "500": ("the practice model failed, as it was asked to", {}),
    "503": ("the practice model is unavailable, as it was asked to be", {}),
    "529": ("the practice model is overloaded, as it was asked to be", {}),
}
_MILLISECONDS = re.compile(r"(\d{1,5})ms")
_NONSENSE = b'{"this is": not JSON, \xff\xfe<html>'


@dataclass(frozen=True, slots=True)
class Play:
    """What a model name asks for. pace: seconds between events, None = the server's own."""

    fault: str | None = None
    pace: float | None = None
    long: bool = False
    think: bool = False


def read_model(model: str) -> Play:
    """`practice:slow+cut` -> what to play. Another name plays nothing; an unknown word is a PracticeError."""
    name, colon, words = model.partition(":")
    if name != NAME or not colon:
        return Play()
    fault: str | None = None
    pace: float | None = None
    known = words.split("+")
    for word in known:
        if word in FAULTS:
            fault = word
        elif match := _MILLISECONDS.fullmatch(word):
            pace = int(match[1]) / 1000
        elif word in ("slow", "fast"):
            pace = 0.1 if word == "slow" else 0.0
        elif word not in MANNERS:
            raise PracticeError(404, _unknown(word), code="model_not_found", param="model")
    return Play(fault, pace, "long" in known, "think" in known)


def _unknown(word: str) -> str:
    return (
        f"the practice model cannot play {word!r}; faults: {', '.join(FAULTS)}; "
        f"manners: {', '.join(MANNERS)} or a pace like 20ms; join several with +"
    )


def status_of(fault: str) -> tuple[PracticeError, dict[str, str]] | None:
    """The error and headers of a fault that is a plain status, else None."""
    if fault not in _STATUS:
        return None
    message, headers = _STATUS[fault]
    return PracticeError(int(fault), message), headers


def before_head(fault: str) -> Reply | None:
    """The reply of a fault that never gets to a body, else None."""
    silent = {"refuse": CUT, "reset": RESET, "stall": STALL}
    if fault in silent:
        return Reply(before=[silent[fault]])
    if fault == "garbage-head":
        return Reply(framing="raw", parts=[b"EHLO practice\r\n\r\n", CUT])
    return None


def in_whole(fault: str, body: bytes) -> list[Part] | None:
    """What is sent of a whole body, under its right content-length; None when it has no meaning there."""
    half = body[: len(body) // 2]
    plans: dict[str, list[Part]] = {
        "stall-mid": [half, STALL],
        "cut": [half, CUT],
        "cut-early": [CUT],
        "garbage": [_NONSENSE],
    }
    return plans.get(fault)


def in_stream(
    fault: str | None, frames: Iterable[PracticeFrame], ask: Ask, speaker: Speaker, pace: float
) -> Iterator[Part]:
    """The events of a stream, paced, with the fault in its place."""
    broken = PracticeError(500, "the practice model failed in the middle, as it was asked to")
    if fault == "error-first":
        yield from speaker.error_frames(ask, broken, 0)
        return
    planned = list(frames)
    outputs = [at for at, frame in enumerate(planned) if frame.stage is Phase.OUTPUT]
    middle = outputs[len(outputs) // 2] if outputs else len(planned)
    early = outputs[0] if outputs else len(planned)
    stop_at = {
        "cut-early": early,
        "cut": middle,
        "stall-mid": middle,
        "error-event": middle,
        "garbage": early,
    }
    end = stop_at.get(fault or "", len(planned))
    for frame in planned[:end]:
        yield frame.data
        if frame.stage is not Phase.END:
            yield Pause(pace)
    if fault in ("cut", "cut-early"):
        yield CUT
    elif fault == "stall-mid":
        yield STALL
    elif fault == "garbage":
        yield b"data: " + _NONSENSE + b"\n\n"
        yield _NONSENSE * 3
    elif fault == "error-event":
        yield from speaker.error_frames(ask, broken, end)
