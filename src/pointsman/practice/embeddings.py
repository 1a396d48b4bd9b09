"""OpenAI Embeddings from the practice model: texts that share words get vectors that lie close. No I/O."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from collections.abc import Mapping
from typing import Any

from .model import PracticeError, pieces
from .reading import limit_of

_DIMENSIONS = 256
_MOST = 4096


def answer(body: Mapping[str, Any]) -> dict[str, Any]:
    inputs = _inputs(body.get("input"))
    size = limit_of(body, "dimensions") or _DIMENSIONS
    if size > _MOST:
        raise PracticeError(400, f"`dimensions` must be at most {_MOST}", param="dimensions")
    form = body.get("encoding_format") or "float"
    if form not in ("float", "base64"):
        raise PracticeError(400, "`encoding_format` must be float or base64", param="encoding_format")
    data = []
    for index, tokens in enumerate(inputs):
        vector = _vector(tokens, size)
        encoded: Any = vector
        if form == "base64":
            encoded = base64.b64encode(struct.pack(f"<{size}f", *vector)).decode()
        data.append({"object": "embedding", "index": index, "embedding": encoded})
    used = sum(len(tokens) for tokens in inputs)
    usage = {"prompt_tokens": used, "total_tokens": used}
    return {"object": "list", "data": data, "model": body["model"], "usage": usage}


def _inputs(value: Any) -> list[list[str]]:
    """Every input as its tokens: a text, texts, token ids, or lists of token ids."""
    one = isinstance(value, list) and value and all(isinstance(item, int) for item in value)
    if one or isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not value or len(value) > 2048:
        raise PracticeError(400, "`input` must be a text or a list of 1 to 2048 of them", param="input")
    return [_tokens(item) for item in value]


def _tokens(item: Any) -> list[str]:
    if isinstance(item, str):
        return [piece.strip().lower() for piece in pieces(item)]
    if isinstance(item, list) and all(isinstance(number, int) for number in item):
        return [str(number) for number in item]
    raise PracticeError(400, "each `input` must be a text or a list of token ids", param="input")


def _vector(tokens: list[str], size: int) -> list[float]:
    vector = [0.0] * size
    for token in tokens or [""]:
        digest = hashlib.sha256(token.encode()).digest()
        vector[int.from_bytes(digest[:4], "big") % size] += 1.0 if digest[4] & 1 else -1.0
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    # As 32-bit floats, so that the float and the base64 form hold exactly the same numbers.
    scaled = [value / length for value in vector]
    return list(struct.unpack(f"<{size}f", struct.pack(f"<{size}f", *scaled)))
