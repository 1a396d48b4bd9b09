"""`pointsman completion ...`: what makes a shell complete commands, options and names.

fish reads a file of its own; bash and zsh get three lines in the file that they start with, and nothing else of it changes.
Not here: which names there are (completing.py).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import click

from ..programs.files.settings_file import load, put
from .common import Invocation, exit_on_failure, fail_with, note, with_options
from .once import Group

_SHELLS = ("bash", "zsh", "fish")
_PROGRAM = "pointsman"
_VARIABLE = "_POINTSMAN_COMPLETE"
_BEGIN, _END = "# >>> pointsman completion >>>", "# <<< pointsman completion <<<"
_BLOCK = re.compile(rf"^{re.escape(_BEGIN)}\n.*?^{re.escape(_END)}(?:\n|\Z)", re.MULTILINE | re.DOTALL)
_COMPINIT = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }"


class ShellFiles(NamedTuple):
    """script: what completes. starts: the shell's own file that reads it; None where the shell finds it."""

    script: Path
    starts: Path | None


def _shell(ctx: click.Context, param: click.Parameter, given: str | None) -> str:
    """That of the command line, else the user's."""
    found = given or Path(os.environ.get("SHELL", "")).name
    if found not in _SHELLS:
        raise click.UsageError(f"name your shell, one of: {', '.join(_SHELLS)}", ctx)
    return found


_takes_shell = click.argument(
    "shell", type=click.Choice(_SHELLS), required=False, callback=_shell, metavar="[bash|zsh|fish]"
)


@click.group("completion", cls=Group)
def command() -> None:
    """Complete commands, options and names in your shell, by the Tab key.

    \b
    pointsman completion install            # for the shell that you use
    pointsman completion remove

    Names of backends, servers and rules are those of the gateway that runs.
    """


@command.command("install")
@_takes_shell
@with_options
def install(invocation: Invocation, shell: str) -> None:
    """Set it up; done again, it is brought up to date. Tells which files are written."""
    places, written = _places(shell), []
    with _told(invocation):
        places.script.parent.mkdir(parents=True, exist_ok=True)
        written += _write(places.script, _script(shell))
        if places.starts is not None:
            before = _text(places.starts)
            written += _write(places.starts, _with_block(before, shell, places.script))
    _tell(invocation, shell, written, "written")
    if not invocation.as_json:
        note(f"it holds in each {shell} that is started from now on")
        if shutil.which(_PROGRAM) is None:
            note(f"warning: {_PROGRAM} is not on the PATH, so that nothing is completed until it is")


@command.command("remove")
@_takes_shell
@with_options
def remove(invocation: Invocation, shell: str) -> None:
    """Take it back; what else stands in your shell's file stays."""
    places, written = _places(shell), []
    with _told(invocation):
        if places.starts is not None and places.starts.exists():
            written += _write(places.starts, _BLOCK.sub("", _text(places.starts)))
        if places.script.exists():
            places.script.unlink()
            written.append(places.script)
    _tell(invocation, shell, written, "put back")


@command.command("show")
@_takes_shell
@with_options
def show(invocation: Invocation, shell: str) -> None:
    """Print the script, to put it where you like."""
    script = _script(shell)
    click.echo(
        json.dumps({"shell": shell, "script": script}) if invocation.as_json else script,
        nl=invocation.as_json,
    )


@contextmanager
def _told(invocation: Invocation) -> Iterator[None]:
    with exit_on_failure(invocation.as_json):
        try:
            yield
        except OSError as error:
            fail_with(invocation, f"{error.filename or 'A file'} cannot be written ({error.strerror}).")


def _places(shell: str) -> ShellFiles:
    home = Path.home()
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    if shell == "fish":
        return ShellFiles(config / "fish" / "completions" / f"{_PROGRAM}.fish", None)
    starts = home / ".bashrc" if shell == "bash" else Path(os.environ.get("ZDOTDIR") or home) / ".zshrc"
    return ShellFiles(config / _PROGRAM / f"completion.{shell}", Path(os.path.realpath(starts)))


def _script(shell: str) -> str:
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    return (
        kind(click.get_current_context().find_root().command, {}, _PROGRAM, _VARIABLE).source().strip() + "\n"
    )


def _with_block(text: str, shell: str, script: Path) -> str:
    quoted = shlex.quote(str(script))
    lines = [_BEGIN, *([_COMPINIT] if shell == "zsh" else []), f"[ -r {quoted} ] && . {quoted}", _END]
    block = "\n".join(lines) + "\n"
    if _BLOCK.search(text):
        return _BLOCK.sub(lambda _: block, text, count=1)
    return text + ("" if not text or text.endswith("\n") else "\n") + block


def _text(path: Path) -> str:
    """As it stands, whatever its bytes are."""
    return (load(path).raw or b"").decode("utf-8", "surrogateescape")


def _write(path: Path, text: str) -> list[Path]:
    """The file, where that changes it."""
    now, raw = load(path), text.encode("utf-8", "surrogateescape")
    if now.raw == raw:
        return []
    put(now, raw)
    return [path]


def _tell(invocation: Invocation, shell: str, files: list[Path], done: str) -> None:
    if invocation.as_json:
        click.echo(json.dumps({"shell": shell, "files": [str(path) for path in files]}))
    for path in files if not invocation.as_json else ():
        note(f"{done}: {path}")
    if not files and not invocation.as_json:
        note(f"nothing to do: all of it is {done} already")
