"""The estimate of memory, beside what was measured of real engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pointsman.modelstore.files import gguf_file, mlx_folder
from pointsman.modelstore.memory import ModelShape, estimate, largest_window, shape_of_config, shape_of_gguf
from tests.engines_real.gguf_of import TINY, write

LLAMA: dict[str, Any] = {
    "num_hidden_layers": 16, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 64, "max_position_embeddings": 8192,
}  # fmt: skip
MIB = 2**20


def test_a_file_and_a_folder_of_one_model_are_told_alike(tmp_path: Path) -> None:
    write(TINY, tmp_path / "tiny.gguf")
    folder, file = mlx_folder(TINY), gguf_file(tmp_path / "tiny.gguf")
    assert folder.shape == file.shape == ModelShape(4096, 2 * 2 * 2 * 24 * 2)
    assert abs(folder.weights - file.weights) < 20_000  # the vocabulary is in the file


def test_the_estimate_is_what_a_real_engine_took() -> None:
    """189 million parameters in 32 bits, 8,192 tokens: 819 MiB were measured (docs/local-models.md#memory)."""
    weights = 189_000_000 * 4
    found = estimate(weights, shape_of_config(LLAMA), 2048)
    assert found.total == found.weights + found.cache + 33 * MIB
    assert found.cache == 2 * 16 * 8 * 64 * 2048 * 2
    assert abs(found.total / MIB - 819) < 10


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        ({}, ModelShape(None, 0)),
        ({"num_hidden_layers": "many", "max_position_embeddings": -1}, ModelShape(None, 0)),
        ({"text_config": LLAMA, "vision_config": {}}, ModelShape(8192, 2 * 16 * 8 * 64 * 2)),
        (
            {**LLAMA, "num_key_value_heads": None, "head_dim": None, "hidden_size": 2048},
            ModelShape(8192, 2 * 16 * 16 * 128 * 2),
        ),
    ],
)
def test_configurations_of_all_kinds(config: dict[str, Any], shape: ModelShape) -> None:
    assert shape_of_config(config) == shape


def test_heads_that_differ_by_layer_are_added_up() -> None:
    head = {
        "general.architecture": "x", "x.block_count": 3, "x.attention.head_count": 8, "x.embedding_length": 512,
        "x.attention.head_count_kv": (8, 0, 2), "x.attention.key_length": 32, "x.attention.value_length": 16, "x.context_length": 99,
    }  # fmt: skip
    assert shape_of_gguf(head) == ModelShape(99, 10 * (32 + 16) * 2)


def test_the_largest_window_that_fits() -> None:
    shape = ModelShape(10_000, 1000)
    assert largest_window(100 * MIB, shape, 100 * MIB + 33 * MIB + 5_000_000) == 5_000
    assert largest_window(100 * MIB, shape, 10**12) == 10_000
    assert largest_window(100 * MIB, shape, 100 * MIB) == 0
