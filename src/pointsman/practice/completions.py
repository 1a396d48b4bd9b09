"""OpenAI's older Completions, as the practice model speaks it. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .chat import error_body as error_body
from .chat import error_frames as error_frames
from .chat import totals
from .model import (
    CREATED,
    Ask,
    Phase,
    PracticeAnswer,
    PracticeError,
    PracticeFrame,
    StopReason,
    compact,
    count,
    pieces,
)
from .reading import limit_of, mapping, stops_of


def parse(body: Mapping[str, Any], fingerprint: str) -> Ask:
    prompt = body.get("prompt")
    texts = prompt if isinstance(prompt, list) else [prompt]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise PracticeError(400, "`prompt` must be a text or a list of texts", param="prompt")
    return Ask(
        id=fingerprint,
        model=body["model"],
        text=str(texts[-1]),
        max_tokens=limit_of(body, "max_tokens"),
        stop=stops_of(body.get("stop")),
        stream=body.get("stream") is True,
        include_usage=mapping(body.get("stream_options")).get("include_usage") is True,
        n=min((limit_of(body, "n") or 1) * len(texts), 8),
        input_tokens=sum(count(text) for text in texts),
    )


def _envelope(ask: Ask) -> dict[str, Any]:
    return {"id": f"cmpl-{ask.id}", "object": "text_completion", "created": CREATED, "model": ask.model}


def _choice(index: int, text: str, finish: str | None) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish}


def _finish(answer: PracticeAnswer) -> str:
    return "length" if answer.stop is StopReason.LENGTH else "stop"


def whole(ask: Ask, answer: PracticeAnswer) -> dict[str, Any]:
    choices = [_choice(index, answer.text, _finish(answer)) for index in range(ask.n)]
    return {**_envelope(ask), "choices": choices, "usage": totals(ask, answer)}


def frames(ask: Ask, answer: PracticeAnswer) -> Iterator[PracticeFrame]:
    nothing = {"usage": None} if ask.include_usage else {}

    def frame(stage: Phase, choices: list[dict[str, Any]], usage: Mapping[str, Any]) -> PracticeFrame:
        return PracticeFrame(
            stage, f"data: {compact({**_envelope(ask), 'choices': choices, **usage})}\n\n".encode()
        )

    for index in range(ask.n):
        for piece in pieces(answer.text):
            yield frame(Phase.OUTPUT, [_choice(index, piece, None)], nothing)
    for index in range(ask.n):
        yield frame(Phase.END, [_choice(index, "", _finish(answer))], nothing)
    if ask.include_usage:
        yield frame(Phase.END, [], {"usage": totals(ask, answer)})
    yield PracticeFrame(Phase.END, b"data: [DONE]\n\n")
