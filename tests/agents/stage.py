"""`python -m tests.agents.stage PROGRAM UPSTREAM FOLDER REPORT`: gateway, scripted model and the program, in this namespace.

Ends with the program's exit code; its output is ours. REPORT: what the gateway was asked and how it answered.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pointsman.practice import ScriptedUpstream
from tests.e2e.gateway import Gateway, wait_until

from .model import Call, Plan, agent

TASK = "Create one.txt holding the line 'first' and two.txt holding the line 'second' in the current folder, then say ALL DONE."


def claude_plan(folder: str) -> Plan:
    def plan(done: int, names: list[str]) -> Call | str:
        if "Bash" not in names:
            return "Side question."
        if done == 0:
            return Call("Bash", {"command": "echo first > one.txt", "description": "Create the first file"})
        if done == 1:
            return Call("Write", {"file_path": f"{folder}/two.txt", "content": "second\n"})
        if done == 2:
            return Call("Bash", {"command": "cat one.txt two.txt", "description": "Read both"})
        return "ALL DONE"

    return plan


PATCH = "*** Begin Patch\n*** Add File: two.txt\n+second\n*** End Patch\n"


def codex_plan(folder: str) -> Plan:
    def shell(names: list[str], command: str) -> Call:
        if "exec_command" in names:
            return Call("exec_command", {"cmd": command})
        if "shell_command" in names:
            return Call("shell_command", {"command": command})
        return Call("shell", {"command": ["bash", "-lc", command]})

    def plan(done: int, names: list[str]) -> Call | str:
        if done == 0:
            return shell(names, "echo first > one.txt")
        if done == 1:
            if "apply_patch" in names:
                return Call("apply_patch", {"input": PATCH})
            return shell(names, "echo second > two.txt")
        if done == 2:
            return shell(names, "cat one.txt two.txt")
        return "ALL DONE"

    return plan


def claude(url: str, home: Path, folder: str) -> tuple[list[str], dict[str, str]]:
    command = [
        os.environ["POINTSMAN_CLAUDE"],
        "-p",
        TASK,
        "--allowedTools",
        "Bash,Write,Read",
        "--model",
        "claude-test",
    ]
    environment = {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": "k",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "CLAUDE_CONFIG_DIR": str(home / "claude"),
        "IS_SANDBOX": "1",
    }
    return command, environment


def codex(url: str, home: Path, folder: str) -> tuple[list[str], dict[str, str]]:
    config = home / "codex"
    config.mkdir()
    (config / "config.toml").write_text(
        f'model = "claude-test"\nmodel_provider = "pm"\n[analytics]\nenabled = false\n'
        f'[model_providers.pm]\nname = "pm"\nbase_url = "{url}/v1"\nwire_api = "responses"\n'
        f'[model_providers.pm.auth]\ncommand = "echo"\nargs = ["key"]\n'
    )
    command = [
        os.environ["POINTSMAN_CODEX"],
        "exec",
        "--skip-git-repo-check",
        "--dangerously-bypass-approvals-and-sandbox",
        TASK,
    ]
    return command, {"CODEX_HOME": str(config)}


def main(name: str, upstream: str, folder: str, report: str) -> int:
    start, plan = {"claude": (claude, claude_plan), "codex": (codex, codex_plan)}[name]
    with tempfile.TemporaryDirectory() as scratch, ScriptedUpstream() as server:
        home = Path(scratch)
        server.always(agent(upstream, plan(folder)))
        with Gateway(home / "data") as gateway:
            backend = gateway.backend("local", server.url, dialects=[upstream])
            gateway.rule("*", f"{backend}=scripted")
            gateway.rule("claude-test", f"{backend}=scripted")
            command, environment = start(gateway.url, home, folder)
            base = {key: os.environ[key] for key in ("PATH", "LANG", "TERM") if key in os.environ}
            done = subprocess.run(
                command,
                cwd=folder,
                env={**base, "HOME": str(home), **environment},
                stdin=subprocess.DEVNULL,
                timeout=120,
                check=False,
            )
            wait_until("usage is stored", lambda: usage(gateway))
            rows = usage(gateway)
            told: dict[str, Any] = {
                "statuses": [row["status"] for row in rows],
                "paths": [row["path"] for row in rows],
                "upstream": [json.loads(r.body) for r in server.requests if r.method == "POST"],
            }
            Path(report).write_text(json.dumps(told))
            return done.returncode


def usage(gateway: Gateway) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = gateway.cli_json("usage")
    return found


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
