"""What control plane and data plane tell each other of answers that are kept: by the cache (docs/cache.md) and by recordings
(docs/replay.md). See messages.py."""

from __future__ import annotations

import msgspec


class KeptAnswer(msgspec.Struct, frozen=True):
    """An answer of the cache, or of a recording. at: when it was made, unix seconds. target: whose it is. lines: the header
    lines that stay the same; whole: it was no stream. worth: nano-dollars that it cost or saved, None where that is not
    known. given: what the memory of responses had of it, packed; b"" for nothing."""

    at: float
    target: str
    lines: bytes
    whole: bool
    body: bytes
    worth: int | None = None
    given: bytes = b""


class KeptQuestion(msgspec.Struct, frozen=True, tag="kept_question"):
    """Is there an answer of that name that is not older than these seconds? number: of the question."""

    number: int
    name: str
    seconds: float


class KeptFound(msgspec.Struct, frozen=True, tag="kept_found"):
    """answer: None where there is none. entries, size: of all answers that are kept, and their bytes on disk."""

    number: int
    answer: KeptAnswer | None = None
    entries: int = 0
    size: int = 0


class KeepAnswer(msgspec.Struct, frozen=True, tag="keep"):
    """Keep that answer of that rule under this name for so many seconds, in place of an earlier one. asked: when its request
    came, by the machine's monotonic clock. key_id: of the client key that wants it kept, 0: the rule does."""

    name: str
    mapping_id: int
    seconds: float
    answer: KeptAnswer
    asked: float
    key_id: int = 0


class KeepRecorded(msgspec.Struct, frozen=True, tag="record"):
    """Keep that answer in these recordings, in place of an earlier one to the same request. path: where it was asked;
    model: by which name; asked: the request, as same_request.recorded_as() has it."""

    recordings: tuple[str, ...]
    path: str
    model: str
    asked: bytes
    answer: KeptAnswer


class ReplayQuestion(msgspec.Struct, frozen=True, tag="replay_question"):
    """What does that recording answer to this request? path, asked: as in KeepRecorded; meant: the request in no protocol's
    words (translation/same_meaning.py), b"" where it has no such form; most: tokens that its answer may have. number: of the
    question."""

    number: int
    recording: str
    path: str
    asked: bytes
    meant: bytes
    most: int | None


class ReplayFound(msgspec.Struct, frozen=True, tag="replay_found"):
    """answer: None where it has none, and missing says why, as a sentence. path: where it was recorded."""

    number: int
    answer: KeptAnswer | None = None
    path: str = ""
    missing: str = ""
