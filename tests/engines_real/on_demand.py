"""A real engine behind a gateway that starts it on demand, added as a person adds it. Not here: one that runs by itself
(engines.py)."""

from __future__ import annotations

import importlib.util
import shlex
from pathlib import Path

from pointsman.warden.keeping import mark_of
from pointsman.warden.processes import marked
from tests.e2e.gateway import Gateway

from .engines import SOURCE, Engine, cpu_seconds, need

KINDS = ("mlx", "mlx_server", "llama")
MODEL = {"mlx_server": "default_model"}
"""mlx_lm.server loads whatever a request names; this name is the model it was started with."""
_TYPED = {"mlx": ("--mlx", "mlx_lm"), "llama": ("--gguf", "xllamacpp")}


def command(kind: str, folder: Path, gguf: Path) -> list[str]:
    """Of that Python which has the engine."""
    if kind == "mlx_server":
        python = need("mlx_lm", "MLX")
        return [python, "-m", "mlx_lm.server", "--model", str(folder), "--port", "{port}"]
    host = (
        [need("xllamacpp", "LLAMA"), "-m", "pointsman.hosts.llama", "--gguf", str(gguf)]
        if kind == "llama"
        else [need("mlx_lm", "MLX"), "-m", "pointsman.hosts.mlx", "--model", str(folder)]
    )
    return ["env", f"PYTHONPATH={SOURCE}", *host, "--name", "tiny", "--port", "{port}"]


class OnDemand(Engine):
    """Asked through the gateway, by the model name `alias`; its CPU time is that of all its processes. options: of `local
    add`. shell: started by `sh -c`, a second late."""

    def __init__(
        self, gateway: Gateway, kind: str, folder: Path, gguf: Path, *options: str, shell: bool = False
    ) -> None:
        argv = command(kind, folder, gguf)
        if shell:
            argv = ["sh", "-c", f"echo engine begins; sleep 1; {shlex.join(argv)}; true"]
        super().__init__(argv, gateway.log, url=gateway.url)
        self.gateway, self.name, self.alias = gateway, gateway.fresh("e"), gateway.fresh()
        self.model = MODEL.get(kind, "tiny")
        words = ["--command", shlex.join(argv)]
        if kind in _TYPED and not shell:
            option, module = _TYPED[kind]
            if importlib.util.find_spec(module) is not None:
                words = [option, str(folder if kind == "mlx" else gguf)]
        gateway.cli("local", "add", self.name, *words, *options)
        gateway.rule(self.alias, f"local/{self.name}={self.model}")

    def pids(self) -> set[int]:
        return marked(mark_of(self.gateway.data_dir, self.name))

    def ticks(self) -> float:
        return sum(map(cpu_seconds, self.pids()))
