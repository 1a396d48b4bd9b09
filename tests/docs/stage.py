"""`python -m tests.docs.stage FOLDER REPORT [PAGE...]`: inside the namespace, a gateway at its usual port, the scripted
engines and providers, and each page's blocks by one shell with a home folder of its own.

REPORT: of each page, what each command printed; JSON. After each page the gateway is made to stand as it did at first, by
`pointsman apply`, or, where a client key was made, from which on every request needs one, by `pointsman restore`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from pointsman.programs.registry import PROGRAMS
from tests.e2e.gateway import Gateway, clean_environment
from tests.engines_real.gguf_of import TINY, write
from tests.programs.stage import QUIET
from tests.upstream.certificates import authority_file

from .blocks import Block, blocks, pages
from .commands import shim
from .doubles import engine, providers

ADDRESS = "http://127.0.0.1:4480"
SECONDS = 120
"""Of one page, of which each takes two or three where nothing else runs."""
HOME, DATA = "/home/you", "/home/you/.local/share/pointsman"
"""How pages show these folders."""
_MODEL = re.compile(r"~/models/([\w.-]+\.gguf)")
STANDS_FOR = {
    "make": f'#!/bin/sh\n[ "$1" = run ] && exec curl -sfo /dev/null {ADDRESS}/v1/models\n',
}
"""Programs in front of the PATH: `make run` finds the gateway that runs already."""

READERS = {
    "docs/config.md": {
        "work/more.toml": '[[mappings]]\nmodel_pattern = "more"\nbackend_type = "local"\nbackend_name = "practice"\n',
        "work/litellm.yaml": "model_list:\n- {model_name: a, litellm_params: {model: openai/gpt-4o}}\n",
        "work/llama-swap.yaml": "models: {b: {proxy: 'http://127.0.0.1:8081'}}\n",
        ".claude-code-router/config.json": '{"Providers": [], "Router": {}}',
    },
    "docs/customs.md": {"work/.env": "GITHUB_TOKEN=nothing-of-the-kind\n"},
}
"""Files that a page's reader has, below the home folder; blocks are typed in `work`."""


