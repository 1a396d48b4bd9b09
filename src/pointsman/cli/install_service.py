"""`pointsman install-service`: the gateway as a service of this user, shown, written, started, asked and taken away.

Not here: the files' text (service_files.py), systemd and launchd (service_managers.py).
"""

from __future__ import annotations

import difflib
import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click
from click.core import ParameterSource

from ..config import DATA_DIR_VARIABLE, LOCK_FILE, Limits, limit_of
from ..errors import PointsmanError
from ..kinds import ErrorKind
from ..process.private_files import lock_folder, write_over
from .common import Invocation, exit_on_failure, note, with_options
from .once import Command
from .serve import command as serve
from .service_files import MARK, Service, variables_of, with_variables
from .service_managers import MANAGERS, ServiceManagerCommand, ServiceState, usual

_VARIABLES_FILE = "service.env"
_MORE_SECONDS = 30
"""After the drain: for the last to end."""
_START_SECONDS = 310
_OURS = ("POINTSMAN_", "HF_")
_READ = frozenset({"SSL_CERT_FILE", "SSL_CERT_DIR", "OLLAMA_HOST", "OLLAMA_MODELS", "LLAMA_CACHE",
                   "HUGGINGFACE_HUB_CACHE", "CUDA_VISIBLE_DEVICES"})  # fmt: skip
"""Variables of others that the gateway or what it starts reads."""
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})
_NOT_KEPT = frozenset({DATA_DIR_VARIABLE, "POINTSMAN_API_KEY"})
"""The folder is an option of the service; the key is one of a program that `launch` has started."""
_PATHS = ("_FILE", "_DIR", "POINTSMAN_UNIX")


def _like_serve(command: click.Command) -> click.Command:
    """Gives it the options of `serve`, which it keeps for the service."""
    had = {param.name for param in command.params}
    command.params[:0] = [param for param in serve.params if param.name not in had]
    return command


@_like_serve
@click.command("install-service", cls=Command)
@click.option(
    "--env",
    "names",
    multiple=True,
    metavar="NAME",
    help="Keep this variable, too; its value is this shell's.",
)
@click.option("--print", "only_print", is_flag=True, help="Show the files and write nothing.")
@click.option("--status", "ask", is_flag=True, help="Say whether it runs; exit code 1 where it does not.")
@click.option("--remove", is_flag=True, help="Stop it and take its file away; rules and keys stay.")
@click.option(
    "--manager",
    type=click.Choice(sorted(MANAGERS)),
    default=usual,
    help="Whose service (default: what this system has).",
)
@with_options
def command(
    invocation: Invocation,
    /,
    names: tuple[str, ...],
    only_print: bool,
    ask: bool,
    remove: bool,
    manager: str,
    **options: Any,
) -> None:
    """Run the gateway from sign-in on, as a service of this user.

    Takes the options of `serve` and keeps them. Variables of this shell that a gateway reads (POINTSMAN_..., proxies) go
    into DATA_DIR/service.env, 0600. Shows what it writes; run again, it writes what is different.
    """
    if only_print + ask + remove > 1:
        raise click.UsageError("--print, --status and --remove are three things; say one")
    chosen = MANAGERS[manager]()
    with exit_on_failure(invocation.as_json):
        if ask:
            return _tell_state(invocation, chosen)
        if remove:
            return _remove(invocation, chosen)
        planned = _planned(invocation, chosen, names)
        return _print(invocation, planned) if only_print else _install(invocation, planned)


class _Plan(NamedTuple):
    """new: the service's file and the one of variables, as they are to be; None: it is not needed. kept: names of variables
    that the file had and this shell has not. taken: names from this shell."""

    manager: ServiceManagerCommand
    service: Service
    text: str
    variables: str | None
    kept: list[str]
    taken: list[str]


