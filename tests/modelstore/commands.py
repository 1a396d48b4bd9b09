"""`pointsman local ...` with an environment of its own, in this process: these commands talk to nothing that runs."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from pointsman.cli.main import main

CLEARED = (
    "XDG_CACHE_HOME",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_TOKEN",
    "HF_HUB_OFFLINE",
    "OLLAMA_MODELS",
    "LLAMA_CACHE",
)


def local(home: Path, *words: str, code: int = 0, **environment: str) -> Result:
    """Runs a command for a person whose home it is, and checks its exit code."""
    cleared = dict.fromkeys(CLEARED)
    done = CliRunner(env={**cleared, "HOME": str(home), "NO_COLOR": "1", **environment}).invoke(
        main, ["local", *words]
    )
    assert done.exit_code == code, f"{done.output}\n{done.exception!r}"
    return done
