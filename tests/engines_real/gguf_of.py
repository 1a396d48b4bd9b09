"""A GGUF file made of the tiny model's folder, so that the weights are in the clone once. Its own writer: the reader of the
product is tested by it. Source: the specification of GGUF in the ggml repository; names of tensors as llama.cpp has them for `llama`.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

TINY = Path(__file__).with_name("tiny-model")
_ALIGN = 32
_NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}  # fmt: skip
_NORMAL, _CONTROL, _OWN, _UNUSED = 1, 3, 4, 5


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def packed(value: Any) -> bytes:
    """A value with its type before it: bool, int (32 bits, without a sign; in a list with one), float, str, or a list."""
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + text(value)
    items = [struct.pack("<Ii", 5, one) if type(one) is int else packed(one) for one in value]
    kind = items[0][:4] if items else struct.pack("<I", 5)
    return struct.pack("<I", 9) + kind + struct.pack("<Q", len(items)) + b"".join(one[4:] for one in items)


def head(values: dict[str, Any], tensors: int = 0) -> bytes:
    pairs = b"".join(text(key) + packed(value) for key, value in values.items())
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, len(values)) + pairs


def _metadata(config: dict[str, Any], tokenizer: dict[str, Any], template: str) -> dict[str, Any]:
    size = config["vocab_size"]
    tokens, types = [f"[PAD{number}]" for number in range(size)], [_UNUSED] * size
    for token, number in tokenizer["model"]["vocab"].items():
        tokens[number], types[number] = token, _NORMAL
    for added in tokenizer["added_tokens"]:
        tokens[added["id"]], types[added["id"]] = added["content"], _CONTROL if added["special"] else _OWN
    return {
        "general.architecture": "llama",
        "general.name": "tiny",
        "general.file_type": 0,
        "llama.context_length": config["max_position_embeddings"],
        "llama.embedding_length": config["hidden_size"],
        "llama.block_count": config["num_hidden_layers"],
        "llama.feed_forward_length": config["intermediate_size"],
        "llama.attention.head_count": config["num_attention_heads"],
        "llama.attention.head_count_kv": config["num_key_value_heads"],
        "llama.rope.dimension_count": config["head_dim"],
        "llama.attention.layer_norm_rms_epsilon": config["rms_norm_eps"],
        "llama.rope.freq_base": config["rope_theta"],
        "llama.vocab_size": size,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.merges": [" ".join(pair) for pair in tokenizer["model"]["merges"]],
        "tokenizer.ggml.bos_token_id": config["bos_token_id"],
        "tokenizer.ggml.eos_token_id": config["eos_token_id"],
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": template,
    }


def _name(name: str) -> str:
    whole = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
    if name in whole:
        return whole[name]
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{_NAMES[rest.rpartition('.')[0]]}.weight"


def _for_rope(data: bytes, rows: int, heads: int) -> bytes:
    """llama.cpp turns pairs of neighbours, Hugging Face halves: rows of queries and keys change places."""
    width, half = len(data) // rows, rows // heads // 2
    order = [
        head * 2 * half + side * half + at for head in range(heads) for at in range(half) for side in range(2)
    ]
    return b"".join(data[row * width : (row + 1) * width] for row in order)


def write(folder: Path, path: Path) -> None:
    """The folder's model (float32, `llama`) as a GGUF file."""
    config = json.loads((folder / "config.json").read_text())
    template = json.loads((folder / "tokenizer_config.json").read_text())["chat_template"]
    values = _metadata(config, json.loads((folder / "tokenizer.json").read_text()), template)
    raw = (folder / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    listed = {k: v for k, v in json.loads(raw[8 : 8 + length]).items() if k != "__metadata__"}
    infos, bodies, offset = b"", [], 0
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    for name, tensor in listed.items():
        begin, end = tensor["data_offsets"]
        data = raw[8 + length + begin : 8 + length + end]
        part = name.rsplit(".", 2)[-2]
        if part in heads:
            data = _for_rope(data, tensor["shape"][0], heads[part])
        shape = tensor["shape"][::-1]
        infos += text(_name(name)) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, offset)
        data += bytes(-len(data) % _ALIGN)
        bodies.append(data)
        offset += len(data)
    first = head(values, len(listed)) + infos
    path.write_bytes(first + bytes(-len(first) % _ALIGN) + b"".join(bodies))