def _planned(invocation: Invocation, manager: ServiceManagerCommand, names: tuple[str, ...]) -> _Plan:
    file = invocation.data_dir / _VARIABLES_FILE
    said = _read(file)
    taken = _taken(os.environ, names)
    try:
        variables = with_variables(said or "", taken)
        service = Service(
            command=(_program(), "serve", *_words(), "--data-dir", str(invocation.data_dir)),
            variables=file,
            search=_search(os.environ.get("PATH", os.defpath)),
            stop_seconds=_stop_seconds(variables_of(variables)),
            home=Path.home(),
            log=Path.home() / "Library" / "Logs" / "pointsman.log",
        )
        text = manager.text(service)
    except ValueError as error:
        raise PointsmanError(ErrorKind.INVALID, f"{error}.") from None
    kept = sorted(variables_of(variables).keys() - taken.keys())
    return _Plan(manager, service, text, variables or None, kept, sorted(taken))


def _program() -> str:
    """The installed command, as it was called: a link that `pipx` or `uv tool` keeps leads to the newest version."""
    for name in (sys.argv[0], str(Path(sys.executable).with_name("pointsman"))):
        found = shutil.which(name)
        if found is not None and Path(found).name == "pointsman":
            return os.path.abspath(found)
    raise PointsmanError(
        ErrorKind.NOT_FOUND,
        "The command `pointsman` is not installed where this Python is; install it with pipx, uv tool or pip first.",
    )


def _words() -> list[str]:
    """The options of `serve` that were given, as words."""
    context = click.get_current_context()
    words: list[str] = []
    for param in serve.params:
        if param.name in (None, "data_dir", "as_json") or not isinstance(param, click.Option):
            continue
        if context.get_parameter_source(param.name) is not ParameterSource.COMMANDLINE:
            continue
        value = context.params[param.name]
        if isinstance(value, bool):
            words.append(param.opts[0] if value else param.secondary_opts[0])
            continue
        for one in value if isinstance(value, tuple) else (value,):
            words += [param.opts[0], str(one)]
    return words


