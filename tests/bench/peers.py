"""Other gateways that package registries have: how each is built and set up to send the benchmark's models to the mock.

Built once, by the registries' own clients, into a folder of the user's cache, in the version that stands here. Each has one
worker, a client key, its own defaults otherwise, and no log line for each request. Not here: how they are measured (parts).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .machine import BenchError, cores, say, start
from .servers import HOST, Subject, free_port, listening, wait_for

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pointsman-bench"
BUILD_SECONDS = 3600  # a Rust gateway takes twenty minutes of one core
START_SECONDS = 120
LOST = {
    "Busbar": "its registry has a reserved name and no program (0.0.1)",
    "Bifrost": "its npm package is a script that fetches a program from its vendor; its Go module is refused",
    "GoModel 0.1.55": "its Go module is refused",
    "Olla 0.0.28": "its Go module is refused",
    "oxllm 0.1.17": "its dependencies cannot be resolved (a prerelease of webpki-roots that is gone)",
}
"""What could not be built when this was last tried, and why."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a peer is told: the models of the benchmark by the upstream that has them, its port, the client key."""

    models: Mapping[str, tuple[str, ...]]  # base URL -> models
    port: int
    key: str
    folder: Path  # its own, for this run


Words = list[str]


@dataclass(frozen=True, slots=True)
class Peer:
    """One gateway. build: commands that put it into a folder; program: where it is then; set_up: writes its
    configuration and returns the words after the program; fields: header lines that its clients have to send."""

    name: str
    version: str
    build: Callable[[Path, str], list[Words]]
    program: str
    set_up: Callable[[Setup], Words]
    before: tuple[str, ...] = ()  # what runs the program
    environment: dict[str, str] = field(default_factory=dict)
    fields: Callable[[str], bytes] | None = None  # of the upstream's base URL

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}"

    def built(self) -> Path:
        """The program, made where it is not there yet. Raises BenchError."""
        folder = CACHE / f"{self.name}-{self.version}"
        program = folder / self.program
        if program.exists():
            return program
        say(f"building {self.title}, once ...")
        for command in self.build(folder, self.version):
            if shutil.which(command[0]) is None:
                raise BenchError(f"there is no `{command[0]}` here")
            done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
            if done.returncode:
                shutil.rmtree(folder, ignore_errors=True)
                told = [line for line in done.stderr.splitlines() if "rror" in line] or ["no reason given"]
                raise BenchError(f"`{' '.join(command[:2])}` failed: {told[0][:200]}")
        return program

    def start(self, folder: Path, models: Mapping[str, tuple[str, ...]], key: str) -> Subject:
        """Serving on the measured core. Raises BenchError."""
        program = self.built()
        own = folder / self.name
        own.mkdir()
        port = free_port()
        after = self.set_up(Setup(models, port, key, own))
        command = [*self.before, str(program), *after]
        running = start(
            self.title, command, cores()[0], own / "log", environment=self.environment, folder=own
        )
        try:
            wait_for(lambda: listening(port), running, START_SECONDS)
        except BenchError:
            running.stop()
            raise
        subject = Subject(self.title, port, port, [running])
        if self.fields is not None:
            made = {model: self.fields(url) for url, names in models.items() for model in names}
            subject.fields = lambda workload: made[workload.model]
        return subject


def _cargo(name: str) -> Callable[[Path, str], list[Words]]:
    def commands(folder: Path, version: str) -> list[Words]:
        return [["cargo", "install", name, "--version", version, "--locked", "--root", str(folder)]]

    return commands


def _npm(name: str) -> Callable[[Path, str], list[Words]]:
    def commands(folder: Path, version: str) -> list[Words]:
        quiet = ["--no-fund", "--no-audit", "--ignore-scripts"]
        return [["npm", "install", "--prefix", str(folder), *quiet, f"{name}@{version}"]]

    return commands


def _pip(name: str) -> Callable[[Path, str], list[Words]]:
    def commands(folder: Path, version: str) -> list[Words]:
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        return [[sys.executable, "-m", "venv", str(folder)], [*pip, f"{name}=={version}"]]

    return commands


