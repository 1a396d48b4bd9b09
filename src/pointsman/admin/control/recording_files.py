"""A recording as a file that stands beside a program's tests: JSON in clear, so that a difference of two is read line by
line; and taken in again. Not here: where recordings are kept (recordings.py).
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from ...dialects.paths import route
from ...errors import PointsmanError
from ...kinds import BACKEND_PROTOCOLS, RECORDING_NAME, ErrorKind
from ...link.kept_messages import KeptAnswer
from ...translation.same_request import Unlike, recorded_as
from ..store.shapes import Input
from .recordings import MOST_ANSWERS, Recorded, Recordings

_MOST_BODY = 4 * 1024 * 1024
_HEADERS = ("content-type", "x-pointsman-warnings")


class RecordedAnswer(Input):
    """A request and its answer. path: where it was asked; request: its body, without what changes no answer. stream: as one
    it was asked for. headers: of the answer. answer: its body, line by line; answer_base64 where that is no text. at,
    target: when, and who answered; they decide nothing."""

    path: Annotated[str, Field(max_length=200)]
    request: dict[str, Any]
    stream: bool = False
    headers: dict[str, str] = Field(default_factory=dict)
    answer: list[str] | None = None
    answer_base64: str | None = None
    at: datetime | None = None
    target: Annotated[str, Field(max_length=400)] = ""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.answer is None) == (self.answer_base64 is None):
            raise ValueError("an answer has `answer`, its lines, or `answer_base64`")
        return self

    @field_validator("headers")
    @classmethod
    def _known(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if name not in _HEADERS or not (value.isascii() and value.isprintable()):
                raise ValueError(f"headers may hold {' and '.join(_HEADERS)}, in printable ASCII")
        return headers


class RecordingFile(Input):
    """A recording. format: of this document."""

    format: Literal[1] = 1
    name: Annotated[str, Field(pattern=f"^{RECORDING_NAME.pattern}$")]
    answers: Annotated[list[RecordedAnswer], Field(max_length=MOST_ANSWERS)]


def export(recordings: Recordings, name: str) -> RecordingFile:
    """Raises NOT_FOUND."""
    return RecordingFile(name=name, answers=[_shown(one) for _, one in recordings.all_of(name)])


def take_in(recordings: Recordings, file: RecordingFile) -> int:
    """How many answers it has. All that was in one of that name goes. Raises INVALID, CONFLICT, and changes nothing then."""
    found = [_read(one, f"answers[{number}]") for number, one in enumerate(file.answers)]
    recordings.put(file.name, found)
    return len(found)


def _shown(one: Recorded) -> RecordedAnswer:
    answer = one.answer
    told = dict(line.split(": ", 1) for line in answer.lines.decode("ascii").splitlines() if ": " in line)
    body: dict[str, Any]
    try:
        body = {"answer": answer.body.decode("utf-8").split("\n")}
    except UnicodeDecodeError:
        body = {"answer_base64": base64.b64encode(answer.body).decode()}
    return RecordedAnswer(
        path=one.path,
        request=json.loads(one.asked),
        stream=not answer.whole,
        headers={name.lower(): value for name, value in told.items()},
        at=datetime.fromtimestamp(int(answer.at), UTC),
        target=answer.target,
        **body,
    )


def _read(one: RecordedAnswer, at: str) -> Recorded:
    where, model = route(one.path), one.request.get("model")
    if where.kind != "llm" or where.protocol not in BACKEND_PROTOCOLS:
        raise _wrong(f"{at}.path", f"{one.path} is no path that a recording answers on")
    if not isinstance(model, str):
        raise _wrong(f"{at}.request", "the request names no model")
    try:
        asked = recorded_as(where, json.dumps(one.request).encode(), model, stream=one.stream)
        if one.answer is not None:
            body = "\n".join(one.answer).encode("utf-8")
        else:
            body = base64.b64decode(one.answer_base64 or "", validate=True)
    except Unlike as why:
        raise _wrong(f"{at}.request", str(why)) from None
    except ValueError:
        raise _wrong(f"{at}.answer", "it cannot be read") from None
    if len(body) > _MOST_BODY:
        raise _wrong(f"{at}.answer", f"it is longer than {_MOST_BODY} bytes")
    lines = "".join(f"{name}: {value}\r\n" for name, value in one.headers.items()).encode("ascii")
    made = 0.0 if one.at is None else one.at.timestamp()
    return Recorded(where.path, model, asked, KeptAnswer(made, one.target, lines, not one.stream, body))


def _wrong(param: str, why: str) -> PointsmanError:
    return PointsmanError(ErrorKind.INVALID, f"{param}: {why}. Nothing was taken in.", param=param)
