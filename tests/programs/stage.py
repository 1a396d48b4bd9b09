"""`python -m tests.programs.stage FOLDER REPORT`: a gateway and the real programs in this namespace, each pointed at it by
`pointsman connect --write` and by `pointsman launch`, with a client key.

REPORT: of each that is installed, what it said and whether its request arrived; JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.e2e.gateway import POINTSMAN, Gateway, clean_environment

ASK = "Say hello"
WORDS: dict[str, tuple[str, ...]] = {
    "claude-code": ("claude", "-p", ASK),
    "codex": ("codex", "exec", "--skip-git-repo-check", ASK),
    "opencode": ("opencode", "run", ASK),
    "aider": (
        "aider",
        "--message",
        ASK,
        "--no-git",
        "--yes-always",
        "--no-check-update",
        "--no-show-model-warnings",
    ),
    "qwen-code": ("qwen", "-p", ASK),
    "goose": ("goose", "run", "-t", ASK),
    "crush": ("crush", "run", ASK),
    "cline": ("cline", ASK),
    "continue": ("cn", "-p", ASK),
    "llm": ("llm", "-m", "practice", ASK),
}
MINE = {
    "claude-code": '{\n  "permissions": { "allow": ["Read"] },\n  "env": { "MY_OWN": "1" }\n}\n',
    "codex": '# mine\nmodel = "gpt-5" # best\n\n[projects."/nowhere"]\ntrust_level = "untrusted"\n',
    "opencode": '{\n  // mine\n  "model": "anthropic/x",\n  "autoupdate": false, /* never */\n}\n',
    "aider": "# mine\nmodel: gpt-4o # best\ndark-mode: true\n",
    "llm": "# mine\n- model_id: other\n  model_name: other\n  api_base: http://127.0.0.1:9\n",
}
"""What stands in the first settings file of some before they are connected."""
QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "IS_SANDBOX": "1",
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "AIDER_ANALYTICS_DISABLE": "1",
    "CONTINUE_TELEMETRY_ENABLED": "0",
}
SECONDS = 100
"""Of one program, once."""


class Stage:
    def __init__(self, folder: Path, gateway: Gateway, key: str) -> None:
        self.folder, self.gateway, self.key = folder, gateway, key

    def run(self, home: Path, words: Sequence[str]) -> dict[str, Any]:
        work = home / "work"
        work.mkdir(exist_ok=True)
        environment = clean_environment({**QUIET, "HOME": str(home), "POINTSMAN_CLIENT_KEY": self.key})
        began = time.time()
        try:
            done = subprocess.run(
                [*words], cwd=work, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as late:
            return {
                "code": "late",
                "out": str(late.stdout)[-2000:],
                "err": str(late.stderr)[-2000:],
                "since": began,
            }
        return {
            "code": done.returncode,
            "out": done.stdout[-3000:],
            "err": done.stderr[-3000:],
            "since": began,
        }

    def arrived(self, name: str, since: float) -> str:
        """Waits for what usage has stored of it: five seconds at most."""
        for _ in range(50):
            state: str = self.gateway.api("GET", f"/api/programs/{name}/arrival?since={since}")["state"]
            if state != "waiting":
                return state
            time.sleep(0.1)
        return "waiting"

    def tried(self, name: str, home: Path, words: Sequence[str]) -> dict[str, Any]:
        found = self.run(home, words)
        return {**found, "arrived": self.arrived(name, found.pop("since"))}

    def program(self, name: str) -> dict[str, Any]:
        words = WORDS[name]
        home = self.folder / name
        home.mkdir()
        data = ["--data-dir", str(self.gateway.data_dir)]
        told: dict[str, Any] = {}
        listed = json.loads(self.run(home, [POINTSMAN, "connect", "--json", *data])["out"])
        path = Path(next(row["files"] for row in listed if row["name"] == name)[0])
        if name in MINE:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(MINE[name])
        told["write"] = self.run(home, [POINTSMAN, "connect", name, "--write", *data])
        told["connected"] = self.tried(name, home, words)
        told["again"] = self.run(home, [POINTSMAN, "connect", name, *data, "--json"])
        told["undo"] = self.run(home, [POINTSMAN, "connect", name, "--undo", *data])
        told["left"] = [str(one) for one in home.rglob("*pointsman*")]
        told["back"] = name not in MINE or path.read_text() == MINE[name]
        if next(row["launch"] for row in listed if row["name"] == name):
            elsewhere = ["--url", "http://127.0.0.1:9", "--model", "elsewhere"]
            self.run(home, [POINTSMAN, "connect", name, "--write", *elsewhere, *data])
            before = settings(home, listed, name)
            line = [POINTSMAN, "launch", words[0], *data, "--", *words[1:]]
            told["launched"] = self.tried(name, home, line)
            told["untouched"] = settings(home, listed, name) == before != {}
        return told


def settings(home: Path, listed: list[dict[str, Any]], name: str) -> dict[str, bytes]:
    """What stands in its settings files."""
    files = next(row["files"] for row in listed if row["name"] == name)
    return {path: Path(path).read_bytes() for path in files if Path(path).exists()}


def main(folder: str, report: str) -> None:
    here = {name for name, words in WORDS.items() if shutil.which(words[0])}
    told = {}
    with Gateway(Path(folder) / "data") as gateway:
        key = gateway.api("POST", "/api/keys", {"name": "programs"})["secret"]
        stage = Stage(Path(folder), gateway, key)
        for name in sorted(here & {*(os.environ.get("POINTSMAN_ONLY") or " ".join(WORDS)).split()}):
            began = time.monotonic()
            told[name] = stage.program(name)
            told[name]["seconds"] = round(time.monotonic() - began, 1)
    Path(report).write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
