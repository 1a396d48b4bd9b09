"""What it is worth that a conversation stays at its node: `python -m tests.bench.stay [--nodes N]`.

Each node is a gateway with a llama.cpp server of its own (a million random weights: what it says is nonsense, what it costs to
read is not). nginx with deploy/nginx.conf stands before them. Conversations of several turns, one turn of each after the
other; once with their session in the header, once without. Prints a turn's tokens, how many of them were in the cache, and
the milliseconds that the rest took to read. Not here: many requests at once.
"""

from __future__ import annotations

import argparse
import array
import json
import random
import statistics
import struct
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.deploy.balancers import balancer
from tests.e2e.gateway import Gateway
from tests.e2e.web import fetch
from tests.engines_real.engines import llama_host
from tests.engines_real.gguf_of import TINY, write

CONVERSATIONS = 4
TURNS = 6
FIRST, MORE = 400, 80
"""Words of the first turn, of each further one."""
WIDE = {
    "hidden_size": 128, "num_hidden_layers": 4, "intermediate_size": 384, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 64, "max_position_embeddings": 16_384,
}  # fmt: skip


def wide_model(folder: Path) -> Path:
    """The tiny model's tokenizer with weights that are wider, and random. Returns a GGUF file."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((TINY / name).read_bytes())
    config = json.loads((TINY / "config.json").read_text()) | WIDE
    (folder / "config.json").write_text(json.dumps(config))
    wide, query = config["hidden_size"], config["num_attention_heads"] * config["head_dim"]
    keys, inner = config["num_key_value_heads"] * config["head_dim"], config["intermediate_size"]
    shapes = {"model.embed_tokens.weight": [config["vocab_size"], wide], "model.norm.weight": [wide]}
    parts = {
        "self_attn.q_proj": [query, wide], "self_attn.k_proj": [keys, wide], "self_attn.v_proj": [keys, wide],
        "self_attn.o_proj": [wide, query], "mlp.gate_proj": [inner, wide], "mlp.up_proj": [inner, wide],
        "mlp.down_proj": [wide, inner], "input_layernorm": [wide], "post_attention_layernorm": [wide],
    }  # fmt: skip
    for layer in range(config["num_hidden_layers"]):
        shapes |= {f"model.layers.{layer}.{part}.weight": shape for part, shape in parts.items()}
    dice = random.Random(1)
    some = array.array("f", (dice.gauss(0, 0.04) for _ in range(65_536))).tobytes()
    listed: dict[str, Any] = {}
    bodies: list[bytes] = []
    offset = 0
    for name, shape in shapes.items():
        size = 4 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        body = (
            (some * (size // len(some) + 1))[:size] if len(shape) > 1 else struct.pack("<f", 1.0) * shape[0]
        )
        listed[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + size]}
        bodies.append(body)
        offset += size
    head = json.dumps(listed).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + b"".join(bodies))
    write(folder, folder / "wide.gguf")
    return folder / "wide.gguf"


def converse(at: str, words: random.Random, *, stays: bool) -> list[list[tuple[int, int, float]]]:
    """By turn: of each conversation its tokens, those that were in the cache, milliseconds of reading."""
    vocabulary = [
        "the",
        "weather",
        "in",
        "Paris",
        "is",
        "fine",
        "today",
        "and",
        "it",
        "will",
        "be",
        "count",
        "of",
        "city",
        "sunny",
        "warm",
        "day",
    ]

    def said(count: int) -> str:
        return " ".join(words.choice(vocabulary) for _ in range(count))

    told: list[list[dict[str, str]]] = [[] for _ in range(CONVERSATIONS)]
    found = []
    for turn in range(TURNS):
        row = []
        for number, messages in enumerate(told):
            messages.append({"role": "user", "content": said(FIRST if turn == 0 else MORE)})
            headers = {"x-claude-code-session-id": f"session-{number}"} if stays else {}
            body = {"model": "wide", "messages": messages, "max_tokens": 2, "temperature": 0}
            answer = fetch(f"http://{at}", "POST", "/v1/chat/completions", body, headers)
            assert answer.status == 200, answer.body
            told_back = answer.json()
            messages.append({"role": "assistant", "content": told_back["choices"][0]["message"]["content"]})
            usage, timings = told_back["usage"], told_back["timings"]
            cached = usage.get("prompt_tokens_details", {}).get("cached_tokens", timings.get("cache_n", 0))
            row.append((usage["prompt_tokens"], cached, timings["prompt_ms"]))
        found.append(row)
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.stay", description=__doc__.split("\n")[0])
    parser.add_argument("--nodes", type=int, choices=(2, 3), default=2)
    nodes = parser.parse_args(arguments).nodes
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model = wide_model(folder)
        for stays in (True, False):  # each with servers that have read nothing
            with ExitStack() as run:
                gateways = []
                for number in range(nodes):
                    part = folder / f"{'stays' if stays else 'roams'}{number}"
                    part.mkdir()
                    options = ("--parallel", str(CONVERSATIONS), "--ctx", "8192")
                    engine = run.enter_context(llama_host(model, part / "engine.log", *options))
                    gateway = run.enter_context(Gateway(part / "data"))
                    gateway.rule("wide", f"{gateway.backend('local', engine.url)}=tiny")
                    gateways.append(gateway)
                at = run.enter_context(balancer("nginx", [one.port for one in gateways], part))
                found = converse(at, random.Random(2), stays=stays)
            sys.stdout.write(f"\n{nodes} nodes, {'with' if stays else 'without'} the session's header\n")
            sys.stdout.write("turn  tokens  in the cache  ms to read the rest\n")
            for turn, row in enumerate(found, 1):
                tokens, cached, ms = (statistics.mean(column) for column in zip(*row, strict=True))
                sys.stdout.write(
                    f"{turn:4}  {tokens:6.0f}  {cached:8.0f} {cached / tokens:4.0%}  {ms:8.0f}\n"
                )
            whole = [one for row in found[1:] for one in row]
            share = sum(one[1] for one in whole) / sum(one[0] for one in whole)
            sys.stdout.write(
                f"after the first: {share:.0%} in the cache, {statistics.mean(one[2] for one in whole):.0f} ms a turn\n"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
