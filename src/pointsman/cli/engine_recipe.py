"""What --mlx, --gguf, --command and the options that go with them become: an engine's recipe (warden/recipe.py).

Not here: writing it and the row that belongs to it (local_engines.py), what runs a model file (hosts/commands.py).
"""

from __future__ import annotations

import functools
import math
import os
import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

import click

from ..hosts.commands import HEALTH_PATH, HostCommand, gguf_command, is_sure_to_sleep, mlx_command
from .columns import Command, Verb
from .common import MemoryParam, SecondsParam

IDLE_SECONDS = 300.0
"""After so long an engine that nothing was said of gives its memory back: asleep where it can, stopped otherwise."""
_SLEEPER = "--sleep-idle-seconds"
"""llama-server's own option, after so many seconds it gives its memory back."""
_YEAR = 366 * 86400.0
_HEALTH = {"path": HEALTH_PATH, "ready": [200], "loading": [503], "dead": [500]}
"""Of everything that hosts/commands.py names."""
_READY: tuple[tuple[frozenset[str], dict[str, Any]], ...] = (
    (
        frozenset({"mlx_lm.server"}),
        {
            **_HEALTH,
            "loading": [],
            "dead": [503],  # its generation thread; 200 from the first moment on, before it has loaded
            "ask": {"path": "/v1/completions", "body": {"prompt": "x", "max_tokens": 1}},
        },
    ),
    (frozenset({"vllm", "vllm.entrypoints.openai.api_server"}), {**_HEALTH, "loading": [], "dead": [503]}),
    (frozenset({"ollama"}), {"path": "/api/version", "ready": [200]}),
    (frozenset({"local-ai"}), {"path": "/readyz", "ready": [200]}),
)
"""Programs that say otherwise that they are ready, by a word of their command."""


class KeepParam(SecondsParam):
    """A time, or `forever`, which is infinite."""

    name = "SECONDS|forever"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        return math.inf if value == "forever" else super().convert(value, param, ctx)


@dataclass(frozen=True, slots=True)
class EngineWords:
    """What was typed of an engine; None and () where nothing was. keep: infinite = for ever."""

    mlx: str | None = None
    gguf: str | None = None
    command: str | None = None
    keep: float | None = None
    pin: bool | None = None
    preload: bool | None = None
    context: int | None = None
    memory: int | None = None
    port: int | None = None
    serves: tuple[str, ...] = ()
    sleep: float | None = None
    ready: str | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) not in (None, ()) for field in fields(self))

    @property
    def sources(self) -> list[str]:
        """Options that say what is run."""
        found = {"--mlx": self.mlx, "--gguf": self.gguf, "--command": self.command}
        return [option for option, value in found.items() if value is not None]


def _options(verb: Verb) -> list[Callable[[Command], Command]]:
    both = verb is Verb.UPDATE
    return [
        click.option("--mlx", metavar="PATH|REPO", help="Run this MLX model: a folder, or a repository that was pulled."),
        click.option("--gguf", metavar="PATH", help="Run this GGUF file, by llama.cpp."),
        click.option(
            "--command", metavar="'PROGRAM ARGUMENTS'",
            help="Run this, without a shell; {port} or {socket} in it is where it is to listen.",
        ),
        click.option(
            "--keep", type=KeepParam(), metavar="SECONDS|forever",
            help="Stop it so long after its last request (300; for ever where it sleeps).",
        ),
        click.option("--pin/--no-pin" if both else "--pin", "pin", is_flag=True, default=None,
                     help="Never stop it to make room for another."),
        click.option("--preload/--no-preload" if both else "--preload", "preload", is_flag=True, default=None,
                     help="Start it with the gateway, not with the first request."),
        click.option("--context", type=click.IntRange(min=1), metavar="TOKENS",
                     help="Of --mlx and --gguf: a smaller window than the model's own."),
        click.option("--memory", type=MemoryParam(), metavar="SIZE",
                     help="What it takes, such as 6GB, until that was measured (known for --mlx and --gguf)."),
        click.option("--port", type=click.IntRange(1, 65535), metavar="N",
                     help="Where it listens always (a free one each time, or a Unix socket)."),
        click.option("--serves", multiple=True, metavar="MODEL",
                     help="A model that it lists, shown while it does not run; repeatable (known for --mlx and --gguf)."),
        click.option("--sleep", type=SecondsParam(), metavar="SECONDS",
                     help="Of --gguf: let the process live and give its memory back so long after its last request"
                          " (300 with pointsman[llama], where no --keep is said)."),
        click.option("--ready", metavar="PATH",
                     help="Of --command: a path that answers 200 once it can be asked (/health, or as the program has it)."),
    ]  # fmt: skip