def _crabllm(to: Setup) -> Words:
    lines = [f'listen = "{HOST}:{to.port}"', "openapi = false", "[extensions.usage]"]
    for number, (url, models) in enumerate(to.models.items()):
        lines += [f"[providers.up{number}]", 'kind = "openai"', 'api_key = "none"']
        lines += [f'base_url = "{url}"', f"models = {json.dumps(models)}"]
    lines += ["[[keys]]", 'name = "bench"', f'key = "{to.key}"', 'models = ["*"]']
    return ["serve", "--config", _written(to, "crabllm.toml", lines)]


def _llmg(to: Setup) -> Words:
    """Its providers have fixed names; three that speak Chat stand for the mock's three ports. It checks no key."""
    lines = ["use_env = false", "[server]", f"port = {to.port}", "[logging]", 'level = "warn"']
    aliases = ["[aliases]"]
    names = ("groq", "mistral", "openai")  # the last one knows streams
    for name, (url, models) in zip(names, to.models.items(), strict=True):
        lines += [f"[providers.{name}]", 'api_key = "none"', f'base_url = "{url}"']
        aliases += [f'"{model}" = "{name}/{model}"' for model in models]
    _written(to, "llmg.toml", lines + aliases)
    return []


def _liter(to: Setup) -> Words:
    lines = ["[general]", 'master_key = "pm-master"', "enable_cost_tracking = true"]
    lines += ["[security]", 'outbound_policy = "off"']  # its default denies addresses of this machine
    for url, models in to.models.items():
        for model in models:
            lines += ["[[models]]", f'name = "{model}"', f'provider_model = "openai/{model}"']
            lines += ['api_key = "none"', f'base_url = "{url}"']
    lines += ["[[keys]]", f'key = "{to.key}"', "models = []"]
    serve = ["--host", HOST, "--port", str(to.port), "--tokio-worker-threads", "1"]
    return ["api", "--config", _written(to, "liter.toml", lines), *serve]


def _litellm(to: Setup) -> Words:
    models = [
        {
            "model_name": model,
            "litellm_params": {"model": f"openai/{model}", "api_base": url, "api_key": "none"},
        }
        for url, names in to.models.items()
        for model in names
    ]
    said = {"model_list": models, "general_settings": {"master_key": to.key}}  # JSON is YAML
    config = _written(to, "litellm.yaml", [json.dumps(said)])
    return ["--config", config, "--host", HOST, "--port", str(to.port), "--telemetry", "False"]


def _portkey(to: Setup) -> Words:
    """It has no file of settings: its clients say where to go. It checks no key."""
    return [f"--port={to.port}", "--headless"]


def _portkey_fields(url: str) -> bytes:
    return f"x-portkey-provider: openai\r\nx-portkey-custom-host: {url}\r\n".encode()


def _written(to: Setup, name: str, lines: Words) -> str:
    (to.folder / name).write_text("\n".join(lines) + "\n")
    return name


_ONE_THREAD = {"TOKIO_WORKER_THREADS": "1", "RUST_LOG": "warn"}
ALL = (
    Peer("crabllm", "0.0.25", _cargo("crabllm"), "bin/crabllm", _crabllm, environment=_ONE_THREAD),
    Peer("llmg-gateway", "0.4.0", _cargo("llmg-gateway"), "bin/llmg-gateway", _llmg, environment=_ONE_THREAD),
    Peer("liter-llm-cli", "2.4.4", _cargo("liter-llm-cli"), "bin/liter-llm", _liter, environment=_ONE_THREAD),
    Peer(
        "portkey", "1.15.2", _npm("@portkey-ai/gateway"), "node_modules/@portkey-ai/gateway/build/start-server.js",
        _portkey, before=("node",), environment={"NODE_ENV": "production"}, fields=_portkey_fields,
    ),
    Peer(
        "litellm", "1.93.0", _pip("litellm[proxy]"), "bin/litellm", _litellm,
        environment={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"},
    ),
)  # fmt: skip
