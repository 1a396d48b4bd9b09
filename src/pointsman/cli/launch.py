"""`pointsman launch CLIENT -- ...`: one program, started so that it asks this gateway; no file of its own is touched.

It takes the place of this process: its exit code, signals and terminal are its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import signal
import time
import tomllib
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from ..config import CLIENT_KEY_VARIABLE, KEY_VARIABLE
from ..errors import PointsmanError
from ..kinds import ErrorKind
from ..process.private_files import write_over
from ..programs.files.connecting import key_in
from ..programs.files.masked import masked
from ..programs.files.settings_file import place_of
from ..programs.program import Launch, Pointed, Program, Snippet, filled, launched
from .common import Invocation, exit_on_failure, note, with_options
from .once import Command
from .pointing import MODEL, URL, Chosen, GatewayFacts, ProgramParam, asking, key_told, make_key, no_key

_FOLDER = "launch"
_KEY_VARIABLE = "POINTSMAN_API_KEY"
"""By which a program's settings name the key that they do not hold."""
_KEY_DAYS = 7
_KEPT_SECONDS = 30 * 86_400.0
_OURS = (KEY_VARIABLE, CLIENT_KEY_VARIABLE)
"""Secrets of the gateway's own, which are no program's."""


@click.command("launch", cls=Command)
@click.argument("program", metavar="CLIENT", type=ProgramParam(launched=True))
@click.argument("words", metavar="[-- WORDS...]", nargs=-1, type=click.UNPROCESSED)
@MODEL
@URL
@click.option(
    "--key",
    metavar="NAME",
    help=f"Make a client key of this name, good for {_KEY_DAYS} days; - asks for one.",
)
@click.option(
    "--print", "only_print", is_flag=True, help="Show what it would be started with, without the key."
)
@with_options
def command(
    invocation: Invocation,
    program: Program,
    words: tuple[str, ...],
    model: str | None,
    url: str | None,
    key: str | None,
    only_print: bool,
) -> None:
    """Start a program that asks this gateway, this once.

    It gets the variables it needs and, after `--`, your words; no file of it is changed. For always: pointsman connect.
    """
    launch = program.launch
    assert launch is not None
    with exit_on_failure(invocation.as_json):
        path = shutil.which(launch.command)
        if path is None and not only_print:
            raise PointsmanError(
                ErrorKind.NOT_FOUND,
                f"{launch.command} is not installed here. To install it: {launch.install}",
            )
        told = key_told(key, may_read=False)
        at = _pointed(invocation, Chosen(program, url, model, key), told, only_print)
        environ = dict(os.environ)
        try:
            arguments = _prepared(program, launch, at, environ, invocation.data_dir / _FOLDER)
        except ValueError as error:
            raise PointsmanError(ErrorKind.INVALID, f"{error}.", param="model") from None
    line = [launch.command, *arguments, *words]
    if only_print:
        _print(invocation, line, environ, at.key)
        return
    assert path is not None
    _become(path, line, environ)


def _pointed(invocation: Invocation, asked: Chosen, told: str | None, only_print: bool) -> Pointed:
    with asking(invocation, asked) as found:
        at = found.at(asked, None)
        if found.url is None and asked.url is None:
            raise PointsmanError(ErrorKind.UNAVAILABLE, "No gateway runs here; start one: pointsman serve")
        if problem := asked.program.problem(at.url):
            raise PointsmanError(ErrorKind.CONFLICT, problem)
        key = told or (None if asked.key else _own_key(asked.program, found))
        if key is None and asked.key is not None and not only_print:
            ends = datetime.now(UTC) + timedelta(days=_KEY_DAYS)
            key = make_key(invocation, asked.key, expires_at=ends.isoformat())
        if key is None and found.keys_required and not only_print:
            raise no_key(asked.program)
    return Pointed(at.url, at.model, key, at.window)


def _own_key(program: Program, found: GatewayFacts) -> str | None:
    """That stands in its settings file, where `connect` has put it."""
    for one in program.files:
        if one.file is not None:
            with suppress(OSError):
                text = place_of(one.file, os.environ).read_text("utf-8", "replace")
                if (key := key_in(text, found.prefixes)) is not None:
                    return key
    return None


def _prepared(
    program: Program, launch: Launch, at: Pointed, environ: MutableMapping[str, str], folder: Path
) -> list[str]:
    """What it gets before the user's words; the rest goes into `environ`. Raises ValueError as `filled` does."""
    for name in (*_OURS, *launch.clears):
        environ.pop(name, None)
    variables, arguments = launched(launch, at)
    environ.update(variables)
    if launch.whole:
        environ[launch.whole] = json.dumps(json.loads(filled(program.files[0], at)), ensure_ascii=False)
    if launch.folder:
        named = None if at.key is None else f"${_KEY_VARIABLE}"
        text = filled(program.files[0], Pointed(at.url, at.model, named, at.window))
        environ[launch.folder] = str(_settings(program.files[0], text, folder / program.name).parent)
        environ[_KEY_VARIABLE] = at.key or ""
    if launch.file_option:
        text = filled(program.files[0], at)
        arguments = [
            launch.file_option,
            str(_settings(program.files[0], text, folder / program.name)),
            *arguments,
        ]
    if launch.option:
        text = filled(program.files[0], Pointed(at.url, at.model, None, at.window))
        given = {one.partition("=")[0] for one in arguments}
        leaves = _leaves(tomllib.loads(text))
        values = [f"{path}={value}" for path, value in leaves if path not in given]
        arguments = [*(word for value in values for word in (launch.option, value)), *arguments]
    return arguments


def _leaves(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Each value with its path, both as TOML has them."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", json.dumps(value, ensure_ascii=False)


def _settings(snippet: Snippet, text: str, folder: Path) -> Path:
    """A settings file of ours with that text, which no later start of the program changes; those that none has used for a
    month go. Raises PointsmanError."""
    assert snippet.file is not None
    name = Path(snippet.file.path).name
    own = folder / hashlib.sha256(text.encode()).hexdigest()[:16] / name
    try:
        own.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_over(own, text + "\n")
        for other in folder.glob(f"*/{name}"):
            if time.time() - other.stat().st_mtime > _KEPT_SECONDS:
                shutil.rmtree(other.parent, ignore_errors=True)
    except OSError as error:
        raise PointsmanError(ErrorKind.UNAVAILABLE, f"{own} cannot be written ({error.strerror}).") from None
    return own


def _print(invocation: Invocation, line: list[str], environ: dict[str, str], key: str | None) -> None:
    keys = () if key is None else (key,)
    changed = {name: masked(value, keys) for name, value in environ.items() if os.environ.get(name) != value}
    cleared = [name for name in os.environ if name not in environ]
    if invocation.as_json:
        click.echo(json.dumps({"words": line, "variables": changed, "cleared": cleared}))
        return
    for name in cleared:
        click.echo(f"unset {name}")
    for name, value in changed.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    click.echo(shlex.join(line))


def _become(path: str, line: list[str], environ: dict[str, str]) -> None:
    """Does not return but for a program that cannot be started."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and a child would, too
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(path, line, environ)  # noqa: S606 - the user names the program
    except OSError as error:
        note(f"error: {path} cannot be started ({error.strerror})")
        raise click.exceptions.Exit(126) from None