def takes_engine(verb: Verb) -> Callable[[Command], Command]:
    """Gives a command these options; it gets what they say as `engine`. Put it above `takes`."""

    def decorated(command: Command) -> Command:
        @functools.wraps(command)
        def wrapped(**given: Any) -> None:
            words = {field.name: given.pop(field.name) for field in fields(EngineWords)}
            command(engine=EngineWords(**words), **given)

        made: Command = wrapped
        for option in reversed(_options(verb)):
            made = option(made)
        return made

    return decorated


def recipe_of(words: EngineWords, before: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe's fields: what was said before, with what is said now. Raises click.UsageError for what does not go
    together, PointsmanError for a model file that cannot be run."""
    if len(words.sources) > 1:
        raise click.UsageError(f"{' and '.join(words.sources)} exclude each other")
    idle_is_unsaid = words.keep is None and words.sleep is None and not before
    if words.gguf is not None and idle_is_unsaid and is_sure_to_sleep():
        words = replace(words, sleep=IDLE_SECONDS)
    if words.sources:
        kept = {name: before[name] for name in ("keep", "pin", "preload", "env") if name in before}
        recipe = kept | (_command(words) if words.command is not None else _host(words, _hosted(words)))
    else:
        if words.context is not None or words.sleep is not None:
            raise click.UsageError(
                "--context and --sleep go with --mlx or --gguf: name the model's file again"
            )
        if words.port is not None and "{socket}" in str(before.get("command")):
            raise click.UsageError(
                "it listens on a Unix socket: name its model's file or --command again, with --port"
            )
        recipe = dict(before)
    said: dict[str, Any] = {
        "keep": None if words.keep == math.inf else words.keep,
        "pin": words.pin,
        "preload": words.preload,
        "memory": words.memory,
        "port": words.port,
        "models": list(words.serves) or None,
        "ready": None if words.ready is None else {"path": words.ready, "ready": [200]},
    }
    recipe |= {name: value for name, value in said.items() if value is not None}
    if words.keep == math.inf or (words.sleep is not None and words.keep is None):
        recipe["keep"] = None
    return recipe


def _command(words: EngineWords) -> dict[str, Any]:
    if words.context is not None or words.sleep is not None:
        raise click.UsageError(
            "--context and --sleep go with --mlx and --gguf; in --command they are its own options"
        )
    try:
        command = shlex.split(words.command or "")
    except ValueError as error:
        raise click.UsageError(f"--command cannot be read: {error}") from None
    if not command:
        raise click.UsageError("--command names no program")
    recipe: dict[str, Any] = {
        "command": [_found(command[0]), *map(_at_home, command[1:])],
        "cwd": os.getcwd(),
    }
    named = {os.path.basename(word) for word in command}
    row = next((row for programs, row in _READY if programs & named), None)
    if row is not None:
        recipe["ready"] = row
    sleeps = _value_of(_SLEEPER, command)
    if sleeps is not None:
        recipe["sleeps"] = sleeps
    return recipe


def _found(program: str) -> str:
    """Its whole path: the gateway may have another PATH."""
    found = shutil.which(os.path.expanduser(program))
    if found is None:
        raise click.UsageError(f"there is no program {program!r} here that can be run; name it with its path")
    return os.path.abspath(found)


def _at_home(word: str) -> str:
    """`~/models/x.gguf` as a shell gives it, for that is how it is typed."""
    return os.path.expanduser(word) if word.startswith("~/") else word


def _value_of(option: str, command: list[str]) -> float | None:
    texts = [word.partition("=")[2] for word in command if word.startswith(f"{option}=")]
    texts += [after for word, after in pairwise(command) if word == option]
    try:
        return max(float(texts[-1]), 0.0) if texts else None
    except ValueError:
        return None


def _hosted(words: EngineWords) -> HostCommand:
    if words.mlx is not None:
        if words.sleep is not None:
            raise click.UsageError("the MLX host does not sleep; --keep says when it is stopped")
        return mlx_command(words.mlx, context=words.context)
    sleep = None if words.sleep is None else _whole_seconds(words.sleep)
    return gguf_command(words.gguf or "", context=words.context, sleep_idle_seconds=sleep)


def _host(words: EngineWords, host: HostCommand) -> dict[str, Any]:
    """Its socket is nobody's but this user's; a port is taken where one was asked for."""
    recipe: dict[str, Any] = {
        "command": list(host.on_socket if words.port is None else host.on_port),
        "ready": _HEALTH,
        "memory": host.memory.total,
        "models": [host.model],
        **({} if host.window is None else {"window": host.window}),
    }
    if host.sleeps and words.sleep is not None:
        recipe["sleeps"] = _whole_seconds(words.sleep)
    return recipe


def _whole_seconds(seconds: float) -> int:
    """As llama-server takes them."""
    if not 0 < seconds < _YEAR:
        raise click.UsageError("--sleep must be a time such as 5m")
    return max(round(seconds), 1)