class Stage:
    def __init__(self, folder: Path, gateway: Gateway) -> None:
        self.folder, self.gateway = folder, gateway
        self.untouched: Any = None  # the newest entry of the audit while all stands so
        self.first, self.backup = folder / "first.toml", folder / "first.tar"

    def environment(self, home: Path) -> dict[str, str]:
        path = os.pathsep.join([str(self.folder / "bin"), os.environ["PATH"], str(self.folder / "installed")])
        here = {
            "HOME": str(home),
            "PATH": path,
            "POINTSMAN_DATA_DIR": str(self.gateway.data_dir),
            "COLUMNS": "100",
            "SHELL": "/bin/bash",
        }
        return clean_environment({**QUIET, **here})

    def page(self, name: str, found: list[Block]) -> list[dict[str, Any]]:
        """What became of each of its commands."""
        home = self.folder / name.replace("/", "-")
        home.mkdir()
        _models(home, found)
        for path, text in READERS.get(name, {}).items():
            (home / path).parent.mkdir(parents=True, exist_ok=True)
            (home / path).write_text(text)
        told, script = [], ["set -eo pipefail", "trap 'kill $(jobs -p) 2>/dev/null || :' EXIT"]
        for block in found:
            why = block.why or (
                f"needs {block.needs}" if block.needs and not shutil.which(block.needs) else ""
            )
            for number, (command, shown) in enumerate(block.commands, 1):
                one = {"line": block.line, "command": command, "shown": shown, "why": why}
                told.append(one)
                if not why:
                    last = number == len(block.commands)
                    script += _typed(command, home / f".out-{len(told)}", block, last=last)
        if any(not one["why"] for one in told):
            with engine(name):
                code = self._run("\n".join(script), home)
            self._read(told, home, code)
            self._restore()
        return told

    def _run(self, script: str, home: Path) -> int | str:
        (home / "work").mkdir(exist_ok=True)
        try:
            done = subprocess.run(
                ["bash", "-c", script],
                cwd=home / "work",
                env=self.environment(home),
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"not within {SECONDS} s"
        return done.returncode

    def _read(self, told: list[dict[str, Any]], home: Path, code: int | str) -> None:
        """The shell stops at the first command that fails: the code is that one's."""
        last = None
        for number, one in enumerate(told, 1):
            out = home / f".out-{number}"
            if out.exists():
                text = out.read_text(errors="replace").replace(str(self.gateway.data_dir), DATA)
                one["printed"], one["code"] = text.replace(str(home), HOME), 0
                last = one
        if last is not None:
            last["code"] = code

    def _restore(self) -> None:
        if self.gateway.api("GET", "/api/audit?limit=1") == self.untouched:
            return
        if self.gateway.api("GET", "/api/keys"):
            self._command("restore", str(self.backup), "--yes")
        else:
            self._command("apply", str(self.first), "--yes")
        self.untouched = self.gateway.api("GET", "/api/audit?limit=1")

    def _command(self, *words: str) -> None:
        done = subprocess.run(
            [self.folder / "bin" / "pointsman", *words], env=self.environment(self.folder), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def begin(self) -> None:
        """Remembers how all stands at first."""
        self._command("config", "export", str(self.first))
        self._command("backup", str(self.backup))
        self.untouched = self.gateway.api("GET", "/api/audit?limit=1")


def _typed(command: str, out: Path, block: Block, *, last: bool) -> list[str]:
    """For the shell: the command, with what it prints in a file of its own."""
    begin = f"exec </dev/null >{out} 2>&1"
    if last and block.goes_on:
        return [begin, f"{command} &", f"for _ in {{1..600}}; do [ -s {out} ] && break; sleep 0.05; done"]
    if last and block.exit:
        return [begin, "set +e", command, "code=$?", "set -e", f'[ "$code" = {block.exit} ]']
    return [begin, command]


def _models(home: Path, found: list[Block]) -> None:
    """The model files that a page's reader has."""
    for name in {name for block in found for name in _MODEL.findall(block.text)}:
        (home / "models").mkdir(exist_ok=True)
        write(TINY, home / "models" / name)


def _commands(folder: Path) -> subprocess.Popen[bytes]:
    """The server of the commands, once it listens; ends with the namespace. Behind the PATH are programs that a page's reader
    has; what needs the real one is run where that is (`needs`)."""
    way = folder / "commands.socket"
    (folder / "bin").mkdir()
    shim(folder / "bin" / "pointsman", way)
    for name, text in STANDS_FOR.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    (folder / "installed").mkdir()
    for name in ("vllm", *(one.launch.command for one in PROGRAMS if one.launch)):
        (folder / "installed" / name).write_text("#!/bin/sh\nexit 70\n")
        (folder / "installed" / name).chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.docs.commands", str(way)], stdin=subprocess.DEVNULL
    )
    while not way.exists():
        assert server.poll() is None, "the server of the commands has ended"
        time.sleep(0.02)
    return server


def main(where: str, report: str, *only: str) -> None:
    folder, told = Path(where), {}
    server = _commands(folder)
    env = {"SSL_CERT_FILE": str(authority_file(folder))}
    try:
        with (
            providers(folder),
            Gateway(folder / "data", "--port", "4480", "--discover", env=env) as gateway,
        ):
            stage = Stage(folder, gateway)
            stage.begin()
            for name, path in pages().items():
                if not only or name in only:
                    began = time.monotonic()
                    told[name] = stage.page(name, blocks(path.read_text(encoding="utf-8")))
                    sys.stderr.write(f"{name}: {time.monotonic() - began:.2f} s\n")
    finally:
        server.terminate()
        server.wait()
    Path(report).write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
