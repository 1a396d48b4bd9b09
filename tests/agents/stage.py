"""`python -m tests.agents.stage PROGRAM UPSTREAM FOLDER REPORT [stuck | tiny-llama | tiny-mlx]`: gateway, scripted model and
the program, in this namespace.

Ends with the program's exit code; its output is ours. REPORT: what the gateway was asked and how it answered. stuck: the model
is a local server's that does not get on, and a scripted cloud's is the next one. tiny-...: the local server is a real
engine with the tiny model.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pointsman.practice import ScriptedUpstream
from tests.e2e.gateway import Gateway, wait_until
from tests.engines_real.engines import Engine, llama_host, mlx_host
from tests.engines_real.gguf_of import TINY, write

from .model import PATHS, Call, Plan, agent

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


STUCK_TURNS = 3
HANGS = 124


def stuck_plan(plan: Plan) -> Plan:
    """Of a model that reads one file again and again, which is not there. plan: whose tools it calls."""

    def again(done: int, names: list[str]) -> Call | str:
        step = plan(0, names)
        if not isinstance(step, Call):
            return step
        told = {key: "cat nothing.txt" for key in step.arguments if key in ("command", "cmd")}
        if isinstance(step.arguments.get("command"), list):
            told = {"command": ["bash", "-lc", "cat nothing.txt"]}
        return Call(step.name, {**step.arguments, **told})

    return again


def serve_stuck(
    gateway: Gateway, near: ScriptedUpstream, far: ScriptedUpstream, upstream: str, plan: Plan
) -> None:
    """Local for everything, and the cloud where a conversation does not get on. The cloud's model does the task."""
    near.always(agent(upstream, stuck_plan(plan)))
    far.always(agent(upstream, lambda done, names: plan(max(0, done - STUCK_TURNS), names)))
    local = gateway.backend("local", near.url, dialects=[upstream])
    cloud = gateway.backend("openai", far.url, dialects=[upstream], allow_http=True)
    gateway.cli(
        "mapping", "add", "*", "--to", local, "--model", "small", "--fallback", f"{cloud}=strong",
        "--fallback-on", "stuck", "--stop-loops", "--stick",
    )  # fmt: skip


def tiny_engine(kind: str, home: Path) -> Engine:
    """With the tiny model as it is: a window of 4,096 tokens."""
    if kind == "mlx":
        return mlx_host(TINY, home / "engine.log")
    write(TINY, home / "tiny.gguf")
    return llama_host(home / "tiny.gguf", home / "engine.log")


def serve_tiny(gateway: Gateway, engine: Engine, far: ScriptedUpstream, upstream: str, plan: Plan) -> None:
    """Local for everything, and the cloud for what does not fit there, or does not get on. The cloud's model does the task."""
    far.always(agent(upstream, plan))
    gateway.cli("local", "add", "box", "--url", engine.url)
    cloud = gateway.backend("openai", far.url, dialects=[upstream], allow_http=True)
    gateway.cli(
        "mapping", "add", "*", "--to", "local/box", "--model", "tiny", "--fallback", f"{cloud}=strong",
        "--fallback-on", "context", "--fallback-on", "stuck", "--stop-loops", "--recover-calls",
    )  # fmt: skip


def main(name: str, upstream: str, folder: str, report: str, scene: str = "") -> int:
    start, plan = {"claude": (claude, claude_plan), "codex": (codex, codex_plan)}[name]
    with tempfile.TemporaryDirectory() as scratch, ScriptedUpstream() as server, ScriptedUpstream() as far:
        home = Path(scratch)
        with ExitStack() as stack:
            gateway = stack.enter_context(Gateway(home / "data", env={"POINTSMAN_LOG": "info"}))
            if scene == "stuck":
                serve_stuck(gateway, server, far, upstream, plan(folder))
            elif scene:
                engine = stack.enter_context(tiny_engine(scene.removeprefix("tiny-"), home))
                serve_tiny(gateway, engine, far, upstream, plan(folder))
            else:
                server.always(agent(upstream, plan(folder)))
                backend = gateway.backend("local", server.url, dialects=[upstream])
                gateway.rule("*", f"{backend}=scripted")
                gateway.rule("claude-test", f"{backend}=scripted")
            command, environment = start(gateway.url, home, folder)
            base = {key: os.environ[key] for key in ("PATH", "LANG", "TERM") if key in os.environ}
            environment = {**base, "HOME": str(home), **environment}
            try:
                done = subprocess.run(
                    command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, timeout=90, check=False
                )
            except subprocess.TimeoutExpired:
                came = [one.target for one in (*server.requests, *far.requests)]
                print(
                    f"IT HANGS. Backends were asked: {came}; the gateway's log:\n{gateway.read_log()[-6000:]}"
                )
                return HANGS
            asked = sum(one.path in PATHS for one in (*server.requests, *far.requests))
            rows = wait_until("all usage is stored", lambda: usage(gateway, asked))
            told: dict[str, Any] = {
                "statuses": [row["status"] for row in rows],
                "paths": [row["path"] for row in rows],
                "targets": [row["target"] for row in reversed(rows)],
                "fallbacks": [row["fallback"] for row in reversed(rows)],
                "left": gateway.cli_json("usage", "--left-machine"),
                "left_rows": gateway.cli_json("usage", "--left-machine", "--rows"),
                "cloud": [
                    one.body.decode("utf-8", "replace") for one in far.requests if one.method == "POST"
                ],
                "upstream": [json.loads(r.body) for r in server.requests if r.method == "POST"],
            }
            Path(report).write_text(json.dumps(told))
            return done.returncode


def usage(gateway: Gateway, asked: int) -> list[dict[str, Any]] | None:
    """None where that of some requests is on its way still. asked: those that came to a scripted model."""
    found: list[dict[str, Any]] = gateway.cli_json("usage")
    scripted = [row for row in found if row["status"] and not row["target"].startswith("local/box")]
    return found if len(scripted) >= asked else None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
