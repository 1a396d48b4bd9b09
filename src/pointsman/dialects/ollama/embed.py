"""`/api/embed` and the older `/api/embeddings` as OpenAI's Embeddings, and their answers back
(docs/protocols/ollama.md#embeddings). Pure."""

from __future__ import annotations

import base64
import struct
from typing import Any

import msgspec

from ...conversation.notes import Notes
from ...kinds import Protocol
from ..bridge import Bridge
from ..fields import Fields, bad


class _Vector(msgspec.Struct):
    embedding: list[float] | str
    index: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Vector]
    usage: _Usage | None = None


_answer = msgspec.json.Decoder(_Answer).decode
_encode = msgspec.json.Encoder().encode


def _embed_request(body: dict[str, Any], model: str, notes: Notes) -> tuple[bytes, int]:
    fields = Fields(body)
    value = fields.any("input")
    if not isinstance(value, str) and not (
        isinstance(value, list) and value and all(isinstance(one, str) for one in value)
    ):
        bad("input", "must be a text or a list of texts.")
    asked: dict[str, Any] = {"model": model, "input": value}
    dimensions = fields.integer("dimensions", 0)
    if dimensions:  # 0: as many as the model has (api/types.go, `omitempty`)
        asked["dimensions"] = dimensions
    if fields.flag("truncate") is not None:
        notes.drop("truncate", "what is too long is judged by the backend")
    _close(fields, notes)
    return _encode(asked), 1 if isinstance(value, str) else len(value)


def _older_request(body: dict[str, Any], model: str, notes: Notes) -> tuple[bytes, int]:
    fields = Fields(body)
    prompt = fields.need_text("prompt")
    _close(fields, notes)
    return _encode({"model": model, "input": prompt}), 1


def _close(fields: Fields, notes: Notes) -> None:
    fields.ignore("model", "stream")
    options = fields.mapping("options")
    for name in options or ():
        notes.drop(f"options.{name}", "an embedding has no such setting")
    if fields.any("keep_alive") is not None:
        notes.drop("keep_alive", "how long a model stays in memory is its server's own affair")
    fields.close(notes)


def _vectors(found: _Answer, count: int) -> list[list[float]]:
    ordered = sorted(enumerate(found.data), key=lambda one: one[0] if one[1].index is None else one[1].index)
    vectors = [_numbers(one.embedding) for _, one in ordered]
    if len(vectors) != count:
        raise ValueError(f"{len(vectors)} vectors for {count} texts")
    return vectors


def _numbers(embedding: list[float] | str) -> list[float]:
    """base64 is what some servers give unasked: 32-bit floats, the least byte first."""
    if isinstance(embedding, list):
        return embedding
    raw = base64.b64decode(embedding, validate=True)
    if len(raw) % 4:
        raise ValueError("half a number")
    return list(struct.unpack(f"<{len(raw) // 4}f", raw))


def _embed_reply(body: bytes, count: int, model: str, nanoseconds: int) -> bytes:
    found = _answer(body)
    value: dict[str, Any] = {
        "model": model,
        "embeddings": _vectors(found, count),
        "total_duration": nanoseconds,
    }
    if found.usage is not None and found.usage.prompt_tokens is not None:
        value["prompt_eval_count"] = found.usage.prompt_tokens
    return _encode(value)


def _older_reply(body: bytes, count: int, model: str, nanoseconds: int) -> bytes:
    return _encode({"embedding": _vectors(_answer(body), count)[0]})


def _no_input(body: dict[str, Any], created: int) -> bytes | None:
    """No text asks that the model be loaded (server/routes.go, `EmbedHandler`)."""
    if body.get("input") in (None, "", []):
        return _encode({"model": body.get("model"), "embeddings": []})
    return None


def _no_prompt(body: dict[str, Any], created: int) -> bytes | None:
    return None if body.get("prompt") else _encode({"embedding": []})


EMBED = Bridge(Protocol.EMBEDDINGS, _embed_request, _embed_reply, _no_input)
OLDER = Bridge(Protocol.EMBEDDINGS, _older_request, _older_reply, _no_prompt)