def _taken(environ: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    """Raises UsageError for a variable that is not set."""
    found = {}
    for name, value in environ.items():
        ours = name.startswith(_OURS) or name in _READ or name.lower() in _PROXIES
        if ours and name not in _NOT_KEPT:
            found[name] = value
    for name in names:
        if name not in environ:
            raise click.UsageError(
                f"--env {name}: this shell has no such variable; its value is never a word here"
            )
        found[name] = environ[name]
    for name, value in found.items():
        if name.startswith("POINTSMAN_") and name.endswith(_PATHS) and value:
            found[name] = os.path.abspath(os.path.expanduser(value))
    return found


def _search(path: str) -> str:
    """PATH, without what depends on where somebody stands. A service's own finds no engine of this user's."""
    return ":".join(dict.fromkeys(one for one in path.split(":") if one.startswith("/"))) or os.defpath


def _stop_seconds(variables: Mapping[str, str]) -> int:
    seconds = 0.0
    for name in ("leave_seconds", "drain_seconds"):
        text = variables.get(f"POINTSMAN_{name.upper()}")
        seconds += getattr(Limits(), name) if text is None else limit_of(name, text)
    return int(seconds) + _MORE_SECONDS


def _read(path: Path) -> str | None:
    """None where there is no file."""
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise PointsmanError(ErrorKind.CONFLICT, f"{path} cannot be read ({error})") from None


def _print(invocation: Invocation, planned: _Plan) -> None:
    file = planned.manager.file()
    if invocation.as_json:
        found = {"manager": planned.manager.name, "file": str(file), "text": planned.text}
        variables = {"variables_file": str(planned.service.variables), "variables": planned.taken}
        click.echo(json.dumps(found | variables))
        return
    note(f"# {file}")
    click.echo(planned.text, nl=False)
    if planned.taken or planned.kept:
        note(f"# {planned.service.variables} (0600): {', '.join(sorted({*planned.taken, *planned.kept}))}")


def _install(invocation: Invocation, planned: _Plan) -> None:
    manager, file = planned.manager, planned.manager.file()
    manager.ready()
    had = _ours(file)
    said = _read(planned.service.variables)
    state = manager.state()
    if not state.pid:
        _refuse_another(invocation.data_dir)
    changed = had != planned.text or said != planned.variables
    if not invocation.as_json:
        _show(planned, had, said)
    _write(planned, had, said)
    if changed or not state.running or not state.at_sign_in:
        manager.start(planned.service.stop_seconds + _START_SECONDS)
    _done(invocation, planned, changed)


def _ours(file: Path) -> str | None:
    """Raises PointsmanError for a file that somebody else has written."""
    had = _read(file)
    if file.is_symlink() or (had is not None and MARK not in had):
        raise PointsmanError(
            ErrorKind.CONFLICT,
            f"{file} is not from this command, and is left alone; move it away, then run this again.",
        )
    return had


def _refuse_another(folder: Path) -> None:
    """Raises PointsmanError where a gateway runs by hand: the service would wait for the folder, and give up."""
    lock = lock_folder(folder, LOCK_FILE)
    if lock is None:
        raise PointsmanError(
            ErrorKind.CONFLICT,
            f"A gateway (or a command) is using {folder}; stop it first, then run this again.",
        )
    os.close(lock)


def _show(planned: _Plan, had: str | None, said: str | None) -> None:
    file = planned.manager.file()
    if had is None:
        note(f"{file}:")
        click.echo(planned.text, nl=False)
    elif had != planned.text:
        lines = difflib.unified_diff(
            had.splitlines(), planned.text.splitlines(), f"{file} (now)", str(file), lineterm=""
        )
        click.echo("\n".join(lines))
    if said != planned.variables:
        note(f"{planned.service.variables} (0600, values not shown): {', '.join(planned.taken)}")
    if planned.kept:
        note(f"{planned.service.variables} keeps: {', '.join(planned.kept)}")


def _write(planned: _Plan, had: str | None, said: str | None) -> None:
    file = planned.manager.file()
    try:
        if planned.variables is not None and said != planned.variables:
            write_over(planned.service.variables, planned.variables)
        if had != planned.text:
            file.parent.mkdir(parents=True, exist_ok=True)
            if had is not None:
                write_over(file.with_name(file.name + ".before"), had)
            write_over(file, planned.text)
    except OSError as error:
        raise PointsmanError(ErrorKind.UNAVAILABLE, f"{file} cannot be written ({error.strerror})") from None


def _done(invocation: Invocation, planned: _Plan, changed: bool) -> None:
    state, hints = planned.manager.state(), planned.manager.hints(planned.service)
    if invocation.as_json:
        found = {"file": str(planned.manager.file()), "changed": changed}
        click.echo(json.dumps(found | state._asdict() | {"commands": hints}))
        return
    note(f"{'installed' if changed else 'nothing to change'}: {_line(state)}")
    for name, words in hints.items():
        note(f"  {name + ':':9}{words}")
    if warning := planned.manager.warning():
        note(f"note: {warning}")


def _line(state: ServiceState) -> str:
    pid = f", pid {state.pid}" if state.pid else ""
    return state.word + pid + (f", {state.detail}" if state.detail else "")


def _tell_state(invocation: Invocation, manager: ServiceManagerCommand) -> None:
    manager.ready()
    file, state = manager.file(), manager.state()
    if invocation.as_json:
        click.echo(json.dumps({"file": str(file), "installed": file.exists()} | state._asdict()))
    elif not file.exists() and not state.pid:
        note(f"not installed: there is no {file}; to install it: pointsman install-service")
    else:
        click.echo(f"{_line(state)}\n{file}")
        if not state.at_sign_in:
            note("it is not started at sign-in; to have that: pointsman install-service")
    if not state.running:
        raise click.exceptions.Exit(1)


def _remove(invocation: Invocation, manager: ServiceManagerCommand) -> None:
    manager.ready()
    file = manager.file()
    had = _ours(file)
    variables = invocation.data_dir / _VARIABLES_FILE
    if had is not None:
        manager.stop(_stop_seconds(_variables(variables)))
        file.unlink(missing_ok=True)
        file.with_name(file.name + ".before").unlink(missing_ok=True)
        manager.forget()
    if invocation.as_json:
        click.echo(json.dumps({"file": str(file), "removed": had is not None}))
        return
    note(f"stopped and removed: {file}" if had is not None else f"nothing to remove: there is no {file}")
    if variables.exists():
        note(f"{variables} stays: it may hold a key that nothing else has")


def _variables(file: Path) -> dict[str, str]:
    return variables_of(_read(file) or "")
