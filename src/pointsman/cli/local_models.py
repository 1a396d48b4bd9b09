"""`pointsman local pull`, `models`, `rm`: model files on this disk. They need no gateway that runs."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from typing import Any

import click

from ..modelstore.files import GGUF, MLX
from ..modelstore.places import stored_models
from ..warden.on_disk import models_on_disk
from .common import Invocation, exit_on_failure, note, on_terminal, sized, table, with_options
from .once import Command, Group

_LEAST_WINDOW = 2048
_TELL_SECONDS = 0.2
_TELL_FAR_SECONDS = 10.0
"""How often progress is told: on a terminal, in a log."""


def _fit(row: dict[str, Any]) -> str:
    if row["state"] != "ready":
        return "paused; pull it again" if row["state"] == "paused" else f"broken: {row['problem']}"
    if row["fits"]:
        return "yes"
    window = row["fitting_window"] or 0
    return f"with {window} tokens" if window >= _LEAST_WINDOW else "no"


_SHOW = table(
    ("model", "name"),
    ("kind", "kind"),
    ("in", "place"),
    ("size", lambda row: sized(row["size"])),
    ("window", lambda row: row["window"] and str(row["window"])),
    ("memory", lambda row: row["memory"] and sized(row["memory"])),
    ("fits", _fit),
    empty="there is no model on this disk yet; fetch one with: pointsman local pull ORG/NAME",
)


@click.command("models", cls=Command)
@with_options
def models(invocation: Invocation) -> None:
    """List the models on this disk: Hugging Face's cache, Ollama, LM Studio, llama.cpp.

    Memory is an estimate for the whole window; it fits where it is three quarters of this computer's at most.
    """
    with exit_on_failure(invocation.as_json):
        rows = [asdict(model) for model in models_on_disk()]
    if invocation.as_json:
        click.echo(json.dumps(rows))
    else:
        _SHOW(rows)


@click.command("pull", cls=Command)
@click.argument("repo")
@click.option("--file", metavar="NAME", help="This GGUF file of the repository.")
@with_options
def pull(invocation: Invocation, repo: str, file: str | None) -> None:
    """Fetch a model: ORG/NAME, or ORG/NAME:Q4_K_M for a GGUF file of that quantisation.

    Ctrl-C pauses; the same command goes on where it was.

    \b
    pointsman local pull mlx-community/Qwen3-4B-4bit
    pointsman local pull unsloth/Qwen3-4B-GGUF:Q4_K_M
    """
    from ..modelstore import pull as fetching
    from ..modelstore.hub import Hub

    with exit_on_failure(invocation.as_json):
        hub = Hub()
        what = fetching.wanted(hub, repo, file)
        note(f"{what.repository.name}: {len(what.files)} files, {sized(what.size)}")
        bar = _Bar()
        try:
            path = fetching.pull(hub, what, bar.show)
        except KeyboardInterrupt:
            bar.end()
            note(f"paused; go on with: pointsman local pull {repo}" + (f" --file {file}" if file else ""))
            raise click.exceptions.Exit(130) from None
        bar.end()
    kind, name = (GGUF, str(path)) if what.model else (MLX, what.repository.name)
    if invocation.as_json:
        click.echo(json.dumps({"kind": kind, "path": str(path), "size": what.size}))
    else:
        note(f"{path}\nserve it with: pointsman local add NAME --{kind} {name}")


class _Bar:
    """Progress on standard error: one line that is written over on a terminal, a line now and then in a log."""

    def __init__(self) -> None:
        self._over = sys.stderr.isatty()
        self._every = _TELL_SECONDS if self._over else _TELL_FAR_SECONDS
        self._told = self._began = time.monotonic()
        self._first: int | None = None
        self._written = False

    def show(self, name: str, here: int, whole: int) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = here
        if now - self._told < self._every:
            return
        self._told, self._written = now, True
        rate = (here - self._first) / max(now - self._began, 0.001)
        text = f"{here * 100 // max(whole, 1):3d} % of {sized(whole)}, {sized(rate)}/s, {name}"
        click.echo(f"\r\x1b[K{text}" if self._over else text, err=True, nl=not self._over)

    def end(self) -> None:
        if self._over and self._written:
            click.echo("", err=True)


@click.command("rm", cls=Command)
@click.argument("model")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_options
def remove(invocation: Invocation, model: str, *, yes: bool) -> None:
    """Remove a model from this disk: a name or a path that `pointsman local models` shows."""
    from ..modelstore import removal

    with exit_on_failure(invocation.as_json):
        found = removal.find(model, stored_models())
        if not yes and not found.remove_with:
            _ask(f"{found.mine} ({sized(found.size)}, {found.place})")
        freed = removal.remove(found)
    if invocation.as_json:
        click.echo(json.dumps({"name": found.name, "path": str(found.mine), "freed": freed}))
    else:
        note(f"{found.name} is removed; {sized(freed)} are free again")


def _ask(what: str) -> None:
    if not on_terminal() or not sys.stdin.isatty():
        raise click.UsageError(f"this would remove {what}; say --yes where nobody can be asked")
    click.confirm(f"Remove {what}?", abort=True, err=True)


def add_to(group: Group) -> None:
    """Registers these commands."""
    for command in (pull, models, remove):
        group.add_command(command)
