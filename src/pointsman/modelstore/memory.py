"""How much memory a model takes when it runs, told from its files: weights, the cache of a window, a fixed rest.

Weights + 2 x layers x key-value heads x size of a head x window x 2 bytes + 33 MiB: within 0.2 % of what llama.cpp was
measured to take on a CPU (docs/local-models.md#memory). Models that keep less for far tokens take less than that.
Not here: what a running engine takes, which whoever runs it measures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

REST_BYTES = 33 * 2**20
_BYTES_A_NUMBER = 2  # the cache holds 16-bit numbers


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What of a model decides its cache. window: the longest it was made for, in tokens; None where it is not told.
    token_bytes: of cache a token, 0 where it is not told."""

    window: int | None
    token_bytes: int


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes: of the weights, of the cache for the window, of everything together."""

    weights: int
    cache: int
    total: int


def estimate(
    weights: int, shape: ModelShape, window: int | None, *, windows: int = 1, rest: int = REST_BYTES
) -> MemoryEstimate:
    """weights: bytes of the model's files. window: tokens it is to run with; None: its own. windows: how many of that size
    an engine keeps. rest: what it takes besides."""
    cache = shape.token_bytes * (window or shape.window or 0) * windows
    return MemoryEstimate(weights, cache, weights + cache + rest)


def largest_window(weights: int, shape: ModelShape, limit: int) -> int:
    """The most tokens with which the model stays within `limit` bytes: its own window where that fits, 0 where not even
    the weights do."""
    room = limit - weights - REST_BYTES
    own = shape.window or 0
    if room < 0:
        return 0
    return own if shape.token_bytes == 0 else min(own, room // shape.token_bytes)


def shape_of_config(config: Mapping[str, Any]) -> ModelShape:
    """From a model folder's config.json (Hugging Face's names); that of its text part where it has several."""
    part = config.get("text_config")
    values: Mapping[str, Any] = {**config, **part} if isinstance(part, Mapping) else config
    layers, heads = _whole(values, "num_hidden_layers"), _whole(values, "num_attention_heads")
    pairs = _whole(values, "num_key_value_heads") or heads
    size = _whole(values, "head_dim") or (_whole(values, "hidden_size") // heads if heads else 0)
    return ModelShape(_whole(values, "max_position_embeddings") or None, _a_token(layers * pairs, size, size))


def shape_of_gguf(head: Mapping[str, Any]) -> ModelShape:
    """From a GGUF file's head (gguf.py)."""
    kind = head.get("general.architecture", "")
    own = {key.removeprefix(f"{kind}."): value for key, value in head.items() if key.startswith(f"{kind}.")}
    layers, heads = _whole(own, "block_count"), _whole(own, "attention.head_count")
    of_layers = own.get("attention.head_count_kv")
    pairs = (
        sum(of_layers)
        if isinstance(of_layers, tuple)
        else layers * (_whole(own, "attention.head_count_kv") or heads)
    )
    size = _whole(own, "embedding_length") // heads if heads else 0
    keys = _whole(own, "attention.key_length") or size
    values = _whole(own, "attention.value_length") or size
    return ModelShape(_whole(own, "context_length") or None, _a_token(pairs, keys, values))


def _a_token(pairs: int, keys: int, values: int) -> int:
    return max(0, pairs * (keys + values) * _BYTES_A_NUMBER)


def _whole(values: Mapping[str, Any], name: str) -> int:
    """A number that is more than zero and believable, else 0."""
    value = values.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**40 else 0
