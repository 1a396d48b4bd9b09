"""A whole Completions answer as the stream it could have been, and a stream as the whole (see dialects/retelling.py)."""

from __future__ import annotations

from typing import Any

from ..retelling import DONE, data, encode, joined, object_of, objects_in, objects_of, text


def streamed(body: bytes, usage: bool) -> bytes:
    """usage: the client asked for the chunk that tells it."""
    value = object_of(body)
    counted = value.pop("usage", None)
    choices = [_with_reason(one, place) for place, one in enumerate(objects_in(value.get("choices")))]
    out = data({**value, "choices": choices})
    if usage and counted is not None:
        out += data({**value, "choices": [], "usage": counted})
    return out + DONE


def _with_reason(choice: dict[str, Any], place: int) -> dict[str, Any]:
    """Without one a stream is cut; a whole answer without one is not."""
    return {
        **choice,
        "index": choice.get("index", place),
        "text": text(choice.get("text")),
        "finish_reason": choice.get("finish_reason") or "stop",
    }


def assembled(stream: bytes) -> bytes:
    """Raises ValueError where there is nothing to assemble."""
    whole: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    for chunk in objects_of(stream):
        whole.update((name, one) for name, one in chunk.items() if name != "choices" and one is not None)
        for piece in objects_in(chunk.get("choices")):
            choice = choices.setdefault(piece.get("index") or 0, {})
            said = text(choice.get("text")) + text(piece.get("text"))
            probabilities = joined(choice.get("logprobs"), piece.get("logprobs"))
            choice.update((name, one) for name, one in piece.items() if one is not None or name not in choice)
            choice["text"] = said
            if "logprobs" in choice:
                choice["logprobs"] = probabilities
    if not choices:
        raise ValueError("a stream without a choice")
    return encode(
        {**whole, "object": "text_completion", "choices": [choices[index] for index in sorted(choices)]}
    )
