"""`python -m tests.bench --engines`: real engines, and what the gateway adds to a local token against the engine alone.

Engines are those that are found here (POINTSMAN_ENGINES_PYTHON names a Python that has them); which are missing is said. Two
models: the tests' tiny one, and one of random weights that is made here. Not here: figures against nginx (parts.py).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pointsman import native
from tests.e2e.gateway import Gateway
from tests.engines_real.engines import ENDLESS, SOURCE, VARIABLE, free_port, python_with
from tests.engines_real.gguf_of import TINY, write

from .machine import BenchError, cpu_ns, describe, pss_bytes, rss_bytes, say, tree

KINDS = {"llama-host": "xllamacpp", "mlx-host": "mlx_lm", "mlx_lm.server": "mlx_lm"}
"""What is measured, and the module that its Python must have."""
LARGER = {
    "hidden_size": 512,
    "num_hidden_layers": 8,
    "intermediate_size": 1408,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 64,
}
"""23 million parameters: a token takes some milliseconds, as it does of a real model on a fast machine."""
_WAIT = 120.0
_IDLE = 3.0


@dataclass(frozen=True, slots=True)
class Model:
    """name: for the table. folder: for MLX; gguf: the same weights for llama.cpp."""

    name: str
    folder: Path
    gguf: Path


@dataclass
class Life:
    """Of one engine with one model: seconds, one a start; and bytes."""

    port: list[float] = field(default_factory=list)
    ready: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    stop: list[float] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)
    rss: int = 0
    pss: int = 0


@dataclass
class Added:
    """What was read of streams, by who was asked: seconds and CPU seconds a token, a round each. gateway_cpu: without what
    it takes when idle."""

    wall: dict[str, list[float]] = field(default_factory=lambda: {"alone": [], "gateway": []})
    gateway_cpu: list[float] = field(default_factory=list)


def command(kind: str, model: Model, python: str) -> list[str]:
    """With {port} for where it listens."""
    if kind == "mlx_lm.server":
        return [python, "-m", "mlx_lm.server", "--model", str(model.folder), "--port", "{port}"]
    host = {
        "llama-host": ["pointsman.hosts.llama", "--gguf", str(model.gguf)],
        "mlx-host": ["pointsman.hosts.mlx", "--model", str(model.folder)],
    }[kind]
    return ["env", f"PYTHONPATH={SOURCE}", python, "-m", *host, "--name", "tiny", "--port", "{port}"]


def served(kind: str) -> str:
    return "default_model" if kind == "mlx_lm.server" else "tiny"


# -- models


def make_tiny(folder: Path) -> Model:
    shutil.copytree(TINY, folder / "tiny")
    write(folder / "tiny", folder / "tiny.gguf")
    return Model("0.2 M", folder / "tiny", folder / "tiny.gguf")


def make_larger(folder: Path) -> Model:
    """The tiny model's tokenizer with random weights, float32."""
    place = folder / "larger"
    shutil.copytree(TINY, place)
    config = {**json.loads((place / "config.json").read_text()), **LARGER}
    (place / "config.json").write_text(json.dumps(config))
    shapes = dict(_shapes(config))
    listed, offset = {}, 0
    for name, shape in shapes.items():
        size = 4 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        listed[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    head = json.dumps(listed).encode()
    with (place / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        for name, entry in listed.items():
            begin, end = entry["data_offsets"]
            ones = struct.pack("<f", 1.0) * ((end - begin) // 4)
            file.write(ones if "norm" in name else _random((end - begin) // 4))
    write(place, folder / "larger.gguf")
    return Model(f"{offset / 4e6:.0f} M", place, folder / "larger.gguf")


def _shapes(config: dict[str, int]) -> Iterator[tuple[str, list[int]]]:
    hidden, inner, size = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    queries, keys = size * config["num_attention_heads"], size * config["num_key_value_heads"]
    yield "model.embed_tokens.weight", [config["vocab_size"], hidden]
    yield "model.norm.weight", [hidden]
    for number in range(config["num_hidden_layers"]):
        layer = f"model.layers.{number}"
        yield f"{layer}.input_layernorm.weight", [hidden]
        yield f"{layer}.post_attention_layernorm.weight", [hidden]
        for part, rows in (("q_proj", queries), ("k_proj", keys), ("v_proj", keys)):
            yield f"{layer}.self_attn.{part}.weight", [rows, hidden]
        yield f"{layer}.self_attn.o_proj.weight", [hidden, queries]
        for part, shape in (("gate_proj", [inner, hidden]), ("up_proj", [inner, hidden])):
            yield f"{layer}.mlp.{part}.weight", shape
        yield f"{layer}.mlp.down_proj.weight", [hidden, inner]


_SIGNS = bytes(0x3C if value < 128 else 0xBC for value in range(256))


def _random(count: int) -> bytes:
    """Floats of either sign between 1/128 and 1/32, little-endian: all but their highest byte is chance."""
    data = bytearray(os.urandom(4 * count))
    data[3::4] = bytes(data[3::4]).translate(_SIGNS)
    return bytes(data)


# -- one engine


def _until(what: Callable[[], bool], alive: subprocess.Popen[bytes], log: Path) -> float:
    """Monotonic time at which it was so."""
    end = time.monotonic() + _WAIT
    while not what():
        if alive.poll() is not None or time.monotonic() > end:
            raise BenchError(f"the engine is not ready:\n{log.read_text(errors='replace')[-800:]}")
        time.sleep(0.01)
    return time.monotonic()


def _status(port: int) -> int:
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
            return int(connection.makefile("rb").readline().split()[1])
    except (OSError, IndexError):
        return 0


def _opens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def stream(port: int, model: str, tokens: int) -> tuple[float, float]:
    """(seconds until the first token, seconds to the end)."""
    body = {"model": model, "temperature": 0, "stream": True, "max_tokens": tokens, **ENDLESS}
    data = json.dumps({**body, "messages": [{"role": "user", "content": "count"}]}).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(data)
    begun, first, seen = time.monotonic(), 0.0, b""
    with socket.create_connection(("127.0.0.1", port), _WAIT) as connection:
        connection.sendall(head + data)
        while piece := connection.recv(65536):
            seen = seen[-32:] + piece
            if not first and b'"content"' in seen.replace(b'"content":null', b"").replace(
                b'"content":""', b""
            ):
                first = time.monotonic()
    if b"[DONE]" not in seen:
        raise BenchError(f"the stream did not end as it should: {seen[-300:]!r}")
    return first - begun, time.monotonic() - begun


@contextmanager
def alone(kind: str, model: Model, python: str, folder: Path, life: Life) -> Iterator[int]:
    """Its port while it runs by itself; what its start and stop took is added to `life`."""
    port, log = free_port(), folder / f"{kind}.log"
    argv = [word.replace("{port}", str(port)) for word in command(kind, model, python)]
    with log.open("wb") as out:
        begun = time.monotonic()
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        life.port.append(_until(lambda: _opens(port), process, log) - begun)
        life.ready.append(_until(lambda: _status(port) == 200, process, log) - begun)
        life.first.append(stream(port, served(kind), 8)[0])
        life.rss = max(life.rss, rss_bytes(process.pid))
        life.pss = max(life.pss, pss_bytes(process.pid))
        yield port
        asked = time.monotonic()
        process.terminate()
        process.wait(20)
        life.stop.append(time.monotonic() - asked)
    finally:
        process.kill()
        process.wait()


def on_demand(gateway: Gateway, kind: str, model: Model, python: str, life: Life) -> None:
    """From a request to a gateway whose engine does not run until its first token."""
    name = gateway.fresh("e")
    words = " ".join(command(kind, model, python))
    gateway.cli("local", "add", name, "--command", words, "--keep", "forever")
    gateway.rule(name, f"local/{name}={served(kind)}")
    life.cold.append(stream(gateway.port, name, 8)[0])
    gateway.cli("local", "stop", name)


def idle_share(gateway: Gateway) -> float:
    """CPU seconds a second that the gateway's processes take with nothing to do but to look after itself."""
    assert gateway.process is not None
    ours = tree(gateway.process.pid)
    before = sum(map(cpu_ns, ours))
    time.sleep(_IDLE)
    return (sum(map(cpu_ns, ours)) - before) / 1e9 / _IDLE


def added(gateway: Gateway, kind: str, port: int, tokens: int, rounds: int) -> Added:
    """Streams of that many tokens, from the engine itself and through the gateway, in turns."""
    name, found = gateway.fresh("b"), Added()
    gateway.cli("local", "add", name, "--url", f"http://127.0.0.1:{port}")
    gateway.rule(name, f"local/{name}={served(kind)}")
    asked = {"alone": (port, served(kind)), "gateway": (gateway.port, name)}
    assert gateway.process is not None
    for who in asked:  # what is learned once is learned
        stream(*asked[who], 16)
    idle = idle_share(gateway)
    for number in range(rounds):
        for who in ("alone", "gateway") if number % 2 else ("gateway", "alone"):
            ours = tree(gateway.process.pid)
            own = sum(map(cpu_ns, ours))
            whole = stream(*asked[who], tokens)[1]
            found.wall[who].append(whole / tokens)
            if who == "gateway":
                used = (sum(map(cpu_ns, ours)) - own) / 1e9
                found.gateway_cpu.append((used - idle * whole) / tokens)
    return found


# -- the table


def _middle(values: list[float]) -> str:
    return f"{statistics.median(values):.2f}" if values else "-"


def life_line(kind: str, model: Model, life: Life) -> str:
    times = (life.port, life.ready, life.first, life.cold, life.stop)
    memory = f"{life.rss / 2**20:.0f} / {life.pss / 2**20:.0f}"
    return f"| {kind} | {model.name} | {' | '.join(map(_middle, times))} | {memory} |"


def added_line(kind: str, model: Model, found: Added) -> str:
    """The share is of what the engine alone takes for a token by the clock; by the clock the noise of a few rounds is in it."""
    wall = {who: statistics.median(values) * 1e6 for who, values in found.wall.items()}
    ratios = [one / other - 1 for one, other in zip(found.wall["gateway"], found.wall["alone"], strict=True)]
    cpu = statistics.median(found.gateway_cpu) * 1e6
    more = f"{statistics.median(ratios):+.1%} ({min(ratios):+.1%} to {max(ratios):+.1%})"
    share = f"{cpu:.1f} | {cpu / wall['alone']:.2%}"
    return f"| {kind} | {model.name} | {wall['alone']:.0f} | {wall['gateway']:.0f} | {more} | {share} |"


LIVES = """| engine | parameters | port open, s | health 200, s | then first token, s | first token of a cold request, s | stop, s | RSS / PSS, MiB |
|---|---|--:|--:|--:|--:|--:|--:|"""
ADDED = """| engine | parameters | us a token, alone | through the gateway | by the clock | gateway's CPU, us a token | of a token |
|---|---|--:|--:|---|--:|--:|"""


def main(arguments: list[str]) -> int:
    """Prints both tables. 1 when something answered wrongly, 2 when no engine is here."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench --engines")
    parser.add_argument("--starts", type=int, default=3, help="how often each is started")
    parser.add_argument("--rounds", type=int, default=10, help="streams from each side")
    parser.add_argument("--tokens", type=int, default=400, help="of a stream")
    wanted = parser.parse_args(arguments)
    pythons = {kind: python_with(module) for kind, module in KINDS.items()}
    for kind, python in pythons.items():
        if python is None:
            say(f"MISSING {kind}: no Python here has {KINDS[kind]}; {VARIABLE} names one that does")
    if not any(pythons.values()):
        return 2
    with tempfile.TemporaryDirectory(prefix="pm-engines-") as place:
        folder = Path(place)
        try:
            measure(wanted, {kind: one for kind, one in pythons.items() if one is not None}, folder)
        except BenchError as error:
            say(f"stopped: {error}")
            return 1
    return 0


def measure(wanted: argparse.Namespace, pythons: dict[str, str], folder: Path) -> None:
    lives, costs = [], []
    with Gateway(folder / "data") as gateway:
        for model in (make_tiny(folder), make_larger(folder)):
            for kind, python in pythons.items():
                say(f"measuring {kind}, {model.name} ...")
                life = Life()
                for number in range(wanted.starts):
                    with alone(kind, model, python, folder, life) as port:
                        if number == wanted.starts - 1:
                            found = added(gateway, kind, port, wanted.tokens, wanted.rounds)
                    on_demand(gateway, kind, model, python, life)
                lives.append(life_line(kind, model, life))
                costs.append(added_line(kind, model, found))
                say(f"{lives[-1]}\n{costs[-1]}")
    facts = {**describe(), "pointsman": native.how()[0]}
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    print(f"\nMedians of {wanted.starts} starts.\n\n{LIVES}\n" + "\n".join(lives))
    print(f"\n{wanted.rounds} streams of {wanted.tokens} tokens from each side, in turns.\n\n{ADDED}")
    print("\n".join(costs))
